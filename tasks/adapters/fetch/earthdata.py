"""NASA Earthdata: granules from the catalogue, files with a bearer token that only NASA's own hosts see."""

from __future__ import annotations

import datetime as dt
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from pydantic import SecretStr

from sm_core.errors import AuthenticationError, SchemaDriftError, SourceUnavailableError
from sm_core.sources import SOURCES
from tasks.adapters.fetch.address import origin, shown
from tasks.adapters.fetch.cmr import PROVIDERS, Catalogue
from tasks.adapters.fetch.http import Authorisation, Http, HttpBody
from tasks.adapters.fetch.protocol import Listed, Query

RENEW_BEFORE = dt.timedelta(days=7)
_ASK_AGAIN = dt.timedelta(hours=12)
_NONE = SecretStr("")


class Login:
    """Earthdata Login: a bearer token, given or asked for with user and password.

    Parameters
    ----------
    url
        Of Earthdata Login; it is always among the token's ``hosts``.
    hosts
        Base URLs of the archives to which the token may be sent.
    """

    def __init__(self, http: Http, url: str, hosts: tuple[str, ...], now: Callable[[], dt.datetime], *,
                 token: SecretStr = _NONE, user: str = "", password: SecretStr = _NONE) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._origins = frozenset(origin(host) for host in (url, *hosts))
        self._now = now
        self._given = token.get_secret_value()
        self._user, self._password = user, password
        self._token, self._renew_at, self._expires = "", now(), now()
        self._lock = threading.Lock()

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced."""
        return not self._given and bool(self._user)

    def authorisation(self) -> Authorisation:
        """The token for the next download, renewed a week before it ends.

        Raises
        ------
        AuthenticationError   SM202, no credentials in the settings, or refused ones.
        """
        with self._lock:
            if not self._given and self._now() >= self._renew_at:
                self._renew()
            return Authorisation(header=SecretStr(f"Bearer {self._given or self._token}"), origins=self._origins)

    def forget(self, refused: Authorisation) -> None:
        """Ask for another token than the one that was refused."""
        with self._lock:
            if refused.header.get_secret_value() == f"Bearer {self._token}":
                self._renew_at = self._expires = self._now()

    def owns(self, url: str) -> bool:
        """Whether an address is the login's own."""
        return origin(url) == origin(self._url)

    def _renew(self) -> None:
        if not self._user:
            raise AuthenticationError("no Earthdata credentials: set SM_EARTHDATA_TOKEN, or _USER and _PASSWORD")
        try:
            self._token, self._expires = self._ask()
        except SourceUnavailableError:
            if self._now() >= self._expires:
                raise
        self._renew_at = max(self._expires - RENEW_BEFORE, self._now() + _ASK_AGAIN)

    def _ask(self) -> tuple[str, dt.datetime]:
        pair = f"{self._user}:{self._password.get_secret_value()}".encode()
        basic = Authorisation(header=SecretStr(f"Basic {b64encode(pair).decode()}"),
                              origins=frozenset({origin(self._url)}))
        answer = self._http.patiently(lambda: self._http.ask(
            f"{self._url}/api/users/find_or_create_token", authorisation=basic, method="POST"))
        try:
            content = json.loads(answer.content)
            token, ends = str(content["access_token"]), str(content["expiration_date"])
            return token, dt.datetime.strptime(ends, "%m/%d/%Y").replace(tzinfo=dt.UTC)
        except (ValueError, KeyError, TypeError):
            problem = "Earthdata Login answered without access_token and expiration_date (MM/DD/YYYY)"
        raise SchemaDriftError(problem)


class Earthdata:
    """Fetcher of every declared source that NASA's catalogue lists."""

    def __init__(self, http: Http, catalogue: Catalogue, login: Login, data_host: str) -> None:
        self.source_ids = tuple(entry.source_id for entry in SOURCES if entry.provider in PROVIDERS)
        self.host = urlsplit(data_host).netloc
        self.tells_changes = True
        self._http = http
        self._catalogue = catalogue
        self._login = login

    def listed(self, query: Query) -> Iterator[Listed]:
        return self._catalogue.listed(query)

    @contextmanager
    def open(self, listed: Listed, offset: int = 0) -> Iterator[HttpBody]:
        with ExitStack() as stack:
            yield self._begin(stack, listed.url, offset)

    def _begin(self, stack: ExitStack, url: str, offset: int) -> HttpBody:
        authorisation = self._login.authorisation()
        try:
            return stack.enter_context(self._download(url, offset, authorisation))
        except AuthenticationError:
            if not self._login.renewable:
                raise
        self._login.forget(authorisation)
        return stack.enter_context(self._download(url, offset, self._login.authorisation()))

    @contextmanager
    def _download(self, url: str, offset: int, authorisation: Authorisation) -> Iterator[HttpBody]:
        with self._http.download(url, offset, authorisation) as body:
            if self._login.owns(body.url):
                raise AuthenticationError("a login page instead of the file: the token is not taken", url=shown(url))
            yield body
