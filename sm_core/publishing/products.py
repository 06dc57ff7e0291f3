"""The products, declared as data: what is published, how it is stored, what must hold before it is."""

from __future__ import annotations

from typing import Literal

from sm_core.domain import LAYERS, Check, Encoding, Layer, Product, ProductVariable, QaFlag, Variable
from sm_core.drought import NO_DROUGHT, UNKNOWN, USDM

MOISTURE_RANGE = (0.0, 0.6)
"""What soil can hold, by the limits of the station networks [m3 m-3]."""
_WATER_CONTENT = "volume_fraction_of_condensed_water_in_soil"
_DEPTH_M: dict[Layer, tuple[float, float]] = {"sm_surface": (0.0, 0.1), "sm_rootzone": (0.0, 1.0)}
_DEPTH: dict[Layer, str] = {"sm_surface": "0 to 10 cm", "sm_rootzone": "0 to 100 cm"}
_TITLE: dict[Layer, str] = {"sm_surface": "Surface soil moisture", "sm_rootzone": "Root-zone soil moisture"}
_MOISTURE = Encoding(dtype="uint16", scale=0.0001, nodata=65535)
_PERCENT = Encoding(dtype="uint16", scale=0.01, nodata=65535)
_DAYS = Encoding(dtype="uint8", nodata=255)
_CLASSES = Encoding(dtype="uint8", nodata=UNKNOWN, overviews="mode")
_BITS = Encoding(  # 65535 is no value: a cell is of little trust or uncorrected, never both
    dtype="uint16", nodata=65535, overviews="nearest")

_QA_MEANINGS = {
    QaFlag.LST_GAP_FILLED: "land surface temperature gap-filled",
    QaFlag.NDVI_GAP_FILLED: "vegetation index gap-filled",
    QaFlag.COARSE_PROVISIONAL: "coarse soil moisture provisional",
    QaFlag.COARSE_SUBSTITUTE: "coarse soil moisture from a substitute source",
    QaFlag.FROZEN: "soil frozen",
    QaFlag.SNOW: "snow on the ground",
    QaFlag.WATER: "more than half water",
    QaFlag.URBAN: "mostly urban",
    QaFlag.STEEP: "slope above 20 degrees",
    QaFlag.PADDY: "paddy",
    QaFlag.OUTSIDE_TRAINING_DOMAIN: "predictors outside the training domain",
    QaFlag.FAR_FROM_STATION: "more than 50 km from the nearest training station",
    QaFlag.CLIPPED: "clipped to the physical range",
    QaFlag.TILE_MISSING: "a tile of the fine inputs is missing",
    QaFlag.UNCORRECTED: "not corrected by stations",
    QaFlag.STATE_SUBSTITUTE: "coarse temperature or vegetation index from a substitute",
}


def _moisture(layer: Layer) -> ProductVariable:
    return ProductVariable(encoding=_MOISTURE, depth=_DEPTH_M[layer], variable=Variable(
        name=layer, long_name=f"{_TITLE[layer]}, {_DEPTH[layer]}", standard_name=_WATER_CONTENT, units="1",
        valid_range=MOISTURE_RANGE, cell_methods="area: mean depth: mean time: mean",
    ))


def _uncertainty(layer: Layer) -> ProductVariable:
    return ProductVariable(encoding=_MOISTURE, depth=_DEPTH_M[layer], variable=Variable(
        name=f"{layer}_uncertainty", long_name=f"{_TITLE[layer]}, {_DEPTH[layer]}, uncertainty (1 sigma)",
        standard_name=f"{_WATER_CONTENT} standard_error", units="1", valid_range=(0.0, 0.3),
    ))


def _bound(layer: Layer, side: Literal["lower", "upper"]) -> ProductVariable:
    return ProductVariable(encoding=_MOISTURE, depth=_DEPTH_M[layer], variable=Variable(
        name=f"{layer}_{side}_90", long_name=f"{_TITLE[layer]}, {_DEPTH[layer]}, {side} bound of the 90 % interval",
        standard_name=None, units="1", valid_range=MOISTURE_RANGE,
    ))


def _percentile(layer: Layer) -> ProductVariable:
    return ProductVariable(encoding=_PERCENT, depth=_DEPTH_M[layer], variable=Variable(
        name=f"percentile_{layer}", standard_name=None, units="%", valid_range=(0.0, 100.0),
        long_name=f"{_TITLE[layer]}, {_DEPTH[layer]}, percentile among all years within 15 days of the date",
    ))


_AVAILABLE_WATER = ProductVariable(encoding=_PERCENT, depth=_DEPTH_M["sm_rootzone"], variable=Variable(
    name="available_water_ratio", standard_name=None, units="%", valid_range=(0.0, 100.0),
    long_name="Share of the root zone's available water that is left, 0 at wilting point, 100 at field capacity",
))

_OBSERVATION_AGE = ProductVariable(encoding=_DAYS, variable=Variable(
    name="observation_age", standard_name=None, units="day", valid_range=(0, 254),
    long_name="Age of the newest clear observation of land surface temperature",
))

_DROUGHT_CLASS = ProductVariable(
    encoding=_CLASSES,
    depth=_DEPTH_M["sm_rootzone"],
    variable=Variable(
        name="drought_class", standard_name=None, units="1", valid_range=(0, 5),
        long_name="Drought class by the root-zone percentile (0 to 100 cm)",
    ),
    flag_values=(
        (NO_DROUGHT, "no drought", "#FFFFFF"),
        *((drought.value, f"{drought.name} {drought.meaning}", drought.colour) for drought in USDM),
    ),
)

_QA_FLAGS = ProductVariable(
    encoding=_BITS,
    variable=Variable(name="qa_flags", long_name="Quality flags", standard_name="quality_flag", units="1",
                      valid_range=(0, 65534)),
    flag_bits=tuple((flag.bit_length() - 1, _QA_MEANINGS[flag]) for flag in QaFlag),
)

_RANGE_EVIDENCE = "stations hold 0 to 0.60 m3 m-3 by the network's own limits (flags C01 and C02)"
_COVERAGE_EVIDENCE = "without the largest tile, h28v05 with 43.7 % of the peninsula, 0.56 of the land remains"
_COMPLETE_EVIDENCE = "without the smallest tile, h27v05 with 24.0 % of the peninsula, 0.76 of the land remains"
_COPY_EVIDENCE = "as stored, an identical day differs by exactly 0; a day's change of 0.0001 in 1 of 100 cells by 1e-6"
_CONSERVATION_EVIDENCE = "conserved up to rounding (1e-7) by construction; 0.01 is a fifth of the error at stations"
_SEAM_EVIDENCE = "1.03 in the downscaled field, 0.99 in the simulated truth; a copy of the coarse field has no bound"
_DRIFT_EVIDENCE = (
    "50 on the average of years, by definition; 2 and 98 are the driest and wettest day of a year all over a region")
_WRONG_EVIDENCE = "0 or 100 in all cells together is what a wrong unit, scale or climatology gives, not weather"


def _layer_checks(layer: Layer, largest_change: float, change_evidence: str) -> tuple[Check, ...]:
    return (
        Check(name=f"{layer}_range", kind="range", severity="withhold", variable=layer, limits=MOISTURE_RANGE,
              evidence=_RANGE_EVIDENCE),
        Check(name=f"{layer}_coverage", kind="valid_fraction", severity="withhold", variable=layer,
              limits=(0.5, 1.0), evidence=_COVERAGE_EVIDENCE),
        Check(name=f"{layer}_complete", kind="valid_fraction", severity="warn", variable=layer, limits=(0.95, 1.0),
              evidence=_COMPLETE_EVIDENCE),
        Check(name=f"{layer}_not_a_copy", kind="change_from_yesterday", severity="withhold", variable=layer,
              limits=(1e-6, 1.0), evidence=_COPY_EVIDENCE),
        Check(name=f"{layer}_change", kind="change_from_yesterday", severity="warn", variable=layer,
              limits=(0.0, largest_change), evidence=change_evidence),
        Check(name=f"{layer}_seams", kind="seams", severity="warn", variable=layer, limits=(0.0, 1.7),
              evidence=_SEAM_EVIDENCE),
        Check(name=f"{layer}_blocks", kind="seams", severity="withhold", variable=layer, limits=(0.0, 5.0),
              evidence=_SEAM_EVIDENCE),
        Check(name=f"{layer}_drift", kind="mean", severity="warn", variable=f"percentile_{layer}", limits=(2.0, 98.0),
              evidence=_DRIFT_EVIDENCE),
        Check(name=f"{layer}_off", kind="mean", severity="withhold", variable=f"percentile_{layer}",
              limits=(0.1, 99.9), evidence=_WRONG_EVIDENCE),
        Check(name=f"{layer}_conservation", kind="conservation", severity="withhold", variable=layer,
              limits=(0.0, 0.01), evidence=_CONSERVATION_EVIDENCE),
    )


SOIL_MOISTURE_1KM = Product(
    product_id="soil_moisture_1km",
    title="Daily 1-km soil moisture and drought, surface and root zone",
    algorithm_version="1.2.0",
    variables=(
        _moisture("sm_surface"), _moisture("sm_rootzone"),
        _uncertainty("sm_surface"), _uncertainty("sm_rootzone"),
        _percentile("sm_surface"), _percentile("sm_rootzone"),
        _DROUGHT_CLASS, _QA_FLAGS,
        *(_bound(layer, side) for layer in LAYERS for side in ("lower", "upper")),
        _AVAILABLE_WATER, _OBSERVATION_AGE,
    ),
    checks=(
        *_layer_checks("sm_surface", 0.06, (
            "a temporal standard deviation of 0.065 with a lag-1 correlation of 0.9 gives 0.023 on a usual day")),
        *_layer_checks("sm_rootzone", 0.03, (
            "a temporal standard deviation of 0.04 with a lag-1 correlation of 0.98 gives 0.006 on a usual day")),
        *(Check(name=f"{layer}_uncertainty_range", kind="range", severity="withhold", variable=f"{layer}_uncertainty",
                limits=(0.0, 0.3), evidence="published errors at unseen stations are 0.04 to 0.08")
          for layer in LAYERS),
    ),
    licence="CC-BY-NC-4.0",
    citation=(
        "Made from MODIS LST and NDVI (NASA LP DAAC), GLASS LST and NDVI, GLEAM soil moisture "
        "(Miralles et al. 2025, doi:10.1038/s41597-025-04610-y) and ISMN stations (doi:10.5194/hess-25-5749-2021)."
    ),
)
"""Two layers of soil moisture with uncertainty and bounds, what they mean for drought, and their quality."""
