"""Where soil moisture says nothing about drought."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from sm_core.domain import QaFlag

NOT_ASSESSED = QaFlag.FROZEN | QaFlag.SNOW | QaFlag.WATER | QaFlag.URBAN
PADDY_MONTHS = range(5, 10)
"""Months in which paddies stand under water."""
IGBP_CROPLAND = (12, 14)


def assessable(flags: NDArray[np.integer], day: dt.date) -> NDArray[np.bool_]:
    """Cells whose drought can be judged: not frozen, under snow, mostly water or urban, nor (May to September) paddy.

    Parameters
    ----------
    flags
        Bits of QaFlag. (y, x)
    day
        For the season of the paddies.
    """
    masking = NOT_ASSESSED | (QaFlag.PADDY if day.month in PADDY_MONTHS else QaFlag(0))
    clear: NDArray[np.bool_] = (flags.astype(np.uint16) & np.uint16(int(masking))) == 0
    return clear


def upland(land_cover: NDArray[np.floating], flags: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Cropland that is no paddy, by IGBP class: what the upland stages are about. (y, x)"""
    paddy = (flags.astype(np.uint16) & np.uint16(int(QaFlag.PADDY))) != 0
    fields: NDArray[np.bool_] = np.isin(land_cover, IGBP_CROPLAND) & ~paddy
    return fields
