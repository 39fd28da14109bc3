"""`/notifications`: what was told to whom and why, or why not; and what became of the message."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from alerts.alert import Action, Reason
from alerts.decisions import Decision, DecisionQuery, Decisions
from api.errors import bad_cursor
from api.moments import Moment, at, maybe_at, maybe_milliseconds
from api.rooms import Limited, Rooms
from api.routes.router import router
from api.routes.silences import place
from api.routes.texts import Cursor, Name
from api.shapes import Shape
from detector.paging import written
from storage.state import LARGEST_KEY

routes = router("notifications")

IN_WORDS = {
    Reason.UNDECIDED: "No stage has decided yet; never seen outside.",
    Reason.OPENED: "Sent: the incident is new to this receiver.",
    Reason.CHANGED: "Sent: what the message says has changed.",
    Reason.WORSE: "Sent: the severity has risen.",
    Reason.RESOLVED: "Sent: the incident is over.",
    Reason.REOPENED: "Sent: the incident was told as resolved and is open again.",
    Reason.MERGED: "The incident proved to be part of another one: its message says so, or none "
    "is sent.",
    Reason.NO_RECEIVER: "Not sent: nobody is configured.",
    Reason.MUTED: "Not sent: somebody muted all of it.",
    Reason.BELOW_MIN_SEVERITY: "Not sent: milder than `alerts.min_severity`, and never told.",
    Reason.NOTHING_CHANGED: "Not sent: the message would look the same.",
    Reason.CANNOT_EDIT: "Not sent: a webhook cannot edit, and this is no news.",
    Reason.ALREADY_QUEUED: "Not sent: this version is in the outbox already.",
    Reason.DECIDED: "A reply in the thread: somebody decided something.",
    Reason.DIGEST: "A page of a digest, or what a digest told in place of a message.",
    Reason.CHART: "A chart in the thread.",
    Reason.SUSPECTED: "Sent: a suspicion, to a route that asks for them.",
    Reason.CONFIRMED: "Sent: what was told as a suspicion is one.",
    Reason.WITHDRAWN: "Sent: what was told as a suspicion went away.",
    Reason.REPEATED: "Sent: nothing has changed for `repeat_interval`, and it lasts.",
    Reason.ESCALATED: "Sent: nobody acknowledged it in time, so `escalate.to` is told.",
    Reason.KEPT_TRUE: "Sent as an edit that nobody is to notice: a message that stands stays "
    "true, though something keeps its news quiet.",
    Reason.INHIBITED: "Not sent: an alert of a source of `inhibit_rules` fires.",
    Reason.OUT_OF_HOURS: "Not sent: in a mute time of the route, or outside of its active ones.",
    Reason.SILENCED: "Not sent: a silence holds for all of it.",
    Reason.MAINTENANCE: "Not sent: a maintenance window holds for all of it.",
    Reason.WAITING_FOR_GROUP: "Not sent yet: its group is told after `group_wait`, and then once "
    "in a `group_interval`.",
    Reason.OVER_BEFORE_TOLD: "Not sent: it was over before its group was told of it.",
    Reason.ACKNOWLEDGED_IN_TIME: "Not sent: escalating it is not needed.",
}
# What can be decided; the other actions are steps of delivering. Whether a message arrived stands
# beside it: a decision to tell is no delivery.
DECIDED = {
    Action.POST: "new message",
    Action.UPDATE: "edit",
    Action.NOTHING: "not told",
}


def beside_decision() -> dict[Reason, str]:
    """The reasons as they stand beside a decision, which says already whether something is sent."""
    told = {
        one: words.removeprefix("Sent: ").removeprefix("Not sent: ").replace("`", "")
        for one, words in IN_WORDS.items()
    }
    return {one: words[:1].upper() + words[1:] for one, words in told.items()}


class NotificationsAsked(Limited):
    """Which decisions; each filter narrows the answer."""

    incident: Name | None = Field(None, description="About this incident.")
    receiver: Name | None = Field(None, description="For this receiver.")
    action: Action | None = Field(
        None, description="`nothing` for what was not sent; `post` or `update` for what was."
    )
    reason: Reason | None = Field(None, description="Why, or why not.")
    since: Moment | None = Field(None, description="At this time or later, RFC 3339.")
    until: Moment | None = Field(None, description="At this time or earlier, RFC 3339.")
    cursor: Cursor | None = Field(None, description="`next_cursor` of a page.")


class NotificationShape(Shape):
    """What was decided about one version of an incident for one receiver."""

    id: str
    """Stable id."""
    at: datetime
    """When it was decided."""
    incident_id: str
    """The incident; `own_...` for a trouble of Plimsoll itself."""
    version: int
    """Its version; below zero for a suspicion."""
    receiver: str
    """For whom; `none` for nobody."""
    route: str
    """The route it came by: the conditions on the way, where it stands, its receiver."""
    group: str
    """The group it was told with; empty without routes."""
    action: Action
    """What was done: `nothing`, `post` or `update`."""
    reason: Reason
    """Why, or why not."""
    state: str
    """Of the incident: `suspected`, `open` or `resolved`."""
    severity: str
    """Of the incident."""
    evidence: dict[str, Any]
    """What the decision rests on: the group's notice, the silence, the source that inhibits."""
    delivery: str
    """Where the message is: `pending`, `sent`, `failed` ...; empty where none was written."""
    outcome: str
    """What became of the newest attempt; empty before the first."""
    error: str
    """What the receiver said; empty when all is well."""
    attempts: int
    """How often it was tried."""
    sent_at: datetime | None
    """When it was sent."""

    @classmethod
    def of(cls, one: Decision) -> "NotificationShape":
        """From the book."""
        return cls(
            id=str(one.id),
            at=at(one.at_ms),
            incident_id=one.incident_id,
            version=one.version,
            receiver=one.receiver,
            route=one.route,
            group=one.group_key,
            action=one.action,
            reason=one.reason,
            state=one.phase,
            severity=one.severity,
            evidence=one.evidence,
            delivery=one.state,
            outcome=one.outcome,
            error=one.error,
            attempts=one.attempts,
            sent_at=maybe_at(one.sent_ms),
        )


class NotificationsPage(Shape):
    """One page, newest first."""

    items: list[NotificationShape]
    """The decisions."""
    next_cursor: str | None
    """Pass it as `cursor` for the next page; null on the last."""


@routes.get("/notifications", summary="What was told to whom, and why or why not, newest first")
def notifications(house: Rooms, asked: Annotated[NotificationsAsked, Query()]) -> NotificationsPage:
    """A decision that only says once more what was said last is not kept."""
    query = DecisionQuery(
        incident=asked.incident,
        receiver=asked.receiver,
        action=asked.action,
        reason=asked.reason,
        since_ms=maybe_milliseconds(asked.since),
        until_ms=maybe_milliseconds(asked.until),
        before=before(asked.cursor),
        limit=asked.limit,
    )
    with house.state.reading() as session:
        found = Decisions().page(session, query)
    shown = found[: asked.limit]
    more = len(found) > asked.limit
    return NotificationsPage(
        items=[NotificationShape.of(one) for one in shown],
        next_cursor=written(shown[-1].at_ms, str(shown[-1].id)) if more else None,
    )


def before(cursor: str | None) -> tuple[int, int] | None:
    """Where the page before ended."""
    found = place(cursor)
    if found is None:
        return None
    at_ms, id_ = found
    if not id_.isdigit() or int(id_) > LARGEST_KEY:
        raise bad_cursor()
    return at_ms, int(id_)
