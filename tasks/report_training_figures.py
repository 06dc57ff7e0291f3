"""Figures of a training's report as SVG text: no script, no font, no request to anywhere."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 26, 38
COLOURS = ("#1b1b1b", "#b5651d", "#2b7bba", "#3a9a55", "#8a4fb0")
SOIL = ((0.0, (140, 81, 10)), (0.25, (216, 179, 101)), (0.5, (245, 245, 230)), (0.75, (90, 180, 172)),
        (1.0, (1, 102, 94)))
"""From dry to wet."""
CHANGE = ((0.0, (178, 24, 43)), (0.5, (247, 247, 247)), (1.0, (33, 102, 172)))
GOOD_TO_BAD = ((0.0, (26, 150, 65)), (0.5, (255, 255, 191)), (1.0, (215, 25, 28)))
UNKNOWN = (205, 205, 205)
BINS = 45
MOST_PIXELS = 400
Stops = tuple[tuple[float, tuple[int, int, int]], ...]


class Axes:
    """A frame with ticks; ``x`` and ``y`` bring values to its pixels."""

    def __init__(
        self, title: str, x_range: tuple[float, float], y_range: tuple[float, float], x_name: str = "",
        y_name: str = "", width: int = WIDTH, height: int = HEIGHT, x_ticks: Mapping[float, str] | None = None,
    ) -> None:
        self._x_range, self._y_range, self._width, self._height = _wide(x_range), _wide(y_range), width, height
        self._parts = [f'<text x="{LEFT}" y="16" class="t">{escape(title)}</text>']
        for value, name in (x_ticks or _ticks(*self._x_range)).items():
            at = self.x(value)
            self._parts.append(f'<line x1="{at}" x2="{at}" y1="{TOP}" y2="{height - BOTTOM}" class="g"/>'
                               f'<text x="{at}" y="{height - BOTTOM + 14}" text-anchor="middle">{escape(name)}</text>')
        for value, name in _ticks(*self._y_range).items():
            at = self.y(value)
            self._parts.append(f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{at}" y2="{at}" class="g"/>'
                               f'<text x="{LEFT - 5}" y="{at + 4}" text-anchor="end">{escape(name)}</text>')
        self._parts.append(f'<text x="{(LEFT + width - RIGHT) / 2}" y="{height - 6}" text-anchor="middle">'
                           f'{escape(x_name)}</text>')
        self._parts.append(f'<text transform="translate(11 {(TOP + height - BOTTOM) / 2}) rotate(-90)" '
                           f'text-anchor="middle">{escape(y_name)}</text>')

    def x(self, value: float) -> float:
        low, high = self._x_range
        return round(LEFT + (value - low) / (high - low) * (self._width - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self._y_range
        return round(self._height - BOTTOM - (value - low) / (high - low) * (self._height - TOP - BOTTOM), 1)

    def add(self, part: str) -> None:
        self._parts.append(part)

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, dash: str = "") -> None:
        points = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys, strict=True) if math.isfinite(y))
        self.add(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" '
                 f'stroke-dasharray="{dash}"/>')

    def dots(self, xs: Sequence[float], ys: Sequence[float], colour: str, radius: float = 2.6) -> None:
        self.add("".join(f'<circle cx="{self.x(x)}" cy="{self.y(y)}" r="{radius}" fill="{colour}"/>'
                         for x, y in zip(xs, ys, strict=True) if math.isfinite(y)))

    def legend(self, names: Mapping[str, str]) -> None:
        for row, (name, colour) in enumerate(names.items()):
            at = TOP + 14 + 14 * row
            self.add(f'<rect x="{LEFT + 8}" y="{at - 8}" width="10" height="8" fill="{colour}"/>'
                     f'<text x="{LEFT + 22}" y="{at}">{escape(name)}</text>')

    def svg(self) -> str:
        frame = (f'<rect x="{LEFT}" y="{TOP}" width="{self._width - LEFT - RIGHT}" '
                 f'height="{self._height - TOP - BOTTOM}" fill="none" stroke="#888"/>')
        return (f'<svg viewBox="0 0 {self._width} {self._height}" width="{self._width}" height="{self._height}" '
                f'role="img">{"".join(self._parts)}{frame}</svg>')


def density(title: str, observed: NDArray[np.float64], estimate: NDArray[np.float64]) -> str:
    """Pooled scatter as counts in squares; the diagonal is perfect agreement. [m3 m-3]"""
    axes = Axes(title, (0.0, 0.6), (0.0, 0.6), "station [m³/m³]", "estimate [m³/m³]", height=320)
    known = np.isfinite(observed) & np.isfinite(estimate)
    counts, edges, _ = np.histogram2d(observed[known], estimate[known], BINS, ((0, 0.6), (0, 0.6)))
    side_x, side_y = axes.x(edges[1]) - axes.x(edges[0]), axes.y(edges[0]) - axes.y(edges[1])
    strongest = math.log1p(counts.max()) or 1.0
    for i, j in zip(*np.nonzero(counts), strict=True):
        share = math.log1p(counts[i, j]) / strongest
        axes.add(f'<rect x="{axes.x(edges[i])}" y="{axes.y(edges[j + 1])}" width="{side_x:.1f}" height="{side_y:.1f}" '
                 f'fill="#23527c" fill-opacity="{0.15 + 0.85 * share:.2f}"/>')
    axes.line((0.0, 0.6), (0.0, 0.6), "#b03030", "4 3")
    axes.legend({f"{int(known.sum())} station-days": "#23527c"})
    return axes.svg()


def series(
    title: str, days: Sequence[pd.Timestamp], observed: Sequence[float], lines: Mapping[str, Sequence[float]],
    half_width: Sequence[float] | None = None,
) -> str:
    """Values at one station; the shade is the 90 % interval of the last line. [m3 m-3]"""
    xs = [day.toordinal() for day in days]
    values = np.array([*observed, *(v for line in lines.values() for v in line)], np.float64)
    low, high = (float(np.nanmin(values)), float(np.nanmax(values))) if np.isfinite(values).any() else (0.0, 0.6)
    bottom, top = max(0.0, low - 0.1), high + 0.15
    axes = Axes(title, (min(xs) - 5, max(xs) + 30), (bottom, top), "", "m³/m³", width=540, height=220,
                x_ticks=_day_ticks(days))
    if half_width is not None:
        middle = list(lines.values())[-1]
        band = [(x, m, h) for x, m, h in zip(xs, middle, half_width, strict=True) if math.isfinite(m + h)]
        corners = [f"{axes.x(x)},{axes.y(min(m + h, top))}" for x, m, h in band]
        corners += [f"{axes.x(x)},{axes.y(max(m - h, bottom))}" for x, m, h in reversed(band)]
        axes.add(f'<polygon points="{" ".join(corners)}" fill="{COLOURS[len(lines)]}" fill-opacity="0.15"/>')
    for colour, line in zip(COLOURS[1:], lines.values(), strict=False):
        axes.line(xs, line, colour)
    axes.dots(xs, observed, COLOURS[0])
    axes.legend(dict(zip(("station", *lines), COLOURS, strict=False)))
    return axes.svg()


def station_map(
    title: str, places: pd.DataFrame, values: Mapping[str, float], limits: tuple[float, float]
) -> str:
    """Where stations stand: those judged coloured by their value, grey the others.

    ``places``: station_id, lon, lat [degrees], use.
    """
    axes = Axes(title, _around(places["lon"]), _around(places["lat"]), "°E", "°N", height=340)
    for row in places.itertuples():
        value = values.get(str(row.station_id), math.nan)
        known = math.isfinite(value)
        colour = _rgb(_mix(GOOD_TO_BAD, _share(value, limits))) if known else "#bbb"
        text = f"{row.station_id} ({row.use})" + (f": {value:.3f}" if known else "")
        axes.add(f'<circle cx="{axes.x(row.lon)}" cy="{axes.y(row.lat)}" r="{5 if known else 2.5}" fill="{colour}" '
                 f'stroke="#444" stroke-width="0.6"><title>{escape(text)}</title></circle>')
    return axes.svg()


def raster(title: str, values: NDArray[np.floating], limits: tuple[float, float], *, change: bool = False) -> str:
    """A map as an image inside the page, with its scale. (y, x)"""
    step = max(1, -(-max(values.shape) // MOST_PIXELS))
    shown = values[::step, ::step]
    stops = CHANGE if change else SOIL
    width = 240
    height = max(60, round(width * shown.shape[0] / shown.shape[1]))
    image = base64.b64encode(_png(_coloured(shown, limits, stops))).decode()
    scale = base64.b64encode(_png(_coloured(np.linspace(*limits, 100)[None, :], limits, stops))).decode()
    return (
        f'<svg viewBox="0 0 {width} {height + 46}" width="{width}" height="{height + 46}" role="img">'
        f'<text x="0" y="14" class="t">{escape(title)}</text>'
        f'<image x="0" y="20" width="{width}" height="{height}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{image}"/>'
        f'<image x="40" y="{height + 28}" width="{width - 80}" height="8" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{scale}"/>'
        f'<text x="36" y="{height + 36}" text-anchor="end">{limits[0]:g}</text>'
        f'<text x="{width - 36}" y="{height + 36}">{limits[1]:g}</text></svg>'
    )


def reliability(title: str, covered: Mapping[str, Mapping[float, float]]) -> str:
    """Share of observations inside intervals against the share that was promised; the diagonal is honest."""
    axes = Axes(title, (0.4, 1.0), (0.0, 1.0), "promised", "found")
    axes.line((0.4, 1.0), (0.4, 1.0), "#b03030", "4 3")
    for colour, found in zip(COLOURS[1:], covered.values(), strict=False):
        axes.line(list(found), list(found.values()), colour)
        axes.dots(list(found), list(found.values()), colour, 4)
    axes.legend(dict(zip(covered, COLOURS[1:], strict=False)))
    return axes.svg()


def bars(title: str, values: Mapping[str, float]) -> str:
    """Shares by name, the largest first."""
    ordered = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    height, most = 30 + 16 * len(ordered), max([*values.values(), 1e-12])
    parts = [f'<text x="0" y="14" class="t">{escape(title)}</text>']
    for row, (name, value) in enumerate(ordered):
        at = 26 + 16 * row
        parts.append(f'<text x="150" y="{at + 9}" text-anchor="end">{escape(name)}</text>'
                     f'<rect x="156" y="{at}" width="{170 * value / most:.1f}" height="11" fill="#2b7bba"/>'
                     f'<text x="{160 + 170 * value / most:.1f}" y="{at + 9}">{100 * value:.1f} %</text>')
    return f'<svg viewBox="0 0 390 {height}" width="390" height="{height}" role="img">{"".join(parts)}</svg>'


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """An RGB image as PNG. (y, x, 3)"""
    height, width, _ = pixels.shape
    rows = b"".join(b"\x00" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def _coloured(values: NDArray[np.floating], limits: tuple[float, float], stops: Stops) -> NDArray[np.uint8]:
    known = np.isfinite(values)
    share = np.clip((np.where(known, values, limits[0]) - limits[0]) / (limits[1] - limits[0]), 0, 1)
    at = [stop for stop, _ in stops]
    channels = [np.interp(share, at, [colour[n] for _, colour in stops]) for n in range(3)]
    pixels = np.stack(channels, axis=-1)
    pixels[~known] = UNKNOWN
    return pixels.round().astype(np.uint8)


def _mix(stops: Stops, share: float) -> tuple[int, int, int]:
    at = [stop for stop, _ in stops]
    red, green, blue = (round(float(np.interp(share, at, [colour[n] for _, colour in stops]))) for n in range(3))
    return red, green, blue


def _rgb(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _share(value: float, limits: tuple[float, float]) -> float:
    return min(max((value - limits[0]) / (limits[1] - limits[0]), 0.0), 1.0)


def _ticks(low: float, high: float) -> dict[float, str]:
    step = 10 ** math.floor(math.log10((high - low) / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step - 1e-9)
    values = [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]
    return {value: f"{value:.10g}" for value in values}


def _day_ticks(days: Sequence[pd.Timestamp]) -> dict[float, str]:
    chosen = [days[round(n * (len(days) - 1) / 3)] for n in range(4)] if days else []
    return {float(day.toordinal()): f"{day:%Y-%m-%d}" for day in chosen}


def _around(values: pd.Series) -> tuple[float, float]:
    margin = 0.05 + 0.05 * float(np.ptp(values.to_numpy()))
    return float(values.min()) - margin, float(values.max()) + margin


def _wide(limits: tuple[float, float]) -> tuple[float, float]:
    return limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
