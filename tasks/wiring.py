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
from tasks.settings import Settings, load_settings

if TYPE_CHECKING:
    import xarray as xr

    from sm_core.publishing import ProductStore
    from tasks.adapters.registry import ModelRegistry


class Services:
    """Adapters built once, each when it is first wanted."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def archive(self) -> Archive:
        if self.settings.archive is None:
            raise ArchiveNotFoundError("no archive is named: give --archive or set SM_ARCHIVE")
        return open_archive(self.settings.archive, self.settings.processes)

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
        candidates = sorted(self.settings.regions.glob("*.yaml"))
        if self.settings.region_file is not None:
            candidates.insert(0, self.settings.region_file)
        known = []
        for path in candidates:
            if path.stem == region_id or path == self.settings.region_file:
                region = load_region(path)
                if region.region_id == region_id:
                    return region
            known.append(path.stem)
        raise UnknownRegionError(f"unknown region {region_id!r}; known are {', '.join(sorted(known))}")

    @cached_property
    def _statics(self) -> dict[str, xr.Dataset]:
        return {}

    def statics(self, region: Region) -> xr.Dataset:
        """The region's static layers, read once."""
        from sm_core.grid import load_statics

        if region.region_id not in self._statics:
            self._statics[region.region_id] = load_statics(region, self.archive.root)
        return self._statics[region.region_id]


@lru_cache(maxsize=4)
def _services(settings: Settings) -> Services:
    return Services(settings)


def services() -> Services:
    """The adapters for the settings of this process's environment."""
    return _services(load_settings())
