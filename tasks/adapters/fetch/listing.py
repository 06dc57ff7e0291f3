"""Directory listings as web servers write them (Apache plain or table, nginx)."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from urllib.parse import unquote

from sm_core.domain import Record
from sm_core.errors import SourceUnavailableError
from tasks.adapters.fetch.address import shown
from tasks.adapters.fetch.http import Http

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})\s+(\d{2}):(\d{2})")
_ENGLISH = re.compile(r"(\d{2})-([A-Z][a-z]{2})-(\d{4})\s+(\d{2}):(\d{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EXACT = re.compile(r"\s*(\d+)(?=\s|$)")
_TITLES = ("index of", "directory listing")


class Entry(Record):
    """One line of a listing: ``modified`` as the server shows it, taken for UTC; ``size`` [bytes] only if exact."""

    name: str
    directory: bool
    modified: dt.datetime | None = None
    size: int | None = None


def directory(http: Http, url: str) -> tuple[Entry, ...] | None:
    """What a directory holds, None when there is no such directory. ``url`` ends in a slash.

    Raises
    ------
    SourceUnavailableError   SM201, the answer is some other page, or breaks off.
    """
    return http.patiently(lambda: _directory(http, url))


def _directory(http: Http, url: str) -> tuple[Entry, ...] | None:
    answer = http.look(url)
    if answer is None:
        return None
    reader = _Reader()
    text = answer.content.decode("utf-8", "replace")
    reader.feed(text)
    reader.close()
    if not reader.title.strip().lower().startswith(_TITLES):
        raise SourceUnavailableError("not a directory listing", url=shown(url))
    if "</html>" not in text.lower():
        raise SourceUnavailableError("a directory listing that breaks off", url=shown(url))
    return tuple(entry for href, text in reader.lines if (entry := _entry(href, text)) is not None)


class _Reader(HTMLParser):
    """Collects links with the text between each and the next, and the page's title."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.lines: list[tuple[str, str]] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("a", "title"):
            self._inside = tag
        if tag == "a":
            self.lines.append((dict(attrs).get("href") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif self._inside == "" and self.lines:
            href, text = self.lines[-1]
            self.lines[-1] = (href, text + " " + data)


def _entry(href: str, text: str) -> Entry | None:
    name = unquote(href.removeprefix("./").removesuffix("/"))
    if not name or name in (".", "..") or not name.isprintable() or re.search(r"[/\\?#:]", name):
        return None
    modified, rest = _modified(text)
    exact = _EXACT.match(rest)
    return Entry(name=name, directory=href.endswith("/"), modified=modified, size=int(exact[1]) if exact else None)


def _modified(text: str) -> tuple[dt.datetime | None, str]:
    if found := _ISO.search(text):
        year, month, day, hour, minute = map(int, found.groups())
    elif (found := _ENGLISH.search(text)) and found[2] in _MONTHS:
        year, month, day = int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1])
        hour, minute = int(found[4]), int(found[5])
    else:
        return None, ""
    try:
        return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC), text[found.end():]
    except ValueError:
        return None, ""
