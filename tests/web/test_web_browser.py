"""The page in a real browser: what a person does with the mouse, the keyboard and a phone."""

from __future__ import annotations

import json
import time

import pytest

from tests.web.browser import browser, chromium
from tests.web.conftest import DAYS

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium: install Debian's package chromium")
READY = "document.documentElement?.dataset.ready === 'map'"
STATE = "JSON.stringify(Object.fromEntries(new URLSearchParams(location.hash.slice(1))))"
FOCUS = "document.activeElement.id || document.activeElement.className || document.activeElement.tagName"
LONG_ENOUGH = 90


@pytest.fixture(scope="module")
def page():
    with browser() as shown:
        shown.size(1280, 800)
        yield shown


def visit(page, site, address=""):
    page.open(f"{site.url}/{address}")
    page.until(READY, LONG_ENOUGH)


def state(page):
    return json.loads(page.run(STATE))


def no_complaints(page, site):
    page.run("1")
    assert page.complaints == []
    strangers = [url for url in page.requests if not url.startswith((site.url, "data:", f"blob:{site.url}", "about:"))]
    assert strangers == []


def text(page, selector):
    return page.run(f"document.querySelector({selector!r})?.textContent ?? ''")


def colour_at(page, x, y):
    """What the browser shows at a place."""
    import base64
    import io

    from PIL import Image

    clip = {"x": x, "y": y, "width": 1, "height": 1, "scale": 1}
    shot = page.call("Page.captureScreenshot", format="png", clip=clip)
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB").getpixel((0, 0))


def test_loads_without_complaints_and_without_asking_others(page, site):
    visit(page, site)
    page.until("document.querySelectorAll('#layers input').length > 8")
    page.until("document.querySelector('#station-choice').options.length === 3")
    assert state(page)["layer"] == "drought_class" and state(page)["region"] == "tiny"
    assert "Tiny" in text(page, "h1") and "Provisional" in text(page, "#maturity")
    assert "abnormally dry" in text(page, "#legend")
    assert len([url for url in page.requests if "/tiles/tiny/" in url]) >= 1
    no_complaints(page, site)


def test_the_map_is_painted_in_the_layers_colours(page, site):
    visit(page, site, "#layer=sm_surface&opacity=100&map=9/36.7/127.5")
    time.sleep(1)
    box = page.run("(() => { const b = document.querySelector('#map').getBoundingClientRect();"
                   " return [b.x + b.width / 2, b.y + b.height / 2]; })()")
    number = DAYS - 1
    wanted = 0.10 + 0.002 * 29.5 + 0.002 * number                       # between sand and pale green
    red, green, blue = colour_at(page, box[0] + 9, box[1] + 9)
    assert 0.16 < wanted < 0.22 and red > green > blue and red > 200


def test_date_changes_by_slider_buttons_and_keys(page, site):
    visit(page, site)
    last = state(page)["day"]
    page.click(*page.middle_of("#earlier"))
    earlier = state(page)["day"]
    assert earlier < last
    page.run("document.querySelector('#day').focus()")
    page.key("ArrowLeft")
    page.until(f"JSON.parse({STATE}).day < '{earlier}'")
    page.key("Home")
    assert state(page)["day"] == "2019-05-01"
    assert "1 May 2019" in text(page, "#date") and "Final" in text(page, "#maturity")
    assert page.run("document.querySelector('#day').getAttribute('aria-valuetext')").startswith("Wed, 1 May 2019")
    assert page.run("document.querySelector('#earlier').disabled") is True
    page.until("performance.getEntriesByType('resource').some((one) => one.name.includes('/tiles/tiny/2019-05-01/'))")
    page.until("document.querySelector('#files').textContent.includes('20190501')")
    no_complaints(page, site)


def test_layer_changes_with_its_legend_and_tiles(page, site):
    visit(page, site)
    page.until("document.querySelectorAll('#layers input').length > 8")
    for layer, legend in (("sm_surface", "m³/m³"), ("percentile_sm_rootzone", "%"), ("qa_flags", "gap-filled"),
                          ("sm_surface_uncertainty", "1 σ")):
        page.click(*page.middle_of(f"input[value={layer}]"))
        page.until(f"JSON.parse({STATE}).layer === '{layer}'")
        assert legend in text(page, "#legend")
        page.until(f"performance.getEntriesByType('resource').some((one) => one.name.includes('/{layer}/'))")
    no_complaints(page, site)


def test_click_gives_values_series_station_and_unit(page, site):
    visit(page, site, "#layer=sm_surface&map=9/36.695/127.405&day=2019-05-05")
    x, y = page.middle_of("#map")
    page.click(x, y)
    page.until("document.querySelector('#place path.band') !== null")
    assert "0.168" in text(page, "#place .values") and "36.69" in text(page, "#card-title")
    assert "Station N_S1" in text(page, "#place")
    assert page.run("document.querySelectorAll('#place .seen').length") == DAYS
    assert f"{DAYS} common days" in text(page, "#place")
    page.until("document.querySelector('#unit path') !== null")
    assert text(page, "#tab-unit") == "East" and state(page)["unit"] == "east"
    page.click(*page.middle_of("#tab-unit"))
    assert page.run("document.querySelector('#unit').hidden") is False and "Class of the unit" in text(page, "#unit")
    no_complaints(page, site)


def test_address_brings_the_same_view_back(page, site):
    address = "#region=tiny&day=2019-05-09&layer=sm_rootzone&opacity=55&map=8.5/36.6/127.5&at=36.55/127.2&tab=unit"
    visit(page, site, address)
    page.until("document.querySelector('#unit path') !== null")
    told = state(page)
    assert {key: told[key] for key in ("day", "layer", "opacity", "tab", "at")} == {
        "day": "2019-05-09", "layer": "sm_rootzone", "opacity": "55", "tab": "unit", "at": "36.55/127.2"}
    assert "r02" in text(page, "#maturity") and text(page, "#opacity-value") == "55 %"
    page.until("document.querySelector('#provenance').textContent.includes('tiny.corrector v3')")
    assert "r01 Final" in text(page, "#provenance") and "MOD11A1.061" in text(page, "#provenance")
    assert page.run("document.querySelector('#files a').href").startswith(f"{site.url}/files/tiny/2019-05-09/2/")


@pytest.mark.parametrize("address", [
    "#day=1900-01-01&layer=nothing&region=nowhere", "#map=x/y/z&at=99/999&opacity=-5", "#at=36.7/127.4&unit=%3Cimg%3E",
    "#day=%00%00&lang=xx",
])
def test_nonsense_in_the_address_does_no_harm(page, site, address):
    visit(page, site, address)
    assert state(page)["region"] == "tiny" and "2019" in text(page, "#date")
    assert page.run("document.querySelectorAll('main img').length") == 0


def test_keyboard_walk(page, site):
    """Everything can be reached by Tab in reading order, and used without a mouse."""
    visit(page, site, "#day=2019-05-05&map=9/36.695/127.405")
    page.until("document.querySelectorAll('#layers input').length > 8")
    reached = []
    for _ in range(40):
        page.key("Tab")
        reached.append(page.run(FOCUS))
        if reached[-1] == "BODY":
            break
    order = ["skip", "language", "newest", "earlier", "day", "later", "maplibregl-canvas", "opacity", "unit-choice",
             "station-choice", "lat", "lon", "copy"]
    places = [next(index for index, name in enumerate(reached) if wanted in name.split()) for wanted in order]
    assert places == sorted(places)
    page.run("document.querySelector('#map canvas').focus()")
    page.key("Enter")
    page.until("document.querySelector('#place path.line') !== null")
    assert "0.168" in text(page, "#place .values")
    page.run("document.querySelector('#place svg').focus()")
    page.key("Home")
    page.key("ArrowRight")
    assert "2 May 2019" in text(page, "#place .readout")
    page.key("Enter")
    page.until(f"JSON.parse({STATE}).day === '2019-05-02'")
    page.run("document.querySelector('#tab-place').focus()")
    page.key("ArrowRight")
    assert page.run(FOCUS) == "tab-unit" and page.run("document.querySelector('#place').hidden") is True
    page.key("Escape")
    assert page.run("document.querySelector('#card').hidden") is True and page.run(FOCUS) == "day"
    no_complaints(page, site)


def test_choice_of_unit_and_coordinates(page, site):
    visit(page, site)
    page.until("document.querySelector('#unit-choice').options.length === 4")
    page.run("(() => { const s = document.querySelector('#unit-choice'); s.value = 'west';"
             " s.dispatchEvent(new Event('change')); })()")
    page.until("document.querySelector('#unit path') !== null")
    assert text(page, "#card-title") == "West" and page.run("document.querySelector('#tab-place').disabled") is True
    page.run("(() => { document.querySelector('#lat').value = '36.5'; document.querySelector('#lon').value = '127.7';"
             " document.querySelector('#coordinates').requestSubmit(); })()")
    page.until("document.querySelector('#place path.line') !== null")
    assert state(page)["at"] == "36.5/127.7"


@pytest.mark.parametrize("width", [320, 400])
def test_phone(page, site, width):
    page.size(width, 740, phone=True)
    try:
        visit(page, site, "#map=8/36.695/127.405")
        assert page.run("document.documentElement.scrollWidth") <= width
        page.tap(*page.middle_of("#map"))
        page.until("document.querySelector('#place path.line') !== null")
        assert page.run("document.documentElement.scrollWidth") <= width
        small = page.run("""[...document.querySelectorAll('button, select, .choice')].filter((one) => one.offsetParent
            && one.getBoundingClientRect().height < 32 && !one.closest('.maplibregl-map')).map((one) => one.id)""")
        assert small == []
        no_complaints(page, site)
    finally:
        page.size(1280, 800)


def test_korean_by_the_browsers_language_and_by_choice(site):
    with browser() as page:
        page.size(1000, 700)
        page.language("ko-KR,ko")
        visit(page, site)
        assert "토양수분" in text(page, "h1") and "잠정" in text(page, "#maturity") and "2019년" in text(page, "#date")
        assert "비정상 건조" in text(page, "#legend") and page.run("document.documentElement.lang") == "ko"
        page.click(*page.middle_of("#language"))
        page.until("document.documentElement.lang === 'en'")
        assert "Provisional" in text(page, "#maturity") and state(page)["lang"] == "en"


def test_every_control_has_a_name(page, site):
    visit(page, site, "#at=36.695/127.405")
    page.until("document.querySelector('#place path.line') !== null")
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "combobox", "radio", "link", "textbox", "tab", "img"}
    nameless = [node["role"]["value"] for node in nodes if not node.get("ignored")
                and node["role"]["value"] in roles and not node.get("name", {}).get("value")]
    assert nameless == []


def test_answers_that_fail_are_told(page, site):
    visit(page, site, "#at=10/10")
    page.until("document.querySelector('#place').textContent.includes('SM707')")


def test_without_webgl_the_charts_still_work(site):
    with browser("--disable-3d-apis") as page:
        page.size(1000, 700)
        page.open(f"{site.url}/")
        page.until("document.documentElement?.dataset.ready === 'page'")
        assert "WebGL" in text(page, "#message")
        page.until("document.querySelector('#unit-choice').options.length === 4")
        page.run("""(() => {
            document.querySelector('#lat').value = '36.5';
            document.querySelector('#lon').value = '127.7';
            document.querySelector('#coordinates').requestSubmit();
        })()""")
        page.until("document.querySelector('#place path.line') !== null")
