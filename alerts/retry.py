"""What follows from the outcome of a delivery: done, again, when, and in which form. Pure.

Retrying lives here and nowhere else; the notifiers try once.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alerts.alert import Action, Delivery, Outcome, Reference
from alerts.payload import as_repeat, is_only_text, only_text

FIRST_DELAY_MS = 1_000
LONGEST_DELAY_MS = 60_000
LONGEST_RETRY_AFTER_MS = 3_600_000
BROKEN_DELAY_MS = 300_000
# Before a message of unknown fate is looked for or repeated: the first attempt may still be on its
# way. The second and third wait longer, because each repeat may be one message too many.
DOUBT_DELAYS_MS = (10_000, 60_000, 600_000)
RECOVERY_DELAY_MS = 5_000
MOST_UPLOADS = 5


# What would be said twice if it were simply done again.
SAYING = frozenset({Action.POST, Action.REPLY, Action.UPLOAD})


class State(StrEnum):
    """Where a message is in the outbox."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"
    GATHERED = "gathered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message taken from the outbox to be delivered.

    `in_doubt`: an earlier attempt to post it may have arrived. `repeats` counts how often it was
    sent again without knowing. `reference` is where the incident's message stands; `channel` any
    channel this receiver is known to post into; `thread` the message whose thread it goes into.
    `earlier` is a message about the incident before the one that is posted or edited now. What is
    sent is told again after `renew_ms` (0: never).
    """

    id: int
    key: str
    incident_id: str
    receiver: str
    version: int
    action: Action
    payload: Mapping[str, Any]
    attempts: int
    repeats: int
    in_doubt: bool
    first_attempt_ms: int
    reference: Reference | None = None
    channel: str = ""
    thread: Reference | None = None
    earlier: Reference | None = None
    renew_ms: int = 0

    @property
    def call(self) -> Action:
        """What is asked of the receiver next: what is in doubt is looked for first."""
        return Action.FIND if self.in_doubt and self.action in SAYING else self.action


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of the message; without `next_attempt_ms` nothing more is done."""

    state: State
    action: Action
    payload: Mapping[str, Any]
    repeats: int
    next_attempt_ms: int | None = None


def next_step(letter: Letter, delivery: Delivery, now_ms: int) -> Step:
    """The one place that says what an outcome means for a message."""

    def step(state: State, at_ms: int | None = None, **other: Any) -> Step:
        as_it_is = {"action": letter.action, "payload": letter.payload, "repeats": letter.repeats}
        return Step(state=state, next_attempt_ms=at_ms, **{**as_it_is, **other})

    undecided = State.UNKNOWN if letter.call is Action.FIND else State.PENDING
    later_ms = now_ms + delay_ms(letter, delivery)
    if letter.action is Action.UPLOAD and is_last_word(letter, delivery.outcome):
        return step(State.UNKNOWN if delivery.outcome is Outcome.BLIND else State.FAILED)
    match delivery.outcome:
        case Outcome.SENT:
            return step(State.SENT, now_ms + letter.renew_ms if letter.renew_ms else None)
        case Outcome.FOUND if letter.action is not Action.POST:
            return step(State.SENT)
        case Outcome.FOUND if delivery.version == letter.version:
            return step(State.SENT)
        case Outcome.FOUND:  # an older version of it arrived: bring that up to date
            return step(State.PENDING, now_ms, action=Action.UPDATE)
        case Outcome.ABSENT:
            return step(State.PENDING, now_ms)
        case Outcome.BLIND:
            repeat = {"payload": as_repeat(letter.payload), "repeats": letter.repeats + 1}
            return step(State.PENDING, now_ms, **repeat)
        case Outcome.UNKNOWN if letter.call in SAYING:
            if letter.repeats >= len(DOUBT_DELAYS_MS):
                return step(State.UNKNOWN)
            return step(State.UNKNOWN, now_ms + DOUBT_DELAYS_MS[letter.repeats])
        case Outcome.RECEIVER_BROKEN:
            broken = State.FAILED if undecided is State.PENDING else State.UNKNOWN
            return step(broken, now_ms + BROKEN_DELAY_MS)
        case Outcome.MESSAGE_REFUSED if is_only_text(letter.payload):
            return step(State.FAILED)
        case Outcome.GONE if letter.action is Action.REPLY:
            return step(State.FAILED)
        case Outcome.MESSAGE_REFUSED:
            return step(State.PENDING, now_ms, payload=only_text(letter.payload))
        case Outcome.GONE:
            return step(State.PENDING, now_ms, action=Action.POST)
        case _:
            return step(undecided, later_ms)


def is_last_word(letter: Letter, outcome: Outcome) -> bool:
    """Whether a picture is given up: it is not worth a repeat, nor a second thought."""
    hopeless = (
        Outcome.NOT_DRAWN,
        Outcome.RECEIVER_BROKEN,
        Outcome.MESSAGE_REFUSED,
        Outcome.GONE,
        Outcome.BLIND,
    )
    return outcome in hopeless or (letter.attempts >= MOST_UPLOADS and outcome is not Outcome.SENT)


def delay_ms(letter: Letter, delivery: Delivery) -> int:
    """How long to wait: as long as the receiver asked for, else twice as long as last time."""
    spread = scatter(f"{letter.key}:{letter.attempts}")
    if delivery.retry_after_seconds is not None:
        asked = max(0, round(delivery.retry_after_seconds * 1000))
        return min(asked, LONGEST_RETRY_AFTER_MS) + round(spread * 500)
    backoff = min(LONGEST_DELAY_MS, FIRST_DELAY_MS << min(letter.attempts - 1, 20))
    return round(backoff * (0.75 + spread / 4))


def scatter(seed: str) -> float:
    """A number in [0, 1) that is the same for the same seed, so that retries do not march in step.

    Not random: the same attempt of the same message always waits the same time.
    """
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32
