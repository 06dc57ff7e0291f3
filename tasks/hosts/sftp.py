"""The GLEAM host: a real SFTP server with a password, read only."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import socket
import stat
import struct
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO

import asyncssh

from tasks.hosts.catalogue import Catalogue, Edition
from tasks.hosts.faults import Fault, Script
from tasks.hosts.tree import Tree

SOURCES = ("GLEAM_v4.2a.SMs", "GLEAM_v4.2a.SMrz", "GLEAM_v3.8a.SMsurf", "GLEAM_v3.8a.SMroot")
FOLDERS = dict.fromkeys(SOURCES, "data/v{version}/daily/{start:%Y}")
LOOPBACK = "127.0.0.1"
FOLDER_TIME = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)
_KEY_TYPE = "ssh-ed25519"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class SftpHost:
    """The server, in a thread of its own.

    Parameters
    ----------
    user, password
        The only ones that are let in.
    port
        0 takes a free one.
    """

    def __init__(self, catalogue: Catalogue, script: Script, user: str, password: str, port: int = 0) -> None:
        self._tree, self._script = Tree(catalogue, FOLDERS), script
        self._user, self._password = user, password
        self._key, self._other_key = (asyncssh.generate_private_key(_KEY_TYPE) for _ in range(2))
        self._socket = socket.create_server((LOOPBACK, port), backlog=64)
        self._socket.setblocking(False)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="host gleam")

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        return int(self._socket.getsockname()[1])

    @property
    def host_key(self) -> str:
        """Its public key as in ``known_hosts``: type and base64."""
        return " ".join(self._key.export_public_key().decode().split()[:2])

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Break all connections, join the thread, free the port."""
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._socket.close()

    async def _run(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        accepting = asyncio.create_task(self._accept())
        await self._stopping.wait()
        accepting.cancel()
        await asyncio.gather(accepting, return_exceptions=True)

    async def _accept(self) -> None:
        serving: set[asyncio.Task[None]] = set()
        try:
            while True:
                client, _ = await asyncio.get_running_loop().sock_accept(self._socket)
                task = asyncio.create_task(self._serve(client))
                serving.add(task)
                task.add_done_callback(serving.discard)
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, client: socket.socket) -> None:
        fault = self._script.strike("gleam", "/", among=("down", "bad_host_key"))
        if fault and fault.kind == "down":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            client.close()
            return
        try:
            connection = await asyncssh.run_server(
                client, config=None, server_host_keys=[self._other_key if fault else self._key],
                server_factory=lambda: _Door(self._user, self._password, self._script), agent_forwarding=False,
                sftp_factory=lambda channel: _Files(channel, self._tree, self._script), allow_scp=False,
            )
        except (OSError, asyncssh.Error):
            client.close()
            return
        try:
            await connection.wait_closed()
        finally:
            connection.abort()
            await connection.wait_closed()


class _Door(asyncssh.SSHServer):
    def __init__(self, user: str, password: str, script: Script) -> None:
        self._known, self._script = (user, password), script

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        refused = self._script.strike("gleam", "/", among=("expired_token",))
        return refused is None and (username, password) == self._known


@dataclass
class _Opened:
    edition: Edition
    file: BinaryIO
    fault: Fault | None

    def read(self, offset: int, size: int) -> bytes:
        self.file.seek(offset)
        content = self.file.read(size)
        over = offset + len(content) - os.fstat(self.file.fileno()).st_size
        content += self.edition.tail[max(0, over):max(0, over) + size - len(content)]
        middle = self.edition.size // 2 - offset
        if self.fault and self.fault.kind == "corrupted" and 0 <= middle < len(content):
            content = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1:]
        return content


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], tree: Tree, script: Script) -> None:
        super().__init__(channel)
        self._tree, self._script = tree, script

    def realpath(self, path: bytes) -> bytes:
        return os.path.normpath(b"/" + path).replace(b"//", b"/")

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        name = self.realpath(path).decode("utf-8", "replace")
        edition = self._tree.file(name)
        if edition is None and self._tree.entries(name) is None:
            raise asyncssh.SFTPNoSuchFile("No such file")
        return _attributes(edition)

    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return self.stat(path)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        folder = self.realpath(path).decode("utf-8", "replace")
        self._refuse(folder)
        entries = self._tree.entries(folder)
        if entries is None:
            raise asyncssh.SFTPNoSuchFile("No such file")
        for name, edition in entries.items():
            yield asyncssh.SFTPName(name.encode(), attrs=_attributes(edition))

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        name = self.realpath(path).decode("utf-8", "replace")
        if pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC | asyncssh.FXF_APPEND):
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        self._refuse(name)
        edition = self._tree.file(name)
        if edition is None:
            raise asyncssh.SFTPNoSuchFile("No such file")
        fault = self._script.strike("gleam", name, among=("reset", "corrupted", "slow"))
        return _Opened(edition, edition.path.open("rb"), fault)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        opened = _as_opened(file_obj)
        if opened.fault and opened.fault.kind == "slow":
            await asyncio.sleep(opened.fault.seconds * min(1.0, size / opened.edition.size))
        if opened.fault and opened.fault.kind == "reset" and offset + size > opened.edition.size // 2:
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("Connection lost")
        return opened.read(offset, size)

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        return _attributes(_as_opened(file_obj).edition)

    def close(self, file_obj: object) -> None:
        _as_opened(file_obj).file.close()

    def _refuse(self, path: str) -> None:
        fault = self._script.strike("gleam", path, among=("error_500", "not_found"))
        if fault and fault.kind == "not_found":
            raise asyncssh.SFTPNoSuchFile("No such file")
        if fault:
            raise asyncssh.SFTPFailure("Failure")


def _as_opened(file_obj: object) -> _Opened:
    if not isinstance(file_obj, _Opened):
        raise asyncssh.SFTPInvalidHandle("Invalid handle")
    return file_obj


def _attributes(edition: Edition | None) -> asyncssh.SFTPAttrs:
    when = int((edition.published if edition else FOLDER_TIME).timestamp())
    mode = stat.S_IFREG | 0o444 if edition else stat.S_IFDIR | 0o555
    return asyncssh.SFTPAttrs(
        size=edition.size if edition else 4096, uid=0, gid=0, permissions=mode, atime=when, mtime=when,
        type=asyncssh.FILEXFER_TYPE_REGULAR if edition else asyncssh.FILEXFER_TYPE_DIRECTORY,
    )
