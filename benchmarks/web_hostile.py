"""What thousands of hostile requests and connections do to the server: answers, latency of others, memory.

    python benchmarks/web_world.py FOLDER && python benchmarks/web_hostile.py FOLDER --connections 3000 --requests 4000

Only against a server that it starts itself, on loopback; bounded in count and time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.web_screenshots import served  # noqa: E402

PATHS = (
    "/page/../../../../etc/passwd", "/page/%2e%2e/%2e%2e/app.py", "/files/korea/{day}/1/..%2f..%2flatest.json",
    "/files/korea/{day}/1/item.json", "/tiles/korea/{day}/1/sm_surface/22/{n}/{n}.png",
    "/tiles/korea/{day}/{n}/sm_surface/5/27/12.png", "/tiles/%2e%2e/{day}/1/sm_surface/5/27/12.png",
    "/api/regions/korea/days/{n}-99-99", "/api/regions/{n}/days", "/api/regions/korea/days/{day}/point?lon=1e9&lat=nan",
    "/api/regions/korea/series/sm_surface?lon=127&lat=37&start=0001-01-01&end=9999-12-31",
    "/api/regions/korea/series/{n}?lon=127&lat=37", "/api/regions/korea/units/{n}/history",
    "/stac/collections/soil_moisture_1km_korea/items?bbox=-1e300,-1e300,1e300,1e300",
    "/stac/collections/soil_moisture_1km_korea/items?limit=999999999", "/stac/collections/{n}/items",
    "/?" + "a" * 6000, "/" + "%00" * 100, "/tiles/korea/{day}/1/sm_surface/9/{t}/{u}.png",
    "/api/regions/korea/series/sm_surface?lon=12{s}.{n}&lat=36.{n}",
)


def resident_mb(pid: int) -> float:
    """Resident memory of a process [MB]."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


async def ask(host: str, port: int, path: str) -> tuple[int, str]:
    """Status and error code of a request that is sent as it is written."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
    if not answer:
        return 0, "closed"
    head, _, body = answer.partition(b"\r\n\r\n")
    code = json.loads(body)["code"] if b"problem+json" in head else ""
    return int(head.split()[1]), code


async def storm(host: str, port: int, day: str, count: int, at_once: int, seed: int) -> Counter[str]:
    """So many hostile requests, ``at_once`` at a time; what became of them."""
    choose, gate, found = random.Random(seed), asyncio.Semaphore(at_once), Counter[str]()

    async def one() -> None:
        path = choose.choice(PATHS).format(day=day, n=choose.randint(1, 9999), t=choose.randint(430, 445),
                                           u=choose.randint(195, 205), s=choose.randint(6, 8))
        async with gate:
            try:
                status, code = await ask(host, port, path)
            except (OSError, TimeoutError):
                status, code = 0, "no connection"
        found[f"{status} {code}".strip()] += 1

    await asyncio.gather(*(one() for _ in range(count)))
    return found


async def crowd(host: str, port: int, count: int) -> Counter[str]:
    """So many connections that say nothing, opened at once and kept; what the server does with them."""
    found = Counter[str]()

    async def one() -> None:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            answer = await asyncio.wait_for(reader.read(2000), 40)
            found["429 SM708" if b"SM708" in answer else "closed after silence" if not answer else "?"] += 1
            writer.close()
        except (OSError, TimeoutError) as error:
            found[type(error).__name__] += 1

    await asyncio.gather(*(one() for _ in range(count)))
    return found


def main(data: Path, connections: int, count: int) -> None:
    """Print answers, memory and whether a friend is still served."""
    with served(data) as (url, pid):
        where = urlsplit(url)
        host, port = str(where.hostname), int(where.port or 0)
        day = requests.get(f"{url}/api/regions", timeout=30).json()[0]["last"]
        rounds = []
        for number in range(5):
            begin = time.perf_counter()
            found = asyncio.run(storm(host, port, day, count // 5, 64, number))
            rounds.append(resident_mb(pid))
            print(f"storm {number + 1}: {count // 5} requests in {time.perf_counter() - begin:.1f} s, "
                  f"{rounds[-1]:.0f} MB; {dict(sorted(found.items()))}", flush=True)
        before = resident_mb(pid)
        found = asyncio.run(crowd(host, port, connections))
        print(f"crowd: {connections} silent connections: {dict(found)}; {before:.0f} → {resident_mb(pid):.0f} MB")
        begin = time.perf_counter()
        status = requests.get(f"{url}/api/regions", timeout=30).status_code
        took = 1000 * (time.perf_counter() - begin)
        print(f"a friend afterwards: {status} in {took:.0f} ms, {resident_mb(pid):.0f} MB")
        print(f"memory after the first and the last storm: {rounds[0]:.0f} and {rounds[-1]:.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--connections", type=int, default=3000)
    parser.add_argument("--requests", type=int, default=4000)
    given = parser.parse_args()
    main(given.data, given.connections, given.requests)
