"""What any model must beat: the coarse field, the coarse field moved to the station, the station's usual year."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sm_core.domain import LAYERS, Layer, Record
from sm_core.validation.anomalies import YEAR, calendar_position, circular_mean
from sm_core.validation.designs import Division
from sm_core.validation.moments import STANDARD, Bootstrap, Moments, Over, Score, differences

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
COARSE_NEAREST, COARSE_BILINEAR = "coarse nearest", "coarse bilinear"
COARSE_OFFSET, CLIMATOLOGY = "coarse + offset", "station climatology"
BASELINES = (COARSE_NEAREST, COARSE_BILINEAR, COARSE_OFFSET, CLIMATOLOGY)
WINDOW_DAYS = 31
MIN_DAYS = 10


class Gain(Record):
    """How much better an estimate is than a baseline on the same pairs; positive is better.

    ``rmsd`` and ``ubrmsd`` are baseline − estimate, ``pearson_r`` and ``kge`` estimate − baseline; ``rmsd_share`` is
    the share of the baseline's rmsd that is gone.
    """

    over: Over
    places: int
    pairs: int
    rmsd: Score
    rmsd_share: Score
    ubrmsd: Score
    pearson_r: Score
    kge: Score


def gain(
    *, estimate: ArrayLike, baseline: ArrayLike, reference: ArrayLike, station: ArrayLike, over: Over = "station-days",
    min_pairs: int = 10, bootstrap: Bootstrap = STANDARD,
) -> Gain:
    """Paired comparison of an estimate with a baseline, with the bootstrap drawing whole stations.

    Parameters
    ----------
    estimate, baseline, reference
        [m3 m-3], NaN = unknown; only rows that all three know count. (rows,)
    station
        Whose row it is. (rows,)
    over
        Pool all rows, or average over stations with ``min_pairs`` rows.
    bootstrap
        Both are scored on the same resampled stations, so that what stations have in common cancels.
    """
    e, b, o = (np.asarray(values, np.float64) for values in (estimate, baseline, reference))
    known = np.isfinite(e) & np.isfinite(b) & np.isfinite(o)
    codes, ids = pd.factorize(np.asarray(station).astype(str)[known])
    ours, theirs = (
        Moments.of(estimate=values[known], reference=o[known], group=codes, groups=len(ids)) for values in (e, b)
    )
    found = differences(ours, theirs, over, min_pairs=min_pairs, bootstrap=bootstrap)
    used = ours.pairs >= (min_pairs if over == "stations" else 1)
    return Gain(
        over=over, places=int(used.sum()), pairs=int(ours.pairs[used].sum()), rmsd=_negative(found["rmsd"]),
        rmsd_share=found["rmsd_share"], ubrmsd=_negative(found["ubrmsd"]), pearson_r=found["pearson_r"],
        kge=found["kge"],
    )


def baseline_stages(
    table: pd.DataFrame, divisions: Iterable[Division], *, nearest: pd.DataFrame, bilinear: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The four baselines as stages for :func:`~sm_core.validation.accuracy.evaluate`.

    Parameters
    ----------
    table
        Columns station_id, day, sm_surface, sm_rootzone [m3 m-3]; the rows that the divisions divide.
    divisions
        The fitted baselines are fitted on each one's training rows alone.
    nearest, bilinear
        The coarse field at stations: columns station_id, day, sm_surface, sm_rootzone.

    Returns
    -------
    By name; the fitted ones have a column ``division``.
    """
    keys = table[["station_id", "day"]].reset_index(drop=True)
    coarse = aligned(bilinear, table)
    fitted: dict[str, list[pd.DataFrame]] = {COARSE_OFFSET: [], CLIMATOLOGY: []}
    for division in divisions:
        offset, usual = ({}, {})
        for layer in LAYERS:
            observed = table[layer].to_numpy(np.float64)
            offset[layer] = with_offset(coarse[layer], observed, table["station_id"], division.training)
            usual[layer] = station_climatology(observed, table["station_id"], table["day"], division.training)
        for name, values in ((COARSE_OFFSET, offset), (CLIMATOLOGY, usual)):
            fitted[name].append(keys.assign(**values, division=division.name)[division.judged])
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in fitted.items()}
    return {COARSE_NEAREST: nearest, COARSE_BILINEAR: bilinear, **joined}


def with_offset(
    coarse: ArrayLike, observed: ArrayLike, station: ArrayLike, training: Mask, *, min_days: int = MIN_DAYS
) -> Floats:
    """The coarse value plus the mean of observed − coarse over training rows.

    Parameters
    ----------
    coarse, observed
        [m3 m-3], NaN = unknown. (rows,)
    station
        Whose row it is. A station with ``min_days`` training rows has its own offset, others the mean of those.
    training
        Rows that may be looked at. (rows,)

    Returns
    -------
    (rows,)
    """
    c, o = np.asarray(coarse, np.float64), np.asarray(observed, np.float64)
    codes, ids = pd.factorize(np.asarray(station).astype(str))
    known = training & np.isfinite(c) & np.isfinite(o)
    count = np.bincount(codes[known], minlength=len(ids))
    total = np.bincount(codes[known], (o - c)[known], len(ids))
    offset = np.where(count >= min_days, total / np.maximum(count, 1), np.nan)
    seen = np.isfinite(offset)
    own: Floats = np.where(seen, offset, offset[seen].mean() if seen.any() else np.nan)[codes]
    return c + own


def station_climatology(
    observed: ArrayLike, station: ArrayLike, day: ArrayLike, training: Mask, *, window_days: int = WINDOW_DAYS
) -> Floats:
    """The mean of training rows within ± half a window of the calendar day: the station's own where seen.

    Parameters
    ----------
    observed
        [m3 m-3], NaN = unknown. (rows,)
    station, day
        Where and when. A station or season without training rows has the mean over the stations that have some.
    training
        Rows that may be looked at. (rows,)

    Returns
    -------
    (rows,) NaN where no station was seen at that time of the year.
    """
    o = np.asarray(observed, np.float64)
    codes, ids = pd.factorize(np.asarray(station).astype(str))
    place = calendar_position(pd.DatetimeIndex(pd.to_datetime(np.asarray(day))))
    known = training & np.isfinite(o)
    cell = (codes * YEAR + place)[known]
    shape = (len(ids), YEAR)
    total = np.bincount(cell, o[known], len(ids) * YEAR).reshape(shape)
    count = np.bincount(cell, minlength=len(ids) * YEAR).reshape(shape)
    own = circular_mean(total, count, window_days)
    seen = np.isfinite(own)
    network = np.where(seen, own, 0).sum(axis=0) / np.where(seen.any(axis=0), seen.sum(axis=0), np.nan)
    usual: Floats = np.where(seen, own, network)[codes, place]
    return usual


def aligned(values: pd.DataFrame, table: pd.DataFrame) -> dict[Layer, Floats]:
    """Each layer of a table of station-days in the rows of another, NaN where it has none. Each (rows,)"""
    index = _keys(values)
    first = ~index.duplicated()
    wanted = _keys(table)
    return {
        layer: pd.Series(values[layer].to_numpy(np.float64)[first], index[first]).reindex(wanted).to_numpy(np.float64)
        for layer in LAYERS
    }


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    days = pd.DatetimeIndex(pd.to_datetime(table["day"])).normalize().as_unit("ns")
    return pd.MultiIndex.from_arrays([table["station_id"].astype(str), days], names=["station_id", "day"])


def _negative(score: Score) -> Score:
    if score.lower is None or score.upper is None:
        return Score(value=-score.value)
    return Score(value=-score.value, lower=-score.upper, upper=-score.lower)
