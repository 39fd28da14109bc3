"""Changing tables with Alembic. Imported by who changes some: it takes 11 MiB and 50 ms to load."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config


def migrations() -> Config:
    """Where the migrations stand."""
    config = Config()
    scripts = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", scripts.replace("%", "%%"))
    return config


def upgrade(connection: sqlalchemy.Connection, revision: str = "head") -> None:
    """Bring the tables to a revision, inside the transaction of the caller."""
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
