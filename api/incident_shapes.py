"""What REST and the page say of an incident: its regressions, its origin, what it correlates with.

A deployment is correlated with an incident and never its cause; the shapes have no word for more.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from alerts.wording import REASONS, compared, origin, plain_head, where
from alerts.wording import in_order as by_origin
from api.moments import at, maybe_at
from api.shapes import API, RegressionShape, Shape
from api.told import Told
from detector.finding import Check, Correlation, Match, OriginReason, OriginVerdict
from detector.group import order
from detector.headed import Headed
from detector.incident_tables import IncidentStep, Step
from detector.naming import Grouped, Named
from detector.regression import Incident, Phase, Regression, Severity

BONDS = {
    "same_service": "it is of the same service",
    "declared_dependency": "one of the two is declared to need the other",
    "same_thing": "the same thing is regressed already",
    "order_of_kinds": "one rests on the other by its kind",
    "shape": "the two series move together",
}


class OriginShape(Shape):
    """Where an incident probably began."""

    verdict: OriginVerdict
    """`probable`, `not_told_apart`, or `only_one` when there is nothing to tell apart."""
    regression_id: str
    """The regression; empty when it is not told apart."""
    reasons: list[OriginReason]
    """What speaks for it: `earliest`, `deepest`, `deployment_fits`."""
    among: list[str]
    """The regressions that could not be told apart."""
    text: str
    """The same in words."""


class SlotsShape(Shape):
    """The change since a deployment, beside the changes at the same time of the days before."""

    check: Check
    """`passed` when it is unlike them, `failed` when it is like them, `unknown` when too little is
    known."""
    change: float | None
    """Median after over median before; 1.42 is 42 % up."""
    usual: float | None
    """The median of the same ratio on the days before."""
    spread: float | None
    """Robust standard deviation of the logarithm of the ratio on those days."""
    days: int
    """On how many days it rests."""


class PeersShape(Shape):
    """The same signal of services that are not part of the incident."""

    check: Check
    """`passed` when they stayed where they were, `failed` when they moved as well."""
    count: int
    """How many series there were."""
    moved: int
    """How many moved at least half as much, the same way."""


class CorrelationShape(Shape):
    """A deployment whose time fits. Correlation is all that is claimed."""

    deployment_id: str
    """The deployment."""
    service: str
    """What was deployed."""
    version: str
    """Which version of it."""
    at: datetime
    """When it went live."""
    url: str
    """A page that tells more; empty when not told."""
    regression_id: str
    """The regression it stands closest to; the comparisons are made on it."""
    match: Match
    """How close: `same_service`, `dependency` or `other_service`."""
    score: float
    """0 to 1: how near in time, how close in service."""
    probable: bool
    """Whether both comparisons passed."""
    same_time: SlotsShape
    """The days before."""
    peers: PeersShape
    """The services beside it."""
    text: str
    """What the comparisons say, in words."""

    @classmethod
    def of(cls, one: Correlation) -> "CorrelationShape":
        """From the book."""
        slots, peers = one.slots, one.peers
        return cls(
            deployment_id=one.deployment_id,
            service=one.service,
            version=one.version,
            at=at(one.at_ms),
            url=one.url,
            regression_id=one.regression_id,
            match=one.match,
            score=one.score,
            probable=one.probable,
            same_time=SlotsShape(
                check=slots.check,
                change=slots.change,
                usual=slots.usual,
                spread=slots.spread,
                days=slots.days,
            ),
            peers=PeersShape(check=peers.check, count=peers.count, moved=peers.moved),
            text=compared(one),
        )


class IncidentStepShape(Shape):
    """One step in the life of an incident."""

    at: datetime
    """When."""
    actor: str
    """Who took it."""
    step: Step
    """What happened."""
    reason: str
    """Why, in a word."""
    text: str
    """The same as a sentence."""
    evidence: dict[str, Any]
    """What it rests on."""


class IncidentLinks(Shape):
    """Where to go from an incident."""

    self: str
    """This incident, as JSON."""
    page: str
    """Its web page."""


class IncidentSummary(Shape):
    """Regressions that belong together."""

    id: str
    """Stable id."""
    state: Phase
    """`open` while any of its regressions is."""
    severity: Severity
    """That of the worst."""
    heading: str
    """`Cache hit rate -17 % on products and 3 more`."""
    labels: dict[str, str]
    """What its regressions share."""
    opened_at: datetime
    """When the first was found."""
    resolved_at: datetime | None
    """When the last was over; null while it is open."""
    regressions: int
    """How many there are."""
    merged_into: str
    """The incident that its regressions are part of now; empty for none."""
    storm: bool
    """Whether so many services are in it that no origin is named."""
    origin: OriginShape
    """Where it probably began."""
    links: IncidentLinks
    """Where to go from here."""


class WholeIncident(IncidentSummary):
    """An incident with all that is known of it."""

    items: list[RegressionShape]
    """Its regressions in the order in which they changed."""
    correlations: list[CorrelationShape]
    """The deployments whose time fits, the closest first."""
    steps: list[IncidentStepShape]
    """Its life, oldest first."""

    @classmethod
    def whole(cls, one: Incident, steps: Sequence[IncidentStep]) -> "WholeIncident":
        """From the book."""
        return cls(
            **members(one),
            items=[RegressionShape.of(Told(r, one)) for r in sorted(one.regressions, key=order)],
            correlations=[CorrelationShape.of(each) for each in one.finding.correlations],
            steps=[
                IncidentStepShape(
                    at=at(step.at_ms),
                    actor=step.actor,
                    step=step.step,
                    reason=step.reason,
                    text=in_words(step, one),
                    evidence=dict(step.evidence),
                )
                for step in steps
            ],
        )


def heading(one: Grouped[Named]) -> str:
    """`Cache hit rate -17 % on products and 3 more`."""
    rows = by_origin(one) if one.regressions else []
    return plain_head(one, rows[0], len(rows) - 1) if rows else "Part of another incident"


def members(one: Incident | Headed) -> dict[str, Any]:
    """The members of an `IncidentSummary` in their order, to be written as they are."""
    began, id_ = one.finding.origin, quote(one.id, safe="")
    return {
        "id": one.id,
        "state": str(one.phase),
        "severity": str(one.severity),
        "heading": heading(one),
        "labels": one.labels.as_dict(),
        "opened_at": at(one.opened_ms),
        "resolved_at": maybe_at(one.resolved_ms),
        "regressions": len(one.regressions),
        "merged_into": one.finding.merged_into,
        "storm": one.finding.storm,
        "origin": {
            "verdict": str(began.verdict),
            "regression_id": began.regression_id,
            "reasons": list(began.reasons),
            "among": list(began.among),
            "text": origin(one),
        },
        "links": {"self": f"{API}/incidents/{id_}", "page": f"/incidents/{id_}"},
    }


def title_of(one: Regression) -> str:
    """`Database p95 on select_order`."""
    place = where(one.labels)
    return (one.title or one.signal) + (f" on {place}" if place else "")


def in_words(step: IncidentStep, incident: Incident) -> str:
    """A step as a sentence, with the regressions by their titles."""
    titles = {one.id: title_of(one) for one in incident.regressions}
    told = step.evidence

    def title(name: str) -> str:
        return titles.get(str(told.get(name, "")), "a regression")

    match step.step:
        case Step.OPENED:
            return f"{title('regression')} began it"
        case Step.JOINED:
            why = BONDS.get(step.reason, step.reason)
            return f"{title('regression')} joined {title('with')}: {why}"
        case Step.TOOK_OVER:
            return f"took over {len(told.get('regressions', []))} regressions of another incident"
        case Step.MERGED:
            return "became part of another incident"
        case Step.REOPENED:
            return f"{title('regression')} came back"
        case Step.ORIGIN:
            if not told.get("to"):
                return "the origin is not told apart"
            reasons = [REASONS[OriginReason(one)] for one in told.get("reasons", [])]
            return f"probable origin {title('to')}: {', '.join(reasons)}"
        case Step.STORM:
            return "many services at once: no origin is named"
        case Step.CORRELATED:
            return f"correlated with {step.reason}"
        case Step.TESTED:
            checks = f"same time of the days before {told.get('slots')}, peers {told.get('peers')}"
            return f"{step.reason} compared: {checks}"
