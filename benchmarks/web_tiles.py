"""Latency of map tiles under load, beside titiler's own application on the same files, machine and minute.

    python benchmarks/web_world.py FOLDER && python benchmarks/web_tiles.py FOLDER --clients 8 --seconds 15

Each round: every client asks for random tiles of random days and layers, one after the other, without a pause. The
page is measured twice, as a newcomer finds it (every tile drawn) and with a day that many look at (drawn before).
The peer is a FastAPI application with titiler.core's ``TilerFactory`` and nothing else, at the same tile size.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks.web_screenshots import served  # noqa: E402

LAYERS = ("sm_surface", "sm_rootzone", "percentile_sm_rootzone", "drought_class", "sm_surface_uncertainty")
ZOOMS = (6, 7, 8, 9, 10)
SEEN = ((6, 54, 24), (7, 108, 49), (7, 109, 49), (8, 218, 99))
RESCALE = {"percentile_sm_rootzone": "0,10000", "sm_surface_uncertainty": "0,1500", "drought_class": "0,5"}


def peer(port: int) -> None:
    """titiler's default application."""
    import uvicorn
    from fastapi import FastAPI
    from titiler.core.errors import DEFAULT_STATUS_CODES, add_exception_handlers
    from titiler.core.factory import TilerFactory

    app = FastAPI()
    app.include_router(TilerFactory().router)
    add_exception_handlers(app, DEFAULT_STATUS_CODES)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def load(name: str, address: Callable[[np.random.Generator], str], clients: int, seconds: float) -> None:
    """Print latency and throughput of one round."""
    took: list[list[float]] = [[] for _ in range(clients)]
    refused = [0] * clients
    size = [0] * clients
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        random, session = np.random.default_rng(number), requests.Session()
        while time.perf_counter() < end:
            url = address(random)
            begin = time.perf_counter()
            answer = session.get(url, timeout=60)
            if answer.status_code == 200:
                took[number].append(time.perf_counter() - begin)
                size[number] += len(answer.content)
            else:
                refused[number] += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = np.concatenate([np.array(one) for one in took]) * 1000
    p50, p95, p99 = np.percentile(every, [50, 95, 99])
    print(f"| {name} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {len(every) / seconds:.0f} | "
          f"{sum(size) / len(every) / 1024:.0f} | {sum(refused)} |", flush=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def some_tile(random: np.random.Generator, bounds: tuple[float, float, float, float]) -> tuple[int, int, int]:
    """Zoom, column and row of a tile over a random place of the region: too many for any cache."""
    west, south, east, north = bounds
    z, lon, lat = int(random.choice(ZOOMS)), random.uniform(west, east), np.radians(random.uniform(south, north))
    return z, int((lon + 180) / 360 * 2**z), int((1 - np.arcsinh(np.tan(lat)) / np.pi) / 2 * 2**z)


def measure(data: Path, clients: int, seconds: float) -> None:
    """Three rounds, each twice in turn, so that a slow minute of the machine shows."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=peer, args=(port,), daemon=True)
    process.start()
    with served(data) as (url, _):
        about = requests.get(f"{url}/api/regions", timeout=30).json()[0]
        region, bounds = about["region_id"], about["bounds"]
        days = requests.get(f"{url}/api/regions/{region}/days", timeout=30).json()
        folder = data / "products" / "soil_moisture_1km" / region

        def choice(random: np.random.Generator) -> tuple[str, str, int, tuple[int, int, int]]:
            number, layer = int(random.integers(len(days["days"]))), LAYERS[random.integers(len(LAYERS))]
            return layer, days["days"][number], days["revision"][number], some_tile(random, bounds)

        def own(random: np.random.Generator) -> str:
            layer, day, revision, (z, x, y) = choice(random)
            return f"{url}/tiles/{region}/{day}/{revision}/{layer}/{z}/{x}/{y}.png"

        def popular(random: np.random.Generator) -> str:
            z, x, y = SEEN[random.integers(len(SEEN))]
            return f"{url}/tiles/{region}/{days['days'][-1]}/{days['revision'][-1]}/{LAYERS[0]}/{z}/{x}/{y}.png"

        def other(random: np.random.Generator) -> str:
            layer, day, revision, (z, x, y) = choice(random)
            name = f"soil_moisture_1km_{region}_{day.replace('-', '')}_r{revision:02d}_{layer}.tif"
            path = (folder / day.replace("-", "/") / f"r{revision:02d}" / name).resolve()
            colours = "" if layer == "drought_class" else (
                f"&rescale={RESCALE.get(layer, '0,6000')}&colormap_name=viridis")
            return (f"http://127.0.0.1:{port}/tiles/WebMercatorQuad/{z}/{x}/{y}.png?tilesize=512&url={quote(str(path))}"
                    f"{colours}")

        _wait(f"http://127.0.0.1:{port}/openapi.json")
        print(f"{clients} clients, {seconds:g} s a round\n")
        print("| server | p50 [ms] | p95 [ms] | p99 [ms] | tiles/s | kB | refused |\n|---|---|---|---|---|---|---|")
        for _ in range(2):
            load("page, tiles drawn", own, clients, seconds)
            load("titiler's default application", other, clients, seconds)
        load("page, tiles that others asked for before", popular, clients, seconds)
    process.terminate()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            requests.get(url, timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15)
    given = parser.parse_args()
    measure(given.data, given.clients, given.seconds)
