"""The options of ``sm-daily fuse``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tasks.fuse_files import FileFusion


def request_and_target(arguments: Sequence[str]) -> tuple[FileFusion, Path]:
    """What the command line asks for; a wrong one ends the process with status 2 and says why."""
    given = _parser().parse_args(arguments)
    pairs = tuple((fine, coarse) for fine, coarse in given.pair)
    request = FileFusion(
        pairs=pairs, coarse=given.coarse, half_window=given.half_window, classes=given.classes,
        valid_range=tuple(given.valid_range) if given.valid_range else None, coarse_cell=given.coarse_cell,
    )
    return request, given.out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "sm-daily fuse", description="Fuse any fine and coarse images by ESTARFM: two pairs around the day, or one for "
        "a day without a later image. All files lie on one grid; bands are fused together (a pixel is similar where "
        "it is so in all of them). Unknown is NaN or the file's nodata.",
    )
    parser.add_argument("--pair", nargs=2, type=Path, action="append", required=True, metavar=("FINE", "COARSE"),
                        help="base pair of GeoTIFFs; once or twice")
    parser.add_argument("--coarse", type=Path, required=True, help="coarse GeoTIFF of the day to predict")
    parser.add_argument("--out", type=Path, required=True, help="GeoTIFF to write: value, spread, flag")
    parser.add_argument("--half-window", type=int, default=25, help="pixels from the target to the window's edge [25]")
    parser.add_argument("--classes", type=int, default=4, help="land-cover classes that set the similarity [4]")
    parser.add_argument("--valid-range", nargs=2, type=float, metavar=("MIN", "MAX"),
                        help="possible values [those of the images and a tenth of their range more]")
    parser.add_argument("--coarse-cell", type=int, default=0,
                        help="width of a coarse cell in pixels: give back what its change holds beyond that of the "
                        "similar pixels [0: ESTARFM as published]")
    return parser
