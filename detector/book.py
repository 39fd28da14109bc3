"""Regressions, incidents and deployments on disk.

Every method takes the session of the caller's unit of work, so that what belongs together is
committed together.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, func, or_, update
from sqlmodel import Session, col, select

from detector.finding import Finding
from detector.incidents import Incidents
from detector.regression import Deployment, Incident, Phase, Regression, Severity, Transition
from detector.tables import (
    DeploymentRow,
    IncidentRow,
    ProgressRow,
    RegressionRow,
    TransitionRow,
)

EVERYTHING = 10_000
WRITTEN = re.compile(r"(\d{1,15})\.([\w-]{1,100})", re.ASCII)


class BadCursorError(ValueError):
    """A cursor that this API did not hand out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which regressions: each given condition narrows the answer. Newest opened come first."""

    phase: Phase | None = None
    severity: Severity | None = None
    signal: str | None = None
    rule: str | None = None
    target: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """One page of regressions, and the cursor of the next one."""

    regressions: tuple[Regression, ...]
    next_cursor: str | None


class Book:
    """What the detector has concluded; `grouping` says what belongs together."""

    def __init__(self, grouping: Incidents | None = None) -> None:
        self.grouping = grouping or Incidents()

    def open_regressions(self, session: Session) -> list[Regression]:
        """All that are open, oldest first."""
        rows = session.exec(
            select(RegressionRow)
            .where(RegressionRow.phase == Phase.OPEN)
            .order_by(col(RegressionRow.opened_ms), RegressionRow.id)
        )
        return [row.domain() for row in rows]

    def spans(self, session: Session, since_ms: int) -> list[Regression]:
        """The regressions that were open at some time after `since`: no baseline may hold them."""
        rows = session.exec(
            select(RegressionRow).where(
                or_(
                    col(RegressionRow.resolved_ms).is_(None),
                    col(RegressionRow.resolved_ms) > since_ms,
                )
            )
        )
        return [row.domain() for row in rows]

    def open(self, session: Session, regression: Regression, step: Transition) -> Regression:
        """Store a new regression in the incident it belongs to; one with its id stays as it was."""
        return self.open_all(session, [(regression, step)], regression.opened_ms)[0]

    def settle(
        self, session: Session, found: Sequence[tuple[Regression, Transition]], now_ms: int
    ) -> None:
        """At the end of a tick: store what it opened, and look at young incidents anew."""
        self.open_all(session, found, now_ms)
        self.grouping.review(session, now_ms)

    def open_all(
        self, session: Session, found: Sequence[tuple[Regression, Transition]], now_ms: int
    ) -> list[Regression]:
        """Store what one tick opened, each in the incident it belongs to, in whatever order.

        One whose id is known stays as it was.
        """
        known = {one.id: session.get(RegressionRow, one.id) for one, _ in found}
        fresh = [one for one, _ in found if known[one.id] is None]
        homes = self.grouping.place(session, fresh, now_ms)
        stored = {one.id: replace(one, incident_id=homes[one.id]) for one in fresh}
        session.add_all(RegressionRow.of(one) for one in stored.values())
        session.flush()
        session.add_all(TransitionRow.of(step) for one, step in found if one.id in stored)
        for id_ in sorted(set(homes.values())):
            mine = [one.id for one in fresh if homes[one.id] == id_]
            self.grouping.conclude(session, id_, now_ms, mine)
        return [
            stored[one.id] if row is None else row.domain()
            for one, row in ((one, known[one.id]) for one, _ in found)
        ]

    def save(self, session: Session, regression: Regression, steps: Sequence[Transition]) -> None:
        """Store an open regression after a tick.

        Its incident gets a new version when it becomes worse as a whole, or is over as a whole.
        """
        session.merge(RegressionRow.of(regression))
        session.add_all(TransitionRow.of(one) for one in steps)
        session.flush()
        if not steps:
            return
        row = session.get_one(IncidentRow, regression.incident_id)
        members = self.of_incident(session, row.id)
        severity = max((one.severity for one in members), key=lambda s: s.rank)
        if severity != row.severity:
            row.severity = severity
            row.version += 1
        if all(one.phase is Phase.RESOLVED for one in members):
            row.phase = Phase.RESOLVED
            row.resolved_ms = max(one.resolved_ms or 0 for one in members)
            row.version += 1
        session.add(row)

    def of_incident(self, session: Session, incident_id: str) -> list[Regression]:
        """The regressions of one incident, oldest first."""
        return self.grouping.members(session, incident_id)

    def incidents(
        self, session: Session, condition: ColumnElement[bool] | bool, limit: int = EVERYTHING
    ) -> list[Incident]:
        """The incidents that meet a condition, oldest first."""
        rows = session.exec(
            select(IncidentRow)
            .where(condition)
            .order_by(col(IncidentRow.opened_ms), IncidentRow.id)
            .limit(limit)
        ).all()
        findings = self.grouping.findings(session, [row.id for row in rows])
        result = []
        for row in rows:
            found = session.get(DeploymentRow, row.deployment_id) if row.deployment_id else None
            members = tuple(self.of_incident(session, row.id))
            one = row.domain(members, found.domain() if found else None)
            result.append(replace(one, finding=findings.get(row.id, Finding())))
        return result

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        """One incident, whole."""
        return next(iter(self.incidents(session, IncidentRow.id == incident_id)), None)

    def unannounced(self, session: Session) -> list[Incident]:
        """The incidents whose newest version nobody has taken to tell, oldest first."""
        return self.incidents(session, col(IncidentRow.announced) < col(IncidentRow.version))

    def claim(self, session: Session, incident: Incident) -> bool:
        """Take this version to tell it; False when it, or a newer one, is taken already."""
        done = session.execute(
            update(IncidentRow)
            .where(col(IncidentRow.id) == incident.id)
            .where(col(IncidentRow.announced) < incident.version)
            .values(announced=incident.version)
        )
        return bool(getattr(done, "rowcount", 0) == 1)

    def regression(self, session: Session, regression_id: str) -> Regression | None:
        """One regression."""
        row = session.get(RegressionRow, regression_id)
        return row.domain() if row else None

    def transitions(self, session: Session, regression_id: str) -> list[Transition]:
        """Its steps, oldest first."""
        rows = session.exec(
            select(TransitionRow)
            .where(TransitionRow.regression_id == regression_id)
            .order_by(col(TransitionRow.id))
        )
        return [row.domain() for row in rows]

    def page(self, session: Session, query: Query) -> Page:
        """One page of history, newest first; stays right when rows are added meanwhile."""
        chosen = select(RegressionRow).where(*conditions(query))
        rows = session.exec(
            chosen.order_by(
                col(RegressionRow.opened_ms).desc(), col(RegressionRow.id).desc()
            ).limit(query.limit + 1)
        ).all()
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        cursor = written(shown[-1].opened_ms, shown[-1].id) if more else None
        return Page(tuple(row.domain() for row in shown), cursor)

    def add_deployment(self, session: Session, deployment: Deployment) -> bool:
        """Store a deployment; False when the same service, version and time is known.

        Open incidents that began about then are looked at anew: CI often reports after the fact.
        """
        same = select(DeploymentRow.id).where(
            DeploymentRow.service == deployment.service,
            DeploymentRow.version == deployment.version,
            DeploymentRow.at_ms == deployment.at_ms,
        )
        if session.exec(same).first() is not None:
            return False
        values = {name: getattr(deployment, name) for name in DeploymentRow.model_fields}
        session.add(DeploymentRow(**values))
        session.flush()
        self.grouping.deployed(session, deployment)
        return True

    def deployments(self, session: Session, since_ms: int, until_ms: int) -> list[Deployment]:
        """Those in `[since, until]`, oldest first."""
        rows = session.exec(
            select(DeploymentRow)
            .where(col(DeploymentRow.at_ms) >= since_ms, col(DeploymentRow.at_ms) <= until_ms)
            .order_by(col(DeploymentRow.at_ms), DeploymentRow.id)
        )
        return [row.domain() for row in rows]

    def count_open(self, session: Session) -> int:
        """How many regressions are open."""
        chosen = select(func.count()).where(RegressionRow.phase == Phase.OPEN)
        return session.exec(chosen).one()

    def progress_ms(self, session: Session, name: str) -> int | None:
        """How far a loop has come; None before its first step."""
        row = session.get(ProgressRow, name)
        return row.at_ms if row else None

    def advance(self, session: Session, name: str, at_ms: int) -> None:
        """Note how far a loop has come, with what it did in the same unit of work."""
        session.merge(ProgressRow(name=name, at_ms=at_ms))


def conditions(query: Query) -> list[ColumnElement[bool]]:
    """The conditions of a query in SQL."""
    row, found = RegressionRow, []
    for column, value in (
        (col(row.phase), query.phase),
        (col(row.severity), query.severity),
        (col(row.signal), query.signal),
        (col(row.rule), query.rule),
    ):
        if value is not None:
            found.append(column == value)
    if query.target is not None:
        found.append(col(row.labels)["target"].as_string() == query.target)
    if query.since_ms is not None:
        found.append(col(row.opened_ms) >= query.since_ms)
    if query.until_ms is not None:
        found.append(col(row.opened_ms) <= query.until_ms)
    if query.cursor is not None:
        at_ms, id_ = read(query.cursor)
        earlier = col(row.opened_ms) < at_ms
        found.append(or_(earlier, and_(col(row.opened_ms) == at_ms, col(row.id) < id_)))
    return found


def written(opened_ms: int, id_: str) -> str:
    """A cursor: where a page ended. Opaque to callers."""
    return base64.urlsafe_b64encode(f"{opened_ms}.{id_}".encode()).decode().rstrip("=")


def read(cursor: str) -> tuple[int, str]:
    """Where a page ended; `BadCursorError` for what we did not write."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise BadCursorError("this cursor was not handed out by this API")
    return int(found[1]), found[2]
