"""The composition root: settings in, adapters out. Tasks ask here for whatever touches the outside."""

from __future__ import annotations

from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sm_core.domain import Region, load_region
from sm_core.errors import ArchiveNotFoundError, UnknownRegionError
from tasks.adapters.mirror import Archive, ChecksumIndex, open_archive
from tasks.adapters.quarantine import Quarantine
from tasks.adapters.runs import RunLog
from tasks.adapters.scratch import Scratch
from tasks.clock import utc_now
from tasks.settings import Settings, load_settings
from tasks.settings_alerts import load_alert_settings
from tasks.settings_sources import SourceSettings, load_source_settings

if TYPE_CHECKING:
    import xarray as xr

    from sm_core.drought import AdminUnits
    from sm_core.publishing import ProductStore
    from tasks.adapters.fetch.synchronise import Synchroniser
    from tasks.adapters.ledger import Ledger
    from tasks.adapters.ledger.runs import RunBook
    from tasks.adapters.notify.office import AlertOffice
    from tasks.adapters.registry import ModelRegistry


class Services:
    """Adapters built once, each when it is first wanted."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def archive(self) -> Archive:
        """The folder that is named; else what is fetched from the providers that the settings know."""
        if self.settings.archive is not None:
            return open_archive(self.settings.archive, self.settings.processes)
        if not self.sources.usable:
            raise ArchiveNotFoundError("no archive: give --archive, set SM_ARCHIVE, or the providers' credentials")
        from tasks.adapters.fetched import Fetched

        return Fetched(self.static_root, self.ledger, self.synchroniser, self.quarantine,
                       sorted({tile for region in self._regions() for tile in region.tiles}), utc_now)

    @cached_property
    def sources(self) -> SourceSettings:
        return load_source_settings()

    @cached_property
    def ledger(self) -> Ledger:
        from tasks.adapters.ledger import Ledger

        return Ledger(self.settings.ledger_database, self.settings.data / "observations")

    @cached_property
    def synchroniser(self) -> Synchroniser:
        from tasks.adapters.fetch.configured import open_clients
        from tasks.adapters.fetch.download import Downloader
        from tasks.adapters.fetch.store import Store
        from tasks.adapters.fetch.synchronise import Synchroniser

        downloader = Downloader(Store(self.settings.data / "fetched"), round(self.settings.archive_quota_gb * 1e9))
        return Synchroniser(self.ledger, downloader, lambda: open_clients(self.sources, utc_now), utc_now)

    @cached_property
    def alerts(self) -> AlertOffice:
        from tasks.adapters.notify.configured import open_office

        return open_office(load_alert_settings(), self.sources, self.settings.ledger_database,
                           self.settings.data / "alerts", utc_now)

    @cached_property
    def checksums(self) -> ChecksumIndex:
        return ChecksumIndex(self.settings.data / "checksums.sqlite")

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.settings.data / "quarantine")

    @cached_property
    def registry(self) -> ModelRegistry:
        from tasks.adapters.registry import ModelRegistry

        data = self.settings.data.resolve()
        return ModelRegistry(self.settings.mlflow_tracking_uri, data / "mlflow" / "artifacts", data / "models")

    @cached_property
    def store(self) -> ProductStore:
        from sm_core.publishing import ProductStore

        return ProductStore(self.settings.data / "products")

    @cached_property
    def runs(self) -> RunLog:
        return RunLog(self.settings.data / "runs")

    @cached_property
    def run_book(self) -> RunBook:
        from tasks.adapters.ledger.database import Database
        from tasks.adapters.ledger.runs import RunBook

        database = Database(self.settings.ledger_database)
        database.upgrade()
        return RunBook(database)

    def scratch(self, region_id: str) -> Scratch:
        return Scratch(self.settings.data / "scratch" / region_id)

    @property
    def reports(self) -> Path:
        return self.settings.data / "reports"

    @property
    def code_version(self) -> str:
        return version("sm-daily")

    def region(self, region_id: str) -> Region:
        """The region of this id: the one named by SM_REGION_FILE, or one of the regions folder.

        Raises
        ------
        UnknownRegionError   SM101, no region file has this id.
        """
        known = []
        for path in self._region_files():
            if path.stem == region_id or path == self.settings.region_file:
                region = load_region(path)
                if region.region_id == region_id:
                    return region
            known.append(path.stem)
        raise UnknownRegionError(f"unknown region {region_id!r}; known are {', '.join(sorted(known))}")

    def _region_files(self) -> list[Path]:
        named = [] if self.settings.region_file is None else [self.settings.region_file]
        return named + sorted(self.settings.regions.glob("*.yaml"))

    def _regions(self) -> list[Region]:
        return [load_region(path) for path in self._region_files()]

    @cached_property
    def _statics(self) -> dict[str, xr.Dataset]:
        return {}

    def statics(self, region: Region) -> xr.Dataset:
        """The region's static layers, read once."""
        from sm_core.grid import load_statics

        if region.region_id not in self._statics:
            self._statics[region.region_id] = load_statics(region, self.archive.root)
        return self._statics[region.region_id]

    @property
    def static_root(self) -> Path:
        """The folder that static layers and units lie in: the archive's, SM_STATICS, or what the demo has made."""
        beside = self.settings.data / "archive"
        return self.settings.archive or self.settings.statics or (beside if beside.is_dir() else self.settings.data)

    @cached_property
    def _units(self) -> dict[str, AdminUnits]:
        return {}

    def units(self, region: Region) -> AdminUnits:
        """The region's administrative units, cut out of its grid once."""
        from sm_core.drought import load_units

        if region.region_id not in self._units:
            self._units[region.region_id] = load_units(region, self.static_root)
        return self._units[region.region_id]


@lru_cache(maxsize=4)
def _services(settings: Settings) -> Services:
    return Services(settings)


def services() -> Services:
    """The adapters for the settings of this process's environment."""
    return _services(load_settings())
