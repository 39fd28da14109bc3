"""What Slack shows of an incident. Pure: the same incident gives the same message.

The sentence in `text` is what a phone shows and what remains where nothing else is rendered; the
blocks say the same in parts. What is said in both stands in `wording.py`.
"""

from collections.abc import Mapping
from typing import Any

from alerts.buttons import actions
from alerts.digest import COLOURS, EVENT_TYPE, GREEN
from alerts.mrkdwn import code, cut, escape, link, plain
from alerts.payload import mrkdwn
from alerts.visitors import page_views
from alerts.wording import (
    SAID_OVER,
    correlated,
    decision,
    in_order,
    incident_page,
    lasted,
    origin,
    page,
    panel,
    plain_head,
    runbook,
    sentence,
    since,
    state_word,
    tagged,
    where,
)
from detector import units
from detector.regression import Incident, Phase, Regression

SECTION_LIMIT = 3000
FIELD_LIMIT = 2000
OTHERS_LISTED = 10
PAGE_VIEWS_LIMIT = 600

GREY = "#8d949e"


def render(
    incident: Incident, public_url: str, *, panel_url: str = "", buttons: bool = False
) -> dict[str, Any]:
    """The message about an incident as it is now, ready for `chat.postMessage`.

    `panel_url` is the template of a link to Grafana; `buttons` where presses come back to us.
    """
    if incident.finding.merged_into:
        return merged(incident, public_url)
    first, *others = in_order(incident)
    parts = body(incident, first, others, links(incident, first, public_url, panel_url))
    if buttons:
        parts += actions(incident)
    attachment = {
        "color": colour(incident),
        "fallback": plain_head(incident, first, len(others)),
        "blocks": numbered(parts, incident.version),
    }
    blocks = [head(incident, plain_head(incident, first, len(others)))]
    return message(incident, sentence(incident, public_url), blocks, attachment)


def merged(incident: Incident, public_url: str) -> dict[str, Any]:
    """What stays in the place of an incident that proved to be part of another one."""
    title = "Part of another incident"
    told = "Its regressions are told with those of the incident that they proved to belong to"
    address = incident_page(incident.finding.merged_into, public_url)
    parts: list[dict[str, Any]] = [
        {"type": "section", "text": mrkdwn(f"{told}.", SECTION_LIMIT)},
        {"type": "section", "text": mrkdwn(link(address, "That incident"), SECTION_LIMIT)},
        {"type": "context", "elements": [mrkdwn(small_print(incident), FIELD_LIMIT)]},
    ]
    attachment = {"color": GREY, "fallback": title, "blocks": numbered(parts, incident.version)}
    text = f"{title}: {told[:1].lower()}{told[1:]}. {escape(address)}"
    return message(incident, text, [head(incident, title)], attachment)


def message(
    incident: Incident, text: str, blocks: list[dict[str, Any]], attachment: dict[str, Any]
) -> dict[str, Any]:
    """The parts of a message, with what it is recognised by."""
    return {
        "text": text,
        "blocks": blocks,
        "attachments": [attachment],
        "metadata": {
            "event_type": EVENT_TYPE,
            "event_payload": {"incident": incident.id, "version": incident.version},
        },
        "unfurl_links": False,
        "unfurl_media": False,
    }


def head(incident: Incident, text: str) -> dict[str, Any]:
    """The header block; `emoji` is off, or a route like `/a/:id:` would become a picture."""
    return {
        "type": "header",
        "block_id": f"head.{incident.version}",
        "text": {
            "type": "plain_text",
            "text": text,
            "emoji": False,
        },
    }


def links(
    incident: Incident, first: Regression, public_url: str, panel_url: str
) -> list[tuple[str, str]]:
    """Where to read on, as address and label: our page first."""
    found = [(page(first, public_url), "Chart and evidence")]
    if len(incident.regressions) > 1:
        found.append((incident_page(incident.id, public_url), "Incident"))
    if panel_url:
        found.append((panel(first, panel_url), "Grafana"))
    if first.runbook:
        found.append((runbook(first, public_url), "Runbook"))
    if incident.deployment is not None and incident.deployment.url:
        found.append((incident.deployment.url, "Deployment"))
    return found


def body(
    incident: Incident, first: Regression, others: list[Regression], to: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Everything below the header, beside the bar of colour."""
    blocks: list[dict[str, Any]] = [
        {"type": "section", "fields": [mrkdwn(f, FIELD_LIMIT) for f in fields(incident, first)]}
    ]
    seen = page_views(first.evidence.get("visits") or {}, first.unit)
    if seen:
        told = "\n".join(f"• {cut(escape(one), PAGE_VIEWS_LIMIT)}" for one in seen)
        blocks.append({"type": "section", "text": mrkdwn(f"*Page views*\n{told}", SECTION_LIMIT)})
    if tags := tagged(first):
        blocks.append({"type": "section", "text": mrkdwn(escape(tags), SECTION_LIMIT)})
    if others:
        blocks.append({"type": "section", "text": mrkdwn(also(others), SECTION_LIMIT)})
    linked = "  ·  ".join(link(address, label) for address, label in to)
    blocks.append({"type": "section", "text": mrkdwn(linked, SECTION_LIMIT)})
    blocks.append({"type": "context", "elements": [mrkdwn(small_print(incident), FIELD_LIMIT)]})
    return blocks


def fields(incident: Incident, first: Regression) -> list[str]:
    """At most ten facts, each with its name; Slack shows them in two columns."""
    now = units.text(first.value, first.unit)
    worst = units.text(first.worst, first.unit)
    told = [("Last" if incident.phase is Phase.RESOLVED else "Now", now)]
    if worst != now:
        told.append(("Worst", f"{worst} ({first.change})" if first.change else worst))
    if first.baseline is not None:
        told.append(("Baseline", units.text(first.baseline, first.unit)))
        told.append(("Change", units.change(first.value, first.baseline) or "-"))
    else:
        told.append(("Limit", units.text(first.threshold, first.unit)))
    told.append(("Since", since(first)))
    if incident.phase is Phase.RESOLVED:
        told.append(("Lasted", lasted(incident)))
    rows = [f"*{name}*\n{escape(value)}" for name, value in told]
    rows.append(f"*Rule*\n{code(first.rule)}")
    rows.append(f"*Severity*\n{state_word(incident)}")
    if incident.deployment is not None:
        rows.append(f"*Deployment*\n{escape(correlated(incident))}")
    if len(incident.regressions) > 1:
        rows.append(f"*Probable origin*\n{cut(escape(origin(incident)), 300)}")
    return rows


def also(others: list[Regression]) -> str:
    """The other regressions of the incident, the heaviest first, a line each."""
    lines = ["*Also*"]
    for other in others[:OTHERS_LISTED]:
        size = other.change or f"at {units.text(other.worst, other.unit)}"
        over = f" ({SAID_OVER[other.phase]})" if other.phase in SAID_OVER else ""
        place = f" on {code(where(other.labels), 80)}" if where(other.labels) else ""
        title = cut(escape(other.title or other.signal), 60)
        lines.append(f"• {title} {escape(size)}{place}, {other.severity.value}{over}")
    if len(others) > OTHERS_LISTED:
        lines.append(f"• and {len(others) - OTHERS_LISTED} more")
    return "\n".join(lines)


def small_print(incident: Incident) -> str:
    """What somebody decided, the incident's id, and what its regressions share."""
    shared = "  ".join(f"{name}={value}" for name, value in incident.labels)
    decided = decision(incident)
    told = f"{escape(decided)}  ·  " if decided else ""
    return f"{told}incident {code(incident.id, 80)}" + (
        f"  ·  {code(shared, 400)}" if shared else ""
    )


def colour(incident: Incident) -> str:
    """Green when it is over, else that of the severity."""
    return GREEN if incident.phase is Phase.RESOLVED else COLOURS[incident.severity]


def numbered(blocks: list[dict[str, Any]], version: int) -> list[dict[str, Any]]:
    """Blocks with ids that are new in every version, as Slack asks of edited messages."""
    return [{**block, "block_id": f"{i}.{version}"} for i, block in enumerate(blocks)]


def for_terminal(payload: Mapping[str, Any]) -> str:
    """What a person reads of a message, without Slack: for the demo and the log."""
    return plain(payload["text"])
