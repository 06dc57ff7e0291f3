"""Soil moisture of one product in the distribution of another: a CDF mapping for each cell and time of the year."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Layer
from sm_core.errors import ModelIntegrityError, TooFewSamplesError
from sm_core.substitutes.lattice import CoarseLattice
from sm_core.substitutes.quantiles import Floats, map_values, quantiles
from sm_core.substitutes.season import DAYS, day_of_year, distance
from sm_core.substitutes.stored import read_model, write_model

HALF_WINDOW_DAYS = 15
NODES = 24
"""Windows of 31 days through the year, centres half a window apart; between centres mapped values are interpolated."""
MIN_DAYS = 20
"""Days with both products that a cell's window must hold; of one year's overlap it may lack a third."""
STEP = 2e-5
"""Resolution in which quantiles are kept [m3 m-3]."""
CENTRES = (np.arange(NODES) + 0.5) * DAYS / NODES
NAME = "mapping"
_UNKNOWN = np.uint16(65535)


@dataclass(frozen=True)
class LayerMapping:
    """Quantiles of one layer.

    Attributes
    ----------
    source, reference
        Quantiles [m3 m-3] of either product on the days that both know. (node, level, y, x), NaN = too few days.
    lowest, highest
        The reference's range over all these days [m3 m-3]; nothing is mapped outside. (y, x)
    """

    source: Floats
    reference: Floats
    lowest: Floats
    highest: Floats


@dataclass(frozen=True)
class CdfMapping:
    """A fitted mapping of both layers.

    Attributes
    ----------
    lattice
        Of the reference; source fields are brought on it first.
    source_id, reference_ids
        Which product stands in for which, by layer.
    first, last, days
        The overlap that it was fitted on.
    """

    lattice: CoarseLattice
    layers: dict[Layer, LayerMapping]
    source_id: str
    reference_ids: dict[Layer, str]
    first: dt.date
    last: dt.date
    days: int

    @classmethod
    def fit(
        cls, source: xr.Dataset, reference: xr.Dataset, *, source_id: str, reference_ids: dict[Layer, str]
    ) -> CdfMapping:
        """Learn the mapping from the days that both products know.

        Parameters
        ----------
        source, reference
            ``sm_surface``, ``sm_rootzone`` [m3 m-3], (time, y, x) on the reference's native lattice, one field a UTC
            day in rising order; ``reference.attrs`` holds ``crs`` and ``resolution``. NaN = unknown.

        Raises
        ------
        TooFewSamplesError   SM504, fewer than 20 days in common.
        GridMismatchError    SM302, ``source`` is on another lattice.

        Notes
        -----
        For each cell and each of 24 windows of 31 days: quantiles of either product at the same 19 probabilities.
        Years are pooled. A value goes to the reference quantile of its own probability [1]_.

        References
        ----------
        .. [1] Reichle & Koster (2004), Geophys. Res. Lett. 31, L19501, doi:10.1029/2004GL020938.
        """
        lattice = CoarseLattice.of(reference)
        lattice.check(source)
        source, reference = _in_common(source, reference)
        times = pd.DatetimeIndex(source.time.values)
        if len(times) < MIN_DAYS:
            raise TooFewSamplesError("too short an overlap to map soil moisture", days=len(times), minimum=MIN_DAYS)
        doy = np.array([day_of_year(stamp.date()) for stamp in times])
        layers = {layer: _fit_layer(source[layer].values, reference[layer].values, doy) for layer in LAYERS}
        return cls(lattice, layers, source_id, reference_ids, times[0].date(), times[-1].date(), len(times))

    def covers(self, day: dt.date) -> bool:
        """Whether the overlap held enough days around this time of the year, in at least one cell of each layer."""
        return all(
            np.isfinite(part.source[node]).any() for part in self.layers.values() for node, _ in _nodes(day)
        )

    def apply(self, fields: xr.Dataset) -> xr.Dataset:
        """Map the layers that ``fields`` has.

        Parameters
        ----------
        fields
            [m3 m-3], (time, y, x) on the mapping's lattice, NaN = unknown.

        Returns
        -------
        The same, rising with its input in each cell and never outside the reference's range there; NaN where the
        input is unknown or the overlap too short.

        Raises
        ------
        GridMismatchError   SM302, another lattice.
        """
        self.lattice.check(fields)
        mapped = fields.copy()
        days = [pd.Timestamp(stamp).date() for stamp in fields.time.values]
        for layer in (layer for layer in LAYERS if layer in fields):
            values = np.stack([
                self._map(layer, field, day) for field, day in zip(fields[layer].values, days, strict=True)
            ])
            mapped[layer] = (fields[layer].dims, values, fields[layer].attrs)
        return mapped

    def _map(self, layer: Layer, field: Floats, day: dt.date) -> Floats:
        part = self.layers[layer]
        total, weight = np.zeros(field.shape), np.zeros(field.shape)
        for node, share in _nodes(day):
            source, reference = (table[node].reshape(table.shape[1], -1) for table in (part.source, part.reference))
            mapped = map_values(field.ravel(), source, reference).reshape(field.shape)
            known = np.isfinite(mapped)
            total += np.where(known, share * mapped, 0)
            weight += np.where(known, share, 0)
        with np.errstate(invalid="ignore"):
            return np.clip(total / np.where(weight > 0, weight, np.nan), part.lowest, part.highest).astype(np.float32)

    def save(self, directory: Path) -> None:
        """Write ``mapping.json`` and ``mapping.npz``; the same mapping gives the same bytes."""
        spec = {
            "lattice": self.lattice.model_dump(), "source_id": self.source_id, "reference_ids": self.reference_ids,
            "first": self.first.isoformat(), "last": self.last.isoformat(), "days": self.days,
        }
        write_model(directory, NAME, spec, {
            f"{layer}.{name}": _packed(values) for layer, part in self.layers.items()
            for name, values in vars(part).items()
        })

    @classmethod
    def load(cls, directory: Path) -> CdfMapping:
        """Read a saved mapping.

        Raises
        ------
        ModelNotFoundError    SM501, there is none in the directory.
        ModelIntegrityError   SM502, a file is damaged.
        """
        spec, arrays = read_model(directory, NAME)
        try:
            layers = {
                layer: LayerMapping(**{
                    name: _unpacked(arrays[f"{layer}.{name}"]) for name in LayerMapping.__dataclass_fields__
                })
                for layer in LAYERS
            }
            return cls(
                CoarseLattice.model_validate(spec["lattice"]), layers, spec["source_id"], spec["reference_ids"],
                dt.date.fromisoformat(spec["first"]), dt.date.fromisoformat(spec["last"]), spec["days"],
            )
        except (KeyError, TypeError, ValueError) as cause:
            raise ModelIntegrityError(f"the mapping is not complete: {cause}", directory=directory.name) from cause


def _fit_layer(source: Floats, reference: Floats, doy: NDArray[np.int64]) -> LayerMapping:
    both = np.isfinite(source) & np.isfinite(reference)
    source, reference = (np.where(both, values, np.nan).astype(np.float32) for values in (source, reference))
    tables: tuple[list[Floats], list[Floats]] = ([], [])
    for centre in CENTRES:
        window = distance(doy + 0.5, centre) <= HALF_WINDOW_DAYS + 0.5
        for table, values in zip(tables, (source, reference), strict=True):
            table.append(quantiles(values[window], MIN_DAYS))
    every = np.where(np.isfinite(reference), reference, np.inf), np.where(np.isfinite(reference), reference, -np.inf)
    lowest, highest = every[0].min(axis=0), every[1].max(axis=0)
    unknown = ~both.any(axis=0)
    return LayerMapping(*(_rounded(values) for values in (
        np.stack(tables[0]), np.stack(tables[1]), np.where(unknown, np.nan, lowest),
        np.where(unknown, np.nan, highest),
    )))


def _in_common(source: xr.Dataset, reference: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    source, reference = xr.align(source, reference, join="inner", exclude=("y", "x"))
    known = np.ones(source.sizes["time"], np.bool_)
    for ds in (source, reference):
        for layer in LAYERS:
            known &= np.isfinite(ds[layer].values).any(axis=(1, 2))
    return source.isel(time=known), reference.isel(time=known)


def _nodes(day: dt.date) -> tuple[tuple[int, float], tuple[int, float]]:
    """The two windows whose centres enclose the day, with weights."""
    position = (day_of_year(day) + 0.5) * NODES / DAYS - 0.5
    lower = int(np.floor(position))
    share = position - lower
    return (lower % NODES, 1 - share), ((lower + 1) % NODES, share)


def _packed(values: Floats) -> NDArray[np.uint16]:
    known = np.isfinite(values)
    return np.where(known, np.round(np.where(known, values, 0) / STEP), _UNKNOWN).astype(np.uint16)


def _unpacked(stored: NDArray[np.uint16]) -> Floats:
    return np.where(stored == _UNKNOWN, np.nan, stored * STEP).astype(np.float32)


def _rounded(values: Floats) -> Floats:
    return _unpacked(_packed(values))
