"""Fine images of several sensors and view times, from a world whose differences are known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
import xarray as xr

from sm_core.fusion import View, harmonise

DAY = date(2025, 6, 15)
SHAPE = (12, 15)


def image(values: object) -> xr.DataArray:
    return xr.DataArray(np.broadcast_to(np.asarray(values, np.float32), SHAPE).copy(), dims=("y", "x"))


def view(offset: int, sensor: str, hour: float, *, bias: float = 0.0, slope: float = 2.0) -> View:
    """The surface warms from day to day as the coarse image tells; the sensor sees it at its hour, with its bias."""
    surface = 290.0 + offset + np.linspace(0, 5, SHAPE[1])
    fine = surface + slope * (hour - 10.5) + bias
    return View(sensor, DAY + timedelta(offset), image(fine), image(surface - 3.0), image(hour))


MANY = [view(k, "terra", 10.5 + 0.8 * np.sin(2.3 * k)) for k in range(-16, 17)]


def test_view_time_is_found_and_taken_off() -> None:
    alike, done = harmonise(MANY, "terra", 10.5)
    assert done.slope == pytest.approx(2.0, rel=0.06)      # a little less: it is shrunk
    for seen in alike:
        surface = 290.0 + (seen.day - DAY).days + np.linspace(0, 5, SHAPE[1])
        np.testing.assert_allclose(seen.fine.values, np.broadcast_to(surface, SHAPE), atol=0.1)


def test_two_images_do_not_tell_the_slope() -> None:
    _, done = harmonise([view(0, "terra", 10.4), view(1, "terra", 10.6)], "terra", 10.5)
    assert abs(done.slope) < 0.2


def test_another_sensor_is_brought_on_the_level_of_the_reference() -> None:
    aqua = [view(k, "aqua", 13.5 + 0.5 * np.cos(1.7 * k), bias=1.5) for k in range(-15, 16)]
    alike, done = harmonise([*MANY, *aqua], "terra", 10.5)
    offset = dict(done.offsets)["aqua"]
    assert offset == pytest.approx(2.0 * 3.0 + 1.5, abs=0.3)
    surface = 290.0 + 5 + np.linspace(0, 5, SHAPE[1])
    other = next(seen for seen in alike if seen.sensor == "aqua" and seen.day == DAY + timedelta(5))
    np.testing.assert_allclose(other.fine.values, np.broadcast_to(surface, SHAPE), atol=0.3)


def test_sensors_without_hours_are_brought_on_one_level() -> None:
    first = [View("a", DAY + timedelta(k), image(0.5), image(0.4)) for k in range(4)]
    second = [View("b", DAY + timedelta(k), image(0.53), image(0.4)) for k in range(4)]
    alike, done = harmonise([*first, *second], "a")
    assert dict(done.offsets) == pytest.approx({"a": 0.0, "b": 0.03}, abs=1e-6)
    for seen in alike:
        np.testing.assert_allclose(seen.fine.values, 0.5, atol=1e-6)


def test_unknown_pixels_stay_unknown_and_others_do_not_care() -> None:
    cloudy = [View(v.sensor, v.day, v.fine.copy(), v.coarse, v.hour) for v in MANY]
    for k, seen in enumerate(cloudy):
        seen.fine[:, k % 15] = np.nan
    alike, done = harmonise(cloudy, "terra", 10.5)
    assert done.slope == pytest.approx(2.0, rel=0.06)
    for before, after in zip(cloudy, alike, strict=True):
        np.testing.assert_array_equal(np.isnan(before.fine), np.isnan(after.fine))


def test_reference_that_is_absent_is_replaced_by_the_sensor_with_most_images() -> None:
    aqua = [view(k, "aqua", 13.5) for k in range(5)]
    alike, done = harmonise([*aqua, view(9, "viirs", 13.4)], "terra", None)
    assert dict(done.offsets)["aqua"] == 0.0
    np.testing.assert_array_equal(alike[0].fine.values, aqua[0].fine.values)


def test_nothing_in_nothing_out() -> None:
    assert harmonise([], "terra", 10.5)[0] == ()
