"""Is this machine fit to run the daemon, and what is to be done where it is not?"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import re
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import requests
from packaging.requirements import Requirement

from sm_core.domain import ModelKind, Record
from sm_core.errors import SmError
from tasks.adapters.databases import databases
from tasks.settings import Settings, environment
from tasks.settings_alerts import AlertSettings, load_alert_settings
from tasks.settings_housekeeping import HousekeepingSettings
from tasks.settings_sources import SourceSettings
from tasks.settings_watch import WatchSettings, load_watch_settings
from tasks.watch.machine import certificate_end, https_only, token_end
from tasks.wiring import Services

Clock = Callable[[], dt.datetime]
State = Literal["ok", "warning", "failure"]
GIGA = 1e9
LEAST_DISK = 10 * GIGA
LEAST_MEMORY = 2 * GIGA
"""For each run at once [bytes]."""
LARGEST_SKEW_S = 60
WAIT_S = 10
SOON = dt.timedelta(days=14)
KINDS: tuple[ModelKind, ...] = ("downscaler", "corrector", "climatology")
VITAL = {
    "fastapi": "Prefect's server does not start with a later one",
    "sqlalchemy": "with a later one Prefect's scheduler creates no run, and says nothing",
}


class Check(Record):
    """One thing that was looked at, what it is like, and what to do about it."""

    name: str
    state: State
    message: str
    remedy: str = ""


def examine(here: Services, region_id: str, now: Clock) -> tuple[Check, ...]:
    """All checks; one that fails stops no other."""
    parts: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("settings", lambda: _settings(here)),
        ("versions", _versions),
        ("libraries", _libraries),
        ("machine", lambda: _machine(here.settings)),
        ("databases", lambda: _databases(here)),
        ("server", lambda: _server(here.settings, now)),
        ("models", lambda: _models(here, region_id)),
        ("credentials", lambda: _credentials(here, now())),
        ("hosts", lambda: _hosts(here, now)),
    )
    found: list[Check] = []
    for name, part in parts:
        try:
            found += part()
        except SmError as error:
            found.append(Check(name=name, state="failure", message=f"{error.code} {error}", remedy=error.remedy))
    return tuple(found)


def unknown_settings(names: Iterator[str] | list[str]) -> tuple[str, ...]:
    """Variables that look like settings and are none: nobody reads them."""
    kinds = (Settings, SourceSettings, AlertSettings, WatchSettings, HousekeepingSettings)
    known = {f"SM_{field.upper()}" for kind in kinds for field in kind.model_fields}
    return tuple(sorted(name for name in names if name.upper().startswith("SM_") and name.upper() not in known))


def _settings(here: Services) -> Iterator[Check]:
    load_alert_settings()
    load_watch_settings()
    _ = here.sources
    if unknown := [name for name in unknown_settings(list(environment())) if name != "SM_REAL_DATA"]:
        yield Check(name="settings", state="warning", message=f"{', '.join(unknown)}: nobody reads this",
                    remedy="Compare the name with deployments/settings.example.env.")
    else:
        yield Check(name="settings", state="ok", message="all can be used")


def _versions() -> Iterator[Check]:
    wrong = []
    for text in requires("sm-daily") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(f"{wanted.name} is not installed")
            continue
        if not wanted.specifier.contains(have, prereleases=True):
            reason = f" ({VITAL[wanted.name.lower()]})" if wanted.name.lower() in VITAL else ""
            wrong.append(f"{wanted.name} {have}, wanted {wanted.specifier}{reason}")
    yield Check(name="versions", state="failure" if wrong else "ok",
                message="; ".join(wrong) or f"prefect {version('prefect')}, mlflow {version('mlflow')}",
                remedy="Install what requirements.lock names." if wrong else "")


def _libraries() -> Iterator[Check]:
    for name, remedy in (("lightgbm", "Install libgomp1."), ("rasterio", ""), ("pyhdf.SD", ""), ("torch", "")):
        try:
            import_module(name)
        except (ImportError, OSError) as cause:
            yield Check(name="libraries", state="failure", message=f"{name} cannot be loaded: {cause}",
                        remedy=remedy or "Install what requirements.lock names, for this machine's kind.")
            return
    yield Check(name="libraries", state="ok", message="lightgbm, rasterio, pyhdf and torch can be loaded")


def _machine(settings: Settings) -> Iterator[Check]:
    data = settings.data.resolve()
    try:
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=data):
            pass
    except OSError as cause:
        yield Check(name="data folder", state="failure", message=f"{data} cannot be written: {cause}",
                    remedy="Mount it, or let this user write there.")
        return
    free = shutil.disk_usage(data).free
    yield Check(name="disk", state="ok" if free >= LEAST_DISK else "failure",
                message=f"{free / GIGA:.0f} GB free in {data}",
                remedy="" if free >= LEAST_DISK else "Make room: docs/runbook.md, 'the disk is full'.")
    memory = _memory()
    enough = memory >= LEAST_MEMORY * settings.runs_at_once
    yield Check(name="memory", state="ok" if enough else "warning",
                message=f"{memory / GIGA:.1f} GB for {settings.runs_at_once} runs at once",
                remedy="" if enough else "Lower SM_RUNS_AT_ONCE: a run wants 2 GB.")


def _databases(here: Services) -> Iterator[Check]:
    for name, path in databases(here.settings).items():
        if path is None or not path.is_file():
            where = "elsewhere" if path is None else "not there yet"
            yield Check(name=f"database {name}", state="ok", message=where)
            continue
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            try:
                (state,), = connection.execute("pragma quick_check(1)").fetchall()
            except sqlite3.DatabaseError as cause:
                state = str(cause)
        whole = state == "ok"
        yield Check(name=f"database {name}", state="ok" if whole else "failure",
                    message=f"{path.stat().st_size / 1e6:.1f} MB, {'whole' if whole else state}",
                    remedy="" if whole else "Restore it: docs/runbook.md, 'restore from backup'.")
    yield Check(name="ledger", state="ok", message=f"tables of version {here.ledger.version}")


def _server(settings: Settings, now: Clock) -> Iterator[Check]:
    if not settings.prefect_api_url:
        yield Check(name="server", state="warning", message="SM_PREFECT_API_URL is not set: nothing is run by itself",
                    remedy="Start `sm-daily up`, and set SM_PREFECT_API_URL for the commands beside it.")
        return
    answer = _ask(f"{settings.prefect_api_url}/admin/version", None)
    if answer is None or not answer.ok:
        yield Check(name="server", state="failure", message=f"{settings.prefect_api_url} does not answer",
                    remedy="Start `sm-daily up` (or its unit), and read its log server.log.")
        return
    theirs, ours = answer.json(), version("prefect")
    yield Check(name="server", state="ok" if theirs == ours else "failure",
                message=f"Prefect {theirs} there, {ours} here",
                remedy="" if theirs == ours else "Bring both to one version: docs/runbook.md, 'upgrade'.")
    yield _clock(settings.prefect_api_url, answer, now())


def _models(here: Services, region_id: str) -> Iterator[Check]:
    for kind in KINDS:
        model = here.registry.champion(region_id, kind)
        here.registry.fetch(model)
        yield Check(name=f"model {kind}", state="ok",
                    message=f"{model.name} version {model.version}, trained until {model.trained_until}, as registered")


def _credentials(here: Services, now: dt.datetime) -> Iterator[Check]:
    sources = here.sources
    if here.settings.archive is None and not sources.usable:
        yield Check(name="credentials", state="failure", message="neither an archive nor a provider's credentials",
                    remedy="Set SM_ARCHIVE, or the providers' variables in deployments/settings.example.env.")
    token = sources.earthdata_token.get_secret_value()
    if token and not sources.earthdata_user:
        yield _until("the Earthdata token", token_end(token), now)
    for address in https_only([load_watch_settings().watch_products_url, load_alert_settings().alert_web]):
        yield _until(f"the certificate of {urlsplit(address).hostname}",
                     certificate_end(address, sources.ca_bundle), now)


def _hosts(here: Services, now: Clock) -> Iterator[Check]:
    if here.settings.archive is not None:
        yield Check(name="hosts", state="ok", message="not needed: the archive is a folder")
        return
    sources = here.sources
    asked = [sources.glass_url]
    if sources.earthdata_token.get_secret_value() or sources.earthdata_user:
        asked += [sources.cmr_url, sources.earthdata_url, *sources.earthdata_hosts]
    if sources.rda_key.get_secret_value():
        asked.append(sources.rda_url)
    asked += [sources.uscrn_url] if sources.uscrn_url else []
    skew_told = False
    for address in asked:
        answer = _ask(address, sources)
        yield _reached(urlsplit(address).hostname or address, answer is not None)
        if answer is not None and not skew_told:
            skew_told = True
            yield _clock(address, answer, now())
    for host, port in ((sources.gleam_host, sources.gleam_port),
                       (load_alert_settings().alert_smtp_host, load_alert_settings().alert_smtp_port)):
        if host:
            yield _reached(f"{host}:{port}", _connects(host, port))


def _ask(address: str, sources: SourceSettings | None) -> requests.Response | None:
    """Whatever it answers, it is there."""
    with requests.Session() as session:
        session.trust_env = False
        if sources is not None and (proxy := sources.proxy.get_secret_value()):
            session.proxies = {"http": proxy, "https": proxy}
        verify = str(sources.ca_bundle) if sources is not None and sources.ca_bundle else True
        try:
            return session.get(address, timeout=WAIT_S, allow_redirects=False, verify=verify)
        except requests.RequestException:
            return None


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), WAIT_S).close()
    except OSError:
        return False
    return True


def _reached(host: str, answers: bool) -> Check:
    return Check(name="hosts", state="ok" if answers else "failure",
                 message=f"{host} {'answers' if answers else 'does not answer'}",
                 remedy="" if answers else "Check network, SM_PROXY, SM_CA_BUNDLE and the address; then the provider.")


def _clock(address: str, answer: requests.Response, now: dt.datetime) -> Check:
    told = email.utils.parsedate_to_datetime(answer.headers["Date"]) if "Date" in answer.headers else now
    skew = abs((now - told).total_seconds())
    return Check(name="clock", state="ok" if skew <= LARGEST_SKEW_S else "failure",
                 message=f"{skew:.0f} s beside that of {urlsplit(address).hostname}",
                 remedy="" if skew <= LARGEST_SKEW_S else "Let this machine follow a time server (NTP).")


def _until(what: str, ends: dt.datetime | None, now: dt.datetime) -> Check:
    if ends is None:
        return Check(name="credentials", state="warning", message=f"{what} does not say when it ends",
                     remedy="Tokens of Earthdata do: is it whole?")
    left = ends - now
    state: State = "failure" if left <= dt.timedelta(0) else "warning" if left < SOON else "ok"
    return Check(name="credentials", state=state, message=f"{what} ends {ends:%Y-%m-%d}",
                 remedy="" if state == "ok" else "Renew it; SM_EARTHDATA_USER and _PASSWORD renew tokens themselves.")


def _memory() -> float:
    found = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    return float(found.group(1)) * 1024 if found else float("inf")
