"""The daemon's state as Prometheus metrics, read from ledger, run records, store and disk when it is asked for.

Nothing is counted in memory: whoever asks, whenever, gets what is on disk, and no flow has a port open.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from sm_core.domain import RunRecord
from sm_core.errors import SmError
from sm_core.publishing import SOIL_MOISTURE_1KM
from tasks.adapters.databases import databases
from tasks.adapters.ledger.tables import contact, edition
from tasks.wiring import Services

EVER = dt.date(1900, 1, 1), dt.date(9999, 12, 31)
BEFORE_ALL = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
_WORKS = frozenset({"published", "unchanged", "withheld"})


class Daemon(Collector):
    """All metrics, made anew at every question.

    Parameters
    ----------
    now
        The clock.
    """

    def __init__(self, here: Services, now: Callable[[], dt.datetime]) -> None:
        self._here, self._now = here, now

    def collect(self) -> Iterator[Metric]:
        """``sm_daily_*``; a part that cannot be read is told in ``sm_daily_metrics_error`` and spoils no other."""
        errors = GaugeMetricFamily("sm_daily_metrics_error", "1: this part could not be read", labels=["part", "code"])
        parts: dict[str, Callable[[], Iterator[Metric]]] = {
            "dates": self._dates, "steps": self._steps, "published": self._published, "ledger": self._ledger,
            "disk": self._disk,
        }
        for name, read in parts.items():
            try:
                yield from list(read())
            except SmError as error:
                errors.add_metric([name, error.code], 1)
        yield errors

    def _dates(self) -> Iterator[Metric]:
        dates = GaugeMetricFamily("sm_daily_dates", "Dates by the outcome of their last run",
                                  labels=["region", "outcome"])
        for region in self._regions():
            counts, _ = self._here.run_book.counted(region, *EVER, BEFORE_ALL)
            for outcome, count in sorted(counts.items()):
                dates.add_metric([region, outcome], count)
        yield dates

    def _steps(self) -> Iterator[Metric]:
        seconds = GaugeMetricFamily("sm_daily_step_seconds", "Wall time of a step of the last run that made a field",
                                    labels=["region", "step"])
        memory = GaugeMetricFamily("sm_daily_step_peak_bytes", "Peak memory of the process at the end of the step",
                                   labels=["region", "step"])
        finished = GaugeMetricFamily("sm_daily_last_run_timestamp_seconds", "End of the last run", labels=["region"])
        for region in self._regions():
            last, made = self._last_records(region)
            if last is not None:
                finished.add_metric([region], last.finished.timestamp())
            for step in made.steps if made is not None else ():
                seconds.add_metric([region, step.step], step.seconds)
                memory.add_metric([region, step.step], step.peak_mb * 1024 * 1024)
        yield from (seconds, memory, finished)

    def _published(self) -> Iterator[Metric]:
        days = GaugeMetricFamily("sm_daily_published_days", "Days with a product", labels=["region"])
        age = GaugeMetricFamily("sm_daily_newest_day_age_days", "Age of the newest published day", labels=["region"])
        store, product = self._here.store, SOIL_MOISTURE_1KM.product_id
        for region in _folders(store.root / product):
            if known := store.days(product, region):
                days.add_metric([region], len(known))
                age.add_metric([region], (self._now().date() - max(known)).days)
        yield from (days, age)

    def _ledger(self) -> Iterator[Metric]:
        editions = GaugeMetricFamily("sm_daily_editions", "Editions that providers list, by what became of them",
                                     labels=["source", "state"])
        failures = GaugeMetricFamily("sm_daily_source_failures", "Failed contacts in a row", labels=["source"])
        success = GaugeMetricFamily("sm_daily_source_last_success_timestamp_seconds", "Last contact that succeeded",
                                    labels=["source"])
        e = edition.c
        state = sa.case((e.withdrawn_at.is_not(None), "withdrawn"), (e.quarantined_at.is_not(None), "quarantined"),
                        (e.fetched_at.is_not(None), "fetched"), else_="pending")
        with self._here.ledger.database.reading() as connection:
            for source, name, count in connection.execute(
                    sa.select(e.source_id, state, sa.func.count()).group_by(e.source_id, state)).all():
                editions.add_metric([source, name], count)
            for row in connection.execute(sa.select(contact)).all():
                failures.add_metric([row.source_id], row.failures)
                if row.last_success is not None:
                    success.add_metric([row.source_id], row.last_success.timestamp())
        yield from (editions, failures, success)

    def _disk(self) -> Iterator[Metric]:
        free = GaugeMetricFamily("sm_daily_disk_free_bytes", "Free room where the data folder lies")
        total = GaugeMetricFamily("sm_daily_disk_size_bytes", "Size of the disk that the data folder lies on")
        usage = shutil.disk_usage(self._here.settings.data)
        free.add_metric([], usage.free)
        total.add_metric([], usage.total)
        sizes = GaugeMetricFamily("sm_daily_database_bytes", "Size of an SQLite database", labels=["database"])
        for name, path in databases(self._here.settings).items():
            if path is not None and path.is_file():
                sizes.add_metric([name], path.stat().st_size)
        yield from (free, total, sizes)

    def _regions(self) -> list[str]:
        return _folders(self._here.settings.data / "runs")

    def _last_records(self, region: str) -> tuple[RunRecord | None, RunRecord | None]:
        """The last run, and the last one that came to a field."""
        folder = self._here.settings.data / "runs" / region
        newest = sorted(folder.glob("*/*.json"), key=lambda path: path.name, reverse=True)
        last = None
        for path in newest[:50]:
            record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
            last = last or record
            if record.outcome in _WORKS and len(record.steps) > 3:
                return last, record
        return last, None


def exposition(here: Services, now: Callable[[], dt.datetime]) -> str:
    """All metrics in Prometheus's text format."""
    return generate_latest(registry(here, now)).decode()


def registry(here: Services, now: Callable[[], dt.datetime]) -> CollectorRegistry:
    """A registry that holds the daemon's metrics and nothing else."""
    own = CollectorRegistry(auto_describe=False)
    own.register(Daemon(here, now))
    return own


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
