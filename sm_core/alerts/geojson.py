"""Messages as GeoJSON (RFC 7946: longitude, latitude)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

from sm_core.alerts.event import AlertEvent
from sm_core.alerts.texts import description, headline


def feature(event: AlertEvent) -> dict[str, Any]:
    """One message as a feature."""
    level, evidence = event.level, event.evidence
    return {
        "type": "Feature",
        "id": event.identifier,
        "geometry": json.loads(event.unit.geometry),
        "properties": {
            "region": event.region_id, "unit": event.unit.unit_id, "name": event.unit.name_en,
            "name_ko": event.unit.name_ko, "status": event.issuer.status, "kind": event.kind,
            "msg_type": event.message_type, "level": level.name if level else None, "number": event.number,
            "severity": level.severity if level else None, "day": event.day.isoformat(),
            "onset": event.onset.isoformat() if event.onset else None, "sent": _time(event.sent),
            "expires": _time(event.expires), "headline": headline(event, "en"), "headline_ko": headline(event, "ko"),
            "description": description(event, "en"), "description_ko": description(event, "ko"),
            "measure": event.measure, "class_percent": list(evidence.class_percent),
            "stage_percent": list(evidence.stage_percent) if evidence.stage_percent else None,
            "mean_percentile": evidence.mean_percentile,
            "assessed_percent": evidence.assessed_percent, "gap_filled_percent": evidence.gap_filled_percent,
            "provisional": evidence.provisional, "flash_percent": evidence.flash_percent,
            "based_on": evidence.based_on, "episode": event.episode,
            "references": [reference.identifier for reference in event.references],
        },
    }


def in_force(events: Iterable[AlertEvent], now: dt.datetime) -> tuple[AlertEvent, ...]:
    """Of each unit and measure the last message, if it tells a level and is still valid.

    Parameters
    ----------
    events
        Messages in the order in which they were made.
    """
    last = {(event.unit.unit_id, event.measure): event for event in events}
    return tuple(event for event in last.values() if event.number and event.expires > now)


def active_alerts(events: Iterable[AlertEvent], now: dt.datetime) -> bytes:
    """What is in force at ``now``, see :func:`in_force`."""
    features = [feature(event) for event in in_force(events, now)]
    content = {"type": "FeatureCollection", "features": features}
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"


def notification(event: AlertEvent) -> bytes:
    """The body of a webhook call."""
    content = {"type": f"drought-alert.{event.kind}", "timestamp": _time(event.sent), "key": event.key,
               "data": feature(event)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
