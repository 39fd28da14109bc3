"""Regressions with the incidents they belong to, as the book has them."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session

from api.house import House
from detector.incidents import Depth, batched
from detector.paging import Query
from detector.regression import Incident, Kind, Phase, Regression
from detector.tables import IncidentRow, RegressionRow, columns, regressions_of

RECENT = 8
LATELY = (Phase.RESOLVED, Phase.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Told:
    """A regression and its incident."""

    regression: Regression
    incident: Incident | None

    @property
    def siblings(self) -> list[Regression]:
        """The other regressions of its incident, oldest first."""
        members = self.incident.regressions if self.incident else ()
        return [one for one in members if one.id != self.regression.id]


def told(
    house: House,
    session: Session,
    regressions: Iterable[Regression],
    depth: Depth = Depth.ALONE,
) -> list[Told]:
    """These regressions with their incidents; who shows siblings asks for them to be read."""
    rows = list(regressions)
    ids = {one.incident_id for one in rows} - {""}
    found = []
    for some in batched(ids):
        found += house.book.incidents(session, columns(IncidentRow).id.in_(some), depth=depth)
    incidents = {one.id: one for one in found}
    return [Told(one, incidents.get(one.incident_id)) for one in rows]


def whole(session: Session, regressions: Iterable[Regression]) -> list[Regression]:
    """The same regressions with their evidence, in their order: chosen first, only then read."""
    chosen = [one.id for one in regressions]
    read: dict[str, Regression] = {}
    for some in batched(chosen):
        read |= {
            one.id: one for one in regressions_of(session, columns(RegressionRow).id.in_(some))
        }
    return [read[one] for one in chosen]


def open_now(house: House, session: Session) -> list[Told]:
    """What is open, the worst first, then the newest."""
    rows = house.book.open_regressions(session)
    rows.sort(key=lambda one: (-one.severity.rank, -one.opened_ms, one.id))
    return told(house, session, rows)


def lately_resolved(house: House, session: Session, since_ms: int) -> list[Told]:
    """What was resolved since a time, the newest first."""
    wanted = Query(phases=LATELY, kind=Kind.REGRESSION, limit=100)
    page = house.book.page(session, wanted)
    rows = [one for one in page.regressions if (one.resolved_ms or 0) >= since_ms]
    rows.sort(key=lambda one: (-(one.resolved_ms or 0), one.id))
    return told(house, session, rows[:RECENT])


def lately_better(house: House, session: Session, since_ms: int) -> list[Told]:
    """What got better since a time, the newest first."""
    wanted = Query(kind=Kind.IMPROVEMENT, since_ms=since_ms, limit=RECENT)
    return told(house, session, house.book.page(session, wanted).regressions)


def suspected_now(house: House, session: Session) -> list[Told]:
    """What may turn out to be a regression, the newest first."""
    rows = [one for one in house.book.watched(session) if one.phase is Phase.SUSPECTED]
    return told(house, session, reversed(rows))
