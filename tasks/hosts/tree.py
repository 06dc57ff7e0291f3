"""Editions as a tree of folders, for providers that are browsed and not searched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import PurePosixPath

from sm_core.domain import Granule
from sm_core.sources import source
from tasks.hosts.catalogue import Catalogue, Edition


class Tree:
    """Folders of some sources.

    Parameters
    ----------
    folders
        Folder by source id, a format of ``start`` (first day) and, for yearly files, ``version``.
    """

    def __init__(self, catalogue: Catalogue, folders: Mapping[str, str]) -> None:
        self._catalogue, self._folders = catalogue, folders

    def entries(self, path: str) -> dict[str, Edition | None] | None:
        """What a folder holds by name: editions, and None for folders; None where there is no such folder."""
        wanted = PurePosixPath("/", path)
        found: dict[str, Edition | None] = {}
        is_there = False
        for source_id, template in self._folders.items():
            for folder, starts in self._starts(source_id, template).items():
                if folder == wanted:
                    is_there = True
                    found |= self._files(source_id, template, folder, starts)
                elif wanted in folder.parents:
                    is_there = True
                    found[folder.parts[len(wanted.parts)]] = None
        return dict(sorted(found.items())) if is_there else None

    def file(self, path: str) -> Edition | None:
        """The edition at a path."""
        where = PurePosixPath("/", path)
        edition = self._catalogue.find(where.name)
        template = self._folders.get(edition.granule.source_id) if edition else None
        if edition is None or template is None or _folder(template, edition.granule) != where.parent:
            return None
        return edition

    def _starts(self, source_id: str, template: str) -> dict[PurePosixPath, list[dt.date]]:
        by_folder: dict[PurePosixPath, list[dt.date]] = {}
        if source(source_id).period_days >= 365:
            for edition in self._catalogue.current((source_id,), dt.date.min, dt.date.max):
                by_folder.setdefault(_folder(template, edition.granule), []).append(edition.granule.start)
            return by_folder
        today = self._catalogue.clock.now().date()
        for start in sorted(start for start in self._catalogue.shelf.starts(source_id) if start <= today):
            by_folder.setdefault(PurePosixPath("/", template.format(start=start)), []).append(start)
        return by_folder

    def _files(
        self, source_id: str, template: str, folder: PurePosixPath, starts: list[dt.date]
    ) -> dict[str, Edition]:
        editions = self._catalogue.current((source_id,), min(starts), max(starts))
        return {edition.name: edition for edition in editions if _folder(template, edition.granule) == folder}


def _folder(template: str, granule: Granule) -> PurePosixPath:
    return PurePosixPath("/", template.format(start=granule.start, version=granule.produced))
