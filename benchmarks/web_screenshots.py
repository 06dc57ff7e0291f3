"""Pictures of the page in a real browser, to be looked at.

    python benchmarks/web_world.py FOLDER && python benchmarks/web_screenshots.py FOLDER OUT

Also says how long the first map takes on loopback, with an empty browser cache, from the navigation's start.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.web.browser import Page, browser  # noqa: E402

TRIES = 5


@contextmanager
def served(data: Path) -> Iterator[tuple[str, int]]:
    """The address of ``sm-daily serve`` on a data folder, and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from flows.cli import main; main()"
    environment = os.environ | ({"SM_REGIONS": str(data / "regions")} if (data / "regions").is_dir() else {})
    command = [sys.executable, "-c", code, "serve", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                requests.get(f"{url}/api/regions", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(20)


def first_map(page: Page, url: str) -> float:
    """Seconds from the navigation's start to a map that is drawn, with nothing in the browser's cache."""
    page.call("Network.clearBrowserCache")
    page.open(url)
    page.until("document.documentElement.dataset.ready === 'map'", 60)
    return float(page.run("performance.getEntriesByName('first-map')[0].startTime")) / 1000


def pictures(page: Page, url: str, out: Path) -> None:
    """Every view that matters, on a desk and on a phone, in both languages."""
    out.mkdir(parents=True, exist_ok=True)
    region = requests.get(f"{url}/api/regions", timeout=10).json()[0]
    west, south, east, north = region["bounds"]
    stations = requests.get(f"{url}/api/regions/{region['region_id']}/stations", timeout=120).json()["stations"]
    places = [(one["lat"], one["lon"]) for one in stations] or [((south + north) / 2, (west + east) / 2)]
    at = f"{places[-1][0]:.3f}/{places[-1][1]:.3f}"
    last = region["last"]
    unit = requests.get(f"{url}/api/regions/{region['region_id']}/units", timeout=60).json()["features"]
    unit_id = unit[-1]["properties"]["unit_id"] if unit else "region"
    views = {
        "desk-class": "", "desk-surface": f"layer=sm_surface&at={at}",
        "desk-percentile": "layer=percentile_sm_rootzone",
        "desk-uncertainty": "layer=sm_surface_uncertainty", "desk-quality": "layer=qa_flags",
        "desk-unit": f"unit={unit_id}&tab=unit", "desk-close": f"layer=sm_rootzone&at={at}&map=8.5/{at}",
    }
    for name, view in views.items():
        page.size(1280, 800)
        _shoot(page, f"{url}/#{view}", out / f"{name}.png")
    for width in (320, 390):
        page.size(width, 780, phone=True, scale=2)
        _shoot(page, f"{url}/#layer=drought_class", out / f"phone-{width}.png")
        _shoot(page, f"{url}/#layer=sm_surface&at={at}", out / f"phone-{width}-card.png", "#card")
        _shoot(page, f"{url}/#layer=sm_surface", out / f"phone-{width}-side.png", "#side")
    page.size(1280, 800)
    page.language("ko-KR,ko")
    _shoot(page, f"{url}/#layer=drought_class&at={at}&day={last}", out / "desk-korean.png")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    page.run("document.querySelector('#about-day').scrollIntoView()")
    page.picture(out / "desk-provenance.png")


def _shoot(page: Page, address: str, path: Path, scroll_to: str | None = None) -> None:
    page.open(address)
    page.until("document.documentElement.dataset.ready === 'map'", 60)
    if "at=" in address or "unit=" in address:
        page.until("document.querySelector('#card svg') !== null", 30)
    if scroll_to:
        page.run(f"document.querySelector('{scroll_to}').scrollIntoView()")
    time.sleep(1.0)
    page.picture(path)
    if page.complaints:
        print(path.name, page.complaints)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="such as SM_DATA, with something published")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    given = parser.parse_args()
    with served(given.data) as (address, _), browser() as shown:
        shown.size(1280, 800)
        seconds = [first_map(shown, address) for _ in range(TRIES)]
        print(f"first map after {seconds[0]:.2f} s (first start), {statistics.median(seconds[1:]):.2f} s (median of "
              f"{TRIES - 1} more), worst {max(seconds):.2f} s")
        pictures(shown, address, given.out)
