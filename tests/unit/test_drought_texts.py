"""The summary as Markdown, CSV, GeoJSON and a page."""

import csv
import datetime as dt
import io
import json
from html.parser import HTMLParser
from string import Formatter

import numpy as np
import pytest
import shapely

from sm_core.domain import Grid
from sm_core.drought import AdminUnits, Change, DroughtSummary, UnitDrought, to_csv, to_geojson, to_html, to_markdown
from sm_core.drought.words import CLASS_NAMES, STAGE_NAMES, WORDS

DAY = dt.date(2019, 4, 15)
GRID = Grid.from_origin("g", west=126.0, north=37.0, resolution=0.1, width=10, height=10)
SHARES = {0: (100, 0, 0, 0, 0, 0), 1: (0, 100, 0, 0, 0, 0), 2: (0, 60, 40, 0, 0, 0), 3: (0, 0, 0, 100, 0, 0),
          None: (0, 0, 0, 0, 0, 0)}


def unit(name, value, **more):
    return UnitDrought(**{
        "unit_id": name.lower(), "name": name, "korean": f"{name}도", "land_km2": 100.0,
        "assessed_percent": 0.0 if value is None else 100.0, "class_percent": SHARES[value],
        "mean_percentile": None if value is None else 8.0, "drought_class": value, **more})


def summary(*units, total=None, **more):
    return DroughtSummary(**{
        "region_id": "r", "title": "Somewhere", "day": DAY, "maturity": "provisional", "based_on": "item-1",
        "total": total or unit("r", 2), "units": units, "changes": (), "extrapolated_percent": 10.0,
        "climatology_kind": "final", "newest_clear_days": 3.0, "sources": ("MOD11A1.061",), **more})


def two(**more):
    east = unit("East", 3, expected_percent=(90, 70, 40, 10, 2), days_in_class=12, change_day=0, change_week=1,
                change_month=3, upland_stage=2, stage_percent=(50, 10, 40, 0, 0), flash_percent=25.0)
    change = Change(period="week", compared_with=DAY - dt.timedelta(7), drought_area=12.5, new=(), worsened=("east",),
                    improved=(), ended=())
    return summary(unit("West", 0), east, changes=(change,), **more)


def geometry():
    shapes = shapely.box(126, 36, 126.5, 37), shapely.box(126.5, 36, 127, 37)
    return AdminUnits.of_shapes(("West", "East"), shapes, GRID, ids=("west", "east"))


def test_both_languages_say_the_same():
    for key, english in WORDS["en"].items():
        fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, WORDS["ko"][key])]
        assert fields[0] == fields[1], key
    assert set(WORDS["en"]) == set(WORDS["ko"])
    assert len(CLASS_NAMES["en"]) == len(CLASS_NAMES["ko"]) == 6
    assert STAGE_NAMES["ko"] == ("없음", "관심", "주의", "경계", "심각")


def test_markdown_in_english():
    text = to_markdown(two())
    assert text.startswith("# Soil-moisture drought, Somewhere, 15 April 2019\n")
    assert ("**100 % of the assessed land is abnormally dry or worse (D0+), 40 % is in drought (D1+), 0 % in severe "
            "drought or worse (D2+). Hit hardest: East (D2 severe drought).**") in text
    assert "- Since 8 April 2019 (1 week): area in drought (D1+) +12.5 percentage points; worsened: East." in text
    assert ("| East | D2 severe drought | 12 | 0 | +1 | +3 | 100 | 100 | 100 | 0 | 0 | 70 | 8.0 | caution | 100 |"
            ) in text
    assert "Other units: 0 in D0 or worse, 1 without drought, 0 not assessed." in text
    assert ("Data quality: provisional; 100 % of the land assessed; newest clear observation 3 days old in the median; "
            "10 % of it beyond what the climatological record can tell; compared with the climatology of final values, "
            "for want of one of its own kind; made from MOD11A1.061.") in text
    assert "not an official drought warning" in text


def test_markdown_in_korean():
    text = to_markdown(two(), "ko")
    assert text.startswith("# 토양수분 가뭄, Somewhere, 2019년 4월 15일\n")
    assert "| East도 | D2 심한 가뭄 | 12 | 0 | +1 | +3 | 100 | 100 | 100 | 0 | 0 | 70 | 8.0 | 주의 | 100 |" in text
    assert "가뭄(D1+) 면적 +12.5 %포인트; 악화: East도" in text
    assert "공식 가뭄 특보가 아님" in text


def test_calm_and_nothing_known():
    calm = to_markdown(summary(unit("West", 0), unit("East", None), total=unit("r", 0)))
    assert "No drought: less than 1 % of the assessed land is abnormally dry." in calm
    assert "No unit is in D0 or worse: 1 without drought, 1 not assessed." in calm
    assert "could not be assessed" in to_markdown(summary(unit("East", None), total=unit("r", None)))


def test_little_assessed_and_flash_are_said():
    text = to_markdown(summary(unit("East", None), total=unit("r", None, mean_percentile=8.0, assessed_percent=20.0,
                                                              flash_percent=7.0)))
    assert "Only 20 % of the land could be assessed." in text
    assert "Flash drought on 7 % of the assessed land." in text


def test_a_long_list_is_cut():
    text = to_markdown(summary(*(unit(f"U{n:02d}", 1) for n in range(16)), *(unit(f"V{n}", 0) for n in range(4))))
    assert text.count("\n| U") == 1 + 10                                # the head is "Unit"
    assert "Other units: 6 in D0 or worse, 4 without drought, 0 not assessed." in text
    assert "U00, U01, U02, U03, U04 and 11 more (D0 abnormally dry)" in text


def test_a_bar_in_a_name_does_not_break_the_table():
    assert "| A\\|B |" in to_markdown(summary(unit("A|B", 1), unit("C", 0)))


def test_csv():
    rows = list(csv.DictReader(io.StringIO(to_csv(two()), newline="")))
    assert [row["unit_id"] for row in rows] == ["r", "west", "east"]
    east = rows[2]
    assert (east["day"], east["name_ko"], east["drought_class"], east["d2_percent"]) == (
        "2019-04-15", "East도", "3", "100.0")
    assert (east["d1_or_worse_expected_percent"], east["upland_caution_percent"], east["change_1_week"]) == (
        "70.0", "40.0", "1")
    assert rows[1]["days_in_class"] == ""


def test_geojson():
    """RFC 7946: longitude first, exterior rings counterclockwise, nothing about the coordinate system."""
    content = json.loads(to_geojson(two(), geometry()))
    assert (content["type"], "crs" in content) == ("FeatureCollection", False)
    assert [feature["id"] for feature in content["features"]] == ["west", "east"]
    east = content["features"][1]
    assert east["properties"]["drought_class"] == 3
    ring = np.array(east["geometry"]["coordinates"][0])
    assert shapely.LinearRing(ring).is_ccw
    assert ring.min(axis=0).tolist() == [126.5, 36.0]


class Page(HTMLParser):
    """Collects what a test asks about; fails on tags that do not match."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.fills, self.texts, self.titles = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.fills += [value for name, value in attrs if name == "fill" and tag == "path"]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.titles if self.open and self.open[-1] == "title" else self.texts).append(data)


def test_the_page_stands_alone():
    text = to_html(two(), geometry())
    page = Page(text)
    assert page.links == []
    assert "url(" not in text and "@import" not in text and "<script" not in text
    assert page.fills == ["#FFFFFF", "#FFAA00"]
    assert page.titles[0] == "Soil-moisture drought, Somewhere, 15 April 2019"
    assert "East: D2 severe drought" in page.titles
    assert "Publication item-1" in page.texts


def test_the_page_in_korean():
    text = to_html(two(), geometry(), language="ko")
    assert '<html lang="ko">' in text
    assert "East도: D2 심한 가뭄" in Page(text).titles


def test_the_course_of_the_last_90_days():
    """One bar for each class with area and day; what is older is left out."""
    history = [two(day=DAY - dt.timedelta(days)) for days in (1, 2, 100)]
    text = to_html(two(), geometry(), history)
    assert text.count('<rect x="') == 3 * 2                             # D0 and D1 of the region, three days
    assert Page(text).fills


def test_names_are_escaped():
    units = AdminUnits.of_shapes(("<b>&",), (shapely.box(126, 36, 127, 37),), GRID, ids=("<b>&",))
    text = to_html(summary(unit("<B>&", 1), unit("C", 0)), units)
    assert "<B>" not in text
    assert "&lt;B&gt;&amp;" in text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_day_without_anything(language):
    nothing = summary(unit("West", None), unit("East", None), total=unit("r", None))
    text = to_html(nothing, geometry(), language=language)
    assert Page(text).fills == ["#D9D9D9", "#D9D9D9"]
