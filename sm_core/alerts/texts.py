"""What a message says, in English and Korean."""

from __future__ import annotations

import datetime as dt

from sm_core.alerts.event import AlertEvent, spells
from sm_core.alerts.rules import AlertLevel, Text
from sm_core.domain import Language, date_text

DISCLAIMER = Text(
    en="Experimental information, not an official warning.",
    ko="시험적 정보이며 공식 특보가 아닙니다.",
)
NONE = Text(en="no drought alert", ko="가뭄 알림 없음")


def said(text: Text, language: Language) -> str:
    """The text in one language."""
    return text.en if language == "en" else text.ko


def unit_name(event: AlertEvent, language: Language) -> str:
    """The unit's name."""
    return event.unit.name_en if language == "en" else event.unit.name_ko


def headline(event: AlertEvent, language: Language) -> str:
    """One line: what happens where."""
    unit, what = unit_name(event, language), said(event.event, language)
    now, before = level_name(event.level, language), level_name(event.previous, language)
    if language == "en":
        said_en = {
            "issue": f"{what} in {unit}: {now}",
            "update": f"{what} in {unit}: now {now}, before {before}",
            "renewal": f"{what} in {unit} continues: {now}",
            "cancel": f"{what} in {unit} has ended",
            "correction": f"Correction for {unit}, {what.lower()}: {now}",
        }
        return said_en[event.kind]
    said_ko = {
        "issue": f"{unit} {what}: {now}",
        "update": f"{unit} {what}: {before}에서 {now}(으)로 변경",
        "renewal": f"{unit} {what} 지속: {now}",
        "cancel": f"{unit} {what} 해제",
        "correction": f"{unit} {what} 정정: {now}",
    }
    return said_ko[event.kind]


def description(event: AlertEvent, language: Language) -> str:
    """What is known, since when, and how well."""
    parts = [_figures(event, language), *_correction(event, language), _since(event, language),
             _quality(event, language), said(DISCLAIMER, language)]
    return " ".join(part for part in parts if part)


def instruction(event: AlertEvent, language: Language) -> str:
    """What a recipient may do; empty when nothing is in force."""
    return said(event.level.advice, language) if event.level is not None else ""


def level_name(level: AlertLevel | None, language: Language) -> str:
    """Meaning and short name of a level."""
    return said(NONE, language) if level is None else f"{said(level.meaning, language)} ({level.name})"


def _figures(event: AlertEvent, language: Language) -> str:
    evidence, level = event.evidence, event.level or event.previous
    if level is None:
        return ""
    day, share = date_text(evidence.day, language), evidence.or_worse(level.from_class, event.measure)
    if event.measure == "upland_stage":
        return _field_figures(event, level, day, share, language)
    mean = evidence.mean_percentile
    if language == "en":
        usual = "" if mean is None else f" (mean percentile {mean:.0f}; 50 is usual for the season)"
        where = f"{share:.0f} % of the assessed land of {event.unit.name_en}"
        return f"On {day}, {where} was in {level.name} or worse{usual}."
    usual = "" if mean is None else f"(평균 백분위 {mean:.0f}, 평년 50)"
    return f"{day} {event.unit.name_ko} 평가 면적의 {share:.0f} %가 {level.name} 이상이었습니다{usual}."


def _field_figures(event: AlertEvent, level: AlertLevel, day: str, share: float, language: Language) -> str:
    if language == "en":
        return (f"On {day}, the available water of {share:.0f} % of the upland fields of {event.unit.name_en} was at "
                f"stage {level.name} or worse.")
    return f"{day} {event.unit.name_ko} 밭의 {share:.0f} %에서 토양 유효수분이 {level.name} 단계 이상이었습니다."


def _since(event: AlertEvent, language: Language) -> str:
    if event.onset is None or event.kind == "correction":
        return ""
    day = date_text(event.onset, language)
    if event.kind == "cancel":
        return f"The alert had been in force since {day}." if language == "en" else f"알림 시작일: {day}."
    return f"In force since {day}." if language == "en" else f"지속 시작일: {day}."


def _quality(event: AlertEvent, language: Language) -> str:
    evidence = event.evidence
    filled = evidence.gap_filled_percent
    if language == "en":
        kind = "provisional" if evidence.provisional else "final"
        text = f"Data: {kind}, {evidence.assessed_percent:.0f} % of the land assessed"
        return f"{text}, {filled:.0f} % of it gap-filled." if filled is not None else f"{text}."
    kind = "잠정" if evidence.provisional else "확정"
    text = f"자료: {kind}, 토지의 {evidence.assessed_percent:.0f} % 평가"
    return f"{text}, 그중 {filled:.0f} % 보간." if filled is not None else f"{text}."


def _correction(event: AlertEvent, language: Language) -> list[str]:
    if event.kind != "correction":
        return []
    before, after = set(spells(event.told)), set(spells(event.known))
    told = _spells(event, tuple(sorted(before - after, key=_first)), language)
    known = _spells(event, tuple(sorted(after - before, key=_first)), language)
    if language == "en":
        return [f"Revised data change what was told of the past. Told: {told}. Known now: {known}."]
    return [f"자료가 갱신되어 과거 내용을 정정합니다. 발표: {told}. 현재: {known}."]


def _first(spell: tuple[dt.date, dt.date | None, int]) -> tuple[dt.date, int]:
    return spell[0], spell[2]


def _spells(event: AlertEvent, found: tuple[tuple[dt.date, dt.date | None, int], ...], language: Language) -> str:
    if not found:
        return said(NONE, language)
    names = event.level_names
    return "; ".join(_spell(names.get(number, str(number)), first, last, language) for first, last, number in found)


def _spell(name: str, first: dt.date, last: dt.date | None, language: Language) -> str:
    start = date_text(first, language)
    if language == "en":
        return f"{name} from {start}" + (f" to {date_text(last, language)}" if last else " on")
    return f"{name} {start}부터" + (f" {date_text(last, language)}까지" if last else "")


