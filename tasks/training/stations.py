"""Station readings made fit for training: checked, admitted, brought to layers and days, and divided."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from sm_core.correction import CorrectionParams
from sm_core.domain import Region, Station
from sm_core.errors import ModelNotFoundError, TooFewSamplesError
from sm_core.grid.points import cell_of, chord_to_km, lonlat, unit_vectors
from sm_core.qc import AdmissionRules, admissible, check_neighbours, check_series, daily_layers, saturation
from sm_core.sources import StationSeries, read_stations
from sm_core.validation import Division, Split, check_patches, check_same_station, spatial_blocks
from sm_core.validation.frozen import FrozenSplit, extend, freeze, keep_apart
from tasks.downscale import coarse_sm
from tasks.policy import sm_task
from tasks.training.records import DaysRef, StationTable, TrainingPlan, load_days
from tasks.wiring import services

_log = logging.getLogger(__name__)
BLOCK_KM = 50.0
BUFFER_KM = 20.0
"""More than the diagonal of what the correction looks at around a station, so that no cell teaches and judges."""
HELD_OUT_SHARE = 0.25
SPLIT_SEED = 2025
SPLIT_FILE = "split.json"
"""Beside the corrector's files."""
REFERENCE_DAYS = 60
"""Of coarse soil moisture, for a station's correlation with it to be judged."""
COMMON_DAYS = 20
"""Of the station and the coarse field; the days of a training lie apart, so that few of them tell enough."""


@sm_task
def collect_stations(plan: TrainingPlan, days: DaysRef) -> StationTable:
    """Station files read, checked alone and beside their neighbours, admitted, brought to layers and UTC days.

    Whole blocks of stations are held out.

    Raises
    ------
    TooFewSamplesError   SM504, fewer than four stations are admitted and report on the plan's days.
    LeakError            SM505, what teaches is seen again where models are judged.
    """
    here = services()
    region = here.region(plan.region_id)
    files = here.archive.station_files(plan.as_of)
    found = station_days(region, files, days)
    for station_id, reasons in found.refused.items():
        _log.warning("station %s does not teach: %s", station_id, "; ".join(reasons))
    table = found.table[found.table["day"].isin(pd.to_datetime([*plan.training_days, *plan.judged_days]))]
    if table["station_id"].nunique() < 4:
        raise TooFewSamplesError("too few stations in the region", region=region.region_id,
                                 stations=table["station_id"].nunique(), refused=len(found.refused), minimum=4)
    frozen = divide(region.region_id, table)
    split = keep_apart(frozen.of(table["station_id"]), table.drop_duplicates("station_id").itertuples(),
                       buffer_km=BUFFER_KM)
    check_apart(table, split, region)
    path = here.settings.data / "scratch" / region.region_id / "stations.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)
    return StationTable(
        uri=str(path), split=split, frozen=frozen, files=len(files),
        rejected_share=found.rejected / max(found.readings, 1), refused=found.refused, known=found.known,
    )


class StationDays(NamedTuple):
    """Daily values of the stations that teach, why others do not, and how many readings were looked at."""

    table: pd.DataFrame
    refused: dict[str, tuple[str, ...]]
    readings: int
    rejected: int

    @property
    def known(self) -> dict[str, int]:
        """Days by station."""
        return {str(name): int(days) for name, days in self.table.groupby("station_id").size().items()}


def station_days(region: Region, files: Sequence[Path], days: DaysRef | None = None) -> StationDays:
    """Station files of a region checked, admitted, and brought to layers and UTC days.

    Stations are compared with the coarse soil moisture of ``days``; without them, with none.
    """
    _log.info("reading %d station files", len(files))
    statics = services().statics(region)
    series = check_neighbours([
        check_series(s, saturation=_saturation(s.station, statics, region))
        for path in files for s in read_stations(path) if _wanted(s.station, region)
    ])
    refused, admitted = _admitted(series, statics, _coarse_surface(days, series, region), region)
    return StationDays(daily_layers(admitted), refused, sum(len(s.values) for s in series),
                       sum(int((s.values["qc"] != "").sum()) for s in series))


def divide(region_id: str, table: pd.DataFrame) -> FrozenSplit:
    """Which stations teach: as for the models in service, stations new since then by their blocks."""
    stations = list(table.drop_duplicates("station_id").itertuples())
    known = frozen_split(region_id, table)
    if known is None:
        first = spatial_blocks(stations, block_km=BLOCK_KM, held_out_share=HELD_OUT_SHARE, seed=SPLIT_SEED,
                               buffer_km=BUFFER_KM)
        return freeze(first, stations)
    return extend(known, stations, block_km=BLOCK_KM, held_out_share=HELD_OUT_SHARE, seed=SPLIT_SEED,
                  buffer_km=BUFFER_KM)


def check_apart(table: pd.DataFrame, split: Split, region: Region) -> None:
    """No cell lies in the surroundings of both a training and a held-out station, and none stands on both sides.

    Raises
    ------
    LeakError   SM505, with the two stations.
    """
    training, judged = (table["station_id"].isin(names).to_numpy() for names in (split.training, split.held_out))
    division = Division("held-out blocks", "stations", training, judged)
    check_same_station(table, division)
    grid = region.grid
    corner = unit_vectors(*(part[:2, :2].ravel() for part in lonlat(grid.x[:2], grid.y[:2], grid.crs)))
    cell_km = float(chord_to_km(np.linalg.norm(corner - corner[0], axis=1)[1:3]).max())
    check_patches(table, division, radius_cells=CorrectionParams().radius, cell_km=cell_km)


def frozen_split(region_id: str, table: pd.DataFrame) -> FrozenSplit | None:
    """The split of the models in service, stored and verified with them; None before the first training."""
    registry = services().registry
    try:
        champion = registry.champion(region_id, "corrector")
    except ModelNotFoundError:
        return None
    stored = registry.fetch(champion) / SPLIT_FILE
    if stored.is_file():
        return FrozenSplit.model_validate_json(stored.read_text(encoding="utf-8"))
    reporting = frozenset(table["station_id"])
    training, held_out = (tuple(name for name in names if name in reporting)
                          for names in (champion.training_stations, champion.held_out_stations))
    return freeze(Split(training=training, held_out=held_out, dropped=()), table.itertuples())


def _wanted(station: Station, region: Region) -> bool:
    west, south, east, north = region.lonlat_bounds
    return (
        (not region.networks or station.network in region.networks)
        and west <= station.lon <= east and south <= station.lat <= north
    )


def _saturation(station: Station, statics: xr.Dataset, region: Region) -> float | None:
    sand, clay = (_at(station, statics, name, region) for name in ("sand", "clay"))
    texture = np.isfinite(sand + clay) and min(sand, clay) >= 0 and sand + clay <= 100
    return saturation(sand, clay) if texture else None


def _at(station: Station, statics: xr.Dataset, name: str, region: Region) -> float:
    if name not in statics:
        return float("nan")
    row, column = cell_of(station.lon, station.lat, region.grid)
    return float(statics[name].values[row, column]) if row >= 0 else float("nan")


def _coarse_surface(days: DaysRef | None, series: Sequence[StationSeries], region: Region) -> pd.DataFrame:
    """Coarse surface soil moisture [m3 m-3] in the cells of the stations. (day × station_id)"""
    places = {_station_id(one.station): one.station for one in series}
    lon, lat = (xr.DataArray([getattr(s, name) for s in places.values()], dims="station") for name in ("lon", "lat"))
    rows = {}
    for day in load_days(days) if days else ():
        coarse = coarse_sm(day.gridded)["sm_surface"].isel(time=-1)
        rows[pd.Timestamp(day.day)] = coarse.sel(x=lon, y=lat, method="nearest").values
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(places))


def _admitted(
    series: Iterable[StationSeries], statics: xr.Dataset, coarse: pd.DataFrame, region: Region
) -> tuple[dict[str, tuple[str, ...]], list[StationSeries]]:
    """Reasons of those refused, and the sensors of those admitted."""
    sites: dict[str, list[StationSeries]] = defaultdict(list)
    for one in series:
        sites[_station_id(one.station)].append(one)
    enough = coarse.notna().sum() >= REFERENCE_DAYS
    refused, admitted, rules = {}, [], AdmissionRules(correlation_days=COMMON_DAYS)
    for station_id, sensors in sites.items():
        cover = _at(sensors[0].station, statics, "land_cover", region)
        found = admissible(
            sensors, reference=coarse[station_id] if enough[station_id] else None,
            land_cover=int(cover) if np.isfinite(cover) else None, rules=rules,
        )
        if found.admitted:
            admitted += sensors
        else:
            refused[station_id] = found.reasons
    return refused, admitted


def _station_id(station: Station) -> str:
    return f"{station.network}_{station.name}"
