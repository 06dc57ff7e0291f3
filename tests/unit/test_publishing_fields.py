from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sm_core.domain import CorrectionFlag, Grid, QaFlag
from sm_core.fusion.flags import FusionFlag
from sm_core.publishing import SOIL_MOISTURE_1KM, product_fields

GRID = Grid.from_origin("g", west=126.0, north=38.0, resolution=0.01, width=2, height=2)


def field(*values: float) -> tuple[tuple[str, str], np.ndarray]:
    return ("y", "x"), np.array(values, np.float32).reshape(2, 2)


@pytest.fixture
def made() -> xr.Dataset:
    corrected = xr.Dataset(
        {"sm_surface": field(0.1, 0.2, 0.3, 0.4), "sm_rootzone": field(0.2, 0.2, 0.2, 0.2),
         "sm_surface_spread": field(0.05, 0.05, 0.05, 0.05), "sm_rootzone_spread": field(0.04, 0.04, 0.04, 0.04),
         "flag": field(CorrectionFlag.CORRECTED, CorrectionFlag.LITTLE_TRUST, CorrectionFlag.UNCORRECTED, 0)},
        attrs={"conservation_error": 1e-8, "day": "2019-06-15"})
    fused = xr.Dataset(
        {"lst_day": field(270.0, 290.0, 290.0, 290.0),
         "lst_day_flag": field(FusionFlag.OBSERVED, FusionFlag.TWO_PAIRS, FusionFlag.OBSERVED, FusionFlag.OBSERVED),
         "ndvi_flag": field(FusionFlag.TWO_PAIRS, FusionFlag.TWO_PAIRS, FusionFlag.FILLED, FusionFlag.TWO_PAIRS)})
    percentiles = xr.Dataset({f"{kind}_{layer}": field(1.0, 8.0, 40.0, 40.0) if kind == "percentile" else
                              field(1, 0, 0, 1) for kind in ("percentile", "extrapolated")
                              for layer in ("sm_surface", "sm_rootzone")})
    statics = xr.Dataset({"land": field(1, 1, 1, 0), "slope": field(0, 25, 0, 0), "land_cover": field(12, 5, 13, 17)})
    return product_fields(corrected, fused, percentiles, statics, GRID, coarse_flags=QaFlag.COARSE_PROVISIONAL)


def test_every_declared_variable_is_there(made: xr.Dataset) -> None:
    assert {v.variable.name for v in SOIL_MOISTURE_1KM.variables} <= set(made.data_vars)


def test_water_is_unknown_everywhere(made: xr.Dataset) -> None:
    assert np.isnan(made["sm_surface"].values[1, 1])
    assert np.isnan(made["percentile_sm_rootzone"].values[1, 1])
    assert made["drought_class"].values.ravel().tolist() == [5, 3, 0, 255]
    assert not made["extrapolated_sm_rootzone"].values[1, 1]


def test_bits_say_what_a_user_should_know(made: xr.Dataset) -> None:
    bits = [QaFlag(int(value)) for value in made["qa_flags"].values.ravel()]
    day = QaFlag.COARSE_PROVISIONAL
    assert bits[0] == day | QaFlag.FROZEN
    assert bits[1] == day | QaFlag.LST_GAP_FILLED | QaFlag.OUTSIDE_TRAINING_DOMAIN | QaFlag.STEEP
    assert bits[2] == day | QaFlag.NDVI_GAP_FILLED | QaFlag.UNCORRECTED | QaFlag.URBAN
    assert bits[3] == day | QaFlag.WATER


def test_what_the_gate_needs_comes_along(made: xr.Dataset) -> None:
    assert made.attrs["conservation_error"] == 1e-8
