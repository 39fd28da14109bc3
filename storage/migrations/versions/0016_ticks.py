"""Ticks that cost the same over a million rows: indexes for what they ask of what is over."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ACCEPTED = sa.text("accepted_from_ms IS NOT NULL")


def upgrade() -> None:
    """To this version."""
    op.drop_index("ix_regression_phase", "regression")
    op.create_index("ix_regression_phase_clear", "regression", ["phase", "clear_since_ms"])
    op.create_index(
        "ix_regression_accepted",
        "regression",
        ["accepted_from_ms"],
        sqlite_where=ACCEPTED,
        postgresql_where=ACCEPTED,
    )
