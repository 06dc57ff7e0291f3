"""Speed of the download engine beside ``curl`` with as many connections to the same host in the same run.

The host is a plain file server on this machine, in a process of its own. The engine fetches through the production
client and does all that it does in service: SHA-256 for the ledger, the checksum that the provider states (a POSIX one
at the LP DAAC), the file's own table of contents, fsync, rename. curl checks nothing.

    python benchmarks/download_speed.py --files 200 --megabytes 2 --parallel 4
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import multiprocessing
import random
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

from tasks.adapters.fetch.download import Downloader
from tasks.adapters.fetch.http import Http, HttpOptions
from tasks.adapters.fetch.protocol import Algorithm, Body, Checksum, Listed, Query
from tasks.adapters.fetch.store import Store
from tasks.adapters.fetch.verify import Cksum

PUBLISHED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Host(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...


class OneHost:
    """Files of one host without any login."""

    source_ids: tuple[str, ...] = ("MOD11A1.061",)
    host = "127.0.0.1"

    def __init__(self, http: Http) -> None:
        self._http = http

    def listed(self, query: Query) -> Iterator[Listed]:
        return iter(())

    def open(self, listed: Listed, offset: int = 0) -> AbstractContextManager[Body]:
        return self._http.download(listed.url, offset)


def serve(folder: Path, port: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Host, directory=str(folder)))
    port.send(server.server_address[1])
    server.serve_forever()


def stated(algorithm: Algorithm | None, content: bytes) -> Checksum | None:
    if algorithm is None:
        return None
    if algorithm == "cksum":
        crc = Cksum()
        crc.update(content)
        return Checksum(algorithm=algorithm, value=crc.hexdigest())
    return Checksum(algorithm=algorithm, value=hashlib.new(algorithm, content).hexdigest())


def make(folder: Path, files: int, size: int, port: int, algorithm: Algorithm) -> list[Listed]:
    """HDF4 files with one data descriptor each."""
    head = b"\x0e\x03\x13\x01" + struct.pack(">HIHHII", 1, 0, 702, 1, 22, size - 22)
    listings = []
    for number in range(files):
        day = dt.date(2019, 1, 1) + dt.timedelta(days=number)
        name = f"MOD11A1.A{day:%Y%j}.h28v05.061.2021001000000.hdf"
        content = head + random.Random(number).randbytes(size - 22)
        (folder / name).write_bytes(content)
        listings.append(Listed(
            source_id="MOD11A1.061", name=name, revision="1", published=PUBLISHED, size=size,
            url=f"http://127.0.0.1:{port}/{name}",
            checksum=stated(algorithm, content),
        ))
    return listings


def by_curl(listings: list[Listed], folder: Path, parallel: int) -> None:
    urls = "\n".join(f'url = "{one.url}"\noutput = "{folder / one.name}"' for one in listings)
    command = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(parallel), "--config", "-"]
    subprocess.run(command, input=urls.encode(), check=True, stderr=subprocess.DEVNULL)


def by_engine(listings: list[Listed], folder: Path, parallel: int) -> None:
    with Http(HttpOptions()) as http:
        downloader = Downloader(Store(folder), 1 << 40, keep_free_bytes=0, parallel_per_host=parallel)
        for fetched in downloader.fetch_all(OneHost(http), listings):
            if fetched.error:
                raise fetched.error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--megabytes", type=float, default=2)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--checksum", choices=["cksum", "md5", "sha1", "sha256", "sha512"], default="cksum")
    chosen = parser.parse_args()
    total = chosen.files * chosen.megabytes
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        here, there = multiprocessing.Pipe()
        host = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, there), daemon=True)
        host.start()
        listings = make(folder, chosen.files, int(chosen.megabytes * 1e6), here.recv(), chosen.checksum)
        rates: dict[str, list[float]] = {"curl": [], "engine": []}
        for _ in range(chosen.rounds):
            for name, work in (("curl", by_curl), ("engine", by_engine)):
                target = folder / name
                target.mkdir()
                begin = time.perf_counter()
                work(listings, target, chosen.parallel)
                rates[name].append(total / (time.perf_counter() - begin))
                shutil.rmtree(target)
        host.terminate()
    curl, engine = (statistics.median(rates[name]) for name in ("curl", "engine"))
    print(f"{chosen.files} files of {chosen.megabytes:g} MB, {chosen.parallel} connections, {chosen.checksum}, "
          f"median of {chosen.rounds}:"
          f" curl {curl:.0f} MB/s, engine {engine:.0f} MB/s, ratio {engine / curl:.2f}")


if __name__ == "__main__":
    main()
