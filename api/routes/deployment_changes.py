"""`/deployments/{id}` and `/changes`: one deployment, and what every signal did around it."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field
from sqlmodel import Session

from api.change_shapes import DeploymentChanges, FittingRegression, SignalChange, ends
from api.changes import Changes, Span, moment_of
from api.errors import missing
from api.moments import milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import router
from api.routes.texts import Id
from api.shapes import DeploymentShape, RegressionShape
from api.told import told, whole
from detector.comparison import Outcome
from detector.dependencies import Dependencies
from detector.deployments import correlations
from detector.finding import Match
from detector.regression import Deployment, Regression
from detector.tables import DeploymentRow

routes = router("deployments")


class ChangesAsked(Limited):
    """Which changes."""

    span: Span = Field(Span.HOUR, description="How far before and after is looked.")
    outcome: Outcome | None = Field(None, description="Only series with this outcome.")


@routes.get("/deployments/{deployment_id}", summary="One deployment")
def get_deployment(
    house: Rooms, deployment_id: Id, asked: Annotated[Asked, Query()]
) -> DeploymentShape:
    """As it was told."""
    return DeploymentShape.of(known_deployment(house, deployment_id))


@routes.get("/deployments/{deployment_id}/changes", summary="Before and after a deployment")
def get_changes(
    house: Rooms,
    deployment_id: Id,
    asked: Annotated[ChangesAsked, Query()],
    request: Request,
) -> DeploymentChanges:
    """Medians of every signal on both sides with their 95 % intervals, and what regressed then.

    `worse` and `better` have medians further apart than their intervals allow and at least 5 %, and
    a change that the days before did not see at that time, where three of them are known or more.
    All of it is correlation: other things change at the same time, too.
    """
    deployment = known_deployment(house, deployment_id)
    changes: Changes = request.app.state.changes
    found = changes.of(house, deployment, asked.span)
    counts = Counter(one.found.outcome for one in found)
    chosen = [one for one in found if asked.outcome in (None, one.found.outcome)]
    since, until = ends(moment_of(house, deployment, asked.span))
    return DeploymentChanges(
        deployment=DeploymentShape.of(deployment),
        since=since,
        until=until,
        complete=milliseconds(until) == deployment.at_ms + asked.span.length_ms,
        counts={one: counts[one] for one in Outcome},
        items=[SignalChange.of(one) for one in chosen[: asked.limit]],
        more=len(chosen) > asked.limit,
        regressions=regressions_of(house, deployment),
    )


def known_deployment(house: Rooms, deployment_id: Id) -> Deployment:
    """A deployment by its id; a 404 problem when there is none."""
    with house.state.reading() as session:
        row = session.get(DeploymentRow, deployment_id)
        found = row.domain() if row else None
    if found is None:
        raise missing(f"deployment {deployment_id}")
    return found


def regressions_of(house: Rooms, deployment: Deployment) -> list[FittingRegression]:
    """The regressions that it fits, open ones first, then the closest."""
    with house.state.reading() as session:
        fits = fitting(house, session, [deployment]).get(deployment.id, [])
        shapes = told(house, session, whole(session, [one for one, _ in fits]))
        return [
            FittingRegression(**RegressionShape.of(one).model_dump(), match=match)
            for one, (_, match) in zip(shapes, fits, strict=True)
        ]


def fitting(
    house: Rooms, session: Session, deployments: Sequence[Deployment]
) -> dict[str, list[tuple[Regression, Match]]]:
    """By deployment the regressions whose beginning it fits, with how close they stand, in order.

    Of each only what names it, as evidence is most of a regression: who shows some reads `whole`.
    """
    signals = house.detector.definitions.signals
    kinds = {name: one.form.kind for name, one in signals.items()}
    known = Dependencies(house.settings.needs, house.settings.dependencies.guess)
    found: dict[str, list[tuple[Regression, Match]]] = {}
    for one in house.book.began_about(session, deployments):
        for each in correlations(deployments, [one], kinds, known):
            found.setdefault(each.deployment_id, []).append((one, each.match))
    return {id_: sorted(fits, key=place_in_order) for id_, fits in found.items()}


def place_in_order(fit: tuple[Regression, Match]) -> tuple[bool, int, int, int, str]:
    """Open ones first, then the closest, then the worst, then the earliest."""
    one, match = fit
    return not one.phase.holds, -match.rank, -one.severity.rank, one.began_lo_ms, one.id
