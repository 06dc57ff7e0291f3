"""A record of daily 1-km fields, kept so that any day can be ranked among its 31 days of all years."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Grid, Layer
from sm_core.drought.calendar import DAYS, HALF_WINDOW_DAYS, WINDOW_DAYS, day_index
from sm_core.drought.ranking import MISSING, Comparison, compare_with_sample
from sm_core.errors import ModelIntegrityError, ModelNotFoundError
from sm_core.grid import check_on_grid

Kind = Literal["final", "provisional"]
FINE_STEP = 1e-4
"""Resolution of the record and of the published fields [m3 m-3]."""
ROWS_AT_ONCE = 50
_ABOUT, _STAMPS, _CONTENT = "record.json", "stamps", "sha256"


class FineRecord:
    """Daily fields of both layers on one grid, one file a month: ``<directory>/<YYYY-MM>.h5``.

    A file is replaced as a whole, so that a reader or a killed writer never meets half a month.
    """

    def __init__(
        self, directory: Path, grid: Grid, made_with: str, kind: Kind, last_year: int | None = None
    ) -> None:
        self.directory, self.grid, self.made_with, self.kind = directory, grid, made_with, kind
        self.last_year = last_year

    @classmethod
    def create(cls, directory: Path, grid: Grid, *, made_with: str = "", kind: Kind = "final") -> FineRecord:
        """An empty record in a folder, or the one that is there already if it is of the same grid, models and kind.

        Raises
        ------
        ModelIntegrityError   SM502, another record is there.
        """
        about = directory / _ABOUT
        wanted = cls(directory, grid, made_with, kind)
        if about.is_file():
            found = cls.open(directory)
            if (found.grid, found.made_with, found.kind) != (grid, made_with, kind):
                raise ModelIntegrityError("a record of another grid, model or kind is there", record=found.made_with,
                                          wanted=made_with, kind=found.kind)
            return found
        directory.mkdir(parents=True, exist_ok=True)
        content = {"grid": grid.model_dump(mode="json"), "made_with": made_with, "kind": kind}
        partial = about.with_suffix(".part")
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(about)
        return wanted

    @classmethod
    def open(cls, directory: Path) -> FineRecord:
        """The record of a folder.

        Raises
        ------
        ModelNotFoundError    SM501, there is none.
        ModelIntegrityError   SM502, its description cannot be read.
        """
        about = directory / _ABOUT
        if not about.is_file():
            raise ModelNotFoundError("no fine record is stored", directory=directory.name)
        try:
            content = json.loads(about.read_text(encoding="utf-8"))
            kind: Kind = "provisional" if content["kind"] == "provisional" else "final"
            return cls(directory, Grid.model_validate(content["grid"]), str(content["made_with"]), kind)
        except (ValueError, KeyError, TypeError) as cause:
            raise ModelIntegrityError(f"{_ABOUT} cannot be read: {cause}", directory=directory.name) from cause

    @cached_property
    def years(self) -> tuple[int, ...]:
        """Years with at least a month on file, when first asked."""
        return tuple(sorted({int(path.name[:4]) for path in self._months()}))

    @property
    def digest(self) -> str:
        """Checksum over the content of all months: what a climatology was pinned to."""
        import h5py

        lines = []
        for path in self._months():
            with h5py.File(path) as file:
                lines.append(f"{path.name} {file.attrs[_CONTENT]}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def until(self, last_year: int) -> FineRecord:
        """The same record without the years after one, which may still be growing."""
        return FineRecord(self.directory, self.grid, self.made_with, self.kind, last_year)

    def stamp(self, day: dt.date) -> str | None:
        """What a day was added with (attribute ``item_id`` of its fields); None when it is not there."""
        path = self._path(day.year, day.month)
        return self._stamps(path).get(day.day) if path.is_file() else None

    def add(self, days: Iterable[tuple[dt.date, xr.Dataset]]) -> int:
        """Add days, or replace those that are there; returns how many.

        Parameters
        ----------
        days
            In order; fields (y, x) on the grid, sm_surface and sm_rootzone [m3 m-3], NaN = unknown; their attribute
            ``item_id`` is kept, see :meth:`stamp`. One month is in memory at a time (700 x 1000 cells: 87 MB).

        Raises
        ------
        GridMismatchError   SM302, a field lies on another grid.
        """
        added = 0
        for (year, month), group in groupby(days, key=lambda entry: (entry[0].year, entry[0].month)):
            content, stamps = self._month(year, month), self._stamps(self._path(year, month))
            for day, fields in group:
                check_on_grid(self.grid, fields)
                stamps[day.day] = str(fields.attrs.get("item_id", ""))
                for layer in LAYERS:
                    content[layer][day.day - 1] = _steps(fields[layer].values)
                added += 1
            self._store(year, month, content, stamps)
        self.__dict__.pop("years", None)
        return added

    def compare(
        self, layer: Layer, values: NDArray[np.floating], day: dt.date
    ) -> tuple[Comparison, NDArray[np.int64]]:
        """Rank a field among the record's values within 15 days of the same day of the year.

        Returns
        -------
        The comparison (``limits`` in m3 m-3), and for each cell how many years it was compared with. (y, x)
        """
        result, years = Comparison.unknown(values.size).shaped(self.grid.shape), np.zeros(self.grid.shape, np.int64)
        for first in range(0, self.grid.height, ROWS_AT_ONCE):
            rows = slice(first, min(first + ROWS_AT_ONCE, self.grid.height))
            sample, known = self._sample(layer, day, rows)
            part = compare_with_sample(values[rows].ravel() / FINE_STEP, sample, known)
            part = part.shaped(values[rows].shape)
            result.percent[rows], result.extrapolated[rows] = part.percent, part.extrapolated
            result.anomaly[rows], result.limits[:, rows] = part.anomaly, part.limits * np.float32(FINE_STEP)
            years[rows] = known.reshape(values[rows].shape)
        return result, years

    def _sample(
        self, layer: Layer, day: dt.date, rows: slice
    ) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
        """Sorted window of each cell (cell, n), and years with a value (cell,)."""
        cells = (rows.stop - rows.start) * self.grid.width
        sample, known = np.full((cells, max(len(self.years), 1) * WINDOW_DAYS), MISSING), np.zeros(cells, np.int64)
        for number, year in enumerate(self.years):
            around = np.concatenate([
                self._read(layer, year, month, days, rows) for month, days in _window_by_month(day)
            ]).reshape(WINDOW_DAYS, cells)
            known += (around != MISSING).any(axis=0)
            sample[:, number * WINDOW_DAYS:(number + 1) * WINDOW_DAYS] = around.T
        sample.sort(axis=1, kind="stable")                              # a radix sort for 16 bits
        return sample, known

    def _read(self, layer: Layer, year: int, month: int, days: list[int], rows: slice) -> NDArray[np.uint16]:
        import h5py

        path = self._path(year, month)
        if not path.is_file():
            return np.full((len(days), rows.stop - rows.start, self.grid.width), MISSING)
        try:
            with h5py.File(path) as file:
                values: NDArray[np.uint16] = file[layer][days[0] - 1:days[-1], rows]
        except (OSError, KeyError) as cause:
            raise ModelIntegrityError(f"{path.name} cannot be read: {cause}", directory=self.directory.name) from cause
        return values

    def _month(self, year: int, month: int) -> dict[Layer, NDArray[np.uint16]]:
        length = (dt.date(year + month // 12, month % 12 + 1, 1) - dt.date(year, month, 1)).days
        everything = slice(0, self.grid.height)
        return {layer: self._read(layer, year, month, list(range(1, length + 1)), everything) for layer in LAYERS}

    def _months(self) -> list[Path]:
        paths = sorted(self.directory.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].h5"))
        return [path for path in paths if self.last_year is None or int(path.name[:4]) <= self.last_year]

    def _stamps(self, path: Path) -> dict[int, str]:
        import h5py

        if not path.is_file():
            return {}
        with h5py.File(path) as file:
            return {int(day): str(stamp) for day, stamp in json.loads(file.attrs[_STAMPS]).items()}

    def _store(
        self, year: int, month: int, content: dict[Layer, NDArray[np.uint16]], stamps: dict[int, str]
    ) -> None:
        import h5py

        path = self._path(year, month)
        partial = path.with_suffix(".part")
        with h5py.File(partial, "w") as file:
            file.attrs[_STAMPS] = json.dumps(dict(sorted(stamps.items())))
            file.attrs[_CONTENT] = hashlib.sha256(b"".join(values.tobytes() for values in content.values())).hexdigest()
            for layer, values in content.items():
                chunks = (len(values), min(ROWS_AT_ONCE, values.shape[1]), values.shape[2])
                file.create_dataset(layer, data=values, chunks=chunks, compression="gzip", compression_opts=1,
                                    shuffle=True)
        partial.replace(path)

    def _path(self, year: int, month: int) -> Path:
        return self.directory / f"{year:04d}-{month:02d}.h5"


def _steps(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    known = np.isfinite(values)
    steps = np.clip(np.round(np.where(known, values, 0) / FINE_STEP), 0, 65534)
    return np.where(known, steps, MISSING).astype(np.uint16)


def _window_by_month(day: dt.date) -> Iterator[tuple[int, list[int]]]:
    centre = day_index(day)
    around = sorted((centre + shift) % DAYS for shift in range(-HALF_WINDOW_DAYS, HALF_WINDOW_DAYS + 1))
    dates = [dt.date(2001, 1, 1) + dt.timedelta(days=index) for index in around]
    for month, days in groupby(dates, key=lambda date: date.month):
        yield month, [date.day for date in days]
