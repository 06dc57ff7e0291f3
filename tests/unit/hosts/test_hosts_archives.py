"""GLASS by listing, GLEAM by SFTP."""

from __future__ import annotations

import base64
import datetime as dt
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import paramiko
import pytest
import requests

from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault
from tasks.hosts.serve import SimulatedHosts

GLEAM_FILE = "/data/v4.2a/daily/2018/SMs_2018_GLEAM_v4.2a.nc"


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value) for name, value in attrs if tag == "a" and name == "href"]


def links(page: str) -> list[str]:
    """Entries of a listing, without the headings' sort links and the way up."""
    parser = _Links()
    parser.feed(page)
    return [link for link in parser.found if not link.startswith(("?", "/"))]


@contextmanager
def sftp(hosts: SimulatedHosts, password: str | None = None) -> Iterator[paramiko.SFTPClient]:
    urls = hosts.urls
    with closing(paramiko.Transport((urls.gleam_host, urls.gleam_port))) as transport:
        kind, key = urls.gleam_host_key.split()
        known = paramiko.PKey.from_type_string(kind, base64.b64decode(key))
        transport.connect(hostkey=known, username=hosts.accounts.gleam_user,
                          password=password or hosts.accounts.gleam_password)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        with client:
            yield client


def test_listing_leads_from_the_top_to_the_file(serve: Any, session: requests.Session, archive: Path) -> None:
    hosts = serve()
    url, seen = f"{hosts.urls.glass}/", []
    while url.endswith("/"):
        found = links(session.get(url, timeout=10).text)
        seen.append(found)
        url += found[0]
    name = "GLASS06A01.V01.A2018001.h28v05.2019010.hdf"
    assert seen == [["LST/"], ["AVHRR/", "MODIS/"], ["0.05D/"], ["2018/"],
                    ["GLASS08B31.V40.A2018002.2019010.hdf", "GLASS08B31.V40.A2018002.2019010.hdf.xml"]]
    assert session.get(url, timeout=10).content == (archive / "GLASS08B31.V40.A2018002.2019010.hdf").read_bytes()
    daily = f"{hosts.urls.glass}/LST/MODIS/Daily/1KM/2018/001/"
    page = session.get(daily, timeout=10)
    assert links(page.text) == [name, f"{name}.xml"]
    assert f">{name[:20]}..&gt;</a>" in page.text  # Apache cuts the text, not the link
    assert session.get(daily.rstrip("/"), timeout=10).url == daily
    assert name in session.get(f"{daily}{name}.xml", timeout=10).text
    assert session.get(f"{daily}nothing.hdf", timeout=10).status_code == 404
    assert session.get(f"{hosts.urls.glass}/LAI/", timeout=10).status_code == 404


def test_glass_granule_comes_years_later(serve: Any, session: requests.Session, clock: Clock) -> None:
    year = f"{serve().urls.glass}/LST/AVHRR/0.05D/2018/"
    clock.move_to(dt.datetime(2021, 9, 16, tzinfo=dt.UTC))
    assert len(links(session.get(year, timeout=10).text)) == 4  # each with its .xml
    clock.move_to(dt.datetime(2021, 9, 15, 23, tzinfo=dt.UTC))
    assert len(links(session.get(year, timeout=10).text)) == 2
    clock.move_to(dt.datetime(2019, 1, 9, tzinfo=dt.UTC))
    assert links(session.get(year, timeout=10).text) == []


def test_latency_can_be_told(serve: Any, session: requests.Session) -> None:
    hosts = serve(latencies={"GLASS08B31.V40": dt.timedelta(days=1)})
    assert len(links(session.get(f"{hosts.urls.glass}/LST/AVHRR/0.05D/2018/", timeout=10).text)) == 4


def test_gleam_is_browsed_and_read(serve: Any, archive: Path, tmp_path: Path) -> None:
    with sftp(serve()) as client:
        assert client.listdir("/data") == ["v4.2a"]
        assert client.listdir("/data/v4.2a/daily") == ["2017", "2018"]
        assert client.normalize(".") == "/"
        (entry,) = client.listdir_attr("/data/v4.2a/daily/2018")
        assert entry.filename == "SMs_2018_GLEAM_v4.2a.nc"
        assert entry.st_size == (archive / entry.filename).stat().st_size
        assert entry.st_mtime == int(dt.datetime(2019, 4, 15, tzinfo=dt.UTC).timestamp())
        folder, file = client.stat("/data/v4.2a").st_mode, client.stat(GLEAM_FILE).st_mode
        assert stat.S_ISDIR(folder or 0) and stat.S_ISREG(file or 0)
        client.get(GLEAM_FILE, str(tmp_path / "copy.nc"))
        with client.open(GLEAM_FILE) as remote:
            remote.seek(39_000)
            assert remote.read() == (archive / entry.filename).read_bytes()[39_000:]
        for missing in ("/data/v4.3a", "/data/v4.2a/daily/2019/SMs_2019_GLEAM_v4.2a.nc", "/etc/passwd"):
            with pytest.raises(FileNotFoundError):
                client.stat(missing)
        with pytest.raises(PermissionError):
            client.open(GLEAM_FILE, "w")
    assert (tmp_path / "copy.nc").read_bytes() == (archive / "SMs_2018_GLEAM_v4.2a.nc").read_bytes()


def test_gleam_year_is_released_in_the_next_april_and_can_be_revised(serve: Any, clock: Clock, archive: Path) -> None:
    name = "SMs_2019_GLEAM_v4.2a.nc"
    with sftp(serve(Fault(kind="revised", path=name, days=30))) as client:
        clock.move_to(dt.datetime(2020, 4, 14, 23, tzinfo=dt.UTC))
        assert "2019" not in client.listdir("/data/v4.2a/daily")
        clock.move_to(dt.datetime(2020, 4, 15, tzinfo=dt.UTC))
        first = client.stat(f"/data/v4.2a/daily/2019/{name}")
        clock.move_to(dt.datetime(2020, 5, 15, tzinfo=dt.UTC))
        second = client.stat(f"/data/v4.2a/daily/2019/{name}")
        with client.open(f"/data/v4.2a/daily/2019/{name}") as remote:
            content = remote.read()
    assert (first.st_size or 0) < (second.st_size or 0) == len(content)
    assert (second.st_mtime or 0) - (first.st_mtime or 0) == 30 * 86400
    assert content.startswith((archive / name).read_bytes())


def test_gleam_wants_the_password(serve: Any) -> None:
    with pytest.raises(paramiko.AuthenticationException), sftp(serve(), password="guess"):
        pytest.fail("let in")


def test_gleam_can_show_another_host_key(serve: Any) -> None:
    hosts = serve(Fault(kind="bad_host_key", host="gleam", times=1))
    with pytest.raises(paramiko.SSHException, match="host key"), sftp(hosts):
        pytest.fail("not noticed")
    with sftp(hosts) as client:
        assert client.listdir("/") == ["data"]


def test_gleam_connection_breaks_in_mid_file(serve: Any, archive: Path) -> None:
    hosts = serve(Fault(kind="reset", host="gleam", times=1))
    with pytest.raises((OSError, EOFError, paramiko.SSHException)), sftp(hosts) as client, client.open(GLEAM_FILE) as f:
        f.read()
    with sftp(hosts) as client, client.open(GLEAM_FILE) as remote:
        assert remote.read() == (archive / "SMs_2018_GLEAM_v4.2a.nc").read_bytes()


def test_gleam_faults_of_the_file(serve: Any, archive: Path) -> None:
    content = (archive / "SMs_2018_GLEAM_v4.2a.nc").read_bytes()
    hosts = serve(Fault(kind="error_500", host="gleam", path=GLEAM_FILE, times=1),
                  Fault(kind="not_found", host="gleam", path=GLEAM_FILE, times=1),
                  Fault(kind="corrupted", host="gleam", path=GLEAM_FILE, times=1))
    with sftp(hosts) as client:
        with pytest.raises(OSError, match="Failure"):
            client.open(GLEAM_FILE)
        with pytest.raises(FileNotFoundError):
            client.open(GLEAM_FILE)
        with client.open(GLEAM_FILE) as remote:
            wrong = remote.read()
        with client.open(GLEAM_FILE) as remote:
            assert remote.read() == content
    assert sum(a != b for a, b in zip(content, wrong, strict=True)) == 1


def test_gleam_can_be_down(serve: Any) -> None:
    hosts = serve(Fault(kind="down", host="gleam", times=1))
    with pytest.raises((paramiko.SSHException, ConnectionError, EOFError)), sftp(hosts):
        pytest.fail("reached")
    with sftp(hosts) as client:
        assert client.listdir("/") == ["data"]
