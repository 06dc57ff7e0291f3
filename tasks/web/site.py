"""What the page is asked and how it is answered; no HTTP here."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pyproj import Transformer

from sm_core.domain import LAYERS, Granule, Grid, Layer, ProductItem
from sm_core.drought.units import AdminUnits
from sm_core.errors import NotPublishedError, SmError
from sm_core.publishing import file_stem
from sm_core.sources import source
from sm_core.validation import pair_metrics
from tasks.web import answers
from tasks.web.layers import MapLayer, map_layers
from tasks.web.limits import Limits
from tasks.web.published import CHECKSUMS, Published, PublishedDay, period
from tasks.web.rasters import Cell, cell_at, flags_at, tile, value_at
from tasks.web.stations import Place, Stations, role_of, skill_at_each, skill_of, training_in_service
from tasks.web.units import UnitHistories, outlines
from tasks.web.workers import BoundedCache

SIGMAS_90 = 1.645
"""Half of an interval that holds 90 % of a normal distribution, in standard deviations."""
LEAST_COMMON_DAYS = 10
_CHECKSUM_BYTES = 64


class Band(NamedTuple):
    """A value and the bounds of its 90 % interval, None where unknown."""

    value: float | None
    lower: float | None
    upper: float | None


class Site:
    """The published regions, their units and stations, and what is remembered of them.

    Parameters
    ----------
    units_of, titles_of
        A region's administrative units and its titles, English and Korean; may fail with a coded error where the region
        is not known here.
    reports
        Folder of the training reports.
    """

    def __init__(
        self, published: Published, stations: Stations, units_of: Callable[[str], AdminUnits],
        titles_of: Callable[[str], tuple[str, str]], reports: Path, limits: Limits,
    ) -> None:
        self.published, self.limits = published, limits
        self.layers = {layer.name: layer for layer in map_layers(published.product)}
        self._stations, self._histories = stations, UnitHistories(published)
        self._units_of, self._titles_of, self._reports = units_of, titles_of, reports
        self._grids: BoundedCache[str, Grid] = BoundedCache(64)
        self._outlines: BoundedCache[str, answers.GeoJson] = BoundedCache(16)
        self._tiles: BoundedCache[tuple[str, str, int, int, int], bytes] = BoundedCache(limits.tile_cache_bytes, len)
        self._series: BoundedCache[tuple[object, ...], answers.SeriesAnswer] = BoundedCache(
            limits.answer_cache_bytes, lambda answer: 200 * len(answer.days) + 1000)

    def regions(self) -> list[answers.RegionAnswer]:
        """Every region of which something is published."""
        return [self.region(region_id) for region_id in self.published.regions()]

    def region(self, region_id: str) -> answers.RegionAnswer:
        """One region."""
        days = self.published.days(region_id)
        title, korean = self._titles(region_id)
        return answers.RegionAnswer(region_id=region_id, title=title, korean=korean, first=min(days), last=max(days),
                                    bounds=self.bounds(region_id), days=len(days))

    def grid(self, region_id: str) -> Grid:
        """The region's grid."""
        return self._grids.get_or_make(region_id, lambda: self.published.grid(region_id))

    def bounds(self, region_id: str) -> tuple[float, float, float, float]:
        """West, south, east, north [degrees]."""
        grid = self.grid(region_id)
        change = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        west, south, east, north = (round(float(edge), 6) for edge in change.transform_bounds(*grid.bounds))
        return west, south, east, north

    def days(self, region_id: str) -> answers.DaysAnswer:
        """The region's published days."""
        days = self.published.days(region_id).values()
        return answers.DaysAnswer(
            region_id=region_id, days=[one.day for one in days], revision=[one.revision for one in days],
            provisional=[one.maturity == "provisional" for one in days],
        )

    def day(self, region_id: str, text: str, revision: int | None) -> answers.DayAnswer:
        """One revision of one day."""
        item = self.published.item(region_id, text, revision)
        product = self.published.product
        everything = self.published.revisions(region_id, self.published.day(region_id, text))
        return answers.DayAnswer(
            region_id=region_id, day=item.day, revision=item.revision, maturity=item.maturity, created=item.created,
            item_id=item.item_id, algorithm_version=item.algorithm_version, licence=product.licence,
            citation=product.citation, stac=f"/stac/collections/{collection_id(item)}/items/{file_stem(item)}",
            revisions=[answers.RevisionAnswer(revision=one.revision, maturity=one.maturity, created=one.created)
                       for one in everything],
            layers=[name for name in self.layers if self.published.raster(item, name) is not None],
            inputs=_inputs(item.inputs), models=_models(item),
            checks=[answers.CheckAnswer(check=one.check, severity=one.severity, passed=one.passed, message=one.message)
                    for one in item.gate.results],
            checks_not_applicable=list(item.gate.not_applicable), files=self._files(item),
        )

    def layer(self, name: str) -> MapLayer:
        """The layer of this name.

        Raises
        ------
        NotPublishedError   SM707, there is none.
        """
        if name not in self.layers:
            raise NotPublishedError(f"there is no layer {name[:80]!r}", known=", ".join(self.layers))
        return self.layers[name]

    def legends(self) -> list[answers.LayerAnswer]:
        """All layers and their legends."""
        return [answers.LayerAnswer(**layer.model_dump(include=set(answers.LayerAnswer.model_fields)))
                for layer in self.layers.values()]

    def drawn(self, region_id: str, text: str, revision: int, name: str, place: tuple[int, int, int]) -> bytes | None:
        """A tile (x, y, z) of a layer, None outside the region."""
        layer, item = self.layer(name), self.published.item(region_id, text, revision)
        path = self.published.raster(item, name)
        if path is None:
            raise NotPublishedError("this revision has no such layer", layer=name, day=text, revision=revision)
        key = (item.item_id, name, *place)
        known = self._tiles.get(key)
        if known is None:
            made = tile(path, layer, *place, cache_mb=self.limits.gdal_cache_mb)
            known = self._tiles.put(key, made or b"")
        return known or None

    def point(self, region_id: str, text: str, revision: int | None, lon: float, lat: float) -> answers.PointAnswer:
        """All layers in one cell."""
        item = self.published.item(region_id, text, revision)
        cell = cell_at(self.grid(region_id), lon, lat)
        paths = {name: self.published.raster(item, name) for name in self.layers}
        flags = [text for name, layer in self.layers.items() if layer.kind == "flags"
                 for text in flags_at(paths[name], layer, cell)]
        values = {name: value_at(paths[name], layer, cell) for name, layer in self.layers.items()
                  if layer.kind != "flags"}
        return answers.PointAnswer(region_id=region_id, day=item.day, revision=item.revision, lon=cell.lon,
                                   lat=cell.lat, values=values, flags=flags)

    def series(
        self, region_id: str, name: str, lon: float, lat: float, start: str | None, end: str | None
    ) -> answers.SeriesAnswer:
        """A layer in one cell over a period, and the station near it."""
        layer = self.layer(name)
        if layer.kind == "flags":
            raise NotPublishedError("quality bits have no series", layer=name)
        days = period(self.published.days(region_id), start, end, self.limits.series_days)
        cell = cell_at(self.grid(region_id), lon, lat)
        key = (region_id, name, cell.row, cell.column, start, end, self.published.version(region_id))
        return self._series.get_or_make(key, lambda: self._series_of(region_id, layer, cell, days))

    def history(self, region_id: str, unit_id: str, start: str | None, end: str | None) -> answers.UnitHistory:
        """A unit's drought over a period."""
        days = period(self.published.days(region_id), start, end, self.limits.series_days)
        return self._histories.history(region_id, unit_id, days)

    def units(self, region_id: str) -> answers.GeoJson:
        """Outlines of the region's units; none where its region file or its units are not here."""
        self.published.days(region_id)

        def make() -> answers.GeoJson:
            try:
                return outlines(self._units_of(region_id))
            except SmError:
                return {"type": "FeatureCollection", "features": []}

        return self._outlines.get_or_make(region_id, make)

    def stations(self, region_id: str) -> answers.StationsAnswer:
        """Stations in the region, and the skill at those that no model saw."""
        newest = next(reversed(self.published.days(region_id).values()))
        models = self.published.revisions(region_id, newest)[-1].models
        record, folder = training_in_service(self._reports, region_id) or (None, None)
        scores = skill_at_each(folder) if folder else {}
        judged = record["plan"]["judged_days"] if record else ()
        return answers.StationsAnswer(
            region_id=region_id, skill=skill_of(record) if record else [],
            judged=(judged[0], judged[-1]) if judged else None,
            stations=[answers.StationAnswer(station_id=one.station_id, lon=one.lon, lat=one.lat,
                                            role=role_of(one.station_id, models),
                                            skill=scores.get(one.station_id, []))
                      for one in self._stations.inside(self.bounds(region_id))],
        )

    def station_series(self, region_id: str, station_id: str, start: str | None, end: str | None
                       ) -> answers.StationSeries:
        """A station's daily means on the published days of a period."""
        days = [one.day for one in period(self.published.days(region_id), start, end, self.limits.series_days)]
        table = _on_days(self._stations.daily(self._stations.place(station_id)), days)
        surface, rootzone = (_numbers(table[layer]) for layer in LAYERS)
        return answers.StationSeries(station_id=station_id, days=days, sm_surface=surface, sm_rootzone=rootzone)

    def _series_of(
        self, region_id: str, layer: MapLayer, cell: Cell, days: Sequence[PublishedDay]
    ) -> answers.SeriesAnswer:
        items = [self.published.revisions(region_id, one)[-1] for one in days]
        bands = [self._band(item, layer, cell) for item in items]
        known = any(band.lower is not None for band in bands)
        return answers.SeriesAnswer(
            region_id=region_id, layer=layer.name, units=layer.units, lon=cell.lon, lat=cell.lat,
            days=[one.day for one in days], revision=[one.revision for one in days],
            provisional=[one.maturity == "provisional" for one in days], values=[band.value for band in bands],
            lower=[band.lower for band in bands] if known else [],
            upper=[band.upper for band in bands] if known else [],
            station=self._station_near(layer.name, cell, [one.day for one in days], [band.value for band in bands]),
        )

    def _band(self, item: ProductItem, layer: MapLayer, cell: Cell) -> Band:
        def read(name: str) -> float | None:
            return value_at(self.published.raster(item, name), self.layers[name], cell) if name in self.layers else None

        value = read(layer.name)
        if value is None or layer.name not in LAYERS:
            return Band(value, None, None)
        lower, upper = (read(f"{layer.name}_{side}_90") for side in ("lower", "upper"))
        sigma = read(f"{layer.name}_uncertainty") if None in (lower, upper) else None
        if sigma is not None:
            lower, upper = (round(max(value + sign * SIGMAS_90 * sigma, 0.0), 5) for sign in (-1, 1))
        return Band(value, lower, upper)

    def _station_near(
        self, name: str, cell: Cell, days: Sequence[dt.date], values: Sequence[float | None]
    ) -> answers.NearStation | None:
        layer: Layer | None = next((one for one in LAYERS if one == name), None)
        near = self._stations.near(cell.lon, cell.lat, self.limits.near_km)
        if layer is None or near is None:
            return None
        return _compared(near[0], near[1], _on_days(self._stations.daily(near[0]), days)[layer], values)

    def _files(self, item: ProductItem) -> list[answers.FileAnswer]:
        root = f"/files/{item.region_id}/{item.day}/{item.revision}"
        described = self.published.file(item, f"{file_stem(item)}.json")
        sums = self.published.file(item, CHECKSUMS)
        extra = [(path.name, path.stat().st_size, "") for path in (described, sums) if path.is_file()]
        listed = [(file.uri, file.size, file.sha256) for file in item.assets]
        return [answers.FileAnswer(name=name, href=f"{root}/{name}", size=size, sha256=sha256)
                for name, size, sha256 in (*listed, *extra)]

    def _titles(self, region_id: str) -> tuple[str, str]:
        try:
            return self._titles_of(region_id)
        except SmError:
            return region_id, region_id


def collection_id(item: ProductItem) -> str:
    """The STAC collection that an item belongs to."""
    return f"{item.product_id}_{item.region_id}"


def _inputs(granules: Sequence[Granule]) -> list[answers.InputAnswer]:
    groups: dict[str, list[Granule]] = defaultdict(list)
    for granule in granules:
        groups[granule.source_id].append(granule)
    return [
        answers.InputAnswer(
            source_id=name, title=source(name).title, provider=source(name).provider, files=len(group),
            first=min(one.start for one in group), last=max(one.end for one in group),
            tiles=sorted({one.tile for one in group if one.tile}),
        )
        for name, group in sorted(groups.items())
    ]


def _models(item: ProductItem) -> list[answers.ModelAnswer]:
    return [
        answers.ModelAnswer(
            name=model.name, kind=model.kind, version=model.version, sha256=model.sha256,
            trained_until=model.trained_until, training_stations=len(model.training_stations),
            held_out_stations=len(model.held_out_stations),
        )
        for model in item.models
    ]


def _on_days(table: pd.DataFrame, days: Sequence[dt.date]) -> pd.DataFrame:
    return table.reindex(pd.to_datetime(list(days)))


def _numbers(values: pd.Series) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def _compared(
    place: Place, distance: float, observed: pd.Series, values: Sequence[float | None]
) -> answers.NearStation:
    estimate = np.array([np.nan if value is None else value for value in values], np.float64)
    reference = observed.to_numpy(np.float64)
    common = int((np.isfinite(estimate) & np.isfinite(reference)).sum())
    scores: dict[str, float | None] = dict.fromkeys(("pearson_r", "ubrmsd", "bias"))
    if common >= LEAST_COMMON_DAYS:
        found = pair_metrics(estimate=estimate, reference=reference, min_obs=LEAST_COMMON_DAYS)
        scores = {name: _finite(getattr(found, name)) for name in scores}
    return answers.NearStation(station_id=place.station_id, distance_km=round(distance, 2), values=_numbers(observed),
                               common_days=common, **scores)


def _finite(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
