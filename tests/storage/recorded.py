"""States as earlier versions wrote them: small dumps of SQLite, one for each revision.

`python -m tests.storage.recorded` writes the dumps that are not there yet, and never one that is: a
recorded state is what a user's disk holds. The rows are those of a shop with its past, as far as
the revision has tables and columns for them; a table that the shop leaves empty gets one made-up
row.
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from api.access import book
from api.access.token import Scope
from storage.migrating import upgrade
from storage.schema import VERSIONS
from storage.state import State, revisions, sqlite_url
from tests.api.shop import NOW_MS, close, shop_house

FOLDER = Path(__file__).parent / "states"
Row = dict[str, Any]
MADE_UP: dict[str, Any] = {
    "VARCHAR": "recorded", "TEXT": "recorded", "INTEGER": 1, "BIGINT": NOW_MS, "FLOAT": 1.5,
    "DOUBLE PRECISION": 1.5, "JSON": "{}", "BOOLEAN": 0,
}  # fmt: skip


def chain() -> list[str]:
    """All revisions, the oldest first."""
    return list(revisions())


def file_of(revision: str) -> Path:
    """Where the state of a revision is recorded."""
    return FOLDER / f"{revision}.sql"


def rows(file: Path) -> dict[str, list[Row]]:
    """Every row of every table of a state in SQLite, by table."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            for (name,) in tables
            if name != VERSIONS
        }


def lived(folder: Path) -> dict[str, list[Row]]:
    """The rows of a shop that was used for a while, in the newest tables."""
    house = shop_house(folder)
    try:
        with house.state.unit() as session:
            made, _ = book.create(session, "ci", [Scope.INGEST], NOW_MS, None)
            book.open_session(session, made, "ada", NOW_MS, NOW_MS + 1000)
            book.note(session, NOW_MS, "ada", made.id, ("POST", "/api/v1/silences"), 201)
    finally:
        close(house)
    return rows(folder / "state.sqlite3")


def upgraded(state: State, revision: str) -> None:
    """Bring an empty state to a revision, as a version of that time did."""
    with state.engine.connect() as connection:
        connection.begin()
        upgrade(connection, revision)
        connection.commit()


def fill(connection: Connection, known: dict[str, list[Row]]) -> None:
    """Put into each table what is known of it, in the columns that it has."""
    looked = inspect(connection)
    for table in looked.get_sorted_table_and_fkc_names():
        name = table[0]
        if name is None or name == VERSIONS:
            continue
        columns = {one["name"]: str(one["type"]) for one in looked.get_columns(name)}
        made_up = {column: MADE_UP[kind.split("(")[0]] for column, kind in columns.items()}
        for row in known.get(name) or [made_up]:
            fitting = {column: row[column] for column in columns if column in row}
            names = ", ".join(f'"{one}"' for one in fitting)
            values = ", ".join(f":{one}" for one in fitting)
            connection.execute(text(f'INSERT INTO "{name}" ({names}) VALUES ({values})'), fitting)


def recorded(revision: str, known: dict[str, list[Row]], folder: Path) -> str:
    """The dump of a state of that revision with these rows."""
    file = folder / f"{revision}.sqlite3"
    state = State(sqlite_url(file))
    try:
        upgraded(state, revision)
        with state.engine.begin() as connection:
            fill(connection, known)
    finally:
        state.close()
    with closing(sqlite3.connect(file)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def loaded(revision: str, file: Path) -> None:
    """Make the file that a user of that revision has."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(file_of(revision).read_text(encoding="utf-8"))


def main() -> int:
    """Record what is not recorded yet."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        known = lived(Path(folder))
        for revision in chain():
            if not file_of(revision).exists():
                dump = recorded(revision, known, Path(folder))
                file_of(revision).write_text(dump, encoding="utf-8")
                sys.stdout.write(f"recorded: {file_of(revision).name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
