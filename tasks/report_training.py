"""What a reader who was not there wants to know of a training: a short text, and one page with figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from sm_core.domain import LAYERS, Layer, Record
from sm_core.downscaling import Downscaler
from sm_core.downscaling.model import TIERS, LayerFit
from sm_core.validation import SkillTable, station_metrics
from tasks import report_training_figures as figures
from tasks.training.examine import Examination
from tasks.training.promotion import NAMES, PromotionDecision
from tasks.training.provenance import Provenance
from tasks.training.records import StationTable, TrainingPlan

SHOWN_STATIONS = 4
NOMINAL: Mapping[float, float] = {0.5: 0.6745, 0.8: 1.2816, 0.9: 1.6449}
"""Share of a normal distribution within so many standard deviations."""
TITLES: Mapping[Layer, str] = {"sm_surface": "Surface, 0–10 cm", "sm_rootzone": "Root zone, 0–100 cm"}
VERDICTS = {
    "promoted": "In service", "shadow": "NOT in service, kept as shadow", "rejected": "NOT in service, rejected",
}
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1150px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;font-size:13px;margin:.6em 0}td,th{border:1px solid #ccc;padding:3px 8px;text-align:left}
th{background:#f2f2ee}svg{margin:4px;vertical-align:top}svg text{font:10px system-ui,sans-serif;fill:#333}
svg text.t{font-size:12px;font-weight:600}svg .g{stroke:#e4e4e4}code{font-size:12px;overflow-wrap:anywhere}
.verdict{padding:.6em 1em;border-left:6px solid #888;background:#f6f6f2}.promoted{border-color:#1a9641}
.shadow{border-color:#e0a030}.rejected{border-color:#d7191c}.note{color:#555;font-size:13px}
"""


class TrainingReport(Record):
    """All that a report is made from."""

    run_id: str
    plan: TrainingPlan
    stations: StationTable
    decision: PromotionDecision
    at_stations: SkillTable
    against_truth: SkillTable | None
    examination: Examination
    provenance: Provenance


def training_text(about: TrainingReport) -> str:
    """The report in short, in markdown."""
    plan, stations, decision = about.plan, about.stations, about.decision
    twin = " (twin)" if about.against_truth is not None else ""
    lines = [
        f"# Training of {plan.region_id}, learned up to {plan.training_days[-1]}", "", _learned_from(about), "",
        f"{stations.files} station files; {100 * stations.rejected_share:.1f} % of the readings rejected by quality "
        f"control; {len(stations.refused)} stations refused.", "",
        f"{VERDICTS[decision.outcome]}: {'; '.join(decision.reasons)}.", "",
        f"## At unseen stations{twin}", "",
        "m³/m³; scores per station, averaged over stations, with 95 % bootstrap intervals over stations.", "",
        str(about.at_stations), "",
    ]
    if decision.scores:
        lines += ["## Against the models in service, same unseen stations and days", "", *_paired_rows(decision), ""]
    if about.against_truth is not None:
        lines += ["## Against the known 1-km truth (twin)", "",
                  "All land cells and judged days pooled. A simulation never proves real-world accuracy.", "",
                  str(about.against_truth), ""]
    return "\n".join(lines)


def training_html(about: TrainingReport, downscaler: Path) -> str:
    """The whole report as one page that asks nobody for anything."""
    points = pd.read_parquet(about.examination.points)
    twin = " (twin)" if about.against_truth is not None else ""
    parts = [
        f"<h1>Training of {escape(about.plan.region_id)}, learned up to {about.plan.training_days[-1]}{twin}</h1>",
        _verdict(about.decision), "<h2>What was learned from what</h2>", _inputs(about),
        f"<h2>At unseen stations{twin}</h2>",
        "<p>Scores of each station, averaged over stations, m³/m³; in brackets 95 % bootstrap intervals over stations. "
        "PCC: correlation. RMSE: with the station's own offset from the square kilometre around it. ubRMSE: without "
        "bias, the figure that tells whether days are told apart rightly.</p>", _table(str(about.at_stations)),
    ]
    if about.against_truth is not None:
        parts += ["<h2>Against the known 1-km truth (twin)</h2>",
                  "<p>All land cells and judged days pooled. A simulation never proves real-world accuracy.</p>",
                  _table(str(about.against_truth))]
    parts += [
        *_comparison(about), "<h2>Estimate and station</h2>", *_scatter(points), "<h2>At single unseen stations</h2>",
        *_series(points), "<h2>Where the stations stand</h2>", *_station_maps(about, points),
        "<h2>Mean over the judged days</h2>", *_maps(about), "<h2>Are the intervals honest?</h2>",
        *_reliability(points), "<h2>What the downscaling looks at</h2>", *_importance(downscaler),
        "<h2>Made with</h2>", _provenance(about),
    ]
    title = f"Training of {escape(about.plan.region_id)}"
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n")


def _learned_from(about: TrainingReport) -> str:
    plan, split = about.plan, about.stations.split
    judged = f"{plan.judged_days[0]} to {plan.judged_days[-1]}" if plan.judged_days else "none"
    return (
        f"Learned from {len(plan.training_days)} days ({plan.training_days[0]} to {plan.training_days[-1]}) and "
        f"{len(split.training)} stations; judged on {len(plan.judged_days)} later days ({judged}) at "
        f"{len(split.held_out)} stations of blocks that no model saw ({len(split.dropped)} stations in the buffer "
        "between are used for neither)."
    )


def _verdict(decision: PromotionDecision) -> str:
    against = f"the models of training {decision.against}" if decision.champion else "the coarse field"
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in decision.reasons)
    return (f'<div class="verdict {decision.outcome}"><b>{VERDICTS[decision.outcome]}.</b> Judged against '
            f"{escape(against)}.<ul>{reasons}</ul></div>")


def _inputs(about: TrainingReport) -> str:
    refused = "".join(f"<li>{escape(name)}: {escape('; '.join(why))}</li>"
                      for name, why in about.stations.refused.items())
    return (f"<p>{escape(_learned_from(about))}</p><p>Known as of {about.plan.as_of:%Y-%m-%d %H:%M} UTC. "
            f"{about.provenance.granules} granules, {about.stations.files} station files; "
            f"{100 * about.stations.rejected_share:.1f} % of the readings rejected by quality control.</p>"
            + (f"<details><summary>{len(about.stations.refused)} stations refused</summary><ul>{refused}</ul></details>"
               if refused else ""))


def _comparison(about: TrainingReport) -> Iterable[str]:
    decision = about.decision
    if decision.scores:
        yield "<h2>Against the models in service</h2>"
        yield (f"<p>Same unseen stations, same {decision.judged_days} days, which neither has learned from. A positive "
               "gain is better; its interval is a bootstrap over whole stations.</p>")
        yield _table("\n".join(_paired_rows(decision)))
    yield "<h2>Invariants</h2>"
    yield _rows(("check", "found", "passed"), ((c.check, c.message, "yes" if c.passed else (
        "NO" if c.severity == "withhold" else "not measured")) for c in decision.checks))


def _paired_rows(decision: PromotionDecision) -> list[str]:
    rows = [
        f"| {s.layer} | {NAMES[s.measure]} | {s.champion:.4f} | {s.challenger:.4f} "
        f"| {_gain(s.gain.value, s.gain.lower, s.gain.upper)} | {s.stations} |" for s in decision.scores
    ]
    return ["| layer | score | in service | this training | gain | stations |", "|---|---|---|---|---|---|", *rows]


def _gain(value: float, lower: float | None, upper: float | None) -> str:
    interval = "" if lower is None or upper is None else f" ({lower:.4f} to {upper:.4f})"
    return "–" if math.isnan(value) else f"{value:+.4f}{interval}"


def _scatter(points: pd.DataFrame) -> Iterable[str]:
    for layer in LAYERS:
        for stage in ("coarse", "downscaled", "corrected"):
            if f"{stage}.{layer}" in points:
                yield figures.density(f"{TITLES[layer]}: {stage}", points[layer].to_numpy(np.float64),
                                      points[f"{stage}.{layer}"].to_numpy(np.float64))


def _series(points: pd.DataFrame) -> Iterable[str]:
    counted = points.groupby("station_id").size().sort_index()
    served = list(counted[counted >= counted.median()].index)
    for name in served[::max(1, len(served) // SHOWN_STATIONS)][:SHOWN_STATIONS]:
        here = points[points["station_id"] == name].sort_values("day")
        for layer in LAYERS:
            if here[layer].notna().any() and f"corrected.{layer}" in here:
                lines = {stage: here[f"{stage}.{layer}"].tolist() for stage in ("coarse", "corrected")}
                half = _half_width(here, layer, 0.9)
                yield figures.series(f"{name}: {TITLES[layer]}", list(here["day"]), here[layer].tolist(), lines,
                                     None if half is None else half.tolist())


def _station_maps(about: TrainingReport, points: pd.DataFrame) -> Iterable[str]:
    placed = pd.DataFrame([one.model_dump() for one in about.stations.frozen.stations])
    if placed.empty or points.empty:
        return
    observed = points[["station_id", "day", *LAYERS]]
    estimate = points[["station_id", "day", *(f"corrected.{layer}" for layer in LAYERS)]].rename(
        columns={f"corrected.{layer}": layer for layer in LAYERS})
    metrics = station_metrics(estimate, observed, min_days=2)
    for layer in LAYERS:
        scores = {str(name): float(value) for name, value in metrics.loc[layer, "ubrmsd"].items()}
        yield figures.station_map(f"{TITLES[layer]}: ubRMSE [m³/m³]", placed, scores, (0.01, 0.08))
    yield ('<p class="note">Large: unseen stations, green 0.01 to red 0.08 m³/m³. Small: stations that teach, or are '
           "used for nothing.</p>")


def _maps(about: TrainingReport) -> Iterable[str]:
    with np.load(about.examination.maps, allow_pickle=False) as stored:
        maps = {name: stored[name] for name in stored.files}
    for layer in LAYERS:
        for stage in ("coarse", "downscaled", "corrected"):
            if f"{stage}.{layer}" in maps:
                yield figures.raster(f"{TITLES[layer]}: {stage}", maps[f"{stage}.{layer}"], (0.05, 0.45))
        before = "champion" if f"champion.{layer}" in maps else "downscaled"
        if f"corrected.{layer}" in maps:
            yield figures.raster(f"corrected less {'in service' if before == 'champion' else before}",
                                 maps[f"corrected.{layer}"] - maps[f"{before}.{layer}"], (-0.1, 0.1), change=True)
        yield "<br>"


def _reliability(points: pd.DataFrame) -> Iterable[str]:
    found = {TITLES[layer]: coverage(points, layer) for layer in LAYERS}
    found = {name: shares for name, shares in found.items() if shares}
    yield figures.reliability("Observations inside the interval", found)
    yield _rows(("layer", *(f"{100 * share:.0f} %" for share in NOMINAL)),
                ((name, *(f"{100 * value:.1f} %" for value in shares.values())) for name, shares in found.items()))


def coverage(points: pd.DataFrame, layer: Layer) -> dict[float, float]:
    """Share of observations at unseen stations inside the 50, 80 and 90 % intervals of the corrected field."""
    found = {}
    for nominal in NOMINAL:
        half = _half_width(points, layer, nominal)
        if half is None:
            return {}
        error = (points[f"corrected.{layer}"] - points[layer]).abs()
        known = error.notna() & half.notna()
        found[nominal] = float((error[known] <= half[known]).mean()) if known.any() else math.nan
    return found


def _half_width(points: pd.DataFrame, layer: Layer, nominal: float) -> pd.Series | None:
    given = f"{layer}_halfwidth_{100 * nominal:.0f}"
    if given in points:
        return points[given]
    return points[f"{layer}_spread"] * NOMINAL[nominal] if f"{layer}_spread" in points else None


def _importance(downscaler: Path) -> Iterable[str]:
    model = Downscaler.load(downscaler)
    yield ('<p class="note">The estimate is a linear part, whose signs are known from physics, and trees for what it '
           "leaves. An effect is m³/m³ for one unit of the feature; 0: the data did not ask for it with that sign.</p>")
    yield _rows(("layer", "tier", "skill at unseen cells and days", "linear effects"),
                ((TITLES[fit.layer], fit.tier, f"{fit.validation_skill:.2f}", _effects(model, fit))
                 for fit in model.spec.fits))
    for (layer, tier), booster in model.boosters.items():
        gain = np.asarray(booster.feature_importance("gain"), np.float64)
        total = float(gain.sum()) or 1.0
        shares = {name: float(value) / total for name, value in zip(booster.feature_name(), gain, strict=True)}
        yield figures.bars(f"{TITLES[layer]}, tier {tier}: share of the gain in its trees", shares)


def _effects(model: Downscaler, fit: LayerFit) -> str:
    tier = next(tier for tier in TIERS if tier.name == fit.tier)
    named = zip(tier.of(model.spec.params.linear), fit.effects, strict=True)
    return ", ".join(f"{name} {effect:+.2g}" for name, effect in named)


def _provenance(about: TrainingReport) -> str:
    made = about.provenance
    models = [(f"{m.name} version {m.version}", m.sha256) for m in about.decision.challenger]
    rows: Sequence[tuple[str, object]] = [
        ("MLflow run", about.run_id), ("data fingerprint", made.fingerprint), ("granules", made.inputs),
        ("station table", made.stations), ("split", made.split), ("downscaling", made.downscaling),
        ("correction", made.correction), *models, *made.params.items(), *made.environment,
    ]
    return _rows(("what", "value"), ((str(name), str(value)) for name, value in rows))


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{body}</table>"


def _table(markdown: str) -> str:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return _rows(cells[0], cells[2:]) if len(cells) > 1 else ""
