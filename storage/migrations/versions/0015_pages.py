"""Pages that cost the same over a million rows: indexes that hold what filters ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0010"
branch_labels = None
depends_on = None

ENTRY = ["opened_ms", "id", "kind", "severity", "phase", "signal", "rule", "target"]
LIVE = sa.text("open_key IS NOT NULL")
STEPS = ("transition", "incident_step")


def without(name: str) -> list[str]:
    """An entry whose first column stands before it."""
    return [one for one in ENTRY if one != name]


def upgrade() -> None:
    """To this version."""
    # With a default, so that SQLite need not put a copy of a large table in its place.
    op.add_column("regression", sa.Column("target", sa.String(), nullable=False, server_default=""))
    named = (
        "labels ->> 'target'"
        if op.get_bind().dialect.name == "postgresql"
        else "json_extract(labels, '$.target')"
    )
    op.execute(f"UPDATE regression SET target = coalesce({named}, '')")
    for name in ("page", "signal_page", "kind_page"):
        op.drop_index(f"ix_regression_{name}", "regression")
    op.create_index("ix_regression_page", "regression", ENTRY)
    for name in ("signal", "rule", "target"):
        op.create_index(f"ix_regression_{name}_page", "regression", [name, *without(name)])
    op.create_index(
        "ix_regression_live", "regression", ENTRY, sqlite_where=LIVE, postgresql_where=LIVE
    )
    for name in ("phase", "opened_ms"):
        op.drop_index(f"ix_incident_{name}", "incident")
    for names in ((), ("phase",), ("severity",), ("phase", "severity")):
        op.create_index(
            "_".join(("ix_incident", *names, "page")), "incident", [*names, "opened_ms", "id"]
        )
    for table in STEPS:
        op.create_index(f"ix_{table}_actor_step_page", table, ["actor", "step", "at_ms", "id"])
