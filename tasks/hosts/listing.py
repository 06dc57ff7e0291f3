"""Folder listings as Apache writes them: long names are cut in the text, not in the link."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from tasks.hosts.answers import Answer, text

NAME_WIDTH = 23
_HEADING = (
    '   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th>'
    '<th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th>'
    '<th><a href="?C=D;O=A">Description</a></th></tr>\n   <tr><th colspan="5"><hr></th></tr>\n'
)


class Row(NamedTuple):
    """A line of a listing; ``size`` None marks a folder."""

    name: str
    modified: dt.datetime
    size: int | None


def listing(path: str, rows: Iterable[Row]) -> Answer:
    """The page of a folder whose path ends with a slash."""
    title = escape(f"Index of {path.rstrip('/')}")
    lines = "".join(_line(row) for row in rows)
    parent = escape(path.rstrip("/").rpartition("/")[0] + "/")
    return text(200, (
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head>\n'
        f"  <title>{title}</title>\n </head>\n <body>\n<h1>{title}</h1>\n  <table>\n{_HEADING}"
        f'<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td><td><a href="{parent}">Parent '
        'Directory</a></td><td>&nbsp;</td><td align="right">  - </td><td>&nbsp;</td></tr>\n'
        f'{lines}   <tr><th colspan="5"><hr></th></tr>\n</table>\n</body></html>\n'
    ))


def _line(row: Row) -> str:
    icon, alt, slash = ("folder", "[DIR]", "/") if row.size is None else ("unknown", "[   ]", "")
    name = row.name + slash
    shown = escape(name if len(name) <= NAME_WIDTH else name[:NAME_WIDTH - 3] + "..>")
    return (
        f'<tr><td valign="top"><img src="/icons/{icon}.gif" alt="{alt}"></td><td><a href="{quote(name)}">{shown}</a>'
        f'{" " * max(0, NAME_WIDTH - len(name))}</td><td align="right">{row.modified:%Y-%m-%d %H:%M}  </td>'
        f'<td align="right">{_size(row.size)}</td><td>&nbsp;</td></tr>\n'
    )


def _size(size: int | None) -> str:
    if size is None:
        return "  - "
    if size < 1024:
        return f"{size} "
    value, unit = (size / 1024, "K") if size < 1024**2 else (size / 1024**2, "M")
    return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
