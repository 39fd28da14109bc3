"""What stands in threads and digests has rows of its own in the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WORDS = ("thread_of", "gathered")
TEXTS = ("line", "decided")


def upgrade() -> None:
    """To this version."""
    with op.batch_alter_table("outbox") as table:
        table.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="message"))
        for name in WORDS:
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=""))
        for name in TEXTS:
            table.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_outbox_pace", "outbox", ["attempted_ms"])
    op.create_index("ix_outbox_gathered", "outbox", ["gathered"])
