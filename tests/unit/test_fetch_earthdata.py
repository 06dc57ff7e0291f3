"""Earthdata: which token is used, when it is renewed, and what its refusals are."""

import datetime as dt
import json

import pytest
from pydantic import SecretStr

from sm_core.errors import AuthenticationError, LicenceNotAcceptedError, SchemaDriftError, SourceUnavailableError
from tasks.adapters.fetch.cmr import Catalogue
from tasks.adapters.fetch.earthdata import Earthdata, Login
from tasks.adapters.fetch.protocol import Listed

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
BASIC = "Basic dXNlcjp3b3Jk"  # user:word


class World:
    """A login host that gives tokens T1, T2… for 60 days, a data host, and the host of signed addresses."""

    def __init__(self, loopback, reply):
        self.now, self.issued, self.good, self.reply = START, 0, set(), reply
        self.refusal = None
        self.login = loopback(self.answer_login)
        self.signed = loopback(lambda request: reply(b"" if "authorization" in request.headers else b"data"))
        self.data = loopback(self.answer_data)

    def answer_login(self, request):
        if request.path == "/oauth/authorize":
            return self.reply(b"<html>log in</html>")
        if self.refusal:
            return self.refusal
        if request.headers.get("authorization") != BASIC:
            return self.reply(status=401)
        self.issued += 1
        self.good.add(f"T{self.issued}")
        ends = self.now + dt.timedelta(days=60)
        return self.reply(json.dumps({"access_token": f"T{self.issued}", "token_type": "Bearer",
                                      "expiration_date": f"{ends:%m/%d/%Y}"}).encode())

    def answer_data(self, request):
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.good:
            return self.reply(status=401)
        return self.reply(status=302, headers={"Location": f"{self.signed.url}{request.path}?Signature=x"})

    def client(self, http, **credentials):
        login = Login(http, self.login.url, (self.data.url,), lambda: self.now, **credentials)
        return Earthdata(http, Catalogue(http, self.login.url, lambda: self.now), login, self.data.url)

    def fetch(self, client):
        with client.open(Listed(source_id="MOD11A1.061", name="a.hdf", revision="1", published=START,
                                url=f"{self.data.url}/a.hdf")) as body:
            return b"".join(body.blocks())


@pytest.fixture
def world(loopback, reply):
    return World(loopback, reply)


PAIR = {"user": "user", "password": SecretStr("word")}


def test_given_token_is_used(world, http):
    world.good.add("mine")
    assert world.fetch(world.client(http, token=SecretStr("mine"))) == b"data"
    assert world.login.requests == []
    assert "authorization" not in world.signed.requests[0].headers


def test_expired_given_token_is_told(world, http):
    with pytest.raises(AuthenticationError):
        world.fetch(world.client(http, token=SecretStr("old")))
    assert len(world.data.requests) == 1


def test_token_is_asked_for_once_and_renewed_a_week_before_its_end(world, http):
    client = world.client(http, **PAIR)
    for days, issued in ((0, 1), (1, 1), (52, 1), (53, 2), (54, 2)):
        world.now = START + dt.timedelta(days=days)
        assert world.fetch(client) == b"data"
        assert world.issued == issued, days
    request = world.login.requests[0]
    assert (request.method, request.path) == ("POST", "/api/users/find_or_create_token")


def test_refused_token_is_replaced_once(world, http):
    client = world.client(http, **PAIR)
    world.fetch(client)
    world.good.clear()
    assert world.fetch(client) == b"data"
    assert world.issued == 2


def test_token_that_is_refused_again_is_told(world, http):
    client = world.client(http, **PAIR)
    world.good = type("Nothing", (set,), {"add": lambda self, token: None})()
    with pytest.raises(AuthenticationError):
        world.fetch(client)
    assert (world.issued, len(world.data.requests)) == (2, 2)


def test_token_outlives_a_login_host_that_is_down(world, http, reply):
    client = world.client(http, **PAIR)
    world.fetch(client)
    world.refusal = reply(status=503)
    world.now = START + dt.timedelta(days=55)
    assert world.fetch(client) == b"data"
    world.now = START + dt.timedelta(days=61)
    with pytest.raises(SourceUnavailableError):
        world.fetch(client)


def test_wrong_password(world, http):
    with pytest.raises(AuthenticationError) as caught:
        world.fetch(world.client(http, user="user", password=SecretStr("other")))
    assert "other" not in str(caught.value)


def test_no_credentials(world, http):
    with pytest.raises(AuthenticationError, match="SM_EARTHDATA_TOKEN"):
        world.fetch(world.client(http))


def test_login_host_that_speaks_otherwise(world, http, reply):
    world.refusal = reply(b'{"token": "T1"}')
    with pytest.raises(SchemaDriftError):
        world.fetch(world.client(http, **PAIR))


def test_login_page_is_no_file(world, http, loopback, reply):
    world.data = loopback(lambda request: reply(status=302, headers={"Location": world.login.url + "/oauth/authorize"}))
    with pytest.raises(AuthenticationError, match="login page"):
        world.fetch(world.client(http, token=SecretStr("mine")))


def test_licence(world, http, loopback, reply):
    world.data = loopback(lambda request: reply(b'{"error_description": "EULA Acceptance Failure"}', 403))
    with pytest.raises(LicenceNotAcceptedError):
        world.fetch(world.client(http, **PAIR))
    assert len(world.data.requests) == 1


def test_serves_every_source_of_the_catalogue(world, http):
    client = world.client(http)
    assert {"MOD11A1.061", "MYD13A2.061", "VJ113A2.002", "SPL4SMGP.008"} <= set(client.source_ids)
    assert not any(source.startswith(("GLASS", "GLEAM")) for source in client.source_ids)
