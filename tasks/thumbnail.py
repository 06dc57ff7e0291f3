"""Small pictures of a published day, for the run's page."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile

from sm_core.domain import ProductItem
from sm_core.errors import StoreUnavailableError
from sm_core.publishing import SOIL_MOISTURE_1KM, file_stem
from tasks.web.layers import CLEAR_INDEX, MapLayer, map_layers

WIDEST = 180
SHOWN = ("sm_surface", "sm_rootzone", "drought_class")


def thumbnails(directory: Path, item: ProductItem) -> str:
    """The day's maps in markdown, as data URIs; nothing for a layer that the item has not."""
    layers = {layer.name: layer for layer in map_layers(SOIL_MOISTURE_1KM)}
    files = {name: directory / f"{file_stem(item)}_{name}.tif" for name in SHOWN}
    pictures = [(layers[name], picture(path, layers[name])) for name, path in files.items() if path.is_file()]
    return " ".join(f"![{layer.title}](data:image/png;base64,{base64.b64encode(content).decode()})"
                    for layer, content in pictures)


def picture(path: Path, layer: MapLayer) -> bytes:
    """A layer as a PNG of at most 180 pixels' width, in the map page's colours.

    Raises
    ------
    StoreUnavailableError   SM702, the file cannot be read.
    """
    try:
        with rasterio.open(path) as source:
            smaller = max(1.0, source.width / WIDEST)
            shape = (max(1, round(source.height / smaller)), max(1, round(source.width / smaller)))
            index, place = layer.palette_index(source.read(1, out_shape=shape)), source.transform
    except rasterio.errors.RasterioError as cause:
        raise StoreUnavailableError(f"a published file cannot be read: {cause}", file=path.name) from cause
    with MemoryFile() as memory:
        with memory.open(driver="PNG", height=shape[0], width=shape[1], count=1, dtype=np.uint8,
                         nodata=CLEAR_INDEX, transform=place, zlevel=9) as target:
            target.write_colormap(1, layer.colours)
            target.write(index, 1)
        return bytes(memory.read())
