"""What is said in the thread of a message when it changes. Pure."""

from typing import Any

from alerts.alert import Alert, Reason
from alerts.mrkdwn import code, cut, escape
from alerts.payload import mrkdwn
from alerts.wording import decision, how_it_ended, in_order, plain_head, state_word, where
from detector import units
from detector.regression import Incident

REPLY_TYPE = "plimsoll_reply"
REPLY_LIMIT = 3000
OPENINGS = {
    Reason.WORSE: "Worse",
    Reason.RESOLVED: "Resolved",
    Reason.REOPENED: "It is back",
    Reason.CONFIRMED: "Confirmed",
    Reason.WITHDRAWN: "Withdrawn",
    Reason.REPEATED: "Still so",
    Reason.ESCALATED: "Nobody has acknowledged this",
}


def news(alert: Alert, decided_before: str) -> tuple[Reason, str]:
    """Why a reply is sent and what it says; an empty text where the edit alone is enough."""
    incident, reason = alert.incident, alert.reason
    decided = decision(incident)
    if decided and decided != decided_before:
        return Reason.DECIDED, f"{escape(decided)}."
    if reason not in OPENINGS or not incident.regressions:
        return reason, ""
    opening = state_word(incident) if reason is Reason.RESOLVED else OPENINGS[reason]
    return reason, f"*{opening}*: {change(incident, reason)}"


def change(incident: Incident, reason: Reason) -> str:
    """`critical: API p95 +129 % on GET /cart`, or how it ended."""
    first, *others = in_order(incident)
    if reason in (Reason.RESOLVED, Reason.WITHDRAWN):
        title = cut(escape(first.title or first.signal), 100)
        place = f" on {code(where(first.labels), 120)}" if where(first.labels) else ""
        return f"{title}{place} {escape(how_it_ended(incident, first))}."
    now = units.text(first.value, first.unit)
    head = plain_head(incident, first, len(others))
    return f"{incident.severity.value}: {head}, now {escape(now)}."


def written(text: str, key: str, *, broadcast: bool) -> dict[str, Any]:
    """The reply as Slack takes it."""
    return {
        "text": cut(text, REPLY_LIMIT),
        "blocks": [{"type": "section", "text": mrkdwn(text, REPLY_LIMIT)}],
        "metadata": metadata(key),
        "reply_broadcast": broadcast,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def metadata(key: str) -> dict[str, Any]:
    """What a reply is recognised by."""
    return {"event_type": REPLY_TYPE, "event_payload": {"key": key}}


def joined(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Two replies that wait, as one: nothing is left out but what is said twice."""
    text = old["text"] if old["text"].endswith(new["text"]) else f"{old['text']}\n{new['text']}"
    key = new["metadata"]["event_payload"]["key"]
    return written(text, key, broadcast=old["reply_broadcast"] or new["reply_broadcast"])
