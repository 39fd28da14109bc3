"""`/targets`: what is collected from, and how that goes."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from api.rooms import Asked, Targets
from api.routes.router import router
from api.shapes import Shape
from collector.failure import Failure
from collector.run import PartStatus, TargetState, TargetStatus

routes = router("targets")

IN_WORDS = {
    Failure.DNS: "its name could not be resolved",
    Failure.REFUSED: "it refused the connection",
    Failure.TIMEOUT: "it did not answer in time",
    Failure.AUTH: "it refused our credentials",
    Failure.PERMISSION: "it does not let us read",
    Failure.TLS: "its certificate is not trusted, or TLS failed",
    Failure.PARSE: "what it answered is not in the format that it should be in",
    Failure.TOO_LARGE: "its answer is larger than the limit",
    Failure.PROTOCOL: "it broke the protocol",
    Failure.INTERNAL: "an error of Plimsoll; the log says where",
    Failure.DENIED: "its address is not allowed",
    Failure.HTTP_STATUS: "it answered with an error status",
    Failure.NOT_INSTALLED: "it does not have what is asked for",
}


class PartShape(Shape):
    """One part of a target that is asked several things; one that fails leaves the target up."""

    name: str
    """What is asked, such as `info` or `slowlog`."""
    up: bool
    """Whether its last run worked."""
    reason: Failure | None
    """Why it failed."""
    text: str
    """How it went in words."""
    last_attempt: datetime
    """When its last run began."""
    last_success: datetime | None
    """When one last worked."""
    duration_seconds: float
    """How long the last one took."""
    samples: int
    """Samples that it brought."""

    @classmethod
    def of(cls, one: PartStatus) -> "PartShape":
        """From the collector."""
        return cls(
            name=one.name,
            up=one.reason is None,
            reason=one.reason,
            text=part_text(one),
            last_attempt=one.last_attempt,
            last_success=one.last_success,
            duration_seconds=one.duration_seconds,
            samples=one.samples,
        )


class TargetShape(Shape):
    """One target and its last collection."""

    name: str
    """The target's name."""
    kind: str
    """The collector: host, scrape, postgres, redis, memcached or rum."""
    state: TargetState
    """`pending` until the first collection, then `up` or `down`."""
    reason: Failure | None
    """Why it is down."""
    text: str
    """The state in words."""
    interval_seconds: float
    """How often it is collected."""
    last_attempt: datetime | None
    """When the last collection began."""
    last_success: datetime | None
    """When one last worked."""
    next_attempt: datetime | None
    """When the next one begins; later after failures."""
    duration_seconds: float | None
    """How long the last one took."""
    samples: int
    """Samples that it brought."""
    dropped: int
    """Samples that were left out for the limits."""
    parts: list[PartShape]
    """What it is asked, where that is several things; empty for a page of metrics."""

    @classmethod
    def of(cls, one: TargetStatus) -> "TargetShape":
        """From the collector."""
        return cls(
            name=one.name,
            kind=one.kind,
            state=one.state,
            reason=one.reason,
            text=state_text(one),
            interval_seconds=one.interval_seconds,
            last_attempt=one.last_attempt,
            last_success=one.last_success,
            next_attempt=one.next_attempt,
            duration_seconds=one.duration_seconds,
            samples=one.samples,
            dropped=one.dropped,
            parts=[PartShape.of(part) for part in one.parts],
        )


class TargetsList(Shape):
    """All targets, in the order of the configuration."""

    items: list[TargetShape]
    """The targets."""


@routes.get("/targets", summary="Targets and how they are doing")
async def targets(known: Targets, asked: Annotated[Asked, Query()]) -> TargetsList:
    """Why one is down is told in words, and as the reason that `/metrics` counts."""
    return TargetsList(items=[TargetShape.of(one) for one in known])


def state_text(one: TargetStatus) -> str:
    """`down: it refused the connection (nobody listens)`; of one that is up, parts that fail."""
    if one.state is TargetState.PENDING:
        return "pending: not collected yet"
    if one.state is TargetState.UP or one.reason is None:
        failed = [part.name for part in one.parts if part.reason is not None]
        return f"{one.state}, without {', '.join(failed)}" if failed else str(one.state)
    return f"down: {reason_text(one.reason, one.detail)}"


def part_text(one: PartStatus) -> str:
    """`failed: it does not let us read (the ACL lacks +slowlog|get)`."""
    return "ok" if one.reason is None else f"failed: {reason_text(one.reason, one.detail)}"


def reason_text(reason: Failure, detail: str) -> str:
    """A reason in words, with its detail."""
    return f"{IN_WORDS[reason]} ({detail})" if detail else IN_WORDS[reason]
