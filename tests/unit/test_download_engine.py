from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sm_core.errors import (
    AuthenticationError,
    DiskQuotaError,
    ForeignFileError,
    GranuleCorruptError,
    LicenceNotAcceptedError,
    NotYetDownloadableError,
    SmError,
    SourceUnavailableError,
    UnsafeContentError,
)
from tasks.adapters.fetch.download import Downloader
from tasks.adapters.fetch.protocol import Body, Checksum, Listed
from tasks.adapters.fetch.store import Store
from tests.unit.loopback import PUBLISHED, Host, Plain, granule, name

QUOTA = 1 << 30
NAME = name(5)


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as host:
        yield host


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def downloader(tmp_path: Path, pauses: list[float]) -> Downloader:
    return Downloader(Store(tmp_path), QUOTA, keep_free_bytes=0, sleep=pauses.append, jitter=random.Random(1))


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_a_file_is_placed_by_source_year_revision_and_name(host: Host, downloader: Downloader, tmp_path: Path) -> None:
    content = granule(300_000, seed=1)
    listed = host.listed(5, content, revision="2026-01-01T00:00:00Z")
    ref = downloader.fetch(Plain(), listed)
    assert Path(ref.uri) == tmp_path / "MOD11A1.061" / "2019" / "2026-01-01T00:00:00Z" / listed.name
    assert Path(ref.uri).read_bytes() == content
    assert (ref.sha256, ref.size) == (hashlib.sha256(content).hexdigest(), 300_000)
    assert files(tmp_path) == [Path(ref.uri)]


def test_what_is_in_the_store_is_not_asked_for_again(host: Host, downloader: Downloader) -> None:
    listed = host.listed(5, granule(1000, seed=1))
    assert downloader.fetch(Plain(), listed) == downloader.fetch(Plain(), listed)
    assert len(host.requests) == 1


def test_a_later_revision_lies_beside_the_earlier_one(host: Host, downloader: Downloader, tmp_path: Path) -> None:
    first, second = (host.listed(5, granule(1000, seed=n), revision=str(n)) for n in (1, 2))
    uris = [downloader.fetch(Plain(), listed).uri for listed in (first, second)]
    assert [Path(uri).read_bytes() for uri in uris] == [granule(1000, seed=1), granule(1000, seed=2)]


def test_a_broken_connection_is_resumed_where_it_broke(
    host: Host, downloader: Downloader, pauses: list[float], tmp_path: Path
) -> None:
    content = granule(300_000, seed=1)
    listed = host.listed(5, content)
    host.fail(listed, ("close", 100_000))
    ref = downloader.fetch(Plain(), listed)
    assert Path(ref.uri).read_bytes() == content
    assert [begin for _, begin in host.requests] == [0, 99_999]
    assert len(pauses) == 1
    assert files(tmp_path) == [Path(ref.uri)]


def test_the_next_run_goes_on_with_what_came(host: Host, tmp_path: Path) -> None:
    content = granule(300_000, seed=1)
    listed = host.listed(5, content)
    host.fail(listed, ("close", 200_000))
    once = Downloader(Store(tmp_path), QUOTA, keep_free_bytes=0, attempts=1)
    with pytest.raises(SourceUnavailableError, match="ended early"):
        once.fetch(Plain(), listed)
    assert Path(once.fetch(Plain(), listed).uri).read_bytes() == content
    assert [begin for _, begin in host.requests] == [0, 199_999]


@pytest.mark.parametrize("known_size", [True, False])
@pytest.mark.parametrize("fault", ["whole", ("reset", 50_000), 503, "page", "bare page", "other"])
def test_one_fault_after_a_break_does_no_harm(
    host: Host, downloader: Downloader, tmp_path: Path, fault: object, known_size: bool
) -> None:
    content = granule(300_000, seed=1)
    checksum = Checksum(algorithm="sha256", value=hashlib.sha256(content).hexdigest())
    listed = host.listed(5, content, checksum=checksum, **({} if known_size else {"size": None}))
    host.fail(listed, ("reset", 120_000), fault)
    ref = downloader.fetch(Plain(), listed)
    assert Path(ref.uri).read_bytes() == content
    assert files(tmp_path) == [Path(ref.uri)]


def test_a_cut_off_body_without_a_length_is_noticed_even_when_nobody_told_a_size(
    host: Host, downloader: Downloader
) -> None:
    content = granule(300_000, seed=1)
    listed = host.listed(5, content, size=None)
    host.fail(listed, ("close", 100_000))
    assert Path(downloader.fetch(Plain(), listed).uri).read_bytes() == content


@pytest.mark.parametrize("fault", ["page", "bare page", "other"])
def test_wrong_content_twice_goes_to_quarantine(
    host: Host, downloader: Downloader, tmp_path: Path, fault: str
) -> None:
    content = granule(5000, seed=1)
    listed = host.listed(5, content, checksum=Checksum(algorithm="md5", value=hashlib.md5(content).hexdigest()))
    host.fail(listed, fault, fault)
    with pytest.raises(GranuleCorruptError, match="MOD11A1"):
        downloader.fetch(Plain(), listed)
    assert len(host.requests) == 2
    refused, why = sorted(files(tmp_path), key=lambda path: path.suffix)
    assert refused.parent.name == why.parent.name == ".quarantine"
    told = json.loads(why.read_text())
    assert told["code"] == "SM205"
    assert told["listed"]["name"] == listed.name
    assert refused.read_bytes() != content


def test_wrong_content_once_is_forgotten(host: Host, downloader: Downloader, tmp_path: Path) -> None:
    content = granule(5000, seed=1)
    listed = host.listed(5, content, checksum=Checksum(algorithm="sha512", value=hashlib.sha512(content).hexdigest()))
    host.fail(listed, "other")
    ref = downloader.fetch(Plain(), listed)
    assert files(tmp_path) == [Path(ref.uri)]


def test_another_size_than_listed_is_refused(host: Host, downloader: Downloader) -> None:
    with pytest.raises(GranuleCorruptError, match="not the listed size"):
        downloader.fetch(Plain(), host.listed(5, granule(5000, seed=1), size=6000))
    with pytest.raises(GranuleCorruptError, match="not the listed size"):
        downloader.fetch(Plain(), host.listed(6, granule(5000, seed=1), size=4000))


def test_a_body_without_end_is_cut(downloader: Downloader) -> None:
    class Endless(Plain):
        @contextmanager
        def open(self, listed: Listed, offset: int = 0) -> Iterator[Body]:
            yield Stream(None, lambda: iter(lambda: granule(1 << 16, seed=1), b""))

    listed = Listed(source_id="MOD11A1.061", name=NAME, revision="1", published=PUBLISHED, url="", size=1 << 20)
    with pytest.raises(GranuleCorruptError, match="more than was announced"):
        downloader.fetch(Endless(), listed)


def test_only_the_hosts_troubles_are_tried_again_and_the_pause_is_what_the_host_asks(
    host: Host, downloader: Downloader, pauses: list[float]
) -> None:
    listed = host.listed(5, granule(1000, seed=1))
    host.fail(listed, 503, (429, 17), 500)
    downloader.fetch(Plain(), listed)
    assert len(pauses) == 3
    assert 0.5 <= pauses[0] <= 1.5
    assert pauses[1] == 17
    assert 2.0 <= pauses[2] <= 6.0
    with pytest.raises(NotYetDownloadableError):
        downloader.fetch(Plain(), host.listed(6, b"", url=listed.url + ".missing"))
    assert len(pauses) == 3


def test_a_pause_beyond_bounds_is_left_to_the_next_run(host: Host, downloader: Downloader, pauses: list[float]) -> None:
    listed = host.listed(5, granule(1000, seed=1))
    host.fail(listed, (429, 86_400))
    with pytest.raises(SourceUnavailableError) as raised:
        downloader.fetch(Plain(), listed)
    assert raised.value.context["retry_after_s"] == 86_400
    assert pauses == []


def test_attempts_are_bounded(host: Host, downloader: Downloader, pauses: list[float]) -> None:
    listed = host.listed(5, granule(1000, seed=1))
    host.fail(listed, *[503] * 9)
    with pytest.raises(SourceUnavailableError):
        downloader.fetch(Plain(), listed)
    assert (len(host.requests), len(pauses)) == (4, 3)


def test_a_dripping_connection_is_given_up(tmp_path: Path) -> None:
    minutes = iter(range(0, 100_000, 50))
    slow = Downloader(Store(tmp_path), QUOTA, keep_free_bytes=0, attempts=1, seconds=lambda: float(next(minutes)))

    class Dripping(Plain):
        @contextmanager
        def open(self, listed: Listed, offset: int = 0) -> Iterator[Body]:
            yield Stream(1 << 20, lambda: iter([granule(100, seed=1)] * 9))

    listed = Listed(source_id="MOD11A1.061", name=NAME, revision="1", published=PUBLISHED, url="", size=1 << 20)
    with pytest.raises(SourceUnavailableError, match="too slow"):
        slow.fetch(Dripping(), listed)


def test_quota_and_free_space_are_looked_at_before(host: Host, tmp_path: Path) -> None:
    listings = [host.listed(day, granule(10_000, seed=day)) for day in range(1, 9)]
    small = Downloader(Store(tmp_path), 35_000, keep_free_bytes=0, parallel_per_host=1)
    results = list(small.fetch_all(Plain(), listings))
    assert sum(result.file is not None for result in results) == 3
    assert {type(result.error) for result in results if result.error} == {DiskQuotaError}
    assert len(results) <= 5
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 35_000
    full = Downloader(Store(tmp_path), QUOTA, keep_free_bytes=1 << 60)
    with pytest.raises(DiskQuotaError, match="nearly full"):
        full.fetch(Plain(), listings[5])


def test_the_quota_holds_where_no_size_is_told(host: Host, tmp_path: Path) -> None:
    small = Downloader(Store(tmp_path), 50_000, keep_free_bytes=0)
    with pytest.raises(DiskQuotaError):
        small.fetch(Plain(), host.listed(1, granule(100_000, seed=1), size=None))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 50_000


@pytest.mark.parametrize(
    ("hostile", "error"),
    [
        ("../../etc/passwd", UnsafeContentError), ("a/b.hdf", UnsafeContentError), ("..", UnsafeContentError),
        ("", UnsafeContentError), (".hidden.hdf", UnsafeContentError), ("x\0.hdf", UnsafeContentError),
        ("x\n.hdf", UnsafeContentError), ("\u202efdh.x", UnsafeContentError), ("C:\\x.hdf", UnsafeContentError),
        ("\ud800.hdf", UnsafeContentError), ("M" * 300, UnsafeContentError), ("setup.exe", ForeignFileError),
        ("MYD11A1.A2019005.h28v05.061.2019366090000.hdf", ForeignFileError),
    ],
)
def test_names_from_outside_are_checked_before_anything_else(
    host: Host, downloader: Downloader, tmp_path: Path, hostile: str, error: type[SmError]
) -> None:
    listed = host.listed(5, granule(1000, seed=1)).model_copy(update={"name": hostile})
    with pytest.raises(error):
        downloader.fetch(Plain(), listed)
    assert host.requests == []
    assert files(tmp_path) == []


@pytest.mark.parametrize("revision", ["../../x", "", "a/b", ".", "..", "\0", "x" * 300, "2026-01-01 00:00"])
def test_no_revision_leads_out_of_its_folder(downloader: Downloader, tmp_path: Path, revision: str) -> None:
    listed = Listed(source_id="MOD11A1.061", name=NAME, revision=revision, published=PUBLISHED, url="")
    path = downloader.store.path(listed)
    assert path.resolve().relative_to(tmp_path / "MOD11A1.061" / "2019").parts[1:] == (NAME,)


class Counted(Plain):
    """Counts its open connections; a host would still count those whose last byte the client has."""

    def __init__(self) -> None:
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @contextmanager
    def open(self, listed: Listed, offset: int = 0) -> Iterator[Body]:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            with super().open(listed, offset) as body:
                yield body
        finally:
            with self.lock:
                self.at_once -= 1


def test_as_many_connections_as_allowed_and_each_file_once(host: Host, downloader: Downloader, tmp_path: Path) -> None:
    host.pause_s = 0.005
    contents = {day: granule(100_000, seed=day) for day in range(1, 21)}
    listings = [host.listed(day, content) for day, content in contents.items()]
    both: list[list[object]] = [[], []]
    counted = Counted()
    threads = [threading.Thread(target=lambda r=r: r.extend(downloader.fetch_all(counted, listings))) for r in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(results) for results in both] == [20, 20]
    assert counted.most_at_once == 4
    assert len(host.requests) == 20
    assert sorted(path.read_bytes() for path in files(tmp_path)) == sorted(contents.values())


@pytest.mark.parametrize("error", [AuthenticationError("expired"), LicenceNotAcceptedError("eula")])
def test_refused_credentials_are_not_shown_for_every_file(host: Host, downloader: Downloader, error: SmError) -> None:
    asked = []

    class Refusing(Plain):
        @contextmanager
        def open(self, listed: Listed, offset: int = 0) -> Iterator[Body]:
            asked.append(listed)
            raise error
            yield

    listings = [host.listed(day, b"") for day in range(1, 101)]
    results = list(downloader.fetch_all(Refusing(), listings))
    assert 1 <= len(results) == len(asked) <= 8


def test_a_host_that_is_down_is_left_alone(host: Host, downloader: Downloader) -> None:
    listings = [host.listed(day, granule(1000, seed=1)) for day in range(1, 101)]
    for listed in listings:
        host.fail(listed, *[503] * 10)
    results = list(downloader.fetch_all(Plain(), listings))
    assert 3 <= len(results) <= 16
    assert all(isinstance(result.error, SourceUnavailableError) for result in results)


def test_unfinished_downloads_that_nobody_wants_are_swept_but_not_those_under_way(host: Host, tmp_path: Path) -> None:
    store = Store(tmp_path)
    once = Downloader(store, QUOTA, keep_free_bytes=0, attempts=1)
    listings = [host.listed(day, granule(100_000, seed=day)) for day in (1, 2, 3)]
    for listed in listings:
        host.fail(listed, ("close", 50_000))
        with pytest.raises(SourceUnavailableError):
            once.fetch(Plain(), listed)
    with store.partial(listings[2]):
        assert store.sweep(wanted=listings[:1]) == 1
    assert len(files(tmp_path)) == 2


class Stream:
    offset = 0

    def __init__(self, size: int | None, blocks: Callable[[], Iterator[bytes]]) -> None:
        self.size, self.blocks = size, blocks
