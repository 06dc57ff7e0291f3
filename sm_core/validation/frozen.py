"""A split that outlives its training: what a station is used for once, it is used for in all trainings to come."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Literal

from sm_core.domain import Record
from sm_core.grid.points import EARTH_RADIUS_KM
from sm_core.validation.splits import Located, Split

Use = Literal["training", "held_out", "dropped"]
_DEGREE_KM = math.radians(1) * EARTH_RADIUS_KM


class PlacedStation(Record):
    """Where a station stands [degrees] and what it is used for."""

    station_id: str
    lon: float
    lat: float
    use: Use


class FrozenSplit(Record):
    """Every station that a training and those before it knew, in the order of their ids."""

    stations: tuple[PlacedStation, ...]

    @property
    def split(self) -> Split:
        """The ids by use."""
        return self.of(one.station_id for one in self.stations)

    def of(self, station_ids: Iterable[str]) -> Split:
        """The ids by use, of these stations only."""
        wanted = frozenset(station_ids)

        def ids(use: Use) -> tuple[str, ...]:
            return tuple(one.station_id for one in self.stations if one.use == use and one.station_id in wanted)

        return Split(training=ids("training"), held_out=ids("held_out"), dropped=ids("dropped"))


def freeze(split: Split, stations: Iterable[Located]) -> FrozenSplit:
    """A split with the places of its stations."""
    uses: dict[str, Use] = dict.fromkeys(split.training, "training")
    uses |= dict.fromkeys(split.held_out, "held_out")
    uses |= dict.fromkeys(split.dropped, "dropped")
    places = {str(one.station_id): one for one in stations}
    return FrozenSplit(stations=tuple(
        PlacedStation(station_id=name, lon=float(places[name].lon), lat=float(places[name].lat), use=uses[name])
        for name in sorted(uses)
    ))


def extend(
    known: FrozenSplit, stations: Iterable[Located], *, block_km: float, held_out_share: float, seed: int,
    buffer_km: float,
) -> FrozenSplit:
    """Give new stations a use, and change that of none.

    Parameters
    ----------
    known
        The split that the champion was trained with.
    stations
        Any stations; those that are known keep their use wherever they stand now.
    block_km, buffer_km
        Side of the blocks, and distance that training stations keep from held-out ones.
    held_out_share
        Share (0..1) of the blocks without a known station that are held out.
    seed
        Of the draw of those blocks.

    Notes
    -----
    Blocks lie on a lattice that depends on nothing but ``block_km``. A new station is used as most known stations of
    its block are (held out, if as many are); in a block without any, a hash of seed and block decides. A new station
    that would be held out but stands within the buffer of a known training station is dropped, as the champion may
    have learned what it shows; then a new one that would teach within the buffer of a held-out station is dropped.
    The outcome depends on the set of stations only, not on their order.
    """
    old = {one.station_id: one for one in known.stations}
    new = {str(s.station_id): s for s in stations if str(s.station_id) not in old}
    blocks: dict[tuple[int, int], int] = {}
    for placed in known.stations:
        if placed.use != "dropped":
            place = block_of(placed.lon, placed.lat, block_km)
            blocks[place] = blocks.get(place, 0) + (1 if placed.use == "held_out" else -1)
    held: list[PlacedStation] = []
    taught: list[PlacedStation] = []
    for name, one in sorted(new.items()):
        lon, lat = float(one.lon), float(one.lat)
        place = block_of(lon, lat, block_km)
        if blocks[place] >= 0 if place in blocks else _draw(place, seed) < held_out_share:
            held.append(PlacedStation(station_id=name, lon=lon, lat=lat, use="held_out"))
        else:
            taught.append(PlacedStation(station_id=name, lon=lon, lat=lat, use="training"))
    held = _dropped_near(held, [one for one in known.stations if one.use == "training"], buffer_km)
    taught = _dropped_near(taught, [one for one in (*known.stations, *held) if one.use == "held_out"], buffer_km)
    return FrozenSplit(stations=tuple(sorted((*known.stations, *held, *taught), key=lambda one: one.station_id)))


def unseen_by(known: Iterable[PlacedStation], stations: Iterable[Located], *, buffer_km: float) -> Split:
    """Any stations by what models have seen of them: ``training`` those they learned from, ``held_out`` those that
    stand farther than the buffer from every one of these, ``dropped`` the rest.
    """
    taught = [one for one in known if one.use == "training"]
    ids = frozenset(one.station_id for one in taught)
    places = {str(s.station_id): PlacedStation(station_id=str(s.station_id), lon=s.lon, lat=s.lat, use="held_out")
              for s in stations}
    judged = _dropped_near([places[name] for name in sorted(places.keys() - ids)], taught, buffer_km)
    seen = [one.model_copy(update={"use": "training"}) for name, one in sorted(places.items()) if name in ids]
    return FrozenSplit(stations=(*seen, *judged)).split


def keep_apart(split: Split, stations: Iterable[Located], *, buffer_km: float) -> Split:
    """The same, where training stations that now stand within the buffer of a held-out one are used for nothing."""
    places = {str(s.station_id): PlacedStation(station_id=str(s.station_id), lon=s.lon, lat=s.lat, use="training")
              for s in stations}
    held_out = [places[name] for name in split.held_out]
    near = {one.station_id for one in _dropped_near([places[name] for name in split.training], held_out, buffer_km)
            if one.use == "dropped"}
    return Split(training=tuple(name for name in split.training if name not in near), held_out=split.held_out,
                 dropped=tuple(sorted({*split.dropped, *near})))


def block_of(lon: float, lat: float, block_km: float) -> tuple[int, int]:
    """Row and column of the block that holds a place; the same for ever.

    >>> block_of(127.0, 36.9, 50.0) == block_of(127.1, 37.0, 50.0), block_of(127.0, 36.9, 50.0)
    (True, (82, 225))
    """
    row = math.floor(lat * _DEGREE_KM / block_km)
    middle = math.radians((row + 0.5) * block_km / _DEGREE_KM)
    return row, math.floor(lon * _DEGREE_KM * math.cos(middle) / block_km)


def _draw(place: tuple[int, int], seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{place[0]}:{place[1]}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _dropped_near(
    candidates: list[PlacedStation], others: Iterable[PlacedStation], buffer_km: float
) -> list[PlacedStation]:
    fixed = list(others)
    return [
        one.model_copy(update={"use": "dropped"}) if any(_km(one, other) < buffer_km for other in fixed) else one
        for one in candidates
    ]


def _km(a: PlacedStation, b: PlacedStation) -> float:
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half = math.sin((lat_a - lat_b) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(a.lon - b.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(half))
