"""What comes in and what goes out: sources, alerts, and how well published values fit stations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sm_core.errors import AlertsOverdueError, SkillLostError, SourceSilentError
from tasks.accumulation import LiveSkill
from tasks.adapters.notify.outbox import Overdue
from tasks.source_table import SourceRow
from tasks.watch.records import Finding, WatchLimits


def judge_sources(
    rows: Sequence[SourceRow], now: dt.datetime, limits: WatchLimits
) -> tuple[list[Finding], int]:
    """Providers that answer no more, and sources that are asked and bring nothing new. And how many were asked."""
    longest = dt.timedelta(hours=limits.contact_hours)
    asked = [row for row in rows if row.last_contact is not None and row.state != "ended"]
    last = max((row.last_contact for row in asked if row.last_contact), default=None)
    found = []
    if last is None or now - last > longest:
        error = SourceSilentError("no provider was asked lately", last=f"{last:%Y-%m-%d %H:%M}" if last else "never")
        found.append(Finding.of("source.contact", error))
    for row in asked:
        lately = row.last_contact is not None and now - row.last_contact <= longest
        if row.failures >= limits.failures:
            error = SourceSilentError("a provider fails", source=row.source_id, times=row.failures,
                                      error=row.error_code)
            found.append(Finding.of(f"source.failing:{row.source_id}", error, row.remedy))
        elif row.state == "degraded" and lately:
            error = SourceSilentError("a source brings nothing new", source=row.source_id, newest=row.newest_day,
                                      due=row.due)
            found.append(Finding.of(f"source.silent:{row.source_id}", error, row.remedy))
    return found, len(asked)


def judge_outbox(overdue: Sequence[Overdue], limits: WatchLimits) -> list[Finding]:
    """Alerts that should have gone out, and those that were given up."""
    found = []
    for one in overdue:
        what = "alerts were given up" if one.given_up else f"alerts wait for more than {limits.alert_hours:g} h"
        error = AlertsOverdueError(what, channel=one.channel, alerts=one.count, error=one.error_code)
        found.append(Finding.of(f"alerts.{'given-up' if one.given_up else 'waiting'}:{one.channel}", error))
    return found


def judge_skill(skill: Sequence[LiveSkill], limits: WatchLimits) -> list[Finding]:
    """Layers whose published values fit unseen stations worse than they were judged to."""
    return [
        Finding.of(f"skill:{one.layer}", SkillLostError(
            "published values depart from stations", layer=one.layer, ubrmse=round(one.live, 3),
            judged=round(one.judged, 3), stations=one.stations))
        for one in skill if one.live > one.judged + limits.skill_loss_m3
    ]
