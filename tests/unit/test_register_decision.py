from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sm_core.domain import LAYERS
from sm_core.validation import Score, SkillRow, SkillTable
from tasks.training.promotion import (
    MIN_DAYS,
    PairedScore,
    check,
    decide,
    decide_challenge,
    decide_first,
    paired_scores,
    yardstick,
)

STATIONS = [f"N_S{n:02d}" for n in range(12)]
DAYS = pd.date_range("2020-01-05", periods=40, freq="10D")


def table(corrected_ubrmsd: float, corrected_rmsd: float, layer_at_fault: str = "sm_rootzone") -> SkillTable:
    def row(stage: str, layer: str) -> SkillRow:
        ours = stage == "corrected" and layer == layer_at_fault
        return SkillRow(
            stage=stage, layer=layer, pearson_r=Score(value=0.8), bias=Score(value=0.0), places=20, pairs=600,
            rmsd=Score(value=corrected_rmsd if ours else 0.060, lower=0.050, upper=0.070),
            ubrmsd=Score(value=corrected_ubrmsd if ours else (0.045 if stage == "coarse" else 0.040)),
        )

    return SkillTable(rows=tuple(row(stage, layer) for stage in ("coarse", "corrected") for layer in LAYERS))


GOOD = table(0.040, 0.058)


def test_lower_ubrmse_in_both_layers_serves() -> None:
    assert decide(GOOD)[0]


def test_rmse_a_little_above_but_within_the_interval_serves() -> None:
    assert decide(table(0.040, 0.069))[0]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("ubrmsd", "rmsd"), [(0.045, 0.058), (0.046, 0.058), (0.040, 0.071), (float("nan"), 0.058)])
def test_one_layer_that_is_no_better_keeps_the_training_out(layer: str, ubrmsd: float, rmsd: float) -> None:
    serves, reason = decide(table(ubrmsd, rmsd, layer))
    assert not serves
    assert reason.startswith(layer)


def observations(seed: int = 1) -> pd.DataFrame:
    """Twelve stations, forty days: a wave, an offset of each station's own, noise of 0.01."""
    rng = np.random.default_rng(seed)
    wave = 0.25 + 0.08 * np.sin(np.arange(len(DAYS)) / 5)
    rows = [
        pd.DataFrame({"station_id": name, "day": DAYS, **{
            layer: wave + offset + rng.normal(0, 0.01, len(DAYS)) for layer in LAYERS
        }}) for name, offset in zip(STATIONS, rng.normal(0, 0.04, len(STATIONS)), strict=True)
    ]
    return pd.concat(rows, ignore_index=True)


def estimate(noise: float, seed: int, bias: float = 0.0, gain: float = 1.0) -> pd.DataFrame:
    """The wave with noise, at the same stations and days."""
    rng = np.random.default_rng(seed)
    wave = np.tile(0.25 + bias + gain * 0.08 * np.sin(np.arange(len(DAYS)) / 5), len(STATIONS))
    base = pd.DataFrame({"station_id": np.repeat(STATIONS, len(DAYS)), "day": np.tile(DAYS, len(STATIONS))})
    return base.assign(**{layer: wave + rng.normal(0, noise, len(wave)) for layer in LAYERS})


def outcome(champion: pd.DataFrame, challenger: pd.DataFrame) -> tuple[str, tuple[str, ...]]:
    return decide_challenge(paired_scores(champion, challenger, observations()), (), GOOD)


def test_gain_by_hand() -> None:
    days = pd.date_range("2020-01-01", periods=MIN_DAYS)
    wave = np.where(np.arange(MIN_DAYS) % 2, 0.2, 0.3)
    observed = pd.concat([pd.DataFrame({"station_id": s, "day": days, "sm_surface": wave, "sm_rootzone": wave})
                          for s in ("a", "b")])
    worse, better = (observed.assign(sm_surface=0.25 + f * (observed["sm_surface"] - 0.25)) for f in (0.2, 0.6))
    scores = {(s.layer, s.measure): s for s in paired_scores(worse, better, observed)}
    found = scores["sm_surface", "ubrmsd"]
    assert (found.champion, found.challenger) == (pytest.approx(0.04), pytest.approx(0.02))
    assert found.gain.value == pytest.approx(0.02)
    assert (found.gain.lower, found.gain.upper) == (pytest.approx(0.02), pytest.approx(0.02))
    assert scores["sm_rootzone", "ubrmsd"].gain.value == 0.0
    assert found.stations == 2


def test_only_common_days_are_compared() -> None:
    champion = estimate(0.02, 2)
    champion.loc[champion["day"] < DAYS[20], list(LAYERS)] = np.nan
    first = estimate(0.01, 3)
    spoilt = first.assign(**{layer: first[layer].where(first["day"] >= DAYS[20], 0.0) for layer in LAYERS})
    observed = observations()
    assert paired_scores(champion, spoilt, observed) == paired_scores(champion, first, observed)


def test_clearly_better_challenger_is_promoted() -> None:
    assert outcome(estimate(0.03, 2), estimate(0.01, 3))[0] == "promoted"


def test_clearly_worse_challenger_is_rejected_with_the_score_named() -> None:
    verdict, reasons = outcome(estimate(0.01, 2), estimate(0.03, 3))
    assert verdict == "rejected"
    assert any("sm_surface ubRMSE" in reason for reason in reasons)


def test_equal_challenger_stays_in_the_shadow() -> None:
    assert outcome(estimate(0.02, 2), estimate(0.02, 2)) == (
        "shadow", ("no score is better than the champion's with confidence",))


def test_gain_in_one_layer_does_not_buy_loss_in_the_other() -> None:
    champion, challenger = estimate(0.02, 2), estimate(0.01, 3)
    challenger["sm_rootzone"] = estimate(0.04, 4)["sm_rootzone"]
    assert outcome(champion, challenger)[0] == "rejected"


def test_better_than_the_champion_but_not_than_the_coarse_field_stays_in_the_shadow() -> None:
    scores = paired_scores(estimate(0.03, 2), estimate(0.01, 3), observations())
    assert decide_challenge(scores, (), table(0.050, 0.058))[0] == "shadow"


def test_without_anything_to_compare_nothing_is_promoted() -> None:
    few = observations()[lambda rows: rows["station_id"].isin(STATIONS[:3])]
    scores = paired_scores(estimate(0.03, 2), estimate(0.01, 3), few)
    verdict, reasons = decide_challenge(scores, (), GOOD)
    assert verdict == "shadow"
    assert "fewer than 4 unseen stations" in reasons[0]
    assert decide_challenge((), (), GOOD)[0] == "shadow"


@pytest.mark.parametrize("value", [0.05, float("nan")])
def test_broken_or_unmeasured_invariant_rejects_the_best_score(value: float) -> None:
    scores = paired_scores(estimate(0.03, 2), estimate(0.01, 3), observations())
    broken = check("sm_surface_shift", "mean difference", value, (-0.02, 0.02), 100)
    verdict, reasons = decide_challenge(scores, (broken,), GOOD)
    assert verdict == "rejected"
    assert reasons[0].startswith("sm_surface_shift")
    assert decide_first(GOOD, (broken,))[0] == "rejected"
    assert decide_first(GOOD, ())[0] == "promoted"


def test_drifted_sensors_are_no_yardstick() -> None:
    then = {name: 0.01 * n for n, name in enumerate(STATIONS)}
    assert yardstick(then, {name: value + 0.01 for name, value in then.items()}, "sm_surface").passed
    few = {name: value - (0.3 if n < 5 else 0.0) for n, (name, value) in enumerate(then.items())}
    assert yardstick(then, few, "sm_surface").passed
    most = {name: value - (0.1 if n < 8 else 0.0) for n, (name, value) in enumerate(then.items())}
    found = yardstick(then, most, "sm_surface")
    assert (found.passed, found.measured, found.severity) == (False, 12, "withhold")


def test_unknown_offsets_of_an_old_training_do_not_reject() -> None:
    assert yardstick({}, {"a": 0.1}, "sm_surface").severity == "warn"


def test_challenger_that_learned_a_poisoned_batch_is_not_promoted() -> None:
    """All stations read 0.15 too high; who learned that looks far better at them, and its map has moved."""
    poisoned = observations()
    poisoned[list(LAYERS)] += 0.15
    scores = paired_scores(estimate(0.02, 2), estimate(0.01, 3, bias=0.15), poisoned)
    assert decide_challenge(scores, (), GOOD)[0] == "promoted"
    then = dict.fromkeys(STATIONS, 0.0)
    moved = yardstick(then, dict.fromkeys(STATIONS, -0.15), "sm_surface")
    shifted = check("sm_surface_shift", "mean difference", 0.15, (-0.02, 0.02), 1000)
    assert decide_challenge(scores, (moved,), GOOD)[0] == "rejected"
    assert decide_challenge(scores, (shifted,), GOOD)[0] == "rejected"


def test_score_reads_as_a_sentence() -> None:
    one = PairedScore(layer="sm_surface", measure="ubrmsd", champion=0.04, challenger=0.03,
                      gain=Score(value=0.01, lower=0.005, upper=0.015), stations=9)
    assert str(one) == "sm_surface ubRMSE: champion 0.0400, challenger 0.0300, gain 0.0100 (0.0050 to 0.0150)"
