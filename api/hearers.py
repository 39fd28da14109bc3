"""Who is told, and how that goes: the receivers with their health, each under a named state."""

from datetime import datetime, timedelta
from enum import StrEnum

from alerts.config import Way
from alerts.delivered import Lately, delivered
from alerts.outbox import ReceiverStatus
from alerts.receivers import AlertmanagerConfig, EmailConfig, WebhookConfig
from api.house import House
from api.moments import maybe_at, milliseconds
from api.shapes import Shape

LATELY = timedelta(days=7)


class ReceiverState(StrEnum):
    """How a receiver is doing."""

    WORKING = "working"
    WAITING = "waiting"
    BROKEN = "broken"
    UNPROVEN = "unproven"


IN_WORDS = {
    ReceiverState.WORKING: "What was sent lately arrived, and nothing waits.",
    ReceiverState.WAITING: "Something waits to be sent, or to be tried again.",
    ReceiverState.BROKEN: "It refuses everything until somebody mends it.",
    ReceiverState.UNPROVEN: "Nothing arrived in the last 7 days, so nothing is known of it.",
}


class ReceiverShape(Shape):
    """One receiver and what became of what it was sent."""

    name: str
    """What routes call it."""
    kind: str
    """`slack`, `webhook`, `email` or `alertmanager`."""
    edits: bool
    """Whether its messages are edited in place."""
    state: ReceiverState
    """How it is doing."""
    text: str
    """The same in words."""
    outstanding: int
    """Messages that are still to be sent."""
    outcome: str
    """What became of the newest try of those; empty where none was tried."""
    error: str
    """What it answered to that, without secrets; empty when all is well."""
    retry_at: datetime | None
    """When the next try is made; null where nothing waits."""
    last_sent_at: datetime | None
    """When a message last arrived; null where none did in the last 7 days."""
    sent: int
    """Messages that arrived in the last 7 days."""
    failed: int
    """Messages that were given up in the last 7 days."""


def receivers(house: House) -> list[ReceiverShape]:
    """All that are configured, in the order of the configuration."""
    now = house.now()
    status = house.alerts.status(now).receivers
    with house.state.reading() as session:
        lately = delivered(session, milliseconds(now - LATELY))
    return [
        shape(
            name,
            way,
            house.alerts.notifiers[name].receiver.edits,
            status.get(name, ReceiverStatus()),
            lately.get(name, Lately()),
        )
        for name, way in house.settings.alerts.ways()
    ]


def shape(
    name: str, way: Way, edits: bool, status: ReceiverStatus, lately: Lately
) -> ReceiverShape:
    """One receiver."""
    state = state_of(status, lately)
    return ReceiverShape(
        name=name,
        kind=kind_of(way),
        edits=edits,
        state=state,
        text=IN_WORDS[state],
        outstanding=status.outstanding,
        outcome=status.outcome,
        error=status.error,
        retry_at=maybe_at(status.retry_at_ms),
        last_sent_at=maybe_at(lately.last_ms),
        sent=lately.sent,
        failed=lately.failed,
    )


def state_of(status: ReceiverStatus, lately: Lately) -> ReceiverState:
    """How a receiver is doing, from what waits for it and what it got."""
    if status.broken:
        return ReceiverState.BROKEN
    if status.outstanding:
        return ReceiverState.WAITING
    return ReceiverState.WORKING if lately.sent else ReceiverState.UNPROVEN


def kind_of(way: Way) -> str:
    """What kind of receiver it is, as the configuration calls it."""
    match way:
        case WebhookConfig():
            return "webhook"
        case EmailConfig():
            return "email"
        case AlertmanagerConfig():
            return "alertmanager"
        case _:
            return "slack"
