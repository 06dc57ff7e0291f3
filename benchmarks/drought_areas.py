"""Area fractions of Korean provinces in 1-km cells: ours, exactextract's, and plain polygon intersection.

    pip install exactextract
    python benchmarks/drought_areas.py [<GeoJSON> <name property>]

All in one run on the grid of Korea (700 x 1000 cells). exactextract and ours must agree in every cell; intersecting
every cell of a province's box with shapely is done for a few provinces only, for its speed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from scipy import sparse

from sm_core.domain import Grid
from sm_core.drought.coverage import area_fractions

GRID = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=700, height=1000)
BUNDLED = Path(__file__).parents[1] / "sm_core" / "drought" / "boundaries" / "korea_provinces.geojson"
INTERSECTED = 5
REPEATS = 3


def main(path: Path, name_property: str) -> None:
    """Print agreement and seconds."""
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    names = [feature["properties"][name_property] for feature in features]
    shapes = [shapely.make_valid(shapely.geometry.shape(feature["geometry"])) for feature in features]
    corners = sum(len(shapely.get_coordinates(shape)) for shape in shapes)
    ours, our_seconds = _best(lambda: sparse.vstack([area_fractions(shape, GRID) for shape in shapes]).tocsr())
    theirs, their_seconds = _best(lambda: _exactextract(features))
    print(f"{path.name}: {len(names)} units, {corners} corners, {ours.nnz} cells with a share")
    print(f"largest difference from exactextract in a cell   {abs(ours - theirs).max():.2e}")
    areas = np.asarray(ours.sum(axis=1)).ravel(), np.asarray(theirs.sum(axis=1)).ravel()
    print(f"largest relative difference of a unit's area     {np.max(np.abs(areas[0] / areas[1] - 1)):.2e}")
    print(f"seconds, best of {REPEATS}:  ours {our_seconds:.3f}   exactextract {their_seconds:.3f}")
    few = sorted(range(len(shapes)), key=lambda n: areas[0][n])[:INTERSECTED]
    start = time.perf_counter()
    plain = sparse.vstack([_intersected(shapes[n]) for n in few]).tocsr()
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    again = sparse.vstack([area_fractions(shapes[n], GRID) for n in few]).tocsr()
    print(f"the {INTERSECTED} smallest by intersecting every cell: largest difference {abs(again - plain).max():.2e}, "
          f"{seconds:.3f} s (ours {time.perf_counter() - start:.3f} s)")


def _best(made):
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = made()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def _exactextract(features):
    west, south, east, north = GRID.bounds
    raster = NumPyRasterSource(np.zeros(GRID.shape), xmin=west, ymin=south, xmax=east, ymax=north)
    rows = exact_extract(raster, features, ["cell_id", "coverage"])
    cells = GRID.width * GRID.height
    return sparse.vstack([
        sparse.csr_array((row["properties"]["coverage"],
                          (np.zeros(len(row["properties"]["cell_id"]), int), row["properties"]["cell_id"])),
                         shape=(1, cells)) for row in rows
    ]).tocsr()


def _intersected(shape):
    west, south, east, north = shape.bounds
    columns = np.arange(max(int((west - 124.0) * 100), 0), min(int((east - 124.0) * 100) + 1, GRID.width))
    rows = np.arange(max(int((43.0 - north) * 100), 0), min(int((43.0 - south) * 100) + 1, GRID.height))
    row, column = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    cells = shapely.box(124.0 + 0.01 * column, 43.0 - 0.01 * (row + 1), 124.0 + 0.01 * (column + 1), 43.0 - 0.01 * row)
    shapely.prepare(shape)
    share = shapely.area(shapely.intersection(shape, cells)) / 1e-4
    inside = share > 0
    return sparse.csr_array((share[inside], (np.zeros(inside.sum(), int), (row * GRID.width + column)[inside])),
                            shape=(1, GRID.width * GRID.height))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else BUNDLED, sys.argv[2] if len(sys.argv) > 2 else "name")
