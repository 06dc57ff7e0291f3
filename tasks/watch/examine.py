"""Every check, each by itself: one that cannot be made is a finding, and does not hinder the others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from sm_core.domain import Region
from sm_core.errors import SmError, StoreUnavailableError
from tasks.accumulation import LiveSkill, Thresholds, live_skill
from tasks.adapters.ledger.database import Database
from tasks.adapters.notify.outbox import Outbox
from tasks.settings_alerts import load_alert_settings
from tasks.settings_watch import load_watch_settings
from tasks.source_table import source_rows
from tasks.training.stations import station_days
from tasks.watch.inflow import judge_outbox, judge_skill, judge_sources
from tasks.watch.machine import certificate_end, https_only, judge_expiry, judge_space, take_sample, token_end
from tasks.watch.memory import sampled
from tasks.watch.outside import get
from tasks.watch.products import check_address, check_days, check_files
from tasks.watch.records import Finding, Memory, WatchRequest
from tasks.wiring import Services

GIVEN_UP_SINCE = dt.timedelta(days=7)


class Examined(NamedTuple):
    """Findings, how many things each check looked at, and what is to be remembered beside the troubles."""

    findings: tuple[Finding, ...]
    checks: dict[str, int]
    memory: Memory


class Examination:
    """One look at everything."""

    def __init__(self, here: Services, request: WatchRequest, now: dt.datetime, memory: Memory) -> None:
        self._here, self._limits, self._now, self._memory = here, request.limits, now, memory
        self._region: Region = here.region(request.region_id)

    def all(self) -> Examined:
        """Every check that applies, in order of what matters to readers."""
        checks: dict[str, Callable[[], tuple[list[Finding], int]]] = {
            "days": self._days, "files": self._files, "address": self._address, "sources": self._sources,
            "alerts": self._alerts, "space": self._space, "expiry": self._expiry, "skill": self._skill,
        }
        findings: list[Finding] = []
        looked: dict[str, int] = {}
        for name, check in checks.items():
            try:
                found, looked[name] = check()
            except SmError as error:
                found = [_unmade(name, error)]
            except OSError as cause:
                found = [_unmade(name, StoreUnavailableError(f"{type(cause).__name__}: {cause.strerror}"))]
            findings += found
        return Examined(tuple(findings), looked, self._memory)

    def _days(self) -> tuple[list[Finding], int]:
        return check_days(self._here.store, self._here.runs, self._region, self._now.date(), self._limits)

    def _files(self) -> tuple[list[Finding], int]:
        found, count, until = check_files(self._here.store, self._region, self._now.date(),
                                          self._memory.reread_until, self._limits)
        self._memory = self._memory.model_copy(update={"reread_until": until})
        return found, count

    def _address(self) -> tuple[list[Finding], int]:
        address = load_watch_settings().watch_products_url
        if not address:
            return [], 0
        return check_address(self._here.store, self._region, address, lambda url: get(url, self._here.sources))

    def _sources(self) -> tuple[list[Finding], int]:
        """Nothing is fetched where the archive is a folder."""
        if self._here.settings.archive is not None:
            return [], 0
        rows = source_rows(self._region, self._here.ledger, self._here.sources.ended_sources, self._now)
        return judge_sources(rows, self._now, self._limits)

    def _alerts(self) -> tuple[list[Finding], int]:
        database = Database(self._here.settings.ledger_database)
        database.upgrade()
        before = self._now - dt.timedelta(hours=self._limits.alert_hours)
        overdue = Outbox(database).overdue(self._region.region_id, before, self._now - GIVEN_UP_SINCE)
        return judge_outbox(overdue, self._limits), sum(one.count for one in overdue)

    def _space(self) -> tuple[list[Finding], int]:
        now, before = take_sample(self._here.settings, self._now), self._memory.samples
        self._memory = self._memory.model_copy(update={"samples": sampled(before, now)})
        return judge_space(before, now, self._limits), 1 + len(now.databases)

    def _expiry(self) -> tuple[list[Finding], int]:
        network, ends = self._here.sources, {}
        token = token_end(network.earthdata_token.get_secret_value())
        if token is not None and not network.earthdata_user:
            ends["the Earthdata token"] = token
        shown = https_only([load_watch_settings().watch_products_url, load_alert_settings().alert_web])
        for address in shown:
            host = address.split("/")[2]
            ends[f"the certificate of {host}"] = certificate_end(address, network.ca_bundle)
        found = [one for what, end in ends.items() for one in judge_expiry(what, end, self._now, self._limits)]
        return found, len(ends)

    def _skill(self) -> tuple[list[Finding], int]:
        """Measured once a day, since all stations are read for it; judged at each watch."""
        last = self._memory.skill_at
        if last is None or self._now - last >= dt.timedelta(hours=self._limits.skill_hours):
            files = self._here.archive.station_files(self._now)
            skill = _measured(self._region, files, self._now)
            self._memory = self._memory.model_copy(update={"skill_at": self._now, "skill": skill})
        return judge_skill(self._memory.skill, self._limits), sum(one.stations for one in self._memory.skill)


def _measured(region: Region, files: Iterable[Path], now: dt.datetime) -> tuple[LiveSkill, ...]:
    paths = tuple(files)
    return live_skill(region, station_days(region, paths).table, now, Thresholds()) if paths else ()


def _unmade(name: str, error: SmError) -> Finding:
    finding = Finding.of(f"check:{name}", error)
    return finding.model_copy(update={"message": f"the check of {name} could not be made: {finding.message}"})
