"""Which source fills a role when some are late: by order, by trust, and said in words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sm_core.domain import DailyRequest, Granule, ModelKind, ModelVersion, Region, load_region
from sm_core.sources import identify
from sm_core.sources.matching import match_inputs, wanted_periods

REGIONS = Path(__file__).resolve().parents[2] / "deployments" / "regions"
DAY = dt.date(2019, 6, 15)
REQUEST = DailyRequest(region_id="demo", day=DAY, as_of=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
SMAP, LST, NDVI = "SPL4SMGP.008", "GLASS08B31.V40.extended", "GLASS13B01.V10.extended"
FINE = ("MOD13A2.A2019161.h28v05.061.2019178000000.hdf", "MOD11A1.A2019160.h28v05.061.2019161090000.hdf",
        "MOD11A1.A2019168.h28v05.061.2019169090000.hdf")
GLASS = ("GLASS13B01.V10.A2019161.2023068.hdf", "GLASS08B31.V40.A2019166.2021259.hdf")
GLEAM = ("SMs_2019_GLEAM_v4.2a.nc", "SMrz_2019_GLEAM_v4.2a.nc")


@pytest.fixture(scope="module")
def region() -> Region:
    return load_region(REGIONS / "demo.yaml")


def smap(day: dt.date, files: int = 8) -> list[str]:
    return [f"SMAP_L4_SM_gph_{day:%Y%m%d}T{hour:02d}3000_Vv8010_001.h5" for hour in range(1, 24, 3)][:files]


def granules(*names: str) -> list[Granule]:
    found = [identify(Path(name)) for name in names]
    assert all(found)
    return [granule for granule in found if granule]


def version(kind: ModelKind) -> ModelVersion:
    return ModelVersion(name=f"demo.{kind}", kind=kind, version=3, sha256="a" * 64, uri="", trained_until=DAY)


MODELS: dict[ModelKind, ModelVersion | str] = {"mapping": version("mapping"), "normals": version("normals")}


def test_the_real_source_is_taken_where_it_is_there(region: Region) -> None:
    inputs = match_inputs(REQUEST, region, granules(*FINE, *GLASS, *GLEAM, *smap(DAY)), MODELS)
    assert inputs.maturity == "final"
    assert inputs.models == ()
    assert {slot.source_id for slot in inputs.slots}.isdisjoint({SMAP, LST, NDVI})


def test_late_soil_moisture_is_mapped_and_the_day_provisional(region: Region) -> None:
    inputs = match_inputs(REQUEST, region, granules(*FINE, *GLASS, *smap(DAY)), MODELS)
    slot = inputs.slot("rzsm_coarse")
    assert (slot.source_id, slot.provisional, slot.model) == (SMAP, True, MODELS["mapping"])
    assert slot.reason == f"GLEAM_v4.2a.SMrz: nothing covers {DAY}; by demo.mapping 3"
    assert len(slot.granules) == 8
    assert inputs.missing == ()
    assert inputs.maturity == "provisional"
    assert inputs.models == (MODELS["mapping"],)


def test_without_its_model_a_substitute_is_passed_over_and_said_so(region: Region) -> None:
    found = granules(*FINE, *GLASS, *smap(DAY))
    assert match_inputs(REQUEST, region, found).slot("ssm_coarse").reason == (
        f"GLEAM_v4.2a.SMs: nothing covers {DAY}; {SMAP}: no mapping in service")
    unfit = match_inputs(REQUEST, region, found, {"mapping": "has seen too few days"}).slot("ssm_coarse")
    assert unfit.status == "gap"
    assert f"{SMAP}: has seen too few days" in (unfit.reason or "")


@pytest.mark.parametrize(("files", "missing"), [(4, ()), (3, ("ssm_coarse", "rzsm_coarse"))])
def test_a_day_with_fewer_than_half_of_its_files_is_a_gap(
    region: Region, files: int, missing: tuple[str, ...]
) -> None:
    before = smap(DAY - dt.timedelta(days=1))
    inputs = match_inputs(REQUEST, region, granules(*FINE, *GLASS, *before, *smap(DAY, files)), MODELS)
    assert inputs.missing == missing


def test_incomplete_days_before_the_day_are_left_out(region: Region) -> None:
    before = smap(DAY - dt.timedelta(days=1), 3)
    slot = match_inputs(REQUEST, region, granules(*FINE, *GLASS, *before, *smap(DAY)), MODELS).slot("ssm_coarse")
    assert {granule.start for granule in slot.granules} == {DAY}


def test_surface_state_past_the_end_of_its_product_is_extended(region: Region) -> None:
    inputs = match_inputs(REQUEST, region, granules(*FINE, *GLEAM), MODELS)
    assert [inputs.slot(role).source_id for role in ("lst_coarse", "ndvi_coarse")] == [LST, NDVI]
    assert inputs.slot("lst_coarse").granules == ()
    assert inputs.missing == ()
    assert inputs.maturity == "provisional"
    assert match_inputs(REQUEST, region, granules(*FINE, *GLEAM)).missing == ("ndvi_coarse", "lst_coarse")


def test_substitutes_are_fetched_for_the_roles_that_want_them(region: Region) -> None:
    def sources(**options: tuple[str, ...]) -> set[str]:
        return {source_id for source_id, _, _ in wanted_periods(region, DAY, **options)}

    assert SMAP in sources()
    assert SMAP not in sources(stand_ins=())
    assert SMAP in sources(stand_ins=("rzsm_coarse",))
    assert {LST, NDVI}.isdisjoint(sources())


@pytest.mark.parametrize("name", ["demo", "korea"])
def test_every_region_names_its_substitutes(name: str) -> None:
    region = load_region(REGIONS / f"{name}.yaml")
    for role, source_id in (("ssm_coarse", SMAP), ("rzsm_coarse", SMAP), ("lst_coarse", LST), ("ndvi_coarse", NDVI)):
        assert source_id in region.sources_for(role)[1:]
