"""A small world with a known truth: each stage must be better than the one before, at unseen places and days."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from sm_core import correction, downscaling
from sm_core.correction import CorrectionDay, CorrectionParams, correct
from sm_core.domain import LAYERS, Grid
from sm_core.downscaling import DownscalingParams, TrainingDay, build_features, downscale
from sm_core.grid import Nesting, to_grid
from sm_core.validation import at_stations, spatial_blocks, station_skill, truth_skill

SIZE, CELL, STATIONS, OFFSET_SD = 80, 10, 70, 0.05
LEARNED, JUDGED = range(9, 42, 2), range(45, 60)
GRID = Grid.from_origin("bed", west=127.0, north=37.0, resolution=0.01, width=SIZE, height=SIZE)
DAYS = [dt.date(2021, 4, 1) + dt.timedelta(days=n) for n in range(60)]
STAGES = ("coarse", "downscaled", "corrected")


@dataclass
class World:
    statics: xr.Dataset
    truth: xr.Dataset
    coarse: xr.Dataset
    fused: list[xr.Dataset]
    stations: pd.DataFrame
    nesting: Nesting


def field(rng, sigma, size=SIZE):
    values = gaussian_filter(rng.standard_normal((size, size)), sigma, mode="wrap")
    return (values - values.mean()) / values.std()


def dataset(layers):
    variables = {name: (("y", "x"), np.asarray(value, np.float32)) for name, value in layers.items()}
    return xr.Dataset(variables, {"y": GRID.y, "x": GRID.x}, {"grid_id": "bed", "crs": "EPSG:4326"})


def series(values, y, x):
    times = pd.DatetimeIndex([pd.Timestamp(day) for day in DAYS]).as_unit("ns")
    variables = {layer: (("time", "y", "x"), part.astype(np.float32)) for layer, part in zip(LAYERS, values,
                                                                                             strict=True)}
    return xr.Dataset(variables, {"time": times, "y": y, "x": x}, {"grid_id": "bed", "crs": "EPSG:4326"})


def wetness(rng):
    """Two buckets filled by regional rain with local showers, the second slower; standardised. (layers, days, y, x)"""
    surface, root = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    days = []
    for _ in DAYS:
        rain = (rng.uniform() < 0.25) * rng.gamma(1.0) * np.exp(0.8 * field(rng, 4))
        surface, root = 0.85 * surface + rain, 0.96 * root + 0.25 * rain
        days.append((surface, root))
    values = np.array(days).swapaxes(0, 1)
    return (values - values.mean(axis=(1, 2, 3), keepdims=True)) / values.std(axis=(1, 2, 3), keepdims=True)


def coarse_of(truth, clay, sand, nesting, rng):
    """Too wet by .03, by texture, swings damped to 75 %, and an error of sd .02 that lasts for days."""
    cells = nesting.shape[0]
    texture = 0.02 * (nesting.aggregate(clay) - 25) / 15 - 0.015 * (nesting.aggregate(sand) - 40) / 25
    result = []
    for layer in truth:
        means = np.stack([nesting.aggregate(day) for day in layer])
        error = field(rng, 2, cells)
        errors = []
        for _ in DAYS:
            error = 0.8 * error + 0.6 * field(rng, 2, cells)
            errors.append(0.02 * error)
        usual = means.mean(axis=0)
        result.append(usual + 0.75 * (means - usual) + 0.03 + texture + np.array(errors))
    return result


def observe(truth, land, rng):
    """Stations on land; each with a lasting offset of sd .05 per layer, a slow wander and noise."""
    rows = []
    for index, place in enumerate(rng.choice(np.flatnonzero(land), STATIONS, replace=False)):
        row, column = divmod(int(place), SIZE)
        offset, wander = rng.normal(0, OFFSET_SD, 2), 0.0
        for n, day in enumerate(DAYS):
            wander = 0.8 * wander + rng.normal(0, 0.012)
            values = truth[:, n, row, column] + offset + wander * np.array([1.0, 0.5]) + rng.normal(0, 0.005, 2)
            rows.append((f"s{index:02d}", GRID.x[column], GRID.y[row], day, *values))
    return pd.DataFrame(rows, columns=["station_id", "lon", "lat", "day", *LAYERS])


def world(seed):
    rng = np.random.default_rng(seed)
    elevation = np.clip(300 + 250 * field(rng, 10), 0, None)
    slope = np.hypot(*np.gradient(elevation)) / 10
    clay = np.clip(25 + 8 * field(rng, 7), 5, 60)
    sand = np.clip(40 - 0.8 * (clay - 25) + 8 * field(rng, 7), 5, 80)
    cover = np.where(elevation > 400, 5, np.where(field(rng, 4) > 1.3, 13, 12))
    land = np.ones((SIZE, SIZE))
    land[-13:, :13] = 0
    own = 0.003 * (clay - 25) - 0.0015 * (sand - 40) - 0.004 * (slope - slope.mean()) + 0.012 * field(rng, 2.5)
    wet = wetness(rng)
    truth = np.clip(np.stack([0.24 + own + 0.045 * wet[0], 0.27 + 1.1 * own + 0.03 * wet[1]]), 0.03, 0.55)
    plants = np.where(cover == 5, 0.7, np.where(cover == 12, 0.5, 0.25))
    fused = []
    for n in range(len(DAYS)):
        ndvi = np.clip(plants + 0.8 * (truth[1, n] - 0.27) + 0.02 * field(rng, 1.5), 0, 1)
        lst = 296 + 3 * np.sin(n / 5) - 0.0065 * elevation - 35 * (truth[0, n] - 0.24) * (1.1 - ndvi) - 6 * ndvi
        fused.append(dataset({"ndvi": ndvi, "lst_day": lst + 0.6 * field(rng, 2)}))
    axis = 0.1 * (np.arange(SIZE // CELL) + 0.5)
    lattice = xr.Dataset({"v": (("time", "y", "x"), np.zeros((1, 8, 8)))}, {"y": 37 - axis, "x": 127 + axis},
                         {"crs": "EPSG:4326"})
    nesting = Nesting.of(lattice, GRID)
    statics = dataset({"elevation": elevation, "slope": slope, "clay": clay, "sand": sand, "land_cover": cover,
                       "land": land})
    coarse = series(coarse_of(truth, clay, sand, nesting, rng), 37 - axis, 127 + axis)
    known = np.where(land == 1, truth, np.nan)
    return World(statics, series(known, GRID.y, GRID.x), coarse, fused, observe(truth, land, rng), nesting)


def stack(days, fields):
    return xr.concat(fields, dim=pd.DatetimeIndex([DAYS[n] for n in days], name="time"), combine_attrs="override")


def run(seed):
    """Skill of the three stages on days and at stations that no stage has learned from."""
    bed = world(seed)
    features = {n: build_features(bed.fused[n], bed.coarse.isel(time=slice(n - 9, n + 1)), bed.statics, DAYS[n], GRID)
                for n in (*LEARNED, *JUDGED)}
    downscaler = downscaling.train((TrainingDay(DAYS[n], features[n], bed.coarse) for n in LEARNED), GRID,
                                   DownscalingParams(seed=seed))
    fine = {n: downscale(features[n], bed.coarse, downscaler, GRID) for n in features}
    split = spatial_blocks(bed.stations.itertuples(), block_km=20, held_out_share=0.45, seed=seed, buffer_km=3)
    seen = bed.stations[bed.stations["station_id"].isin(split.training)]
    corrector = correction.train([CorrectionDay(DAYS[n], features[n], fine[n]) for n in LEARNED], seen, GRID,
                                 CorrectionParams(seed=seed, inner_block_km=20))
    corrected = [correct(fine[n], features[n], corrector) for n in JUDGED]
    stages = {"coarse": to_grid(bed.coarse.isel(time=list(JUDGED)), GRID, "nearest"),
              "downscaled": stack(JUDGED, [fine[n] for n in JUDGED]), "corrected": stack(JUDGED, corrected)}
    unseen = bed.stations[bed.stations["station_id"].isin(split.held_out)
                          & bed.stations["day"].isin([DAYS[n] for n in JUDGED])]
    points = {stage: at_stations(values, unseen, GRID) for stage, values in stages.items()}
    against_truth = truth_skill(stages, bed.truth.isel(time=list(JUDGED)), bed.nesting)
    return against_truth, station_skill(points, unseen), stages["corrected"], points["corrected"], unseen


@pytest.fixture(scope="module")
def runs():
    return [run(seed) for seed in (1, 2, 3)]


def average(tables, score, layer):
    return [np.mean([getattr(table.row(stage, layer), score).value for table in tables]) for stage in STAGES]


@pytest.mark.parametrize("layer", LAYERS)
def test_each_stage_is_nearer_to_the_truth(runs, layer):
    tables = [against_truth for against_truth, *_ in runs]
    r, rmse = average(tables, "pearson_r", layer), average(tables, "rmsd", layer)
    assert r[0] + 0.03 < r[1]
    assert r[2] > r[1] - 0.005  # the correction takes bias and damping away; it must not cost correlation
    assert rmse[2] < 0.85 * rmse[1]
    assert rmse[1] < rmse[0]
    bias = average(tables, "bias", layer)
    assert abs(bias[2]) < 0.5 * abs(bias[1])


@pytest.mark.parametrize("layer", LAYERS)
def test_downscaling_finds_the_pattern_within_cells(runs, layer):
    within = [against_truth.row("downscaled", layer).within_cell_r.value for against_truth, *_ in runs]
    assert min(within) > 0.5


@pytest.mark.parametrize("layer", LAYERS)
def test_correction_helps_at_stations_that_it_has_not_seen(runs, layer):
    tables = [at_station for _, at_station, *_ in runs]
    r, rmse, ubrmse = (average(tables, score, layer) for score in ("pearson_r", "rmsd", "ubrmsd"))
    assert r[2] > r[1] + 0.02
    assert rmse[2] < 0.95 * rmse[1]
    assert ubrmse[2] < ubrmse[1]


def test_downscaling_helps_at_stations(runs):
    tables = [at_station for _, at_station, *_ in runs]
    for score, sign in (("pearson_r", 1), ("rmsd", -1), ("ubrmsd", -1)):
        coarse, downscaled, _ = np.mean([average(tables, score, layer) for layer in LAYERS], axis=0)
        assert sign * downscaled > sign * coarse


def test_unseen_stations_are_not_matched_better_than_their_own_offset_allows(runs):
    # an error below the sensors' offsets at unseen places would mean that something has leaked
    tables = [at_station for _, at_station, *_ in runs]
    for layer in LAYERS:
        assert average(tables, "rmsd", layer)[2] > 0.8 * OFFSET_SD * np.sqrt(2 / np.pi)


@pytest.mark.parametrize(("name", "least", "most"), [("spread", 0.5, 0.85), ("halfwidth_90", 0.8, 0.98)])
def test_half_widths_cover_what_they_say_at_unseen_stations(runs, name, least, most):
    covered = []
    for *_, fields, points, unseen in runs:
        widths = fields[[f"{layer}_{name}" for layer in LAYERS]].rename({f"{layer}_{name}": layer for layer in LAYERS})
        expected = at_stations(widths, unseen, GRID)
        residual = np.abs(points[list(LAYERS)].to_numpy() - unseen[list(LAYERS)].to_numpy())
        covered.append((residual < expected[list(LAYERS)].to_numpy()).mean())
    # 30 stations a world whose offsets last for all days: the share of one world is uncertain by a tenth
    assert least < np.mean(covered) < most
