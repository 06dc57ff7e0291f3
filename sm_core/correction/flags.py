"""How far a corrected value was corrected."""

from __future__ import annotations

CORRECTED, LITTLE_TRUST, UNCORRECTED, UNKNOWN = 0, 1, 2, 255
CORRECTION_FLAGS: tuple[tuple[int, str], ...] = (
    (CORRECTED, "corrected"),
    (LITTLE_TRUST, "corrected by less than half: far from training stations or outside their range of features"),
    (UNCORRECTED, "not corrected: the downscaled value"),
    (UNKNOWN, "unknown"),
)
