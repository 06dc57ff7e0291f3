"""What is declared about the product, and the checks before it is published."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sm_core.domain import LAYERS, Check, QaFlag
from sm_core.drought import USDM
from sm_core.publishing import SOIL_MOISTURE_1KM, GateContext, evaluate

LAND = np.ones((10, 10), bool)


def product(kind, limits, severity="withhold", variable="sm_surface"):
    check = Check(name="the_check", kind=kind, severity=severity, variable=variable, limits=limits, evidence="a test")
    return SOIL_MOISTURE_1KM.model_copy(update={"checks": (check,)})


def field(values, variable="sm_surface"):
    return xr.Dataset({variable: (("y", "x"), np.broadcast_to(np.asarray(values, np.float32), (10, 10)).copy())})


def judge(kind, limits, ds, **context):
    gate = evaluate(product(kind, limits), ds, GateContext(**{"land": LAND, **context}))
    (result,) = gate.results
    return result


def with_cell(value, cell, base=0.3):
    ds = field(base)
    ds["sm_surface"].values[cell] = value
    return ds


@pytest.mark.parametrize(("value", "passed"), [
    (0.0, True), (0.6, True), (-0.001, False), (0.601, False), (np.inf, False), (-np.inf, False), (np.nan, True),
])
def test_range_looks_at_every_known_cell(value, passed):
    result = judge("range", (0.0, 0.6001), with_cell(value, (3, 4)))
    assert result.passed == passed
    assert result.measured == (99 if np.isnan(value) else 100)


@pytest.mark.parametrize(("known", "passed"), [(49, False), (50, True), (100, True)])
def test_valid_fraction_over_land(known, passed):
    values = np.full(100, np.nan)
    values[:known] = 0.3
    result = judge("valid_fraction", (0.5, 1.0), field(values.reshape(10, 10)))
    assert (result.passed, result.measured) == (passed, 100)
    assert result.value == pytest.approx(known / 100)


def test_sea_does_not_count_as_covered():
    land = np.zeros((10, 10), bool)
    land[:5] = True
    values = np.full((10, 10), 0.3)
    values[:4] = np.nan
    result = judge("valid_fraction", (0.5, 1.0), field(values), land=land)
    assert (result.passed, result.value, result.measured) == (False, pytest.approx(0.2), 50)


def test_change_is_the_mean_absolute_difference_over_land():
    today = field(0.3)
    today["sm_surface"].values[:, :5] += 0.02
    today["sm_surface"].values[:, 5:] -= 0.04
    result = judge("change_from_yesterday", (0.0, 0.05), today, yesterday=field(0.3))
    assert result.passed
    assert result.value == pytest.approx(0.03, abs=1e-6)


def test_a_copy_of_yesterday_is_noticed_after_storage():
    """Yesterday comes back from its file rounded to 0.0001; a copy must still measure 0."""
    rng = np.random.default_rng(1)
    today = field(rng.uniform(0.1, 0.5, (10, 10)))
    stored = field(np.round(today["sm_surface"].values / 0.0001) * 0.0001)
    result = judge("change_from_yesterday", (1e-6, 1.0), today, yesterday=stored)
    assert (result.passed, result.value) == (False, 0.0)


def test_without_yesterday_the_change_does_not_apply():
    gate = evaluate(product("change_from_yesterday", (0, 0.05)), field(0.3), GateContext(land=LAND))
    assert gate.results == ()
    assert gate.not_applicable == ("the_check",)
    assert not gate.passed                                              # nothing at all was checked


@pytest.mark.parametrize(("error", "passed", "measured"), [
    (0.0, True, 1), (0.01, True, 1), (0.011, False, 1), (None, False, 0), (np.nan, False, 0), (np.inf, False, 1),
])
def test_conservation_is_handed_in(error, passed, measured):
    result = judge("conservation", (0.0, 0.01), field(0.3), conservation_error={"sm_surface": error})
    assert (result.passed, result.measured) == (passed, measured)


@pytest.mark.parametrize("kind", ["range", "valid_fraction", "change_from_yesterday", "conservation",
                                  "seams", "mean"])
@pytest.mark.parametrize("severity", ["withhold", "warn"])
@pytest.mark.parametrize("ds", [field(np.nan), xr.Dataset()], ids=["all unknown", "no such variable"])
def test_a_check_that_measured_nothing_has_failed(kind, severity, ds):
    limits = (1e-9, 1.0) if kind == "valid_fraction" else (-1e9, 1e9)
    gate = evaluate(product(kind, limits, severity), ds, GateContext(LAND, yesterday=field(0.3)))
    assert [result.passed for result in gate.results] == [False]
    assert gate.passed == (severity == "warn")


def test_no_land_is_nothing_measured():
    result = judge("valid_fraction", (0.0, 1.0), field(0.3), land=np.zeros((10, 10), bool))
    assert (result.passed, result.measured, result.value) == (False, 0, None)


@pytest.mark.parametrize("yesterday", [field(np.nan), xr.Dataset(), xr.Dataset({"sm_surface": ("x", [0.3])})])
def test_an_unusable_yesterday_fails(yesterday):
    result = judge("change_from_yesterday", (0.0, 1.0), field(0.3), yesterday=yesterday)
    assert (result.passed, result.measured) == (False, 0)


def good_day():
    rng = np.random.default_rng(2)
    layers = {name: (("y", "x"), rng.uniform(0.15, 0.4, (10, 10)).astype(np.float32)) for name in LAYERS}
    spread = {f"{name}_uncertainty": (("y", "x"), np.full((10, 10), 0.05, np.float32)) for name in LAYERS}
    usual = {f"percentile_{name}": (("y", "x"), rng.uniform(5, 95, (10, 10)).astype(np.float32)) for name in LAYERS}
    return xr.Dataset({**layers, **spread, **usual})


def context(yesterday=None, edges=1.1):
    return GateContext(LAND, yesterday, dict.fromkeys(LAYERS, 1e-7), dict.fromkeys(LAYERS, edges))


def test_a_good_day_passes_the_product():
    gate = evaluate(SOIL_MOISTURE_1KM, good_day(), context(good_day() * 0.99))
    assert gate.passed
    assert all(result.passed for result in gate.results)
    assert len(gate.results) == len(SOIL_MOISTURE_1KM.checks)
    first = evaluate(SOIL_MOISTURE_1KM, good_day(), context())
    assert first.passed
    assert len(first.not_applicable) == 4


@pytest.mark.parametrize("spoil", [
    lambda ds: ds.assign(sm_rootzone=ds.sm_rootzone * 100),
    lambda ds: ds.assign(sm_surface=ds.sm_surface.where(ds.sm_surface > 0.5)),
    lambda ds: ds.drop_vars("sm_rootzone"),
    lambda ds: ds.assign(sm_surface_uncertainty=-ds.sm_surface_uncertainty),
    lambda ds: ds * 0.99,
    lambda ds: ds.assign(percentile_sm_surface=ds.percentile_sm_surface * 0 + 0.05),
    lambda ds: ds.assign(percentile_sm_rootzone=ds.percentile_sm_rootzone * np.nan),
])
def test_a_spoilt_day_is_withheld(spoil):
    assert evaluate(SOIL_MOISTURE_1KM, good_day(), context(good_day() * 0.98)).passed
    assert not evaluate(SOIL_MOISTURE_1KM, spoil(good_day()), context(good_day() * 0.99)).passed


@pytest.mark.parametrize(("edges", "warned", "withheld"), [
    (1.0, False, False), (1.8, True, False), (6.0, True, True), (np.nan, True, True), (None, True, True),
])
def test_seams_of_coarse_cells(edges, warned, withheld):
    gate = evaluate(SOIL_MOISTURE_1KM, good_day(), context(edges=edges))
    failed = {result.check for result in gate.results if not result.passed}
    assert failed == {f"{layer}_{name}" for layer in LAYERS
                      for name, found in (("seams", warned), ("blocks", withheld)) if found}


def test_the_mean_is_that_of_known_land():
    values = np.full((10, 10), 40.0)
    values[:5], values[5, :5] = 90.0, np.nan
    land = np.zeros((10, 10), bool)
    land[4:6] = True                                                    # ten of 90, five of 40, five unknown
    result = judge("mean", (0.0, 100.0), field(values), land=land)
    assert (result.value, result.measured) == (pytest.approx(1100 / 15), 15)


def test_a_drought_all_over_is_a_warning_not_a_mistake():
    dry = good_day()
    dry["percentile_sm_rootzone"].values[:] = 1.0
    gate = evaluate(SOIL_MOISTURE_1KM, dry, context())
    assert gate.passed
    assert {result.check for result in gate.results if not result.passed} == {"sm_rootzone_drift"}


def test_every_check_names_a_variable_and_its_evidence():
    names = {declared.variable.name for declared in SOIL_MOISTURE_1KM.variables}
    assert all(check.variable in names and check.evidence for check in SOIL_MOISTURE_1KM.checks)
    assert len({check.name for check in SOIL_MOISTURE_1KM.checks}) == len(SOIL_MOISTURE_1KM.checks)
    assert all(check.limits[0] < check.limits[1] for check in SOIL_MOISTURE_1KM.checks)


def test_the_variables():
    declared = {v.variable.name: v for v in SOIL_MOISTURE_1KM.variables}
    assert list(declared) == [
        "sm_surface", "sm_rootzone", "sm_surface_uncertainty", "sm_rootzone_uncertainty", "percentile_sm_surface",
        "percentile_sm_rootzone", "drought_class", "qa_flags", "sm_surface_lower_90", "sm_surface_upper_90",
        "sm_rootzone_lower_90", "sm_rootzone_upper_90", "available_water_ratio", "observation_age",
    ]
    for layer, depth in (("sm_surface", "0 to 10 cm"), ("sm_rootzone", "0 to 100 cm")):
        variable, encoding = declared[layer].variable, declared[layer].encoding
        assert variable.standard_name == "volume_fraction_of_condensed_water_in_soil"
        assert depth in variable.long_name
        assert (variable.units, encoding.dtype, encoding.scale, encoding.nodata) == ("1", "uint16", 0.0001, 65535)
    assert declared["drought_class"].encoding.overviews == "mode"
    assert declared["qa_flags"].encoding.overviews == "nearest"
    assert [(v, c) for v, _, c in declared["drought_class"].flag_values[1:]] == [(d.value, d.colour) for d in USDM]
    assert {1 << bit for bit, _ in declared["qa_flags"].flag_bits} == {int(flag) for flag in QaFlag}
    most = sum(1 << bit for bit, _ in declared["qa_flags"].flag_bits) - QaFlag.UNCORRECTED   # never with little trust
    assert most < declared["qa_flags"].encoding.nodata


def test_the_table_of_layers_is_the_declaration():
    rows = [
        f"| `{v.variable.name}` | {v.variable.long_name} | {v.variable.units} | {v.encoding.dtype} | "
        f"{v.encoding.scale:g} | {v.encoding.nodata:g} | {v.encoding.overviews} |"
        for v in SOIL_MOISTURE_1KM.variables
    ]
    text = (Path(__file__).parents[2] / "docs" / "products.md").read_text(encoding="utf-8")
    table = text.split("## Layers")[1].split("\n\n")[1].splitlines()
    assert table[2:] == rows
