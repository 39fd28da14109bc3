"""What is said, to whom, and why; what became of saying it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from detector.regression import Incident, Phase, Severity


class Reason(StrEnum):
    """Why a message goes out, or why not; the same word in the log, the metrics and the outbox."""

    UNDECIDED = "undecided"
    OPENED = "opened"
    CHANGED = "changed"
    WORSE = "worse"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    MERGED = "merged"
    NO_RECEIVER = "no_receiver"
    MUTED = "muted"
    BELOW_MIN_SEVERITY = "below_min_severity"
    NOTHING_CHANGED = "nothing_changed"
    CANNOT_EDIT = "cannot_edit"
    ALREADY_QUEUED = "already_queued"
    DECIDED = "decided"
    DIGEST = "digest"
    CHART = "chart"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    REPEATED = "repeated"
    ESCALATED = "escalated"
    KEPT_TRUE = "kept_true"
    INHIBITED = "inhibited"
    OUT_OF_HOURS = "out_of_hours"
    SILENCED = "silenced"
    MAINTENANCE = "maintenance"
    WAITING_FOR_GROUP = "waiting_for_group"
    OVER_BEFORE_TOLD = "over_before_told"
    ACKNOWLEDGED_IN_TIME = "acknowledged_in_time"


class Trigger(StrEnum):
    """Why a receiver is looked at now."""

    NEWS = "news"  # it may be told anything
    EDIT = "edit"  # news wait for their group; what was told may be edited
    KEEP = "keep"  # its group has nothing new; what it missed while it was quiet is told
    REPEAT = "repeat"  # it is told again what has not changed
    ESCALATION = "escalation"  # nobody acknowledged elsewhere


class Action(StrEnum):
    """What is done at the receiver."""

    NOTHING = "nothing"
    POST = "post"
    UPDATE = "update"
    FIND = "find"
    REPLY = "reply"
    UPLOAD = "upload"


class Fate(StrEnum):
    """Whether the receiver has the message; only `not_told` may be sent again without care."""

    TOLD = "told"
    NOT_TOLD = "not_told"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What became of one call to a receiver."""

    SENT = "sent"
    FOUND = "found"
    ABSENT = "absent"
    BLIND = "blind"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    REFUSED = "refused"
    RECEIVER_BROKEN = "receiver_broken"
    MESSAGE_REFUSED = "message_refused"
    GONE = "gone"
    NOT_DRAWN = "not_drawn"
    UNKNOWN = "unknown"

    @property
    def fate(self) -> Fate:
        """What the outcome says about the message."""
        if self in (Outcome.SENT, Outcome.FOUND):
            return Fate.TOLD
        if self in (Outcome.UNKNOWN, Outcome.BLIND):
            return Fate.UNKNOWN
        return Fate.NOT_TOLD


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a message stands at the receiver, so that it can be edited."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a sent message can be recognised by: the incident, and from when on to look.

    A reply or a picture is recognised by its `key`, in the `thread` of its message.
    """

    incident_id: str
    since_ms: int
    channel: str = ""
    thread: Reference | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The outcome of one call, with its evidence; `detail` holds no secrets.

    `version` is that of the message a look-up found.
    """

    outcome: Outcome
    detail: str = ""
    reference: Reference | None = None
    retry_after_seconds: float | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a notifier may have to know besides the message.

    `key` is the same whenever the same message is tried again. `earlier` is an older message about
    the same thing that a new one should lead to.
    """

    key: str
    at_ms: int
    earlier: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart, ready to be shown; `key` is in its file name, so that it is found again."""

    key: str
    title: str
    alt_text: str
    png: bytes


class Layout(StrEnum):
    """How a message is written for a receiver."""

    SLACK = "slack"
    JSON = "json"
    MAIL = "mail"
    ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a receiver is told, as far as deciding and delivering need to know.

    Receivers with the same `lane` share the pace of one call per `pace_ms`. From `digest_from`
    new messages at once on, one message lists them (0: never). What comes back within
    `same_thread_ms` goes on in its thread. `broadcast` are the replies that the channel sees too.
    A receiver that forgets is told again every `renew_ms` while the incident is open (0: never).
    """

    layout: Layout = Layout.SLACK
    lane: str = ""
    pace_ms: int = 0
    threads: bool = False
    charts: bool = False
    buttons: bool = False
    panel_url: str = ""
    broadcast: frozenset[Reason] = frozenset()
    same_thread_ms: int = 0
    digest_from: int = 0
    renew_ms: int = 0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who hears of incidents; `edits` when a message can be changed after it was sent."""

    name: str
    edits: bool
    manner: Manner = Manner()


NOBODY = Receiver("none", edits=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a receiver knows of an incident.

    `phase` and `severity` are those of the last message that went out or may have gone out (None
    before the first); `digest` is that of the newest message, sent or not. `waiting` when the
    newest has surely not gone out, so that it can still be replaced.
    """

    phase: Phase | None = None
    severity: Severity | None = None
    digest: str = ""
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One incident on its way to one receiver, and what was decided about it so far.

    `route` and `group_key` are where the tree put it, empty without one. `hush` is what keeps all
    of it quiet. `serial` tells messages about the same version apart.
    """

    incident: Incident
    receiver: Receiver = NOBODY
    action: Action = Action.NOTHING
    reason: Reason = Reason.UNDECIDED
    payload: Mapping[str, Any] | None = None
    route: str = ""
    group_key: str = ""
    trigger: Trigger = Trigger.NEWS
    hush: Reason | None = None
    serial: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What the message is known by in the outbox."""
        serial = f":{self.serial}" if self.serial else ""
        return f"{self.receiver.name}:{self.incident.id}:{self.incident.version}{serial}"

    @property
    def asked(self) -> bool:
        """Whether its group has asked already what keeps it quiet."""
        return bool(self.group_key) and self.trigger is not Trigger.ESCALATION

    @property
    def stopped(self) -> bool:
        """Whether a stage decided that nothing is sent."""
        return self.action is Action.NOTHING and self.reason is not Reason.UNDECIDED

    def stop(self, reason: Reason) -> "Alert":
        """The same alert, not to be sent, and why."""
        return replace(self, action=Action.NOTHING, reason=reason)

    def send(self, action: Action, reason: Reason, payload: Mapping[str, Any]) -> "Alert":
        """The same alert, to be sent, and why."""
        return replace(self, action=action, reason=reason, payload=payload)
