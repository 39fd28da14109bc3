"""All steps of all regressions and incidents as one history, the newest first.

Two tables are read, each from its own index and no further than a page, and merged by time. A
cursor is a place in that order, so pages stay right while steps are added.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    bindparam,
    literal,
    or_,
    union_all,
)
from sqlmodel import Session, col, select

from detector.incident_tables import IncidentStepRow
from detector.paging import BadCursorError
from detector.tables import RegressionRow, TransitionRow, columns
from storage.state import LARGEST_KEY, document
from storage.views import Reader, plain

WRITTEN = re.compile(r"(\d{1,15})\.([ir])(\d{1,18})", re.ASCII)
ALL = 1_000_000_000
MOST_STATEMENTS = 256
NAMES = ("step", "actor", "regression_id", "incident_id", "since_ms", "until_ms", "cursor")


class About(StrEnum):
    """Whose step it is. Of steps of the same moment those of regressions come first."""

    REGRESSION = "regression"
    INCIDENT = "incident"

    @property
    def letter(self) -> str:
        """How ids and cursors begin."""
        return self.value[0]


ABOUT = {one.letter: one for one in About}


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


def page(reader: Reader, wanted: Wanted) -> tuple[list[Event], str | None]:
    """One page, newest first, and the cursor of the next; `BadCursorError` for a foreign cursor."""
    given = values(wanted)
    asked = Asked(
        regressions=wanted.about is not About.INCIDENT,
        incidents=wanted.about is not About.REGRESSION and wanted.regression_id is None,
        given=tuple(name for name in NAMES if name in given),
        letter=given.pop("letter", ""),
    )
    if not asked.regressions and not asked.incidents:
        return [], None
    found = [event(row) for row in reader.rows(statement(asked), given)]
    shown = found[: wanted.limit]
    return shown, written(shown[-1]) if len(found) > len(shown) else None


class Asked(NamedTuple):
    """What the statement of a page is made of; of each there is one, that is made once.

    Whose steps are read, which values are given, and with which letter a cursor stands for.
    """

    regressions: bool
    incidents: bool
    given: tuple[str, ...]
    letter: str


def values(wanted: Wanted) -> dict[str, Any]:
    """What is given, and how many steps are read: one more than a page holds."""
    given = {name: getattr(wanted, name) for name in NAMES if name != "cursor"}
    given = {name: value for name, value in given.items() if value is not None}
    if wanted.cursor is not None:
        given["cursor"], given["letter"], given["number"] = read(wanted.cursor)
    return {**given, "rows": wanted.limit + 1}


@lru_cache(maxsize=MOST_STATEMENTS)
def statement(asked: Asked) -> Select[Any]:
    """The steps of both tables, each from its own index and no further than a page, as one list."""
    sources = []
    if asked.regressions:
        sources.append(of_regressions(asked))
    if asked.incidents:
        sources.append(of_incidents(asked))
    both = union_all(*sources).subquery("step") if len(sources) > 1 else sources[0].subquery("step")
    order = both.c.at_ms.desc(), both.c.letter.desc(), both.c.number.desc()
    return sqlalchemy.select(both).order_by(*order).limit(bindparam("rows", type_=Integer))


def of_regressions(asked: Asked) -> Select[Any]:
    """Steps of regressions, one more than a page holds."""
    row, regression = columns(TransitionRow), columns(RegressionRow)
    entry: Any = row
    if not {"regression_id", "incident_id"}.isdisjoint(asked.given):
        entry = theirs(asked).c
    some = sqlalchemy.select(entry.id).where(*shared(entry, About.REGRESSION, asked))
    chosen = limited(some, entry).subquery("of_regressions")
    return sqlalchemy.select(
        row.id.label("number"),
        literal(About.REGRESSION.letter).label("letter"),
        row.at_ms.label("at_ms"),
        row.actor,
        row.step,
        row.reason,
        plain(row.evidence),
        regression.incident_id,
        row.regression_id,
        regression.signal,
        regression.rule,
        row.before,
        row.after,
    ).select_from(
        chosen.join(row.id.table, row.id == chosen.c.id).join(
            regression.id.table, regression.id == row.regression_id
        )
    )


def theirs(asked: Asked) -> Subquery:
    """The steps of one regression, or of those of one incident: few, whatever else is asked.

    The limit is beyond what there can be. It keeps a planner from entering by an index of all
    steps instead, in which it would read on until it met as many as a page holds.
    """
    row, regression = columns(TransitionRow), columns(RegressionRow)
    chosen = sqlalchemy.select(row.id, row.at_ms, row.step, row.actor)
    if "regression_id" in asked.given:
        chosen = chosen.where(row.regression_id == bindparam("regression_id"))
    if "incident_id" in asked.given:
        mine = regression.incident_id == bindparam("incident_id")
        chosen = chosen.where(row.regression_id.in_(sqlalchemy.select(regression.id).where(mine)))
    return chosen.limit(ALL).subquery("theirs")


def of_incidents(asked: Asked) -> Select[Any]:
    """Steps of incidents as a whole, one more than a page holds."""
    row, none = columns(IncidentStepRow), literal("")
    conditions = shared(row, About.INCIDENT, asked)
    if "incident_id" in asked.given:
        conditions.append(row.incident_id == bindparam("incident_id"))
    chosen = limited(sqlalchemy.select(row.id).where(*conditions), row).subquery("of_incidents")
    return sqlalchemy.select(
        row.id.label("number"),
        literal(About.INCIDENT.letter).label("letter"),
        row.at_ms.label("at_ms"),
        row.actor,
        row.step,
        row.reason,
        plain(row.evidence),
        row.incident_id,
        *(none.label(name) for name in ("regression_id", "signal", "rule", "before", "after")),
    ).join_from(chosen, row.id.table, row.id == chosen.c.id)


def limited(some: Select[Any], entry: Any) -> Select[Any]:
    """The newest of them, one more than a page holds."""
    newest_first = entry.at_ms.desc(), entry.id.desc()
    return some.order_by(*newest_first).limit(bindparam("rows", type_=Integer))


def shared(row: Any, about: About, asked: Asked) -> list[ColumnElement[bool]]:
    """The conditions that both tables have columns for; `row` has them as members."""
    known = {
        "step": row.step == bindparam("step"),
        "actor": row.actor == bindparam("actor"),
        "since_ms": row.at_ms >= bindparam("since_ms"),
        "until_ms": row.at_ms <= bindparam("until_ms"),
        # The bound on the time alone is what an index is entered at.
        "cursor": row.at_ms <= bindparam("cursor"),
    }
    conditions = [condition for name, condition in known.items() if name in asked.given]
    if asked.letter == about.letter:
        before = row.at_ms < bindparam("cursor"), row.id < bindparam("number")
        conditions.append(or_(*before))
    elif asked.letter and asked.letter < about.letter:
        conditions.append(row.at_ms < bindparam("cursor"))
    return conditions


def event(row: Any) -> Event:
    """The step of a row of the statement."""
    number, letter, at_ms, actor, step, reason, evidence, incident_id, *of_regression = row
    regression_id, signal, rule, before, after = of_regression
    return Event(
        number=number,
        about=ABOUT[letter],
        at_ms=at_ms,
        actor=actor,
        step=step,
        reason=reason,
        evidence=document(evidence),
        incident_id=incident_id or "",
        regression_id=regression_id,
        signal=signal,
        rule=rule,
        before=before,
        after=after,
    )


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
