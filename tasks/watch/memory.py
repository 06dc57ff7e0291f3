"""Which troubles begin and which end: a pure decision, and the file that keeps it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tasks.adapters.files import write_text
from tasks.watch.records import Finding, Memory, Notice, Sample, Trouble

KEPT_SAMPLES = dt.timedelta(days=30)


class Change(NamedTuple):
    """Troubles that stand now, those of them that are new, and those that are over."""

    troubles: tuple[Trouble, ...]
    began: tuple[Finding, ...]
    ended: tuple[Trouble, ...]


def compare(known: Iterable[Trouble], found: Iterable[Finding], now: dt.datetime, quiet_runs: int) -> Change:
    """What begins and what ends.

    A trouble begins when it is found and was not known; it ends when ``quiet_runs`` watches in a row have not found it.
    """
    present = {finding.key: finding for finding in found}
    troubles, ended = [], []
    for trouble in known:
        if (finding := present.pop(trouble.finding.key, None)) is not None:
            troubles.append(Trouble(finding=finding, since=trouble.since))
        elif trouble.absent + 1 >= quiet_runs:
            ended.append(trouble)
        else:
            troubles.append(trouble.model_copy(update={"absent": trouble.absent + 1}))
    began = tuple(present.values())
    troubles += [Trouble(finding=finding, since=now) for finding in began]
    return Change(tuple(troubles), began, tuple(ended))


def notice_of(region_id: str, change: Change, now: dt.datetime) -> Notice | None:
    """What there is to tell; None when nothing began or ended."""
    if not change.began and not change.ended:
        return None
    told = [region_id, now.isoformat(), *(f.key for f in change.began), *(t.finding.key for t in change.ended)]
    return Notice(key=hashlib.sha256("\n".join(told).encode()).hexdigest(), region_id=region_id, sent=now,
                  began=change.began, ended=change.ended, standing=len(change.troubles) - len(change.began))


def sampled(samples: tuple[Sample, ...], new: Sample) -> tuple[Sample, ...]:
    """One sample of each day, the first, and the newest; 30 days of them."""
    days = {one.taken.date(): one for one in reversed(samples) if one.taken > new.taken - KEPT_SAMPLES}
    days.setdefault(new.taken.date(), new)
    return tuple(days[day] for day in sorted(days))


def read_memory(path: Path) -> Memory:
    """What the last watch left; nothing where there was none, or its file is damaged: then all is told again."""
    try:
        return Memory.model_validate_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return Memory()


def write_memory(path: Path, memory: Memory) -> None:
    """Keep it, whole or not at all."""
    write_text(path, json.dumps(memory.model_dump(mode="json"), indent=1))
