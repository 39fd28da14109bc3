"""The newest tables as all migrations make them, written down for states that are new.

`python -m tests.storage.newest` writes `storage/migrations/newest`; do so after every migration.
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import sqlalchemy
from sqlalchemy.schema import CreateIndex, CreateTable

from storage.schema import BETWEEN, VERSIONS, file_of
from storage.state import POSTGRESQL, SQLITE, State, sqlite_url
from tests.postgres import postgres
from tests.storage.recorded import upgraded

MADE = (
    "SELECT sql FROM sqlite_master WHERE tbl_name <> ? AND sql IS NOT NULL "
    "ORDER BY type = 'table' DESC, name"
)
CONSTRAINTS = ("CHECK", "CONSTRAINT", "FOREIGN KEY", "PRIMARY KEY", "UNIQUE")


def in_order(sql: str) -> str:
    """A statement with the constraints of its table in the order of their words.

    Where Alembic puts a copy of a table in its place, their order is another in every process.
    """
    first, *rest = sql.removesuffix("\n)").split(", \n\t")
    constraints = [one for one in rest if one.startswith(CONSTRAINTS)]
    if not constraints:
        return sql
    columns = [one for one in rest if one not in constraints]
    return ", \n\t".join([first, *columns, *sorted(constraints)]) + "\n)"


def of_sqlite(file: Path) -> str:
    """The statements with which SQLite says that its tables were made."""
    with closing(sqlite3.connect(file)) as connection:
        made = connection.execute(MADE, (VERSIONS,)).fetchall()
    return "".join(f"{in_order(sql)}{BETWEEN}" for (sql,) in made)


def of_postgresql(state: State) -> str:
    """Statements that make the tables as they are; one after another, each after what it needs."""
    dialect, found = state.engine.dialect, sqlalchemy.MetaData()
    found.reflect(state.engine, only=lambda name, _: name != VERSIONS)
    made: list[str] = []
    for table in found.sorted_tables:
        for column in table.columns:
            if "nextval(" in str(getattr(column.server_default, "arg", "")):
                column.server_default = None  # SERIAL says it, and makes the sequence
        for one in table.constraints:  # what is said anyway, in words that 14 does not know
            one.dialect_options["postgresql"].pop("nulls_not_distinct", None)
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            made.append(str(CreateIndex(index).compile(dialect=dialect)))
    text = "".join(f"{one.strip()}{BETWEEN}" for one in made)
    return text.replace(" \n", "\n")


def main() -> int:
    """Write the statements for both databases."""
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        file = Path(folder) / "state.sqlite3"
        for url in (sqlite_url(file), server.database()):
            with closing(State(url)) as state:
                upgraded(state, "head")
                made = of_sqlite(file) if state.file else of_postgresql(state)
            target = file_of(SQLITE if state.file else POSTGRESQL)
            target.parent.mkdir(exist_ok=True)
            target.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
