"""What is this file? An answer for people and for JSON."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Granule, Record
from sm_core.sources.declare import source
from sm_core.sources.decode import decode
from sm_core.sources.embedded import local_granule_id
from sm_core.sources.ismn import read_ismn
from sm_core.sources.names import identify
from sm_core.sources.rda import read_rda
from sm_core.sources.station_csv import MOST_NAMED, read_station_csv
from sm_core.sources.station_files import read_stations
from sm_core.sources.stations import StationSeries

_DATE_IN_NAME = re.compile(r"(?<!\d)(\d{8})(?!\d)")


class VariableSummary(Record):
    """One variable of a raster; minimum, mean and maximum are None when nothing is known."""

    name: str
    units: str
    valid_fraction: float
    minimum: float | None
    mean: float | None
    maximum: float | None


class StationSummary(Record):
    """One sensor: how many rows, from when to when."""

    station_id: str
    lon: float
    lat: float
    depth_from_m: float
    depth_to_m: float
    rows: int
    first: dt.datetime | None
    last: dt.datetime | None
    minimum: float | None
    maximum: float | None
    bad_lines: int


class Description(Record):
    """What a file holds. ``bounds`` is (west, south, east, north) in units of ``crs``."""

    name: str
    kind: Literal["granule", "station", "product", "unknown"]
    source_id: str | None = None
    title: str = ""
    start: dt.date | None = None
    end: dt.date | None = None
    tile: str = ""
    crs: str = ""
    bounds: tuple[float, float, float, float] | None = None
    shape: tuple[int, int] | None = None
    variables: tuple[VariableSummary, ...] = ()
    stations: tuple[StationSummary, ...] = ()
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """The description in plain words, several lines."""
        head = f"{self.name}: {self.kind}"
        head += f" of {self.source_id} ({self.title})" if self.source_id else ""
        if self.start and self.end:
            head += f", {self.start}" + (f" to {self.end}" if self.end != self.start else "")
        head += f", tile {self.tile}" if self.tile else ""
        lines = [head]
        if self.shape and self.bounds:
            corners = ", ".join(f"{value:.10g}" for value in self.bounds)
            lines.append(f"  grid: {self.shape[0]} rows x {self.shape[1]} columns, {self.crs}; bounds {corners}")
        lines += [f"  {_variable_text(entry)}" for entry in self.variables]
        lines += [f"  {_station_text(entry)}" for entry in self.stations]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def describe(path: Path) -> Description:
    """Look into a granule, a station file, folder or archive, or a GeoTIFF.

    Parameters
    ----------
    path
        Granules are known by their name, or by the name that their metadata hold. Of a file that covers many days
        only the first is read, and a note says so.

    Raises
    ------
    ForeignFileError      SM207, a granule's name on something else.
    GranuleCorruptError   SM205, cut short or undecodable.
    SchemaDriftError      SM206, UnitsError SM303: see :func:`~sm_core.sources.decode`.
    StationFileError      SM208, a station file in which nothing can be read.
    UnsafeContentError    SM210, an archive or XML bomb.
    """
    if path.is_dir() or path.suffix in (".stm", ".zip"):
        return _stations(path, "ISMN", read_ismn(path), ())
    if path.suffix == ".xml":
        page = read_rda(path, sites={})
        note = f"{page.rows} of {page.total_count} rows, {len(page.unlocated)} stations (places are not in the file)"
        return _stations(path, "RDA", page.series, (note,))
    if path.suffix.lower() in (".tif", ".tiff"):
        return _product(path)
    named = identify(path)
    if named and named.source_id == "CSV":
        found = read_station_csv(path)
        return _stations(path, "CSV", found.series, tuple(map(str, found.problems[:MOST_NAMED])))
    if named and source(named.source_id).native_grid == "points":
        return _stations(path, named.source_id, read_stations(path), ())
    granule = named or identify(path.with_name(local_granule_id(path) or path.name))
    if granule is None:
        return Description(name=path.name, kind="unknown", notes=("no declared source has such a file name",))
    return _granule(path, granule)


def _granule(path: Path, granule: Granule) -> Description:
    ds = decode(path, days=(granule.start, granule.start), source_id=granule.source_id)
    declared = source(granule.source_id)
    notes = []
    if declared.period_days > 1 and declared.cadence_days == 1:
        days = (granule.end - granule.start).days + 1
        notes.append(f"covers {days} days; the figures are of {granule.start} alone")
    if not ds.sizes["time"]:
        notes.append(f"holds nothing for {granule.start}")
    if declared.provisional:
        notes.append("a provisional source")
    half = ds.attrs["resolution"] / 2
    bounds = float(ds.x[0]) - half, float(ds.y[-1]) - half, float(ds.x[-1]) + half, float(ds.y[0]) + half
    return Description(
        name=path.name, kind="granule", source_id=granule.source_id, title=declared.title, start=granule.start,
        end=granule.end, tile=ds.attrs["tile"], crs=ds.attrs["crs"], bounds=bounds,
        shape=(ds.sizes["y"], ds.sizes["x"]), variables=tuple(_summary(ds[name]) for name in ds.data_vars),
        notes=tuple(notes),
    )


def _product(path: Path) -> Description:
    import rasterio

    with rasterio.open(path) as file:
        variables = []
        for band in range(1, file.count + 1):
            masked = file.read(band, masked=True).astype(np.float64)
            values = masked.filled(np.nan) * file.scales[band - 1] + file.offsets[band - 1]
            name = file.descriptions[band - 1] or f"band_{band}"
            variables.append(_statistics(name, file.units[band - 1] or "", values))
        bounds, crs, shape = tuple(file.bounds), file.crs.to_string() if file.crs else "", file.shape
    day = _day_of(path.name)
    return Description(
        name=path.name, kind="product", start=day, end=day, crs=crs, bounds=bounds, shape=shape,
        variables=tuple(variables),
    )


def _stations(
    path: Path, source_id: str, series: tuple[StationSeries, ...], notes: tuple[str, ...]
) -> Description:
    summaries = tuple(_station_summary(entry) for entry in series)
    firsts = [entry.first for entry in summaries if entry.first]
    lasts = [entry.last for entry in summaries if entry.last]
    return Description(
        name=path.name, kind="station", source_id=source_id, title=source(source_id).title,
        start=min(firsts).date() if firsts else None, end=max(lasts).date() if lasts else None, stations=summaries,
        notes=notes,
    )


def _summary(array: xr.DataArray) -> VariableSummary:
    return _statistics(str(array.name), str(array.attrs["units"]), array.values)


def _statistics(name: str, units: str, values: NDArray[np.floating]) -> VariableSummary:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return VariableSummary(name=name, units=units, valid_fraction=0.0, minimum=None, mean=None, maximum=None)
    return VariableSummary(
        name=name, units=units, valid_fraction=known.size / values.size, minimum=float(known.min()),
        mean=float(known.mean()), maximum=float(known.max()),
    )


def _station_summary(series: StationSeries) -> StationSummary:
    station, table = series.station, series.values
    known = table["value"].dropna()
    return StationSummary(
        station_id=station.station_id, lon=station.lon, lat=station.lat, depth_from_m=station.depth_from_m,
        depth_to_m=station.depth_to_m, rows=len(table),
        first=table.index[0].to_pydatetime() if len(table) else None,
        last=table.index[-1].to_pydatetime() if len(table) else None,
        minimum=float(known.min()) if len(known) else None, maximum=float(known.max()) if len(known) else None,
        bad_lines=series.bad_lines,
    )


def _day_of(name: str) -> dt.date | None:
    match = _DATE_IN_NAME.search(name.replace("_", " "))
    try:
        return dt.datetime.strptime(match[1], "%Y%m%d").date() if match else None
    except ValueError:
        return None


def _variable_text(entry: VariableSummary) -> str:
    if entry.minimum is None:
        return f"{entry.name} [{entry.units}]: nothing known"
    return (
        f"{entry.name} [{entry.units}]: {100 * entry.valid_fraction:.3g} % known, "
        f"{entry.minimum:.4g} to {entry.maximum:.4g}, mean {entry.mean:.4g}"
    )


def _station_text(entry: StationSummary) -> str:
    place = f"{entry.station_id} at {entry.lon:.4f} E {entry.lat:.4f} N"
    if entry.first is None or entry.last is None:
        return f"{place}: no rows"
    values = "nothing known" if entry.minimum is None else f"{entry.minimum:.3f} to {entry.maximum:.3f} m3/m3"
    return f"{place}: {entry.rows} rows, {entry.first:%Y-%m-%d} to {entry.last:%Y-%m-%d}, {values}"
