import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy.ndimage import gaussian_filter

from sm_core.correction import CorrectionDay, CorrectionParams, Corrector, correct, train
from sm_core.correction.model import LayerFit
from sm_core.correction.training import half_width
from sm_core.domain import LAYERS, Grid
from sm_core.errors import (
    FeatureMismatchError,
    GridMismatchError,
    ModelIntegrityError,
    ModelNotFoundError,
    TooFewSamplesError,
)

GRID = Grid.from_origin("g", west=127.0, north=37.0, resolution=0.05, width=60, height=30)
DAYS = [dt.date(2021, 4, 1) + dt.timedelta(days=n) for n in range(12)]
PARAMS = CorrectionParams(
    features=("clay", "elevation", "wetness_surface"), static=("clay",), dynamic=("wetness_surface",), channels=8,
    blocks=1, crop_cells=12, crops_per_day=4, pretrain_epochs=2, inner_block_km=30.0, domain_features=("elevation",),
)
BIAS = {"sm_surface": -0.05, "sm_rootzone": 0.03}


def on_grid(layers):
    variables = {name: (("y", "x"), np.asarray(value, np.float32)) for name, value in layers.items()}
    return xr.Dataset(variables, {"y": GRID.y, "x": GRID.x}, {"grid_id": "g", "crs": "EPSG:4326"})


def world():
    """Stations in the western third; elevation 100 m there and 1500 m along the southern edge."""
    rng = np.random.default_rng(1)
    clay = 25 + 60 * gaussian_filter(rng.standard_normal(GRID.shape), 3)
    elevation = 100 + 10 * rng.standard_normal(GRID.shape)
    elevation[-3:] = 1500.0
    days = []
    for n, day in enumerate(DAYS):
        wave = 0.03 * math.sin(n)
        features = on_grid({"clay": clay, "elevation": elevation, "wetness_surface": np.full(GRID.shape, 0.3 + wave)})
        field = 0.3 + wave + 0.002 * (clay - 25)
        field[:2, :2] = np.nan
        days.append(CorrectionDay(day, features, on_grid({"sm_surface": field, "sm_rootzone": field + 0.02})))
    rows = []
    for index in range(24):
        row, column = 4 + 5 * (index // 6), 1 + 3 * (index % 6)
        offset = 0.02 * rng.standard_normal()
        for day in days:
            values = [float(day.fine[layer][row, column]) + BIAS[layer] + offset for layer in LAYERS]
            rows.append((f"s{index:02d}", GRID.x[column], GRID.y[row], day.day, *values))
    return days, pd.DataFrame(rows, columns=["station_id", "lon", "lat", "day", *LAYERS])


@pytest.fixture(scope="module")
def trained():
    days, stations = world()
    return days, stations, train(days, stations, GRID, PARAMS)


def test_a_constant_bias_is_removed_near_stations(trained):
    days, _, corrector = trained
    result = correct(days[4].fine, days[4].features, corrector)
    for layer in LAYERS:
        change = (result[layer] - days[4].fine[layer]).values[3:24, :18]
        assert change.mean() == pytest.approx(BIAS[layer], abs=0.015)
    fit = corrector.config.fits[0]
    assert fit.inner_rmsd_after < 0.6 * fit.inner_rmsd_before
    assert fit.stations == 24
    assert fit.station_days == 24 * 12


def test_far_from_stations_the_field_stays_exactly(trained):
    days, _, corrector = trained
    result = correct(days[4].fine, days[4].features, corrector)
    # 40 columns of .05° (4.4 km) east of the last station: more than 3 × 50 km
    for layer in LAYERS:
        np.testing.assert_array_equal(result[layer].values[:, 57:], days[4].fine[layer].values[:, 57:])
    assert (result["flag"].values[5:20, 57:] == 2).all()
    assert (result["flag"].values[5:20, 3:16] == 0).all()
    assert {1, 2} <= set(result["flag"].values[10])


def test_outside_the_stations_range_of_features_the_field_stays(trained):
    days, _, corrector = trained
    result = correct(days[4].fine, days[4].features, corrector)
    np.testing.assert_array_equal(result["sm_surface"].values[-3:, :20], days[4].fine["sm_surface"].values[-3:, :20])
    assert (result["flag"].values[-3:, :20] == 2).all()


def test_trust_falls_from_one_to_none_with_distance(trained):
    _, _, corrector = trained
    lon = np.array([[corrector.config.station_lon[0]]])
    features = np.array([25.0, 100.0, 0.3], np.float32)[:, None, None]
    lat = [np.array([[GRID.y[4] + km / 111.195]]) for km in (0, 49, 100, 149, 151)]
    north = [corrector.trust(features, lon, place)[0, 0] for place in lat]
    assert north[0] == north[1] == 1.0
    assert north[2] == pytest.approx(0.5, abs=0.01)
    assert 0 < north[3] < 0.01
    assert north[4] == 0.0


def test_unknown_cells_stay_unknown(trained):
    days, _, corrector = trained
    result = correct(days[0].fine, days[0].features, corrector)
    assert (result["flag"].values[:2, :2] == 255).all()
    for layer in LAYERS:
        np.testing.assert_array_equal(np.isfinite(result[layer]), np.isfinite(days[0].fine[layer]))
        np.testing.assert_array_equal(np.isfinite(result[f"{layer}_spread"]), np.isfinite(days[0].fine[layer]))


def test_half_widths_go_from_corrected_to_uncorrected_residuals(trained):
    days, _, corrector = trained
    result = correct(days[4].fine, days[4].features, corrector)
    fit = corrector.config.fits[0]
    for name, position in (("spread", 1), ("halfwidth_90", 3)):
        width = result[f"sm_surface_{name}"].values
        assert width[10, 5] == pytest.approx(fit.half_widths_after[position], rel=1e-5)
        assert width[10, 58] == pytest.approx(fit.half_widths_before[position], rel=1e-5)
        assert fit.half_widths_after[position] < fit.half_widths_before[position]
    assert list(fit.half_widths_after) == sorted(fit.half_widths_after)


def test_a_stations_own_offset_is_known_for_itself_and_never_mapped(trained, tmp_path):
    days, stations, corrector = trained
    seen = stations.assign(residual=[
        row.sm_surface - float(days[0].fine["sm_surface"].sel(x=row.lon, y=row.lat, method="nearest"))
        if row.day == DAYS[0] else math.nan for row in stations.itertuples()
    ]).groupby("station_id")["residual"].mean()
    own = pd.Series({name: corrector.station_effect(name)[0] for name in seen.index})
    # the world's offsets do not depend on anything else: what is left of residuals about their mean
    assert np.corrcoef(own, seen - seen.mean())[0, 1] > 0.9
    assert own.std() < seen.std() * 1.1
    corrector.save(tmp_path)
    assert Corrector.load(tmp_path).station_effect("s03") == corrector.station_effect("s03")
    with pytest.raises(KeyError):
        corrector.station_effect("elsewhere")


def test_another_grid_is_refused(trained):
    days, _, corrector = trained
    moved = [ds.assign_attrs(grid_id="h") for ds in (days[0].fine, days[0].features)]
    with pytest.raises(GridMismatchError, match="another grid"):
        correct(*moved, corrector)


@pytest.mark.parametrize("change", [{"channels": 0}, {"kernel": 1}, {"pretrain_epochs": 0}, {"pairs": False}])
def test_every_part_can_be_left_out(trained, change, tmp_path):
    days, stations, _ = trained
    corrector = train(days, stations, GRID, PARAMS.model_copy(update=change))
    result = correct(days[4].fine, days[4].features, corrector)
    assert float((result["sm_surface"] - days[4].fine["sm_surface"])[10, 5]) == pytest.approx(-0.05, abs=0.03)
    corrector.save(tmp_path)
    xr.testing.assert_identical(correct(days[4].fine, days[4].features, Corrector.load(tmp_path)), result)


def test_unknown_features_are_met_with_the_mean(trained):
    days, _, corrector = trained
    features = days[4].features.copy(deep=True)
    features["clay"][8:12, 8:12] = np.nan
    result = correct(days[4].fine, features, corrector)
    change = (result["sm_surface"] - days[4].fine["sm_surface"]).values[8:12, 8:12]
    assert np.isfinite(change).all()
    assert change.mean() == pytest.approx(BIAS["sm_surface"], abs=0.03)


def test_values_stay_in_the_physical_range(trained):
    days, _, corrector = trained
    dry = days[4].fine.copy(deep=True)
    dry["sm_surface"][10, 5] = 0.01
    assert float(correct(dry, days[4].features, corrector)["sm_surface"][10, 5]) == 0.0


def test_same_seed_same_corrector(trained):
    days, stations, corrector = trained
    again = train(days, stations.sample(frac=1, random_state=2), GRID, PARAMS)
    assert again.config == corrector.config
    for name, weights in corrector.network.state_dict().items():
        assert torch.equal(weights, again.network.state_dict()[name])


def test_stored_corrector_gives_the_same_numbers(trained, tmp_path):
    days, _, corrector = trained
    corrector.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "weights.safetensors"]
    loaded = Corrector.load(tmp_path)
    xr.testing.assert_identical(
        correct(days[2].fine, days[2].features, loaded), correct(days[2].fine, days[2].features, corrector)
    )
    assert loaded.config.trained_until == DAYS[-1]
    assert loaded.config.station_ids == tuple(f"s{n:02d}" for n in range(24))


def test_damaged_and_missing_correctors_are_refused(trained, tmp_path):
    corrector = trained[2]
    with pytest.raises(ModelNotFoundError, match=r"config\.json"):
        Corrector.load(tmp_path)
    corrector.save(tmp_path)
    weights = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ModelIntegrityError, match="weights"):
        Corrector.load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ModelIntegrityError, match="configuration"):
        Corrector.load(tmp_path)


def test_mismatched_inputs_are_refused(trained):
    days, stations, corrector = trained
    with pytest.raises(FeatureMismatchError, match="clay"):
        correct(days[0].fine, days[0].features.drop_vars("clay"), corrector)
    with pytest.raises(GridMismatchError):
        correct(days[0].fine.isel(x=slice(5)), days[0].features, corrector)
    with pytest.raises(FeatureMismatchError, match="elevation"):
        train([CorrectionDay(DAYS[0], days[0].features.drop_vars("elevation"), days[0].fine)], stations, GRID, PARAMS)


def test_too_few_stations_are_an_error_with_numbers(trained):
    days, stations, _ = trained
    with pytest.raises(TooFewSamplesError, match=r"stations=3, minimum=4"):
        train(days, stations[stations["station_id"] < "s03"], GRID, PARAMS)
    with pytest.raises(TooFewSamplesError, match="station_days=0"):
        train(days, stations.assign(lon=10.0), GRID, PARAMS)


def test_a_layer_that_no_station_measures_is_not_corrected(trained):
    days, stations, _ = trained
    corrector = train(days, stations.assign(sm_rootzone=np.nan), GRID, PARAMS)
    result = correct(days[4].fine, days[4].features, corrector)
    np.testing.assert_allclose(result["sm_rootzone"], days[4].fine["sm_rootzone"], atol=1e-7)
    assert abs(float((result["sm_surface"] - days[4].fine["sm_surface"])[10, 5]) - BIAS["sm_surface"]) < 0.03
    assert math.isnan(corrector.config.fits[1].half_widths_after[0])


def test_half_widths_cover_by_weight_and_round_up():
    error = np.array([0.01, -0.02, 0.03, -0.04, 0.05, 0.06])
    # .6827 (1 + 1/6) = .797 of the weight: five of six
    assert half_width(error, np.ones(6), 6, 0.6827) == pytest.approx(0.05)
    # the last one counts for half of everything
    assert half_width(error, np.array([1.0, 1, 1, 1, 1, 5]), 6, 0.6827) == pytest.approx(0.06)


def test_unknown_scores_survive_json():
    nothing = math.nan
    fit = LayerFit(
        layer="sm_surface", stations=0, station_days=0, inner_rmsd_before=nothing, inner_rmsd_after=nothing,
        half_widths_before=(nothing,) * 4, half_widths_after=(nothing,) * 4,
        residual_sd=nothing, offset_sd=nothing, prior_sd={}, design_effect=nothing, neighbour_r=nothing,
    )
    assert math.isnan(LayerFit.model_validate_json(fit.model_dump_json()).half_widths_after[3])
