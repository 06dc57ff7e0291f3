from __future__ import annotations

from enum import IntEnum, IntFlag


class QaFlag(IntFlag):
    """Bits of the product's ``qa_flags`` layer: what a user should know about a cell of a day."""

    LST_GAP_FILLED = 1 << 0
    NDVI_GAP_FILLED = 1 << 1
    COARSE_PROVISIONAL = 1 << 2
    COARSE_SUBSTITUTE = 1 << 3
    FROZEN = 1 << 4
    SNOW = 1 << 5
    WATER = 1 << 6
    URBAN = 1 << 7
    STEEP = 1 << 8
    PADDY = 1 << 9
    OUTSIDE_TRAINING_DOMAIN = 1 << 10
    FAR_FROM_STATION = 1 << 11
    CLIPPED = 1 << 12
    TILE_MISSING = 1 << 13
    UNCORRECTED = 1 << 14
    STATE_SUBSTITUTE = 1 << 15


class CorrectionFlag(IntEnum):
    """How far a cell was corrected towards stations."""

    CORRECTED = 0
    LITTLE_TRUST = 1
    UNCORRECTED = 2
    UNKNOWN = 255
