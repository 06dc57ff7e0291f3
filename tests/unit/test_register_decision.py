from __future__ import annotations

import pytest

from sm_core.domain import LAYERS
from sm_core.validation import Score, SkillRow, SkillTable
from tasks.register import decide


def table(corrected_ubrmsd: float, corrected_rmsd: float, layer_at_fault: str = "sm_rootzone") -> SkillTable:
    def row(stage: str, layer: str) -> SkillRow:
        ours = stage == "corrected" and layer == layer_at_fault
        return SkillRow(
            stage=stage, layer=layer, pearson_r=Score(value=0.8), bias=Score(value=0.0), places=20, pairs=600,
            rmsd=Score(value=corrected_rmsd if ours else 0.060, lower=0.050, upper=0.070),
            ubrmsd=Score(value=corrected_ubrmsd if ours else (0.045 if stage == "coarse" else 0.040)),
        )

    return SkillTable(rows=tuple(row(stage, layer) for stage in ("coarse", "corrected") for layer in LAYERS))


def test_lower_ubrmse_in_both_layers_serves() -> None:
    assert decide(table(0.040, 0.058))[0]


def test_rmse_a_little_above_but_within_the_interval_serves() -> None:
    assert decide(table(0.040, 0.069))[0]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("ubrmsd", "rmsd"), [(0.045, 0.058), (0.046, 0.058), (0.040, 0.071), (float("nan"), 0.058)])
def test_one_layer_that_is_no_better_keeps_the_training_out(layer: str, ubrmsd: float, rmsd: float) -> None:
    serves, reason = decide(table(ubrmsd, rmsd, layer))
    assert not serves
    assert reason.startswith(layer)
