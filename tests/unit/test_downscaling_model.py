import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from sm_core.domain import LAYERS, Grid
from sm_core.downscaling import (
    LEVELS,
    TIER_NAMES,
    TIERS,
    Downscaler,
    DownscalingParams,
    TrainingDay,
    build_features,
    downscale,
    edge_contrast,
    train,
    tuned,
)
from sm_core.downscaling.training import Samples, _inner_split, collect, cross_validate
from sm_core.errors import (
    FeatureMismatchError,
    GridMismatchError,
    InsufficientInputsError,
    ModelIntegrityError,
    ModelNotFoundError,
    TooFewSamplesError,
)
from sm_core.grid import Nesting

CELL, CELLS, DAYS = 8, 7, 14
GRID = Grid.from_origin("g", west=127.0, north=37.0, resolution=0.01, width=CELL * CELLS, height=CELL * CELLS)
PARAMS = DownscalingParams(min_samples=100, min_data_in_leaf=10, max_rounds=200)


def on_grid(layers):
    variables = {name: (("y", "x"), np.asarray(value, np.float32)) for name, value in layers.items()}
    return xr.Dataset(variables, {"y": GRID.y, "x": GRID.x}, {"grid_id": "g", "crs": "EPSG:4326"})


def world(seed=0):
    """Soil moisture rises with clay by .004 per percent and with a regional wave; the coarse field is its mean."""
    rng = np.random.default_rng(seed)
    clay = gaussian_filter(rng.standard_normal(GRID.shape), 4)
    clay = 25 + 8 * clay / clay.std()
    land = np.ones(GRID.shape)
    land[-20:, :12] = 0
    statics = on_grid({"elevation": np.full(GRID.shape, 80.0), "slope": np.ones(GRID.shape), "clay": clay,
                       "sand": 60 - clay, "land_cover": np.full(GRID.shape, 12.0), "land": land})
    wave = 0.03 * np.sin(np.arange(DAYS) / 2)[:, None, None]
    truth = 0.25 + 0.004 * (clay - 25) + wave
    axis = CELL * 0.01 * (np.arange(CELLS) + 0.5)
    times = pd.date_range("2021-04-01", periods=DAYS).as_unit("ns")
    lattice = {"time": times, "y": 37.0 - axis, "x": 127.0 + axis}
    empty = xr.Dataset({"v": (("time", "y", "x"), np.zeros((DAYS, CELLS, CELLS)))}, lattice, {"crs": "EPSG:4326"})
    nesting = Nesting.of(empty, GRID)
    means = np.stack([nesting.aggregate(np.where(land == 1, field, np.nan)) for field in truth]).astype(np.float32)
    coarse = xr.Dataset({"sm_surface": (("time", "y", "x"), means), "sm_rootzone": (("time", "y", "x"), means + 0.05)},
                        lattice, {"crs": "EPSG:4326"})
    days = [time.date() for time in times]
    fused = on_grid({"ndvi": np.full(GRID.shape, 0.5), "lst_day": np.full(GRID.shape, 300.0)})
    features = [build_features(fused, coarse, statics, day, GRID) for day in days]
    return truth, coarse, features, days, nesting


def training_days(coarse, features, days):
    return [TrainingDay(day, field, coarse.isel(time=[i])) for i, (day, field) in enumerate(zip(days, features,
                                                                                               strict=True))]


@pytest.fixture(scope="module")
def trained():
    truth, coarse, features, days, nesting = world()
    return truth, coarse, features, days, nesting, train(training_days(coarse, features, days), GRID, PARAMS)


def test_relations_between_cells_hold_within_them(trained):
    truth, coarse, features, _, nesting, model = trained
    fine = downscale(features[5], coarse, model, GRID)["sm_surface"].values
    known = np.isfinite(fine)
    within = [np.where(known, field, np.nan) - nesting.replicate(nesting.aggregate(np.where(known, field, np.nan)))
              for field in (fine, truth[5])]
    assert np.corrcoef(within[0][known], within[1][known])[0, 1] > 0.8


def test_downscaled_field_keeps_the_coarse_means_and_says_how_well(trained):
    _, coarse, features, _, nesting, model = trained
    result = downscale(features[3], coarse, model, GRID)
    assert result.attrs["grid_id"] == "g"
    assert result.attrs["conservation_error"] < 1e-7
    for layer in LAYERS:
        np.testing.assert_allclose(nesting.aggregate(result[layer].values), coarse[layer].values[3], atol=1e-7)
        spread = result[f"{layer}_spread"].values
        known = np.isfinite(result[layer].values)
        floor = np.float32(model.spec.fit(layer, "full").half_widths[LEVELS.index(0.68)])
        np.testing.assert_allclose(spread[known], np.hypot(floor, result[f"{layer}_adjustment"].values[known]))
        np.testing.assert_array_equal(np.isfinite(spread), known)
        before = model.predict(features[3])[layer].values
        np.testing.assert_allclose(result[layer].values - result[f"{layer}_adjustment"].values, before, atol=1e-7)


def test_same_seed_same_model(trained):
    _, coarse, features, days, _, model = trained
    again = train(training_days(coarse, features, days), GRID, PARAMS)
    other = train(training_days(coarse, features, days), GRID, PARAMS.model_copy(update={"seed": 1}))
    values = [m.predict(features[2])["sm_surface"].values for m in (model, again, other)]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2], equal_nan=True)


def test_spec_says_what_was_learned_from(trained):
    _, _, _, days, _, model = trained
    assert (model.spec.trained_from, model.spec.trained_until, model.spec.days) == (days[0], days[-1], DAYS)
    assert all(fit.validation_skill > 0.5 for fit in model.spec.fits)


def test_stored_model_gives_the_same_numbers(trained, tmp_path):
    _, _, features, _, _, model = trained
    model.save(tmp_path)
    boosters = [f"{layer}-{tier.name}.txt" for layer in LAYERS for tier in TIERS]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*boosters, "spec.json"])
    loaded = Downscaler.load(tmp_path)
    for layer in LAYERS:
        np.testing.assert_array_equal(
            loaded.predict(features[0])[layer].values, model.predict(features[0])[layer].values
        )
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    assert Downscaler.load(again).spec.fits == model.spec.fits


def test_damaged_missing_and_foreign_models_are_refused(trained, tmp_path):
    model = trained[-1]
    with pytest.raises(ModelNotFoundError, match=r"spec\.json"):
        Downscaler.load(tmp_path)
    model.save(tmp_path)
    spec, booster = tmp_path / "spec.json", tmp_path / "sm_surface-full.txt"
    text, declared = booster.read_text(), spec.read_text()
    booster.write_text(text.replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(ModelIntegrityError, match=r"sm_surface-full\.txt"):
        Downscaler.load(tmp_path)
    booster.unlink()
    with pytest.raises(ModelNotFoundError, match=r"sm_surface-full\.txt"):
        Downscaler.load(tmp_path)
    booster.write_text(text)
    spec.write_text(declared.replace(model.spec.feature_hash, "0" * 64))
    with pytest.raises(FeatureMismatchError):
        Downscaler.load(tmp_path)
    spec.write_text("{")
    with pytest.raises(ModelIntegrityError, match="cannot be read"):
        Downscaler.load(tmp_path)


def test_a_missing_feature_is_named(trained):
    _, coarse, features, days, _, model = trained
    with pytest.raises(FeatureMismatchError, match="ndvi_contrast"):
        model.predict(features[0].drop_vars("ndvi_contrast"))
    with pytest.raises(FeatureMismatchError, match="clay_contrast"):
        train([TrainingDay(days[0], features[0].drop_vars("clay_contrast"), coarse)], GRID, PARAMS)


def test_wrong_grid_and_missing_day_are_refused(trained):
    _, coarse, features, _, _, model = trained
    with pytest.raises(GridMismatchError, match="found=other"):
        downscale(features[0].assign_attrs(grid_id="other"), coarse, model, GRID)
    with pytest.raises(InsufficientInputsError, match="2021-04-01"):
        downscale(features[0], coarse.isel(time=slice(1, None)), model, GRID)


def test_too_few_samples_are_an_error_with_numbers(trained):
    _, coarse, features, days, _, _ = trained
    with pytest.raises(TooFewSamplesError, match=r"samples=94, minimum=100"):
        train(training_days(coarse, features, days)[:2], GRID, PARAMS)
    with pytest.raises(TooFewSamplesError, match="samples=0"):
        train([], GRID, PARAMS)
    one_day = PARAMS.model_copy(update={"min_samples": 10})
    with pytest.raises(TooFewSamplesError, match=r"set apart.*days=1"):
        train(training_days(coarse, features, days)[:1], GRID, one_day)


def test_cells_of_mostly_sea_are_not_learned_from(trained):
    model = trained[-1]
    # 12 columns × 20 rows of sea at a corner: cells (4.5 to 7) × (0 to 1.5); land share 0 in 2, 50 % in 3, 75 % in 1
    assert model.spec.fits[0].samples == (CELLS * CELLS - 2) * DAYS


def test_unknown_coarse_cells_still_get_a_value(trained):
    _, coarse, features, _, nesting, model = trained
    holed = coarse.copy(deep=True)
    holed["sm_surface"][5, 2:4, 2:4] = np.nan
    result = downscale(features[5], holed, model, GRID)
    hole = ~np.isfinite(nesting.replicate(holed["sm_surface"].values[5])) & np.isfinite(features[5]["clay"].values)
    assert np.isfinite(result["sm_surface"].values[hole]).all()
    full = downscale(features[5], coarse, model, GRID)
    assert np.abs(result["sm_surface"].values - full["sm_surface"].values)[hole].mean() < 0.03


def test_no_round_is_chosen_on_cells_or_days_that_were_trained_on():
    rng = np.random.default_rng(3)
    cell, day = (part.ravel() for part in np.meshgrid(np.arange(144), np.arange(40)))
    known = rng.uniform(size=cell.size) < 0.8
    samples = Samples({}, np.zeros((cell.size, 2)), cell, 737000 + 5 * day, (12, 12), ())
    inner, outer = _inner_split(samples, known, DownscalingParams(block_cells=3, block_days=8))
    assert inner.sum() > 0.3 * known.sum()
    assert 0.05 * known.sum() < outer.sum() < 0.2 * known.sum()
    assert not (inner & outer).any()
    assert not (inner & ~known).any()
    blocks = (cell // 12 // 3) * 4 + cell % 12 // 3
    assert not set(blocks[inner]) & set(blocks[outer])
    assert not set(day[inner] // 8) & set(day[outer] // 8)


def without(field, *names):
    return field.assign({name: field[name] * np.nan for name in names})


def test_cells_without_an_input_are_served_by_the_tier_that_never_knew_it(trained):
    _, coarse, features, _, _, model = trained
    partly = features[4].copy(deep=True)
    partly["lst_contrast"][:, :20] = np.nan
    partly["ndvi_contrast"][:10, :] = np.nan
    partly["clay_contrast"][30, 30] = np.nan
    tier = downscale(partly, coarse, model, GRID)["tier"]
    names = np.array([*TIER_NAMES, *[""] * (256 - len(TIER_NAMES))])[tier.values]
    assert [names[5, 5], names[5, 40], names[25, 5], names[25, 40], names[30, 30]] == [
        "no_images", "no_ndvi", "no_lst", "full", "coarse"
    ]
    assert tier.values[-1, 0] == 255
    assert tier.attrs["flag_meanings"].split() == list(TIER_NAMES)


@pytest.mark.parametrize(("names", "tier"), [
    ((), "full"), (("lst_contrast",), "no_lst"), (("ndvi_contrast",), "no_ndvi"),
    (("lst_contrast", "ndvi_contrast"), "no_images"), (("sand_contrast",), "coarse"),
])
def test_a_day_without_an_input_says_its_tier_and_keeps_the_coarse_means(trained, names, tier):
    _, coarse, features, _, _, model = trained
    result = downscale(without(features[4], *names), coarse, model, GRID)
    assert result.attrs["tier"] == tier
    assert result.attrs["conservation_error"] < 1e-7
    np.testing.assert_array_equal(np.isfinite(result["sm_surface"]), np.isfinite(features[4]["elevation"]))


def test_what_a_tier_is_trained_without_does_not_move_it(trained):
    _, _, features, _, _, model = trained
    cloudy = without(features[4], "lst_contrast")
    moved = cloudy.assign(lst_day=cloudy["lst_day"] + 5, lst_anomaly=cloudy["lst_anomaly"] + 5)
    xr.testing.assert_identical(model.predict(cloudy), model.predict(moved))


def test_cells_of_the_coarse_tier_have_their_large_scale_wetness(trained):
    _, _, features, _, _, model = trained
    predicted = model.predict(without(features[4], "clay_contrast"))
    np.testing.assert_allclose(predicted["sm_rootzone"], features[4]["wetness_rootzone"], rtol=1e-6)


def test_days_without_images_train_the_tiers_that_need_none(trained):
    _, coarse, features, days, _, _ = trained
    model = train(training_days(coarse, [without(f, "lst_contrast") for f in features], days), GRID, PARAMS)
    assert {tier for _, tier in model.boosters} == {"no_lst", "no_images"}
    assert downscale(features[2], coarse, model, GRID).attrs["tier"] == "no_lst"


@pytest.mark.parametrize(("name", "step", "sign"), [
    ("clay_contrast", 5.0, 1), ("sand_contrast", 5.0, -1), ("topographic_wetness_contrast", 2.0, 1),
    ("lst_contrast", 2.0, -1),
])
def test_what_physics_knows_the_sign_of_never_goes_the_other_way(trained, name, step, sign):
    _, _, features, _, _, model = trained
    lower, higher = model.predict(features[6]), model.predict(features[6].assign({name: features[6][name] + step}))
    for layer in LAYERS:
        change = sign * (higher[layer].values - lower[layer].values)
        assert np.nanmin(change) >= 0


def test_more_of_a_share_of_texture_is_more_of_its_effect(trained):
    _, _, features, _, _, model = trained
    fields = []
    for share in (0.0, 0.5, 1.0):
        params = model.spec.params.model_copy(update={"texture_share": share})
        other = Downscaler(model.boosters, model.spec.model_copy(update={"params": params}))
        fields.append(other.predict(features[6])["sm_surface"].values)
    np.testing.assert_allclose(fields[1], (fields[0] + fields[2]) / 2, atol=1e-6)
    assert np.nanstd(fields[2] - fields[0]) > 0.01


def test_half_widths_cover_their_share_of_errors(trained):
    model = trained[-1]
    for fit in model.spec.fits:
        assert list(fit.half_widths) == sorted(fit.half_widths)
        assert fit.half_widths[0] > 0
    wide = model.half_width("sm_surface", np.array([0, 4, 255], np.uint8), 0.9)
    assert wide[0] == np.float32(model.spec.fit("sm_surface", "full").half_widths[LEVELS.index(0.9)])
    assert wide[1] >= wide[0]
    assert np.isnan(wide[2])


def test_increments_do_not_show_the_coarse_cells(trained):
    _, coarse, features, _, nesting, model = trained
    result = downscale(features[5], coarse, model, GRID)
    step = nesting.replicate(coarse["sm_surface"].values[5]) - features[5]["wetness_surface"].values
    assert result.attrs["edge_contrast"] == max(
        edge_contrast(result[f"{layer}_adjustment"].values, nesting) for layer in LAYERS
    )
    assert result.attrs["edge_contrast"] < 2.5 < edge_contrast(step, nesting)


def test_cross_validation_sees_skill_where_there_is_some_and_none_in_noise(trained):
    _, coarse, features, days, _, _ = trained
    samples = collect(training_days(coarse, features, days), GRID, PARAMS)
    assert cross_validate(samples, PARAMS, 2) > 0.5
    rng = np.random.default_rng(0)
    noise = Samples(samples.features, rng.permutation(samples.departures), samples.cell, samples.day, samples.shape,
                    samples.dates)
    assert cross_validate(noise, PARAMS, 2) < 0.1


def test_tuned_values_say_how_they_came_about():
    provenance = tuned().provenance
    assert provenance is not None
    assert provenance.score >= provenance.score_before


def test_default_parameters_are_the_tuned_ones():
    values = tuned().values
    params = DownscalingParams()
    assert {name: getattr(params, name) for name in type(values).model_fields} == values.model_dump()
