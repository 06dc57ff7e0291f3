"""The small picture of a published layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from sm_core.errors import StoreUnavailableError
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.thumbnail import WIDEST, picture
from tasks.web.layers import map_layers

LAYER = next(layer for layer in map_layers(SOIL_MOISTURE_1KM) if layer.name == "sm_surface")


def raster(path: Path, values: np.ndarray) -> Path:
    stored = np.where(np.isnan(values), LAYER.nodata, (values - LAYER.offset) / LAYER.scale).astype(np.uint16)
    with rasterio.open(path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
                       dtype=np.uint16, nodata=LAYER.nodata, transform=Affine(0.01, 0, 127, 0, -0.01, 38)) as target:
        target.write(stored, 1)
    return path


def test_it_is_small_and_has_the_pages_colours(tmp_path: Path) -> None:
    values = np.full((1000, 700), 0.3)
    values[:500] = 0.1
    values[:, :350] = np.nan
    content = picture(raster(tmp_path / "a.tif", values), LAYER)
    assert content.startswith(b"\x89PNG") and len(content) < 20_000
    with pytest.warns(NotGeoreferencedWarning), MemoryFile(content) as memory, memory.open() as shown:
        assert (shown.width, shown.height) == (WIDEST, round(1000 * WIDEST / 700))
        index, palette = shown.read(1), shown.colormap(1)
    assert palette[int(index[0, -1])][:3] == LAYER.colours[int(index[0, -1])][:3]
    assert index[0, -1] != index[-1, -1]
    assert index[0, 0] == 255 and palette[255][3] == 0


def test_a_file_that_cannot_be_read_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"no raster")
    with pytest.raises(StoreUnavailableError):
        picture(tmp_path / "a.tif", LAYER)
