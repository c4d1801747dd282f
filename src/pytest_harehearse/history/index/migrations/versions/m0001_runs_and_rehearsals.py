# SPDX-License-Identifier: MIT
"""Runs and their rehearsals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "runs",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("store", sa.Text, nullable=False),
        sa.Column("rehearsals_sha256", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rehearsals",
        sa.Column("key", sa.Text, sa.ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
        sa.Column("rehearsal", sa.Text, primary_key=True),
        sa.Column("cluster", sa.Text, nullable=False),
        sa.Column("scenario", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("interruption", sa.Float),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
    )
    op.create_index("rehearsals_of_a_cluster", "rehearsals", ["cluster", "at"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("rehearsals")
    op.drop_table("runs")
