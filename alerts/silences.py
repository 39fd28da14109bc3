"""Silences and maintenance windows on disk."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, update
from sqlmodel import Session, col, select

from alerts.silence import Silence, SilenceKind, SilenceState, check
from alerts.tables import DecisionRow, SilenceRow
from storage.series import Match, Matcher


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceQuery:
    """Which silences; the newest come first. `before` is the last one of the page before."""

    now_ms: int
    state: SilenceState | None = None
    kind: SilenceKind | None = None
    before: tuple[int, str] | None = None
    limit: int = 50


class Silences:
    """The book of silences; every method is a part of the caller's unit of work."""

    def active(self, session: Session, now_ms: int) -> list[Silence]:
        """Those in force now, the oldest first."""
        rows = session.exec(
            select(SilenceRow)
            .where(col(SilenceRow.starts_ms) <= now_ms, col(SilenceRow.ends_ms) > now_ms)
            .order_by(col(SilenceRow.created_ms), SilenceRow.id)
        )
        return [domain(row) for row in rows]

    def create(self, session: Session, silence: Silence) -> Silence:
        """Store a new one; an UnfitSilenceError says what cannot be meant."""
        check(silence)
        made = silence if silence.id else replace(silence, id=f"sil_{uuid.uuid4().hex[:16]}")
        session.add(
            SilenceRow(
                id=made.id,
                kind=made.kind,
                matchers=[
                    {"name": one.name, "op": str(one.op), "value": one.value}
                    for one in made.matchers
                ],
                starts_ms=made.starts_ms,
                ends_ms=made.ends_ms,
                created_by=made.created_by,
                comment=made.comment,
                created_ms=made.created_ms,
                updated_ms=made.updated_ms,
            )
        )
        session.flush()
        return made

    def get(self, session: Session, id_: str) -> Silence | None:
        """One silence."""
        row = session.get(SilenceRow, id_)
        return domain(row) if row else None

    def change(
        self, session: Session, before: Silence, *, ends_ms: int, comment: str, now_ms: int
    ) -> Silence | None:
        """Move its end and say why anew; None when somebody else was a moment faster.

        What it kept quiet is looked at again when it ends.
        """
        after = replace(before, ends_ms=ends_ms, comment=comment, updated_ms=now_ms)
        if ends_ms > now_ms:
            check(after)
        done = session.exec(
            update(SilenceRow)
            .where(col(SilenceRow.id) == before.id, col(SilenceRow.ends_ms) == before.ends_ms)
            .values(ends_ms=ends_ms, comment=comment, updated_ms=now_ms)
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != 1:
            return None
        session.exec(
            update(DecisionRow)
            .where(col(DecisionRow.recheck_ms) == before.ends_ms)
            .values(recheck_ms=ends_ms)
            .execution_options(synchronize_session=False)
        )
        return after

    def page(self, session: Session, query: SilenceQuery) -> list[Silence]:
        """One page and one more, the newest first."""
        rows = session.exec(
            select(SilenceRow)
            .where(*conditions(query))
            .order_by(col(SilenceRow.created_ms).desc(), col(SilenceRow.id).desc())
            .limit(query.limit + 1)
        )
        return [domain(row) for row in rows]

    def retain(self, session: Session, before_ms: int) -> int:
        """Forget those that ended before; how many went."""
        done = session.exec(
            delete(SilenceRow)
            .where(col(SilenceRow.ends_ms) < before_ms)
            .execution_options(synchronize_session=False)
        )
        return int(done.rowcount)


def conditions(query: SilenceQuery) -> Sequence[ColumnElement[bool]]:
    """A query in SQL."""
    row, found = SilenceRow, list[ColumnElement[bool]]()
    match query.state:
        case SilenceState.PENDING:
            found.append(col(row.starts_ms) > query.now_ms)
        case SilenceState.ACTIVE:
            found += [col(row.starts_ms) <= query.now_ms, col(row.ends_ms) > query.now_ms]
        case SilenceState.EXPIRED:
            found.append(col(row.ends_ms) <= query.now_ms)
    if query.kind is not None:
        found.append(col(row.kind) == query.kind)
    if query.before is not None:
        at_ms, id_ = query.before
        same = and_(col(row.created_ms) == at_ms, col(row.id) < id_)
        found.append(or_(col(row.created_ms) < at_ms, same))
    return found


def domain(row: SilenceRow) -> Silence:
    """What a row stands for."""
    values: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            "id", "starts_ms", "ends_ms", "created_by", "comment", "created_ms", "updated_ms",
        )
    }  # fmt: skip
    matchers = tuple(Matcher(one["name"], Match(one["op"]), one["value"]) for one in row.matchers)
    return Silence(kind=SilenceKind(row.kind), matchers=matchers, **values)
