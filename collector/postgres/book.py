"""Which statements were seen, with their scrubbed texts: kept in the state.

Samples only carry fingerprints. A row is written when a statement gets series of its own, and once
an hour while it is shown.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel, col, delete, select

from storage.state import State

Statement = tuple[str, str]


class StatementRow(SQLModel, table=True):
    """One statement of one database of one target."""

    __tablename__ = "statement"

    target: str = Field(primary_key=True)
    datname: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    text: str
    first_seen_ms: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_seen_ms: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a statement; the text is empty where none may be kept."""

    target: str
    datname: str
    fingerprint: str
    text: str
    first_seen_ms: int
    last_seen_ms: int


class StatementBook:
    """Statements on disk."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, target: str, seen: Mapping[Statement, str], at_ms: int) -> None:
        """These statements, with their texts, were seen at that time."""
        with self._state.unit() as session:
            for (datname, name), text in sorted(seen.items()):
                row = session.get(StatementRow, (target, datname, name))
                if row is None:
                    row = StatementRow(
                        target=target,
                        datname=datname,
                        fingerprint=name,
                        text=text,
                        first_seen_ms=at_ms,
                        last_seen_ms=at_ms,
                    )
                row.last_seen_ms = max(row.last_seen_ms, at_ms)
                row.text = text or row.text
                session.add(row)

    def find(self, fingerprints: Collection[str]) -> dict[tuple[str, str, str], Known]:
        """What is known of statements with these fingerprints, by target, database, fingerprint."""
        if not fingerprints:
            return {}
        wanted = select(StatementRow).where(col(StatementRow.fingerprint).in_(fingerprints))
        with self._state.reading() as session:
            return {
                (row.target, row.datname, row.fingerprint): Known(
                    row.target,
                    row.datname,
                    row.fingerprint,
                    row.text,
                    row.first_seen_ms,
                    row.last_seen_ms,
                )
                for row in session.exec(wanted)
            }

    def retain(self, after_ms: int) -> None:
        """Forget statements that were not seen since then."""
        with self._state.unit() as session:
            session.exec(delete(StatementRow).where(col(StatementRow.last_seen_ms) < after_ms))
