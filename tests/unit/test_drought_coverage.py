"""How much of a cell a polygon covers."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sm_core.domain import Grid
from sm_core.drought.coverage import area_fractions, cell_area_km2

GRID = Grid.from_origin("g", west=0, north=4, resolution=1, width=5, height=4, crs="EPSG:5179")


def fractions(shape, grid=GRID):
    return area_fractions(shape, grid).toarray().reshape(grid.shape)


def by_intersection(shape, grid=GRID):
    a, _, c, _, e, f = grid.transform
    cells = [[shapely.box(c + a * i, f + e * (j + 1), c + a * (i + 1), f + e * j) for i in range(grid.width)]
             for j in range(grid.height)]
    return shapely.area(shapely.intersection(shape, np.array(cells))) / abs(a * e)


def test_a_box_by_hand():
    expected = np.zeros((4, 5))
    expected[1] = [0.25, 0.5, 0.5, 0.125, 0]
    expected[2] = [0.5, 1, 1, 0.25, 0]
    expected[3] = [0.375, 0.75, 0.75, 0.1875, 0]
    np.testing.assert_allclose(fractions(shapely.box(0.5, 0.25, 3.25, 2.5)), expected, atol=1e-15)


def test_a_triangle_by_hand():
    """Below the diagonal of the lower left cell lies half of it."""
    assert fractions(shapely.Polygon([(0, 0), (1, 0), (1, 1)]))[3, 0] == pytest.approx(0.5, abs=1e-15)


@given(st.lists(st.tuples(st.floats(-2, 7), st.floats(-2, 6)), min_size=3, max_size=12), st.floats(0, 3))
@settings(max_examples=150, deadline=None)
def test_as_by_intersecting_every_cell(corners, hole):
    """Holes, several parts and what lies outside the grid included."""
    shape = shapely.make_valid(shapely.Polygon(corners)).difference(shapely.box(1, 1, 1 + hole, 2.5))
    shape = shapely.MultiPolygon([p for p in shapely.get_parts(shapely.get_parts([shape])) if p.geom_type == "Polygon"])
    np.testing.assert_allclose(fractions(shape), by_intersection(shape), atol=1e-9)


def test_nothing_outside():
    assert area_fractions(shapely.box(10, 10, 11, 11), GRID).nnz == 0


def test_whole_cells_are_exactly_one():
    assert (fractions(shapely.box(-1, -1, 6, 5)) == 1).all()


def test_cells_of_the_globe_add_up_to_it():
    grid = Grid.from_origin("globe", west=-180, north=90, resolution=10, width=36, height=18)
    assert cell_area_km2(grid).sum() == pytest.approx(510.066e6, rel=1e-4)


def test_projected_cells_have_their_area():
    assert (cell_area_km2(Grid.from_origin("p", west=0, north=0, resolution=1000, width=2, height=2, crs="EPSG:5179"))
            == 1).all()
