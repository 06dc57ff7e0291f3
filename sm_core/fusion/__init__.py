"""Fusion of fine images with gaps and coarse daily images into gap-free fine days (ESTARFM)."""

from sm_core.fusion.estarfm import Pair, fuse
from sm_core.fusion.flags import FUSION_FLAGS, FusionFlag
from sm_core.fusion.harmonise import Harmonisation, View, harmonise
from sm_core.fusion.pairs import fuse_day
from sm_core.fusion.params import LST_PARAMS, NDVI_PARAMS, EstarfmParams
from sm_core.fusion.temporal import coarse_at

__all__ = [
    "FUSION_FLAGS", "LST_PARAMS", "NDVI_PARAMS", "EstarfmParams", "FusionFlag", "Harmonisation", "Pair", "View",
    "coarse_at", "fuse", "fuse_day", "harmonise",
]
