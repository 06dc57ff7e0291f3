"""How much one request, one client and all of them together may ask for."""

from __future__ import annotations

from sm_core.domain import Record

ZOOM = 14
PAGE_ITEMS = 100
"""STAC items on one page."""


class Limits(Record):
    """What keeps memory and load within bounds, whoever asks."""

    connections: int = 512
    """Open at the same time; more are told 429 and closed."""
    silent_seconds: float = 10.0
    """A connection that brings no whole request for so long is closed."""
    answer_seconds: float = 300.0
    """A connection that takes its answer more slowly is closed."""
    url_bytes: int = 2048
    threads: int = 2
    """Rasters are read and drawn by so many threads."""
    waiting: int = 96
    """Requests that may wait for them; more are told 429."""
    tile_cache_bytes: int = 48 << 20
    answer_cache_bytes: int = 16 << 20
    gdal_cache_mb: int = 64
    series_days: int = 400
    near_km: float = 5.0
    """A station farther from a place says nothing about it."""
