"""What is usual: the soil-moisture distribution of each 1-km cell around each day of the year.

A long record exists only on the coarse grid. It gives the distribution; a line and a seasonal offset for each fine
cell carry it to 1 km. See docs/methods.md, "Drought".
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid, Layer
from sm_core.drought.calendar import DAYS, day_index, window
from sm_core.drought.ranking import LIMITS, MIN_YEARS, TIE, Comparison, beyond_years, gringorten
from sm_core.drought.record import FineRecord, Kind
from sm_core.errors import InsufficientInputsError, ModelIntegrityError, ModelNotFoundError, TooFewSamplesError
from sm_core.grid import bilinear_cells, check_on_grid

SLOPE_PRIOR_SD = 0.25
"""How far the slope of a fine cell is expected to lie from 1 before any data are seen [1]."""
SLOPE_LIMITS = (0.25, 4.0)
SEASON_PRIOR_SD = 0.02
"""How far a fine cell's offset is expected to swing with the season before any data are seen [m3 m-3]."""
DECORRELATION_DAYS = 10
"""Fine days closer than this tell the same thing twice: daily soil moisture has a lag-1 correlation near 0.9."""
STEP = 2e-5
"""Resolution in which the record is kept [m3 m-3]."""
FILE_NAME = "climatology.nc"


@dataclass(frozen=True)
class FineDay:
    """One day on the region grid: the final 1-km field and the coarse field that belongs to it.

    Attributes
    ----------
    fine, coarse
        (y, x) on the region grid, variables sm_surface and sm_rootzone [m3 m-3]; ``coarse`` is bilinear in space.
    """

    day: dt.date
    fine: xr.Dataset
    coarse: xr.Dataset


@dataclass(frozen=True)
class LayerClimatology:
    """The distribution of one layer.

    Attributes
    ----------
    record
        Coarse values [m3 m-3] by day of the year and year. (doy, year, y, x), native coarse lattice, attrs ``crs``.
    slope
        fine = offset(day) + slope * coarse [1]; NaN where no fine day is known. (y, x) of the region grid.
    offset
        Mean, cosine and sine of the offset's yearly cycle [m3 m-3]. (3, y, x)
    """

    record: xr.DataArray
    slope: NDArray[np.float32]
    offset: NDArray[np.float32]

    def coarse_equivalent(self, fine: NDArray[np.floating], day: dt.date) -> NDArray[np.float64]:
        """The coarse value that belongs to a fine one on a day [m3 m-3]. (y, x)"""
        equivalent: NDArray[np.float64] = (fine - self.offset_on(day)) / self.slope
        return equivalent

    def offset_on(self, day: dt.date) -> NDArray[np.float64]:
        """The offset of a day [m3 m-3]. (y, x)"""
        offset: NDArray[np.float64] = np.tensordot(_season(day), self.offset.astype(np.float64), axes=1)
        return offset

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of the record."""
        return int(self.record.year[0]), int(self.record.year[-1])


@dataclass(frozen=True)
class Climatology:
    """Distributions of both layers on one grid; valid only for fields made by the models named in ``made_with``.

    ``kind`` tells whether it describes final values or provisional ones, which have their own climate. ``fine`` is a
    record at 1 km; it is compared with where it has 20 years, the coarse record elsewhere. A saved climatology names
    it by its last year and checksum, ``pinned``; the record itself stays where it is.
    """

    grid: Grid
    layers: Mapping[Layer, LayerClimatology]
    made_with: str = ""
    kind: Kind = "final"
    fine: FineRecord | None = None
    pinned: tuple[int, str] | None = None

    def with_fine(self, record: FineRecord) -> Climatology:
        """The same climatology with a record at 1 km: that to which it is pinned, or any if it is not.

        Raises
        ------
        ModelIntegrityError   SM502, the record was made by other models, on another grid, is of another kind, or has
                              changed since it was pinned.
        """
        if self.pinned is not None:
            record = record.until(self.pinned[0])
            if record.digest != self.pinned[1]:
                raise ModelIntegrityError("the fine record has changed; update the climatology", until=self.pinned[0])
        if (record.grid, record.made_with, record.kind) != (self.grid, self.made_with, self.kind):
            raise ModelIntegrityError("the fine record does not belong to the climatology", record=record.made_with,
                                      record_kind=record.kind, climatology=self.made_with, kind=self.kind)
        return replace(self, fine=record)

    def pin(self, record: FineRecord) -> Climatology:
        """The same climatology, from now on with this record as it is (as :meth:`with_fine`), its newest year left out.

        That one is still growing; the others should stay as they are.
        """
        complete = record.until(record.years[-1] - 1) if record.years else record
        free = replace(self, pinned=None).with_fine(complete)
        return replace(free, pinned=(complete.years[-1], complete.digest)) if complete.years else free

    def percentile(self, fields: xr.Dataset, day: dt.date) -> xr.Dataset:
        """Rank a day's fields among all years' values within 15 days of the same day of the year.

        Parameters
        ----------
        fields
            (y, x) on the climatology's grid; sm_surface and/or sm_rootzone [m3 m-3], NaN = unknown.
        day
            UTC day; 29 February counts as 28 February.

        Returns
        -------
        Dataset (y, x), attrs ``climatology_kind``. For each layer, NaN = unknown,

        - ``percentile_<layer>``: float32, strictly between 0 and 100 [%];
        - ``extrapolated_<layer>``: bool, beyond every value of the record, beyond the tail that as many independent
          values as there are years can tell (2.2 % for 25 years), or fewer than 20 years to compare with;
        - ``anomaly_<layer>``: float32, distance from the mean in standard deviations of the same sample [1];
        - ``limits_<layer>``: (drought, y, x) float32, soil moisture at the upper limit of D0 to D4 [m3 m-3].

        Raises
        ------
        GridMismatchError         SM302, the fields lie on another grid.
        InsufficientInputsError   SM301, no layer of the climatology is among the fields.

        Notes
        -----
        Empirical distribution with Gringorten's plotting positions (i - 0.44) / (n + 0.12) [1]_, linear between
        them, equal values at the middle of their ranks. Values beyond the record get the outermost position.

        References
        ----------
        .. [1] Gringorten 1963, A plotting rule for extreme probability paper, doi:10.1029/JZ068i003p00813
        """
        check_on_grid(self.grid, fields)
        present = [layer for layer in self.layers if layer in fields]
        if not present:
            raise InsufficientInputsError("no layer to rank", day=day, climatology=sorted(self.layers))
        ranked = xr.Dataset(coords={"y": self.grid.y, "x": self.grid.x},
                            attrs={"grid_id": self.grid.grid_id, "crs": self.grid.crs, "climatology_kind": self.kind})
        for layer in present:
            compared = self._compare(layer, fields[layer].values, day)
            ranked[f"percentile_{layer}"] = (("y", "x"), compared.percent)
            ranked[f"extrapolated_{layer}"] = (("y", "x"), compared.extrapolated)
            ranked[f"anomaly_{layer}"] = (("y", "x"), compared.anomaly)
            ranked[f"limits_{layer}"] = (("drought", "y", "x"), compared.limits)
        return ranked

    def _compare(self, layer: Layer, values: NDArray[np.floating], day: dt.date) -> Comparison:
        coarse = _rank(self.layers[layer], values, self.grid, day)
        if self.fine is None or len(self.fine.years) < MIN_YEARS:
            return coarse
        fine, years = self.fine.compare(layer, values, day)
        return fine.where(years >= MIN_YEARS, coarse)

    def save(self, directory: Path) -> Path:
        """Write ``climatology.nc`` into a directory and return its path; the same climatology gives the same bytes."""
        path = directory / FILE_NAME
        root = xr.Dataset(attrs={"grid": self.grid.model_dump_json(), "made_with": self.made_with, "kind": self.kind,
                                 "pinned": json.dumps(self.pinned)})
        root.to_netcdf(path, mode="w", engine="h5netcdf")
        for layer, part in self.layers.items():
            _, years, rows, columns = part.record.shape
            plane = {"zlib": True, "complevel": 4}
            packed = {**plane, "dtype": "uint16", "scale_factor": STEP, "_FillValue": np.uint16(65535),
                      "chunksizes": (1, years, rows, columns)}
            stored = xr.Dataset({
                "record": part.record.drop_attrs().assign_attrs(part.record.attrs),
                "slope": (("row", "column"), part.slope), "offset": (("harmonic", "row", "column"), part.offset),
            })
            stored.to_netcdf(path, mode="a", group=layer, engine="h5netcdf",
                             encoding={"record": packed, "slope": plane, "offset": plane})
        return path

    @classmethod
    def load(cls, directory: Path) -> Climatology:
        """Open a saved climatology; of the record, only the days that are asked for will be read.

        Raises
        ------
        ModelNotFoundError    SM501, there is none in the directory.
        ModelIntegrityError   SM502, the file is damaged.
        """
        path = directory / FILE_NAME
        if not path.is_file():
            raise ModelNotFoundError("no climatology is stored", directory=directory.name)
        try:
            with xr.open_dataset(path, engine="h5netcdf") as root:
                grid = Grid.model_validate_json(root.attrs["grid"])
                made_with = str(root.attrs["made_with"])
                kind: Kind = "provisional" if root.attrs.get("kind") == "provisional" else "final"
                pinned = json.loads(root.attrs.get("pinned", "null"))
            groups = {layer: xr.open_dataset(path, group=layer, engine="h5netcdf") for layer in _groups(path)}
            layers = {
                layer: LayerClimatology(group["record"], group["slope"].values, group["offset"].values)
                for layer, group in groups.items()
            }
        except (OSError, KeyError, ValueError) as cause:
            raise ModelIntegrityError(f"{FILE_NAME} cannot be read: {cause}", directory=directory.name) from cause
        return cls(grid, layers, made_with, kind, pinned=tuple(pinned) if pinned else None)


def fit(
    records: Mapping[Layer, xr.Dataset], fine_days: Iterable[FineDay], grid: Grid, *, made_with: str = "",
    kind: Kind = "final",
) -> Climatology:
    """Learn the climatology of a region.

    Parameters
    ----------
    records
        For each layer a long daily record that holds it [m3 m-3], (time, y, x) on its native coarse lattice, with
        ``attrs["crs"]``. 20 years or more; 29 February is left out.
    fine_days
        Days made by the models that will also make the days to be ranked; spread over the seasons. Read once.
    grid
        The region grid.
    made_with
        Which models those are; another model needs another climatology, or its bias will read as drought.
    kind
        Of the fine days; provisional days are ranked against provisional ones.

    Returns
    -------
    Climatology of the layers in ``records``.

    Raises
    ------
    TooFewSamplesError   SM504, a record or the fine days hold no value.
    GridMismatchError    SM302, a fine day lies on another grid.

    Notes
    -----
    With the yearly cycle removed from both, the line is the reduced major axis, slope = sd(fine) / sd(coarse), so
    that the coarse-equivalent (fine - offset) / slope varies as much as the record does and no class is met too
    often; a regression line would stretch it by 1/r. The slope is drawn towards 1 by its uncertainty,
    w = s² / (s² + slope² (1 - r²) / (m - 4)), s = ``SLOPE_PRIOR_SD``, m = number of independent days. The offset
    fine - slope * coarse has a mean and a yearly cycle, the latter drawn towards 0 (ridge, ``SEASON_PRIOR_SD``): a
    cell that is always drier than its surroundings in spring is not in drought each spring.
    """
    layers = tuple(records)
    moments = {layer: _Moments(grid.shape) for layer in layers}
    independent: set[int] = set()
    for fine_day in fine_days:
        check_on_grid(grid, fine_day.fine, fine_day.coarse)
        independent.add(fine_day.day.toordinal() // DECORRELATION_DAYS)
        for layer in layers:
            moments[layer].add(fine_day.day, fine_day.coarse[layer].values, fine_day.fine[layer].values)
    parts = {}
    for layer in layers:
        slope, offset = moments[layer].line(len(independent), layer)
        parts[layer] = LayerClimatology(_by_day_of_year(records[layer], layer), slope, offset)
    return Climatology(grid, parts, made_with, kind)


def _season(day: dt.date) -> NDArray[np.float64]:
    angle = 2 * np.pi * (day_index(day) + 0.5) / DAYS
    return np.array([1.0, np.cos(angle), np.sin(angle)])


class _Moments:
    """Sums of products in each fine cell: count (1), cosine and sine of the season, coarse (x) and fine (y) values."""

    _PAIRS = tuple(combinations_with_replacement("1csxy", 2))

    def __init__(self, shape: tuple[int, int]) -> None:
        self.days = 0
        self.sums = {pair: np.zeros(shape) for pair in self._PAIRS}

    def add(self, day: dt.date, coarse: NDArray[np.floating], fine: NDArray[np.floating]) -> None:
        known = np.isfinite(coarse) & np.isfinite(fine)
        values = np.where(known, coarse, 0), np.where(known, fine, 0)
        terms = dict(zip("1csxy", np.stack([*_season(day)[:, None, None] * known, *values]), strict=True))
        self.days += 1
        for first, second in self._PAIRS:
            self.sums[first, second] += terms[first] * terms[second]

    def line(self, independent_days: int, layer: Layer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not self.sums["1", "1"].any():
            raise TooFewSamplesError("no fine day to fit the climatology on", layer=layer, days=self.days)
        n = np.where(self.sums["1", "1"] > 0, self.sums["1", "1"], np.nan)
        independent = n * (independent_days / self.days)
        freedom = np.where(independent > 4, independent - 4, np.nan)
        xx, xy, yy = (self._without_season(n, *pair) for pair in ("xx", "xy", "yy"))
        with np.errstate(divide="ignore", invalid="ignore"):
            axis, r = np.sqrt(yy / xx), xy / np.sqrt(xx * yy)
            weight = SLOPE_PRIOR_SD**2 / (SLOPE_PRIOR_SD**2 + axis**2 * np.maximum(1 - r**2, 0) / freedom)
            usable = np.isfinite(axis) & np.isfinite(weight) & (r > 0)
            slope = np.clip(np.where(usable, weight * axis + (1 - weight), 1.0), *SLOPE_LIMITS)
            residual = np.maximum(yy - 2 * slope * xy + slope**2 * xx, 0) / freedom
        offset = self._offset(n, slope, residual / SEASON_PRIOR_SD**2)
        return np.where(np.isfinite(n), slope, np.nan).astype(np.float32), offset.astype(np.float32)

    def _centred(self, n: NDArray[np.float64], first: str, second: str) -> NDArray[np.float64]:
        centred: NDArray[np.float64] = (
            self.sums[first, second] - self.sums["1", first] * self.sums["1", second] / n
        )
        return centred

    def _without_season(self, n: NDArray[np.float64], first: str, second: str) -> NDArray[np.float64]:
        total = self._centred(n, first, second)
        cosine, sine = self._solved(n, np.zeros_like(n), *(self._centred(n, season, second) for season in "cs"))
        rest: NDArray[np.float64] = total - cosine * self._centred(n, "c", first) - sine * self._centred(n, "s", first)
        return np.where((first == second) & (rest < 1e-9 * total), 0.0, rest)

    def _offset(
        self, n: NDArray[np.float64], slope: NDArray[np.float64], ridge: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        of_season = (self._centred(n, season, "y") - slope * self._centred(n, season, "x") for season in "cs")
        cosine, sine = self._solved(n, ridge, *of_season)
        mean = self.sums["1", "y"] - slope * self.sums["1", "x"]
        mean = (mean - cosine * self.sums["1", "c"] - sine * self.sums["1", "s"]) / n
        return np.stack([mean, cosine, sine])

    def _solved(
        self, n: NDArray[np.float64], ridge: NDArray[np.float64], with_cosine: NDArray[np.float64],
        with_sine: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients of cosine and sine by ridge regression; 0 where the days do not determine them."""
        cc, cs, ss = (self._centred(n, *pair) for pair in ("cc", "cs", "ss"))
        determinant = (cc + ridge) * (ss + ridge) - cs**2
        determined = np.isfinite(determinant) & (determinant > 1e-6 * n**2)
        divisor = np.where(determined, determinant, 1.0)
        cosine = np.where(determined, ((ss + ridge) * with_cosine - cs * with_sine) / divisor, 0.0)
        sine = np.where(determined, ((cc + ridge) * with_sine - cs * with_cosine) / divisor, 0.0)
        return cosine, sine


def _by_day_of_year(record: xr.Dataset, layer: Layer) -> xr.DataArray:
    times = pd.DatetimeIndex(record.time.values)
    leap = np.asarray((times.month == 2) & (times.day == 29))
    years = np.asarray(times.year)
    if not len(times) or not np.isfinite(record[layer].values).any():
        raise TooFewSamplesError("the coarse record holds no value", layer=layer, days=len(times))
    first, last = int(years.min()), int(years.max())
    position = np.asarray(times.day_of_year) - 1 - (np.asarray(times.is_leap_year) & np.asarray(times.month > 2))
    table = np.full((DAYS, last - first + 1, record.sizes["y"], record.sizes["x"]), np.nan, np.float32)
    table[position[~leap], years[~leap] - first] = record[layer].values[~leap]
    table /= STEP
    np.round(table, out=table)
    table *= STEP
    attrs = {key: record.attrs[key] for key in ("crs", "resolution", "source_id") if key in record.attrs}
    coords = {"doy": np.arange(DAYS), "year": np.arange(first, last + 1), "y": record.y.values, "x": record.x.values}
    return xr.DataArray(table, coords, ("doy", "year", "y", "x"), "record", attrs)


def _rank(part: LayerClimatology, fine: NDArray[np.floating], grid: Grid, day: dt.date) -> Comparison:
    quantiles, positions, years = _window_quantiles(part.record, day)
    equivalent = part.coarse_equivalent(fine, day).ravel()
    cells, weights = bilinear_cells(part.record, grid)
    weights = np.where((cells >= 0) & (years[cells] > 0), weights, 0).astype(np.float64)
    norm = weights.sum(axis=0)
    compared = np.flatnonzero(np.isfinite(part.slope.ravel()) & (norm > 1e-6))
    at = _Quantiles(quantiles, cells[:, compared], weights[:, compared] / norm[compared])
    fewest = np.where(weights[:, compared] > 0, years[cells[:, compared]], DAYS).min(axis=0, initial=DAYS)
    result = Comparison.unknown(fine.size)
    slope, offset = part.slope.ravel()[compared], part.offset_on(day).ravel()[compared]
    for number, limit in enumerate(LIMITS):
        result.limits[number, compared] = offset + slope * at.quantile(limit / 100, positions)
    known = np.isfinite(equivalent[compared])
    compared, at, fewest = compared[known], at.of(known), fewest[known]
    value = equivalent[compared]
    probability = (at.probability(value - TIE, positions) + at.probability(value + TIE, positions)) / 2
    last = np.full(len(compared), len(positions) - 1)
    outside = (value < at.value(np.zeros_like(last)) - TIE) | (value > at.value(last) + TIE)
    result.percent[compared] = 100 * probability
    result.extrapolated[compared] = outside | beyond_years(probability, fewest)
    mean, deviation = at.mean_and_deviation()
    result.anomaly[compared] = (value - mean) / np.where(deviation > TIE, deviation, np.nan)
    return result.shaped(fine.shape)


def _window_quantiles(
    record: xr.DataArray, day: dt.date
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Sorted values of each coarse cell (cell, node), their probabilities (node), and years of data (cell)."""
    around = np.concatenate([record.isel(doy=part).values for part in window(day_index(day))])
    sample = around.reshape(-1, around.shape[2] * around.shape[3]).T
    years = np.isfinite(around).any(axis=0).sum(axis=0).ravel()
    sample = np.sort(sample, axis=1)                                    # NaN go last
    count = np.isfinite(sample).sum(axis=1)
    nodes = max(int(count.max()), 1)
    positions = gringorten(nodes)
    rank = np.clip(positions[None] * (count[:, None] + 0.12) + 0.44, 1, np.maximum(count, 1)[:, None]) - 1
    lower = np.floor(rank + 1e-9).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(count - 1, 0)[:, None])
    share = np.clip(rank - lower, 0, 1)
    below, above = np.take_along_axis(sample, lower, 1), np.take_along_axis(sample, upper, 1)
    quantiles = np.where(np.isfinite(below), below + share * (above - below), 0).astype(np.float32)
    return quantiles, positions, years


@dataclass(frozen=True)
class _Quantiles:
    """Quantile functions of fine cells: bilinear between those of the coarse cells around."""

    nodes: NDArray[np.float32]
    cells: NDArray[np.int64]
    weights: NDArray[np.float64]

    def of(self, chosen: NDArray[np.bool_]) -> _Quantiles:
        return _Quantiles(self.nodes, self.cells[:, chosen], self.weights[:, chosen])

    def value(self, node: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.zeros(self.cells.shape[1])
        for cell, weight in zip(self.cells, self.weights, strict=True):
            total += weight * self.nodes[cell, node]
        return total

    def quantile(self, probability: float, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        at = float(np.interp(probability, positions, np.arange(len(positions))))
        lower = np.full(self.cells.shape[1], int(at))
        upper = np.minimum(lower + 1, len(positions) - 1)
        return self.value(lower) * (1 - at % 1) + self.value(upper) * (at % 1)

    def mean_and_deviation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        count = len(self.nodes)
        key = np.ravel_multi_index(tuple(np.maximum(self.cells, 0)), (count,) * len(self.cells))
        _, example, place = np.unique(key, return_index=True, return_inverse=True)
        corners = self.cells[:, example]
        centred = self.nodes.astype(np.float64)
        means = centred.mean(axis=1)
        centred -= means[:, None]
        mean, variance = np.zeros(self.cells.shape[1]), np.zeros(self.cells.shape[1])
        for first, weight in zip(range(len(corners)), self.weights, strict=True):
            mean += weight * means[self.cells[first]]
            for second, other in zip(range(len(corners)), self.weights, strict=True):
                covariance = np.einsum("cn,cn->c", centred[corners[first]], centred[corners[second]])
                variance += weight * other * (covariance / (centred.shape[1] - 1 or 1))[place]
        return mean, np.sqrt(np.maximum(variance, 0))

    def probability(self, value: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
        last = len(positions) - 1
        below = np.zeros(len(value), np.int64)
        above = np.full(len(value), last + 1)
        while (below < above).any():                                    # bisection: how many nodes are <= value
            middle = (below + above) // 2
            reached = (self.value(np.minimum(middle, last)) <= value) & (below < above)
            below, above = np.where(reached, middle + 1, below), np.where(reached, above, middle)
        lower, upper = np.maximum(below - 1, 0), np.minimum(below, last)
        start, end = self.value(lower), self.value(upper)
        width = end - start
        share = np.where(width > 0, (value - start) / np.where(width > 0, width, 1), 0)
        at: NDArray[np.float64] = positions[lower] + np.clip(share, 0, 1) * (positions[upper] - positions[lower])
        return at


def _groups(path: Path) -> Sequence[Layer]:
    import h5py

    with h5py.File(path) as file:
        return [layer for layer in LAYERS if layer in file]
