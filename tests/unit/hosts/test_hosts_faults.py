"""Scripted misbehaviour at the level of the connection, and that it is the same each time."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from sm_core.errors import ArchiveNotFoundError
from tasks.hosts.checksums import posix_cksum
from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault, Script, draw, random_faults
from tasks.hosts.serve import SimulatedHosts

NAME = "GLASS06A01.V01.A2018001.h28v05.2019010.hdf"
Get = Callable[..., requests.Response]


@pytest.fixture
def get(session: requests.Session) -> Get:
    def file(hosts: SimulatedHosts, **headers: str) -> requests.Response:
        return session.get(f"{hosts.urls.glass}/LST/MODIS/Daily/1KM/2018/001/{NAME}", headers=headers, timeout=5)

    return file


@pytest.mark.parametrize(("kind", "status"), [("throttled", 429), ("quota", 429), ("error_500", 500),
                                              ("error_503", 503), ("not_found", 404), ("html", 200)])
def test_other_answers_as_often_as_scripted(serve: Any, get: Get, archive: Path, kind: Any, status: int) -> None:
    hosts = serve(Fault(kind=kind, host="glass", path="*.hdf", times=2, seconds=7))
    answers = [get(hosts) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers.get("Retry-After") == ("7" if kind == "throttled" else None)
    assert answers[2].content == (archive / NAME).read_bytes()
    if kind == "html":
        assert answers[0].content.startswith(b"<!DOCTYPE html>")
    assert [seen.fault for seen in hosts.exchanges] == [kind, kind, ""]


def test_reset_in_mid_file_leaves_the_first_half(serve: Any, archive: Path) -> None:
    hosts = serve(Fault(kind="reset", times=1))
    content = (archive / NAME).read_bytes()
    received = raw_get(hosts, f"/archive/LST/MODIS/Daily/1KM/2018/001/{NAME}")
    assert f"Content-Length: {len(content)}".encode() in received[0]
    assert received[1] == content[:len(content) // 2]
    assert received[2] is ConnectionResetError


def test_rest_of_a_reset_file_can_be_had_by_range(serve: Any, get: Get, archive: Path) -> None:
    hosts = serve(Fault(kind="reset", path="*.hdf", times=1))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="reset by peer"):
        get(hosts)
    content = (archive / NAME).read_bytes()
    rest = get(hosts, Range=f"bytes={len(content) // 2}-")
    assert (rest.status_code, rest.content) == (206, content[len(content) // 2:])


def test_truncated_body_has_no_length_and_ends_early(serve: Any, get: Get, archive: Path) -> None:
    hosts = serve(Fault(kind="truncated", times=1))
    answer = get(hosts)
    content = (archive / NAME).read_bytes()
    assert "Content-Length" not in answer.headers
    assert answer.content == content[:len(content) // 2]
    assert get(hosts).content == content


def test_corrupted_body_differs_in_one_byte_and_keeps_its_length(serve: Any, get: Get, archive: Path) -> None:
    hosts = serve(Fault(kind="corrupted", times=1))
    content, wrong = (archive / NAME).read_bytes(), get(hosts).content
    assert sum(a != b for a, b in zip(content, wrong, strict=True)) == 1
    assert wrong[:4] == content[:4]


def test_slow_body_takes_its_time_and_arrives_whole(serve: Any, get: Get, archive: Path) -> None:
    hosts = serve(Fault(kind="slow", times=1, seconds=0.3))
    begun = time.monotonic()
    assert get(hosts).content == (archive / NAME).read_bytes()
    assert time.monotonic() - begun > 0.25


def test_host_is_down_for_days_of_its_clock(serve: Any, get: Get, clock: Clock) -> None:
    now = clock.now()
    hosts = serve(Fault(kind="down", host="glass", since=now + dt.timedelta(days=1), until=now + dt.timedelta(days=3)))
    reached = []
    for _ in range(4):
        try:
            reached.append(get(hosts).status_code)
        except requests.exceptions.ConnectionError:
            reached.append(0)
        clock.advance(dt.timedelta(days=1))
    assert reached == [200, 0, 0, 200]


def test_chance_follows_the_seed_and_the_path_alone(clock: Clock) -> None:
    def struck(seed: int, paths: list[str]) -> dict[str, bool]:
        script = Script([Fault(kind="error_500", probability=0.1)], clock, seed)
        return {path: script.strike("data", path) is not None for path in paths}

    paths = [f"/{number}" for number in range(2000)]
    first = struck(1, paths)
    assert struck(1, paths[::-1]) == first
    assert struck(2, paths) != first
    assert 150 < sum(first.values()) < 250


def test_chance_is_drawn_anew_at_each_try_and_times_are_per_path(clock: Clock) -> None:
    script = Script([Fault(kind="reset", probability=0.5, times=3)], clock)
    hits = [script.strike("data", "/a") is not None for _ in range(200)]
    assert sum(hits) == 3
    assert sum(script.strike("data", "/b") is not None for _ in range(200)) == 3


def test_random_faults_meet_their_share_of_requests(clock: Clock) -> None:
    script = Script(random_faults(0.1), clock, seed=3)
    for host in ("cmr", "signed", "glass", "rda"):
        met = sum(script.strike(host, f"/{number}") is not None for number in range(3000))
        assert 0.08 < met / 3000 < 0.12


def test_draw_is_uniform() -> None:
    values = [draw("uniform", number) for number in range(4000)]
    assert min(values) >= 0.0
    assert max(values) < 1.0
    assert abs(sum(values) / 4000 - 0.5) < 0.02


def test_script_can_be_replaced_while_the_hosts_run(serve: Any, get: Get) -> None:
    hosts = serve(Fault(kind="error_500"))
    assert get(hosts).status_code == 500
    hosts.script.replace(())
    assert get(hosts).status_code == 200


def test_nothing_is_left_when_the_hosts_stop(archive: Path, clock: Clock) -> None:
    before = set(threading.enumerate())
    with SimulatedHosts(archive, clock, [Fault(kind="slow", seconds=60.0)]) as hosts, requests.Session() as session:
        urls = hosts.urls
        idle = socket.create_connection((urls.gleam_host, urls.gleam_port))
        half = socket.create_connection(("127.0.0.1", port_of(urls.cmr)))
        half.sendall(b"GET /search/granules")
        slow = threading.Thread(target=_try, args=(session, f"{urls.glass}/LST/MODIS/Daily/1KM/2018/001/{NAME}"))
        slow.start()
        while not hosts.exchanges:
            time.sleep(0.005)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    slow.join()
    idle.close()
    half.close()
    assert set(threading.enumerate()) == before
    for port in (port_of(urls.cmr), urls.gleam_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_busiest_counts_requests_at_once(serve: Any) -> None:
    hosts = serve(Fault(kind="slow", seconds=0.3))
    threads = [threading.Thread(target=raw_get, args=(hosts, f"/archive/LST/AVHRR/0.05D/2018/?{number}"))
               for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts.busiest("glass") == 3


def test_archive_must_exist(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ArchiveNotFoundError, match="no such archive"):
        SimulatedHosts(tmp_path / "nowhere", clock)


def test_clock_can_run() -> None:
    clock = Clock(dt.datetime(2019, 1, 1, tzinfo=dt.UTC), speed=86400.0)
    time.sleep(0.05)
    assert dt.datetime(2019, 1, 1, 1, tzinfo=dt.UTC) < clock.now()


def test_whoever_checks_and_tries_again_gets_everything(
    serve: Any, session: requests.Session, search: Callable[..., requests.Response], archive: Path
) -> None:
    hosts = serve(*random_faults(0.5), seed=11)
    items = _until_good(lambda: search(hosts), lambda answer: "CMR-Time-Out" not in answer.headers).json()["items"]
    for item in items:
        url = item["umm"]["RelatedUrls"][0]["URL"]
        stated = item["umm"]["DataGranule"]["ArchiveAndDistributionInformation"][0]["Checksum"]["Value"]
        headers = {"Authorization": f"Bearer {hosts.token()}"}
        answer = _until_good(lambda: session.get(url, headers=headers, timeout=5),  # noqa: B023 - called at once
                             lambda got: str(posix_cksum(got.content)) == stated)  # noqa: B023
        assert answer.content == (archive / url.rpartition("/")[2]).read_bytes()
    assert len(items) == 4
    assert len({seen.fault for seen in hosts.exchanges}) > 4


def _until_good(ask: Callable[[], requests.Response], good: Callable[[requests.Response], bool]) -> requests.Response:
    for _ in range(50):
        try:
            answer = ask()
        except requests.exceptions.RequestException:
            continue
        if answer.status_code == 200 and not answer.content.startswith(b"<!DOCTYPE") and good(answer):
            return answer
    raise AssertionError("no good answer in fifty")


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def raw_get(hosts: SimulatedHosts, path: str) -> tuple[bytes, bytes, type[Exception] | None]:
    """Head, body and how the connection ended."""
    port = port_of(hosts.urls.glass)
    received, ending = b"", None
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        try:
            while block := connection.recv(65536):
                received += block
        except ConnectionResetError as error:
            ending = type(error)
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body, ending


def _try(session: requests.Session, url: str) -> None:
    try:
        _ = session.get(url, timeout=5).content
    except requests.exceptions.RequestException:
        return
