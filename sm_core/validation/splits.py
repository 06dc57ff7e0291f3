"""Which stations and days a model may see: whole blocks of land and whole stretches of time are held out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from sm_core.domain import Record
from sm_core.errors import TooFewSamplesError
from sm_core.grid.points import EARTH_RADIUS_KM, chord_to_km, unit_vectors


class Located(Protocol):
    """A station record, or a row of a table of stations (``itertuples``). Degrees."""

    @property
    def station_id(self) -> str: ...
    @property
    def lon(self) -> float: ...
    @property
    def lat(self) -> float: ...


class Split(Record):
    """Station ids by use; ``dropped`` ones are neither trained on nor scored because they lie in the buffer."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    dropped: tuple[str, ...]


class TimeSplit(Record):
    """Days by use, each in order; days of the gap are in neither."""

    training: tuple[dt.date, ...]
    held_out: tuple[dt.date, ...]


def spatial_blocks(
    stations: Iterable[Located], *, block_km: float, held_out_share: float, seed: int, buffer_km: float
) -> Split:
    """Hold out the stations of whole blocks, and keep training stations a buffer away from them.

    Parameters
    ----------
    stations
        Each station once or repeatedly; the first place of an id counts. The order does not matter.
    block_km
        Side of the square blocks; at least the correlation length of the errors.
    held_out_share
        Wanted share of stations to hold out (0..1); whole blocks are added until it is met as nearly as possible.
    seed
        Of the blocks' offset and order. Same stations and seed, same split.
    buffer_km
        Training stations nearer than this to a held-out one are dropped.

    Raises
    ------
    TooFewSamplesError   SM504, all stations lie in one block, or none is left for training.

    References
    ----------
    .. [1] Roberts et al. (2017), Cross-validation strategies for data with temporal, spatial, hierarchical, or
       phylogenetic structure, doi:10.1111/ecog.02881
    """
    ids, lon, lat = _unique(stations)
    rng = np.random.default_rng(seed)
    blocks = _blocks(lon, lat, block_km, rng)
    order = rng.permutation(blocks.max(initial=-1) + 1)
    if len(order) < 2:
        raise TooFewSamplesError("stations lie in one block", stations=len(ids), block_km=block_km)
    held = np.zeros(len(ids), bool)
    wanted = held_out_share * len(ids)
    for block in order[:-1]:
        members = blocks == block
        if abs(held.sum() + members.sum() - wanted) < abs(held.sum() - wanted):
            held |= members
    if not held.any():
        held = blocks == np.bincount(blocks).argmin()
    near = ~held & (_distance_to(lon, lat, held) < buffer_km)
    training = ~held & ~near
    if not training.any():
        raise TooFewSamplesError("the buffer leaves no training station", stations=len(ids), buffer_km=buffer_km)
    return Split(training=_pick(ids, training), held_out=_pick(ids, held), dropped=_pick(ids, near))


def spatial_folds(
    stations: Iterable[Located], *, block_km: float, folds: int, seed: int
) -> tuple[tuple[str, ...], ...]:
    """Share whole blocks of stations out over folds of about equal size, for cross-validation.

    Returns
    -------
    Station ids of each fold; fewer folds than asked for when there are fewer blocks.

    Raises
    ------
    TooFewSamplesError   SM504, all stations lie in one block.
    """
    ids, lon, lat = _unique(stations)
    rng = np.random.default_rng(seed)
    blocks = _blocks(lon, lat, block_km, rng)
    sizes = np.bincount(blocks) if len(ids) else np.zeros(0, int)
    if len(sizes) < 2:
        raise TooFewSamplesError("stations lie in one block", stations=len(ids), block_km=block_km)
    load = np.zeros(min(folds, len(sizes)), int)
    fold_of = np.zeros(len(sizes), int)
    shuffled = rng.permutation(len(sizes))
    for block in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[block] = load.argmin()
        load[fold_of[block]] += sizes[block]
    return tuple(_pick(ids, fold_of[blocks] == fold) for fold in range(len(load)))


def last_days(days: Iterable[dt.date], *, held_out: int, gap: int = 0) -> TimeSplit:
    """Hold out the last days, with a gap before them that memory in the soil needs.

    Parameters
    ----------
    days
        In any order, repeated or not.
    held_out, gap
        Number of different days.

    Raises
    ------
    TooFewSamplesError   SM504, no day is left for training.

    >>> split = last_days([dt.date(2020, 5, day) for day in range(1, 11)], held_out=3, gap=2)
    >>> [len(split.training), split.held_out[0].isoformat()]
    [5, '2020-05-08']
    """
    ordered = sorted(set(days))
    if held_out < 1 or len(ordered) <= held_out + gap:
        raise TooFewSamplesError("a side of the split has no day", days=len(ordered), held_out=held_out, gap=gap)
    first = len(ordered) - held_out
    return TimeSplit(training=tuple(ordered[:first - gap]), held_out=tuple(ordered[first:]))


def _unique(stations: Iterable[Located]) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    places: dict[str, tuple[float, float]] = {}
    for station in stations:
        places.setdefault(str(station.station_id), (float(station.lon), float(station.lat)))
    ids = sorted(places)
    coordinates = np.array([places[name] for name in ids], np.float64).reshape(-1, 2)
    return ids, coordinates[:, 0], coordinates[:, 1]


def _blocks(
    lon: NDArray[np.float64], lat: NDArray[np.float64], block_km: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    km = np.deg2rad(1) * EARTH_RADIUS_KM
    middle = lon.mean() if len(lon) else 0.0
    x, y = (lon - middle) * km * np.cos(np.deg2rad(lat)), lat * km
    offset = rng.uniform(0, 1, 2)
    corners = np.stack([np.floor(x / block_km + offset[0]), np.floor(y / block_km + offset[1])], axis=1)
    return np.unique(corners, axis=0, return_inverse=True)[1].astype(np.int64).reshape(-1)


def _distance_to(
    lon: NDArray[np.float64], lat: NDArray[np.float64], targets: NDArray[np.bool_]
) -> NDArray[np.float64]:
    points = unit_vectors(lon, lat)
    return chord_to_km(KDTree(points[targets]).query(points)[0])


def _pick(ids: Sequence[str], mask: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, wanted in zip(ids, mask, strict=True) if wanted)
