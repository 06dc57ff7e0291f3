"""The accuracy table: every stage and layer under every design, pooled and averaged over stations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Layer, Record
from sm_core.validation.baselines import Gain, aligned, gain
from sm_core.validation.designs import LABELS, Design, Division, nearest_training_km
from sm_core.validation.lattice import Lattice
from sm_core.validation.metrics import Number
from sm_core.validation.moments import OVER, STANDARD, Bootstrap, Moments, Over, Score, grouped_scores
from sm_core.validation.strata import StrataTable, strata, stratified_skill

Floats = NDArray[np.float64]
HEADINGS = {"pearson_r": "PCC", "anomaly_r": "anomaly PCC", "rmsd": "RMSE", "ubrmsd": "ubRMSE", "bias": "bias",
            "kge": "KGE"}


class AccuracyRow(Record):
    """One stage, layer and design.

    ``over`` says whether all station-days are pooled or scores averaged over stations. ``n_eff`` is the number of
    independent pairs, summed over stations.
    """

    design: Design
    stage: str
    layer: Layer
    over: Over
    pearson_r: Score
    anomaly_r: Score
    rmsd: Score
    ubrmsd: Score
    bias: Score
    kge: Score
    places: int
    pairs: int
    n_eff: Number


class AccuracyTable(Record):
    """Accuracy by design, layer, stage; its text is one markdown table for each design."""

    rows: tuple[AccuracyRow, ...]

    def row(self, design: Design, stage: str, layer: Layer, over: Over = "station-days") -> AccuracyRow:
        """The scores of one design, stage and layer."""
        wanted = (design, stage, layer, over)
        return next(row for row in self.rows if (row.design, row.stage, row.layer, row.over) == wanted)

    def __str__(self) -> str:
        head = ["layer", "stage", "over", *HEADINGS.values(), "stations", "pairs", "independent"]
        parts = []
        for design in dict.fromkeys(row.design for row in self.rows):
            lines = [f"**{LABELS[design]}**", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
            for row in self.rows:
                if row.design == design:
                    cells = [row.layer, row.stage, row.over, *(str(getattr(row, name)) for name in HEADINGS),
                             str(row.places), str(row.pairs), f"{row.n_eff:.0f}"]
                    lines.append(f"| {' | '.join(cells)} |")
            parts.append("\n".join(lines))
        return "\n\n".join(parts)


class GainRow(Record):
    """How much one stage gains over another under a design; positive is better."""

    design: Design
    layer: Layer
    stage: str
    baseline: str
    gain: Gain


class GainTable(Record):
    """Paired gains; its text is a markdown table."""

    rows: tuple[GainRow, ...]

    def __str__(self) -> str:
        head = ["design", "layer", "stage", "over the baseline", "over", "ΔRMSE", "share of RMSE", "ΔubRMSE", "ΔPCC",
                "stations", "pairs"]
        lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for row in self.rows:
            scores = (row.gain.rmsd, row.gain.rmsd_share, row.gain.ubrmsd, row.gain.pearson_r)
            cells = [LABELS[row.design], row.layer, row.stage, row.baseline, row.gain.over, *map(str, scores),
                     str(row.gain.places), str(row.gain.pairs)]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


@dataclass(frozen=True)
class Judged:
    """The judged rows of one design and layer that the station and every stage know; arrays are (rows,)."""

    design: Design
    layer: Layer
    station: NDArray[np.object_]
    day: pd.DatetimeIndex
    observed: Floats
    stages: dict[str, Floats]
    row: NDArray[np.int64]
    """Of the table."""
    distance_km: Floats
    """To the nearest training station."""


def evaluate(
    table: pd.DataFrame, divisions: Sequence[Division], stages: Mapping[str, pd.DataFrame], *, min_days: int = 10,
    bootstrap: Bootstrap = STANDARD,
) -> AccuracyTable:
    """Accuracy of every stage on the judged rows of every design.

    Parameters
    ----------
    table
        One row for each station-day: station_id, lon, lat [degrees], day, sm_surface, sm_rootzone [m3 m-3] observed.
    divisions
        Of the table's rows, as :func:`~sm_core.validation.designs.divisions` makes them; folds of a design are judged
        together.
    stages
        By name: station_id, day, sm_surface, sm_rootzone [m3 m-3] predicted. With a column ``division``, each row is
        the prediction of the model that learned from that division's training rows; without, it serves all (a coarse
        field, which learned from no station).
    min_days
        Fewest judged days of a station that counts in averages over stations.
    bootstrap
        Over stations; it gives the intervals.

    Notes
    -----
    Within a design and layer all stages are scored on the same pairs: those that the station and every stage know.
    Anomalies are departures from a centred 35-day mean of the judged days. A design for which a stage has no
    predictions has no rows.
    """
    rows: list[AccuracyRow] = []
    for part in judged_rows(table, divisions, stages):
        codes, ids = pd.factorize(part.station)
        lattice = Lattice.of(codes, part.day, len(ids))
        usual = lattice.anomalies(part.observed)
        for stage, estimate in part.stages.items():
            moments = Moments.of(estimate=estimate, reference=part.observed, group=codes, groups=len(ids))
            departures = Moments.of(
                estimate=lattice.anomalies(estimate), reference=usual, group=codes, groups=len(ids))
            independent = lattice.effective_sizes(estimate, part.observed)
            for over in OVER:
                fewest = min_days if over == "stations" else 1
                scores = grouped_scores(moments, over, min_pairs=fewest, bootstrap=bootstrap)
                anomalies = grouped_scores(departures, over, min_pairs=fewest, bootstrap=bootstrap)
                used = moments.pairs >= fewest
                rows.append(AccuracyRow(
                    design=part.design, stage=stage, layer=part.layer, over=over, anomaly_r=anomalies["pearson_r"],
                    places=int(used.sum()), pairs=int(moments.pairs[used].sum()),
                    n_eff=float(independent[used].sum()), **scores,
                ))
    return AccuracyTable(rows=tuple(rows))


def gains(
    table: pd.DataFrame, divisions: Sequence[Division], stages: Mapping[str, pd.DataFrame], *, of: Iterable[str],
    baselines: Iterable[str], over: Over = "station-days", min_days: int = 10,
    bootstrap: Bootstrap = STANDARD,
) -> GainTable:
    """Paired gains of some stages over others, on the pairs that :func:`evaluate` scores.

    Parameters
    ----------
    table, divisions, stages, min_days, bootstrap
        As :func:`evaluate` takes them.
    of, baselines
        Names of stages.
    over
        Pool all station-days, or average over stations.
    """
    ours, theirs = tuple(of), tuple(baselines)
    return GainTable(rows=tuple(
        GainRow(
            design=part.design, layer=part.layer, stage=stage, baseline=baseline,
            gain=gain(estimate=part.stages[stage], baseline=part.stages[baseline], reference=part.observed,
                      station=part.station, over=over, min_pairs=min_days, bootstrap=bootstrap),
        )
        for part in judged_rows(table, divisions, stages) for stage in ours for baseline in theirs if stage != baseline
    ))


def evaluate_strata(
    table: pd.DataFrame, divisions: Sequence[Division], stages: Mapping[str, pd.DataFrame], *, stage: str,
    covariates: pd.DataFrame | None = None, over: Over = "station-days", min_pairs: int = 30,
    bootstrap: Bootstrap = STANDARD,
) -> dict[tuple[Design, Layer], StrataTable]:
    """Skill of one stage by stratum, for each design and layer, on the pairs that :func:`evaluate` scores.

    Parameters
    ----------
    table, divisions, stages, bootstrap
        As :func:`evaluate` takes them.
    stage
        Name of the stage.
    covariates
        In the rows of ``table``, as :func:`~sm_core.validation.strata.strata` takes them; season and distance to the
        nearest training station are added.
    """
    given = pd.DataFrame(index=table.index) if covariates is None else covariates
    tables: dict[tuple[Design, Layer], StrataTable] = {}
    for part in judged_rows(table, divisions, stages):
        own = given.iloc[part.row].reset_index(drop=True).assign(day=part.day, distance_km=part.distance_km)
        tables[part.design, part.layer] = stratified_skill(
            estimate=part.stages[stage], reference=part.observed, station=part.station, labels=strata(own), over=over,
            min_pairs=min_pairs, bootstrap=bootstrap,
        )
    return tables


def judged_rows(
    table: pd.DataFrame, divisions: Sequence[Division], stages: Mapping[str, pd.DataFrame]
) -> Iterator[Judged]:
    """The judged rows of every design (its divisions together) and layer, with every stage's values on them.

    A design for which a stage has predictions by division, but not for one of its own, is left out.
    """
    for design in dict.fromkeys(division.design for division in divisions):
        members = [division for division in divisions if division.design == design]
        if not all(_serves(values, division) for values in stages.values() for division in members):
            continue
        rows = np.concatenate([np.flatnonzero(division.judged) for division in members])
        distance = np.concatenate([nearest_training_km(table, one)[one.judged] for one in members])
        found: dict[str, list[dict[Layer, Floats]]] = {
            stage: [aligned(_of_division(values, one), table[one.judged]) for one in members]
            for stage, values in stages.items()
        }
        judged = table.iloc[rows]
        days = pd.DatetimeIndex(pd.to_datetime(judged["day"])).normalize()
        ids = judged["station_id"].astype(str).to_numpy(object)
        for layer in LAYERS:
            observed = judged[layer].to_numpy(np.float64)
            estimates = {stage: np.concatenate([one[layer] for one in parts]) for stage, parts in found.items()}
            known = np.isfinite(np.stack([observed, *estimates.values()])).all(axis=0)
            yield Judged(
                design=design, layer=layer, station=ids[known], day=days[known], observed=observed[known],
                stages={stage: values[known] for stage, values in estimates.items()}, row=rows[known],
                distance_km=distance[known],
            )


def _serves(values: pd.DataFrame, division: Division) -> bool:
    return "division" not in values or bool((values["division"] == division.name).any())


def _of_division(values: pd.DataFrame, division: Division) -> pd.DataFrame:
    return values if "division" not in values else values[values["division"] == division.name]
