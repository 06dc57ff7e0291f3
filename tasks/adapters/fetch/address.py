"""Addresses: which host they belong to, and how they may be shown."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from sm_core.errors import SchemaDriftError

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> str:
    """``scheme://host:port`` of a URL, with the scheme's own port where none is given.

    >>> origin("HTTPS://Data.Example.org/a/b?c")
    'https://data.example.org:443'

    Raises
    ------
    SchemaDriftError   SM206, not an http address, or one with a user's name in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        host = parts.hostname or ""
    except (ValueError, KeyError):
        host, port = "", 0
    if not host or "@" in parts.netloc:
        raise SchemaDriftError("not an http address that can be trusted")
    return f"{parts.scheme}://{host}:{port}"


def following_address(url: str, target: str) -> str:
    """Where a redirect leads.

    Raises
    ------
    SchemaDriftError   SM206, nowhere.
    """
    try:
        return urljoin(url, target)
    except ValueError:
        problem = "a redirect that leads nowhere"
    raise SchemaDriftError(problem, url=shown(url))


def shown(url: str) -> str:
    """A URL without what may be secret in it: user, password and query.

    >>> shown("https://me:word@example.org:8443/a?key=1#b")
    'https://example.org:8443/a'
    """
    scheme, _, rest = re.split(r"[?#]", url, maxsplit=1)[0].partition("://")
    netloc, slash, path = rest.partition("/")
    return f"{scheme}://{netloc.rpartition('@')[2]}{slash}{path}"
