"""Intermediate rasters on disk: written once, found again by the identity of what made them.

Plain ``.npz`` files: a day reads and writes about a hundred of them, and NetCDF costs 40 ms to open against 1 ms.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from sm_core.domain import RasterRef

_HEADER = "header"


def identity_of(parts: Iterable[str]) -> str:
    """sha256 over texts, order kept."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Scratch:
    """A folder of rasters named ``<kind>/<label>_<identity>.npz``. It may be deleted at any time between runs."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def store(self, kind: str, label: str, identity: str, make: Callable[[], xr.Dataset]) -> RasterRef:
        """The raster of this identity; made only when it is not there yet."""
        path = self._root / kind / f"{label}_{identity[:16]}.npz"
        if not path.is_file():
            content = _packed(make())
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{uuid.uuid4().hex}.part")
            with partial.open("wb") as stream:
                np.savez(stream, **content)
            partial.replace(path)
        return RasterRef(uri=str(path), identity=identity)


def load(ref: RasterRef) -> xr.Dataset:
    """Read a stored raster into memory."""
    with np.load(ref.uri, allow_pickle=False) as stored:
        header = json.loads(str(stored[_HEADER]))
        fields = {name: (dims, stored[name], attrs) for name, (dims, attrs) in header["fields"].items()}
    coords = {name: fields.pop(name) for name in header["coords"]}
    return xr.Dataset(fields, coords, header["attrs"])


def load_field(ref: RasterRef, name: str) -> xr.DataArray:
    """One variable of a stored raster that holds one time, without coordinates. (y, x)"""
    with np.load(ref.uri, allow_pickle=False) as stored:
        return xr.DataArray(stored[name][0], dims=("y", "x"))


def _packed(ds: xr.Dataset) -> dict[str, np.ndarray]:
    header = {
        "attrs": ds.attrs,
        "coords": [str(name) for name in ds.coords],
        "fields": {str(name): (v.dims, v.attrs) for name, v in ds.variables.items()},
    }
    arrays = {str(name): v.values for name, v in ds.variables.items()}
    return {**arrays, _HEADER: np.array(json.dumps(header, default=_plain))}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else np.asarray(value).tolist()
