"""GLEAM over a real SFTP server on the loopback."""

import asyncio
import contextlib
import datetime as dt
import logging
import os
import threading

import asyncssh
import pytest
from pydantic import SecretStr

from sm_core.errors import (
    AuthenticationError,
    HostKeyError,
    NotYetDownloadableError,
    SchemaDriftError,
    SettingsError,
    SourceUnavailableError,
)
from tasks.adapters.fetch.gleam import Gleam, SftpAccess
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.fetch.protocol import Query

PASSWORD = "sf7p-word"
APRIL = dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC)
QUERY = Query(source_id="GLEAM_v4.2a.SMs", first=dt.date(2024, 12, 31), last=dt.date(2025, 1, 1))


class Door(asyncssh.SSHServer):
    tried = 0

    def __init__(self, connections):
        self._connections = connections

    def connection_made(self, conn):
        self._connections.append(conn)

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        Door.tried += 1
        return (username, password) == ("me", PASSWORD)


class Sftp:
    """Serves a folder; ``broken_after`` bytes of any file the connection breaks."""

    def __init__(self, root):
        self.key, self.broken_after = asyncssh.generate_private_key("ssh-ed25519"), None
        self._loop, self._stop, self._root = asyncio.new_event_loop(), asyncio.Event(), root
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._ready.wait(10)

    async def _serve(self):
        owner = self

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel):
                super().__init__(channel, chroot=os.fsencode(owner._root))

            def read(self, file_obj, offset, size):
                if owner.broken_after is not None and offset >= owner.broken_after:
                    self.channel.get_connection().abort()
                return super().read(file_obj, offset, size)

        connections = []
        server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[self.key], sftp_factory=Files,
                                       server_factory=lambda: Door(connections))
        self.port = server.get_port()
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in connections:
            connection.abort()
            await connection.wait_closed()
        await server.wait_closed()

    def access(self, **changes):
        known = self.key.export_public_key().decode()
        return SftpAccess(**{
            "host": "127.0.0.1", "port": self.port, "user": "me", "password": SecretStr(PASSWORD), "host_key": known,
            "connect_timeout_s": 5, "read_timeout_s": 5,
        } | changes)

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def sftp(tmp_path, caplog):
    caplog.set_level(logging.CRITICAL, "paramiko")
    caplog.set_level(logging.CRITICAL, "asyncssh")
    (tmp_path / "data").mkdir()
    with contextlib.closing(Sftp(tmp_path)) as server:
        yield server


def put(root, name, version="v4.2a", content=b"\x89HDF\r\n\x1a\n", when=APRIL):
    path = root / "data" / version / "daily" / name.split("_")[1] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (when.timestamp(), when.timestamp()))
    return path


def quick(access):
    return Gleam(access, Patience(attempts=1))


def fetch(client, listed, offset=0):
    with client.open(listed, offset) as body:
        return body.offset, body.size, b"".join(body.blocks())


def test_years_are_listed_in_their_newest_version(sftp, tmp_path):
    for version in ("v4.2a", "v4.3a"):
        for variable in ("SMs", "SMrz", "E"):
            put(tmp_path, f"{variable}_2024_GLEAM_{version}.nc", version)
    put(tmp_path, "SMs_2025_GLEAM_v4.3a.nc", "v4.3a")
    put(tmp_path, "SMs_2023_GLEAM_v4.3a.nc", "v4.3a")
    put(tmp_path, "SMs_2024_GLEAM_v4.3b.nc", "v4.3b")                     # the satellite-era variant is another product
    found = list(quick(sftp.access()).listed(QUERY))
    assert [listed.name for listed in found] == ["SMs_2024_GLEAM_v4.3a.nc", "SMs_2025_GLEAM_v4.3a.nc"]
    assert (found[0].size, found[0].published) == (8, APRIL)
    assert found[0].revision == "20260401T120000Z-0000000000008"
    assert found[0].url == f"sftp://127.0.0.1:{sftp.port}/data/v4.3a/daily/2024/SMs_2024_GLEAM_v4.3a.nc"


def test_download_and_resume(sftp, tmp_path):
    content = os.urandom((8 << 20) + 70_001)
    put(tmp_path, "SMs_2024_GLEAM_v4.2a.nc", content=content)
    client = quick(sftp.access())
    (listed,) = client.listed(QUERY)
    assert fetch(client, listed) == (0, len(content), content)
    assert fetch(client, listed, 5_000_001) == (5_000_001, len(content), content[5_000_001:])
    assert fetch(client, listed, len(content)) == (len(content), len(content), b"")
    assert fetch(client, listed, len(content) + 1)[0] == 0


def test_file_that_grew_is_another_edition(sftp, tmp_path):
    put(tmp_path, "SMs_2025_GLEAM_v4.2a.nc", content=b"\x89HDF\r\n\x1a\n" + b"1")
    client = quick(sftp.access())
    (before,) = client.listed(QUERY)
    path = put(tmp_path, before.name, content=b"\x89HDF\r\n\x1a\n" + b"12", when=APRIL + dt.timedelta(days=30))
    (after,) = client.listed(QUERY)
    assert after.revision > before.revision
    with pytest.raises(NotYetDownloadableError, match="changed"):
        fetch(client, before)
    path.unlink()
    with pytest.raises(NotYetDownloadableError, match="no such"):
        fetch(client, after)


def test_connection_that_breaks(sftp, tmp_path):
    put(tmp_path, "SMs_2024_GLEAM_v4.2a.nc", content=bytes(20 << 20))
    client = quick(sftp.access())
    (listed,) = client.listed(QUERY)
    sftp.broken_after = 10 << 20
    got = 0
    with client.open(listed) as body, pytest.raises(SourceUnavailableError):
        for block in body.blocks():
            got += len(block)
    assert got == 8 << 20


def test_server_without_the_product_is_told(sftp):
    with pytest.raises(SchemaDriftError):
        list(quick(sftp.access()).listed(QUERY))
    with pytest.raises(SchemaDriftError):
        list(quick(sftp.access(root="/elsewhere")).listed(QUERY))


def test_other_host_key_is_refused_before_the_password_is_sent(sftp, tmp_path):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    before = Door.tried
    with pytest.raises(HostKeyError, match="SHA256:") as caught:
        list(quick(sftp.access(host_key=other)).listed(QUERY))
    assert PASSWORD not in str(caught.value)
    assert Door.tried == before


def test_key_of_another_kind_is_refused(sftp):
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    with pytest.raises(HostKeyError):
        list(quick(sftp.access(host_key=other)).listed(QUERY))


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", "nonsense AAAA"])
def test_setting_that_is_no_key(sftp, key):
    with pytest.raises(SettingsError):
        list(quick(sftp.access(host_key=key)).listed(QUERY))


def test_wrong_password(sftp):
    with pytest.raises(AuthenticationError) as caught:
        list(quick(sftp.access(password=SecretStr("other-word"))).listed(QUERY))
    assert "other-word" not in str(caught.value)


def test_nobody_listens(sftp):
    with pytest.raises(SourceUnavailableError):
        list(quick(sftp.access(port=9)).listed(QUERY))
