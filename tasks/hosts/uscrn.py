"""USCRN: one text file per station and year, hourly or daily, which grows; folders to be listed, without a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, partial

import pandas as pd

from tasks.hosts.answers import Answer, Request, file_answer, missing, text
from tasks.hosts.clock import Clock
from tasks.hosts.listing import Row, listing
from tasks.hosts.shelf import Shelf
from tasks.hosts.stations import Network
from tasks.hosts.uscrn_text import PREFIXES, Lines, Product, headers, lines_of_file, lines_of_station

ROOT = "/pub/data/uscrn/products"
HEADERS = "HEADERS.txt"
FIRST_WBAN = 90001
_NAME = re.compile(r"(?P<prefix>CRNH0203|CRND0103)-(?P<year>\d{4})-(?P<station>\w+)\.txt")


class Uscrn:
    """``<product>/YYYY/<file>``: files of the archive, or else made of its stations."""

    def __init__(self, shelf: Shelf, network: Network, clock: Clock) -> None:
        self._shelf, self._network, self._clock = shelf, network, clock

    def __call__(self, request: Request) -> Answer:
        folder, _, name = request.path.removeprefix(ROOT).rpartition("/")
        parts = folder.strip("/").split("/") if folder.strip("/") else []
        product = next((known for known in PREFIXES if parts and parts[0] == known), None)
        if not request.path.startswith(f"{ROOT}/") or len(parts) > 2 or (parts and product is None):
            return missing(request.path)
        if name:
            return self._file(request, product, parts, name) if product else missing(request.path)
        rows = self._rows(product, parts)
        return listing(request.path, rows) if rows else missing(request.path)

    def _file(self, request: Request, product: Product, parts: list[str], name: str) -> Answer:
        if len(parts) == 1:
            return text(200, headers(product), "text/plain") if name == HEADERS else missing(request.path)
        make = self._files[product].get(name) if _year(name) == parts[1] else None
        content, modified = make().until(self._clock.now()) if make else (b"", self._clock.now())
        if not content:
            return missing(request.path)
        return file_answer(request, content, "text/plain", modified, f"{len(content):x}")

    def _rows(self, product: Product | None, parts: list[str]) -> list[Row]:
        now = self._clock.now()
        if product is None:
            return [Row(name, now, None) for name in sorted(PREFIXES)]
        files = self._files[product]
        if len(parts) == 1:
            years = sorted({_year(name) for name in files if int(_year(name)) <= now.year})
            return [*(Row(year, now, None) for year in years), Row(HEADERS, now, len(headers(product)))]
        found = ((name, *make().until(now)) for name, make in files.items() if _year(name) == parts[1])
        return [Row(name, modified, len(content)) for name, content, modified in found if content]

    @cached_property
    def _files(self) -> dict[Product, dict[str, Callable[[], Lines]]]:
        there = [path for path in self._shelf.named(".txt") if _NAME.fullmatch(path.name)]
        files: dict[Product, dict[str, Callable[[], Lines]]] = {
            product: {path.name: partial(lines_of_file, path, product)
                      for path in there if path.name.startswith(prefix)}
            for product, prefix in PREFIXES.items()
        }
        return files if there else {product: self._made(product) for product in PREFIXES}

    def _made(self, product: Product) -> dict[str, Callable[[], Lines]]:
        return {
            f"{PREFIXES[product]}-{year}-KR_{station.name}_1_N.txt":
                partial(lines_of_station, station, FIRST_WBAN + number, int(year), product)
            for number, station in enumerate(self._network.stations)
            for year in sorted(set(pd.DatetimeIndex(station.values.index).year))
        }


def _year(name: str) -> str:
    match = _NAME.fullmatch(name)
    return match["year"] if match else ""
