"""`/targets`: what is collected from, and how that goes."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from api.rooms import Asked, Targets
from api.routes.router import router
from api.shapes import Shape
from collector.failure import Failure
from collector.run import TargetState, TargetStatus

routes = router("targets")

IN_WORDS = {
    Failure.DNS: "its name could not be resolved",
    Failure.REFUSED: "it refused the connection",
    Failure.TIMEOUT: "it did not answer in time",
    Failure.AUTH: "it refused our credentials",
    Failure.PERMISSION: "it does not let us read",
    Failure.TLS: "its certificate is not trusted, or TLS failed",
    Failure.PARSE: "what it answered is not in the Prometheus text format",
    Failure.TOO_LARGE: "its page is larger than the limit",
    Failure.PROTOCOL: "it broke the HTTP protocol",
    Failure.INTERNAL: "an error of Plimsoll; the log says where",
    Failure.DENIED: "its address is not allowed",
    Failure.HTTP_STATUS: "it answered with an error status",
    Failure.NOT_INSTALLED: "it does not have what is asked for",
}


class TargetShape(Shape):
    """One target and its last collection."""

    name: str
    """The target's name."""
    kind: str
    """The collector: host, scrape or postgres."""
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
    """`down: it refused the connection (nobody listens on port 8000)`."""
    if one.state is TargetState.PENDING:
        return "pending: not collected yet"
    if one.state is TargetState.UP or one.reason is None:
        return str(one.state)
    detail = f" ({one.detail})" if one.detail else ""
    return f"down: {IN_WORDS[one.reason]}{detail}"
