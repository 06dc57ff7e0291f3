"""A validator of STAC objects that never asks the network."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pystac
from pystac.errors import STACValidationError
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

SCHEMAS = Path(__file__).parents[1] / "schemas" / "stac"
EXTENSIONS = "https://stac-extensions.github.io"
RASTER = {"sampling": str, "bits_per_sample": int, "spatial_resolution": float, "scale": float, "offset": float,
          "histogram": dict}
"""Fields of a band by raster v2.0.0."""
PROCESSING = {"expression": dict, "lineage": str, "level": str, "facility": str, "software": dict, "version": str,
              "datetime": str}
"""Fields of an item by processing v1.2.0."""


class OfflineValidator(JsonSchemaSTACValidator):
    """The core schemas that come with pystac, those of extensions from the folder, two by the fields that they name."""

    def __init__(self) -> None:
        super().__init__()
        for path in SCHEMAS.glob("*.json"):
            self.schema_cache[f"{EXTENSIONS}/{path.stem.replace('_', '/')}/schema.json"] = json.loads(path.read_text())

    def validate_extension(
        self, stac_dict: dict[str, Any], stac_object_type: STACObjectType, stac_version: str, extension_id: str,
        href: str | None = None,
    ) -> str | None:
        if extension_id == f"{EXTENSIONS}/raster/v2.0.0/schema.json":
            for asset in [*stac_dict.get("assets", {}).values(), *stac_dict.get("item_assets", {}).values()]:
                for band in asset.get("bands", []):
                    _check_fields("raster", RASTER, band)
                    if band.get("raster:sampling", "area") not in ("area", "point"):
                        raise STACValidationError(f"raster:sampling of {band}")
            return extension_id
        if extension_id == f"{EXTENSIONS}/processing/v1.2.0/schema.json":
            _check_fields("processing", PROCESSING, stac_dict["properties"])
            dt.datetime.fromisoformat(stac_dict["properties"]["processing:datetime"])
            return extension_id
        assert extension_id in self.schema_cache, f"no schema of {extension_id}"
        checked: str | None = super().validate_extension(stac_dict, stac_object_type, stac_version, extension_id, href)
        return checked

    def check(self, described: dict[str, Any]) -> list[str]:
        """Validate core and all extensions of an object; returns the ids of what was checked."""
        kind = STACObjectType(described["type"])
        return self.validate(described, kind, described["stac_version"], described.get("stac_extensions", []))


def _check_fields(prefix: str, fields: dict[str, type], holder: dict[str, Any]) -> None:
    found = {key.split(":")[1]: value for key, value in holder.items() if key.startswith(f"{prefix}:")}
    if not found or not found.keys() <= fields.keys():
        raise STACValidationError(f"{prefix}: {sorted(found)}")
    for name, value in found.items():
        wanted = (int, float) if fields[name] is float else fields[name]
        if not isinstance(value, wanted):
            raise STACValidationError(f"{prefix}:{name} is {value!r}")


def broken_links(root: Path) -> list[str]:
    """Relative hrefs of links and assets of every description below a folder that lead to no file."""
    broken = []
    for path in sorted(root.rglob("*.json")):
        described = json.loads(path.read_text(encoding="utf-8"))
        if "stac_version" not in described:
            continue
        hrefs = [link["href"] for link in described["links"]]
        hrefs += [asset["href"] for asset in described.get("assets", {}).values()]
        broken += [f"{path.relative_to(root)}: {href}" for href in hrefs
                   if href.startswith(".") and not (path.parent / href).is_file()]
    return broken


def opened(root: Path) -> pystac.Catalog:
    """The catalogue of a store, as pystac reads it."""
    return pystac.Catalog.from_file(str(root / "catalog.json"))
