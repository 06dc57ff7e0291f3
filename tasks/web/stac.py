"""The published days as a STAC 1.1 API with items by collection, after the items in the store."""

from __future__ import annotations

import datetime as dt
from pathlib import PurePosixPath
from typing import Any

from sm_core.domain import ProductItem
from sm_core.errors import NotPublishedError, RequestError
from sm_core.publishing import file_stem
from tasks.web.published import PublishedDay, to_day
from tasks.web.site import Site

VERSION = "1.1.0"
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features", "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
GEOJSON = "application/geo+json"
Json = dict[str, Any]
Bbox = tuple[float, float, float, float]


class StacPages:
    """Landing page, collections and items. ``base`` is the server's own address, without a slash at its end."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def landing(self, base: str) -> Json:
        """The catalogue's root."""
        return {
            "type": "Catalog", "stac_version": VERSION, "id": "sm-daily", "title": "Daily soil moisture and drought",
            "description": self._site.published.product.title, "conformsTo": CONFORMS,
            "links": [
                _link("self", f"{base}/stac"), _link("root", f"{base}/stac"), _link("data", f"{base}/stac/collections"),
                _link("conformance", f"{base}/stac/conformance"),
                _link("service-desc", f"{base}/openapi.json", "application/vnd.oai.openapi+json;version=3.1"),
                *(_link("child", f"{base}/stac/collections/{self._id(region)}")
                  for region in self._site.published.regions()),
            ],
        }

    def collections(self, base: str) -> Json:
        """One collection for each region."""
        return {
            "collections": [self.collection(base, self._id(region)) for region in self._site.published.regions()],
            "links": [_link("self", f"{base}/stac/collections"), _link("root", f"{base}/stac")],
        }

    def collection(self, base: str, collection: str) -> Json:
        """A region's collection."""
        about, product = self._site.region(self._region(collection)), self._site.published.product
        here = f"{base}/stac/collections/{collection}"
        return {
            "type": "Collection", "stac_version": VERSION, "id": collection, "title": f"{product.title}: {about.title}",
            "description": product.citation, "license": product.licence, "keywords": ["soil moisture", "drought"],
            "extent": {
                "spatial": {"bbox": [list(about.bounds)]},
                "temporal": {"interval": [[f"{about.first}T00:00:00Z", f"{about.last}T23:59:59Z"]]},
            },
            "item_assets": {v.variable.name: {"title": v.variable.long_name, "roles": ["data"]}
                            for v in product.variables},
            "links": [_link("self", here), _link("root", f"{base}/stac"), _link("parent", f"{base}/stac"),
                      _link("items", f"{here}/items", GEOJSON)],
        }

    def items(
        self, base: str, collection: str, *, bbox: Bbox | None, interval: str | None, limit: int, after: str | None
    ) -> Json:
        """The newest revisions of a collection's days, in order; ``after`` is the last day of the page before."""
        region_id = self._region(collection)
        days = self._site.published.days(region_id)
        here = f"{base}/stac/collections/{collection}/items"
        first, last = _interval(interval)
        if after:
            first = max(first, to_day(after) + dt.timedelta(days=1))
        inside = bbox is None or _meet(bbox, self._site.bounds(region_id))
        matched = [one for one in days.values() if inside and first <= one.day <= last]
        shown = matched[:limit]
        links = [_link("self", here), _link("root", f"{base}/stac"), _link("collection", here.rpartition("/")[0])]
        if len(matched) > len(shown):
            box = f"&bbox={','.join(map(str, bbox))}" if bbox else ""
            when = f"&datetime={interval}" if interval else ""
            links.append(_link("next", f"{here}?limit={limit}&after={shown[-1].day}{when}{box}", GEOJSON))
        return {
            "type": "FeatureCollection", "numberMatched": len(matched), "numberReturned": len(shown), "links": links,
            "features": [self._feature(base, self._newest(region_id, one)) for one in shown],
        }

    def item(self, base: str, collection: str, item: str) -> Json:
        """One revision of one day, by the name of its files."""
        region_id = self._region(collection)
        stem, _, revision = item.rpartition("_r")
        day = stem.removeprefix(f"{self._site.published.product.product_id}_{region_id}_")
        if not (revision.isascii() and revision.isdigit() and len(day) == 8 and day.isascii() and day.isdigit()):
            raise NotPublishedError("there is no such item", item=item[:80])
        found = self._site.published.item(region_id, f"{day[:4]}-{day[4:6]}-{day[6:]}", int(revision[:4]))
        if file_stem(found) != item:
            raise NotPublishedError("there is no such item", item=item[:80])
        return self._feature(base, found)

    def _newest(self, region_id: str, published: PublishedDay) -> ProductItem:
        return self._site.published.revisions(region_id, published)[-1]

    def _feature(self, base: str, item: ProductItem) -> Json:
        """The stored item with links that lead here."""
        stored = self._site.published.stac(item)
        files = f"{base}/files/{item.region_id}/{item.day}/{item.revision}"
        offered = {file.uri for file in item.assets}
        collection = self._id(item.region_id)
        here = f"{base}/stac/collections/{collection}"
        assets = {key: asset | {"href": f"{files}/{name}"} for key, asset in stored["assets"].items()
                  if (name := str(asset["href"]).rpartition("/")[2]) in offered}
        sources = [link for link in stored["links"] if link["rel"] == "derived_from"]
        before = [_link("predecessor-version", f"{here}/items/{PurePosixPath(link['href']).stem}", GEOJSON)
                  for link in stored["links"] if link["rel"] == "predecessor-version"]
        links = [_link("self", f"{here}/items/{stored['id']}", GEOJSON), _link("root", f"{base}/stac"),
                 _link("parent", here), _link("collection", here), *before, *sources]
        return stored | {"collection": collection, "assets": assets, "links": links}

    def _id(self, region_id: str) -> str:
        return f"{self._site.published.product.product_id}_{region_id}"

    def _region(self, collection: str) -> str:
        found = next((one for one in self._site.published.regions() if self._id(one) == collection), None)
        if found is None:
            raise NotPublishedError("there is no such collection", collection=collection[:80])
        return found


def to_bbox(text: str | None) -> Bbox | None:
    """West, south, east, north from text with commas.

    Raises
    ------
    RequestError   SM107, not four numbers in that order on the globe.
    """
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as cause:
        raise RequestError("bbox is not four numbers: west,south,east,north") from cause
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise RequestError("bbox does not lie on the globe", west=west, south=south, east=east, north=north)
    return west, south, east, north


def _interval(text: str | None) -> tuple[dt.date, dt.date]:
    begin, slash, end = (text or "../..").partition("/")
    first = dt.date.min if begin in ("", "..") else to_day(begin[:10])
    if not slash:
        return first, first
    return first, dt.date.max if end in ("", "..") else to_day(end[:10])


def _meet(one: Bbox, other: Bbox) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _link(rel: str, href: str, media_type: str = "application/json") -> Json:
    return {"rel": rel, "href": href, "type": media_type}
