"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "edition",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("start", sa.Date, nullable=False),
        sa.Column("end", sa.Date, nullable=False),
        sa.Column("tile", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("produced", sa.Text, nullable=False),
        sa.Column("published", _TIME, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("checksum_algorithm", sa.Text),
        sa.Column("checksum", sa.Text),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("fetched_at", _TIME),
        sa.Column("quarantined_at", _TIME),
        sa.Column("withdrawn_at", _TIME),
        sa.Column("uri", sa.Text),
        sa.Column("sha256", sa.Text),
        sa.Column("stored_size", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error_code", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("retry_at", _TIME),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", _TIME),
        sa.UniqueConstraint("source_id", "name", "revision", name="edition_key"),
    )
    op.create_index("edition_granule", "edition", ["source_id", "start", "tile", "part"])
    op.create_table(
        "contact",
        sa.Column("source_id", sa.Text, primary_key=True),
        sa.Column("last_success", _TIME),
        sa.Column("last_failure", _TIME),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("error_code", sa.Text),
    )
    op.create_table(
        "station",
        sa.Column("station_id", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.Date, primary_key=True),
        sa.Column("recorded", _TIME, primary_key=True),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("lon", sa.Double, nullable=False),
        sa.Column("lat", sa.Double, nullable=False),
        sa.Column("elevation_m", sa.Double),
        sa.Column("depth_from_m", sa.Double, nullable=False),
        sa.Column("depth_to_m", sa.Double, nullable=False),
        sa.Column("sensor", sa.Text, nullable=False),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("ingested", _TIME, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("first", _TIME, nullable=False),
        sa.Column("last", _TIME, nullable=False),
    )
    op.create_index("ix_batch_ingested", "batch", ["ingested"])
    op.create_table(
        "day_mean",
        sa.Column("station_id", sa.Text, primary_key=True),
        sa.Column("layer", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("ingested", _TIME, primary_key=True),
        sa.Column("value", sa.Double),
        sa.Column("readings", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("day_mean", "batch", "station", "contact", "edition"):
        op.drop_table(table)
