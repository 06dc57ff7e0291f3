"""Granule metadata (UMM-G) of the simulated repository, shaped like real answers."""

from __future__ import annotations

import datetime as dt
import zlib
from functools import lru_cache
from typing import Any

import numpy as np

from sm_core.grid.sinusoidal import tile_bounds, to_lonlat
from tasks.hosts.catalogue import Edition, produced_at
from tasks.hosts.checksums import checksum
from tasks.hosts.collections import TILED_GRID, Collection
from tasks.hosts.faults import Script

SPECIFICATION = {"URL": "https://cdn.earthdata.nasa.gov/umm/granule/v1.6.6", "Name": "UMM-G", "Version": "1.6.6"}
PREFIXES = {"LPCLOUD": "lp-prod-protected", "NSIDC_CPRD": "nsidc-cumulus-prod-protected"}
ALGORITHMS = {".hdf": "POSIX", ".h5": "SHA-256"}
"""Checksum by kind of file at the LP DAAC; NSIDC states MD5."""
_MEGABYTE = 1024.0**2


def granule_ur(collection: Collection, edition: Edition) -> str:
    """Universal reference: the file name, at the LP DAAC without its extension."""
    return edition.stem if collection.provider == "LPCLOUD" else edition.name


def concept_number(collection: Collection, edition: Edition) -> int:
    """Number in the granule's concept id: the same for all revisions of one reference."""
    return 1_000_000_000 + zlib.crc32(granule_ur(collection, edition).encode())


def data_path(collection: Collection, edition: Edition) -> str:
    """Path of the file at the data host."""
    prefix = f"/{PREFIXES[collection.provider]}"
    if collection.provider == "LPCLOUD":
        return f"{prefix}/{collection.source.source_id}/{edition.stem}/{edition.name}"
    start = edition.granule.start
    return f"{prefix}/SMAP/{collection.short_name}/{collection.version}/{start:%Y/%m/%d}/{edition.name}"


def temporal_extent(edition: Edition) -> tuple[dt.datetime, dt.datetime]:
    """First and last second of a granule."""
    begin = dt.datetime.combine(edition.granule.start, dt.time(), dt.UTC)
    end = dt.datetime.combine(edition.granule.end, dt.time(23, 59, 59), dt.UTC)
    return begin, end


def item(collection: Collection, edition: Edition, script: Script, data_url: str) -> dict[str, Any]:
    """Item of an answer: ``meta`` and ``umm``."""
    reference, number = granule_ur(collection, edition), concept_number(collection, edition)
    return {
        "meta": {"concept-type": "granule", "concept-id": f"G{number}-{collection.provider}",
                 "revision-id": edition.revision, "native-id": reference,
                 "collection-concept-id": collection.concept_id, "provider-id": collection.provider,
                 "format": "application/vnd.nasa.cmr.umm+json", "revision-date": instant(edition.published)},
        "umm": _umm(collection, edition, script, reference, data_url),
    }


def instant(time: dt.datetime) -> str:
    """ISO time with milliseconds and Z.

    >>> instant(dt.datetime(2019, 6, 10, 9, 0, 1, 5000, dt.UTC))
    '2019-06-10T09:00:01.005Z'
    """
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _umm(
    collection: Collection, edition: Edition, script: Script, reference: str, data_url: str
) -> dict[str, Any]:
    begin, end = temporal_extent(edition)
    produced = produced_at(edition.granule.produced) or edition.first_published
    dates = [{"Date": instant(edition.first_published), "Type": "Insert"},
             {"Date": instant(edition.published), "Type": "Update"}]
    result = {
        "TemporalExtent": {"RangeDateTime": {"BeginningDateTime": instant(begin), "EndingDateTime": instant(end)}},
        "GranuleUR": reference, "ProviderDates": dates, "SpatialExtent": _extent(edition.granule.tile),
        "CollectionReference": {"ShortName": collection.short_name, "Version": collection.version},
        "RelatedUrls": _urls(collection, edition, data_url),
        "DataGranule": {
            "DayNightFlag": "Both", "ProductionDateTime": instant(produced),
            "Identifiers": [{"Identifier": edition.name, "IdentifierType": "ProducerGranuleId"}],
            "ArchiveAndDistributionInformation": [_file(collection, edition, script)],
        },
        "MetadataSpecification": SPECIFICATION,
    }
    if edition.granule.tile and not script.planned("no_tiling", edition.name):
        h, v = int(edition.granule.tile[1:3]), int(edition.granule.tile[4:6])
        result["TilingIdentificationSystem"] = {
            "TilingIdentificationSystemName": TILED_GRID,
            "Coordinate1": {"MinimumValue": float(h)}, "Coordinate2": {"MinimumValue": float(v)},
        }
    return result


def _file(collection: Collection, edition: Edition, script: Script) -> dict[str, Any]:
    algorithm = ALGORITHMS[edition.path.suffix] if collection.provider == "LPCLOUD" else "MD5"
    value = checksum(edition.path, edition.tail, algorithm)
    if script.planned("wrong_checksum", edition.name):
        value = value[:-1] + ("1" if value.endswith("0") else "0")
    size = edition.size
    return {"Name": edition.name, "SizeInBytes": size, "Size": size / _MEGABYTE, "SizeUnit": "MB",
            "Format": "HDF-EOS2" if edition.path.suffix == ".hdf" else "HDF5",
            "Checksum": {"Value": value, "Algorithm": algorithm}}


def _urls(collection: Collection, edition: Edition, data_url: str) -> list[dict[str, str]]:
    path = data_path(collection, edition)
    mime = "application/x-hdfeos" if edition.path.suffix == ".hdf" else "application/x-hdf5"
    return [
        {"URL": f"{data_url}{path}", "Type": "GET DATA", "MimeType": mime,
         "Description": f"Download {edition.name}"},
        {"URL": f"s3:/{path}", "Type": "GET DATA VIA DIRECT ACCESS", "MimeType": mime,
         "Description": "This link provides direct download access via S3 to the granule"},
        {"URL": f"{data_url}{path.rpartition('.')[0]}.cmr.xml", "Type": "VIEW RELATED INFORMATION",
         "MimeType": "application/xml", "Description": "Download metadata"},
    ]


@lru_cache(maxsize=1024)
def _extent(tile: str) -> dict[str, Any]:
    if not tile:
        box = {"WestBoundingCoordinate": -180.0, "NorthBoundingCoordinate": 85.04456,
               "EastBoundingCoordinate": 180.0, "SouthBoundingCoordinate": -85.04456}
        return {"HorizontalSpatialDomain": {"Geometry": {"BoundingRectangles": [box]}}}
    west, south, east, north = tile_bounds(tile)
    lon, lat = to_lonlat(np.array([west, west, east, east, west]), np.array([north, south, south, north, north]))
    points = [{"Longitude": round(float(x), 6), "Latitude": round(float(y), 6)} for x, y in zip(lon, lat, strict=True)]
    return {"HorizontalSpatialDomain": {"Geometry": {"GPolygons": [{"Boundary": {"Points": points}}]}}}
