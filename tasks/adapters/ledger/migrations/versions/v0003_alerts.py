"""Alerts: what they are decided on, what was told, and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alert_day",
        sa.Column("region_id", sa.Text, primary_key=True),
        sa.Column("unit_id", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("recorded", _TIME, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_standing",
        sa.Column("region_id", sa.Text, primary_key=True),
        sa.Column("unit_id", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "alert_event",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("region_id", sa.Text, nullable=False),
        sa.Column("sent", _TIME, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_event_region_id", "alert_event", ["region_id"])
    op.create_table(
        "alert_delivery",
        sa.Column("event_id", sa.Integer, sa.ForeignKey("alert_event.id"), primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("batch", sa.Text),
        sa.Column("claimed_by", sa.Text),
        sa.Column("claimed_until", _TIME),
        sa.Column("doubtful_since", _TIME),
        sa.Column("sent_at", _TIME),
        sa.Column("receipt", sa.Text),
        sa.Column("given_up_at", _TIME),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error_code", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("retry_at", _TIME),
    )
    op.create_index("alert_delivery_open", "alert_delivery", ["channel", "sent_at"])


def downgrade() -> None:
    for table in ("alert_delivery", "alert_event", "alert_standing", "alert_day"):
        op.drop_table(table)
