"""The application: what is published, behind a guard, with the page in front."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI

from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.adapters.mirror import STATION_SOURCES, Mirror
from tasks.web.api import PROBLEMS, FieldTiler, Runner, data_routes, file_routes, page_routes, stac_routes
from tasks.web.guard import Guard, handle_errors
from tasks.web.limits import Limits
from tasks.web.page import PageFiles
from tasks.web.published import Published
from tasks.web.site import Site
from tasks.web.stations import Stations
from tasks.wiring import Services

DESCRIPTION = (
    "Daily soil moisture of two layers and the drought it means, as published: read-only. Errors are problem records "
    "(RFC 9457) with a code of docs/error-codes.md. Tiles and files of a revision never change."
)


def open_site(here: Services, limits: Limits) -> Site:
    """What lies in the data folder of these services, and the stations and units beside it."""
    def titles_of(region_id: str) -> tuple[str, str]:
        region = here.region(region_id)
        return region.title, region.korean_title

    return Site(
        Published(here.store, SOIL_MOISTURE_1KM), Stations(lambda: station_files(here)),
        lambda region_id: here.units(here.region(region_id)), titles_of,
        here.reports, limits,
    )


def create_app(site: Site, hosts: Sequence[str] = ()) -> FastAPI:
    """The web application.

    Parameters
    ----------
    hosts
        Names that requests may be for; empty: any.
    """
    runner, files = Runner(site.limits), PageFiles()

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        await runner.quick.run(site.regions)
        await runner.quick.run(files.compress)
        yield
        runner.close()

    app = FastAPI(title="sm-daily", description=DESCRIPTION, version=site.published.product.algorithm_version,
                  docs_url=None, redoc_url=None, lifespan=alive)
    handle_errors(app)
    tiles = FieldTiler(router=APIRouter(tags=["tiles"], responses=PROBLEMS), site=site, runner=runner)
    for routes in (data_routes(site, runner), tiles.router, file_routes(site, runner),
                   stac_routes(site, runner), page_routes(files)):
        app.include_router(routes)
    app.add_middleware(Guard, hosts=hosts, url_bytes=site.limits.url_bytes)
    return app


def station_files(here: Services) -> tuple[Path, ...]:
    """Station files of the archive folder that is named, else those that were fetched, else of the data folder."""
    if here.settings.archive is not None:
        return Mirror(here.settings.archive).station_files()
    fetched = here.settings.data / "fetched"
    newest = {path.name: path for source in STATION_SOURCES for path in sorted((fetched / source).rglob("*"))
              if path.is_file()}
    beside = here.settings.data / "archive"
    if newest or not beside.is_dir():
        return tuple(newest.values())
    return Mirror(beside).station_files()
