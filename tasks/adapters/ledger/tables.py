"""The tables of the ledger.

Nothing here is ever forgotten: an event is a time in a column, a changed value is one more row. What was known at some
time is what a query finds when it leaves out everything that is dated later.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData()


class UtcTime(TypeDecorator[dt.datetime]):
    """A time with its zone in Python, in UTC in the database; one without a zone is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value}")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


# One edition of one file, as a provider listed it. Editions that share source_id, start, tile and part are editions
# of one granule; the newest has the greatest (produced, revision). Where an edition stands follows from its times.
edition = sa.Table(
    "edition", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("revision", sa.Text, nullable=False),
    # What the name says
    sa.Column("start", sa.Date, nullable=False),
    sa.Column("end", sa.Date, nullable=False),
    sa.Column("tile", sa.Text, nullable=False),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("produced", sa.Text, nullable=False),
    # What the provider says
    sa.Column("published", UtcTime, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("checksum_algorithm", sa.Text),
    sa.Column("checksum", sa.Text),
    # What happened to it, and when
    sa.Column("first_seen", UtcTime, nullable=False),
    sa.Column("fetched_at", UtcTime),
    sa.Column("quarantined_at", UtcTime),
    sa.Column("withdrawn_at", UtcTime),
    # The stored file, once fetched
    sa.Column("uri", sa.Text),
    sa.Column("sha256", sa.Text),
    sa.Column("stored_size", sa.BigInteger),
    # The last trouble with it
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("retry_at", UtcTime),
    # Who is fetching it; a claim whose time is over binds nobody
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_until", UtcTime),
    sa.UniqueConstraint("source_id", "name", "revision", name="edition_key"),
    sa.Index("edition_granule", "source_id", "start", "tile", "part"),
)

# How a provider has answered lately.
contact = sa.Table(
    "contact", metadata,
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("last_success", UtcTime),
    sa.Column("last_failure", UtcTime),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("error_code", sa.Text),
)

# When a fetch ended that was made for a request: what it brought is known to that request, though it came later.
serving = sa.Table(
    "serving", metadata,
    sa.Column("as_of", UtcTime, primary_key=True),
    sa.Column("done", UtcTime, primary_key=True),
)

# Where a sensor stands from a day on, and since when that is known. A move, or a correction, is one more row.
station = sa.Table(
    "station", metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("valid_from", sa.Date, primary_key=True),
    sa.Column("recorded", UtcTime, primary_key=True),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("lon", sa.Double, nullable=False),
    sa.Column("lat", sa.Double, nullable=False),
    sa.Column("elevation_m", sa.Double),
    sa.Column("depth_from_m", sa.Double, nullable=False),
    sa.Column("depth_to_m", sa.Double, nullable=False),
    sa.Column("sensor", sa.Text, nullable=False),
)

# One Parquet file of raw observations: those that were new or changed when they came in. first and last are the
# times [UTC] of its earliest and latest observation.
batch = sa.Table(
    "batch", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("ingested", UtcTime, nullable=False, index=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("first", UtcTime, nullable=False),
    sa.Column("last", UtcTime, nullable=False),
)

# Mean of a sensor's accepted readings in a UTC day [m3 m-3] and how many they are, since the time it was known.
day_mean = sa.Table(
    "day_mean", metadata,
    sa.Column("station_id", sa.Text, primary_key=True),
    sa.Column("layer", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("ingested", UtcTime, primary_key=True),
    sa.Column("value", sa.Double),
    sa.Column("readings", sa.Integer, nullable=False),
)

# One day of one administrative unit as alerts are decided on, since the time it was known. content: a UnitDay.
alert_day = sa.Table(
    "alert_day", metadata,
    sa.Column("region_id", sa.Text, primary_key=True),
    sa.Column("unit_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("recorded", UtcTime, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)

# What the recipients of a unit's alerts know: follows from the days and the messages. content: a Standing.
alert_standing = sa.Table(
    "alert_standing", metadata,
    sa.Column("region_id", sa.Text, primary_key=True),
    sa.Column("unit_id", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)

# A message, in the order in which it was made. content: an AlertEvent.
alert_event = sa.Table(
    "alert_event", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("region_id", sa.Text, nullable=False, index=True),
    sa.Column("sent", UtcTime, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)

# The outbox: a message's way through one channel. What is sent together has one batch, fixed when it is first tried.
alert_delivery = sa.Table(
    "alert_delivery", metadata,
    sa.Column("event_id", sa.Integer, sa.ForeignKey("alert_event.id"), primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("batch", sa.Text),
    sa.Column("claimed_by", sa.Text),
    sa.Column("claimed_until", UtcTime),
    # Handing over has begun and its end is not known: it may have been received
    sa.Column("doubtful_since", UtcTime),
    sa.Column("sent_at", UtcTime),
    sa.Column("receipt", sa.Text),
    sa.Column("given_up_at", UtcTime),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error_code", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("retry_at", UtcTime),
    sa.Index("alert_delivery_open", "channel", "sent_at"),
)

# What came of a run of a region's date, in the order of their ends. content: a PastRun.
day_run = sa.Table(
    "day_run", metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("region_id", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("finished", UtcTime, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("day_run_of_day", "region_id", "day"),
)
