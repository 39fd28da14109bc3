"""Reading for lists: statements that are written once, and rows as the driver gives them.

A session is made for units of work. For one page of a list it costs more than the page: what is
asked is compiled or looked up, wrapped and watched anew each time, and PostgreSQL is told where the
transaction begins and ends. A view sends the text of a statement that was written before, on a
connection of the same pool, and each statement sees one state of everything by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy
from sqlalchemy import ColumnElement, Dialect, Select, Text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlmodel import Session

MOST_WRITTEN = 1024
Rows = Sequence[Sequence[Any]]


class Reader(Protocol):
    """Whoever asks for rows."""

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Rows:
        """The rows of a statement with these values for its parameters."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """All statements inside see one state."""
        ...


@dataclass(frozen=True, slots=True)
class Within:
    """Rows as a session reads them, as part of what else it does."""

    session: Session

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Rows:
        """The rows of a statement with these values for its parameters."""
        return self.session.execute(statement, values).all()

    def together(self) -> AbstractContextManager[None]:
        """A session has one state anyway."""
        return nullcontext()


@dataclass(frozen=True, slots=True)
class View:
    """Rows straight from a driver, of statements whose columns are texts and numbers.

    JSON is asked for with `plain`: what a driver makes of it differs from one to the other.
    """

    connection: DBAPIConnection
    dialect: Dialect

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Rows:
        """The rows of a statement with these values for its parameters."""
        text, order, known = written(statement, self.dialect)
        cursor = self.connection.cursor()
        try:
            given = {**known, **values}
            cursor.execute(text, given if order is None else [given[name] for name in order])
            found: Rows = cursor.fetchall()
        finally:
            cursor.close()
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """All statements inside see one state."""
        self.said(BEGIN[self.dialect.name])
        try:
            yield
        finally:
            self.said("ROLLBACK")

    def said(self, text: str) -> None:
        """Send a statement that gives no rows."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(text)
        finally:
            cursor.close()


BEGIN = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}

Written = tuple[str, Sequence[str] | None, Mapping[str, Any]]


@lru_cache(maxsize=MOST_WRITTEN)
def written(statement: Select[Any], dialect: Dialect) -> Written:
    """A statement as text, the order of its parameters (None: by name), and those it brings along.

    A statement is known by itself, not by what it says: who asks keeps it, or it is written anew.
    """
    compiled = statement.compile(dialect=dialect)
    order = compiled.positiontup if compiled.positional else None
    return str(compiled), order, compiled.params


def plain(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column of JSON as the text that it is kept as."""
    return sqlalchemy.cast(column, Text)
