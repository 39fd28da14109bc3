"""One message for many incidents: what a storm looks like in the channel. Pure.

A digest has pages, because Slack limits what one message holds: the first stands in the channel,
the others in its thread. Each incident has one line on one page; its line changes as it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alerts.mrkdwn import link
from alerts.payload import mrkdwn
from alerts.wording import in_order, incident_page, plain_head, state_word
from detector.regression import Incident, Phase, Severity

LINES_OF_A_PAGE = 20
LINE_LIMIT = 500
# Of one section, whose limit is 3000 characters.
LINES_OF_A_SECTION = 5
EVENT_TYPE = "plimsoll_incident"
GREEN = "#2eb67d"
COLOURS = {Severity.INFO: "#439fe0", Severity.WARNING: "#e8a317", Severity.CRITICAL: "#d32f2f"}


@dataclass(frozen=True, slots=True)
class Line:
    """One incident of a page, as it is now."""

    text: str
    phase: Phase
    severity: Severity


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a digest; `total` and `over` count the incidents of all its pages."""

    id: str
    number: int
    version: int
    lines: tuple[Line, ...]
    total: int
    over: int


def line(incident: Incident, public_url: str) -> str:
    """`*Critical*: API p95 +129 % on GET /cart`, linked to the incident's page."""
    if incident.finding.merged_into:
        told = link(incident_page(incident.finding.merged_into, public_url), "another incident")
        return f"*Part of* {told}"
    first, *others = in_order(incident)
    # The head of an incident that is over begins with its state; each line does here.
    head = plain_head(incident, first, len(others)).removeprefix(f"{state_word(incident)}: ")
    address = incident_page(incident.id, public_url)
    return f"*{state_word(incident)}*: {linked(address, head)}"


def linked(address: str, escaped: str) -> str:
    """A link whose label is escaped already."""
    return f"<{address.replace('&', '&amp;')}|{escaped.replace('|', '/')}>"


def render(page: Page) -> dict[str, Any]:
    """The page, ready for `chat.postMessage`."""
    lines = [one.text for one in page.lines]
    starts = range(0, len(lines), LINES_OF_A_SECTION)
    parts: list[dict[str, Any]] = [
        {
            "type": "section",
            "block_id": f"{number}.{page.version}",
            "text": mrkdwn("\n".join(lines[at : at + LINES_OF_A_SECTION]), 3000),
        }
        for number, at in enumerate(starts)
    ]
    title = heading(page)
    return {
        # Where the layout is refused or not shown, the text alone still names every incident.
        "text": "\n".join([f"{title}:", *lines]),
        "blocks": [
            {
                "type": "header",
                "block_id": f"head.{page.version}",
                "text": {"type": "plain_text", "text": title, "emoji": False},
            }
        ],
        "attachments": [{"color": colour(page.lines), "fallback": title, "blocks": parts}],
        "metadata": {
            "event_type": EVENT_TYPE,
            "event_payload": {"incident": page.id, "version": page.version},
        },
        "unfurl_links": False,
        "unfurl_media": False,
    }


def heading(page: Page) -> str:
    """How many there are; of a further page only that it goes on."""
    if page.number:
        return f"Further incidents, page {page.number + 1}"
    over = f", {page.over} of them over" if page.over else ""
    more = ": the rest is in the thread" if page.total > len(page.lines) else ""
    return f"{page.total} incidents at once{over}{more}"


def colour(lines: Sequence[Line]) -> str:
    """That of the worst that is open; green when all are over."""
    open_ = [one.severity for one in lines if one.phase is not Phase.RESOLVED]
    return COLOURS[max(open_, key=lambda severity: severity.rank)] if open_ else GREEN
