"""Which regressions on disk began about when something was deployed."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_

from detector.deployments import BEFORE_MS
from detector.regression import Deployment
from detector.tables import DeploymentRow, RegressionRow, columns

LASTED_MS = timedelta(days=1) // timedelta(milliseconds=1)
"""Of what began at some time within more than that nobody can say that it began then."""


def began_at(deployments: Sequence[Deployment]) -> ColumnElement[bool]:
    """What began about when one of these went live, and was not over by then.

    The database looks: of a million regressions since a deployment a few hundred fit it. They are
    looked for where they began, from the first of the deployments to a day after the last.
    """
    row, deployed = columns(RegressionRow), columns(DeploymentRow)
    at_ms = deployed.at_ms
    first_ms, last_ms = (f(one.at_ms for one in deployments) for f in (min, max))
    fits = exists().where(
        at_ms >= row.began_lo_ms - BEFORE_MS,
        at_ms <= row.began_hi_ms,
        at_ms >= row.began_hi_ms - LASTED_MS,
        # Not by the index of ids: each of them would be looked up for every regression.
        func.coalesce(deployed.id, "").in_([one.id for one in deployments]),
    )
    ended = or_(row.resolved_ms.is_(None), row.resolved_ms > first_ms)
    return and_(
        row.began_hi_ms >= first_ms,
        row.began_hi_ms <= last_ms + LASTED_MS,
        row.began_lo_ms <= last_ms + BEFORE_MS,
        ended,
        fits,
    )
