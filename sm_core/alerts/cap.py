"""A message as Common Alerting Protocol 1.2.

References
----------
OASIS Standard CAP-V1.2, 1 July 2010, urn:oasis:names:tc:emergency:cap:1.2.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from sm_core.alerts.event import AlertEvent, Reference
from sm_core.alerts.geometry import Ring, outer_rings
from sm_core.alerts.markup import cap_time, child, document, root_of
from sm_core.alerts.texts import DISCLAIMER, description, headline, instruction, said, unit_name
from sm_core.domain import Language

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
_LANGUAGES: tuple[tuple[Language, str], ...] = (("en", "en-US"), ("ko", "ko-KR"))


def cap_xml(event: AlertEvent) -> bytes:
    """The message as an XML document with an English and a Korean ``info`` block.

    An event gives the same bytes each time. Polygons are latitude, longitude; holes are left out.
    """
    root = root_of("alert", NAMESPACE)
    for name, text in _head(event):
        child(root, name, text)
    for language, tag in _LANGUAGES:
        info = child(root, "info")
        for name, text in _info(event, language, tag):
            child(info, name, text)
        for name, text in _parameters(event):
            _pair(info, "parameter", name, text)
        area = child(info, "area")
        child(area, "areaDesc", unit_name(event, language))
        for ring in outer_rings(event.unit.geometry):
            child(area, "polygon", _polygon(ring))
        _pair(area, "geocode", f"{event.region_id}-unit", event.unit.unit_id)
    return document(root)


def _head(event: AlertEvent) -> Iterator[tuple[str, str]]:
    yield "identifier", event.identifier
    yield "sender", event.issuer.sender
    yield "sent", cap_time(event.sent)
    yield "status", event.issuer.status
    yield "msgType", event.message_type
    yield "scope", "Public"
    yield "note", f"{DISCLAIMER.en} {DISCLAIMER.ko}"
    if event.references and event.message_type != "Alert":
        yield "references", " ".join(_reference(reference) for reference in event.references)
    yield "incidents", event.episode


def _info(event: AlertEvent, language: Language, tag: str) -> Iterator[tuple[str, str]]:
    level = event.level or event.previous
    yield "language", tag
    yield "category", "Met"
    yield "category", "Env"
    yield "event", said(event.event, language)
    yield "responseType", event.level.response if event.level else "AllClear" if event.previous_number else "None"
    yield "urgency", event.level.urgency if event.level else "Past"
    yield "severity", level.severity if level else "Unknown"
    yield "certainty", _certainty(event)
    yield "effective", cap_time(event.sent)
    if event.onset is not None:
        yield "onset", cap_time(dt.datetime.combine(event.onset, dt.time(), dt.UTC))
    yield "expires", cap_time(event.expires)
    yield "senderName", said(event.issuer.name, language)
    yield "headline", headline(event, language)
    yield "description", description(event, language)
    if text := instruction(event, language):
        yield "instruction", text
    if event.issuer.web:
        yield "web", event.issuer.web
    if event.issuer.contact:
        yield "contact", event.issuer.contact


def _parameters(event: AlertEvent) -> Iterator[tuple[str, str]]:
    evidence = event.evidence
    yield "kind", event.kind
    yield "measure", event.measure.replace("_", "-")
    yield "level", event.level.name if event.level else "none"
    yield "previous-level", event.previous.name if event.previous else "none"
    yield "day", evidence.day.isoformat()
    yield "class-percent", " ".join(f"{share:.2f}" for share in evidence.class_percent)
    if evidence.stage_percent is not None:
        yield "upland-stage-percent", " ".join(f"{share:.2f}" for share in evidence.stage_percent)
    if evidence.mean_percentile is not None:
        yield "mean-percentile", f"{evidence.mean_percentile:.1f}"
    yield "assessed-percent", f"{evidence.assessed_percent:.1f}"
    if evidence.gap_filled_percent is not None:
        yield "gap-filled-percent", f"{evidence.gap_filled_percent:.1f}"
    yield "maturity", "provisional" if evidence.provisional else "final"
    if evidence.flash_percent is not None:
        yield "flash-drought-percent", f"{evidence.flash_percent:.1f}"
    if evidence.based_on:
        yield "based-on", evidence.based_on
    yield "rules", event.rules_id


def _certainty(event: AlertEvent) -> str:
    certainty = event.level.certainty if event.level else "Observed"
    return "Likely" if certainty == "Observed" and event.evidence.provisional else certainty


def _reference(reference: Reference) -> str:
    return f"{reference.sender},{reference.identifier},{cap_time(reference.sent)}"


def _polygon(ring: Ring) -> str:
    return " ".join(f"{lat:.4f},{lon:.4f}" for lon, lat in ring)


def _pair(parent: Element, name: str, key: str, value: str) -> None:
    element = child(parent, name)
    child(element, "valueName", key)
    child(element, "value", value)
