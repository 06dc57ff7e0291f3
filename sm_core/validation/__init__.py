"""How good an estimate is, on data that no model has seen."""

from sm_core.validation.accuracy import (
    AccuracyRow,
    AccuracyTable,
    GainRow,
    GainTable,
    evaluate,
    evaluate_strata,
    gains,
    judged_rows,
)
from sm_core.validation.anomalies import AnomalyCorrelation, anomaly, anomaly_r, climatology
from sm_core.validation.baselines import BASELINES, Gain, baseline_stages, gain, station_climatology, with_offset
from sm_core.validation.collocation import Collocated, triple_collocation
from sm_core.validation.coverage import CoverageRow, CoverageTable, coverage
from sm_core.validation.designs import DesignParams, Division, divisions, nearest_training_km
from sm_core.validation.guards import (
    FeatureIdentity,
    LeakWarning,
    check_features,
    check_patches,
    check_same_station,
    check_tuning,
    feature_identities,
    floor_warnings,
)
from sm_core.validation.intervals import bias_interval, pearson_interval, rmsd_interval, ubrmsd_interval
from sm_core.validation.matching import collocate, daily_mean, match_days
from sm_core.validation.metrics import (
    PairMetrics,
    Status,
    bias,
    effective_sample_size,
    kge,
    kge_interval,
    pair_metrics,
    pearson_r,
    qa4sm_metrics,
    rmsd,
    ubrmsd,
)
from sm_core.validation.moments import Bootstrap, Over, Score
from sm_core.validation.skill import SkillRow, SkillTable, at_stations, station_metrics, station_skill, truth_skill
from sm_core.validation.spatial import (
    DownscalingGain,
    SpatialSkill,
    downscaling_gain,
    skill_against_truth,
    skill_at_stations,
)
from sm_core.validation.splits import Split, TimeSplit, last_days, spatial_blocks, spatial_folds
from sm_core.validation.strata import StrataTable, StratumRow, strata, stratified_skill

__all__ = [
    "BASELINES", "AccuracyRow", "AccuracyTable", "AnomalyCorrelation", "Bootstrap", "Collocated", "CoverageRow",
    "CoverageTable", "DesignParams", "Division", "DownscalingGain", "FeatureIdentity", "Gain", "GainRow",
    "GainTable", "LeakWarning", "Over", "PairMetrics", "Score", "SkillRow", "SkillTable", "SpatialSkill", "Split",
    "Status", "StrataTable", "StratumRow", "TimeSplit", "anomaly", "anomaly_r", "at_stations", "baseline_stages",
    "bias", "bias_interval", "check_features", "check_patches", "check_same_station", "check_tuning",
    "climatology", "collocate", "coverage", "daily_mean", "divisions", "downscaling_gain", "effective_sample_size",
    "evaluate", "evaluate_strata", "feature_identities", "floor_warnings", "gain", "gains", "judged_rows", "kge",
    "kge_interval", "last_days", "match_days", "nearest_training_km", "pair_metrics", "pearson_interval",
    "pearson_r", "qa4sm_metrics", "rmsd", "rmsd_interval", "skill_against_truth", "skill_at_stations",
    "spatial_blocks", "spatial_folds", "station_climatology", "station_metrics", "station_skill", "strata",
    "stratified_skill", "triple_collocation", "truth_skill", "ubrmsd", "ubrmsd_interval", "with_offset",
]
