"""Answers of REST as columns of text, for people: a head, then a line for each, aligned."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from detector.units import Unit, text

Item = Mapping[str, Any]
Column = tuple[str, Callable[[Item], str]]
GAP = "  "
LONGEST = 100
"""Characters of a text that one cell shows; `--json` has all of it."""


def plain(name: str) -> Column:
    """A member as it is; what is empty or not known is a dash."""
    return name.replace("_", " "), lambda one: said(one[name])


def measured(name: str, unit: Unit, head: str = "") -> Column:
    """A number with its unit."""
    return head or name.replace("_", " "), lambda one: text(one[name], unit)


def moment(name: str, head: str = "") -> Column:
    """A time."""
    return head or name.replace("_", " "), lambda one: timed(one[name])


def timed(text: str | None) -> str:
    """A time of an answer as people read it: `2026-03-02 12:00:05 UTC`; a dash for none."""
    return f"{text[:10]} {text[11:19]} UTC" if text else "-"


def said(value: object) -> str:
    """A value on one line, cut where it is long."""
    told = "" if value is None else " ".join(str(value).split())
    return f"{told[: LONGEST - 1]}…" if len(told) > LONGEST else told or "-"


def table(columns: Sequence[Column], items: Sequence[Item]) -> Iterator[str]:
    """The lines; the last column is as long as it is."""
    rows = [[head for head, _ in columns], *([cell(one) for _, cell in columns] for one in items)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(columns))]
    for row in rows:
        yield GAP.join(f"{one:<{width}}" for one, width in zip(row, widths, strict=True)).rstrip()


def rest(body: Item) -> Iterator[str]:
    """Whether there is more than is shown."""
    shown, total = len(body["items"]), body.get("total")
    if (total is not None and total > shown) or body.get("next_cursor"):
        yield f"and {total - shown} more: see --limit" if total else "and more: see --limit"
