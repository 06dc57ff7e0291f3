"""Tokens, redirects and signed URLs as the real hosts handle them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tasks.hosts.clock import Clock
from tasks.hosts.faults import Fault
from tasks.hosts.serve import SimulatedHosts

Search = Callable[..., requests.Response]
NAME = "MOD11A1.A2019160.h28v05.061.2019161090000.hdf"


def link(hosts: SimulatedHosts, name: str = NAME) -> str:
    return f"{hosts.urls.data}/lp-prod-protected/MOD11A1.061/{name.removesuffix('.hdf')}/{name}"


def bearer(hosts: SimulatedHosts) -> dict[str, str]:
    return {"Authorization": f"Bearer {hosts.token()}"}


def signed(hosts: SimulatedHosts, session: requests.Session, name: str = NAME) -> str:
    answer = session.get(link(hosts, name), headers=bearer(hosts), allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def test_links_of_the_catalogue_lead_to_the_content(
    serve: Any, search: Search, session: requests.Session, archive: Path
) -> None:
    hosts = serve()
    names = set()
    for short_name in ("MOD11A1", "VJ121A1D", "SPL4SMGP"):
        for item in search(hosts, short_name=short_name).json()["items"]:
            urls = {entry["Type"]: entry["URL"] for entry in item["umm"]["RelatedUrls"]}
            answer = session.get(urls["GET DATA"], headers=bearer(hosts), timeout=10)
            name = urls["GET DATA"].rpartition("/")[2]
            names.add(name)
            assert answer.content == (archive / name).read_bytes()
            assert urlsplit(answer.url).netloc == urlsplit(hosts.urls.signed).netloc
            assert b"<GranuleUR>" in session.get(urls["VIEW RELATED INFORMATION"], headers=bearer(hosts),
                                                 timeout=10).content
    assert len(names) == 6


def test_without_a_token_one_is_led_to_the_login_page(serve: Any, session: requests.Session) -> None:
    hosts = serve()
    first = session.get(link(hosts), allow_redirects=False, timeout=10)
    assert first.status_code == 302
    assert first.headers["Location"].startswith(f"{hosts.urls.login}/oauth/authorize?")
    page = session.get(link(hosts), timeout=10)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")
    assert b"Earthdata Login" in page.content


def test_signed_url_refuses_a_bearer_token(serve: Any, session: requests.Session) -> None:
    hosts = serve()
    url = signed(hosts, session)
    assert session.get(url, timeout=10).status_code == 200
    refused = session.get(url, headers=bearer(hosts), timeout=10)
    assert refused.status_code == 400
    assert "Only one auth mechanism" in refused.text
    assert [(seen.host, seen.authorised) for seen in hosts.exchanges] == [
        ("data", True), ("signed", False), ("signed", True),
    ]


def test_signed_url_is_for_one_path_and_one_hour(serve: Any, session: requests.Session, clock: Clock) -> None:
    hosts = serve()
    url = signed(hosts, session)
    other = url.replace("A2019160.h28v05.061.2019161090000", "A2019161.h28v05.061.2019162090000")
    assert session.get(other, timeout=10).status_code == 403
    clock.advance(dt.timedelta(hours=1, seconds=1))
    assert session.get(url, timeout=10).status_code == 403


def test_ranges(serve: Any, session: requests.Session, archive: Path) -> None:
    hosts = serve()
    content = (archive / NAME).read_bytes()
    url = signed(hosts, session)
    rest = session.get(url, headers={"Range": "bytes=30000-"}, timeout=10)
    assert (rest.status_code, rest.content) == (206, content[30000:])
    assert rest.headers["Content-Range"] == f"bytes 30000-{len(content) - 1}/{len(content)}"
    middle = session.get(url, headers={"Range": "bytes=10-19", "If-Range": rest.headers["ETag"]}, timeout=10)
    assert (middle.status_code, middle.content) == (206, content[10:20])
    assert session.get(url, headers={"Range": "bytes=10-19", "If-Range": '"old"'}, timeout=10).content == content
    assert session.get(url, headers={"Range": f"bytes={len(content)}-"}, timeout=10).status_code == 416
    head = session.head(url, timeout=10)
    assert (head.headers["Content-Length"], head.content) == (str(len(content)), b"")


def test_range_across_the_end_of_a_revised_file(serve: Any, session: requests.Session, archive: Path) -> None:
    hosts = serve(Fault(kind="revised", days=1))
    url = signed(hosts, session)
    whole = session.get(url, timeout=10).content
    size = (archive / NAME).stat().st_size
    assert whole[:size] == (archive / NAME).read_bytes()
    assert len(whole) > size
    assert session.get(url, headers={"Range": f"bytes={size - 5}-"}, timeout=10).content == whole[size - 5:]


def test_tokens_last_sixty_days_and_are_two_at_most(serve: Any, session: requests.Session, clock: Clock) -> None:
    hosts = serve()
    account = (hosts.accounts.earthdata_user, hosts.accounts.earthdata_password)

    def post(call: str) -> requests.Response:
        return session.post(f"{hosts.urls.login}/api/users/{call}", auth=account, timeout=10)

    first = post("find_or_create_token").json()
    assert first["expiration_date"] == "08/19/2019"  # 20 June and 60 days
    assert first["token_type"] == "Bearer"
    assert post("find_or_create_token").json() == first
    assert post("token").json()["access_token"] != first["access_token"]
    assert post("token").status_code == 403
    held = {"Authorization": f"Bearer {first['access_token']}"}
    clock.move_to(dt.datetime(2019, 8, 18, 23, 59, tzinfo=dt.UTC))
    assert session.get(link(hosts), headers=held, timeout=10).status_code == 200
    clock.move_to(dt.datetime(2019, 8, 19, tzinfo=dt.UTC))
    assert session.get(link(hosts), headers=held, timeout=10).status_code == 401
    assert post("find_or_create_token").json()["access_token"] != first["access_token"]
    assert len(session.get(f"{hosts.urls.login}/api/users/tokens", auth=account, timeout=10).json()) == 1


def test_wrong_password_and_unknown_token_are_refused(serve: Any, session: requests.Session) -> None:
    hosts = serve()
    answer = session.post(f"{hosts.urls.login}/api/users/find_or_create_token", auth=("simulated", "guess"), timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_credentials")
    answer = session.get(link(hosts), headers={"Authorization": "Bearer guess"}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


@pytest.mark.parametrize(("kind", "status", "text"), [
    ("expired_token", 401, "expired"), ("eula", 403, "eula"), ("not_found", 404, "Not Found"),
])
def test_scripted_refusals(serve: Any, session: requests.Session, kind: Any, status: int, text: str) -> None:
    hosts = serve(Fault(kind=kind, host="data", path="*h28v05*", times=1))
    answer = session.get(link(hosts), headers=bearer(hosts), timeout=10)
    assert answer.status_code == status
    assert text in answer.text
    assert session.get(link(hosts), headers=bearer(hosts), timeout=10).status_code == 200


def test_what_is_withdrawn_not_yet_published_or_elsewhere_is_missing(
    serve: Any, session: requests.Session, clock: Clock
) -> None:
    hosts = serve(Fault(kind="withdrawn", path="*A2019161*", days=1))
    for name in ("MOD11A1.A2019161.h28v05.061.2019162090000.hdf", "MOD11A1.A2019300.h28v05.061.2019301090000.hdf",
                 "../secret.hdf"):
        assert session.get(link(hosts, name), headers=bearer(hosts), timeout=10).status_code == 404
    elsewhere = link(hosts).replace("MOD11A1.061/", "MOD13A2.061/")
    assert session.get(elsewhere, headers=bearer(hosts), timeout=10).status_code == 404
    clock.move_to(dt.datetime(2019, 6, 10, 8, 59, tzinfo=dt.UTC))
    assert session.get(link(hosts), headers=bearer(hosts), timeout=10).status_code == 404
