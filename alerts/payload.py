"""What can be done with a message without knowing what it is about: compare, mark, strip. Pure.

A payload is what a notifier sends. Of every layout it has `metadata`, which nobody sees; that of
Slack has `text`, `blocks` and `attachments` as well.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from alerts.mrkdwn import cut

HIDDEN = ("block_id", "metadata")
REPEAT = (
    "This may be a repeat: whether the first attempt to send it arrived could not be found out."
)


def mrkdwn(text: str, limit: int) -> dict[str, Any]:
    """A text object within its limit; `verbatim`: Slack makes no links and mentions of its own."""
    return {"type": "mrkdwn", "text": cut(text, limit), "verbatim": True}


def digest(payload: Mapping[str, Any]) -> str:
    """What a person would see of it, as a hash; the version alone makes no difference."""

    def visible(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {name: visible(value) for name, value in part.items() if name not in HIDDEN}
        return [visible(item) for item in part] if isinstance(part, list) else part

    shown = json.dumps(visible(payload), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(shown.encode()).hexdigest()


def as_repeat(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The same message with the line that it may be a repeat; once, however often it is asked."""
    text = str(payload.get("text", ""))
    if text.endswith(REPEAT) or "text" not in payload:
        return dict(payload)
    note = {"type": "context", "block_id": "repeat", "elements": [mrkdwn(REPEAT, 2000)]}
    attachments = [
        {**attachment, "blocks": [*attachment["blocks"], note]}
        for attachment in payload.get("attachments", ())
    ]
    marked = {**payload, "text": f"{text} {REPEAT}"}
    return {**marked, "attachments": attachments} if attachments else marked


def only_text(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The sentence alone, for a receiver that refuses the layout; better bare than unsaid."""
    return {**payload, "blocks": [], "attachments": []}


def is_only_text(payload: Mapping[str, Any]) -> bool:
    """Whether there is nothing left to leave out."""
    return not payload.get("blocks") and not payload.get("attachments")


def written(payload: Any) -> str:
    """JSON as it is stored, the same for the same payload."""
    return json.dumps(payload, ensure_ascii=False, sort_keys=True)
