"""Outlines of units, from GeoJSON to what a message can carry."""

from __future__ import annotations

import json
from typing import Any

from sm_core.errors import StaticLayerError

Ring = tuple[tuple[float, float], ...]
_DECIMALS = 4


def simplified(geometry: str, tolerance_deg: float) -> str:
    """The outline with fewer points and four decimals (some 10 m).

    Parameters
    ----------
    geometry
        GeoJSON Polygon or MultiPolygon as text; longitude, latitude.
    tolerance_deg
        No point moves by more than this [degrees].

    Raises
    ------
    StaticLayerError   SM304, not such a geometry.
    """
    import shapely

    shape = _shape(geometry)
    coarse = shapely.simplify(shape, tolerance_deg, preserve_topology=True)
    return json.dumps(_rounded(json.loads(shapely.to_geojson(coarse))), separators=(",", ":"))


def outer_rings(geometry: str) -> tuple[Ring, ...]:
    """Closed outer rings (longitude, latitude) of a Polygon or MultiPolygon; holes are left out.

    A ring that rounding made smaller than a triangle becomes the box around it.
    """
    content = json.loads(geometry)
    polygons = [content["coordinates"]] if content["type"] == "Polygon" else content["coordinates"]
    return tuple(_ring(polygon[0]) for polygon in polygons if polygon)


def _shape(geometry: str) -> Any:
    import shapely

    try:
        shape = shapely.from_geojson(geometry)
    except shapely.errors.ShapelyError as cause:
        raise StaticLayerError(f"a unit's outline is no GeoJSON geometry: {cause}") from cause
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or shape.is_empty:
        raise StaticLayerError("a unit's outline is no polygon", kind=getattr(shape, "geom_type", None))
    return shape


def _rounded(content: dict[str, Any]) -> dict[str, Any]:
    return {"type": content["type"], "coordinates": _round(content["coordinates"])}


def _round(value: Any) -> Any:
    return [_round(part) for part in value] if isinstance(value, list) else round(value, _DECIMALS)


def _ring(points: list[list[float]]) -> Ring:
    ring = tuple((float(point[0]), float(point[1])) for point in points)
    if len(set(ring)) >= 3:
        return ring if ring[0] == ring[-1] else (*ring, ring[0])
    step = 10.0**-_DECIMALS
    west, east = min(lon for lon, _ in ring), max(lon for lon, _ in ring) + step
    south, north = min(lat for _, lat in ring), max(lat for _, lat in ring) + step
    return ((west, south), (east, south), (east, north), (west, north), (west, south))
