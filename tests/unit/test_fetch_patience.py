"""What is asked again, how often, and after which pause."""

import json
import random

import pytest

from sm_core.errors import AuthenticationError, SourceUnavailableError
from tasks.adapters.fetch.cmr import Catalogue
from tasks.adapters.fetch.http import Http, HttpOptions
from tasks.adapters.fetch.listing import directory
from tasks.adapters.fetch.patience import Patience


class Failing:
    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def patience(pauses):
    return Patience(4, pauses.append, random.Random(1))


def test_pauses_double_and_vary(patience, pauses):
    assert patience(Failing(*[SourceUnavailableError("down")] * 3)) == "answer"
    assert [0.5 * 2**n <= pause <= 1.5 * 2**n for n, pause in enumerate(pauses)] == [True] * 3
    assert len({pause / 2**n for n, pause in enumerate(pauses)}) == 3


def test_it_ends(patience, pauses):
    call = Failing(*[SourceUnavailableError("down")] * 9)
    with pytest.raises(SourceUnavailableError):
        patience(call)
    assert (call.calls, len(pauses)) == (4, 3)


def test_host_that_asks_for_a_pause_gets_it(patience, pauses):
    patience(Failing(SourceUnavailableError("busy", retry_after_s=30)))
    assert pauses == [30]


def test_host_that_asks_for_hours_is_left_alone(patience, pauses):
    call = Failing(SourceUnavailableError("busy", retry_after_s=3600))
    with pytest.raises(SourceUnavailableError):
        patience(call)
    assert (call.calls, pauses) == (1, [])


def test_other_errors_are_told_at_once(patience, pauses):
    call = Failing(AuthenticationError("no"))
    with pytest.raises(AuthenticationError):
        patience(call)
    assert (call.calls, pauses) == (1, [])


@pytest.mark.parametrize("bad", [
    {"status": 503}, {"status": 429, "headers": {"Retry-After": "2"}}, {"body": b"<html>maintenance</html>"},
    {"body": b'{"items": ['}, {"body": b'{"items": []}', "headers": {"CMR-Time-Out": "true"}},
    {"body": b'{"items": []}', "length": 100}, {"body": b"{}", "reset": True, "length": 100},
])
def test_catalogue_is_asked_again(loopback, reply, patience, pauses, bad):
    answers = [reply(**bad), reply(json.dumps({"items": []}).encode())]
    server = loopback(lambda request: answers.pop(0))
    with Http(HttpOptions(read_timeout_s=2), patience) as http:
        assert Catalogue(http, server.url, lambda: None).granules({"short_name": "MOD11A1"}) == ()
    assert (len(server.requests), len(pauses)) == (2, 1)


@pytest.mark.parametrize("bad", [{"status": 500}, {"body": b"<html>maintenance</html>"},
                                 {"body": b"<title>Index of /</title><a href='a.txt'>", "length": "none"}])
def test_listing_is_asked_again(loopback, reply, patience, bad):
    answers = [reply(**bad), reply(b"<title>Index of /</title><a href='a.txt'>a.txt</a></html>")]
    server = loopback(lambda request: answers.pop(0))
    with Http(HttpOptions(read_timeout_s=2), patience) as http:
        assert [entry.name for entry in directory(http, server.url)] == ["a.txt"]
