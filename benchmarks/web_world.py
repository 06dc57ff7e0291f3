"""A published record of the Korean peninsula to look at and to measure with: smooth random weather, no science.

    python benchmarks/web_world.py FOLDER --days 40

Everything is written by the code that publishes. Nothing here says how good the product is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from global_land_mask import globe
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from sm_core.domain import Grid
from tests.web.world import World

GRID = Grid.from_origin("korea", west=124.0, north=43.0, resolution=0.01, width=700, height=1000)
LAST = dt.date(2025, 8, 31)
PROVISIONAL_DAYS = 4
STATIONS = (
    ("Suwon", 127.05, 37.25), ("Cheorwon", 127.30, 38.15), ("Jinju", 128.16, 35.16), ("Andong", 128.70, 36.57),
    ("Gwangju", 126.90, 35.17), ("Jeju", 126.53, 33.45), ("Gangneung", 128.85, 37.75), ("Daejeon", 127.37, 36.37),
)


def weather(days: int, seed: int = 1) -> Iterator[dict[str, np.ndarray]]:
    """Fields of consecutive days: a standard-normal anomaly that drifts, and what would follow from it."""
    random = np.random.default_rng(seed)
    land = globe.is_land(*np.meshgrid(GRID.y, GRID.x, indexing="ij"))
    texture = _smooth(random, 3) * 0.6 + _smooth(random, 12) * 0.8
    usual = np.clip(0.26 + 0.045 * texture + 0.02 * _smooth(random, 80), 0.06, 0.5)
    anomaly = _smooth(random, 70)
    for number in range(days):
        anomaly = 0.93 * anomaly + 0.37 * _smooth(random, 60)
        drying = anomaly - 1.3 * number / days / (1 + np.exp(3 * (GRID.y[:, None] - 38)))
        fine = drying + 0.35 * _smooth(random, 5)
        clouds = _smooth(random, 30) > 0.4
        yield _fields(land, usual, drying, fine, texture, clouds)


def _fields(
    land: np.ndarray, usual: np.ndarray, deep: np.ndarray, shallow: np.ndarray, texture: np.ndarray, clouds: np.ndarray
) -> dict[str, np.ndarray]:
    def on_land(values: np.ndarray) -> np.ndarray:
        return np.where(land, values, np.nan)

    sigma = 0.03 + 0.008 * np.abs(texture) + 0.015 * clouds
    flags = np.where(clouds, 1, 0) | np.where(land, 0, 64) | np.where(texture > 2.2, 128, 0) | np.where(
        texture < -2.4, 256, 0)
    return {
        "sm_surface": on_land(np.clip(usual + 0.055 * shallow, 0.02, 0.58)),
        "sm_rootzone": on_land(np.clip(usual + 0.03 + 0.035 * deep, 0.03, 0.58)),
        "sm_surface_uncertainty": on_land(sigma), "sm_rootzone_uncertainty": on_land(0.8 * sigma),
        "percentile_sm_surface": on_land(100 * norm.cdf(shallow)),
        "percentile_sm_rootzone": on_land(100 * norm.cdf(deep)),
        "available_water_ratio": on_land(np.clip(55 + 25 * deep, 0, 100)),
        "observation_age": on_land(np.round(np.clip(3 * clouds + 2 * np.abs(texture), 0, 60))),
        "qa_flags": flags.astype(np.uint16),
    }


def _smooth(random: np.random.Generator, cells: float) -> np.ndarray:
    """Standard-normal noise, smoothed over so many cells."""
    step = max(1, int(cells // 4))
    shape = (GRID.height // step + 2, GRID.width // step + 2)
    rough = gaussian_filter(random.standard_normal(shape), cells / step)
    full = np.kron(rough, np.ones((step, step)))[:GRID.height, :GRID.width]
    full = gaussian_filter(full, step / 2) if step > 1 else full
    return (full - full.mean()) / full.std()


def build(folder: Path, days: int) -> None:
    """Publish so many days, the last four provisional, with eight stations that differ from them by noise."""
    world = World(folder, GRID, title="Korean Peninsula", units="korea_provinces")
    dates = [LAST - dt.timedelta(days=days - 1 - n) for n in range(days)]
    names = [f"N_{name}" for name, _, _ in STATIONS]
    rows = [(int((GRID.bounds[3] - lat) / 0.01), int((lon - GRID.bounds[0]) / 0.01)) for _, lon, lat in STATIONS]
    seen: list[list[float]] = []
    history: list[object] = []
    for number, (day, values) in enumerate(zip(dates, weather(days), strict=True)):
        maturity = "provisional" if number >= days - PROVISIONAL_DAYS else "final"
        _, summary = world.publish(day, values, maturity=maturity, stations=names, history=history)
        history.append(summary)
        seen.append([float(values["sm_surface"][row, column]) for row, column in rows])
        if number == days // 2:
            world.publish(day, {**values, "sm_surface": values["sm_surface"] * 0.999}, stations=names)
    random = np.random.default_rng(2)
    for (name, lon, lat), values in zip(STATIONS, np.array(seen).T, strict=True):
        world.write_station(name, lon, lat, dates, np.clip(values + random.normal(0.01, 0.015, days), 0.02, 0.58))
    world.write_report(dates[0], dates[-1], names[len(names) // 2:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=40)
    given = parser.parse_args()
    build(given.folder, given.days)
