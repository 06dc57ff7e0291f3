"""How often an edition's content was refused; which fetches served which requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("edition", sa.Column("refusals", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "serving",
        sa.Column("as_of", _TIME, primary_key=True),
        sa.Column("done", _TIME, primary_key=True),
    )


def downgrade() -> None:
    op.drop_table("serving")
    op.drop_column("edition", "refusals")
