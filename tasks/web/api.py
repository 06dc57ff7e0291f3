"""The endpoints. Each hands its work to a few threads and answers with a record, an image or a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from attrs import define
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import FileResponse, Response
from titiler.core.factory import BaseFactory
from titiler.core.models.mapbox import TileJSON

from tasks.web import answers
from tasks.web.limits import PAGE_ITEMS, ZOOM, Limits
from tasks.web.page import PageFiles
from tasks.web.rasters import clear_tile
from tasks.web.site import Site
from tasks.web.stac import StacPages, to_bbox
from tasks.web.workers import Workers

T = TypeVar("T")
Name = Annotated[str, Path(max_length=80)]
Day = Annotated[str, Path(max_length=10, description="YYYY-MM-DD (UTC)")]
Revision = Annotated[int, Path(ge=1, le=9999)]
OptionalDay = Annotated[str | None, Query(max_length=10, description="YYYY-MM-DD (UTC)")]
OptionalRevision = Annotated[int | None, Query(ge=1, le=9999, description="The newest, unless told.")]
Longitude = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees east.")]
Latitude = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees north.")]
Zoom = Annotated[int, Path(ge=0, le=ZOOM)]
Number = Annotated[int, Path(ge=0, lt=2**ZOOM)]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in ((400, "The request is wrong."), (404, "There is no such thing."), (429, "Too many requests."))
}
IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}
FRESH = {"cache-control": "no-cache"}
PNG: dict[str, Any] = {"responses": {200: {"content": {"image/png": {}}}}, "response_class": Response}


class Runner:
    """Quick work (tiles, single values) does not wait behind slow work (series, stations)."""

    def __init__(self, limits: Limits) -> None:
        self.quick = Workers(limits.threads, limits.waiting)
        self.slow = Workers(1, limits.waiting // 4)

    def close(self) -> None:
        """Let the running work end."""
        self.quick.close()
        self.slow.close()


def data_routes(site: Site, runner: Runner) -> APIRouter:
    """Regions, days, layers, values, series, units and stations as JSON."""
    routes = APIRouter(prefix="/api", tags=["data"], responses=PROBLEMS)

    async def quick(work: Callable[..., T], *given: object) -> T:
        return await runner.quick.run(partial(work, *given))

    async def slow(work: Callable[..., T], *given: object) -> T:
        return await runner.slow.run(partial(work, *given))

    @routes.get("/regions")
    async def regions() -> list[answers.RegionAnswer]:
        """Regions of which something is published."""
        return await quick(site.regions)

    @routes.get("/layers")
    async def layers() -> list[answers.LayerAnswer]:
        """Layers with their legends."""
        return site.legends()

    @routes.get("/regions/{region_id}/days")
    async def days(region_id: Name) -> answers.DaysAnswer:
        """Every published day of a region, with its newest revision."""
        return await quick(site.days, region_id)

    @routes.get("/regions/{region_id}/days/{day}")
    async def day(region_id: Name, day: Day, revision: OptionalRevision = None) -> answers.DayAnswer:
        """What a day was made from, how it was checked, and its files."""
        return await quick(site.day, region_id, day, revision)

    @routes.get("/regions/{region_id}/days/{day}/point")
    async def point(
        region_id: Name, day: Day, lon: Longitude, lat: Latitude, revision: OptionalRevision = None
    ) -> answers.PointAnswer:
        """Every layer's value at a place."""
        return await quick(site.point, region_id, day, revision, lon, lat)

    @routes.get("/regions/{region_id}/series/{layer}.csv", response_class=Response)
    async def series_csv(
        region_id: Name, layer: Name, lon: Longitude, lat: Latitude, start: OptionalDay = None, end: OptionalDay = None
    ) -> Response:
        """The series of a layer as a table."""
        found = await slow(site.series, region_id, layer, lon, lat, start, end)
        name = f"{found.layer}_{found.lon:.4f}_{found.lat:.4f}.csv"
        return Response(_csv(found), media_type="text/csv; charset=utf-8",
                        headers=FRESH | {"content-disposition": f'attachment; filename="{name}"'})

    @routes.get("/regions/{region_id}/series/{layer}")
    async def series(
        region_id: Name, layer: Name, lon: Longitude, lat: Latitude, start: OptionalDay = None, end: OptionalDay = None
    ) -> answers.SeriesAnswer:
        """A layer at a place over a period of at most 400 days (the last ones, unless told), with its 90 % interval
        and the station within 5 km."""
        return await slow(site.series, region_id, layer, lon, lat, start, end)

    @routes.get("/regions/{region_id}/units")
    async def units(region_id: Name) -> dict[str, Any]:
        """Administrative units as GeoJSON, outlines to a fifth of a cell."""
        return await slow(site.units, region_id)

    @routes.get("/regions/{region_id}/units/{unit_id}/history")
    async def history(
        region_id: Name, unit_id: Name, start: OptionalDay = None, end: OptionalDay = None
    ) -> answers.UnitHistory:
        """A unit's drought over a period of at most 400 days; the unit "region" is the whole."""
        return await slow(site.history, region_id, unit_id, start, end)

    @routes.get("/regions/{region_id}/stations")
    async def stations(region_id: Name) -> answers.StationsAnswer:
        """Stations, what the models used them for, and the skill at those that no model saw."""
        return await slow(site.stations, region_id)

    @routes.get("/regions/{region_id}/stations/{station_id}/series")
    async def station_series(
        region_id: Name, station_id: Name, start: OptionalDay = None, end: OptionalDay = None
    ) -> answers.StationSeries:
        """A station's daily means on published days."""
        return await slow(site.station_series, region_id, station_id, start, end)

    return routes


@define(kw_only=True)
class FieldTiler(BaseFactory):
    """Map tiles in Web Mercator, 512 pixels wide, and what a map client wants to know of them.

    A factory of titiler.core with less to ask for than its own: a published revision, a layer and a tile, nothing of
    which the answer or its cost would depend besides.
    """

    site: Site
    runner: Runner

    def register_routes(self) -> None:
        """Tiles and their TileJSON."""
        clear = clear_tile()
        site, run = self.site, self.runner.quick.run

        @self.router.get("/tiles/{region_id}/{day}/{revision}/{layer}/{z}/{x}/{y}.png", name="tile", **PNG)
        async def tile(
            region_id: Name, day: Day, revision: Revision, layer: Name, z: Zoom, x: Number, y: Number
        ) -> Response:
            """A tile of a published revision; it never changes."""
            made = await run(partial(site.drawn, region_id, day, revision, layer, (x, y, z)))
            return Response(made or clear, media_type="image/png", headers=IMMUTABLE)

        @self.router.get("/tiles/{region_id}/{day}/{revision}/{layer}/tilejson.json", response_model_exclude_none=True)
        async def tilejson(request: Request, region_id: Name, day: Day, revision: Revision, layer: Name) -> TileJSON:
            """The TileJSON of a layer."""
            site.layer(layer)
            item = await run(partial(site.published.item, region_id, day, revision))
            west, south, east, north = site.bounds(region_id)
            template = self.url_for(request, "tile", region_id=region_id, day=str(item.day), revision=item.revision,
                                    layer=layer, z="{z}", x="{x}", y="{y}")
            return TileJSON(tiles=[template], bounds=(west, south, east, north), minzoom=0, maxzoom=ZOOM, name=layer)


def file_routes(site: Site, runner: Runner) -> APIRouter:
    """Downloads, in parts where the client wants it so."""
    routes = APIRouter(tags=["files"], responses=PROBLEMS)

    @routes.head("/files/{region_id}/{day}/{revision}/{name}", include_in_schema=False)
    @routes.get("/files/{region_id}/{day}/{revision}/{name}", response_class=FileResponse)
    async def file(region_id: Name, day: Day, revision: Revision, name: Annotated[str, Path(max_length=160)]
                   ) -> Response:
        """A file of a revision, as it was published."""
        item = await runner.quick.run(partial(site.published.item, region_id, day, revision))
        return FileResponse(site.published.file(item, name), filename=name, headers=IMMUTABLE)

    return routes


def stac_routes(site: Site, runner: Runner) -> APIRouter:
    """STAC for programs such as pystac-client and QGIS."""
    routes = APIRouter(prefix="/stac", tags=["stac"], responses=PROBLEMS)
    pages = StacPages(site)

    @routes.get("")
    async def landing(request: Request) -> dict[str, Any]:
        """The catalogue."""
        return await runner.quick.run(partial(pages.landing, base_of(request)))

    @routes.get("/conformance")
    async def conformance(request: Request) -> dict[str, Any]:
        """What of the specifications is there."""
        landing = await runner.quick.run(partial(pages.landing, base_of(request)))
        return {"conformsTo": landing["conformsTo"]}

    @routes.get("/collections")
    async def collections(request: Request) -> dict[str, Any]:
        """A collection for each region."""
        return await runner.quick.run(partial(pages.collections, base_of(request)))

    @routes.get("/collections/{collection}")
    async def collection(request: Request, collection: Name) -> dict[str, Any]:
        """One collection."""
        return await runner.quick.run(partial(pages.collection, base_of(request), collection))

    @routes.get("/collections/{collection}/items")
    async def items(
        request: Request, collection: Name, bbox: Annotated[str | None, Query(max_length=120)] = None,
        datetime: Annotated[str | None, Query(max_length=50, pattern=r"^[0-9T:.Z/+-]*$")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS)] = 10, after: OptionalDay = None,
    ) -> dict[str, Any]:
        """The newest revisions of the days, in order, by pages."""
        work = partial(pages.items, base_of(request), collection, bbox=to_bbox(bbox), interval=datetime, limit=limit,
                       after=after)
        return await runner.slow.run(work)

    @routes.get("/collections/{collection}/items/{item}")
    async def item(request: Request, collection: Name, item: Annotated[str, Path(max_length=160)]) -> dict[str, Any]:
        """One revision of one day."""
        return await runner.quick.run(partial(pages.item, base_of(request), collection, item))

    return routes


def page_routes(files: PageFiles) -> APIRouter:
    """The page itself."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return files.get("index.html").answer(request)

    @routes.api_route("/page/{name:path}", methods=["GET", "HEAD"])
    async def page_file(request: Request, name: str) -> Response:
        return files.get(name).answer(request)

    return routes


def base_of(request: Request) -> str:
    """The server's own address as the client knows it, without a slash at its end."""
    return str(request.base_url).rstrip("/")


def _csv(found: answers.SeriesAnswer) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    near = found.station
    table.writerow(["day", "revision", "provisional", found.layer, "lower_90", "upper_90",
                    f"station {near.station_id}" if near else "station"])
    empty: list[float | None] = [None] * len(found.days)
    columns = (found.lower or empty, found.upper or empty, near.values if near else empty)
    table.writerows(zip(found.days, found.revision, map(int, found.provisional), found.values, *columns, strict=True))
    return out.getvalue()
