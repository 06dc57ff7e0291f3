"""All simulated hosts at once, on the loopback."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from sm_core.errors import ArchiveNotFoundError
from tasks.hosts import cmr, glass, rda, uscrn
from tasks.hosts.catalogue import Catalogue
from tasks.hosts.clock import Clock
from tasks.hosts.cmr import Cmr
from tasks.hosts.earthdata import Data, Login, Signed, Tokens
from tasks.hosts.faults import Fault, HostName, Script
from tasks.hosts.glass import Glass
from tasks.hosts.http import LOOPBACK, Exchange, HttpHost
from tasks.hosts.rda import Rda
from tasks.hosts.sftp import SftpHost
from tasks.hosts.shelf import Shelf
from tasks.hosts.stations import Network
from tasks.hosts.uscrn import Uscrn

HTTP_HOSTS: tuple[HostName, ...] = tuple(name for name in get_args(HostName) if name != "gleam")
MOST_EXCHANGES = 1 << 18


@dataclass(frozen=True)
class Accounts:
    """What the hosts let in."""

    earthdata_user: str = "simulated"
    earthdata_password: str = "earthdata-Pa55-phrase"
    gleam_user: str = "gleamuser"
    gleam_password: str = "gleam-Pa55-phrase"
    rda_key: str = "cmRhLXNpbXVsYXRlZA+/key=="


@dataclass(frozen=True)
class Urls:
    """Where the hosts are, as a client's settings take it: base URLs without a slash at their end.

    ``cmr`` is what ``/granules.umm_json`` follows, ``glass`` what ``/LST/...`` follows, ``rda`` what
    ``/getObsrSpotList`` follows, ``uscrn`` what ``/hourly02/...`` follows; ``data`` and ``signed`` are two hosts.
    ``gleam_host_key`` is as in ``known_hosts``: type and base64.
    """

    cmr: str
    login: str
    data: str
    signed: str
    glass: str
    rda: str
    uscrn: str
    gleam_host: str
    gleam_port: int
    gleam_host_key: str


class SimulatedHosts:
    """A context in which the providers' hosts run in threads and give an archive away.

    Parameters
    ----------
    archive
        A simulated world (its granules are made when they are asked for), or any folder of native files.
    clock
        What has been published depends on it; it can also be set by ``POST /_clock`` at any HTTP host.
    faults, seed
        Misbehaviour, and what decides chances.
    accounts
        Names, passwords and keys that are good.
    rda_quota
        Requests per operation and Korean day; None is without a limit.
    latencies
        Time from the end of a granule's last day to its publication by source id, instead of the usual one.
    processes
        Writers at work at once when many granules are asked for.
    first_port
        Ports from this one on, in the order cmr, login, data, signed, glass, rda, uscrn, gleam; 0 takes free ones.

    Raises
    ------
    ArchiveNotFoundError   SM105, there is no such folder.

    Attributes
    ----------
    clock, script
        The clock; the faults, which can be replaced while the hosts run.
    exchanges
        The latest requests that reached an HTTP host, in the order of their answers.
    tokens
        Of the login host.
    """

    def __init__(
        self, archive: Path, clock: Clock, faults: Sequence[Fault] = (), *, seed: int = 0,
        accounts: Accounts | None = None, rda_quota: int | None = None,
        latencies: Mapping[str, dt.timedelta] | None = None, processes: int = 1, first_port: int = 0,
    ) -> None:
        if not archive.is_dir():
            raise ArchiveNotFoundError("no such archive folder", directory=archive)
        self.clock, self.script = clock, Script(faults, clock, seed)
        self.accounts = accounts or Accounts()
        self.tokens = Tokens(self.accounts.earthdata_user, self.accounts.earthdata_password, clock)
        self.exchanges: deque[Exchange] = deque(maxlen=MOST_EXCHANGES)
        self.urls: Urls
        self._shelf = Shelf(archive, processes)
        self._catalogue = Catalogue(self._shelf, self.script, clock, latencies or {})
        self._rda_quota, self._first_port = rda_quota, first_port
        self._http: dict[HostName, HttpHost] = {}
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for number, name in enumerate(HTTP_HOSTS):
                self._http[name] = HttpHost(name, self.script, self.clock, self.exchanges, self._port(number))
                starting.callback(self._http[name].stop)
            gleam = SftpHost(self._catalogue, self.script, self.accounts.gleam_user, self.accounts.gleam_password,
                             self._port(len(HTTP_HOSTS)))
            starting.callback(gleam.stop)
            self.urls = self._urls(gleam)
            self._start(gleam)
            self._running = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running.close()

    def token(self) -> str:
        """A bearer token that is good for 60 days of the clock's time."""
        return self.tokens.find_or_create()[0]

    def busiest(self, host: HostName) -> int:
        """Most requests that an HTTP host was answering at once."""
        return self._http[host].busiest

    def _port(self, number: int) -> int:
        return self._first_port + number if self._first_port else 0

    def _urls(self, gleam: SftpHost) -> Urls:
        base = {name: host.url for name, host in self._http.items()}
        return Urls(
            cmr=f"{base['cmr']}{cmr.ROOT}", login=base["login"], data=base["data"], signed=base["signed"],
            glass=f"{base['glass']}{glass.ROOT}", rda=f"{base['rda']}{rda.ROOT}", uscrn=f"{base['uscrn']}{uscrn.ROOT}",
            gleam_host=LOOPBACK, gleam_port=gleam.port, gleam_host_key=gleam.host_key,
        )

    def _start(self, gleam: SftpHost) -> None:
        network = Network(self._shelf)
        http = self._http
        http["cmr"].start(Cmr(self._catalogue, self.urls.data))
        http["login"].start(Login(self.tokens))
        http["data"].start(Data(self._catalogue, self.tokens, self.urls.login, self.urls.signed))
        http["signed"].start(Signed(self._catalogue))
        http["glass"].start(Glass(self._catalogue))
        http["rda"].start(Rda(network, self.script, self.clock, self.accounts.rda_key, self._rda_quota))
        http["uscrn"].start(Uscrn(self._shelf, network, self.clock))
        gleam.start()
