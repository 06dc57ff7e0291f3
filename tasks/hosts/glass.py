"""The GLASS archive: folders to be listed, without a login; each granule has an .xml beside it."""

from __future__ import annotations

import datetime as dt

from tasks.hosts.answers import Answer, FilePart, Request, file_answer, missing, text
from tasks.hosts.catalogue import Catalogue, Edition
from tasks.hosts.listing import Row, listing
from tasks.hosts.tree import Tree

ROOT = "/archive"
FOLDERS = {
    "GLASS06A01.V01": "/archive/LST/MODIS/Daily/1KM/{start:%Y}/{start:%j}",
    "GLASS08B31.V40": "/archive/LST/AVHRR/0.05D/{start:%Y}",
    "GLASS13B01.V10": "/archive/NDVI/MODIS/0.05D/{start:%Y}",
}
FOUNDED = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)
"""Shown as the age of folders."""
_SIDECAR = ".xml"


class Glass:
    """Listings of folders (with a slash at their end) and files."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._tree = Tree(catalogue, FOLDERS)

    def __call__(self, request: Request) -> Answer:
        if request.path.endswith("/"):
            entries = self._tree.entries(request.path)
            return missing(request.path) if entries is None else listing(request.path, _rows(entries))
        edition = self._tree.file(request.path.removesuffix(_SIDECAR))
        if edition is None:
            return self._folder_or_missing(request)
        if request.path.endswith(_SIDECAR):
            return text(200, _metadata(edition), "application/xml")
        content = FilePart(edition.path, edition.tail, 0, edition.size)
        return file_answer(request, content, "application/x-hdf", edition.published,
                           f"{edition.size:x}-{edition.revision:x}")

    def _folder_or_missing(self, request: Request) -> Answer:
        if self._tree.entries(request.path) is None:
            return missing(request.path)
        return text(301, "", headers={"Location": f"{request.path}/"})


def _rows(entries: dict[str, Edition | None]) -> list[Row]:
    rows = []
    for name, edition in entries.items():
        if edition is None:
            rows.append(Row(name, FOUNDED, None))
        else:
            rows.append(Row(name, edition.published, edition.size))
            rows.append(Row(name + _SIDECAR, edition.published, len(_metadata(edition))))
    return rows


def _metadata(edition: Edition) -> str:
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<GranuleMetaDataFile><GranuleURMetaData><DataFileContainer>'
            f"<DistributedFileName>{edition.name}</DistributedFileName><FileSize>{edition.size}</FileSize>"
            "</DataFileContainer></GranuleURMetaData></GranuleMetaDataFile>\n")
