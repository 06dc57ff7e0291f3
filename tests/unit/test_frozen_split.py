from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sm_core.validation.frozen import FrozenSplit, PlacedStation, block_of, extend, freeze, keep_apart
from sm_core.validation.splits import Split

HELD = PlacedStation(station_id="N_H", lon=127.0, lat=36.7, use="held_out")
TAUGHT = PlacedStation(station_id="N_T", lon=128.0, lat=36.7, use="training")
KNOWN = FrozenSplit(stations=(HELD, TAUGHT))
DEGREE_KM = 111.19


def placed(name: str, lon: float, lat: float) -> PlacedStation:
    return PlacedStation(station_id=name, lon=lon, lat=lat, use="dropped")


def used(*stations: PlacedStation, share: float = 0.25, known: FrozenSplit = KNOWN) -> dict[str, str]:
    split = extend(known, stations, block_km=50.0, held_out_share=share, seed=1, buffer_km=10.0)
    return {one.station_id: one.use for one in split.stations}


def test_known_stations_keep_their_use_even_if_they_moved_or_fell_silent() -> None:
    assert used(placed("N_H", 128.0, 36.7)) == {"N_H": "held_out", "N_T": "training"}


def test_new_station_in_a_held_out_block_is_held_out() -> None:
    assert block_of(127.15, 36.7, 50.0) == block_of(HELD.lon, HELD.lat, 50.0)
    assert used(placed("N_new", 127.15, 36.7))["N_new"] == "held_out"


def test_new_station_in_a_training_block_teaches() -> None:
    assert used(placed("N_new", 128.1, 36.7))["N_new"] == "training"


def test_block_without_known_stations_is_drawn_by_its_hash() -> None:
    far = [placed(f"N_{n}", 120.0 + n, 30.0) for n in range(40)]
    assert set(used(*far, share=1.0).values()) == {"held_out", "training"}      # training: the known one alone
    assert [name for name, use in used(*far, share=0.0).items() if use == "held_out"] == ["N_H"]
    held = sum(use == "held_out" for use in used(*far, share=0.5).values()) - 1
    assert 10 <= held <= 30


def test_new_station_that_would_teach_near_a_held_out_one_is_dropped() -> None:
    edge = 127.0 + 9.0 / (DEGREE_KM * 0.802)       # 9 km east of the held-out station
    known = FrozenSplit(stations=(HELD, TAUGHT, *(PlacedStation(
        station_id=f"N_{n}", lon=edge + 0.01, lat=36.7 + n / 100, use="training") for n in range(3))))
    assert used(placed("N_new", edge, 36.7), known=known)["N_new"] == "dropped"


def test_new_station_beside_a_training_one_is_not_held_out() -> None:
    known = FrozenSplit(stations=(HELD, PlacedStation(station_id="N_T", lon=127.1, lat=36.7, use="training")))
    assert used(placed("N_new", 127.12, 36.7), known=known)["N_new"] == "dropped"


def test_freezing_keeps_places_and_uses() -> None:
    split = Split(training=("N_T",), held_out=("N_H",), dropped=())
    assert freeze(split, [TAUGHT, HELD]) == KNOWN
    assert KNOWN.split == split


@given(st.lists(st.tuples(st.floats(126, 129), st.floats(35, 38)), min_size=1, max_size=12), st.randoms())
def test_order_and_instalments_do_not_matter_to_known_uses(places: list[tuple[float, float]], random: object) -> None:
    stations = [placed(f"N_{n:02d}", *place) for n, place in enumerate(places)]
    shuffled = list(stations)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    once = used(*stations)
    assert used(*shuffled) == once
    first = extend(KNOWN, stations[:5], block_km=50.0, held_out_share=0.25, seed=1, buffer_km=10.0)
    again = used(*stations, known=first)
    assert {one.station_id: one.use for one in first.stations}.items() <= again.items()


def test_a_training_station_that_moves_near_a_held_out_one_is_used_for_nothing() -> None:
    split = Split(training=("a", "b"), held_out=("c",), dropped=("d",))
    places = [placed("a", 127.0, 37.0), placed("b", 128.0, 37.0), placed("c", 128.1, 37.0), placed("d", 127.0, 36.0)]
    assert keep_apart(split, places, buffer_km=5.0) == split
    assert keep_apart(split, places, buffer_km=20.0) == Split(training=("a",), held_out=("c",), dropped=("b", "d"))
