"""Runs in the ledger: what every machine that makes dates has come to, in short."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from sm_core.domain import Outcome
from tasks.adapters.ledger.database import Database
from tasks.adapters.ledger.tables import day_run
from tasks.due import PastRun


class RunBook:
    """Short records of runs.

    Raises
    ------
    LedgerError   SM704, in every method: the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, region_id: str, run: PastRun) -> None:
        """Keep a run; the same again changes nothing."""
        insert = self._database.insert(day_run).values(
            run_id=run.run_id, region_id=region_id, day=run.day, as_of=run.as_of, finished=run.finished,
            outcome=run.outcome, content=run.model_dump_json(),
        )
        with self._database.writing() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["run_id"]))

    def newest(self, region_id: str) -> dict[dt.date, PastRun]:
        """The last run of every date that was ever run."""
        rank = sa.func.row_number().over(partition_by=day_run.c.day, order_by=_NEWEST_FIRST)
        ranked = sa.select(day_run.c.content, rank.label("rank")).where(day_run.c.region_id == region_id).subquery()
        return {run.day: run for run in self._read(sa.select(ranked.c.content).where(ranked.c.rank == 1))}

    def of_days(self, region_id: str, days: Collection[dt.date]) -> dict[dt.date, tuple[PastRun, ...]]:
        """All runs of these dates, oldest first."""
        chosen = sa.select(day_run.c.content).where(day_run.c.region_id == region_id, day_run.c.day.in_(days))
        found: dict[dt.date, list[PastRun]] = {day: [] for day in days}
        for run in self._read(chosen.order_by(day_run.c.as_of, day_run.c.finished, day_run.c.run_id)):
            found[run.day].append(run)
        return {day: tuple(runs) for day, runs in found.items()}

    def last(self, region_id: str, day: dt.date) -> PastRun | None:
        """The last run of a date."""
        runs = self.of_days(region_id, [day])[day]
        return runs[-1] if runs else None

    def counted(
        self, region_id: str, first: dt.date, last: dt.date, as_of: dt.datetime
    ) -> tuple[dict[Outcome, int], dt.datetime | None]:
        """Dates of a range by the outcome of their last run that knew as much, and when the first such had ended."""
        chosen = (day_run.c.region_id == region_id, day_run.c.day.between(first, last), day_run.c.as_of >= as_of,
                  day_run.c.outcome != "interrupted")
        rank = sa.func.row_number().over(partition_by=day_run.c.day, order_by=_NEWEST_FIRST)
        ranked = sa.select(day_run.c.outcome, rank.label("rank")).where(*chosen).subquery()
        newest = sa.select(ranked.c.outcome).where(ranked.c.rank == 1).subquery()
        counts = sa.select(newest.c.outcome, sa.func.count()).group_by(newest.c.outcome)
        with self._database.reading() as connection:
            began = connection.scalar(sa.select(sa.func.min(day_run.c.finished)).where(*chosen))
            return dict(connection.execute(counts).tuples().all()), began

    def _read(self, statement: sa.Select[tuple[str]]) -> list[PastRun]:
        with self._database.reading() as connection:
            return [PastRun.model_validate_json(content) for content in connection.scalars(statement)]


_NEWEST_FIRST = (day_run.c.as_of.desc(), day_run.c.finished.desc(), day_run.c.run_id.desc())
