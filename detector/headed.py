"""Incidents as a list shows them: a heading, where they began, and nothing else of what they hold.

A page of them is one statement: each incident with what is found out about it, and of each of its
regressions no more than is needed to order them and to name the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, or_

from detector import units
from detector.finding import Finding
from detector.incident_tables import FindingRow, origin_of
from detector.paging import PLACE, read, written
from detector.regression import Phase, Severity, is_muted
from detector.tables import WORDS, IncidentRow, RegressionRow, columns
from storage.series import Labels
from storage.state import document
from storage.views import Reader, plain

MOST_STATEMENTS = 64
ROW = columns(IncidentRow)
CONDITIONS: dict[str, ColumnElement[bool]] = {
    "phase": ROW.phase == bindparam("phase"),
    "severity": ROW.severity == bindparam("severity"),
    "since_ms": ROW.opened_ms >= bindparam("since_ms"),
    "until_ms": ROW.opened_ms <= bindparam("until_ms"),
    # The bound on the time alone is what an index is entered at.
    "cursor": and_(
        ROW.opened_ms <= bindparam("cursor"),
        or_(ROW.opened_ms < bindparam("cursor"), ROW.id < bindparam("cursor_id")),
    ),
}
OWN = ("opened_ms", "id", "phase", "severity", "resolved_ms")
FOUND = ("merged_into", "storm")
HEAD = len((*OWN, "labels", *FOUND, "origin"))
"""Columns of a row that are of the incident; behind them stand those of one of its regressions."""
MEMBER = ("id", "incident_id", "title", "signal", "unit", "severity", "phase", "worst", "threshold",
          "baseline")  # fmt: skip
PHASES, SEVERITIES = WORDS["phase"], WORDS["severity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which incidents: each given condition narrows the answer. Newest opened come first."""

    phase: Phase | None = None
    severity: Severity | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(slots=True)
class Member:
    """What a heading asks of a regression; the members mean what they do there.

    Not frozen, as no other is: an incident can have hundreds, and this is made in a tenth of the
    time. Labels are read of the one that is named.
    """

    id: str
    incident_id: str
    title: str
    signal: str
    unit: str
    severity: Severity
    phase: Phase
    worst: float
    threshold: float
    baseline: float | None
    written: str

    @property
    def labels(self) -> Labels:
        """Its series."""
        return Labels.of(document(self.written))

    @property
    def change(self) -> str:
        """`+42 %` against the frozen baseline, at its worst; empty for absolute rules."""
        return units.change(self.worst, self.baseline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Headed:
    """An incident with what its heading is made of; of the finding all but the correlations."""

    id: str
    labels: Labels
    phase: Phase
    severity: Severity
    opened_ms: int
    resolved_ms: int | None
    regressions: Sequence[Member]
    finding: Finding = field(default_factory=Finding)

    @property
    def is_muted(self) -> bool:
        """Whether somebody muted all of it that is not over."""
        return is_muted(one.phase for one in self.regressions)


def page(reader: Reader, wanted: Wanted) -> tuple[list[Headed], str | None]:
    """One page, newest first, and the cursor of the next; `BadCursorError` for a foreign cursor."""
    given = values(wanted)
    rows = reader.rows(statement(tuple(name for name in CONDITIONS if name in given)), given)
    each = [list(of_one) for _, of_one in groupby(rows, key=lambda row: row[:PLACE])]
    shown = [headed(one) for one in each[: wanted.limit]]
    more = len(each) > len(shown)
    return shown, written(shown[-1].opened_ms, shown[-1].id) if more else None


def values(wanted: Wanted) -> dict[str, Any]:
    """What is given, and how many incidents are read: one more than a page holds."""
    given: dict[str, Any] = {"since_ms": wanted.since_ms, "until_ms": wanted.until_ms}
    for name, one in (("phase", wanted.phase), ("severity", wanted.severity)):
        given[name] = None if one is None else str(one)
    given = {name: value for name, value in given.items() if value is not None}
    if wanted.cursor is not None:
        given["cursor"], given["cursor_id"] = read(wanted.cursor)
    return {**given, "rows": wanted.limit + 1}


@lru_cache(maxsize=MOST_STATEMENTS)
def statement(given: tuple[str, ...]) -> Select[Any]:
    """The statement with these conditions: a row for each regression of each incident."""
    one, finding = columns(RegressionRow), columns(FindingRow)
    newest_first = ROW.opened_ms.desc(), ROW.id.desc()
    entries = sqlalchemy.select(*(ROW[name] for name in OWN), plain(ROW.labels).label("labels"))
    entries = entries.where(*(CONDITIONS[name] for name in given)).order_by(*newest_first)
    chosen = entries.limit(bindparam("rows", type_=Integer)).subquery("chosen")
    asked = sqlalchemy.select(
        *chosen.c,
        *(finding[name] for name in FOUND),
        plain(finding.origin),
        *(one[name] for name in MEMBER),
        plain(one.labels),
    )
    joined = asked.join_from(
        chosen, finding.at_ms.table, finding.incident_id == chosen.c.id, isouter=True
    ).outerjoin(one.id.table, one.incident_id == chosen.c.id)
    return joined.order_by(chosen.c.opened_ms.desc(), chosen.c.id.desc())


def headed(rows: Sequence[Any]) -> Headed:
    """What the rows of one incident say."""
    opened_ms, id_, phase, severity, resolved_ms, labels, merged_into, storm, origin = rows[0][
        :HEAD
    ]
    of_regressions = [row[HEAD:] for row in rows]
    finding = Finding()
    if origin is not None:
        finding = Finding(
            origin=origin_of(document(origin)), storm=bool(storm), merged_into=merged_into
        )
    return Headed(
        id=id_,
        labels=Labels.of(document(labels)),
        phase=PHASES[phase],
        severity=SEVERITIES[severity],
        opened_ms=opened_ms,
        resolved_ms=resolved_ms,
        regressions=[member(one) for one in of_regressions if one[0] is not None],
        finding=finding,
    )


def member(row: Any) -> Member:
    """What the columns of a regression say."""
    (id_, incident_id, title, signal, unit, severity, phase), measured = row[:7], row[7:]
    worst, threshold, baseline, labels = measured
    known = SEVERITIES[severity], PHASES[phase]
    return Member(id_, incident_id, title, signal, unit, *known, worst, threshold, baseline, labels)
