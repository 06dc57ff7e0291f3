"""Requests and answers of the simulated HTTP hosts."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl

HTML, JSON_TYPE = "text/html; charset=UTF-8", "application/json; charset=utf-8"
LOGIN_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Earthdata Login</title></head><body><h1>Earthdata Login</h1>\n"
    b'<form action="/login" method="post"><input name="username"><input name="password" type="password"></form>\n'
    b"</body></html>\n"
)


@dataclass(frozen=True)
class Request:
    """What a client asks; header names in lower case. ``cut`` wants half a page, ``timed_out`` also says so."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: bool = False
    timed_out: bool = False

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """Decoded parameters of the query, and of the form in the body."""
        form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        texts = (self.query, self.body.decode("utf-8", "replace") if form else "")
        return [pair for text in texts for pair in parse_qsl(text, keep_blank_values=True)]


@dataclass(frozen=True)
class FilePart:
    """Bytes ``begin`` to ``end`` of a file with ``tail`` after it."""

    path: Path
    tail: bytes
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self.end - self.begin

    def part(self, begin: int, end: int) -> FilePart:
        """Bytes of this part."""
        return FilePart(self.path, self.tail, self.begin + begin, self.begin + end)

    def read(self) -> bytes:
        """The content."""
        with self.path.open("rb") as file:
            file.seek(self.begin)
            content = file.read(self.size)
            over = self.begin + len(content) - file.seek(0, 2)
        return content + self.tail[max(0, over):max(0, over) + self.size - len(content)]


@dataclass(frozen=True)
class Answer:
    """Status, headers, body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.size


App = Callable[[Request], Answer]


def text(status: int, content: str, content_type: str = HTML, headers: Mapping[str, str] | None = None) -> Answer:
    """A text as an answer, UTF-8."""
    return Answer(status, {"Content-Type": content_type, **(headers or {})}, content.encode())


def as_json(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    """JSON as an answer."""
    return text(status, json.dumps(content, separators=(",", ":")), JSON_TYPE, headers)


def missing(path: str) -> Answer:
    """404 as Apache writes it."""
    return text(404, '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>404 Not Found</title>\n'
                     f"</head><body>\n<h1>Not Found</h1>\n<p>{path} was not found.</p>\n</body></html>\n")


def file_answer(
    request: Request, content: FilePart | bytes, content_type: str, modified: dt.datetime, tag: str
) -> Answer:
    """A file, or that range of it which is asked for (one range; ``If-Range`` by ETag is honoured)."""
    size = len(content) if isinstance(content, bytes) else content.size
    headers = {"Content-Type": content_type, "ETag": f'"{tag}"', "Accept-Ranges": "bytes",
               "Last-Modified": format_datetime(modified.replace(microsecond=0), usegmt=True)}
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Answer(200, headers, content)
    begin, end = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
    if begin >= end:
        return text(416, "", headers={"Content-Range": f"bytes */{size}"})
    part = content[begin:end] if isinstance(content, bytes) else content.part(begin, end)
    return Answer(206, {**headers, "Content-Range": f"bytes {begin}-{end - 1}/{size}"}, part)
