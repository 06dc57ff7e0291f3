"""Whether a training may serve: judged against what serves, on what neither has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from sm_core.domain import LAYERS, CheckResult, Layer, ModelVersion, Record
from sm_core.validation import Score, SkillTable, station_metrics
from sm_core.validation.metrics import Number

Outcome = Literal["promoted", "shadow", "rejected"]
Measure = Literal["ubrmsd", "rmsd", "pearson_r"]

RESAMPLES, LEVEL, SEED = 2000, 0.95, 0
MIN_STATIONS, MIN_DAYS = 4, 10
"""Fewest unseen stations with so many judged days each, for champion and challenger to be compared."""
TOLERATED: Mapping[Measure, float] = {"ubrmsd": 0.002, "rmsd": 0.005, "pearson_r": 0.02}
"""How much worse a challenger might be, at the lower end of the interval, and still serve if it gains elsewhere."""
NAMES: Mapping[Measure, str] = {"ubrmsd": "ubRMSE", "rmsd": "RMSE", "pearson_r": "PCC"}
LARGEST_SHIFT, LARGEST_CHANGE = 0.02, 0.04
"""Of the map against the champion's [m3 m-3]: of the mean over cells and days, and of the mean absolute difference."""
LARGEST_YARDSTICK_SHIFT = 0.04
"""Median over unseen stations of how far a station has moved against the champion since it was trained [m3 m-3]."""
LARGEST_EDGE = 1.7
"""Mean jump across edges of coarse cells over the mean jump inside them [1]."""
LARGEST_DEVIATION = 0.01
"""Of a coarse cell's mean from its coarse value, after downscaling [m3 m-3]."""
PHYSICAL = (0.0, 0.6)


class PairedScore(Record):
    """One score of champion and challenger at the same stations and days.

    ``gain`` is positive where the challenger is better; its interval is that of a bootstrap over whole stations.
    """

    layer: Layer
    measure: Measure
    champion: Number
    challenger: Number
    gain: Score
    stations: int

    def __str__(self) -> str:
        return (f"{self.layer} {NAMES[self.measure]}: champion {self.champion:.4f}, challenger {self.challenger:.4f}, "
                f"gain {_interval(self.gain)}")


class PromotionDecision(Record):
    """What became of a training, and why.

    ``against`` is the run whose models served, None for a region's first training, which is judged against the
    coarse field.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    against: str | None
    champion: tuple[ModelVersion, ...]
    challenger: tuple[ModelVersion, ...]
    judged_days: int
    scores: tuple[PairedScore, ...]
    checks: tuple[CheckResult, ...]


def paired_scores(champion: pd.DataFrame, challenger: pd.DataFrame, observed: pd.DataFrame) -> tuple[PairedScore, ...]:
    """Both models' scores per station, averaged over stations, and the gain with its confidence interval.

    Parameters
    ----------
    champion, challenger, observed
        Columns station_id, day, sm_surface, sm_rootzone [m3 m-3]; scored where all three are known.
    """
    keys = ["station_id", "day"]
    joined = observed.merge(champion, on=keys, suffixes=("", "_a")).merge(challenger, on=keys, suffixes=("", "_b"))
    for layer in LAYERS:
        known = joined[[layer, f"{layer}_a", f"{layer}_b"]].notna().all(axis=1)
        joined.loc[~known, layer] = np.nan
    reference = joined[[*keys, *LAYERS]]
    metrics = [station_metrics(_renamed(joined, suffix), reference, min_days=MIN_DAYS) for suffix in ("_a", "_b")]
    return tuple(
        _paired(layer, measure, *(m.loc[layer, measure] if len(m) else pd.Series(dtype=float) for m in metrics))
        for layer in LAYERS for measure in NAMES
    )


def decide(at_stations: SkillTable) -> tuple[bool, str]:
    """Whether a region's first training may serve, by its skill at unseen stations.

    In both layers its ubRMSE must be below that of the coarse field, and its RMSE not above the upper end of the
    coarse field's interval. RMSE itself cannot decide: with a few dozen stations it is mostly their own offsets from
    the square kilometre around them.
    """
    for layer in LAYERS:
        coarse, corrected = at_stations.row("coarse", layer), at_stations.row("corrected", layer)
        if math.isnan(corrected.ubrmsd.value):
            return False, f"{layer}: not measured, no unseen station has enough judged days"
        if not corrected.ubrmsd.value < coarse.ubrmsd.value:
            return False, f"{layer}: ubRMSE {corrected.ubrmsd} at unseen stations, coarse field {coarse.ubrmsd}"
        if not corrected.rmsd.value <= (coarse.rmsd.upper or coarse.rmsd.value):
            return False, f"{layer}: RMSE {corrected.rmsd} at unseen stations, coarse field {coarse.rmsd}"
    return True, "at unseen stations, ubRMSE below the coarse field's in both layers and RMSE within its interval"


def decide_first(at_stations: SkillTable, checks: Sequence[CheckResult]) -> tuple[Outcome, tuple[str, ...]]:
    """Outcome for a region in which nothing serves yet."""
    broken = _broken(checks)
    if broken:
        return "rejected", broken
    serves, reason = decide(at_stations)
    return "promoted" if serves else "rejected", (reason,)


def decide_challenge(
    scores: Sequence[PairedScore], checks: Sequence[CheckResult], at_stations: SkillTable
) -> tuple[Outcome, tuple[str, ...]]:
    """Outcome of a challenger against the champion.

    rejected
        An invariant is broken, or a score in either layer is worse with confidence.
    promoted
        ubRMSE or RMSE is better with confidence in a layer, and nowhere may any score be worse by more than is
        tolerated; and it is better than the coarse field, as a first training must be.
    shadow
        Neither: what serves goes on, and the training is kept for a person to look at.
    """
    broken = _broken(checks)
    if broken:
        return "rejected", broken
    worse = tuple(f"worse than the champion: {s}" for s in scores if s.gain.upper is not None and s.gain.upper < 0)
    if worse:
        return "rejected", worse
    measured = [s for s in scores if s.gain.lower is not None and s.stations >= MIN_STATIONS]
    if len(measured) < len(scores) or not scores:
        return "shadow", (f"fewer than {MIN_STATIONS} unseen stations with {MIN_DAYS} judged days that neither knows",)
    doubtful = tuple(f"might be worse than the champion: {s}" for s in measured
                     if s.gain.lower is not None and s.gain.lower < -TOLERATED[s.measure])
    better = tuple(f"better than the champion: {s}" for s in measured
                   if s.measure != "pearson_r" and s.gain.lower is not None and s.gain.lower > 0)
    helps, reason = decide(at_stations)
    if doubtful or not better or not helps:
        return "shadow", (*doubtful, *(() if better else ("no score is better than the champion's with confidence",)),
                          *(() if helps else (reason,)))
    return "promoted", better


def yardstick(then: Mapping[str, float], now: Mapping[str, float], layer: Layer) -> CheckResult:
    """Whether unseen stations still stand to the champion as they did when it was trained.

    Parameters
    ----------
    then, now
        By station: mean of champion less station [m3 m-3] on the days judged at its training, and on those now.

    Notes
    -----
    Champion and station see the same weather. If many stations have moved against it at once, either their sensors
    changed (unit, calibration, drift) or the champion's inputs did; neither is a yardstick any more.
    """
    moved = [abs(now[name] - then[name]) for name in sorted(then.keys() & now.keys())
             if math.isfinite(now[name]) and math.isfinite(then[name])]
    value = float(np.median(moved)) if moved else math.nan
    return check(f"{layer}_yardstick", "unseen stations' median shift against the champion since it was trained",
                 value, (0.0, LARGEST_YARDSTICK_SHIFT), len(moved), severity="withhold" if moved else "warn")


def check(
    name: str, what: str, value: float, limits: tuple[float, float], measured: int,
    severity: Literal["withhold", "warn"] = "withhold",
) -> CheckResult:
    """An invariant measured; what could not be measured is not passed."""
    if not measured or math.isnan(value):
        return CheckResult(check=name, severity=severity, passed=False, measured=0, value=None,
                           message=f"{what}: nothing to measure")
    passed = limits[0] <= value <= limits[1]
    return CheckResult(
        check=name, severity=severity, passed=passed, measured=measured, value=value,
        message=f"{what} {value:.4g}, {'within' if passed else 'outside'} [{limits[0]:g}, {limits[1]:g}]",
    )


def _broken(checks: Sequence[CheckResult]) -> tuple[str, ...]:
    return tuple(f"{c.check}: {c.message}" for c in checks if c.severity == "withhold" and not c.passed)


def _renamed(joined: pd.DataFrame, suffix: str) -> pd.DataFrame:
    columns = {f"{layer}{suffix}": layer for layer in LAYERS}
    return joined[["station_id", "day", *columns]].rename(columns=columns)


def _paired(layer: Layer, measure: Measure, champion: pd.Series, challenger: pd.Series) -> PairedScore:
    pairs = pd.DataFrame({"champion": champion, "challenger": challenger}).dropna()
    better = pairs["challenger"] - pairs["champion"]
    gain = (better if measure == "pearson_r" else -better).to_numpy(np.float64)
    return PairedScore(
        layer=layer, measure=measure, champion=float(pairs["champion"].mean()),
        challenger=float(pairs["challenger"].mean()), gain=_bootstrapped(gain), stations=len(pairs),
    )


def _bootstrapped(gain: np.ndarray) -> Score:
    if len(gain) < 2:
        return Score(value=float(gain.mean()) if len(gain) else math.nan)
    rng = np.random.default_rng(SEED)
    means = gain[rng.integers(0, len(gain), (RESAMPLES, len(gain)))].mean(axis=1)
    lower, upper = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Score(value=float(gain.mean()), lower=float(lower), upper=float(upper))


def _interval(gain: Score) -> str:
    if gain.lower is None or gain.upper is None:
        return f"{gain.value:.4f}"
    return f"{gain.value:.4f} ({gain.lower:.4f} to {gain.upper:.4f})"
