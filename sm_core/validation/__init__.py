"""How good an estimate is, on data that no model has seen."""

from sm_core.validation.metrics import (
    PairMetrics,
    Status,
    bias,
    effective_sample_size,
    kge,
    pair_metrics,
    pearson_interval,
    pearson_r,
    rmsd,
    ubrmsd,
)
from sm_core.validation.skill import (
    Score,
    SkillRow,
    SkillTable,
    at_stations,
    station_metrics,
    station_skill,
    truth_skill,
)
from sm_core.validation.splits import Split, TimeSplit, last_days, spatial_blocks, spatial_folds

__all__ = [
    "PairMetrics", "Score", "SkillRow", "SkillTable", "Split", "Status", "TimeSplit", "at_stations", "bias",
    "effective_sample_size", "kge", "last_days", "pair_metrics", "pearson_interval", "pearson_r", "rmsd",
    "spatial_blocks", "spatial_folds", "station_metrics", "station_skill", "truth_skill", "ubrmsd",
]
