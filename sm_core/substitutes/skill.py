"""How near substitutes come to what they stand for, in a period that they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Layer, Record
from sm_core.substitutes.extension import expected, nearest
from sm_core.substitutes.mapping import HALF_WINDOW_DAYS, CdfMapping
from sm_core.substitutes.normals import CoarseImage, FineImage, StateNormals, middle
from sm_core.substitutes.season import day_of_year, distance


class Skill(Record):
    """Of one method and variable: RMSE, bias (method − reference), pooled correlation of departures from normal."""

    method: str
    variable: str
    rmse: float
    bias: float
    anomaly_r: float
    values: int


def mapping_skill(
    source: xr.Dataset, reference: xr.Dataset, year: int, reference_ids: dict[Layer, str]
) -> tuple[Skill, ...]:
    """Fit on all years but one, judge on that one: ``raw``, ``climatology`` and ``mapped`` against the reference.

    Parameters
    ----------
    source, reference
        As ``CdfMapping.fit`` takes them.
    year
        The year held out.

    Returns
    -------
    Three rows for each layer, all over the same days and cells.

    Raises
    ------
    TooFewSamplesError   SM504, the other years have fewer than 20 days in common.
    """
    source, reference = xr.align(source, reference, join="inner", exclude=("y", "x"))
    out = reference.time.dt.year.values == year
    learned, judged = source.isel(time=~out), source.isel(time=out)
    fitted = CdfMapping.fit(learned, reference.isel(time=~out), source_id="", reference_ids=reference_ids)
    mapped = fitted.apply(judged)
    rows: list[Skill] = []
    for layer in LAYERS:
        normal = window_means(reference[layer].isel(time=~out), pd.DatetimeIndex(judged.time.values))
        truth = reference[layer].values[out]
        methods = {"raw": judged[layer].values, "climatology": normal, "mapped": mapped[layer].values}
        rows += compare(layer, methods, truth, normal)
    return tuple(rows)


def state_skill(
    variable: str, normals: StateNormals, coarse: Sequence[CoarseImage], fine: Sequence[FineImage], *,
    reach_days: int, delay_days: int,
) -> tuple[Skill, ...]:
    """``persistence``, ``climatology`` and ``extension`` against coarse images of a period not fitted on.

    Persistence is what the fine images last showed, brought to the coarse product's level by their mean difference.

    Parameters
    ----------
    coarse
        Images to come near to.
    fine
        Fine images.
    reach_days, delay_days
        Fine images that began this many days before a day at most, and at least, are looked at; none later.
    """
    stacks: dict[str, list[NDArray[np.float32]]] = {"persistence": [], "climatology": [], "extension": []}
    truth = []
    for image in coarse:
        near = [one for one in fine if delay_days <= (image.day - one.start).days <= reach_days]
        usual = normals.usual(image.day)
        shown = [(middle(one), normals.usual(middle(one)) + normals.anomaly(one)) for one in near]
        last, _ = nearest(image.day, shown, usual.shape)
        stacks["persistence"].append(np.where(np.isfinite(last), last, usual).astype(np.float32))
        stacks["climatology"].append(usual.astype(np.float32))
        stacks["extension"].append(expected([image.day], near, normals)[0].values)
        truth.append(image.load())
    methods = {name: np.stack(fields) for name, fields in stacks.items()}
    return tuple(compare(variable, methods, np.stack(truth), methods["climatology"]))


def compare(
    variable: str, methods: dict[str, NDArray[np.float32]], truth: NDArray[np.float32], normal: NDArray[np.float32]
) -> list[Skill]:
    """Score methods (time, y, x) where all of them and the truth are known."""
    known = np.isfinite(truth) & np.all([np.isfinite(values) for values in methods.values()], axis=0)
    right, usual = truth[known].astype(np.float64), normal[known]
    rows = []
    for name, values in methods.items():
        found = values[known].astype(np.float64)
        error = found - right
        rows.append(Skill(
            method=name, variable=variable, rmse=float(np.sqrt(np.mean(error**2))), bias=float(error.mean()),
            anomaly_r=_correlation(found - usual, right - usual), values=int(known.sum()),
        ))
    return rows


def window_means(reference: xr.DataArray, days: pd.DatetimeIndex) -> NDArray[np.float32]:
    """For each of ``days`` the mean of the reference within 15 days of the same day of the year. (days, y, x)"""
    doy = np.array([day_of_year(pd.Timestamp(t).date()) for t in reference.time.values])
    known = np.isfinite(reference.values)
    values = np.where(known, reference.values, 0)
    means = []
    for day in days:
        near = distance(doy, day_of_year(day.date())) <= HALF_WINDOW_DAYS
        count = known[near].sum(axis=0)
        means.append(np.where(count > 0, values[near].sum(axis=0) / np.maximum(count, 1), np.nan))
    return np.stack(means).astype(np.float32)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if first.std() < 1e-9 or second.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
