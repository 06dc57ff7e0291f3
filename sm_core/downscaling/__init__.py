"""From the coarse cell to 1 km: what the coarse model says, placed where the land is wet or dry."""

from sm_core.downscaling.apply import downscale
from sm_core.downscaling.conservation import Conserved, conserve, edge_contrast
from sm_core.downscaling.features import FEATURE_NAMES, FEATURES, Feature, build_features, feature_hash, known_land
from sm_core.downscaling.model import Downscaler, DownscalerSpec, DownscalingParams, TrainingDay, train

__all__ = [
    "FEATURES", "FEATURE_NAMES", "Conserved", "Downscaler", "DownscalerSpec", "DownscalingParams", "Feature",
    "TrainingDay", "build_features", "conserve", "downscale", "edge_contrast", "feature_hash", "known_land", "train",
]
