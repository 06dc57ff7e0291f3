"""Station files that have come: read, checked, and their readings written into the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pandas as pd

from sm_core.errors import ForeignFileError, SmError, StationFileError, UnsafeContentError
from sm_core.qc import check_series
from sm_core.sources import StationSeries, read_stations
from tasks.adapters.fetch.download import Fetched
from tasks.adapters.fetch.settle import Settler
from tasks.adapters.fetch.wanted import SourceReport
from tasks.adapters.ledger import Ledger

FILES_AT_ONCE = 50
_NOT_OURS = frozenset({"M", "N"})
"""Codes that only repeat what the network says itself: no value, doubted."""


class Readings:
    """Settles outcomes of station sources: a file counts as fetched once its readings are in the ledger."""

    def __init__(self, ledger: Ledger, settler: Settler, now: Callable[[], dt.datetime]) -> None:
        self._ledger, self._settler, self._now = ledger, settler, now

    def settle(self, outcomes: Iterable[Fetched], report: SourceReport) -> SourceReport:
        """The report with these outcomes in it. A kill in between loses nothing: the next run reads the files again."""
        coming = iter(outcomes)
        while batch := list(islice(coming, FILES_AT_ONCE)):
            read: list[StationSeries] = []
            settled = [_read(outcome, read) for outcome in batch]
            report = report.plus(observations=self._keep(read))
            for outcome in settled:
                report = self._settler.settle(outcome, report)
        return report

    def _keep(self, series: list[StationSeries]) -> int:
        when = self._now()
        known = {station.station_id: station for station in self._ledger.stations(when)}
        for one in series:
            if len(one.values) and known.get(one.station.station_id) != one.station:
                self._ledger.add_station(one.station, one.values.index[0].date(), when)
                known[one.station.station_id] = one.station
        frames = [observations(check_series(one)) for one in series if len(one.values)]
        return self._ledger.add_observations(pd.concat(frames), when) if frames else 0


def observations(checked: StationSeries) -> pd.DataFrame:
    """A checked series as the ledger keeps it; ``flag`` is the network's own, or what our checks found wrong.

    >>> from sm_core.domain import Station
    >>> sensor = Station(station_id="a", network="N", name="S", lon=127, lat=37, depth_from_m=0.05, depth_to_m=0.05)
    >>> rows = pd.DataFrame({"value": [0.2, 0.9], "flag": ["G", "G"], "provider_flag": "", "qc": ["", "C02"]},
    ...                     index=pd.date_range("2019-06-01", periods=2, name="time"))
    >>> observations(StationSeries(sensor, rows))["flag"].tolist()
    ['G', 'C02']
    """
    station, values = checked.station, checked.values
    found = {text: ",".join(code for code in text.split(",") if code not in _NOT_OURS) for text in set(values["qc"])}
    ours = values["qc"].map(found)
    return pd.DataFrame({
        "station_id": station.station_id, "layer": f"{station.depth_from_m:.2f}-{station.depth_to_m:.2f}",
        "time": values.index, "value": values["value"].to_numpy(),
        "flag": values["flag"].where(ours == "", ours).to_numpy(),
        "provider_flag": values["provider_flag"].to_numpy(),
    })


def _read(outcome: Fetched, into: list[StationSeries]) -> Fetched:
    if outcome.file is None:
        return outcome
    try:
        into.extend(read_stations(Path(outcome.file.uri)))
    except (StationFileError, ForeignFileError, UnsafeContentError) as error:
        return Fetched(outcome.listed, error=_named(error, outcome))
    return outcome


def _named(error: SmError, outcome: Fetched) -> SmError:
    error.context.setdefault("source", outcome.listed.source_id)
    return error
