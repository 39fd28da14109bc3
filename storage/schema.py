"""The newest tables made at once, for a state that has none yet.

What all migrations together make is kept as statements, so that a first start needs neither to take
every step of the past nor to load Alembic, which would stay for as long as the process runs. A test
compares the two to the letter, but for the order of constraints, which Alembic leaves to chance.
"""

from pathlib import Path

import sqlalchemy

FOLDER = Path(__file__).parent / "migrations" / "newest"
VERSIONS = "alembic_version"
"""Where Alembic notes the version of the tables."""
BETWEEN = ";\n\n"


def file_of(dialect: str) -> Path:
    """Where the statements for a database are kept."""
    return FOLDER / f"{dialect}.sql"


def create(connection: sqlalchemy.Connection, revision: str) -> None:
    """Make the newest tables, which are those of `revision`, in the transaction of the caller."""
    text = file_of(connection.dialect.name).read_text(encoding="utf-8")
    for statement in text.removesuffix(BETWEEN).split(BETWEEN):
        connection.exec_driver_sql(statement)
    # It stays, empty, where somebody has taken all migrations back.
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {VERSIONS} (\n\tversion_num VARCHAR(32) NOT NULL, \n\t"
        f"CONSTRAINT {VERSIONS}_pkc PRIMARY KEY (version_num)\n)"
    )
    connection.execute(
        sqlalchemy.text(f"INSERT INTO {VERSIONS} VALUES (:revision)"), {"revision": revision}
    )
