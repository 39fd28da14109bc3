"""Regressions, incidents and deployments on disk.

Every method takes the session of the caller's unit of work, so that what belongs together is
committed together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, TextClause, and_, func, or_, text, true, update
from sqlmodel import Session, col, select

from detector.actions import Wish, act
from detector.dependencies import Dependencies
from detector.deployed import began_at
from detector.incidents import Depth, Incidents, of_depth
from detector.lifecycle import Taken
from detector.paging import Page, Query, page
from detector.regression import (
    HOLDING,
    Deployment,
    Incident,
    Kind,
    Phase,
    Regression,
    Step,
    Transition,
)
from detector.tables import (
    NAMED,
    DeploymentRow,
    IncidentRow,
    RegressionRow,
    TransitionRow,
    columns,
    deployment_of,
    incident_of,
    read_only,
    regressions_of,
)
from storage.state import POSTGRESQL

EVERYTHING = 10_000
WRITING = 0x506C6273  # any number that nobody else locks; this one spells "Plbs"
ALONE, HELD = "writes alone", "rows that are locked"
PROGRESS = text("SELECT at_ms FROM progress WHERE name = :name")
BEGIN = text("INSERT INTO progress (name, at_ms) VALUES (:name, :at_ms)")
ADVANCE = text("UPDATE progress SET at_ms = :at_ms WHERE name = :name")
# By the same two indexes as the rows themselves.
IS_WATCHED = text(
    "SELECT EXISTS (SELECT 1 FROM regression WHERE open_key IS NOT NULL) OR EXISTS "
    "(SELECT 1 FROM regression WHERE phase = :phase AND clear_since_ms IS NULL)"
)


class Book:
    """What the detector has concluded; `grouping` says what belongs together."""

    def __init__(self, grouping: Incidents | None = None) -> None:
        self.grouping = grouping or Incidents()

    @property
    def dependencies(self) -> Dependencies:
        """What is declared to rest on what."""
        return self.grouping.looking.dependencies

    def open_regressions(self, session: Session) -> list[Regression]:
        """All that are confirmed and not over, oldest first; no improvements."""
        return [
            one for one in self.watched(session) if one.phase.holds and one.kind is Kind.REGRESSION
        ]

    def watched(self, session: Session, *, lock: bool = False) -> list[Regression]:
        """All that ticks go on with, oldest first.

        What is not over, and false positives whose breach still lasts. With `lock` nobody else
        changes them before this unit of work ends.
        """
        lasting = and_(
            col(RegressionRow.phase) == Phase.FALSE_POSITIVE,
            col(RegressionRow.clear_since_ms).is_(None),
        )
        if lock:
            write_alone(session)
        if not asked(session, IS_WATCHED, phase=str(Phase.FALSE_POSITIVE)).scalar():
            return []
        found: list[Regression] = []
        # Each has an index of its own; asked for both at once, SQLite looks at all that are over.
        for wanted in (is_live(), lasting):
            if not lock:
                found += regressions_of(session, wanted)
                continue
            rows = session.exec(select(RegressionRow).where(wanted).with_for_update()).all()
            found += [row.domain() for row in rows]
            # As long as somebody holds them, the session does not read them again to save them.
            session.info.setdefault(HELD, []).extend(rows)
        return sorted(found, key=lambda one: (one.opened_ms, one.id))

    def claimed(self, session: Session, regression_id: str) -> Regression | None:
        """One regression that nobody else changes before this unit of work ends."""
        write_alone(session)
        chosen = select(RegressionRow).where(RegressionRow.id == regression_id)
        row = session.exec(chosen.with_for_update()).first()
        return row.domain() if row else None

    def latest(self, session: Session, fingerprint: str) -> Regression | None:
        """The newest of a fingerprint that is over, by its end."""
        row = session.exec(
            select(RegressionRow)
            .where(
                RegressionRow.fingerprint == fingerprint,
                col(RegressionRow.open_key).is_(None),
            )
            .order_by(col(RegressionRow.resolved_ms).desc(), col(RegressionRow.id).desc())
            .limit(1)
        ).first()
        return row.domain() if row else None

    def accepted(
        self,
        session: Session,
        since_ms: int,
        depth: Depth = Depth.BRIEF,
        signal: str | None = None,
    ) -> list[Regression]:
        """What was accepted as the new normal since: baselines of its series begin anew there."""
        later = col(RegressionRow.accepted_from_ms) > since_ms
        return list(of_depth(session, and_(later, is_on(signal)), depth))

    def spans(
        self,
        session: Session,
        since_ms: int,
        depth: Depth = Depth.BRIEF,
        signal: str | None = None,
    ) -> list[Regression]:
        """The regressions that were open at some time after `since`: no baseline may hold them.

        Ticks remember theirs (`lasted`). Who goes on with one as it was then needs the whole: what
        it froze stands in its evidence.
        """
        lasting = col(RegressionRow.resolved_ms).is_(None)
        ended = or_(lasting, col(RegressionRow.resolved_ms) > since_ms)
        return list(of_depth(session, and_(ended, is_on(signal)), depth))

    def began_about(
        self, session: Session, deployments: Sequence[Deployment]
    ) -> Iterator[Regression]:
        """The regressions that began about when one of these went live, by what names them."""
        if not deployments:
            return iter(())
        return regressions_of(session, began_at(deployments), NAMED)

    def open(self, session: Session, regression: Regression, step: Transition) -> Regression:
        """Store one new regression, in the incident it belongs to, if to any."""
        return self.open_all(session, [(regression, (step,))], regression.opened_ms)[0]

    def settle(self, session: Session, found: Sequence[Taken], now_ms: int) -> None:
        """At the end of a tick: store what it opened, and look at young incidents anew."""
        if found:
            self.open_all(session, found, now_ms)
        self.grouping.review(session, now_ms)

    def open_all(self, session: Session, found: Sequence[Taken], now_ms: int) -> list[Regression]:
        """Store what one tick opened or confirmed, each in its incident, in whatever order.

        A suspicion or an improvement belongs to none. What is stored already stays as it was.
        """
        write_alone(session)
        rows = {one.id: session.get(RegressionRow, one.id) for one, _ in found}
        fresh = [
            one for one, _ in found if rows[one.id] is None or not self.is_placed(session, one)
        ]
        told = [one for one in fresh if is_told(one)]
        homes = self.grouping.place(session, told, now_ms)
        stored = {one.id: replace(one, incident_id=homes.get(one.id, "")) for one in fresh}
        session.add_all(RegressionRow.of(one) for one in stored.values() if rows[one.id] is None)
        session.flush()
        for one in stored.values():
            if rows[one.id] is not None:
                session.merge(RegressionRow.of(one))
        session.flush()
        taken = [step for one, steps in found if one.id in stored for step in steps]
        session.add_all(TransitionRow.of(one) for one in taken)
        for id_ in sorted(set(homes.values())):
            mine = [one.id for one in told if homes[one.id] == id_]
            self.grouping.conclude(session, id_, now_ms, mine)
        known = {id_: row.domain() for id_, row in rows.items() if row and id_ not in stored}
        return [(stored | known)[one.id] for one, _ in found]

    def is_placed(self, session: Session, regression: Regression) -> bool:
        """Whether it is in the incident that tells of it, or nobody is told of it at all."""
        row = session.get(RegressionRow, regression.id)
        return not is_told(regression) or (row is not None and row.incident_id is not None)

    def save(self, session: Session, regression: Regression, steps: Sequence[Transition]) -> None:
        """Store a known regression after a tick or an action, with its steps.

        One that is confirmed comes into an incident. The incident gets a new version when something
        in it is to be told, or it is over as a whole, or open again. Which incident that is stands
        in the book: it may have become part of another one since the regression was read.
        """
        if not self.is_placed(session, regression):
            self.open_all(session, [(regression, tuple(steps))], regression.updated_ms)
            return
        write_alone(session)
        before = session.get(RegressionRow, regression.id)
        by_severity = before is not None and before.severity != regression.severity
        if before is not None:
            regression = replace(regression, incident_id=before.incident_id or "")
        session.merge(RegressionRow.of(regression))
        session.add_all(TransitionRow.of(one) for one in steps)
        session.flush()
        if steps and regression.incident_id:
            self.grouping.renew(session, regression, {one.step for one in steps}, by_severity)

    def act(self, session: Session, regression_id: str, wish: Wish) -> Regression | None:
        """Do what a person wishes; None when there is no such regression.

        `IllegalActionError` when it does not fit; what is done already is not done again.
        """
        one = self.claimed(session, regression_id)
        if one is None:
            return None

        def said(what: Step, actor: str, reason: str) -> bool:
            last = self.transitions(session, regression_id)[-1:]
            return [(t.step, t.actor, t.reason) for t in last] == [(what, actor, reason)]

        after, steps = act(one, wish, said)
        if steps:
            self.save(session, after, steps)
        return self.regression(session, regression_id)

    def of_incident(self, session: Session, incident_id: str) -> list[Regression]:
        """The regressions of one incident, oldest first."""
        return self.grouping.members(session, incident_id)

    def incidents(
        self,
        session: Session,
        condition: ColumnElement[bool] | bool,
        limit: int = EVERYTHING,
        *,
        depth: Depth = Depth.WHOLE,
    ) -> list[Incident]:
        """The incidents that meet a condition, oldest first, each table read once for all."""
        row = columns(IncidentRow)
        rows = read_only(session, IncidentRow, condition, row.opened_ms, row.id, limit=limit)
        ids = [one.id for one in rows]
        findings = self.grouping.findings(session, ids)
        members = self.grouping.all_members(session, ids, depth)
        deployed = {one.deployment_id for one in rows} - {None}
        among = read_only(session, DeploymentRow, columns(DeploymentRow).id.in_(deployed))
        deployments = {one.id: deployment_of(one) for one in among} if deployed else {}
        return [
            incident_of(
                one,
                tuple(members[one.id]),
                deployments.get(one.deployment_id),
                findings.get(one.id),
            )
            for one in rows
        ]

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        """One incident, whole."""
        return next(iter(self.incidents(session, IncidentRow.id == incident_id)), None)

    def open_incidents(self, session: Session) -> list[Incident]:
        """All that are not over, oldest first."""
        return self.incidents(session, IncidentRow.phase == Phase.OPEN)

    def suspected(self, session: Session) -> list[Regression]:
        """All that may turn out to be a regression, oldest first."""
        rows = session.exec(
            select(RegressionRow)
            .where(
                is_live(),
                RegressionRow.phase == Phase.SUSPECTED,
                RegressionRow.kind == Kind.REGRESSION,
            )
            .order_by(col(RegressionRow.opened_ms), RegressionRow.id)
        )
        return [row.domain() for row in rows]

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
        """One page of history, newest first; `BadCursorError` for a cursor of another place."""
        return page(session, query)

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
        chosen = select(func.count()).where(
            is_live(),
            col(RegressionRow.phase).in_(HOLDING),
            RegressionRow.kind == Kind.REGRESSION,
        )
        return session.exec(chosen).one()

    def progress_ms(self, session: Session, name: str) -> int | None:
        """How far a loop has come; None before its first step."""
        found = asked(session, PROGRESS, name=name).scalar()
        return None if found is None else int(found)

    def advance(self, session: Session, name: str, at_ms: int) -> None:
        """Note how far a loop has come, with what it did in the same unit of work."""
        if asked(session, ADVANCE, name=name, at_ms=at_ms).rowcount == 0:
            asked(session, BEGIN, name=name, at_ms=at_ms)


def asked(session: Session, statement: TextClause, **values: object) -> CursorResult[Any]:
    """What every tick asks: such a statement costs a fifth of one that is put together."""
    session.flush()  # as a statement of the session would: what was added is seen
    return session.connection().execute(statement, values)


def is_live() -> ColumnElement[bool]:
    """What is not over; the few that are stand in an index of their own."""
    return col(RegressionRow.open_key).is_not(None)


def is_on(signal: str | None) -> ColumnElement[bool]:
    """What is on this signal; anything where none is named."""
    return true() if signal is None else col(RegressionRow.signal) == signal


def write_alone(session: Session) -> None:
    """Let nobody else write steps before this unit of work ends, as SQLite does by itself.

    PostgreSQL numbers a row when it is written, and others see it when it is committed. Whoever has
    read the steps up to a number shall have read all of them (`lasted`). Asked for before any row
    is locked, so that no two units of work wait for each other.
    """
    if session.get_bind().dialect.name == POSTGRESQL and ALONE not in session.info:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITING})
        session.info[ALONE] = True


def is_told(regression: Regression) -> bool:
    """Whether people are told of it: of what is worse, confirmed and not over."""
    return regression.kind is Kind.REGRESSION and regression.phase.holds
