"""Collections of the simulated metadata repository."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from sm_core.domain import Source
from sm_core.sources import SOURCES

KNOWN_IDS = {"MOD11A1.061": "C1748058432-LPCLOUD", "SPL4SMGP.008": "C3480440870-NSIDC_CPRD"}
PROVIDERS = {"LP DAAC": "LPCLOUD", "NSIDC": "NSIDC_CPRD"}
TILED_GRID = "MODIS Tile SIN"


class Collection(NamedTuple):
    """A collection as the repository names it."""

    source: Source
    short_name: str
    version: str
    concept_id: str
    provider: str

    @property
    def entry(self) -> dict[str, object]:
        """Item of an answer to a search for collections (UMM-C)."""
        doi = self.source.citation.partition("doi:")[2]
        tiling = [{"TilingIdentificationSystemName": TILED_GRID}] if self.is_tiled else []
        return {
            "meta": {"revision-id": 1, "deleted": False, "format": "application/vnd.nasa.cmr.umm+json",
                     "provider-id": self.provider, "has-combine": False, "native-id": self.short_name,
                     "concept-id": self.concept_id, "concept-type": "collection"},
            "umm": {"ShortName": self.short_name, "Version": self.version, "EntryTitle": self.source.title,
                    "DOI": {"DOI": doi} if doi else {"MissingReason": "Unknown"}, "CollectionProgress": "ACTIVE",
                    "TemporalExtents": [{"EndsAtPresentFlag": self.source.ends is None, "RangeDateTimes": [
                        {"BeginningDateTime": f"{self.source.starts}T00:00:00.000Z"}]}],
                    "TilingIdentificationSystems": tiling},
        }

    @property
    def is_tiled(self) -> bool:
        """Whether its granules are tiles of the sinusoidal grid."""
        return self.source.native_grid == "sinusoidal_1km"


def collection_of(source: Source) -> Collection:
    """The collection that a declared source is."""
    short_name, version = source.source_id.rsplit(".", 1)
    provider = PROVIDERS[source.provider]
    number = 2_000_000_000 + zlib.crc32(source.source_id.encode()) % 1_000_000_000
    return Collection(source, short_name, version, KNOWN_IDS.get(source.source_id, f"C{number}-{provider}"), provider)


COLLECTIONS: tuple[Collection, ...] = tuple(collection_of(entry) for entry in SOURCES if entry.provider in PROVIDERS)
