from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, field_validator

from sm_core.domain.grid import Grid
from sm_core.domain.record import Record
from sm_core.domain.source import Role
from sm_core.domain.upkeep import Upkeep
from sm_core.errors import RegionFileError


class RoleSources(Record):
    """Which sources may fill an input role; the first that is there is taken."""

    role: Role
    sources: tuple[str, ...]


class StaticLayer(Record):
    """A raster that does not change, in any CRS and resolution that rasterio reads."""

    name: str
    path: str


class Region(Record):
    """A region file: grid, tiles, inputs by role, static layers, admin units, station networks.

    Paths are relative to the archive, or absolute. ``admin_units`` is a GeoJSON file with the property
    ``name_property`` naming each unit; without one, the region itself is the only unit. ``side_by_side`` lists fine
    sources whose images are used together, brought on the level of the one that fills the role.
    """

    region_id: str
    title: str
    title_ko: str = ""
    grid: Grid
    tiles: tuple[str, ...]
    roles: tuple[RoleSources, ...]
    statics: tuple[StaticLayer, ...]
    admin_units: str | None = None
    name_property: str = "name"
    networks: tuple[str, ...] = ()
    side_by_side: tuple[tuple[str, ...], ...] = ()
    upkeep: Upkeep = Upkeep()

    @property
    def korean_title(self) -> str:
        """The title in Korean, where the file has one."""
        return self.title_ko or self.title

    def sources_for(self, role: Role) -> tuple[str, ...]:
        """Source ids of a role in order of preference; empty when the region does not declare it."""
        return next((entry.sources for entry in self.roles if entry.role == role), ())

    def companions(self, role: Role, source_id: str) -> tuple[str, ...]:
        """The sources of a role that are used together with one of them, that one first."""
        group = next((group for group in self.side_by_side if source_id in group), ())
        return (source_id, *(other for other in self.sources_for(role) if other in group and other != source_id))

    @property
    def lonlat_bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) [degrees] of the grid, whatever its CRS."""
        if self.grid.crs == "EPSG:4326":
            return self.grid.bounds
        from pyproj import Transformer

        to_lonlat = Transformer.from_crs(self.grid.crs, "EPSG:4326", always_xy=True)
        return tuple(float(edge) for edge in to_lonlat.transform_bounds(*self.grid.bounds))  # type: ignore[return-value]

    @field_validator("grid", mode="before")
    @classmethod
    def _grid_from_origin(cls, value: Any) -> Any:
        if isinstance(value, dict) and "west" in value:
            return Grid.from_origin(**value)
        return value

    @field_validator("roles", mode="before")
    @classmethod
    def _roles_from_mapping(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return tuple({"role": role, "sources": tuple(sources)} for role, sources in value.items())
        return value

    @field_validator("statics", mode="before")
    @classmethod
    def _statics_from_mapping(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return tuple({"name": name, "path": path} for name, path in value.items())
        return value


def load_region(path: Path) -> Region:
    """Read a region YAML file.

    Raises
    ------
    RegionFileError   SM102, not YAML, a missing or unknown key, or a wrong value (the message names it).
    """
    try:
        return Region.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        raise RegionFileError(f"{path.name} is not YAML: {cause}") from cause
    except TypeError as cause:
        raise RegionFileError(f"{path.name}: grid: {cause}") from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise RegionFileError(f"{path.name}: {key}: {first['msg']}") from cause
