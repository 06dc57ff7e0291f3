"""The providers' clients that the settings have everything for."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sm_core.errors import SettingsError
from tasks.adapters.fetch.cmr import Catalogue
from tasks.adapters.fetch.dropfolder import DropFolder
from tasks.adapters.fetch.earthdata import Earthdata, Login
from tasks.adapters.fetch.glass import Glass
from tasks.adapters.fetch.gleam import Gleam, SftpAccess
from tasks.adapters.fetch.http import Http, HttpOptions
from tasks.adapters.fetch.patience import Patience
from tasks.adapters.fetch.protocol import Fetcher
from tasks.adapters.fetch.rda import Rda
from tasks.adapters.fetch.uscrn import Uscrn
from tasks.settings_sources import SourceSettings

DROPPED = ("ISMN", "CSV")


@dataclass(frozen=True)
class Clients:
    """Fetchers of files, the RDA service, and the drop folder (which is one of the fetchers) to ask for strangers."""

    fetchers: tuple[Fetcher, ...]
    rda: Rda | None
    drop: DropFolder | None

    def fetcher(self, source_id: str) -> Fetcher | None:
        """The client of a source, None when the settings lack what it needs."""
        return next((one for one in self.fetchers if source_id in one.source_ids), None)


@contextmanager
def open_clients(settings: SourceSettings, now: Callable[[], dt.datetime],
                 sleep: Callable[[float], None] = time.sleep) -> Iterator[Clients]:
    """Clients with their connections, closed at the end.

    Parameters
    ----------
    now, sleep
        The clock (UTC), and the pause [s] before a question is asked again.

    Raises
    ------
    SettingsError   SM103, credentials that are set in part.
    """
    patience = Patience(sleep=sleep)
    with ExitStack() as stack:
        def http() -> Http:
            return stack.enter_context(Http(_options(settings), patience))

        fetchers: list[Fetcher] = [Glass(http(), settings.glass_url)]
        if settings.earthdata_token.get_secret_value() or settings.earthdata_user:
            fetchers.append(_earthdata(settings, http(), http(), now))
        if settings.gleam_host:
            fetchers.append(_gleam(settings, patience))
        if settings.uscrn_url:
            fetchers.append(Uscrn(http(), settings.uscrn_url, settings.uscrn_stations))
        drop = None
        if settings.drop_folder is not None:
            drop = DropFolder(settings.drop_folder, DROPPED, now, dt.timedelta(seconds=settings.drop_settled_s))
            fetchers.append(drop)
        rda = None
        if settings.rda_key.get_secret_value():
            rda = Rda(http(), settings.rda_url, settings.rda_key, now, page_size=settings.rda_page_size,
                      calls_per_day=settings.rda_calls_per_day)
        yield Clients(tuple(fetchers), rda, drop)


def _options(settings: SourceSettings) -> HttpOptions:
    return HttpOptions(
        connect_timeout_s=settings.connect_timeout_s, read_timeout_s=settings.read_timeout_s,
        minimum_rate=settings.minimum_rate, patience_s=settings.patience_s, contact=settings.contact,
        proxy=settings.proxy, ca_bundle=settings.ca_bundle,
    )


def _earthdata(settings: SourceSettings, http: Http, catalogue_http: Http,
               now: Callable[[], dt.datetime]) -> Earthdata:
    login = Login(http, settings.earthdata_url, settings.earthdata_hosts, now, token=settings.earthdata_token,
                  user=settings.earthdata_user, password=settings.earthdata_password)
    catalogue = Catalogue(catalogue_http, settings.cmr_url, now, settings.cmr_page_size)
    return Earthdata(http, catalogue, login, settings.earthdata_hosts[0])


def _gleam(settings: SourceSettings, patience: Patience) -> Gleam:
    if not (settings.gleam_user and settings.gleam_host_key):
        raise SettingsError("SM_GLEAM_HOST needs SM_GLEAM_USER, SM_GLEAM_PASSWORD and SM_GLEAM_HOST_KEY")
    return Gleam(SftpAccess(
        host=settings.gleam_host, port=settings.gleam_port, user=settings.gleam_user, password=settings.gleam_password,
        host_key=settings.gleam_host_key, root=settings.gleam_root, connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
    ), patience)
