from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sm_core.domain import DailyRequest, Granule, Region, load_region
from sm_core.sources import identify
from sm_core.sources.matching import match_inputs, production_time, wanted_periods

DAY = dt.date(2019, 6, 15)
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def region() -> Region:
    return load_region(Path(__file__).resolve().parents[2] / "deployments" / "regions" / "demo.yaml")


def granules(*names: str) -> list[Granule]:
    found = [identify(Path(name)) for name in names]
    assert all(found)
    return [granule for granule in found if granule]


COMPLETE = (
    "MOD13A2.A2019145.h28v05.061.2019162000000.hdf",
    "MOD13A2.A2019161.h28v05.061.2019178000000.hdf",
    "GLASS13B01.V10.A2019161.2023068.hdf",
    "MOD11A1.A2019160.h28v05.061.2019161090000.hdf",
    "MOD11A1.A2019170.h28v05.061.2019171090000.hdf",
    "GLASS08B31.V40.A2019166.2021259.hdf",
    "SMs_2019_GLEAM_v4.2a.nc",
    "SMrz_2019_GLEAM_v4.2a.nc",
)


def request(as_of: dt.datetime = NOW) -> DailyRequest:
    return DailyRequest(region_id="demo", day=DAY, as_of=as_of)


def test_complete_archive_fills_every_role_and_is_final(region: Region) -> None:
    inputs = match_inputs(request(), region, granules(*COMPLETE))
    assert inputs.missing == ()
    assert inputs.maturity == "final"
    assert len(inputs.granules) == len(COMPLETE)


def test_an_absent_source_is_a_gap_with_its_reason_not_an_error(region: Region) -> None:
    inputs = match_inputs(request(), region, granules(*(n for n in COMPLETE if not n.startswith("SMrz"))))
    assert inputs.missing == ("rzsm_coarse",)
    assert inputs.maturity == "provisional"
    assert "GLEAM_v4.2a.SMrz" in (inputs.slot("rzsm_coarse").reason or "")


def test_coarse_temperature_must_cover_the_day_itself(region: Region) -> None:
    names = [n.replace("A2019166.2021259", "A2019165.2021259") for n in COMPLETE]
    assert match_inputs(request(), region, granules(*names)).missing == ("lst_coarse",)


def test_granules_produced_after_as_of_are_not_seen(region: Region) -> None:
    early = dt.datetime(2019, 6, 15, 12, tzinfo=dt.UTC)
    fine = match_inputs(request(early), region, granules(*COMPLETE)).slot("lst_fine").granules
    assert [granule.start for granule in fine] == [dt.date(2019, 6, 9)]


def test_of_two_editions_the_later_one_is_used(region: Region) -> None:
    older = "MOD11A1.A2019160.h28v05.061.2019160090000.hdf"
    inputs = match_inputs(request(), region, granules(older, *COMPLETE))
    used = [g.produced for g in inputs.slot("lst_fine").granules]
    assert used == ["2019161090000", "2019171090000"]


def test_older_edition_serves_when_only_it_was_known(region: Region) -> None:
    older = "MOD11A1.A2019160.h28v05.061.2019160090000.hdf"
    early = dt.datetime(2019, 6, 10, 8, tzinfo=dt.UTC)
    inputs = match_inputs(request(early), region, granules(older, *COMPLETE))
    assert [g.produced for g in inputs.slot("lst_fine").granules] == ["2019160090000"]


def test_tiles_of_other_regions_are_left_out_and_missing_ones_are_said(region: Region) -> None:
    two = region.model_copy(update={"tiles": ("h27v05", "h28v05")})
    inputs = match_inputs(request(), two, granules("MOD11A1.A2019160.h18v09.061.2019161090000.hdf", *COMPLETE))
    slot = inputs.slot("lst_fine")
    assert {g.tile for g in slot.granules} == {"h28v05"}
    assert slot.reason == "tiles missing on 2 of 2 dates"


def test_next_source_of_the_list_steps_in(region: Region) -> None:
    roles = tuple(
        entry.model_copy(update={"sources": (*entry.sources, "MYD11A1.061")}) if entry.role == "lst_fine" else entry
        for entry in region.roles
    )
    names = [n.replace("MOD11A1", "MYD11A1") for n in COMPLETE]
    inputs = match_inputs(request(), region.model_copy(update={"roles": roles}), granules(*names))
    assert inputs.slot("lst_fine").source_id == "MYD11A1.061"


def test_day_without_a_later_fine_image_is_provisional_until_there_is_one(region: Region) -> None:
    later = "MOD11A1.A2019170.h28v05.061.2019171090000.hdf"
    assert later in COMPLETE
    slot = match_inputs(request(), region, granules(*(n for n in COMPLETE if n != later))).slot("lst_fine")
    assert slot.status == "present" and slot.provisional
    assert slot.reason == f"no image after {DAY} yet"
    assert not match_inputs(request(), region, granules(*COMPLETE)).slot("lst_fine").provisional


def test_sources_side_by_side_fill_a_role_together(region: Region) -> None:
    roles = tuple(
        entry.model_copy(update={"sources": (*entry.sources, "MYD11A1.061")}) if entry.role == "lst_fine" else entry
        for entry in region.roles
    )
    together = region.model_copy(update={"roles": roles, "side_by_side": (("MOD11A1.061", "MYD11A1.061"),)})
    aqua = "MYD11A1.A2019164.h28v05.061.2019165090000.hdf"
    slot = match_inputs(request(), together, granules(*COMPLETE, aqua)).slot("lst_fine")
    assert slot.source_id == "MOD11A1.061"
    assert {g.source_id for g in slot.granules} == {"MOD11A1.061", "MYD11A1.061"}
    alone = match_inputs(request(), together, granules(*(n for n in COMPLETE if "MOD11A1" not in n), aqua))
    assert alone.slot("lst_fine").source_id == "MYD11A1.061"


def test_fingerprint_depends_on_content_not_on_order(region: Region) -> None:
    found = [g.model_copy(update={"sha256": f"{i:064d}"}) for i, g in enumerate(granules(*COMPLETE))]
    a, b = match_inputs(request(), region, found), match_inputs(request(), region, found[::-1])
    changed = [found[0].model_copy(update={"sha256": "f" * 64}), *found[1:]]
    assert a.fingerprint == b.fingerprint != match_inputs(request(), region, changed).fingerprint


def test_new_year_looks_into_both_yearly_files(region: Region) -> None:
    early = DailyRequest(region_id="demo", day=dt.date(2019, 1, 3), as_of=NOW)
    inputs = match_inputs(early, region, granules("SMs_2018_GLEAM_v4.2a.nc", "SMs_2019_GLEAM_v4.2a.nc"))
    assert [g.start.year for g in inputs.slot("ssm_coarse").granules] == [2018, 2019]


@pytest.mark.parametrize(("stamp", "expected"), [
    ("2020366235959", dt.datetime(2020, 12, 31, 23, 59, 59, tzinfo=dt.UTC)),
    ("2021259", dt.datetime(2021, 9, 16, tzinfo=dt.UTC)),
    ("", None), ("v008", None),
])
def test_production_stamps(stamp: str, expected: dt.datetime | None) -> None:
    assert production_time(stamp) == expected


def test_wanted_periods_name_every_source_around_the_day(region: Region) -> None:
    wanted = {source: (first, last) for source, first, last in wanted_periods(region, DAY)}
    assert wanted["MOD11A1.061"] == (dt.date(2019, 5, 30), dt.date(2019, 7, 1))
    assert wanted["GLEAM_v4.2a.SMs"] == (dt.date(2019, 6, 5), DAY)
