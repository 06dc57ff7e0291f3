"""The machine: room on the disk, databases, credentials and certificates that end."""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from sm_core.errors import ExpiryError, OutsideError, SpaceError
from tasks.adapters.ledger.database import Database
from tasks.settings import Settings
from tasks.watch.records import Finding, Sample, WatchLimits

LEAST_SPAN = dt.timedelta(hours=20)
"""Between two samples that tell how fast something grows."""
CONNECT_S = 20.0
GIGA, MEGA = 1e9, 1e6


def take_sample(settings: Settings, now: dt.datetime) -> Sample:
    """Free disk and the sizes of the databases."""
    data = settings.data.resolve()
    files = {"mlflow": data / "mlflow" / "mlflow.db", "prefect": data / "prefect" / "prefect.db",
             "checksums": data / "checksums.sqlite"}
    sizes = {name: _size(path) for name, path in files.items() if path.is_file()}
    return Sample(taken=now, free=shutil.disk_usage(data).free,
                  databases=sizes | {"ledger": Database(settings.ledger_database).size()})


def judge_space(samples: tuple[Sample, ...], now: Sample, limits: WatchLimits) -> list[Finding]:
    """Too little room, or too little for the days to come; databases that are large or grow fast."""
    found = []
    if now.free < limits.least_free_gb * GIGA:
        error = SpaceError("the disk is nearly full", free_gb=round(now.free / GIGA, 1), least=limits.least_free_gb)
        found.append(Finding.of("space.disk", error))
    before = next((one for one in samples if now.taken - one.taken >= LEAST_SPAN), None)
    days = (now.taken - before.taken) / dt.timedelta(days=1) if before else 0.0
    if before is not None and (taken := (before.free - now.free) / days) > 0 \
            and now.free / taken < limits.least_free_days:
        error = SpaceError("the disk will be full soon", days=round(now.free / taken, 1),
                           gb_per_day=round(taken / GIGA, 2))
        found.append(Finding.of("space.trend", error))
    for name, size in now.databases.items():
        if size > limits.largest_database_gb * GIGA:
            error = SpaceError("a database is large", database=name, gb=round(size / GIGA, 2))
            found.append(Finding.of(f"database.size:{name}", error))
        grown = (size - before.databases.get(name, size)) / days if before else 0.0
        if grown > limits.database_mb_per_day * MEGA:
            error = SpaceError("a database grows fast", database=name, mb_per_day=round(grown / MEGA, 1))
            found.append(Finding.of(f"database.growth:{name}", error))
    return found


def judge_expiry(what: str, ends: dt.datetime, now: dt.datetime, limits: WatchLimits) -> list[Finding]:
    """Something that has ended or will soon."""
    left = (ends - now) / dt.timedelta(days=1)
    if left > limits.expiry_days:
        return []
    said = "has ended" if left <= 0 else "ends soon"
    return [Finding.of(f"expiry:{what}", ExpiryError(f"{what} {said}", ends=f"{ends:%Y-%m-%d %H:%M} UTC"))]


def token_end(token: str) -> dt.datetime | None:
    """When a JSON Web Token ends, by its own word; None for what is no such token, or has no end."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return dt.datetime.fromtimestamp(int(claims["exp"]), dt.UTC)
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def certificate_end(address: str, authorities: Path | None) -> dt.datetime:
    """When the certificate of an https address ends.

    Raises
    ------
    OutsideError   SM810, no answer, or a certificate that is not accepted (ended, of another name, unknown issuer).
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or 443
    try:
        context = ssl.create_default_context(cafile=authorities)
        with (socket.create_connection((host, port), CONNECT_S) as plain,
              context.wrap_socket(plain, server_hostname=host) as secure):
            shown = secure.getpeercert() or {}
    except OSError as cause:
        raise OutsideError(f"no accepted certificate: {cause}", host=host, port=port) from cause
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), dt.UTC)


def https_only(addresses: Iterable[str]) -> tuple[str, ...]:
    """Each host once."""
    hosts = {urlsplit(one).netloc: one for one in addresses if one.startswith("https://")}
    return tuple(hosts.values())


def _size(path: Path) -> int:
    beside = (path, path.with_name(f"{path.name}-wal"))
    return sum(one.stat().st_size for one in beside if one.is_file())
