"""The whole life of a regression: its kind, versions, mutes, tags; what happened in each step."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Only for the rows that are there: every new row says it.
DEFAULTS = {
    "kind": sa.text("'regression'"),
    "version": sa.text("1"),
    "held_since_ms": sa.text("0"),
    "recorded_ms": sa.text("0"),
    "earlier": sa.text("'[]'"),
    "tags": sa.text("'[]'"),
    "by": sa.text("''"),
}


def upgrade() -> None:
    """To this version."""
    with op.batch_alter_table("regression") as table:
        table.alter_column("incident_id", existing_type=sa.String(), nullable=True)
        for name, type_ in (
            ("kind", sa.String()),
            ("version", sa.Integer()),
            ("held_since_ms", sa.BigInteger()),
            ("recorded_ms", sa.BigInteger()),
            ("earlier", sa.JSON()),
            ("tags", sa.JSON()),
            ("by", sa.String()),
        ):
            table.add_column(sa.Column(name, type_, nullable=False, server_default=DEFAULTS[name]))
        table.add_column(sa.Column("recorded", sa.Float(), nullable=True))
        for name in ("muted_until_ms", "silent_since_ms", "accepted_from_ms"):
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
    with op.batch_alter_table("regression") as table:
        for name in DEFAULTS:
            table.alter_column(name, server_default=None)
    op.create_index("ix_regression_kind_page", "regression", ["kind", "opened_ms", "id"])
    op.execute(
        "UPDATE regression SET held_since_ms = opened_ms, recorded_ms = opened_ms, "
        "recorded = CASE WHEN baseline IS NULL THEN abs(worst) ELSE abs(worst - baseline) END"
    )
    with op.batch_alter_table("transition") as table:
        table.add_column(
            sa.Column("step", sa.String(), nullable=False, server_default=sa.text("'opened'"))
        )
    op.execute("UPDATE transition SET step = 'resolved' WHERE after = 'resolved'")
    # Severities stood where phases stand now.
    op.execute(
        "UPDATE transition SET step = 'escalated', before = 'open', after = 'open' "
        "WHERE after IN ('info', 'warning', 'critical')"
    )
    with op.batch_alter_table("transition") as table:
        table.alter_column("step", server_default=None)
