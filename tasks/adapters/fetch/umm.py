"""UMM-G: what NASA's catalogue says of a granule."""

from __future__ import annotations

import datetime as dt
import posixpath
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from sm_core.domain import Record
from sm_core.errors import SchemaDriftError
from tasks.adapters.fetch.protocol import Algorithm, Checksum

_NAMED: dict[str, Algorithm] = {
    "MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", "POSIX": "cksum",
}
_SHA2: dict[int, Algorithm] = {64: "sha256", 96: "sha384", 128: "sha512"}
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
_SIDECARS = (".xml", ".json", ".md5", ".sha256", ".jpg", ".png", ".html")
_TIME: TypeAdapter[dt.datetime] = TypeAdapter(AwareDatetime)


class UmmFile(Record):
    """What is said of one distributed file; size [bytes] and checksum are optional in UMM-G."""

    name: str
    size: int | None = None
    checksum: Checksum | None = None


class UmmGranule(Record):
    """One revision of one granule, which may be distributed as several files.

    ``names`` are the file names it goes by, the most telling first: producer's granule id, names of the distributed
    files, last parts of the addresses, granule UR.
    """

    ur: str
    concept_id: str
    revised: dt.datetime
    names: tuple[str, ...]
    urls: tuple[str, ...]
    files: tuple[UmmFile, ...]

    def url(self, name: str) -> str | None:
        """Where the file of that name is: the address that ends in it, or the only one."""
        named = (url for url in self.urls if _last(url) == name)
        return next(named, self.urls[0] if len(self.urls) == 1 else None)

    def file(self, name: str) -> UmmFile:
        """What is said of the file of that name, or of the only one."""
        named = (file for file in self.files if file.name == name)
        return next(named, self.files[0] if len(self.files) == 1 else UmmFile(name=name))


def parse_granule(item: object) -> UmmGranule:
    """Read one item of a ``umm_json`` answer (UMM-G 1.4 to 1.6).

    Raises
    ------
    SchemaDriftError   SM206, a required field is missing or of another type.
    """
    meta, umm = _mapping(item, "meta"), _mapping(item, "umm")
    ur = _text(umm, "GranuleUR")
    granule = _optional_mapping(umm, "DataGranule")
    producer = [text for entry in _list(granule, "Identifiers") if entry.get("IdentifierType") == "ProducerGranuleId"
                and isinstance(text := entry.get("Identifier"), str)]
    files = tuple(map(_file, _list(granule, "ArchiveAndDistributionInformation")))
    stated = [file.name for file in files if file.name != "Not provided"]
    urls = tuple(url for entry in _list(umm, "RelatedUrls") if (url := _data_url(entry)))
    return UmmGranule(
        ur=ur, concept_id=_text(meta, "concept-id"), revised=instant(_text(meta, "revision-date")),
        names=tuple(dict.fromkeys([*producer, *stated, *map(_last, urls), ur])), urls=urls, files=files,
    )


def instant(text: str) -> dt.datetime:
    """A time of the catalogue, UTC.

    >>> instant("2017-09-07T18:51:39+0000")
    datetime.datetime(2017, 9, 7, 18, 51, 39, tzinfo=datetime.timezone.utc)

    Raises
    ------
    SchemaDriftError   SM206, not a time with its zone.
    """
    try:
        return _TIME.validate_python(text).astimezone(dt.UTC)
    except ValidationError as cause:
        raise SchemaDriftError(f"not a time: {text[:40]!r}") from cause


def _last(url: str) -> str:
    return unquote(posixpath.basename(urlsplit(url).path))


def _data_url(entry: Mapping[str, object]) -> str | None:
    url = entry.get("URL")
    plain = isinstance(url, str) and url.startswith(("https:", "http:")) and not url.endswith(_SIDECARS)
    return str(url) if plain and entry.get("Type") == "GET DATA" else None


def _file(entry: Mapping[str, object]) -> UmmFile:
    size = entry.get("SizeInBytes")  # Size is rounded
    return UmmFile(name=str(entry.get("Name")), size=size if isinstance(size, int) and size > 0 else None,
                   checksum=_checksum(entry.get("Checksum")))


def _checksum(stated: object) -> Checksum | None:
    """The checksum if it is of a kind that can be verified; any other is as good as none."""
    if not isinstance(stated, Mapping):
        return None
    value = str(stated.get("Value", "")).strip().lower()
    kind = str(stated.get("Algorithm", ""))
    algorithm = _SHA2.get(len(value)) if kind == "SHA-2" else _NAMED.get(kind)
    if algorithm == "cksum":
        return Checksum(algorithm=algorithm, value=value) if re.fullmatch(r"[0-9]{1,10}", value) else None
    if algorithm is None or not re.fullmatch(rf"[0-9a-f]{{{_DIGITS[algorithm]}}}", value):
        return None
    return Checksum(algorithm=algorithm, value=value)


def _mapping(parent: object, key: str) -> Mapping[str, object]:
    found = parent.get(key) if isinstance(parent, Mapping) else None
    if not isinstance(found, Mapping):
        raise SchemaDriftError(f"a granule without {key}")
    return found


def _optional_mapping(parent: Mapping[str, object], key: str) -> Mapping[str, object]:
    return _mapping(parent, key) if key in parent else {}


def _list(parent: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = parent.get(key, [])
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        raise SchemaDriftError(f"a granule whose {key} is no list of objects")
    return found


def _text(parent: Mapping[str, object], key: str) -> str:
    found = parent.get(key)
    if not isinstance(found, str):
        raise SchemaDriftError(f"a granule without {key}")
    return found
