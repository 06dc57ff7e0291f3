"""What the summary says, in English and Korean."""

from __future__ import annotations

from collections.abc import Mapping

from sm_core.domain import Language
from sm_core.drought.available_water import UPLAND_STAGES
from sm_core.drought.classes import USDM
from sm_core.drought.summary import UnitDrought

LANGUAGES: tuple[Language, ...] = ("en", "ko")

CLASS_NAMES: Mapping[Language, tuple[str, ...]] = {
    "en": ("none", *(f"{drought.name} {drought.meaning}" for drought in USDM)),
    "ko": ("없음", "D0 비정상 건조", "D1 보통 가뭄", "D2 심한 가뭄", "D3 극심한 가뭄", "D4 예외적 가뭄"),
}
STAGE_NAMES: Mapping[Language, tuple[str, ...]] = {
    "en": ("none", *(stage.name for stage in UPLAND_STAGES)),
    "ko": ("없음", *(stage.korean for stage in UPLAND_STAGES)),
}
MATURITY: Mapping[Language, Mapping[str, str]] = {
    "en": {"provisional": "provisional", "final": "final"}, "ko": {"provisional": "잠정", "final": "확정"},
}

WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "Soil-moisture drought, {title}, {date}",
        "nothing": "Drought could not be assessed: no land with usable values (frozen, under snow, or no data).",
        "calm": "No drought: less than 1 % of the assessed land is abnormally dry.",
        "dry": ("{dry:.0f} % of the assessed land is abnormally dry or worse (D0+), {drought:.0f} % is in drought "
                "(D1+), {severe:.0f} % in severe drought or worse (D2+)."),
        "hit": "Hit hardest: {units} ({name}).",
        "flash": "Flash drought on {share:.0f} % of the assessed land.",
        "little": "Only {share:.0f} % of the land could be assessed.",
        "since_day": "Since {date} (1 day)", "since_week": "Since {date} (1 week)",
        "since_month": "Since {date} (1 month)",
        "area": "area in drought (D1+) {points:+.1f} percentage points", "no_area": "no comparison of areas",
        "new": "new", "worsened": "worsened", "improved": "improved", "ended": "ended", "no_unit": "no unit changed",
        "unit": "Unit", "class": "Class", "change_day": "1 day", "change_week": "1 week", "change_month": "1 month",
        "days": "Days in class", "mean": "Mean percentile", "assessed": "Assessed %", "expected": "Expected D1+ %",
        "stage": "Upland stage", "land": "Land km²", "flash_share": "Flash %",
        "none_hit": "No unit is in D0 or worse: {rest}",
        "others": "Other units: {more} in D0 or worse, {rest}",
        "rest": "{none} without drought, {unknown} not assessed.",
        "not_assessed": "not assessed", "and": " and ", "more": "{count} more",
        "quality": "Data quality: {facts}.", "fact_assessed": "{share:.0f} % of the land assessed",
        "fact_filled": "{share:.0f} % of it gap-filled",
        "fact_age": "newest clear observation {days:.0f} days old in the median",
        "fact_beyond": "{share:.0f} % of it beyond what the climatological record can tell",
        "fact_kind": "compared with the climatology of {kind} values, for want of one of its own kind",
        "fact_sources": "made from {sources}",
        "basis": ("Classes follow the percentile limits of the U.S. Drought Monitor, applied to root-zone (0 to 100 "
                  "cm) soil moisture against the same time of year. A unit's class is the most severe that at least "
                  "30 % of its assessed land is in, or worse. Upland stages follow the limits of the available-water "
                  "ratio (60, 45, 30, 15 %) of Korea's drought outlook. Experimental information, not an official "
                  "drought warning."),
        "map": "Drought class by unit", "chart": "Share of assessed land by class, last {days} days",
        "table": "Units in drought", "course": "Mean percentile", "changes": "Changes", "legend": "Legend",
        "item": "Publication {item}",
    },
    "ko": {
        "title": "토양수분 가뭄, {title}, {date}",
        "nothing": "가뭄을 판단할 수 없음: 이용 가능한 값이 있는 땅이 없음(동결, 적설 또는 자료 없음).",
        "calm": "가뭄 없음: 평가된 땅의 1 % 미만이 비정상적으로 건조함.",
        "dry": ("평가된 땅의 {dry:.0f} %가 비정상 건조 이상(D0+), {drought:.0f} %가 가뭄(D1+), "
                "{severe:.0f} %가 심한 가뭄 이상(D2+)임."),
        "hit": "가장 심한 곳: {units} ({name}).",
        "flash": "평가된 땅의 {share:.0f} %에서 돌발가뭄 진행 중.",
        "little": "땅의 {share:.0f} %만 평가할 수 있었음.",
        "since_day": "{date} 이후(1일)", "since_week": "{date} 이후(1주)", "since_month": "{date} 이후(1개월)",
        "area": "가뭄(D1+) 면적 {points:+.1f} %포인트", "no_area": "면적 비교 없음",
        "new": "신규", "worsened": "악화", "improved": "완화", "ended": "종료", "no_unit": "변화한 지역 없음",
        "unit": "지역", "class": "등급", "change_day": "1일", "change_week": "1주", "change_month": "1개월",
        "days": "등급 지속일", "mean": "평균 백분위", "assessed": "평가 %", "expected": "D1+ 기대 %",
        "stage": "밭 가뭄 단계", "land": "육지 km²", "flash_share": "돌발 %",
        "none_hit": "D0 이상인 지역 없음: {rest}",
        "others": "그 밖의 지역: D0 이상 {more}곳, {rest}",
        "rest": "가뭄 없음 {none}곳, 평가 불가 {unknown}곳.",
        "not_assessed": "평가 불가", "and": ", ", "more": "외 {count}곳",
        "quality": "자료 품질: {facts}.", "fact_assessed": "땅의 {share:.0f} % 평가",
        "fact_filled": "그중 {share:.0f} % 결측 보완",
        "fact_age": "가장 최근 맑은 관측의 중앙값 {days:.0f}일 전",
        "fact_beyond": "그중 {share:.0f} %는 기후 기록으로 말할 수 있는 범위 밖",
        "fact_kind": "같은 종류의 기후값이 없어 {kind} 값의 기후값과 비교",
        "fact_sources": "사용 자료 {sources}",
        "basis": ("등급은 미국 가뭄감시(U.S. Drought Monitor)의 백분위 기준을 연중 같은 시기의 근역층(0–100 cm) "
                  "토양수분에 적용한 것임. 지역의 등급은 평가된 땅의 30 % 이상이 그 등급이거나 더 심한, "
                  "가장 심한 등급임. 밭 가뭄 단계는 토양 유효수분율 기준(60, 45, 30, 15 %)을 따름. "
                  "실험적 정보이며 공식 가뭄 특보가 아님."),
        "map": "지역별 가뭄 등급", "chart": "최근 {days}일 등급별 면적 비율", "table": "가뭄 지역",
        "course": "평균 백분위", "changes": "변화", "legend": "범례", "item": "발행물 {item}",
    },
}


def class_text(value: int | None, language: Language) -> str:
    """Name of a drought class."""
    return WORDS[language]["not_assessed"] if value is None else CLASS_NAMES[language][value]


def stage_text(value: int | None, language: Language) -> str:
    """Name of an upland stage; empty outside the season."""
    return "" if value is None else STAGE_NAMES[language][value]


def unit_name(unit: UnitDrought, language: Language) -> str:
    """Name of a unit."""
    return unit.korean if language == "ko" else unit.name
