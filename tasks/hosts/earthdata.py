"""Earthdata: the login host with its tokens, the data host that redirects, the host of signed URLs."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from sm_core.sources import identify
from tasks.hosts.answers import HTML, LOGIN_PAGE, Answer, FilePart, Request, as_json, file_answer, missing, text
from tasks.hosts.catalogue import Catalogue, Edition
from tasks.hosts.clock import Clock
from tasks.hosts.collections import COLLECTIONS
from tasks.hosts.umm import data_path, granule_ur, instant

TOKEN_DAYS, TOKENS_PER_USER = 60, 2
SIGNED_FOR = dt.timedelta(hours=1)
CLIENT_ID = "aBcDeFgHiJkLmNoPqRsTuV"
_SIGNING_KEY = b"simulated distribution"
_XML = "application/xml"


@dataclass
class Tokens:
    """Bearer tokens of one user: at most two at once, each for 60 days of the clock's time."""

    user: str
    password: str
    clock: Clock
    _expiries: dict[str, dt.date] = field(default_factory=dict)
    _issued: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find_or_create(self) -> tuple[str, dt.date]:
        """A token that is still good, or a new one, and the day at whose beginning it expires."""
        with self._lock:
            good = self._good()
            return next(iter(good.items())) if good else self._create()

    def create(self) -> tuple[str, dt.date] | None:
        """A new token, None when there are two already."""
        with self._lock:
            return self._create() if len(self._good()) < TOKENS_PER_USER else None

    def good(self) -> dict[str, dt.date]:
        """Expiry by token, of those that are still good."""
        with self._lock:
            return self._good()

    def accepts(self, header: str) -> bool:
        """Whether an Authorization header carries a good token."""
        scheme, _, token = header.partition(" ")
        return scheme == "Bearer" and token in self.good()

    def knows(self, header: str) -> bool:
        """Whether an Authorization header carries the user's name and password."""
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return header == f"Basic {expected}"

    def _good(self) -> dict[str, dt.date]:
        today = self.clock.now().date()
        return {token: expiry for token, expiry in self._expiries.items() if today < expiry}

    def _create(self) -> tuple[str, dt.date]:
        self._issued += 1
        text = f"{self.user}\x1f{self.password}\x1f{self._issued}"
        token = "EDL-" + base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()).decode().rstrip("=")
        self._expiries[token] = self.clock.now().date() + dt.timedelta(days=TOKEN_DAYS)
        return token, self._expiries[token]


class Login:
    """Earthdata Login: ``/api/users/find_or_create_token``, ``token``, ``tokens``; everybody else sees a page."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self, request: Request) -> Answer:
        if request.path == "/oauth/authorize":
            return Answer(200, {"Content-Type": HTML}, LOGIN_PAGE)
        wanted = {"/api/users/find_or_create_token": "POST", "/api/users/token": "POST", "/api/users/tokens": "GET"}
        if wanted.get(request.path) != request.method:
            return missing(request.path)
        if not self._tokens.knows(request.headers.get("authorization", "")):
            return as_json(401, {"error": "invalid_credentials", "error_description": "Invalid user credentials"},
                           {"WWW-Authenticate": 'Basic realm="Please enter your Earthdata Login credentials"'})
        if request.method == "GET":
            return as_json(200, [_described(*entry) for entry in self._tokens.good().items()])
        made = self._tokens.find_or_create() if "find" in request.path else self._tokens.create()
        if made is None:
            return as_json(403, {"error": "max_token_limit",
                                 "error_description": "Max Tokens Limit Reached: you may have only two tokens"})
        return as_json(200, _described(*made))


class Data:
    """The data host: without a token to the login, with one to a signed URL on another host."""

    def __init__(self, catalogue: Catalogue, tokens: Tokens, login_url: str, signed_url: str) -> None:
        self._catalogue, self._tokens = catalogue, tokens
        self._login_url, self._signed_url = login_url, signed_url

    def __call__(self, request: Request) -> Answer:
        header = request.headers.get("authorization")
        if header is None:
            return _redirect(f"{self._login_url}/oauth/authorize?" + urlencode({
                "client_id": CLIENT_ID, "response_type": "code", "state": request.path,
                "redirect_uri": "https://data.lpdaac.earthdatacloud.nasa.gov/login"}))
        if not self._tokens.accepts(header):
            return as_json(401, {"error": "invalid_token", "error_description": "The token is invalid or expired"},
                           {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if published(self._catalogue, request.path) is None:
            return missing(request.path)
        expires = round((self._catalogue.clock.now() + SIGNED_FOR).timestamp())
        query = urlencode({"A-userid": self._tokens.user, "Expires": expires,
                           "Signature": _signature(request.path, expires), "Key-Pair-Id": "K1SIMULATED"})
        return _redirect(f"{self._signed_url}{quote(request.path)}?{query}")


class Signed:
    """The distribution host: only a signed URL opens it, and only without another authorization."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __call__(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        values = dict(request.parameters)
        expires = values.get("Expires", "")
        if not expires.isdigit() or int(expires) < self._catalogue.clock.now().timestamp():
            return _refusal(403, "AccessDenied", "Request has expired")
        if not hmac.compare_digest(values.get("Signature", ""), _signature(request.path, int(expires))):
            return _refusal(403, "SignatureDoesNotMatch", "The signature does not match")
        found = published(self._catalogue, request.path)
        if found is None:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        if request.path.endswith(".cmr.xml"):
            return text(200, _metadata(found), _XML)
        content = FilePart(found.path, found.tail, 0, found.size)
        return file_answer(request, content, "application/octet-stream", found.published,
                           f"{found.revision:x}-{found.size:x}")


def published(catalogue: Catalogue, path: str) -> Edition | None:
    """The edition that a path of the data host leads to, itself or its metadata."""
    name = path.rpartition("/")[2]
    names = [name.removesuffix(".cmr.xml") + extension for extension in (".hdf", ".h5")] \
        if name.endswith(".cmr.xml") else [name]
    for candidate in names:
        edition = catalogue.find(candidate) if _is_ours(candidate) else None
        if edition is not None:
            collection = next(entry for entry in COLLECTIONS
                              if entry.source.source_id == edition.granule.source_id)
            if data_path(collection, edition).rpartition("/")[0] == path.rpartition("/")[0]:
                return edition
    return None


def _is_ours(name: str) -> bool:
    granule = identify(Path(name))
    return granule is not None and any(entry.source.source_id == granule.source_id for entry in COLLECTIONS)


def _described(token: str, expiry: dt.date) -> dict[str, str]:
    return {"access_token": token, "token_type": "Bearer", "expiration_date": f"{expiry:%m/%d/%Y}"}


def _redirect(url: str) -> Answer:
    return text(302, "", headers={"Location": url})


def _refusal(status: int, code: str, message: str) -> Answer:
    return text(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
                        f"<Message>{message}</Message></Error>", _XML)


def _signature(path: str, expires: int) -> str:
    digest = hmac.new(_SIGNING_KEY, f"{path}\x1f{expires}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _metadata(edition: Edition) -> str:
    collection = next(entry for entry in COLLECTIONS if entry.source.source_id == edition.granule.source_id)
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Granule><GranuleUR>{granule_ur(collection, edition)}'
            f"</GranuleUR><InsertTime>{instant(edition.first_published)}</InsertTime></Granule>\n")
