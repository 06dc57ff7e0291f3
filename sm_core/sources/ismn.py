"""International Soil Moisture Network: .stm files of both dialects, alone, in folders, or in zip archives.

"Header" files begin with one line of metadata; "CEOP" files repeat it on every line. Lines may end in CR, LF, CRLF
or LF CR, also within one file. See https://ismn.earth for the formats and quality flags.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sm_core.domain import Station
from sm_core.errors import StationFileError, UnsafeContentError
from sm_core.sources.stations import StationSeries, content, rows, station_id
from sm_core.sources.unpack import Member, fingerprint, members

LEAST_VALUE = -90.0
"""Anything below is "no value" (-99, -999.99, -9999)."""
LONGEST_TEXT = 160
"""Longer flags are cut, so that one garbled line cannot ask for the memory of all."""
_FILE_NAME = re.compile(
    r"(?P<network>[^_]+_[^_]+)_(?P<station>.+)_(?P<variable>[a-z]+)_-?\d+\.\d+_-?\d+\.\d+_(?P<sensor>.+)_\d{8}_\d{8}\.stm"
)
_LINE_BREAK = re.compile(rb"[\r\n]")
_CEOP_LINE = re.compile(rb"^\s*\d{4}/\d\d/\d\d\s+\d\d:\d\d\s+\d{4}/\d\d/\d\d\s")
_PROBE_LINES = 20
_HEADER_VALUE, _CEOP_VALUE, _CEOP_PLACE = 2, 12, 4
_log = logging.getLogger(__name__)


class IsmnFile(NamedTuple):
    """One soil-moisture file: its name, what tells its content from another, and what it holds."""

    name: str
    fingerprint: str
    series: StationSeries


def import_ismn(path: Path, *, seen: Collection[str] = ()) -> Iterator[IsmnFile]:
    """Read the soil-moisture files of a .stm file, a folder, or a zip archive, one at a time.

    Parameters
    ----------
    path
        Folders and archives may hold archives.
    seen
        Fingerprints of files that were read before. They are not read again; those in archives are not unpacked.

    Yields
    ------
    One entry per file that is new or has changed, in the order of names. A file that cannot be read is logged and
    left out, so is an archive that a folder holds.

    Raises
    ------
    StationFileError     SM208, ``path`` cannot be opened, or is no readable archive.
    UnsafeContentError   SM210, ``path`` is an archive bomb.
    """
    yield from _imported(path, frozenset(seen), [])


def read_ismn(path: Path) -> tuple[StationSeries, ...]:
    """Read all soil-moisture sensors of a .stm file, a folder, or a zip archive (both may hold archives).

    Returns
    -------
    One series per sensor, ordered by station id; files of one sensor are joined. Files of other variables are left
    alone; a file that cannot be read is logged and does not affect the others.

    Raises
    ------
    StationFileError     SM208, no soil-moisture file, or none that can be read.
    UnsafeContentError   SM210, ``path`` is an archive bomb.
    """
    found: dict[str, StationSeries] = {}
    failures: list[StationFileError] = []
    for _, _, series in _imported(path, frozenset(), failures):
        known = found.get(series.station.station_id)
        found[series.station.station_id] = _joined(known, series) if known else series
    if not found:
        raise StationFileError(f"{path.name} holds no readable soil-moisture file", failures=len(failures)) from (
            failures[0] if failures else None
        )
    return tuple(found[key] for key in sorted(found))


def read_stm(source: Path | bytes, *, name: str = "") -> StationSeries:
    """Read one .stm file of either dialect.

    Parameters
    ----------
    source
        The file or its content.
    name
        File name, when content is given: CEOP lines do not tell the sensor, the name does.

    Returns
    -------
    The series; nominal (not actual) UTC times; flags as in the file (``G``, ``D01,D02``; ``U`` of old files).

    Raises
    ------
    StationFileError   SM208, nothing in it can be read.
    """
    name = name or (source.name if isinstance(source, Path) else "")
    text = content(source).lstrip()
    first, *others = _LINE_BREAK.split(text, maxsplit=_PROBE_LINES)[:_PROBE_LINES]
    ceop_line = next((line for line in (first, *others) if _CEOP_LINE.match(line)), None)
    if ceop_line:
        station, lines = _station(ceop_line.split()[_CEOP_PLACE:_CEOP_VALUE], name), _Lines.of(text)
    else:
        station, lines = _station(first.split(None, 8), name), _Lines.of(text[len(first):])
    table, bad = lines.table(_CEOP_VALUE if ceop_line else _HEADER_VALUE)
    if not len(table) and bad:
        raise StationFileError(f"{name}: none of its lines can be read", lines=bad)
    return StationSeries.of(station, table, bad_lines=bad)


@dataclass(frozen=True)
class _Lines:
    """Non-empty lines as bytes, with where their words begin and end."""

    buffer: NDArray[np.uint8]
    word_start: NDArray[np.int64]
    word_end: NDArray[np.int64]
    first_word: NDArray[np.int64]
    words: NDArray[np.int64]

    @classmethod
    def of(cls, text: bytes) -> _Lines:
        buffer = np.frombuffer(b"\n" + text + b"\n", np.uint8)
        blank = buffer <= ord(" ")
        edges = np.flatnonzero(blank[:-1] != blank[1:]) + 1
        breaks = np.flatnonzero((buffer == ord("\n")) | (buffer == ord("\r")))
        first_word = np.searchsorted(edges[::2], breaks)
        words = np.diff(first_word)
        filled = words > 0
        return cls(buffer, edges[::2], edges[1::2], first_word[:-1][filled], words[filled])

    def table(self, value_word: int) -> tuple[pd.DataFrame, int]:
        """Rows of a :class:`StationSeries` from lines whose value is word ``value_word``, and how many are bad."""
        long_enough = self.words > value_word
        first, words = self.first_word[long_enough], self.words[long_enough]
        last, value = first + words - 1, first + value_word
        times = _times(self._text(first, first + 1))
        values = _numbers(self._text(value, value))
        flag = _decoded(self._text(value + 1, np.minimum(value + 1, last)))
        provider_flag = _decoded(self._text(value + 2, last))
        good = ~np.isnat(times) & ~np.isnan(values)
        values[values < LEAST_VALUE] = np.nan
        table = rows(pd.DatetimeIndex(times), values, flag, provider_flag)
        return (table if good.all() else table[good]), len(self.words) - int(np.count_nonzero(good))

    def _text(self, first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Each line's first letters from word ``first`` to word ``last``, 0 beyond; none where last is before first."""
        start = self.word_start[np.minimum(first, last)]
        length = np.minimum(np.where(last >= first, self.word_end[last] - start, 0), LONGEST_TEXT)
        width = max(int(length.max(initial=0)), 1)
        padded = np.pad(self.buffer, (0, width))
        letters = np.lib.stride_tricks.sliding_window_view(padded, width)[start]
        letters[np.arange(width) >= length[:, None]] = 0
        return letters


def _times(letters: NDArray[np.uint8]) -> NDArray[np.datetime64]:
    """``YYYY/MM/DD HH:MM`` as datetime64[m], NaT where it is not that."""
    pattern = np.frombuffer(b"0000/00/00 00:00", np.uint8)
    if letters.shape[1] != len(pattern):
        letters = np.pad(letters, ((0, 0), (0, len(pattern))))[:, :len(pattern) + 1]
    is_digit = pattern == ord("0")
    digits = letters[:, :len(pattern)] - pattern
    number = digits.astype(np.int64)
    year = number[:, 0] * 1000 + number[:, 1] * 100 + number[:, 2] * 10 + number[:, 3]
    month, day = number[:, 5] * 10 + number[:, 6], number[:, 8] * 10 + number[:, 9]
    hour, minute = number[:, 11] * 10 + number[:, 12], number[:, 14] * 10 + number[:, 15]
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    exists = (month >= 1) & (month <= 12) & (days.astype("datetime64[M]") == months) & (day >= 1)
    written = (digits <= np.where(is_digit, 9, 0)).all(axis=1) & (letters[:, len(pattern):] == 0).all(axis=1)
    plausible = (year >= 1900) & (year <= 2200) & (hour <= 23) & (minute <= 59)
    times = days.astype("datetime64[m]") + hour * 60 + minute
    times[~(written & exists & plausible)] = np.datetime64("NaT")
    return np.asarray(times)


def _numbers(letters: NDArray[np.uint8]) -> NDArray[np.float64]:
    words = _words(letters)
    try:
        return words.astype(np.float64)
    except ValueError:
        texts = pd.Series([word.decode("latin-1") for word in words])
        return np.array(pd.to_numeric(texts, errors="coerce"), np.float64)


def _decoded(letters: NDArray[np.uint8]) -> pd.api.extensions.ExtensionArray:
    """Texts; they are few and repeat, so each is decoded once."""
    words = _words(letters)
    short = letters.shape[1] <= 8
    codes, known = pd.factorize(words.astype("S8").view(np.uint64) if short else words.astype(object))
    distinct = known.view("S8") if short else known
    return pd.array([word.decode("latin-1") for word in distinct], dtype="str").take(codes)


def _words(letters: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return letters.view(f"S{letters.shape[1]}").ravel()


def _station(words: list[bytes], file_name: str) -> Station:
    texts = [word.decode("latin-1").strip() for word in words]
    try:
        _, network, station = texts[:3]
        lat, lon, elevation, depth_from, depth_to = (float(text) for text in texts[3:8])
    except ValueError as cause:
        raise StationFileError(f"{file_name}: its first line does not describe a station: {cause}") from cause
    match = _FILE_NAME.fullmatch(PurePosixPath(file_name).name)
    sensor = texts[8] if len(texts) > 8 else (match["sensor"] if match else "")
    return Station(
        station_id=station_id(network, station, depth_from, depth_to, sensor), network=network, name=station,
        lon=lon, lat=lat, elevation_m=elevation if elevation > LEAST_VALUE * 10 else None,
        depth_from_m=depth_from, depth_to_m=depth_to, sensor=sensor,
    )


def _imported(path: Path, seen: frozenset[str], failures: list[StationFileError]) -> Iterator[IsmnFile]:
    for member in _files(path):
        if member.fingerprint not in seen:
            try:
                series = read_stm(member.read(), name=member.name)
            except StationFileError as failure:
                _log.warning("station file skipped: file=%s reason=%s", member.name, failure)
                failures.append(failure)
                continue
            yield IsmnFile(member.name, member.fingerprint, series)


def _files(path: Path) -> Iterator[Member]:
    if path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.suffix in (".stm", ".zip"):
                try:
                    yield from _files(entry)
                except (StationFileError, UnsafeContentError) as failure:
                    _log.warning("station archive skipped: file=%s reason=%s", entry.name, failure)
    elif path.suffix == ".zip":
        yield from members(path, _is_soil_moisture)
    elif _is_soil_moisture(path.name):
        text = content(path)
        yield Member(path.name, fingerprint(text), lambda: text)


def _is_soil_moisture(name: str) -> bool:
    match = _FILE_NAME.fullmatch(name)
    return bool(match and match["variable"] == "sm")


def _joined(one: StationSeries, other: StationSeries) -> StationSeries:
    return StationSeries.of(
        other.station, pd.concat([one.values, other.values]), bad_lines=one.bad_lines + other.bad_lines,
        repeated_times=one.repeated_times + other.repeated_times,
    )
