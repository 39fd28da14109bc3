"""Troubles of Plimsoll itself, told as incidents through the same pipeline.

Each has a limit of time. It is opened when the limit is passed, by whichever process sees it first,
and resolved when none of what it is about is seen any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from alerts.tables import TroubleRow
from detector.identity import identity
from detector.regression import Incident, Phase, Regression, Severity
from detector.units import Unit
from storage.series import Labels

PREFIX = "own"
SILENT_MS = 15 * 60_000


class TroubleKind(StrEnum):
    """What is wrong; the value is the `alertname` that routes see."""

    COLLECTOR_DOWN = "plimsoll_collector_down"
    DETECTOR_LATE = "plimsoll_detector_late"
    OUTBOX_STUCK = "plimsoll_outbox_stuck"
    RECEIVER_BROKEN = "plimsoll_receiver_broken"


TITLES = {
    TroubleKind.COLLECTOR_DOWN: "Collector down",
    TroubleKind.DETECTOR_LATE: "Detector late",
    TroubleKind.OUTBOX_STUCK: "Messages not delivered",
    TroubleKind.RECEIVER_BROKEN: "Receiver broken",
}
SEVERITIES = {
    TroubleKind.COLLECTOR_DOWN: Severity.WARNING,
    TroubleKind.DETECTOR_LATE: Severity.CRITICAL,
    TroubleKind.OUTBOX_STUCK: Severity.CRITICAL,
    TroubleKind.RECEIVER_BROKEN: Severity.CRITICAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """Something that is wrong now: of what kind, with what, since how long.

    `reporter` is the process that sees it; empty for what every process sees, as it is on disk.
    """

    kind: TroubleKind
    subject: str
    seconds: float
    detail: str = ""
    reporter: str = ""

    @property
    def key(self) -> str:
        """What the same trouble is known by."""
        return f"{self.kind}:{self.subject}@{self.reporter}"


class Troubles:
    """The book of troubles; every method is a part of the caller's unit of work."""

    def note(
        self,
        session: Session,
        symptoms: Sequence[Symptom],
        limits: Mapping[TroubleKind, float],
        now_ms: int,
        reporter: str = "",
    ) -> list[str]:
        """Open what is beyond its limit, resolve what is gone; the ids of what changed.

        A trouble that one process saw is resolved by it alone, or when it has said nothing for
        `SILENT_MS`: another process may well see that target up, and knows nothing of its ticks.
        """
        known = {row.open_key: row for row in session.exec(open_rows())}
        present = {one.key: one for one in symptoms}
        changed = []
        for key, one in sorted(present.items()):
            if key not in known and one.seconds >= limits[one.kind]:
                row = opened(one, limits[one.kind], now_ms)
                session.add(row)
                changed.append(row.id)
        for key, row in known.items():
            mine = row.reporter in ("", reporter)
            if key in present:
                row.updated_ms = now_ms
            elif mine or now_ms - row.updated_ms > SILENT_MS:
                row.open_key, row.resolved_ms, row.updated_ms = None, now_ms, now_ms
                row.version += 1
                changed.append(row.id)
            session.add(row)
        session.flush()
        return changed

    def unannounced(self, session: Session) -> list[Incident]:
        """Those with a version nobody was told of, the oldest first."""
        rows = session.exec(
            select(TroubleRow)
            .where(col(TroubleRow.announced) < col(TroubleRow.version))
            .order_by(col(TroubleRow.opened_ms), TroubleRow.id)
        )
        return [incident(row) for row in rows]

    def claim(self, session: Session, one: Incident) -> bool:
        """Take this version to tell it; False when it is taken already."""
        done = session.exec(
            update(TroubleRow)
            .where(col(TroubleRow.id) == one.id, col(TroubleRow.announced) < one.version)
            .values(announced=one.version)
            .execution_options(synchronize_session=False)
        )
        return bool(done.rowcount == 1)

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        """One trouble as an incident; None where there is none of that id."""
        if not incident_id.startswith(f"{PREFIX}_"):
            return None
        row = session.get(TroubleRow, incident_id)
        return incident(row) if row else None

    def open(self, session: Session) -> list[Incident]:
        """Those that are not over."""
        return [incident(row) for row in session.exec(open_rows())]

    def retain(self, session: Session, before_ms: int) -> int:
        """Forget those that were over before; how many went."""
        done = session.exec(
            delete(TroubleRow)
            .where(col(TroubleRow.resolved_ms) < before_ms)
            .execution_options(synchronize_session=False)
        )
        return int(done.rowcount)


def open_rows() -> Any:
    """The troubles that are not over, the oldest first."""
    return (
        select(TroubleRow)
        .where(col(TroubleRow.open_key).is_not(None))
        .order_by(col(TroubleRow.opened_ms), TroubleRow.id)
    )


def opened(one: Symptom, limit: float, now_ms: int) -> TroubleRow:
    """The row of a new trouble."""
    return TroubleRow(
        id=identity(PREFIX, one.kind, one.subject, now_ms),
        open_key=one.key,
        kind=one.kind,
        reporter=one.reporter,
        subject=one.subject,
        detail=one.detail,
        value=one.seconds,
        threshold=limit,
        opened_ms=now_ms,
        updated_ms=now_ms,
        resolved_ms=None,
        version=1,
        announced=0,
    )


def incident(row: TroubleRow) -> Incident:
    """A trouble as an incident of one regression, against the limit of its kind."""
    kind = TroubleKind(row.kind)
    over = row.resolved_ms is not None
    of = {"reporter": row.reporter} if row.reporter else {}
    labels = Labels.of(service="plimsoll", subject=row.subject, **of)
    began_ms = row.opened_ms - round(row.value * 1000)
    one = Regression(
        id=row.id,
        incident_id=row.id,
        fingerprint=f"{row.kind}:{row.subject}",
        rule=row.kind,
        signal=row.kind,
        title=TITLES[kind],
        unit=Unit.SECONDS,
        labels=labels,
        worse="up",
        severity=SEVERITIES[kind],
        phase=Phase.RESOLVED if over else Phase.OPEN,
        value=0.0 if over else row.value,
        worst=row.value,
        threshold=row.threshold,
        baseline=None,
        began_lo_ms=began_ms,
        began_hi_ms=began_ms,
        opened_ms=row.opened_ms,
        updated_ms=row.updated_ms,
        resolved_ms=row.resolved_ms,
        evidence={"detail": row.detail},
    )
    return Incident(
        id=row.id,
        labels=labels,
        phase=one.phase,
        severity=one.severity,
        opened_ms=row.opened_ms,
        resolved_ms=row.resolved_ms,
        version=row.version,
        regressions=(one,),
    )
