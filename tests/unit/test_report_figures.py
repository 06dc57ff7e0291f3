from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pandas as pd
import pytest

from tasks import report_training_figures as figures
from tasks.report_training import coverage


def figure(text: str) -> ET.Element:
    assert "http" not in text
    return ET.fromstring(text)


def test_map_keeps_every_value_where_it_is() -> None:
    values = np.array([[0.05, 0.45, np.nan]], np.float32)
    text = figures.raster("map", values, (0.05, 0.45))
    figure(text)
    data = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", text)[1])  # type: ignore[index]
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8:start - 4])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert list(zlib.decompress(data[start:start + length])) == [0, 140, 81, 10, 1, 102, 94, 205, 205, 205]


def test_large_map_is_thinned() -> None:
    assert len(figures.raster("map", np.full((2000, 1000), 0.2, np.float32), (0.0, 0.5))) < 20000


def test_scatter_counts_known_pairs_and_puts_them_on_the_diagonal() -> None:
    values = np.array([0.1, 0.1, 0.3, np.nan])
    drawn = figure(figures.density("x", values, np.array([0.1, 0.1, 0.3, 0.2])))
    assert "3 station-days" in "".join(drawn.itertext())
    squares = [one for one in drawn.iter("rect") if one.get("fill-opacity")]
    assert [one.get("fill-opacity") for one in squares] == ["1.00", "0.69"]     # log 3 and log 2 of log 3


def test_series_leaves_gaps_out_and_names_its_lines() -> None:
    days = list(pd.date_range("2020-01-01", periods=4))
    drawn = figure(figures.series("S<1>", days, [0.1, np.nan, 0.2, 0.3], {"coarse": [0.1] * 4, "corrected": [0.2] * 4},
                                  [0.05, 0.05, np.nan, 0.05]))
    assert len(list(drawn.iter("circle"))) == 3
    assert {"S<1>", "coarse", "corrected", "station"} <= set(drawn.itertext())
    assert len(next(drawn.iter("polygon")).get("points", "").split()) == 6


def test_bars_are_in_order_of_size() -> None:
    texts = list(figure(figures.bars("gain", {"a": 0.25, "b": 0.75})).itertext())
    assert texts == ["gain", "b", "75.0 %", "a", "25.0 %"]


def test_stations_without_a_value_are_small_and_grey() -> None:
    places = pd.DataFrame({"station_id": ["a", "b"], "lon": [127.0, 127.5], "lat": [36.0, 36.2],
                           "use": ["held_out", "training"]})
    drawn = figure(figures.station_map("x", places, {"a": 0.01}, (0.01, 0.08)))
    circles = list(drawn.iter("circle"))
    assert [one.get("fill") for one in circles] == ["#1a9641", "#bbb"]


def test_reliability_and_empty_inputs_draw() -> None:
    figure(figures.reliability("x", {"surface": {0.5: 0.4, 0.9: 0.95}}))
    figure(figures.density("x", np.array([]), np.array([])))


def test_coverage_by_hand() -> None:
    points = pd.DataFrame({"sm_surface": [0.20, 0.20, 0.20, 0.20], "corrected.sm_surface": [0.206, 0.212, 0.216, 0.25],
                           "sm_surface_spread": [0.01] * 4})
    assert coverage(points, "sm_surface") == {0.5: 0.25, 0.8: 0.5, 0.9: 0.75}
    told = points.assign(sm_surface_halfwidth_90=0.1)
    assert coverage(told, "sm_surface")[0.9] == 1.0


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.6), (127.0, 128.3), (0.0, 1.0)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = list(figures._ticks(low, high))
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
