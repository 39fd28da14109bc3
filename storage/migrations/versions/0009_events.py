"""Steps of all regressions and incidents by time, by who took them and by what they are."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("transition", "incident_step")


def upgrade() -> None:
    """To this version."""
    for table in TABLES:
        op.create_index(f"ix_{table}_page", table, ["at_ms", "id"])
        op.create_index(f"ix_{table}_step_page", table, ["step", "at_ms", "id"])
        op.create_index(f"ix_{table}_actor_page", table, ["actor", "at_ms", "id"])
