"""Whether the stated uncertainty is honest: how often the observation lies inside value ± k · sigma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sm_core.domain import Record
from sm_core.validation.metrics import Number, Status
from sm_core.validation.moments import MIN_GROUPS, STANDARD, Bootstrap, Score, resample, score
from sm_core.validation.strata import strata_of

LEVELS = (0.5, 0.8, 0.9)


class CoverageRow(Record):
    """Share of observations inside the interval that should hold ``nominal`` of them; its mean half-width."""

    covariate: str
    stratum: str
    nominal: float
    status: Status
    places: int
    pairs: int
    share: Score
    half_width: Number


class CoverageTable(Record):
    """Coverage by level and stratum; its text is a markdown table."""

    rows: tuple[CoverageRow, ...]

    def row(self, nominal: float, covariate: str = "all", stratum: str = "all") -> CoverageRow:
        """The coverage of one level and stratum."""
        wanted = (nominal, covariate, stratum)
        return next(row for row in self.rows if (row.nominal, row.covariate, row.stratum) == wanted)

    def __str__(self) -> str:
        head = ["covariate", "stratum", "nominal", "share inside", "half-width", "places", "pairs", "status"]
        lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        lines += [
            f"| {row.covariate} | {row.stratum} | {row.nominal:.0%} | {row.share} | {row.half_width:.3f} | "
            f"{row.places} | {row.pairs} | {row.status.name} |" for row in self.rows
        ]
        return "\n".join(lines)


def coverage(
    *, value: ArrayLike, sigma: ArrayLike, observed: ArrayLike, station: ArrayLike,
    labels: pd.DataFrame | Mapping[str, ArrayLike] | None = None, levels: Sequence[float] = LEVELS,
    factors: Sequence[float] | None = None, min_pairs: int = 30, bootstrap: Bootstrap = STANDARD,
) -> CoverageTable:
    """Coverage of intervals, over all rows and inside each stratum.

    Parameters
    ----------
    value, sigma, observed
        Estimate, its standard error and what was observed [m3 m-3], NaN = unknown. (rows,)
    station
        Whose row it is: the bootstrap draws stations. (rows,)
    labels
        By covariate the stratum of each row, as :func:`~sm_core.validation.strata.strata` gives it.
    levels
        Nominal shares inside.
    factors
        k of each level; by default those of the normal distribution (0.674, 1.282, 1.645).
    min_pairs
        Fewest pairs of a stratum, of at least three stations; below, its status is NOT_ENOUGH_DATA.
    bootstrap
        Over stations.
    """
    v, s, o = (np.asarray(values, np.float64) for values in (value, sigma, observed))
    codes, ids = pd.factorize(np.asarray(station).astype(str))
    known = np.isfinite(v) & np.isfinite(s) & np.isfinite(o)
    reach = stats.norm.ppf((1 + np.asarray(levels)) / 2) if factors is None else np.asarray(factors, np.float64)
    rows = []
    everything = ("all", "all", np.ones(len(v), bool))
    for covariate, stratum, inside in [everything, *strata_of({} if labels is None else labels)]:
        used = known & inside
        count = np.bincount(codes[used], minlength=len(ids))
        for nominal, k in zip(levels, reach, strict=True):
            inside_k = (np.abs(o - v) <= k * s)[used].astype(np.float64)
            hits = np.asarray(np.bincount(codes[used], inside_k, len(ids)), np.float64)
            places, pairs = int((count > 0).sum()), int(count.sum())
            enough = pairs >= min_pairs and places >= MIN_GROUPS
            rows.append(CoverageRow(
                covariate=covariate, stratum=stratum, nominal=nominal, places=places, pairs=pairs,
                status=Status.OK if enough else Status.NOT_ENOUGH_DATA,
                share=_share(hits, count, bootstrap) if enough else Score(value=float("nan")),
                half_width=float(k * s[used].mean()) if enough else float("nan"),
            ))
    return CoverageTable(rows=tuple(rows))


def _share(hits: NDArray[np.float64], count: NDArray[np.intp], bootstrap: Bootstrap) -> Score:
    used = count > 0
    weights = resample(int(used.sum()), bootstrap)
    draws = (weights @ hits[used]) / (weights @ count[used])
    return score(float(hits.sum() / count.sum()), draws, int(used.sum()), bootstrap.level)
