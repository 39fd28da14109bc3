"""Templates into pages."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from api.access.who import may_write, person
from api.pages.navigation import NAVIGATION
from detector import units

KINDS = {
    "api": "API",
    "database": "Database",
    "cache": "Cache",
    "resource": "Resources",
    "web": "Web vitals",
    "other": "Other",
}
MARKS = {
    "critical": "▲",
    "warning": "◆",
    "info": "●",
    "resolved": "✓",
    "suspected": "?",
    "acknowledged": "◎",
    "escalated": "↑",
    "reopened": "↻",
    "muted": "◌",
    "accepted": "✓",
    "transient": "~",
    "false_positive": "✗",
    "improvement": "▼",
}
# Of silences and receivers, which no page shows beside those above.
STATES = {
    "active": "◌",
    "pending": "○",
    "expired": "◦",
    "working": "✓",
    "waiting": "◆",
    "broken": "▲",
    "unproven": "○",
}


def moment(value: datetime | None) -> str:
    """`2026-03-02 12:01 UTC`."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if value else "-"


def machine(value: datetime) -> str:
    """A time for a `datetime` attribute."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plural(count: int, word: str) -> str:
    """`1 signal`, `2 signals`; `series` stays as it is."""
    return f"{count} {word}" if count == 1 or word.endswith("s") else f"{count} {word}s"


def breakable(name: str) -> Markup:
    """A name that may be broken after its underscores, and nowhere else."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def coded(told: str) -> Markup:
    """Words in which names stand between backticks, as terminals show them: here as code."""
    parts = told.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is no pair
        return escape(told)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )


def count(number: float) -> str:
    """How many, with its thousands apart."""
    return f"{round(number):,}"


def templates() -> Environment:
    """The environment of all pages: everything is escaped, a missing name is an error."""
    made = Environment(
        loader=PackageLoader("api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": moment,
        "machine": machine,
        "plural": plural,
        "breakable": breakable,
        "coded": coded,
        "count": count,
        "unit": units.text,
        "duration": units.duration,
    }
    made.globals |= {
        "marks": MARKS | STATES,
        "kinds": KINDS,
        "navigation": NAVIGATION,
        "plimsoll_version": version("plimsoll"),
        "person": person,
        "may_write": may_write,
    }
    return made


_TEMPLATES = templates()


def render(template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page."""
    return HTMLResponse(_TEMPLATES.get_template(template).render(context), status)
