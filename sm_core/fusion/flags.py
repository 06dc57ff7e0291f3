"""How a fused value came about."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class FusionFlag(IntEnum):
    """Origin of each fused value, from nothing known to observed on the day itself."""

    UNKNOWN = 0
    TWO_PAIRS = 1
    ONE_PAIR = 2
    FEW_SIMILAR = 3
    OUT_OF_RANGE = 4
    FILLED = 5
    OBSERVED = 6


FUSION_FLAGS: Mapping[FusionFlag, str] = MappingProxyType({
    FusionFlag.UNKNOWN: "unknown",
    FusionFlag.TWO_PAIRS: "two base pairs",
    FusionFlag.ONE_PAIR: "one base pair",
    FusionFlag.FEW_SIMILAR: "too few similar pixels, mean coarse change of the window added",
    FusionFlag.OUT_OF_RANGE: "prediction out of range, mean of the similar pixels at the base dates",
    FusionFlag.FILLED: "coarse value plus mean difference of fine from coarse",
    FusionFlag.OBSERVED: "observed on the day",
})
"""Meaning of each flag value (CF ``flag_values`` and ``flag_meanings`` are made from it)."""
