"""Sixty simulated days with misbehaving hosts leave what sixty days without leave."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from tasks.hosts.faults import Fault, random_faults
from tests.flows.small_world import GRANULES, Daemon, living, make_archive, noon

DAYS = 60
STATIONS_EVERY = 3
PUBLISHED = (
    Fault(kind="revised", probability=0.1, days=3), Fault(kind="duplicate", probability=0.1, days=2),
    Fault(kind="withdrawn", probability=0.05, days=6), Fault(kind="values_revised", probability=0.05, days=4),
)
"""Of the data themselves, with and without faults."""


def live(archive: Path, data: Path, share: float) -> Daemon:
    with living(archive, data, (*PUBLISHED, *random_faults(share)), seed=11, now=noon(0)) as daemon:
        for day in range(DAYS):
            daemon.clock.move_to(noon(day))
            daemon.fetch(*(GRANULES if day % STATIONS_EVERY else ()))
        daemon.editions = {
            (one.listed.source_id, one.listed.name, one.listed.revision, one.status, one.sha256)
            for one in daemon.ledger.editions(daemon.clock.now(), GRANULES)
        }
        daemon.used = daemon.contents()
        daemon.known = daemon.observations()
        daemon.token = daemon.hosts.token()
        daemon.met = sum(bool(exchange.fault) for exchange in daemon.hosts.exchanges)
        daemon.asked = len(daemon.hosts.exchanges)
    return daemon


def test_sixty_days_with_faults_end_as_sixty_days_without(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", DAYS)
    with everything_logged(tmp_path / "faulty.log"):
        faulty = live(archive, tmp_path / "faulty", 0.1)
    plain = live(archive, tmp_path / "plain", 0.0)

    assert faulty.met > 0.08 * faulty.asked
    assert plain.met == 0
    assert {status for *_, status, _ in plain.editions} == {"fetched", "superseded", "withdrawn"}
    assert faulty.editions == plain.editions
    assert faulty.used == plain.used
    pd.testing.assert_frame_equal(faulty.known, plain.known)
    assert len(plain.known) > 2 * DAYS

    assert faulty.leftovers() == plain.leftovers() == []
    assert in_store(faulty) >= set(faulty.used.values())
    secrets = (faulty.hosts.accounts.earthdata_password, faulty.hosts.accounts.gleam_password, faulty.token,
               faulty.hosts.accounts.rda_key, quote(faulty.hosts.accounts.rda_key, safe=""))
    for path in [tmp_path / "faulty.log", *(p for p in (tmp_path / "faulty").rglob("*") if p.is_file())]:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), path


@contextmanager
def everything_logged(path: Path) -> Iterator[None]:
    """What the daemon and its libraries say in their most talkative mood (the hosts' own server is not the daemon)."""
    handler = logging.FileHandler(path)
    loggers = [logging.getLogger(name) for name in ("tasks", "sm_core", "urllib3", "paramiko", "alembic")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
        handler.close()


def in_store(daemon: Daemon) -> set[str]:
    files = (path for path in (daemon.data / "fetched").rglob("*") if path.is_file())
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
