"""Deployments find what began about when they went live: an index by when regressions began."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_index("ix_regression_began", "regression", ["began_hi_ms", "began_lo_ms"])
