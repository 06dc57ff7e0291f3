"""The page's own files: read once, compressed once, served by name. There is no path to traverse."""

from __future__ import annotations

import gzip
import hashlib
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from sm_core.errors import NotPublishedError

STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
          ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
          ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json"}
_NOT_WORTH_IT = 512


class PageFile:
    """A file in memory, plain and compressed."""

    def __init__(self, path: Path) -> None:
        self.content, self.media_type = path.read_bytes(), _TYPES[path.suffix]
        self.etag = f'"{hashlib.sha256(self.content).hexdigest()[:20]}"'

    @cached_property
    def compressed(self) -> bytes:
        """By gzip."""
        return gzip.compress(self.content, 6, mtime=0)

    def answer(self, request: Request) -> Response:
        """As the browser wants it; it asks again each time and gets 304 when nothing changed."""
        headers = {"etag": self.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        if len(self.content) > _NOT_WORTH_IT and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.compressed, headers=headers | {"content-encoding": "gzip"}, media_type=self.media_type)
        return Response(self.content, headers=headers, media_type=self.media_type)


class PageFiles:
    """All files of the page, by their names relative to its folder."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._files = {path.relative_to(folder).as_posix(): PageFile(path)
                       for path in sorted(folder.rglob("*")) if path.suffix in _TYPES}

    def compress(self) -> None:
        """Compress all files now, not for the first visitor."""
        for file in self._files.values():
            _ = file.compressed

    def get(self, name: str) -> PageFile:
        """The file of this name.

        Raises
        ------
        NotPublishedError   SM707, the page has none.
        """
        if name not in self._files:
            raise NotPublishedError("the page has no such file", file=name[:80])
        return self._files[name]
