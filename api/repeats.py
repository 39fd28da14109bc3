"""Answers to changes that carried a key, on disk: so many, for a day."""

from enum import StrEnum

from sqlalchemy import delete, func
from sqlmodel import Field, Session, SQLModel, col, select

from detector.tables import milliseconds

KEPT_MS = 24 * 3_600_000
ABANDONED_MS = 60_000
"""A change that is under way for so long was cut off with its process; it may be tried again."""
MOST, FORGOTTEN_AT_ONCE = 10_000, 1_000


class Repeat(StrEnum):
    """What a change with a key is."""

    FIRST = "first"
    ANSWERED = "answered"  # done before, its answer is given again
    IN_FLIGHT = "in_flight"  # the same is under way
    OTHER = "other"  # the key was used for something else
    NOT_KEPT = "not_kept"  # done before, and its answer is not kept


class RepeatRow(SQLModel, table=True):
    """One change with a key; `status` is none while it is under way.

    Neither key nor request stand here, only digests of them.
    """

    __tablename__ = "repeat"

    digest: str = Field(primary_key=True)
    request: str
    at_ms: int = milliseconds(index=True)
    status: int | None = None
    media_type: str = ""
    body: str | None = None


def claim(
    session: Session, digest: str, request: str, now_ms: int
) -> tuple[Repeat, RepeatRow | None]:
    """Take a key for a change, or say what it was taken for, with the answer if there is one."""
    row = session.get(RepeatRow, digest)
    if row is not None and now_ms - row.at_ms < (KEPT_MS if row.status else ABANDONED_MS):
        if row.request != request:
            return Repeat.OTHER, None
        if row.status is None:
            return Repeat.IN_FLIGHT, None
        return (Repeat.NOT_KEPT, None) if row.body is None else (Repeat.ANSWERED, row)
    session.exec(delete(RepeatRow).where(col(RepeatRow.at_ms) <= now_ms - KEPT_MS))
    if session.exec(select(func.count()).select_from(RepeatRow)).one() >= MOST:
        oldest = select(RepeatRow.digest).order_by(col(RepeatRow.at_ms)).limit(FORGOTTEN_AT_ONCE)
        session.exec(delete(RepeatRow).where(col(RepeatRow.digest).in_(oldest)))
    session.expire_all()
    taken = RepeatRow(digest=digest, request=request, at_ms=now_ms)
    session.merge(taken)
    session.flush()
    return Repeat.FIRST, None


def finish(session: Session, digest: str, status: int, media_type: str, body: str | None) -> None:
    """Keep how a change was answered; without a body only that it was."""
    row = session.get(RepeatRow, digest)
    if row is not None:
        row.status, row.media_type, row.body = status, media_type, body
        session.add(row)


def release(session: Session, digest: str) -> None:
    """Give a key back: the change was not made."""
    session.exec(delete(RepeatRow).where(col(RepeatRow.digest) == digest))
