"""Check before publishing: every declared condition, measured on the field as it would be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sm_core.domain import Check, CheckResult, GateResult, Product


@dataclass(frozen=True)
class GateContext:
    """What a day is checked against.

    Attributes
    ----------
    land
        True on land. (y, x)
    yesterday
        The published fields of the day before, or None when there are none.
    conservation_error
        For each variable the largest deviation of a coarse cell's mean from the coarse value [unit of the variable],
        measured where the two meet; None or absent means not measured, which fails.
    edge_contrast
        For each variable the mean jump between neighbours of different coarse cells over that inside coarse cells [1];
        None, NaN or absent means not measured, which fails.
    """

    land: NDArray[np.bool_]
    yesterday: xr.Dataset | None = None
    conservation_error: Mapping[str, float | None] = field(default_factory=dict)
    edge_contrast: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Measurement:
    value: float
    measured: int
    what: str


def evaluate(product: Product, ds: xr.Dataset, context: GateContext) -> GateResult:
    """Check a day against its product's declaration.

    Parameters
    ----------
    product
        Declares the checks.
    ds
        The day's fields, (y, x), NaN = unknown.
    context
        Land mask, the day before, conservation error.

    Returns
    -------
    GateResult, one result for each check that applies. A check that measured nothing (a missing or empty variable)
    has failed; ``change_from_yesterday`` without a yesterday does not apply and is named in ``not_applicable``.

    Notes
    -----
    range: every known value within limits, infinities outside. valid_fraction: share of land cells with a value.
    change_from_yesterday: mean absolute difference over land known on both days, both rounded as they are stored.
    mean: over the land cells with a value; of percentiles it tells how far the region is from its climatology.
    conservation, seams: as handed in.
    """
    results, not_applicable = [], []
    for check in product.checks:
        if check.kind == "change_from_yesterday" and context.yesterday is None:
            not_applicable.append(check.name)
            continue
        results.append(_judge(check, _measure(check, product, ds, context)))
    return GateResult(results=tuple(results), not_applicable=tuple(not_applicable))


def _judge(check: Check, found: _Measurement | None) -> CheckResult:
    if found is None or found.measured == 0 or np.isnan(found.value):
        return CheckResult(check=check.name, severity=check.severity, passed=False, measured=0, value=None,
                           message=f"{check.variable}: nothing to measure")
    low, high = check.limits
    passed = bool(low <= found.value <= high)
    verdict = "within" if passed else "outside"
    message = f"{check.variable}: {found.what} {found.value:.6g}, {verdict} [{low:g}, {high:g}]"
    value = float(found.value) if np.isfinite(found.value) else None
    return CheckResult(check=check.name, severity=check.severity, passed=passed, measured=found.measured, value=value,
                       message=message)


def _measure(check: Check, product: Product, ds: xr.Dataset, context: GateContext) -> _Measurement | None:
    if check.kind in ("conservation", "seams"):
        return _handed_in(check, context)
    if check.variable not in ds:
        return None
    values = ds[check.variable].values
    if check.kind == "range":
        return _worst(values, check.limits)
    if check.kind == "valid_fraction":
        cells = int(context.land.sum())
        known = int(np.isfinite(values[context.land]).sum())
        return _Measurement(known / cells, cells, "known share of land") if cells else None
    if check.kind == "mean":
        over = values[context.land & np.isfinite(values)].astype(np.float64)
        return _Measurement(float(over.mean()), over.size, "mean over land") if over.size else None
    if context.yesterday is None or check.variable not in context.yesterday:
        return None
    scale = next((v.encoding.scale for v in product.variables if v.variable.name == check.variable), None)
    return _change(values, context.yesterday[check.variable].values, context.land, scale)


def _handed_in(check: Check, context: GateContext) -> _Measurement | None:
    seams = check.kind == "seams"
    found = (context.edge_contrast if seams else context.conservation_error).get(check.variable)
    what = "jump across edges of coarse cells over that inside" if seams else "largest deviation of a coarse cell"
    return None if found is None else _Measurement(float(found), 1, what)


def _worst(values: NDArray[np.floating], limits: tuple[float, float]) -> _Measurement | None:
    known = values[~np.isnan(values)].astype(np.float64)
    if known.size == 0:
        return None
    low, high = float(known.min()), float(known.max())
    excess_low, excess_high = limits[0] - low, high - limits[1]
    if excess_low > excess_high:
        return _Measurement(low, known.size, "smallest value")
    return _Measurement(high, known.size, "largest value")


def _change(
    today: NDArray[np.floating], yesterday: NDArray[np.floating], land: NDArray[np.bool_], scale: float | None
) -> _Measurement | None:
    if today.shape != yesterday.shape:
        return None
    both = land & np.isfinite(today) & np.isfinite(yesterday)
    if not both.any():
        return None
    now, before = today[both].astype(np.float64), yesterday[both].astype(np.float64)
    if scale is not None:
        now, before = np.round(now / scale) * scale, np.round(before / scale) * scale
    return _Measurement(float(np.abs(now - before).mean()), int(both.sum()), "mean absolute change")
