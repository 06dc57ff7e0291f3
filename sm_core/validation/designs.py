"""How a table of station-days is divided into rows to learn from and rows to be judged on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from sm_core.domain import Record
from sm_core.errors import TooFewSamplesError
from sm_core.grid.points import chord_to_km, unit_vectors
from sm_core.validation.splits import Located, Split, spatial_blocks, spatial_folds

Design = Literal["random", "stations", "last_year", "both"]
LABELS: dict[Design, str] = {
    "random": "random (diagnostic only)", "stations": "unseen stations", "last_year": "unseen period",
    "both": "unseen stations and period",
}
Mask = NDArray[np.bool_]


class DesignParams(Record):
    """Numbers of the standard designs. Distances in km.

    ``folds`` = None holds out one set of stations; a number holds out every station once. ``judged_days`` are the last
    ones of the calendar between first and last row, ``gap_days`` those before them that nobody uses.
    """

    block_km: float = 50.0
    buffer_km: float = 10.0
    folds: int | None = 5
    judged_share: float = 0.25
    judged_days: int = 365
    gap_days: int = 30
    seed: int = 0


@dataclass(frozen=True)
class Division:
    """Which rows of a table a model may learn from and which judge it; no row is both.

    Attributes
    ----------
    name
        Of this division, unique among those made together.
    design
        ``random`` is a diagnostic: its judged rows have neighbours in time and place among the training rows.
    training, judged
        (rows,)
    in_buffer, in_gap
        Rows that neither use because they are too near in place, or in time, to a judged one.
    set_aside
        Other rows that neither use: a judged station's early days, a training station's late ones.
    """

    name: str
    design: Design
    training: Mask
    judged: Mask
    in_buffer: int = 0
    in_gap: int = 0
    set_aside: int = 0

    @property
    def separates_stations(self) -> bool:
        """Whether no station is on both sides."""
        return self.design in ("stations", "both")

    @property
    def separates_days(self) -> bool:
        """Whether no day is on both sides."""
        return self.design in ("last_year", "both")


def divisions(table: pd.DataFrame, params: DesignParams) -> tuple[Division, ...]:
    """All standard designs of one table: random, stations, last_year, both (as many folds as asked for).

    Parameters
    ----------
    table
        Columns station_id, lon, lat [degrees], day; one row for each station-day.

    Raises
    ------
    TooFewSamplesError   SM504, a side of a design has no row.
    """
    return (
        random_division(table, judged_share=params.judged_share, seed=params.seed),
        *station_divisions(table, params),
        last_year_division(table, params),
        *both_divisions(table, params),
    )


def random_division(table: pd.DataFrame, *, judged_share: float = 0.25, seed: int = 0) -> Division:
    """Rows held out by chance, as much published work does. A diagnostic only: it rewards memory.

    Raises
    ------
    TooFewSamplesError   SM504, a side has no row.
    """
    judged = np.zeros(len(table), bool)
    drawn = np.random.default_rng(seed).permutation(len(table))
    judged[drawn[:round(judged_share * len(table))]] = True
    return _checked(Division("random", "random", ~judged, judged))


def station_divisions(table: pd.DataFrame, params: DesignParams) -> tuple[Division, ...]:
    """Stations of whole blocks held out, with a buffer around them; with folds every station once.

    Raises
    ------
    TooFewSamplesError   SM504, all stations lie in one block, or a side has no row.
    """
    ids = table["station_id"].astype(str)
    found = []
    for name, split in _splits(table, params):
        training, judged = (ids.isin(part).to_numpy(bool) for part in (split.training, split.held_out))
        dropped = int(ids.isin(split.dropped).sum())
        found.append(_checked(Division(f"stations{name}", "stations", training, judged, in_buffer=dropped)))
    return tuple(found)


def last_year_division(table: pd.DataFrame, params: DesignParams) -> Division:
    """The last days held out at all stations, with a gap before them.

    Raises
    ------
    TooFewSamplesError   SM504, a side has no row.
    """
    early, late, gap = _periods(table, params)
    return _checked(Division("last_year", "last_year", early, late, in_gap=int(gap.sum())))


def both_divisions(table: pd.DataFrame, params: DesignParams) -> tuple[Division, ...]:
    """Unseen stations in the unseen period, learned from other stations in the period before.

    Raises
    ------
    TooFewSamplesError   SM504, all stations lie in one block, or a side has no row.
    """
    early, late, gap = _periods(table, params)
    found = []
    for one in station_divisions(table, params):
        training, judged = one.training & early, one.judged & late
        buffer = ~one.training & ~one.judged
        found.append(_checked(Division(
            one.name.replace("stations", "both"), "both", training, judged, in_buffer=one.in_buffer,
            in_gap=int((gap & ~buffer).sum()), set_aside=int((~(training | judged | buffer | gap)).sum()),
        )))
    return tuple(found)


def nearest_training_km(table: pd.DataFrame, division: Division) -> NDArray[np.float64]:
    """Distance [km] from each row's station to the nearest station with training rows; 0 where that is itself."""
    points = unit_vectors(table["lon"], table["lat"])
    return chord_to_km(KDTree(np.unique(points[division.training], axis=0)).query(points)[0])


def _splits(table: pd.DataFrame, params: DesignParams) -> Iterable[tuple[str, Split]]:
    stations: list[Located] = list(table.drop_duplicates("station_id").itertuples())
    if params.folds is None:
        yield "", spatial_blocks(stations, block_km=params.block_km, held_out_share=params.judged_share,
                                 seed=params.seed, buffer_km=params.buffer_km)
        return
    folds = spatial_folds(stations, block_km=params.block_km, folds=params.folds, seed=params.seed)
    for number, fold in enumerate(folds, start=1):
        yield f" {number}/{len(folds)}", _with_buffer(stations, fold, params.buffer_km)


def _with_buffer(stations: list[Located], held_out: tuple[str, ...], buffer_km: float) -> Split:
    ids = np.array([str(station.station_id) for station in stations])
    points = unit_vectors([s.lon for s in stations], [s.lat for s in stations])
    held = np.isin(ids, held_out)
    near = ~held & (chord_to_km(KDTree(points[held]).query(points)[0]) < buffer_km)
    parts = {"training": ids[~held & ~near], "held_out": ids[held], "dropped": ids[near]}
    return Split(**{use: tuple(sorted(map(str, part))) for use, part in parts.items()})


def _periods(table: pd.DataFrame, params: DesignParams) -> tuple[Mask, Mask, Mask]:
    days = pd.DatetimeIndex(pd.to_datetime(table["day"])).normalize()
    first_judged = days.max() - pd.Timedelta(days=params.judged_days - 1)
    late = np.asarray(days >= first_judged)
    early = np.asarray(days < first_judged - pd.Timedelta(days=params.gap_days))
    return early, late, ~early & ~late


def _checked(division: Division) -> Division:
    rows = {"training": int(division.training.sum()), "judged": int(division.judged.sum())}
    if not all(rows.values()):
        raise TooFewSamplesError(f"a side of the division {division.name} has no row", **rows)
    return division
