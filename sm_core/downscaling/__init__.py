"""From the coarse cell to 1 km: what the coarse model says, placed where the land is wet or dry."""

from sm_core.downscaling.apply import downscale
from sm_core.downscaling.conservation import Conserved, conserve, edge_contrast
from sm_core.downscaling.features import FEATURE_NAMES, FEATURES, Feature, build_features, feature_hash, known_land
from sm_core.downscaling.model import LEVELS, TIER_NAMES, TIERS, Downscaler, DownscalerSpec, LayerFit, Tier
from sm_core.downscaling.params import DownscalingParams, tuned
from sm_core.downscaling.terrain import topographic_wetness
from sm_core.downscaling.training import TrainingDay, train
from sm_core.downscaling.trees import Trees

__all__ = [
    "FEATURES", "FEATURE_NAMES", "LEVELS", "TIERS", "TIER_NAMES", "Conserved", "Downscaler", "DownscalerSpec",
    "DownscalingParams", "Feature", "LayerFit", "Tier", "TrainingDay", "Trees", "build_features", "conserve",
    "downscale", "edge_contrast", "feature_hash", "known_land", "topographic_wetness", "train", "tuned",
]
