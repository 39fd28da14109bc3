"""What REST and the pages say of regressions and deployments: one shape for each thing.

Numbers are in base units; beside each that a person reads stands the same as text. Times are
RFC 3339, UTC.
"""

from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from alerts.visitors import page_views
from alerts.wording import correlation, fitting
from api import words
from api.moments import at, maybe_at
from api.told import Told
from detector import units
from detector.actions import Action, possible
from detector.form import Direction
from detector.lifecycle import is_silent
from detector.regression import (
    Deployment,
    Kind,
    Phase,
    Regression,
    Severity,
    Step,
    Tag,
    Transition,
)
from detector.run import Definitions
from detector.shown import Fit, Shown

API = "/api/v1"


class Shape(BaseModel):
    """A part of an answer; the text below each member is its description in OpenAPI."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DeploymentShape(Shape):
    """A version of a service that went live."""

    id: str
    """Stable: made from service, version and time."""
    service: str
    """What was deployed."""
    version: str
    """Which version of it."""
    at: datetime
    """When it went live."""
    sha: str
    """The commit; empty when not told."""
    environment: str
    """Where to, such as production; empty when not told."""
    url: str
    """A page that tells more; empty when not told."""

    @classmethod
    def of(cls, one: Deployment, **more: str) -> Self:
        """From the book; a shape with more members is given them."""
        return cls(**deployed(one), **more)


class Correlated(DeploymentShape):
    """A deployment whose time fits a regression. Correlation is all that is claimed."""

    text: str
    """`correlated with shop 2.7.1, deployed 12:01 UTC`."""


class Links(Shape):
    """Where to go from a regression."""

    self: str
    """This regression, as JSON."""
    page: str
    """Its web page."""
    signal: str
    """Its signal, as JSON."""
    runbook: str
    """What to do, as the rule says; empty when it says nothing."""


class RegressionShape(Shape):
    """One rule on one series, from the tick it opened to the tick it was resolved."""

    id: str
    """Stable id."""
    incident_id: str
    """The incident it belongs to; empty for a suspicion or an improvement."""
    kind: Kind
    """`regression`, or `improvement`: better by as much, told to nobody."""
    version: int
    """How often it was open: within a week the same comes back under the same id."""
    state: Phase
    """Where it is in its life."""
    is_open: bool
    """Whether it is confirmed and not over, acknowledged and muted ones too."""
    is_silent: bool
    """Whether no data have come for a while; silence does not resolve it."""
    severity: Severity
    """How bad it got."""
    rule: str
    """The rule that holds."""
    signal: str
    """The signal it is on."""
    title: str
    """How a person calls the signal."""
    heading: str
    """`API p95 +42 % on GET /cart of shop`."""
    summary: str
    """One sentence: what, how much, since when, after which deployment."""
    unit: units.Unit
    """Base unit of all values."""
    labels: dict[str, str]
    """The labels of the series."""
    target: str
    """The target the series comes from; empty for none."""
    worse: Direction
    """Which way is worse."""
    value: float | None
    """The newest judged value."""
    value_text: str
    """The same for people."""
    worst: float | None
    """The worst value so far."""
    worst_text: str
    """The same for people."""
    threshold: float | None
    """The level it broke."""
    threshold_text: str
    """The same for people."""
    baseline: float | None
    """The 7-day average it opened with, frozen; null for absolute rules."""
    baseline_name: str
    """What the baseline is: `7-day average`; of a change `usual at this hour`."""
    baseline_text: str
    """The same for people; `-` for none."""
    change: str
    """`+42 %` against the baseline, at its worst; empty for absolute rules."""
    began_from: datetime
    """The change set in after this ..."""
    began_until: datetime
    """... and before this."""
    opened_at: datetime
    """When it was found."""
    updated_at: datetime
    """When it was last judged."""
    resolved_at: datetime | None
    """When it was over; null while it is open."""
    duration_text: str
    """How long it lasted or lasts, for people."""
    muted_until: datetime | None
    """When its mute ends; null where it is not muted, or until it is resolved."""
    by: str
    """The last person who decided something about it; empty for none."""
    tags: list[Tag]
    """What else may explain it: `cost_shift`, `load_driven`."""
    deployment: Correlated | None
    """The deployment its time fits, if any."""
    page_views: list[str]
    """Of a web vital what the page views behind it say, in words: the release that is worse, the
    element that grew, the visitors; empty where nothing is known. Its numbers are in `evidence`."""
    links: Links
    """Where to go from here."""

    @classmethod
    def of(cls, told: Told) -> "RegressionShape":
        """From the book."""
        return cls(**members(told))


class TransitionShape(Shape):
    """One step in the life of a regression."""

    at: datetime
    """When."""
    actor: str
    """Who took it."""
    step: Step
    """What happened."""
    before: str
    """The state before; empty at the beginning."""
    after: str
    """The state after; the same where only something was noted."""
    reason: str
    """Why."""
    evidence: dict[str, Any]
    """The numbers it rests on."""

    @classmethod
    def of(cls, one: Transition) -> "TransitionShape":
        """From the book."""
        return cls(
            at=at(one.at_ms),
            actor=one.actor,
            step=one.step,
            before=one.before,
            after=one.after,
            reason=one.reason,
            evidence=dict(one.evidence),
        )


class IncidentShape(Shape):
    """Regressions that belong together."""

    id: str
    """Stable id."""
    state: Phase
    """`open` while any of its regressions is."""
    severity: Severity
    """That of the worst."""
    labels: dict[str, str]
    """What its regressions share."""
    opened_at: datetime
    """When the first was found."""
    resolved_at: datetime | None
    """When the last was over."""
    siblings: list[RegressionShape]
    """Its other regressions, oldest first."""


class WholeRegression(RegressionShape):
    """A regression with all that is known of it."""

    why: str
    """Why it fired, in words."""
    evidence: dict[str, Any]
    """The numbers it fired on."""
    suggestion: str
    """What a person may want to do about it, such as accepting it after two weeks; or empty."""
    actions: list[Action]
    """What can be done with it now."""
    transitions: list[TransitionShape]
    """Its life, oldest first."""
    incident: IncidentShape | None
    """What it belongs to."""

    @classmethod
    def whole(
        cls, told: Told, transitions: list[Transition], definitions: Definitions, now_ms: int
    ) -> "WholeRegression":
        """From the book, with the rule as it is now for the words."""
        one, incident = told.regression, told.incident
        rule, signal = definitions.rules.get(one.rule), definitions.signals.get(one.signal)
        shape = incident and IncidentShape(
            id=incident.id,
            state=incident.phase,
            severity=incident.severity,
            labels=incident.labels.as_dict(),
            opened_at=at(incident.opened_ms),
            resolved_at=maybe_at(incident.resolved_ms),
            siblings=[RegressionShape.of(Told(other, incident)) for other in told.siblings],
        )
        return cls(
            **members(told),
            why=words.why(one, rule, signal),
            evidence=dict(one.evidence),
            suggestion=words.suggestion(one, now_ms),
            actions=list(possible(one)),
            transitions=[TransitionShape.of(step) for step in transitions],
            incident=shape,
        )


def members(told: Told) -> dict[str, Any]:
    """What the short and the whole shape of a regression have in common."""
    incident = told.incident
    if incident is None or incident.deployment is None:
        return listed(Shown(told.regression, None))
    fit = Fit(incident.deployment, incident.opened_ms, correlation(incident))
    return listed(Shown(told.regression, fit))


def listed(shown: Shown) -> dict[str, Any]:
    """The members of a `RegressionShape` in their order, to be written as they are.

    A shape checks each of them and makes an object of it, for a page of a list as long again as all
    the rest takes. Words are texts here: a member of an enumeration is asked for its value through
    a descriptor, hundreds of times a page.
    """
    one, fit = shown.regression, shown.fit
    fits = "" if fit is None else fitting(fit.deployment, fit.opened_ms, fit.probable)
    unit = one.unit
    return {
        "id": one.id,
        "incident_id": one.incident_id,
        "kind": str(one.kind),
        "version": one.version,
        "state": str(one.phase),
        "is_open": one.phase.holds,
        "is_silent": is_silent(one, one.updated_ms),
        "severity": str(one.severity),
        "rule": one.rule,
        "signal": one.signal,
        "title": one.title,
        "heading": words.heading(one),
        "summary": words.summary(one, fits),
        "unit": str(unit),
        "labels": one.labels.as_dict(),
        "target": one.labels.get("target"),
        "worse": one.worse,
        "value": one.value,
        "value_text": units.text(one.value, unit),
        "worst": one.worst,
        "worst_text": units.text(one.worst, unit),
        "threshold": one.threshold,
        "threshold_text": units.text(one.threshold, unit),
        "baseline": one.baseline,
        "baseline_name": one.normal,
        "baseline_text": units.text(one.baseline, unit),
        "change": one.change,
        "began_from": at(one.began_lo_ms),
        "began_until": at(one.began_hi_ms),
        "opened_at": at(one.opened_ms),
        "updated_at": at(one.updated_ms),
        "resolved_at": maybe_at(one.resolved_ms),
        "duration_text": words.lasted(one),
        "muted_until": maybe_at(one.muted_until_ms),
        "by": one.by,
        "tags": list(one.tags),
        "deployment": None if fit is None else {**deployed(fit.deployment), "text": fits},
        "page_views": page_views(one.evidence.get("visits") or {}, unit),
        "links": links(one),
    }


def deployed(one: Deployment) -> dict[str, Any]:
    """The members of a `DeploymentShape`."""
    return {
        "id": one.id,
        "service": one.service,
        "version": one.version,
        "at": at(one.at_ms),
        "sha": one.sha,
        "environment": one.environment,
        "url": one.url,
    }


def links(one: Regression) -> dict[str, str]:
    """The members of `Links`: where to go from a regression."""
    id_, first = quote(one.id, safe=""), quote(one.signal, safe="")
    return {
        "self": f"{API}/regressions/{id_}",
        "page": f"/regressions/{id_}",
        "signal": f"{API}/signals/{first}",
        "runbook": one.runbook,
    }
