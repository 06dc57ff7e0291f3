"""Runs: what came of each run of a region's date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "day_run",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("region_id", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("as_of", _TIME, nullable=False),
        sa.Column("finished", _TIME, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("day_run_of_day", "day_run", ["region_id", "day"])


def downgrade() -> None:
    op.drop_table("day_run")
