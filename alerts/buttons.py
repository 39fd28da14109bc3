"""The buttons below a message, and what a press of one says. Pure.

A button carries the incident's id and nothing else: what is possible is decided from the state at
the time of the press, not from what the message showed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detector.actions import Action, possible
from detector.regression import Incident

HOUR_MS = 3_600_000
VALUE_LIMIT = 200
PREFIX = "plimsoll."


class Button(StrEnum):
    """What can be pressed; the word is the `action_id` behind its prefix."""

    ACKNOWLEDGE = "acknowledge"
    MUTE_HOUR = "mute_1h"
    MUTE = "mute"
    ACCEPT = "accept"
    FALSE_POSITIVE = "false_positive"

    @property
    def action(self) -> Action:
        """What it does, in the words of REST."""
        return ACTIONS[self]

    def until_ms(self, now_ms: int) -> int | None:
        """When its mute ends; None for until it is resolved, and for what is no mute."""
        return now_ms + HOUR_MS if self is Button.MUTE_HOUR else None


ACTIONS: Mapping[Button, Action] = {
    Button.ACKNOWLEDGE: Action.ACKNOWLEDGE,
    Button.MUTE_HOUR: Action.MUTE,
    Button.MUTE: Action.MUTE,
    Button.ACCEPT: Action.ACCEPT,
    Button.FALSE_POSITIVE: Action.FALSE_POSITIVE,
}
LABELS: Mapping[Button, str] = {
    Button.ACKNOWLEDGE: "Acknowledge",
    Button.MUTE_HOUR: "Mute 1 h",
    Button.MUTE: "Mute until resolved",
    Button.ACCEPT: "Accept as new normal",
    Button.FALSE_POSITIVE: "False positive",
}
# What ends the life of a regression asks once more; the rest can be taken back.
ASKS: Mapping[Button, str] = {
    Button.ACCEPT: "The baseline begins anew where the change set in.",
    Button.FALSE_POSITIVE: "It is closed, and the same breach stays quiet while it lasts.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Who pressed which button of which incident, and where the answer is shown."""

    button: Button
    incident_id: str
    user_id: str
    user_name: str
    channel: str = ""

    @property
    def actor(self) -> str:
        """The name that is stored: the person's, and that it came by Slack."""
        return f"{self.user_name or self.user_id} (Slack)"[:100]


def offered(incident: Incident) -> list[Button]:
    """The buttons that would change something for at least one regression of the incident."""
    able = {action for one in incident.regressions for action in possible(one)}
    if not any(one.phase.holds for one in incident.regressions):
        return []
    return [button for button in Button if button.action in able]


def actions(incident: Incident) -> list[dict[str, Any]]:
    """The block with the buttons; none where nothing can be done any more."""
    buttons = [button_block(one, incident.id) for one in offered(incident)]
    return [{"type": "actions", "elements": buttons}] if buttons else []


def button_block(button: Button, incident_id: str) -> dict[str, Any]:
    """One button of Block Kit."""
    made: dict[str, Any] = {
        "type": "button",
        "action_id": PREFIX + button,
        "text": {"type": "plain_text", "text": LABELS[button], "emoji": False},
        "value": incident_id[:VALUE_LIMIT],
    }
    if button in ASKS:
        made["confirm"] = {
            "title": {"type": "plain_text", "text": f"{LABELS[button]}?"},
            "text": {"type": "plain_text", "text": ASKS[button]},
            "confirm": {"type": "plain_text", "text": "Yes"},
            "deny": {"type": "plain_text", "text": "Cancel"},
        }
    return made


def pressed(payload: Mapping[str, Any]) -> Press | None:
    """What an interaction of Slack says; None where it is none of our buttons."""
    if payload.get("type") != "block_actions":
        return None
    user, channel = as_mapping(payload.get("user")), as_mapping(payload.get("channel"))
    taken = payload.get("actions")
    for one in taken if isinstance(taken, list) else []:
        name = str(as_mapping(one).get("action_id", ""))
        known = name.removeprefix(PREFIX)
        value = as_mapping(one).get("value")
        if not name.startswith(PREFIX) or known not in set(Button) or not isinstance(value, str):
            continue
        return Press(
            button=Button(known),
            incident_id=value[:VALUE_LIMIT],
            user_id=str(user.get("id", ""))[:50],
            user_name=str(user.get("username") or user.get("name") or "")[:80],
            channel=str(channel.get("id", ""))[:50],
        )
    return None


def as_mapping(part: Any) -> Mapping[str, Any]:
    """The part where it is a mapping, else an empty one: what comes in may be anything."""
    return part if isinstance(part, Mapping) else {}
