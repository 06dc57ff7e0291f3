"""What can be shown: each variable of the product with its colours, its legend and its names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sm_core.domain import LAYERS, Product, ProductVariable, QaFlag, Record

Colour = tuple[int, int, int, int]
Kind = Literal["continuous", "classes", "flags"]
CLEAR: Colour = (0, 0, 0, 0)
CLEAR_INDEX, STEPS = 255, 254
"""Of the palette: where nothing is known, and the last step of a ramp."""


class Stop(Record):
    """A value and the colour that it is drawn in; colours between stops are mixed."""

    value: float
    colour: str


class LegendClass(Record):
    """A class and the colour that it is drawn in."""

    value: int
    colour: str
    name: str
    korean: str


class MapLayer(Record):
    """One variable as it is shown."""

    name: str
    kind: Kind
    title: str
    korean: str
    units: str
    long_name: str
    depth: str
    decimals: int
    stops: tuple[Stop, ...] = ()
    classes: tuple[LegendClass, ...] = ()
    flag_bits: tuple[tuple[int, str], ...] = ()
    scale: float
    offset: float
    nodata: float

    @cached_property
    def range(self) -> tuple[float, float]:
        """First and last value of the legend, in units."""
        return (self.stops[0].value, self.stops[-1].value) if self.stops else (0.0, 255.0)

    @cached_property
    def stored_range(self) -> tuple[float, float]:
        """First and last value of the legend, as they are stored."""
        low, high = self.range
        return (low - self.offset) / self.scale, (high - self.offset) / self.scale

    @cached_property
    def colours(self) -> dict[int, Colour]:
        """The palette: a class each, or steps between the ends of the legend; 255 is clear."""
        steps = {one.value: _rgba(one.colour) for one in self.classes} if self.classes else _ramp(self.stops)
        return dict.fromkeys(range(CLEAR_INDEX + 1), CLEAR) | steps

    def palette_index(self, stored: NDArray[np.generic]) -> NDArray[np.uint8]:
        """The palette's entry for each stored number. Same shape."""
        if self.kind == "flags":
            shown = quality_class(stored)
        elif self.kind == "classes":
            shown = stored.astype(np.uint8)
        else:
            low, high = self.stored_range
            shown = np.clip((stored.astype(np.float32) - low) * (STEPS / (high - low)) + 0.5, 0, STEPS).astype(np.uint8)
        return np.where(stored == self.nodata, np.uint8(CLEAR_INDEX), shown)

    def value(self, stored: float) -> float | None:
        """What a stored number means; None where unknown."""
        if stored == self.nodata or not np.isfinite(stored):
            return None
        return round(stored * self.scale + self.offset, self.decimals + 2)


_MOISTURE = (
    (0.0, "#7a3b06"), (0.08, "#b26a1e"), (0.16, "#dfb05f"), (0.22, "#f4e2b0"), (0.28, "#cfe8c8"), (0.34, "#7cc4b5"),
    (0.42, "#2f8fb3"), (0.50, "#12538f"), (0.60, "#0b2559"),
)
_PERCENTILE = (
    (0, "#67001f"), (5, "#b2182b"), (10, "#d6604d"), (20, "#f4a582"), (30, "#fddbc7"), (50, "#f7f7f7"),
    (70, "#d1e5f0"), (80, "#92c5de"), (90, "#4393c3"), (95, "#2166ac"), (100, "#053061"),
)
_UNCERTAINTY = ((0.0, "#fcfbfd"), (0.02, "#dadaeb"), (0.035, "#bcbddc"), (0.05, "#9e9ac8"), (0.065, "#756bb1"),
                (0.08, "#54278f"), (0.1, "#2d0a54"))
_AGE = ((0, "#1a9850"), (4, "#a6d96a"), (8, "#ffffbf"), (16, "#fdae61"), (32, "#d73027"))
_WATER = ((0, "#8c510a"), (15, "#bf812d"), (30, "#dfc27d"), (45, "#f6e8c3"), (60, "#c7eae5"), (80, "#5ab4ac"),
          (100, "#01665e"))
_PLAIN = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
_KOREAN_CLASSES = ("가뭄 없음", "D0 비정상 건조", "D1 보통 가뭄", "D2 심한 가뭄", "D3 극심한 가뭄", "D4 예외적 가뭄")
_NO_DROUGHT = "#e9efe6"
_TITLES = {
    "sm_surface": ("Surface soil moisture", "표층 토양수분"),
    "sm_rootzone": ("Root-zone soil moisture", "근권 토양수분"),
    "percentile_sm_surface": ("Surface percentile", "표층 백분위"),
    "percentile_sm_rootzone": ("Root-zone percentile", "근권 백분위"),
    "drought_class": ("Drought class", "가뭄 등급"),
    "available_water_ratio": ("Available water", "유효수분율"),
    "sm_surface_uncertainty": ("Surface uncertainty (1 σ)", "표층 불확실도 (1 σ)"),
    "sm_rootzone_uncertainty": ("Root-zone uncertainty (1 σ)", "근권 불확실도 (1 σ)"),
    "sm_surface_lower_90": ("Surface, lower 90 % bound", "표층 90 % 하한"),
    "sm_surface_upper_90": ("Surface, upper 90 % bound", "표층 90 % 상한"),
    "sm_rootzone_lower_90": ("Root zone, lower 90 % bound", "근권 90 % 하한"),
    "sm_rootzone_upper_90": ("Root zone, upper 90 % bound", "근권 90 % 상한"),
    "qa_flags": ("Quality", "품질"),
    "observation_age": ("Days since clear observation", "최근 맑은 관측 경과일"),
}
_ORDER = tuple(_TITLES)

_QUALITY: tuple[tuple[QaFlag, str, str, str], ...] = (
    (QaFlag.WATER, "#9ecae1", "water", "수면"),
    (QaFlag.FROZEN | QaFlag.SNOW, "#c6b8e0", "frozen or snow", "동결·적설"),
    (QaFlag.TILE_MISSING, "#636363", "a tile of the inputs is missing", "입력 타일 누락"),
    (QaFlag.OUTSIDE_TRAINING_DOMAIN | QaFlag.UNCORRECTED | QaFlag.FAR_FROM_STATION, "#d95f0e",
     "little or no correction by stations", "관측소 보정 미흡"),
    (QaFlag.URBAN | QaFlag.PADDY | QaFlag.STEEP, "#b3a369", "urban, paddy or steep", "도시·논·급경사"),
    (QaFlag.COARSE_SUBSTITUTE | QaFlag.STATE_SUBSTITUTE | QaFlag.COARSE_PROVISIONAL, "#fec44f",
     "substitute or provisional input", "대체·잠정 입력"),
    (QaFlag.LST_GAP_FILLED | QaFlag.NDVI_GAP_FILLED, "#a1d99b", "gap-filled, not seen on the day", "결측 보완"),
)
"""What is shown where several flags are set: the first of these."""
_GOOD = LegendClass(value=0, colour="#31a354", name="seen on the day, no remark", korean="당일 관측, 특이사항 없음")


@lru_cache(maxsize=8)
def map_layers(product: Product) -> tuple[MapLayer, ...]:
    """Every variable of a product as a layer: those that the page knows first, others after them in plain colours."""
    layers = [_layer(variable) for variable in product.variables]
    known = {name: position for position, name in enumerate(_ORDER)}
    return tuple(sorted(layers, key=lambda layer: known.get(layer.name, len(known))))


def quality_class(flags: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The legend's class of quality bits: the gravest that is set, 0 when none is. Same shape."""
    shown = np.zeros(flags.shape, np.uint8)
    for number, (mask, *_) in reversed(list(enumerate(_QUALITY, 1))):
        shown[flags.astype(np.uint16) & np.uint16(mask) != 0] = number
    return shown


def _layer(declared: ProductVariable) -> MapLayer:
    variable, encoding = declared.variable, declared.encoding
    title, korean = _TITLES.get(variable.name, (variable.long_name, variable.long_name))
    kind: Kind = "classes" if declared.flag_values else "flags" if declared.flag_bits else "continuous"
    moisture = variable.name.startswith(LAYERS)
    decimals = 0 if kind != "continuous" else 3 if moisture else 1 if variable.units == "%" else 2
    return MapLayer(
        name=variable.name, kind=kind, title=title, korean=korean, long_name=variable.long_name, decimals=decimals,
        depth=_depth(declared), units="m³/m³" if moisture else "" if variable.units == "1" else variable.units,
        stops=tuple(Stop(value=value, colour=colour) for value, colour in _stops(declared)) if kind == "continuous"
        else (), classes=_classes(declared), flag_bits=declared.flag_bits,
        scale=encoding.scale, offset=encoding.offset, nodata=encoding.nodata,
    )


def _depth(declared: ProductVariable) -> str:
    if declared.depth is None:
        return ""
    top, bottom = declared.depth
    return f"{100 * top:g}–{100 * bottom:g} cm"


def _stops(declared: ProductVariable) -> Sequence[tuple[float, str]]:
    name, (low, high) = declared.variable.name, declared.variable.valid_range
    if "uncertainty" in name:
        return _UNCERTAINTY
    if name.startswith("percentile"):
        return _PERCENTILE
    if name == "available_water_ratio":
        return _WATER
    if name.startswith(LAYERS):
        return _MOISTURE
    if declared.variable.units in ("d", "day", "days"):
        return _AGE
    return [(low + (high - low) * n / (len(_PLAIN) - 1), colour) for n, colour in enumerate(_PLAIN)]


def _classes(declared: ProductVariable) -> tuple[LegendClass, ...]:
    if declared.flag_bits:
        return (_GOOD, *(LegendClass(value=number, colour=colour, name=name, korean=korean)
                         for number, (_, colour, name, korean) in enumerate(_QUALITY, 1)))
    drought = declared.variable.name == "drought_class"
    return tuple(
        LegendClass(value=value, colour=_NO_DROUGHT if drought and value == 0 else colour, name=name,
                    korean=_KOREAN_CLASSES[value] if drought else name)
        for value, name, colour in declared.flag_values
    )


def _ramp(stops: Sequence[Stop]) -> dict[int, Colour]:
    low, high = stops[0].value, stops[-1].value
    colours: dict[int, Colour] = {}
    for left, right in pairwise(stops):
        first, last = (round(STEPS * (stop.value - low) / (high - low)) for stop in (left, right))
        begin, end = np.array(_rgba(left.colour)), np.array(_rgba(right.colour))
        for value in range(first, last + 1):
            mixed = begin + (end - begin) * (value - first) / max(last - first, 1)
            red, green, blue, alpha = (int(part) for part in np.round(mixed))
            colours[value] = (red, green, blue, alpha)
    return colours


def _rgba(colour: str) -> Colour:
    red, green, blue = (int(colour[start:start + 2], 16) for start in (1, 3, 5))
    return red, green, blue, 255
