"""Observations with two times: when the soil was measured, and when we came to know the value.

Raw observations lie in Parquet files, one for each import, which holds only what was new or changed and is never
touched again; its name is its content's checksum. The table ``batch`` says when each came in. What was known at a time
is, of every sensor, layer and moment, the row of the latest batch until then.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from sm_core.errors import LedgerError
from sm_core.qc.flags import NETWORK_GOOD
from tasks.adapters.ledger.database import Database, ledger_errors
from tasks.adapters.ledger.tables import batch, day_mean
from tasks.adapters.locks import locked
from tasks.adapters.mirror import sha256_of

COLUMNS = ("station_id", "layer", "time", "value", "flag", "provider_flag")
ROWS_PER_GROUP = 1 << 17
_TEXT = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema([
    ("station_id", _TEXT), ("layer", _TEXT), ("time", pa.timestamp("ns")), ("value", pa.float64()), ("flag", _TEXT),
    ("provider_flag", _TEXT),
])
_DAY = dt.timedelta(days=1)
_DAY_NS = 86_400_000_000_000


class Observations:
    """Raw observations in a folder of Parquet files, their daily means in the database."""

    def __init__(self, database: Database, raw: Path) -> None:
        self._database, self._raw = database, raw
        with ledger_errors():
            raw.mkdir(parents=True, exist_ok=True)

    def add(self, frame: pd.DataFrame, ingested: dt.datetime) -> int:
        """Keep what is new or changed in ``frame``; returns how many rows that is."""
        fresh = _table(frame)
        if not fresh.num_rows:
            return 0
        first, last = _days(fresh)
        stations = fresh["station_id"].unique().to_pylist()
        with ledger_errors(), locked(self._raw / ".lock"):
            known = self._known(None, stations, first, last)
            merged = _merge([known, fresh])
            changed = merged.changed(known.num_rows)
            if not changed.any():
                return 0
            with self._database.writing() as connection:
                newest = connection.scalar(sa.select(sa.func.max(batch.c.ingested)))
                # A clock that was put back must not hide a value behind an older one
                known_since = max(ingested, newest or ingested)
                rows = merged.table.filter(pa.array(changed))
                connection.execute(batch.insert().values(file=self._write(rows), ingested=known_since,
                                                         rows=rows.num_rows, **_period(rows)))
                means = self._database.insert(day_mean)
                connection.execute(
                    means.on_conflict_do_update(
                        index_elements=list(day_mean.primary_key.columns),
                        set_={"value": means.excluded.value, "readings": means.excluded.readings},
                    ),
                    [row | {"ingested": known_since} for row in merged.day_means(changed)],
                )
            return int(rows.num_rows)

    def known(
        self, as_of: dt.datetime, station_ids: Collection[str] | None, first: dt.datetime | None,
        last: dt.datetime | None,
    ) -> pd.DataFrame:
        """The observations that were known at ``as_of``."""
        frame: pd.DataFrame = self._known(as_of, station_ids, first, last).to_pandas()
        return frame

    def daily(
        self, as_of: dt.datetime, station_ids: Collection[str] | None, first: dt.date | None, last: dt.date | None
    ) -> pd.DataFrame:
        """The daily means that were known at ``as_of``."""
        with self._database.reading() as connection:
            rows = connection.execute(known_means(as_of, station_ids, first, last)).all()
        frame = pd.DataFrame(rows, columns=["station_id", "layer", "day", "value", "readings"])
        return frame.astype({"station_id": "str", "layer": "str", "day": "datetime64[ns]", "value": "float64",
                             "readings": "int64"})

    def _known(
        self, as_of: dt.datetime | None, station_ids: Collection[str] | None, first: dt.datetime | None,
        last: dt.datetime | None,
    ) -> pa.Table:
        with self._database.reading() as connection:
            files = connection.scalars(batches(as_of, first, last)).all()
        wanted = _filter(station_ids, first, last)
        tables = [table for file in files if (table := self._read(file, wanted)).num_rows]
        return _merge(tables).latest() if tables else _SCHEMA.empty_table()

    def _read(self, file: str, wanted: pc.Expression | None) -> pa.Table:
        try:
            return pq.read_table(self._raw / file, schema=_SCHEMA, filters=wanted)
        except (OSError, pa.ArrowInvalid) as cause:
            raise LedgerError(f"raw observations cannot be read: {cause}", file=file) from cause

    def _write(self, rows: pa.Table) -> str:
        partial = self._raw / ".batch.part"
        pq.write_table(rows, partial, compression="zstd", row_group_size=ROWS_PER_GROUP)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        name = f"{sha256_of(partial)}.parquet"
        partial.replace(self._raw / name)
        return name


def batches(as_of: dt.datetime | None, first: dt.datetime | None, last: dt.datetime | None) -> sa.Select[Any]:
    """Files with observations from ``first`` to ``last`` that had come in until ``as_of``, oldest first."""
    files = sa.select(batch.c.file).order_by(batch.c.ingested, batch.c.id)
    if as_of is not None:
        files = files.where(batch.c.ingested <= as_of)
    if first is not None:
        files = files.where(batch.c.last >= first)
    return files if last is None else files.where(batch.c.first <= last)


def known_means(
    as_of: dt.datetime, station_ids: Collection[str] | None, first: dt.date | None, last: dt.date | None
) -> sa.Select[Any]:
    """Daily means as they were known at ``as_of``, by sensor, layer and day."""
    m = day_mean.c
    key = (m.station_id, m.layer, m.day)
    rank = sa.func.row_number().over(partition_by=key, order_by=m.ingested.desc())
    ranked = sa.select(day_mean, rank.label("rank")).where(m.ingested <= as_of)
    if station_ids is not None:
        ranked = ranked.where(m.station_id.in_(station_ids))
    if first is not None:
        ranked = ranked.where(m.day >= first)
    if last is not None:
        ranked = ranked.where(m.day <= last)
    r = ranked.subquery().c
    return (
        sa.select(r.station_id, r.layer, r.day, r.value, r.readings)
        .where(r.rank == 1)
        .order_by(r.station_id, r.layer, r.day)
    )


@dataclass(frozen=True)
class _Merged:
    """Rows of several tables ordered by sensor, layer and time; rows of one moment in the order of the tables.

    ``origin`` is a row's position before, ``series`` a number for each sensor and layer, ``time`` in ns. (row,)
    """

    table: pa.Table
    origin: NDArray[np.int64]
    series: NDArray[np.int64]
    time: NDArray[np.int64]

    def latest(self) -> pa.Table:
        """The last row of each moment."""
        last = self._last()
        return self.table if last.all() else self.table.filter(pa.array(last))

    def changed(self, known: int) -> NDArray[np.bool_]:
        """Rows that are not of the first ``known`` ones and say something else than the row before them."""
        value = self._value()
        same = ~self._begins(self.series, self.time)[1:]
        same &= (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
        for name in ("flag", "provider_flag"):
            codes = _codes(self.table[name])
            same &= codes[1:] == codes[:-1]
        return np.asarray((self.origin >= known) & ~np.append(False, same))

    def day_means(self, changed: NDArray[np.bool_]) -> Iterable[dict[str, object]]:
        """Means of the UTC days that have changed rows, of the readings that their network accepts."""
        day = self.time // _DAY_NS
        begins = self._begins(self.series, day)
        group = np.cumsum(begins) - 1
        value = self._value()
        accepted = pc.is_in(self.table["flag"].cast(pa.string()), value_set=pa.array(sorted(NETWORK_GOOD)))
        good = self._last() & np.isfinite(value) & accepted.to_numpy()
        count = np.bincount(group[good], minlength=group[-1] + 1)
        total = np.bincount(group[good], value[good], minlength=group[-1] + 1)
        touched = np.flatnonzero(np.bincount(group[changed], minlength=group[-1] + 1))
        at = pa.array(np.flatnonzero(begins)[touched])
        stations, layers = (self.table[name].take(at).to_pylist() for name in ("station_id", "layer"))
        days = day[begins][touched].astype("datetime64[D]").tolist()
        for station, layer, date, n, sum_ in zip(
            stations, layers, days, count[touched].tolist(), total[touched].tolist(), strict=True
        ):
            yield {"station_id": station, "layer": layer, "day": date, "value": sum_ / n if n else None, "readings": n}

    def _value(self) -> NDArray[np.float64]:
        return np.asarray(self.table["value"].to_numpy(), np.float64)

    def _last(self) -> NDArray[np.bool_]:
        return np.append(self._begins(self.series, self.time)[1:], True)

    @staticmethod
    def _begins(*keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        differs = np.zeros(len(keys[0]) - 1, np.bool_)
        for key in keys:
            differs |= key[1:] != key[:-1]
        return np.concatenate([[True], differs])


def _merge(tables: Sequence[pa.Table]) -> _Merged:
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    layer = _codes(whole["layer"])
    series = _codes(whole["station_id"]) * (int(layer.max()) + 1) + layer
    time = whole["time"].cast(pa.int64()).to_numpy()
    order = np.lexsort((time, series))
    return _Merged(whole.take(pa.array(order)), order, series[order], time[order])


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Numbers that are ordered as the texts are."""
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    texts = np.array(encoded.dictionary.to_pylist(), dtype=object)
    rank = np.empty(len(texts), np.int64)
    rank[np.argsort(texts, kind="stable")] = np.arange(len(texts))
    codes: NDArray[np.int64] = rank[encoded.indices.to_numpy()]
    return codes


def _table(frame: pd.DataFrame) -> pa.Table:
    if missing := [name for name in COLUMNS if name not in frame]:
        raise LedgerError(f"observations lack the columns {', '.join(missing)}")
    time = pd.to_datetime(frame["time"], utc=True).dt.tz_localize(None).dt.as_unit("ns")
    if time.isna().any():
        raise LedgerError("observations without a time", rows=int(time.isna().sum()))
    columns = {name: _encoded(frame[name]) for name in COLUMNS if name not in ("time", "value")}
    columns["time"], columns["value"] = pa.array(time.to_numpy()), pa.array(frame["value"].to_numpy(np.float64))
    whole = pa.table([columns[name] for name in COLUMNS], schema=_SCHEMA)
    return _merge([whole]).latest() if whole.num_rows else whole


def _encoded(texts: pd.Series[Any]) -> pa.DictionaryArray:
    encoded = texts.astype("category")
    codes = encoded.cat.codes.to_numpy().astype(np.int32)
    words = [str(word) for word in encoded.cat.categories]
    if (codes < 0).any():
        raise LedgerError("observations with an unknown text", column=str(texts.name))
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(words, pa.string()))


def _filter(
    station_ids: Collection[str] | None, first: dt.datetime | None, last: dt.datetime | None
) -> pc.Expression | None:
    conditions = []
    if station_ids is not None:
        conditions.append(pc.field("station_id").isin(pa.array(sorted(station_ids), pa.string())))
    if first is not None:
        conditions.append(pc.field("time") >= _scalar(first))
    if last is not None:
        conditions.append(pc.field("time") <= _scalar(last))
    whole: pc.Expression | None = None
    for condition in conditions:
        whole = condition if whole is None else whole & condition
    return whole


def _scalar(time: dt.datetime) -> pa.Scalar:
    return pa.scalar(time.astimezone(dt.UTC).replace(tzinfo=None), pa.timestamp("ns"))


def _period(table: pa.Table) -> dict[str, dt.datetime]:
    ends = pc.min_max(table["time"])
    return {
        "first": pd.Timestamp(ends["min"].value, unit="ns", tz=dt.UTC).floor("s").to_pydatetime(),
        "last": pd.Timestamp(ends["max"].value, unit="ns", tz=dt.UTC).ceil("s").to_pydatetime(),
    }


def _days(table: pa.Table) -> tuple[dt.datetime, dt.datetime]:
    """Begin of the first UTC day and end of the last."""
    period = _period(table)
    midnight = dt.time(tzinfo=dt.UTC)
    return (
        dt.datetime.combine(period["first"].date(), midnight),
        dt.datetime.combine(period["last"].date() + _DAY, midnight),
    )
