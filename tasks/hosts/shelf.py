"""The archive that is given away: a mirror folder, or a simulated world whose granules are made when asked for."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from sm_core.domain import Granule
from sm_core.sources import identify, source
from sm_core.twin.archive import materialise
from sm_core.twin.granules import WRITERS, is_yearly, wanted_keys
from sm_core.twin.spec import TwinSpec, load_spec
from sm_core.twin.world import SPEC_FILE, World, open_world


class OnShelf(NamedTuple):
    """A file, and what its name says."""

    path: Path
    granule: Granule


class Shelf:
    """Files of an archive by source."""

    def __init__(self, root: Path, processes: int = 1) -> None:
        self.root = root
        self._processes = processes
        self._making = threading.Lock()
        self._made: dict[str, set[dt.date]] = {}
        self._places: dict[str, Path] = {}

    @cached_property
    def spec(self) -> TwinSpec | None:
        """What the simulated world was made from; None where the archive is a mirror."""
        path = self.root / SPEC_FILE
        return load_spec(path) if path.is_file() else None

    def prepare(self, source_id: str, first: dt.date, last: dt.date) -> None:
        """Make the granules of a source that overlap a period, where this is a simulated world."""
        if self.spec is None or not self._makes(source_id):
            return
        begin = self.spec.record_start if is_yearly(source(source_id)) else self.spec.start
        first, last = max(first, begin), min(last, self.spec.end)
        days = {first + dt.timedelta(days=n) for n in range((last - first).days + 1)}
        if days <= self._made.get(source_id, frozenset()):
            return
        with self._making:
            missing = days - self._made.setdefault(source_id, set())
            if missing:
                materialise(self._world, (source_id,), min(missing), max(missing), self._processes)
                self._made[source_id] = self._made[source_id] | days

    def files(self, source_id: str) -> list[OnShelf]:
        """Every file of a source that is there."""
        top = self.root / source_id if self.spec else self.root
        found = ((folder, name, _granule(name)) for folder, name in _walk(top))
        return [OnShelf(Path(folder, name), granule) for folder, name, granule in found
                if granule is not None and granule.source_id == source_id]

    def file(self, name: str) -> OnShelf | None:
        """The file of that name, without looking through all of them a second time."""
        granule = _granule(name)
        if granule is None:
            return None
        if name not in self._places or not self._places[name].is_file():
            self._places |= {found.path.name: found.path for found in self.files(granule.source_id)}
        path = self._places.get(name)
        return OnShelf(path, granule) if path is not None and path.is_file() else None

    def starts(self, source_id: str) -> set[dt.date]:
        """First days of the granules of a source that there are or could be made."""
        if self.spec is None:
            return {granule.start for _, granule in self.files(source_id)}
        if not self._makes(source_id):
            return set()
        keys = wanted_keys(source(source_id), self.spec.region.tiles, self.spec.start, self.spec.end)
        return {key.start for key in keys}

    def named(self, suffix: str) -> list[Path]:
        """Every file with that ending, in the order of the names."""
        return sorted((Path(folder, name) for folder, name in _walk(self.root) if name.endswith(suffix)),
                      key=lambda path: path.name)

    def _makes(self, source_id: str) -> bool:
        if source_id not in WRITERS or self.spec is None:
            return False
        wanted = {name for role in self.spec.region.roles for name in role.sources}
        return source_id in wanted or not is_yearly(source(source_id))

    @cached_property
    def _world(self) -> World:
        return open_world(self.root)


@lru_cache(maxsize=1 << 16)
def _granule(name: str) -> Granule | None:
    return identify(Path(name))


def _walk(top: Path) -> Iterable[tuple[str, str]]:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield folder, name
