"""The summary's sentences, which all its texts share."""

from __future__ import annotations

from collections.abc import Sequence

from sm_core.domain import Language, date_text
from sm_core.drought.summary import ASSESSED_SHARE, Change, DroughtSummary, UnitDrought
from sm_core.drought.words import MATURITY, WORDS, class_text, unit_name

NAMED_UNITS = 5


def title(summary: DroughtSummary, language: Language) -> str:
    """What the summary is about."""
    name = summary.title_ko if language == "ko" and summary.title_ko else summary.title
    return WORDS[language]["title"].format(title=name, date=date_text(summary.day, language))


def headline(summary: DroughtSummary, language: Language) -> str:
    """How much land is in drought, and where it is worst."""
    words, total = WORDS[language], summary.total
    if total.mean_percentile is None:
        return words["nothing"]
    dry, drought, severe, *_ = total.cumulative_percent
    parts = [words["calm"] if dry < 0.5 else words["dry"].format(dry=dry, drought=drought, severe=severe)]
    worst = [unit for unit in summary.worst if unit.drought_class == summary.worst[0].drought_class]
    if worst and len(summary.units) > 1:
        name = class_text(worst[0].drought_class, language)
        parts.append(words["hit"].format(units=named(worst, language), name=name))
    if total.flash_percent is not None and total.flash_percent >= 1:
        parts.append(words["flash"].format(share=total.flash_percent))
    if total.assessed_percent < ASSESSED_SHARE:
        parts.append(words["little"].format(share=total.assessed_percent))
    return " ".join(parts)


def change(summary: DroughtSummary, change: Change, language: Language) -> str:
    """What has changed since an earlier day."""
    words = WORDS[language]
    since = words[f"since_{change.period}"].format(date=date_text(change.compared_with, language))
    facts = [words["no_area"] if change.drought_area is None else words["area"].format(points=change.drought_area)]
    for kind, ids in (("new", change.new), ("worsened", change.worsened), ("improved", change.improved),
                      ("ended", change.ended)):
        units = [unit for unit_id in ids if (unit := summary.unit(unit_id)) is not None]
        if units:
            facts.append(f"{words[kind]}: {named(units, language)}")
    if len(facts) == 1:
        facts.append(words["no_unit"])
    return f"{since}: {'; '.join(facts)}."


def quality(summary: DroughtSummary, language: Language) -> str:
    """How good the data are."""
    words = WORDS[language]
    facts = [MATURITY[language][summary.maturity], words["fact_assessed"].format(share=summary.total.assessed_percent)]
    if summary.total.gap_filled_percent is not None:
        facts.append(words["fact_filled"].format(share=summary.total.gap_filled_percent))
    if summary.newest_clear_days is not None:
        facts.append(words["fact_age"].format(days=summary.newest_clear_days))
    if summary.extrapolated_percent is not None:
        facts.append(words["fact_beyond"].format(share=summary.extrapolated_percent))
    if not summary.climatology_fits:
        facts.append(words["fact_kind"].format(kind=MATURITY[language][summary.climatology_kind]))
    if summary.sources:
        facts.append(words["fact_sources"].format(sources=", ".join(summary.sources)))
    return words["quality"].format(facts="; ".join(facts))


def named(units: Sequence[UnitDrought], language: Language) -> str:
    """Names in a row, the first five."""
    words = WORDS[language]
    names = [unit_name(unit, language) for unit in units[:NAMED_UNITS]]
    if len(units) > NAMED_UNITS:
        names.append(words["more"].format(count=len(units) - NAMED_UNITS))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}{words['and']}{names[-1]}"


def others(summary: DroughtSummary, listed: int, language: Language) -> str:
    """The units that a table of the worst does not show."""
    words = WORDS[language]
    rest = words["rest"].format(none=sum(unit.drought_class == 0 for unit in summary.units),
                                unknown=sum(unit.drought_class is None for unit in summary.units))
    if not summary.worst:
        return words["none_hit"].format(rest=rest)
    return words["others"].format(more=len(summary.worst) - listed, rest=rest)


def signed(value: int | None) -> str:
    """A change of class; empty where unknown.

    >>> signed(2), signed(-1), signed(0), signed(None)
    ('+2', '-1', '0', '')
    """
    return "" if value is None else f"{value:+d}" if value else "0"
