"""``sm-daily fuse``: any GeoTIFFs in, one GeoTIFF out, and clear words when that cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from flows.fuse_command import request_and_target
from sm_core.errors import (
    ConfigError,
    GranuleCorruptError,
    GridMismatchError,
    NonFiniteError,
    NoUsablePairError,
    SmError,
    UnitsError,
)
from sm_core.fusion import FusionFlag
from tasks.fuse_files import FileFusion, fuse_files

PLACE = rasterio.Affine(1000.0, 0, 300_000.0, 0, -1000.0, 4_000_000.0)
Images = dict[str, NDArray[np.float32]]


def scene() -> Images:
    rng = np.random.default_rng(3)
    fine = rng.uniform(0.2, 0.8, (30, 40)).astype(np.float32)
    coarse = np.float32(0.5) * fine + np.float32(0.2)
    return {"f1": fine, "c1": coarse, "f2": fine + np.float32(0.2), "c2": coarse + np.float32(0.1),
            "c0": coarse + np.float32(0.05)}


def stored(folder: Path, images: Images, *, nodata: float | None = None, scale: float = 1.0,
           place: rasterio.Affine = PLACE) -> dict[str, Path]:
    paths = {name: folder / f"{name}.tif" for name in images}
    for name, values in images.items():
        planes = values if values.ndim == 3 else values[None]
        with rasterio.open(paths[name], "w", driver="GTiff", height=planes.shape[1], width=planes.shape[2],
                           count=len(planes), dtype=planes.dtype, crs="EPSG:32652", transform=place,
                           nodata=nodata) as dataset:
            dataset.write(planes)
            dataset.scales = (scale,) * len(planes)
    return paths


def two_pairs(paths: dict[str, Path], **settings: object) -> FileFusion:
    return FileFusion(pairs=((paths["f1"], paths["c1"]), (paths["f2"], paths["c2"])), coarse=paths["c0"],
                      half_window=4, **settings)  # type: ignore[arg-type]


def read(path: Path) -> tuple[NDArray[np.float32], tuple[str | None, ...]]:
    with rasterio.open(path) as dataset:
        assert dataset.transform == PLACE and dataset.crs == "EPSG:32652"
        return dataset.read(), dataset.descriptions


def test_two_pairs_are_interpolated(tmp_path: Path) -> None:
    images = scene()
    table = fuse_files(two_pairs(stored(tmp_path, images)), tmp_path / "deep" / "out.tif")
    (value, spread, flag), names = read(tmp_path / "deep" / "out.tif")
    assert names == ("value", "spread", "flag")
    np.testing.assert_allclose(value, images["f1"] + 0.1, atol=0.02)
    assert (spread > 0).all() and np.isin(flag, list(FusionFlag)).all()
    assert "two_pairs" in table


def test_one_pair_takes_the_coarse_change(tmp_path: Path) -> None:
    images = scene()
    paths = stored(tmp_path, images)
    request = FileFusion(pairs=((paths["f1"], paths["c1"]),), coarse=paths["c0"], half_window=4)
    fuse_files(request, tmp_path / "out.tif")
    (value, _, flag), _ = read(tmp_path / "out.tif")
    np.testing.assert_allclose(value, images["f1"] + 0.05, atol=1e-4)
    assert set(np.unique(flag)) <= {FusionFlag.ONE_PAIR, FusionFlag.FEW_SIMILAR}


def test_nodata_and_scale_of_integer_files_are_understood(tmp_path: Path) -> None:
    images = scene()
    integers = {name: np.round(values * 10_000).astype(np.int16) for name, values in images.items()}
    integers["f1"][3, 5] = -9999
    fuse_files(two_pairs(stored(tmp_path, integers, nodata=-9999, scale=1e-4)), tmp_path / "out.tif")
    (value, spread, flag), _ = read(tmp_path / "out.tif")
    assert np.isnan(value[3, 5]) and np.isnan(spread[3, 5]) and flag[3, 5] == FusionFlag.UNKNOWN
    assert np.count_nonzero(np.isnan(value)) == 1
    known = np.isfinite(value)
    np.testing.assert_allclose(value[known], (images["f1"] + 0.1)[known], atol=0.02)


def test_bands_are_fused_together(tmp_path: Path) -> None:
    images = {name: np.stack([values, values / 2]) for name, values in scene().items()}
    fuse_files(two_pairs(stored(tmp_path, images)), tmp_path / "out.tif")
    bands, names = read(tmp_path / "out.tif")
    assert names == ("value_1", "value_2", "spread_1", "spread_2", "flag_1", "flag_2")
    np.testing.assert_allclose(bands[1], bands[0] / 2, atol=0.02)


def broken(name: str, images: Images) -> Images:
    if name == "all cloud":
        images["f1"][:] = np.nan
    elif name == "infinite":
        images["c0"][2, 2] = np.inf
    elif name == "other unit":
        images["f1"], images["f2"] = images["f1"] * 10_000, images["f2"] * 10_000
    elif name == "other shape":
        images["c0"] = images["c0"][:-1]
    elif name == "all unknown":
        images = {key: np.full_like(values, np.nan) for key, values in images.items()}
    return images


@pytest.mark.parametrize(("name", "error", "says"), [
    ("all cloud", NoUsablePairError, "f1.tif=0"),
    ("all unknown", NoUsablePairError, "no image has a known value"),
    ("infinite", NonFiniteError, "image=coarse"),
    ("other unit", UnitsError, "typical_fine"),
    ("other shape", GridMismatchError, "differ in shape"),
])
def test_what_cannot_be_fused_is_refused(tmp_path: Path, name: str, error: type[SmError], says: str) -> None:
    paths = stored(tmp_path, broken(name, scene()))
    with pytest.raises(error, match=says):
        fuse_files(two_pairs(paths), tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_images_of_other_places_are_refused(tmp_path: Path) -> None:
    paths = stored(tmp_path, scene())
    moved = tmp_path / "moved"
    moved.mkdir()
    elsewhere = stored(moved, {"c0": scene()["c0"]}, place=PLACE @ rasterio.Affine.translation(1, 0))
    with pytest.raises(GridMismatchError, match="different grids"):
        fuse_files(two_pairs(paths | elsewhere), tmp_path / "out.tif")


def test_no_raster_and_wrong_settings_are_refused(tmp_path: Path) -> None:
    paths = stored(tmp_path, scene())
    paths["c0"].write_text("<html>")
    with pytest.raises(GranuleCorruptError, match=r"c0\.tif"):
        fuse_files(two_pairs(paths), tmp_path / "out.tif")
    paths = stored(tmp_path, scene())
    for settings in ({"half_window": 0}, {"half_window": 500}, {"classes": 0}, {"valid_range": (1.0, 0.0)}):
        with pytest.raises(ConfigError):
            fuse_files(two_pairs(paths).model_copy(update=settings), tmp_path / "out.tif")
    with pytest.raises(ConfigError, match="one pair, or two"):
        fuse_files(two_pairs(paths).model_copy(update={"pairs": ()}), tmp_path / "out.tif")


def test_window_larger_than_the_image_one_valid_pixel_and_no_change_are_fused(tmp_path: Path) -> None:
    images = scene()
    images["c2"] = images["c0"] = images["c1"]
    images["f2"] = images["f1"]
    fuse_files(two_pairs(stored(tmp_path, images)).model_copy(update={"half_window": 90}), tmp_path / "out.tif")
    (value, _, _), _ = read(tmp_path / "out.tif")
    np.testing.assert_allclose(value, images["f1"], atol=1e-5)
    images = scene()
    images["f1"][:] = np.nan
    images["f1"][7, 7] = 0.5
    fuse_files(two_pairs(stored(tmp_path, images)), tmp_path / "out.tif")
    (value, _, flag), _ = read(tmp_path / "out.tif")
    assert np.argwhere(np.isfinite(value)).tolist() == [[7, 7]] and flag[7, 7] == FusionFlag.FEW_SIMILAR


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request, target = request_and_target(
        ["--pair", "a.tif", "b.tif", "--pair", "c.tif", "d.tif", "--coarse", "e.tif", "--out", "o.tif",
         "--half-window", "7", "--classes", "5", "--valid-range", "-1", "2"]
    )
    assert request.pairs == ((Path("a.tif"), Path("b.tif")), (Path("c.tif"), Path("d.tif"))) and target == Path("o.tif")
    assert (request.half_window, request.classes, request.valid_range) == (7, 5, (-1.0, 2.0))
    with pytest.raises(SystemExit, match="2"):
        request_and_target(["--pair", "a.tif", "--coarse", "e.tif", "--out", "o.tif"])
    assert "expected 2 arguments" in capsys.readouterr().err
    run = subprocess.run([sys.executable, "-c", "from flows.cli import main; main()", "fuse", "--pair", "a.tif",
                          "b.tif", "--coarse", "c.tif", "--out", str(tmp_path / "o.tif")],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "SM205" in run.stderr and "Traceback" not in run.stderr
