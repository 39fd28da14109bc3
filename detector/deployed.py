"""Deployments on disk: the newest, and which regressions began about when one went live."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, exists, func, or_, select

from detector.deployments import BEFORE_MS
from detector.regression import Deployment
from detector.tables import DEPLOYED, DeploymentRow, RegressionRow, columns, deployment_of
from storage.views import Reader

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


def newest(
    reader: Reader, since_ms: int, until_ms: int, limit: int, service: str | None = None
) -> list[Deployment]:
    """The newest in `[since, until]`, of one service if it is given; the newest first."""
    given = {"since_ms": since_ms, "until_ms": until_ms, "rows": limit, "service": service}
    rows = reader.rows(statement(of_service=service is not None), given)
    return [deployment_of(row) for row in rows]


@cache
def statement(*, of_service: bool) -> Select[Any]:
    """The statement of the newest."""
    row = columns(DeploymentRow)
    chosen = select(*(row[name] for name in DEPLOYED)).where(
        row.at_ms >= bindparam("since_ms"), row.at_ms <= bindparam("until_ms")
    )
    if of_service:
        chosen = chosen.where(row.service == bindparam("service"))
    newest_first = row.at_ms.desc(), row.id.desc()
    return chosen.order_by(*newest_first).limit(bindparam("rows", type_=Integer))
