"""Messages as CAP, Atom, GeoJSON and mail."""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib.resources import files
from xml.etree.ElementTree import Element

import pytest
import shapely
from capvalidator import check_schema
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from sm_core.alerts import AlertEvent, Issuer, Unit
from sm_core.alerts.atom import atom_feed
from sm_core.alerts.cap import cap_xml
from sm_core.alerts.digest import digest
from sm_core.alerts.geojson import active_alerts, notification
from sm_core.alerts.geometry import outer_rings, simplified
from sm_core.alerts.texts import description, headline
from tests.unit.alert_cases import ISSUER, REGION, RULES, SCHEME, UNIT, date, live, series, tell

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
ATOM = "{http://www.w3.org/2005/Atom}"
# Jeju-like island with a hole and an islet; counter-clockwise
ISLANDS = json.dumps({"type": "MultiPolygon", "coordinates": [
    [[[126.1, 33.2], [126.9, 33.2], [126.9, 33.6], [126.1, 33.6], [126.1, 33.2]],
     [[126.4, 33.3], [126.5, 33.3], [126.5, 33.4], [126.4, 33.3]]],
    [[[126.2700001, 33.1100001], [126.2700002, 33.1100001], [126.2700002, 33.1100002], [126.2700001, 33.1100001]]],
]})


def story() -> list[AlertEvent]:
    """Issue, update, renewal, cancel, and a correction of it all."""
    signs = "01111122222222220000"
    standing, events = live(signs)
    _, correction = tell(standing, series("0" * len(signs)), date(3))
    assert correction is not None
    assert [event.kind for event in events] == ["issue", "update", "renewal", "cancel"]
    return [*events, correction]


def texts(element: Element, path: str) -> list[str]:
    return [found.text or "" for found in element.findall("/".join(f"{CAP}{part}" for part in path.split("/")))]


def schema_errors(content: bytes) -> list[str]:
    official = files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd").read_bytes()
    schema = etree.XMLSchema(etree.fromstring(official))
    schema.validate(etree.fromstring(content))
    return [str(error) for error in schema.error_log]


@pytest.mark.parametrize("number", range(5))
def test_every_kind_of_message_is_valid_cap(number: int) -> None:
    content = cap_xml(story()[number])
    assert schema_errors(content) == []
    assert check_schema(content).passed


def test_the_validator_can_fail() -> None:
    content = cap_xml(story()[0])
    for right, wrong in ((b"-00:00</sent>", b"Z</sent>"), (b"<scope>Public</scope>", b""), (b"Met<", b"Weather<")):
        assert right in content
        assert schema_errors(content.replace(right, wrong)) and not check_schema(content.replace(right, wrong)).passed


def test_what_a_first_issue_says() -> None:
    alert = fromstring(cap_xml(story()[0]))
    assert texts(alert, "sender") == ["alerts.example.org"]
    assert texts(alert, "sent") == ["2026-05-05T06:00:00-00:00"]
    assert (texts(alert, "status"), texts(alert, "msgType"), texts(alert, "scope")) == (["Test"], ["Alert"], ["Public"])
    assert texts(alert, "references") == []
    assert texts(alert, "info/language") == ["en-US", "ko-KR"]
    assert texts(alert, "info/event") == ["Drought", "가뭄"]
    assert texts(alert, "info/severity") == ["Minor", "Minor"]
    assert texts(alert, "info/certainty") == ["Likely", "Likely"], "provisional values are not observed ones"
    assert texts(alert, "info/onset") == ["2026-05-04T00:00:00-00:00"] * 2
    assert texts(alert, "info/expires") == ["2026-05-20T00:00:00-00:00"] * 2
    assert texts(alert, "info/headline") == ["Drought in Alpha & Co: dry (L1)", "알파 가뭄: 건조 (L1)"]
    assert texts(alert, "info/area/areaDesc") == ["Alpha & Co", "알파"]
    assert texts(alert, "info/area/geocode/value") == ["u1", "u1"]
    assert "not an official warning" in texts(alert, "note")[0]


def test_how_messages_refer_to_each_other() -> None:
    issue, update, renewal, cancel, correction = story()
    refers = texts(fromstring(cap_xml(cancel)), "references")[0].split(" ")
    assert refers == [f"{event.issuer.sender},{event.identifier},{event.sent:%Y-%m-%dT%H:%M:%S}-00:00"
                      for event in (issue, update, renewal)]
    last = fromstring(cap_xml(correction))
    assert texts(last, "msgType") == ["Update"] and cancel.identifier in texts(last, "references")[0]
    assert texts(last, "info/urgency") == ["Past", "Past"]
    told = texts(last, "info/description")
    assert "Told: L1 from 4 May 2026 to 8 May 2026; L2 from 9 May 2026 to 19 May 2026." in told[0]
    assert "Known now: no drought alert." in told[0]
    assert "L1 2026년 5월 4일부터 2026년 5월 8일까지" in told[1]
    over = fromstring(cap_xml(cancel))
    assert (texts(over, "info/responseType"), texts(over, "info/urgency")) == (["AllClear"] * 2, ["Past"] * 2)


def test_polygons_are_latitude_first_closed_and_without_holes() -> None:
    event = story()[0].model_copy(update={"unit": UNIT.model_copy(update={"geometry": simplified(ISLANDS, 0.01)})})
    polygons = texts(fromstring(cap_xml(event)), "info/area/polygon")
    assert len(polygons) == 4, "two outer rings in each of two languages"
    for text in polygons:
        pairs = [tuple(map(float, pair.split(","))) for pair in text.split(" ")]
        assert len(pairs) >= 4 and pairs[0] == pairs[-1]
        assert all(33 < lat < 34 and 126 < lon < 127 for lat, lon in pairs)


def test_simplified_outlines_stay_near(number_of_points: int = 400) -> None:
    circle = shapely.Point(127, 37).buffer(0.5, quad_segs=number_of_points // 4)
    coarse = shapely.from_geojson(simplified(shapely.to_geojson(circle), 0.01))
    assert len(coarse.exterior.coords) < 60
    assert coarse.is_valid and coarse.symmetric_difference(circle).area / circle.area < 0.03
    assert shapely.hausdorff_distance(coarse, circle) < 0.0101


def test_a_ring_of_one_point_becomes_a_box() -> None:
    ring = outer_rings('{"type":"Polygon","coordinates":[[[127,37],[127,37],[127,37]]]}')[0]
    assert len(ring) == 5 and shapely.Polygon(ring).area > 0


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_any_name_gives_valid_cap_and_atom(name: str, unit_id: str) -> None:
    unit = Unit(unit_id=unit_id, name_en=name, name_ko=name, geometry=UNIT.geometry)
    event = live("111", unit=unit)[1][0]
    content = cap_xml(event)
    assert schema_errors(content) == []
    assert content == cap_xml(AlertEvent.model_validate_json(event.model_dump_json()))
    fromstring(atom_feed([event], region_id="test", region=REGION, issuer=ISSUER))
    subject, _ = digest([event])
    assert not re.search(r"[\r\n]", subject)


def test_a_feed_has_each_message_once_and_the_newest_first() -> None:
    events = story()
    feed = fromstring(atom_feed(events, region_id="test", region=REGION, issuer=SCHEME.issuer))
    entries = feed.findall(f"{ATOM}entry")
    links = [entry.find(f"{ATOM}link").attrib["href"] for entry in entries]  # type: ignore[union-attr]
    assert links == [f"https://example.org/a/cap/{event.identifier}.xml" for event in reversed(events)]
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(events) and all(text and text.startswith("urn:uuid:") for text in ids)
    assert feed.findtext(f"{ATOM}updated") == f"{max(event.sent for event in events):%Y-%m-%dT%H:%M:%SZ}"
    for element in (feed, *entries):
        for needed in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{needed}")) == 1
    fewer = fromstring(atom_feed(events[:2], region_id="test", region=REGION, issuer=SCHEME.issuer))
    assert [entry.findtext(f"{ATOM}id") for entry in fewer.findall(f"{ATOM}entry")] == ids[-2:], "ids never change"


def test_a_test_is_marked_as_one() -> None:
    event = story()[0]
    actual = event.model_copy(update={"issuer": Issuer(**{**ISSUER.model_dump(), "status": "Actual"})})
    for one, mark in ((event, True), (actual, False)):
        assert ("[Test]" in digest([one])[0]) is mark
        assert (b"[Test]" in atom_feed([one], region_id="test", region=REGION, issuer=one.issuer)) is mark
    assert b"<status>Actual</status>" in cap_xml(actual)


def test_geojson_holds_what_is_in_force() -> None:
    events = story()
    update = events[1]
    content = json.loads(active_alerts(events[:2], update.sent))
    assert content["type"] == "FeatureCollection" and len(content["features"]) == 1
    one = content["features"][0]
    assert (one["id"], one["properties"]["level"], one["properties"]["severity"]) == (update.identifier, "L2", "Severe")
    assert shapely.geometry.shape(one["geometry"]).bounds == (127, 37, 128, 38), "longitude first"
    assert json.loads(active_alerts(events[:2], update.expires))["features"] == []
    assert json.loads(active_alerts(events, events[-1].sent))["features"] == []


def test_a_notification_is_the_same_each_time() -> None:
    event = story()[0]
    assert notification(event) == notification(AlertEvent.model_validate_json(event.model_dump_json()))
    content = json.loads(notification(event))
    assert (content["type"], content["key"]) == ("drought-alert.issue", event.key)
    assert content["data"]["properties"]["unit"] == "u1"


def test_a_digest_tells_all_in_two_languages() -> None:
    events = story()
    subject, text = digest(events)
    assert subject == "[Test] Drought, Testland, 20 May 2026: 1 new, 1 changed, 1 ended, 1 corrected, 1 continuing"
    for event in events:
        assert text.count(event.identifier) == 2
        assert headline(event, "en") in text and headline(event, "ko") in text
        assert description(event, "ko") in text
    assert text.index("NEW") < text.index("CHANGED") < text.index("신규")


def test_figures_are_those_of_the_day() -> None:
    event = story()[0]
    assert description(event, "en") == (
        "On 4 May 2026, 50 % of the assessed land of Alpha & Co was in L1 or worse (mean percentile 12; 50 is usual "
        "for the season). In force since 4 May 2026. Data: provisional, 80 % of the land assessed, 40 % of it "
        "gap-filled. Experimental information, not an official warning.")
    assert description(event, "ko").startswith(
        "2026년 5월 4일 알파 평가 면적의 50 %가 L1 이상이었습니다(평균 백분위 12, 평년 50).")


def test_an_expired_message_is_none_in_force() -> None:
    event = story()[0]
    assert event.expires == dt.datetime(2026, 5, 20, tzinfo=dt.UTC)
    assert RULES.valid_days == 15
