from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sm_core.errors import SchemaDriftError
from sm_core.grid import sinusoidal
from sm_core.sources.structmetadata import (
    geographic_corners,
    grid_shaped,
    parse,
    sinusoidal_cells,
    tile_cells,
    unpack_dms,
)


def one(writers: Any, shape: tuple[int, int], corners: tuple[float, ...], projection: str = "GCTP_SNSOID") -> Any:
    return parse(writers.struct_metadata("G", shape, corners, ["F"], projection))[0]


def test_fields_sizes_and_corners_are_parsed(writers: Any) -> None:
    grid = one(writers, (3, 4), (1.0, 2.0, 3.0, -4.0))
    assert (grid.name, grid.width, grid.height, grid.fields) == ("G", 4, 3, ("F",))
    assert (grid.upper_left, grid.lower_right, grid.projection) == ((1.0, 2.0), (3.0, -4.0), "GCTP_SNSOID")


def test_lines_that_some_products_have_change_nothing(writers: Any) -> None:
    text = writers.struct_metadata("G", (1200, 1200), writers.tile_corners("h28v05"), ["F"])
    more = text.replace("\t\tSphereCode=-1\n", "\t\tSphereCode=-1\n\t\tGridOrigin=HDFE_GD_UL\n"
                        "\t\tPixelRegistration=HDFE_CENTER\n\t\tProjParams=(6371007.181000,0,0,0,0,0,0,0,86400)\n")
    a, b = (sinusoidal_cells(parse(t)[0], "h28v05", "file") for t in (text, more + "\0" * 20000))
    np.testing.assert_array_equal(a.x, b.x)
    np.testing.assert_array_equal(a.y, b.y)


def test_default_corners_are_none(writers: Any) -> None:
    text = writers.struct_metadata("G", (3, 4), (0, 0, 0, 0), ["F"]).replace("(0.000000,0.000000)", "DEFAULT")
    assert parse(text)[0].upper_left is None


def test_of_several_grids_the_one_with_the_field_is_taken(writers: Any) -> None:
    small = writers.struct_metadata("small", (4, 5), writers.subset_corners("h28v05", 0, 0, (4, 5)), ["a"])
    large = writers.struct_metadata("large", (8, 9), writers.subset_corners("h28v05", 0, 0, (8, 9)), ["b"])
    text = small + large.replace("GRID_1", "GRID_2")
    assert [grid.name for grid in parse(text)] == ["small", "large"]
    assert len(tile_cells(text, {"b": (8, 9)}, "", "file").x) == 9


@pytest.mark.parametrize("tile", ["h00v08", "h18v09", "h27v04", "h28v05", "h35v10"])
def test_whole_tile_centres_are_exact_although_corners_are_printed_to_a_micrometre(writers: Any, tile: str) -> None:
    cells = sinusoidal_cells(one(writers, (1200, 1200), writers.tile_corners(tile)), tile, "file")
    west, south, east, north = sinusoidal.tile_bounds(tile)
    assert cells.x[0] - west == pytest.approx(sinusoidal.CELL_M / 2, abs=1e-6)
    assert east - cells.x[-1] == pytest.approx(sinusoidal.CELL_M / 2, abs=1e-6)
    assert north - cells.y[0] == pytest.approx(sinusoidal.CELL_M / 2, abs=1e-6)
    assert cells.y[-1] - south == pytest.approx(sinusoidal.CELL_M / 2, abs=1e-6)


def test_tile_is_found_when_the_name_tells_none(writers: Any) -> None:
    assert sinusoidal_cells(one(writers, (1200, 1200), writers.tile_corners("h27v05")), "", "file").tile == "h27v05"


def test_whole_tile_elsewhere_than_its_name_says_is_refused(writers: Any) -> None:
    with pytest.raises(SchemaDriftError, match="not in tile h28v05"):
        sinusoidal_cells(one(writers, (1200, 1200), writers.tile_corners("h27v05")), "h28v05", "file")


def test_whole_tile_off_the_lattice_is_refused(writers: Any) -> None:
    west, north, east, south = writers.tile_corners("h28v05")
    with pytest.raises(SchemaDriftError, match="not in tile"):
        sinusoidal_cells(one(writers, (1200, 1200), (west + 500, north, east + 500, south)), "", "file")


def test_subset_under_a_tile_name_keeps_its_own_corners(writers: Any) -> None:
    """Corners and size of a subset that reaches beyond the tile in its name."""
    grid = one(writers, (185, 219), (670117.907295, 5608858.446491, 873048.877134, 5437432.741376))
    cells = sinusoidal_cells(grid, "h18v04", "MOD13A2.A2016145.h18v04.006.2016166145124.hdf")
    assert (cells.tile, len(cells.y), len(cells.x)) == ("h18v04", 185, 219)
    assert cells.x[0] == pytest.approx(670117.907295 + 463.3127, abs=0.01)
    assert cells.y[-1] == pytest.approx(5437432.741376 + 463.3127, abs=0.01)


@pytest.mark.parametrize(("shape", "factor", "projection"), [
    ((1200, 1200), 2.0, "GCTP_SNSOID"), ((2400, 2400), 1.0, "GCTP_SNSOID"), ((1200, 1200), 1.0, "GCTP_GEO"),
])
def test_other_cell_sizes_and_projections_are_refused(
    writers: Any, shape: tuple[int, int], factor: float, projection: str
) -> None:
    west, north, east, south = writers.tile_corners("h28v05")
    corners = (west, north, west + (east - west) * factor, north - (north - south) * factor)
    with pytest.raises(SchemaDriftError):
        sinusoidal_cells(one(writers, shape, corners, projection), "h28v05", "file")


def test_fields_of_another_shape_than_the_grid_are_refused(writers: Any) -> None:
    text = writers.struct_metadata("G", (4, 5), writers.subset_corners("h28v05", 0, 0, (4, 5)), ["a", "b"])
    with pytest.raises(SchemaDriftError, match="differ in shape"):
        tile_cells(text, {"a": (4, 5), "b": (5, 4)}, "", "file")
    with pytest.raises(SchemaDriftError, match="no grid with 'c'"):
        tile_cells(text, {"c": (4, 5)}, "", "file")


def test_garbled_numbers_are_a_coded_error(writers: Any) -> None:
    text = writers.struct_metadata("G", (4, 5), (0, 0, 0, 0), ["a"]).replace("XDim=5", "XDim=5?")
    with pytest.raises(SchemaDriftError, match="garbled"):
        parse(text)


@pytest.mark.parametrize(("packed", "degrees"), [
    (-180000000.0, -180.0), (90000000.0, 90.0), (0.0, 0.0), (-179030000.0, -179.5), (124015036.0, 124.26),
])
def test_packed_degrees_minutes_seconds(packed: float, degrees: float) -> None:
    assert math.isclose(unpack_dms(packed), degrees, abs_tol=1e-9)


@pytest.mark.parametrize("corners", [
    (-180000000.0, 90000000.0, 180000000.0, -90000000.0), (-180.0, 90.0, 180.0, -90.0),
])
def test_global_corners_packed_or_in_degrees(writers: Any, corners: tuple[float, ...]) -> None:
    assert geographic_corners(one(writers, (3600, 7200), corners, "GCTP_GEO")) == (-180.0, -90.0, 180.0, 90.0)


def test_grid_is_found_by_shape(writers: Any) -> None:
    text = writers.struct_metadata("G", (4, 5), (0, 0, 0, 0), ["a"])
    found = grid_shaped(text, (4, 5))
    assert found is not None
    assert found.name == "G"
    assert grid_shaped(text, (5, 4)) is None
