"""Statements of databases, with their scrubbed texts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this version."""
    op.create_table(
        "statement",
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("datname", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("target", "datname", "fingerprint"),
    )
    op.create_index("ix_statement_last_seen_ms", "statement", ["last_seen_ms"])
