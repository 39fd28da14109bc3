"""All steps of all regressions and incidents as one history, the newest first.

Two tables are read, each from its own index and no further than a page, and merged by time. A
cursor is a place in that order, so pages stay right while steps are added.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Subquery, or_
from sqlmodel import Session, col, select

from detector.incident_tables import IncidentStepRow
from detector.paging import BadCursorError
from detector.tables import RegressionRow, TransitionRow
from storage.state import LARGEST_KEY

WRITTEN = re.compile(r"(\d{1,15})\.([ir])(\d{1,18})", re.ASCII)
ALL = 1_000_000_000


class About(StrEnum):
    """Whose step it is. Of steps of the same moment those of regressions come first."""

    REGRESSION = "regression"
    INCIDENT = "incident"

    @property
    def letter(self) -> str:
        """How ids and cursors begin."""
        return self.value[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step, of a regression or of an incident.

    `before` and `after` are states of a regression; `signal` and `rule` are its own. All four are
    empty for an incident, as is `incident_id` of a regression that belongs to none.
    """

    number: int
    about: About
    at_ms: int
    actor: str
    step: str
    reason: str
    evidence: Mapping[str, Any]
    incident_id: str
    regression_id: str = ""
    signal: str = ""
    rule: str = ""
    before: str = ""
    after: str = ""

    @property
    def id(self) -> str:
        """Stable: `r17` is the 17th step of regressions, `i4` the 4th of incidents."""
        return f"{self.about.letter}{self.number}"

    @property
    def place(self) -> tuple[int, str, int]:
        """Where it stands; the newest has the greatest."""
        return self.at_ms, self.about.letter, self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which steps: each given condition narrows the answer.

    With `incident_id` the steps of its regressions belong to it.
    """

    about: About | None = None
    step: str | None = None
    actor: str | None = None
    regression_id: str | None = None
    incident_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    cursor: str | None = None
    limit: int = 50


def page(session: Session, wanted: Wanted) -> tuple[list[Event], str | None]:
    """One page, newest first, and the cursor of the next; `BadCursorError` for a foreign cursor."""
    before = read(wanted.cursor) if wanted.cursor is not None else None
    sources: list[Sequence[Event]] = []
    if wanted.about is not About.INCIDENT:
        sources.append(of_regressions(session, wanted, before))
    if wanted.about is not About.REGRESSION and wanted.regression_id is None:
        sources.append(of_incidents(session, wanted, before))
    merged = merge(*sources, key=lambda one: one.place, reverse=True)
    found = list(islice(merged, wanted.limit + 1))
    shown = found[: wanted.limit]
    return shown, written(shown[-1]) if len(found) > len(shown) else None


def of_regressions(
    session: Session, wanted: Wanted, before: tuple[int, str, int] | None
) -> list[Event]:
    """Steps of regressions, one more than a page holds."""
    row = TransitionRow
    entry: Any = row
    if wanted.regression_id is not None or wanted.incident_id is not None:
        entry = theirs(wanted).c
    ids = session.exec(
        select(entry.id)
        .where(*shared(entry, About.REGRESSION, wanted, before))
        .order_by(entry.at_ms.desc(), entry.id.desc())
        .limit(wanted.limit + 1)
    ).all()
    rows = session.exec(
        select(row, RegressionRow.incident_id, RegressionRow.signal, RegressionRow.rule)
        .join(RegressionRow, col(RegressionRow.id) == row.regression_id)
        .where(col(row.id).in_(ids))
        .order_by(col(row.at_ms).desc(), col(row.id).desc())
    )
    return [of_transition(one, *its) for one, *its in rows]


def theirs(wanted: Wanted) -> Subquery:
    """The steps of one regression, or of those of one incident: few, whatever else is asked.

    The limit is beyond what there can be. It keeps a planner from entering by an index of all
    steps instead, in which it would read on until it met as many as a page holds.
    """
    row = TransitionRow
    chosen = select(row.id, row.at_ms, row.step, row.actor)
    if wanted.regression_id is not None:
        chosen = chosen.where(row.regression_id == wanted.regression_id)
    if wanted.incident_id is not None:
        mine = select(RegressionRow.id).where(RegressionRow.incident_id == wanted.incident_id)
        chosen = chosen.where(col(row.regression_id).in_(mine))
    return chosen.limit(ALL).subquery()


def of_transition(row: TransitionRow, incident_id: str | None, signal: str, rule: str) -> Event:
    """A step of a regression, with what its regression says."""
    return Event(
        number=row.id or 0,
        about=About.REGRESSION,
        at_ms=row.at_ms,
        actor=row.actor,
        step=row.step,
        reason=row.reason,
        evidence=row.evidence,
        incident_id=incident_id or "",
        regression_id=row.regression_id,
        signal=signal,
        rule=rule,
        before=row.before,
        after=row.after,
    )


def of_incidents(
    session: Session, wanted: Wanted, before: tuple[int, str, int] | None
) -> list[Event]:
    """Steps of incidents as a whole, one more than a page holds."""
    row = IncidentStepRow
    conditions = shared(row, About.INCIDENT, wanted, before)
    if wanted.incident_id is not None:
        conditions.append(col(row.incident_id) == wanted.incident_id)
    rows = session.exec(
        select(row)
        .where(*conditions)
        .order_by(col(row.at_ms).desc(), col(row.id).desc())
        .limit(wanted.limit + 1)
    )
    return [of_step(one) for one in rows]


def of_step(row: IncidentStepRow) -> Event:
    """A step of an incident."""
    return Event(
        number=row.id or 0,
        about=About.INCIDENT,
        at_ms=row.at_ms,
        actor=row.actor,
        step=row.step,
        reason=row.reason,
        evidence=row.evidence,
        incident_id=row.incident_id,
    )


def shared(
    row: Any, about: About, wanted: Wanted, before: tuple[int, str, int] | None
) -> list[ColumnElement[bool]]:
    """The conditions that both tables have columns for; `row` has them as members."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.step is not None:
        conditions.append(row.step == wanted.step)
    if wanted.actor is not None:
        conditions.append(row.actor == wanted.actor)
    if wanted.since_ms is not None:
        conditions.append(row.at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        conditions.append(row.at_ms <= wanted.until_ms)
    if before is not None:
        at_ms, letter, number = before
        # The bound on the time alone is what an index is entered at.
        conditions.append(row.at_ms <= at_ms)
        if letter == about.letter:
            conditions.append(or_(row.at_ms < at_ms, row.id < number))
        elif letter < about.letter:
            conditions.append(row.at_ms < at_ms)
    return conditions


def written(event: Event) -> str:
    """The place after an event, as a cursor."""
    return f"{event.at_ms}.{event.id}"


def read(cursor: str) -> tuple[int, str, int]:
    """The place that a cursor stands for."""
    found = WRITTEN.fullmatch(cursor)
    if found is None or int(found[3]) > LARGEST_KEY:
        raise BadCursorError(cursor)
    return int(found[1]), found[2], int(found[3])


def newest(session: Session) -> tuple[int, int]:
    """The numbers of the last steps that were written: of regressions, of incidents; 0 for none."""
    last = select(TransitionRow.id).order_by(col(TransitionRow.id).desc()).limit(1)
    of_all = select(IncidentStepRow.id).order_by(col(IncidentStepRow.id).desc()).limit(1)
    return session.exec(last).first() or 0, session.exec(of_all).first() or 0


def written_after(session: Session, after: tuple[int, int], limit: int) -> list[Event]:
    """Steps in the order they were written, after these numbers: at most so many of each kind."""
    steps = session.exec(
        select(TransitionRow, RegressionRow.incident_id, RegressionRow.signal, RegressionRow.rule)
        .join(RegressionRow, col(RegressionRow.id) == TransitionRow.regression_id)
        .where(col(TransitionRow.id) > after[0])
        .order_by(col(TransitionRow.id))
        .limit(limit)
    )
    of_all = session.exec(
        select(IncidentStepRow)
        .where(col(IncidentStepRow.id) > after[1])
        .order_by(col(IncidentStepRow.id))
        .limit(limit)
    )
    return [*(of_transition(one, *its) for one, *its in steps), *map(of_step, of_all)]
