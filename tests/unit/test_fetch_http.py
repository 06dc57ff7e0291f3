"""What every client relies on: where credentials go, how refusals are told apart, how a body may end."""

import gzip
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from sm_core.errors import (
    AuthenticationError,
    LicenceNotAcceptedError,
    NotYetDownloadableError,
    QuotaExhaustedError,
    SchemaDriftError,
    SourceUnavailableError,
    UnsafeContentError,
)
from tasks.adapters.fetch import http as module
from tasks.adapters.fetch.address import origin, shown
from tasks.adapters.fetch.http import Authorisation, Http, HttpOptions
from tasks.adapters.fetch.refusals import retry_after_s

SECRET = "s3cret-token"


def bearer(*urls):
    return Authorisation(header=SecretStr(f"Bearer {SECRET}"), origins=frozenset(map(origin, urls)))


def content(body):
    return b"".join(body.blocks())


def test_token_goes_to_its_own_hosts_and_not_to_the_one_they_redirect_to(http, loopback, reply):
    signed = loopback(lambda request: reply(b"data"))
    login = loopback(lambda request: reply(status=302, headers={"Location": f"{data.url}/back"}))

    def archive(request):
        target = signed.url + "/file?Signature=abc" if request.path == "/back" else login.url + "/authorize"
        return reply(status=302, headers={"Location": target})

    data = loopback(archive)
    with http.download(f"{data.url}/file", authorisation=bearer(data.url, login.url)) as body:
        assert content(body) == b"data"
        assert body.url == f"{signed.url}/file?Signature=abc"
    assert [request.headers.get("authorization") for request in data.requests] == [f"Bearer {SECRET}"] * 2
    assert login.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert "authorization" not in signed.requests[0].headers


def test_token_is_not_sent_to_a_catalogues_strange_address(http, loopback, reply):
    stranger = loopback(lambda request: reply(b"data"))
    with http.download(f"{stranger.url}/file", authorisation=bearer("https://data.example.org")) as body:
        assert content(body) == b"data"
    assert "authorization" not in stranger.requests[0].headers


def test_cookies_of_the_login_are_kept(http, loopback, reply):
    def host(request):
        if "cookie" in request.headers:
            return reply(b"data")
        return reply(status=302, headers={"Location": "/again", "Set-Cookie": "session=1; Path=/"})

    server = loopback(host)
    for _ in range(2):
        assert http.ask(f"{server.url}/file").content == b"data"
    assert [request.path for request in server.requests] == ["/file", "/again", "/file"]


def test_threads_do_not_share_an_exchange(http, loopback, reply):
    server = loopback(lambda request: reply(request.path.encode() * 1000))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: http.ask(f"{server.url}/{number}").content, range(200)))
    assert answers == [f"/{number}".encode() * 1000 for number in range(200)]


def test_environment_is_not_trusted(http, loopback, reply, monkeypatch, tmp_path):
    server = loopback(lambda request: reply(b"data"))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password word\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert http.ask(server.url).content == b"data"
    headers = server.requests[0].headers
    assert "authorization" not in headers
    assert headers["client-id"] == "sm-daily"
    assert "ops@example.org" in headers["user-agent"]


@pytest.mark.parametrize(("status", "text", "error"), [
    (401, "invalid_token", AuthenticationError),
    (403, "forbidden", AuthenticationError),
    (401, '{"error_description": "EULA Acceptance Failure"}', LicenceNotAcceptedError),
    (403, "Please accept the Eula first", LicenceNotAcceptedError),
    (429, "slow down", SourceUnavailableError),
    (429, "API token quota exceeded", QuotaExhaustedError),
    (404, "", NotYetDownloadableError),
    (410, "", NotYetDownloadableError),
    (400, "", SchemaDriftError),
    (500, "", SourceUnavailableError),
    (503, "", SourceUnavailableError),
])
def test_refusals_by_code(http, loopback, reply, status, text, error):
    server = loopback(lambda request: reply(text.encode(), status))
    url, token = f"{server.url}/file?key={SECRET}", bearer(server.url)
    with pytest.raises(error) as caught, http.download(url, authorisation=token):
        pass
    assert type(caught.value) is error
    assert caught.value.context["status"] == status
    assert SECRET not in str(caught.value)


def test_licence_error_names_where_to_accept_it(http, loopback, reply):
    body = b'{"error_description": "EULA Acceptance Failure", "resolution_url": "https://urs.example.org/approve?id=1"}'
    server = loopback(lambda request: reply(body, 403))
    with pytest.raises(LicenceNotAcceptedError, match=r"https://urs\.example\.org/approve\?id=1"):
        http.ask(server.url)


def test_refused_signed_address_is_worth_another_try(http, loopback, reply):
    signed = loopback(lambda request: reply(b"Request has expired", 403))
    data = loopback(lambda request: reply(status=302, headers={"Location": signed.url}))
    with pytest.raises(SourceUnavailableError), http.download(data.url, authorisation=bearer(data.url)):
        pass


def test_listing_that_is_gone_is_no_missing_file(http, loopback, reply):
    server = loopback(lambda request: reply(status=404))
    with pytest.raises(SchemaDriftError):
        http.ask(server.url)
    assert http.look(server.url) is None


@pytest.mark.parametrize(("headers", "expected"), [
    ({"Retry-After": "30"}, 30.0),
    ({"Retry-After": "Mon, 23 Nov 2026 10:02:00 GMT", "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 120.0),
    ({"Retry-After": "Mon, 23 Nov 2026 09:00:00 GMT", "Date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "-5"}, None),
    ({}, None),
])
def test_pause_that_a_host_asks_for(headers, expected):
    assert retry_after_s(headers) == expected


def test_pause_reaches_the_error(http, loopback, reply):
    server = loopback(lambda request: reply(status=503, headers={"Retry-After": "7"}))
    with pytest.raises(SourceUnavailableError) as caught:
        http.ask(server.url)
    assert caught.value.context["retry_after_s"] == 7.0


def ranged(data, reply):
    def answer(request):
        if "range" not in request.headers:
            return reply(data)
        start = int(request.headers["range"][6:-1])
        if start >= len(data):
            return reply(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
        return reply(data[start:], 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
    return answer


@pytest.mark.parametrize(("offset", "begins"), [(0, 0), (3, 3), (10, 0), (99, 0)])
def test_resume(http, loopback, reply, offset, begins):
    server = loopback(ranged(b"0123456789", reply))
    with http.download(server.url, offset) as body:
        assert (body.offset, body.size, content(body)) == (begins, 10, b"0123456789"[begins:])


@pytest.mark.parametrize("headers", [{}, {"Content-Range": "bytes 5-9/10"}, {"Content-Range": "nonsense"}])
def test_wrong_part_is_not_taken(http, loopback, reply, headers):
    part, whole = reply(b"56789", 206, headers), reply(b"0123456789")
    server = loopback(lambda request: part if "range" in request.headers else whole)
    with http.download(server.url, 3) as body:
        assert (body.offset, content(body)) == (0, b"0123456789")


def test_host_that_cannot_resume_begins_anew(http, loopback, reply):
    server = loopback(lambda request: reply(b"0123456789"))
    with http.download(server.url, 3) as body:
        assert (body.offset, body.size, content(body)) == (0, 10, b"0123456789")


@pytest.mark.parametrize("how", [{"length": 100}, {"length": 100, "reset": True}])
def test_broken_connection_is_told(http, loopback, reply, how):
    server = loopback(lambda request: reply(b"0123456789", **how))
    with http.download(server.url) as body:
        assert body.size == 100
        with pytest.raises(SourceUnavailableError, match="broken off"):
            content(body)


def test_body_without_length_has_no_size(http, loopback, reply):
    server = loopback(lambda request: reply(b"0123456789", length="none"))
    with http.download(server.url) as body:
        assert (body.size, content(body)) == (None, b"0123456789")


def test_packed_body_is_unpacked_and_has_no_size(http, loopback, reply):
    server = loopback(lambda request: reply(gzip.compress(b"0123456789"), headers={"Content-Encoding": "gzip"}))
    with http.download(server.url) as body:
        assert (body.size, content(body)) == (None, b"0123456789")
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_slow_drip_is_broken_off(http, loopback, reply):
    server = loopback(lambda request: reply(b"x" * 400, drip_s=0.01))
    with http.download(server.url) as body, pytest.raises(SourceUnavailableError, match="only"):
        content(body)


def test_silence_is_broken_off(loopback, reply):
    server = loopback(lambda request: reply(b"xx", drip_s=1.0))
    options = HttpOptions(connect_timeout_s=1, read_timeout_s=0.2)
    with Http(options) as http, http.download(server.url) as body, pytest.raises(SourceUnavailableError):
        content(body)


def test_bomb_is_not_unpacked(http, loopback, reply, monkeypatch):
    monkeypatch.setattr(module, "MAX_ANSWER", 1 << 20)
    server = loopback(lambda request: reply(gzip.compress(bytes(8 << 20)), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(UnsafeContentError):
        http.ask(server.url)


def test_redirect_loop(http, loopback, reply):
    server = loopback(lambda request: reply(status=302, headers={"Location": "/again"}))
    with pytest.raises(SourceUnavailableError, match="circle"):
        http.ask(server.url)
    with pytest.raises(AuthenticationError, match="circle"):
        http.ask(server.url, authorisation=bearer(server.url))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/a", "http://me:word@127.0.0.1/a", "http://[1"])
def test_redirect_to_what_is_no_web_address(http, loopback, reply, target):
    server = loopback(lambda request: reply(status=302, headers={"Location": target}))
    with pytest.raises(SchemaDriftError):
        http.ask(server.url)


def test_nobody_answers(http, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SourceUnavailableError) as caught:
        http.ask(f"http://127.0.0.1:9/a?serviceKey={SECRET}")
    error = caught.value
    assert error.transient
    assert error.__cause__ is None
    assert error.__context__ is None
    assert SECRET not in str(error) + caplog.text


def test_no_secret_in_the_debug_log(http, loopback, reply, caplog):
    caplog.set_level(logging.DEBUG)
    server = loopback(lambda request: reply(b"data"))
    http.ask(server.url, {"serviceKey": SECRET}, authorisation=bearer(server.url))
    assert server.requests[0].query == {"serviceKey": SECRET}
    assert "GET /" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("url", [
    "https://user:word@example.org/a?b#c", "https://example.org/a#c", "https://example.org/a?x=https://user:word@b",
])
def test_shown_address(url):
    assert shown(url) == "https://example.org/a"
