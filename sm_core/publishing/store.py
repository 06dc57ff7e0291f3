"""The product store: immutable revisions in folders, made visible at once or not at all.

``<root>/<product>/<region>/<YYYY>/<MM>/<DD>/r<NN>/`` holds one revision: its rasters, ``item.json`` (the record),
``<product>_<region>_<YYYYMMDD>_r<NN>.json`` (STAC) and ``SHA256SUMS``. ``latest.json`` beside the revisions of a day
commits them: a revision is visible once it points there. The region's own ``latest.json`` points to its newest day.
Before that, ``catalog.json`` of the folders above and ``CHANGES.csv`` of the region are brought up to date; should a
publisher end in between, publishing the day again completes them.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import xarray as xr

from sm_core.domain import FileRef, Grid, Product, ProductItem
from sm_core.errors import GridMismatchError, ItemConflictError, PublishError, StoreUnavailableError
from sm_core.publishing.catalogue import CHANGES, catalogue_files, outermost_day
from sm_core.publishing.cog import read_cogs
from sm_core.publishing.items import file_stem, stac_item
from sm_core.publishing.revisions import COMPARED, Revision, from_csv, revision_of, to_csv

Write = Callable[[Path, ProductItem], Sequence[FileRef]]
_LATEST, _RECORD, _CHECKSUMS, _PARTIAL, _LOCK = "latest.json", "item.json", "SHA256SUMS", ".tmp-", ".lock"
_REVISION = re.compile(r"r(\d{2,})")
_ANY_DAY = "[0-9]*/[0-9]*/[0-9]*"


class ProductStore:
    """Published items under one root folder. Any number of readers and publishers may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, draft: ProductItem, product: Product, grid: Grid, write: Write) -> ProductItem:
        """Store an item as the next revision of its day, unless it is there already.

        Parameters
        ----------
        draft
            The item without revision, files and directory, see ``items.draft``.
        product, grid
            For the STAC description.
        write
            Writes the item's files into the folder that it is given, and returns them with ``uri`` as file names;
            it receives the item with its revision. It is called again when another publisher was faster.

        Returns
        -------
        The item as it is stored; the existing one when an item of this id exists with the same files. If those
        have been damaged since, they are restored.

        Raises
        ------
        ItemConflictError       SM701, an item of this id exists with other files.
        StoreUnavailableError   SM702, the store cannot be written.
        """
        region = self.root / draft.product_id / draft.region_id
        day = region / f"{draft.day:%Y/%m/%d}"
        with _store_errors("written", self.root, region=draft.region_id, day=draft.day):
            day.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(region)
            item = None
            while item is None:
                item = self._attempt(draft, product, grid, write, region, day)
            with _locked(region):
                newest = _stored(day)[-1]
                self._list_changes(region, day, product, grid)
                with _locked(self.root):
                    for path, content in catalogue_files(self.root, newest, product, grid):
                        _replace(path, _json(content), region)
                _commit(region, day, newest)
            return item

    def find(
        self, item_id: str, *, product_id: str = "*", region_id: str = "*", day: dt.date | None = None
    ) -> ProductItem | None:
        """The visible item of this id, or None; the more is known of it, the less is searched."""
        where = f"{day:%Y/%m/%d}" if day else _ANY_DAY
        with _store_errors("read", self.root, item=item_id):
            for latest in sorted(self.root.glob(f"{product_id}/{region_id}/{where}/{_LATEST}")):
                for item in _visible(latest.parent):
                    if item.item_id == item_id:
                        return item
        return None

    def latest(self, product_id: str, region_id: str, day: dt.date | None = None) -> ProductItem | None:
        """The newest visible revision of a day, or of the newest day; None when there is none."""
        if day is None:
            days = self.days(product_id, region_id)
            return self.latest(product_id, region_id, days[-1]) if days else None
        revisions = self.revisions(product_id, region_id, day)
        return revisions[-1] if revisions else None

    def revisions(self, product_id: str, region_id: str, day: dt.date) -> tuple[ProductItem, ...]:
        """All visible revisions of a day, oldest first."""
        with _store_errors("read", self.root, region=region_id, day=day):
            return tuple(_visible(self.root / product_id / region_id / f"{day:%Y/%m/%d}"))

    def days(self, product_id: str, region_id: str) -> tuple[dt.date, ...]:
        """Days with a visible item, in order."""
        with _store_errors("read", self.root, region=region_id):
            return tuple(_days(self.root / product_id / region_id))

    def changes(self, product_id: str, region_id: str) -> tuple[Revision, ...]:
        """What was published again, oldest publication first.

        Raises
        ------
        PublishError            SM700, the list is damaged.
        StoreUnavailableError   SM702, it cannot be read.
        """
        path = self.root / product_id / region_id / CHANGES
        with _store_errors("read", self.root, region=region_id):
            return from_csv(path.read_text(encoding="utf-8")) if path.exists() else ()

    def directory(self, item: ProductItem) -> Path:
        """The folder of an item's files."""
        return self.root / item.directory

    def damaged(self, item: ProductItem) -> tuple[str, ...]:
        """Names of the item's files that are missing or differ from their checksum; empty when all is well."""
        directory = self.directory(item)
        with _store_errors("read", self.root, region=item.region_id, day=item.day):
            return tuple(_damaged(directory))

    def _attempt(
        self, draft: ProductItem, product: Product, grid: Grid, write: Write, region: Path, day: Path
    ) -> ProductItem | None:
        """The stored item, or None when another publisher took the revision meanwhile."""
        stored = _stored(day)
        same = next((item for item in stored if item.item_id == draft.item_id), None)
        revision = same.revision if same else (stored[-1].revision if stored else 0) + 1
        target = day / f"r{revision:02d}"
        before = [item.item_id for item in stored if item.revision < revision]
        created = same.created if same else draft.created
        item = _completed(draft, revision=revision, created=created, supersedes=before[-1] if before else None,
                          directory=target.relative_to(self.root).as_posix())
        with _partial_folder(region) as partial:
            item = _completed(item, assets=tuple(write(partial, item)))
            if same:
                _check_equal(same, item)
            _describe(partial, same or item, product, grid)
            if same:
                _repair(target, partial)
                return same
            try:
                partial.rename(target)
            except OSError:
                if target.exists():
                    return None
                raise
            _sync(day)
        return item


    def _list_changes(self, region: Path, day: Path, product: Product, grid: Grid) -> None:
        path = region / CHANGES
        days = [day]
        try:
            listed = from_csv(path.read_text(encoding="utf-8")) if path.exists() else ()
        except PublishError:                                            # edited by hand: made again from the records
            listed, days = (), sorted(region.glob(_ANY_DAY))
        known = {revision.item_id for revision in listed}
        new = [revision_of(before, item, self._compared(before, item, product, grid))
               for folder in days for before, item in pairwise(_stored(folder)) if item.item_id not in known]
        in_order = sorted([*listed, *new], key=lambda revision: (revision.published, revision.day, revision.revision))
        _replace(path, to_csv(in_order), region)

    def _compared(
        self, before: ProductItem, item: ProductItem, product: Product, grid: Grid
    ) -> tuple[xr.Dataset, xr.Dataset] | None:
        try:
            first, second = (read_cogs(self.directory(one), product, one, grid, COMPARED) for one in (before, item))
        except (StoreUnavailableError, GridMismatchError):
            return None
        return first, second


def _commit(region: Path, day: Path, item: ProductItem) -> None:
    if outermost_day(region, item.day, first=False) <= item.day:
        _point(region / _LATEST, item, region)
    _point(day / _LATEST, item, region)


def _days(region: Path) -> list[dt.date]:
    folders = (path.parent.parts[-3:] for path in region.glob(f"{_ANY_DAY}/{_LATEST}"))
    return sorted(dt.date(int(year), int(month), int(day)) for year, month, day in folders)


def _visible(day: Path) -> list[ProductItem]:
    try:
        newest = json.loads((day / _LATEST).read_text(encoding="utf-8"))["revision"]
    except FileNotFoundError:
        return []
    return [item for item in _stored(day) if item.revision <= newest]


def _stored(day: Path) -> list[ProductItem]:
    numbered = sorted((int(match[1]), path) for path in day.iterdir() if (match := _REVISION.fullmatch(path.name)))
    return [_record(path / _RECORD) for _, path in numbered]


def _record(path: Path) -> ProductItem:
    try:
        return ProductItem.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as cause:
        raise PublishError("a stored item record is damaged", file=str(path)) from cause


def _completed(item: ProductItem, **known: object) -> ProductItem:
    return ProductItem.model_validate({**item.model_dump(), **known})


def _check_equal(existing: ProductItem, again: ProductItem) -> None:
    if existing.assets != again.assets:
        differing = sorted({file.uri for file in set(existing.assets) ^ set(again.assets)})
        raise ItemConflictError("an item of this id exists with other files", item=existing.item_id,
                                region=existing.region_id, day=existing.day, files=differing)


def _describe(folder: Path, item: ProductItem, product: Product, grid: Grid) -> None:
    stac = json.dumps(stac_item(item, product, grid), indent=1, allow_nan=False)
    (folder / f"{file_stem(item)}.json").write_text(stac, encoding="utf-8")
    (folder / _RECORD).write_text(item.model_dump_json(indent=1), encoding="utf-8")
    checksums = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    broken = [file.uri for file in item.assets if checksums.get(file.uri) != file.sha256]
    if broken:
        raise StoreUnavailableError("files differ from what was written", files=broken, day=item.day)
    lines = [f"{checksum}  {name}\n" for name, checksum in checksums.items()]
    (folder / _CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)


def _damaged(folder: Path) -> Iterator[str]:
    checksums = folder / _CHECKSUMS
    if not checksums.is_file():
        yield checksums.name
        return
    for line in checksums.read_text(encoding="utf-8").splitlines():
        checksum, name = line.split("  ", 1)
        if not (folder / name).is_file() or _sha256(folder / name) != checksum:
            yield name


def _repair(folder: Path, again: Path) -> None:
    """Put back the files that no longer are what was published."""
    for name in list(_damaged(folder)):
        (again / name).replace(folder / name)
    _sync(folder)
    if still := list(_damaged(folder)):
        raise StoreUnavailableError("a published item is damaged", folder=folder.name, files=still)


def _point(path: Path, item: ProductItem, region: Path) -> None:
    content = {
        "item_id": item.item_id, "day": item.day.isoformat(), "revision": item.revision, "maturity": item.maturity,
        "directory": item.directory, "stac": f"{item.directory}/{file_stem(item)}.json",
    }
    _replace(path, _json(content), region)


def _replace(path: Path, text: str, region: Path) -> None:
    """Put a file in place at once; one that is the same already stays."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _partial_folder(region) as folder:
        partial = folder / path.name
        partial.write_text(text, encoding="utf-8")
        _sync(partial)
        partial.replace(path)
    _sync(path.parent)


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)


@contextmanager
def _partial_folder(region: Path) -> Iterator[Path]:
    """A folder to write in, not yet visible; the lock on it ends with the process that made it."""
    with ExitStack() as locks:
        while True:
            outer = region / f"{_PARTIAL}{uuid.uuid4().hex}"
            outer.mkdir()
            with suppress(FileNotFoundError):
                locks.enter_context(_locked(outer))
            if (outer / _LOCK).exists():                                # else removed as abandoned before the lock
                break
        try:
            inner = outer / "files"
            inner.mkdir()
            yield inner
        finally:
            shutil.rmtree(outer, ignore_errors=True)


def _remove_abandoned(region: Path) -> None:
    for folder in region.glob(f"{_PARTIAL}*"):
        with suppress(BlockingIOError, FileNotFoundError), _locked(folder, wait=False):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def _store_errors(verb: str, root: Path, **context: object) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        message = f"the product store cannot be {verb}: {cause}"
        raise StoreUnavailableError(message, store=root.name, **context) from cause


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
