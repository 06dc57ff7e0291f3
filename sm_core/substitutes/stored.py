"""Models on disk: a JSON description and named arrays in a plain ``.npz``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sm_core.errors import ModelIntegrityError, ModelNotFoundError


def write_model(directory: Path, name: str, spec: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``<name>.json`` and ``<name>.npz``; the same content gives the same bytes."""
    (directory / f"{name}.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    with zipfile.ZipFile(directory / f"{name}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, values in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{key}.npy"), "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(values), allow_pickle=False)


def read_model(directory: Path, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Description and arrays of a stored model.

    Raises
    ------
    ModelNotFoundError    SM501, there is none in the directory.
    ModelIntegrityError   SM502, a file is damaged.
    """
    description, packed = directory / f"{name}.json", directory / f"{name}.npz"
    if not description.is_file():
        raise ModelNotFoundError(f"no {name} is stored", directory=directory.name)
    try:
        with packed.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = dict(stored)
        return json.loads(description.read_text(encoding="utf-8")), arrays
    except (OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile) as cause:
        raise ModelIntegrityError(f"the {name} cannot be read: {cause}", directory=directory.name) from cause
