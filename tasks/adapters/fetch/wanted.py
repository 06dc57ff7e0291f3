"""What is to be fetched, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import groupby

from sm_core.domain import Record
from sm_core.errors import SmError

DAY = dt.timedelta(days=1)


class Wanted(Record):
    """Files of one source that overlap a period (both days inclusive), of these tiles; no tiles: of all."""

    source_id: str
    first: dt.date
    last: dt.date
    tiles: tuple[str, ...] = ()


class SourceReport(Record):
    """What came of one source: editions newly listed, files fetched, refused for now and for good, new observations.

    ``error_code``, ``error`` and ``remedy`` are those of the first trouble; ``asked`` is False when the settings lack
    what its client needs.
    """

    source_id: str
    asked: bool = True
    listed: int = 0
    fetched: int = 0
    failed: int = 0
    quarantined: int = 0
    observations: int = 0
    error_code: str | None = None
    error: str | None = None
    remedy: str | None = None

    def plus(self, **counts: int) -> SourceReport:
        """The same with higher counts."""
        return self.model_copy(update={name: getattr(self, name) + count for name, count in counts.items()})

    def after(self, error: SmError) -> SourceReport:
        """The same with a trouble, unless there was one before."""
        if self.error_code:
            return self
        return self.model_copy(update={"error_code": error.code, "error": str(error), "remedy": error.remedy})


def merged(wants: Iterable[Wanted]) -> tuple[Wanted, ...]:
    """The same files in as few periods as possible: those of a source that overlap or follow on each other are one.

    >>> days = dt.date(2019, 6, 1), dt.date(2019, 6, 2)
    >>> [(str(one.first), str(one.last)) for one in merged(Wanted(source_id="a", first=d, last=d) for d in days)]
    [('2019-06-01', '2019-06-02')]
    """
    def key(want: Wanted) -> tuple[str, tuple[str, ...]]:
        return want.source_id, want.tiles

    result: list[Wanted] = []
    for _, group in groupby(sorted(wants, key=lambda want: (*key(want), want.first)), key):
        periods: list[Wanted] = []
        for want in group:
            if periods and want.first <= periods[-1].last + DAY:
                last = max(periods[-1].last, want.last)
                periods[-1] = periods[-1].model_copy(update={"last": last})
            else:
                periods.append(want)
        result += periods
    return tuple(result)
