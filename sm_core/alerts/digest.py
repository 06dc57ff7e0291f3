"""Messages of one run as one mail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sm_core.alerts.event import AlertEvent, Kind
from sm_core.alerts.rules import Text
from sm_core.alerts.texts import description, headline, instruction, said
from sm_core.domain import Language, date_text

_KINDS: tuple[tuple[Kind, Text], ...] = (
    ("issue", Text(en="new", ko="신규")),
    ("update", Text(en="changed", ko="변경")),
    ("cancel", Text(en="ended", ko="해제")),
    ("correction", Text(en="corrected", ko="정정")),
    ("renewal", Text(en="continuing", ko="지속")),
)
_WIDTH = 78


def digest(events: Sequence[AlertEvent]) -> tuple[str, str]:
    """Subject and text of a mail that tells these messages, at least one; English first, then Korean."""
    first = events[0]
    test = "" if first.issuer.status == "Actual" else f"[{first.issuer.status}] "
    last_day = date_text(max(event.day for event in events), "en")
    subject = f"{test}{first.event.en}, {first.region.en}, {last_day}: {_counts(events, 'en')}"
    parts = [_section(events, "en"), "-" * _WIDTH, _section(events, "ko"), "-" * _WIDTH, _sender(first)]
    return _one_line(subject), "\n\n".join(parts) + "\n"


def _section(events: Sequence[AlertEvent], language: Language) -> str:
    parts = [f"{said(events[0].region, language)}: {_counts(events, language)}"]
    for kind, name in _KINDS:
        chosen = sorted((event for event in events if event.kind == kind), key=_severest_first)
        if chosen:
            parts += [said(name, language).upper(), *(_paragraph(event, language) for event in chosen)]
    return "\n\n".join(parts)


def _severest_first(event: AlertEvent) -> tuple[int, str]:
    return -event.number, event.unit.unit_id


def _paragraph(event: AlertEvent, language: Language) -> str:
    lines = (f"* {headline(event, language)}", description(event, language), instruction(event, language),
             event.identifier)
    return "\n".join(f"  {line}".replace("  *", "*") for line in lines if line)


def _counts(events: Sequence[AlertEvent], language: Language) -> str:
    counted = Counter(event.kind for event in events)
    return ", ".join(
        f"{counted[kind]} {said(name, language)}" if language == "en" else f"{said(name, language)} {counted[kind]}"
        for kind, name in _KINDS if counted[kind]
    )


def _sender(event: AlertEvent) -> str:
    issuer = event.issuer
    return "\n".join(line for line in (issuer.name.en, issuer.name.ko, issuer.web, issuer.contact) if line)


def _one_line(text: str) -> str:
    return " ".join(text.split())
