"""Rows per second of our ISMN import and of the ismn package, on the same archives in the same run.

The package is not a dependency of this project: pip install ismn==1.5.4
Run: python benchmarks/ismn_import.py ARCHIVE.zip [...] [--repeat 3]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from sm_core.sources import import_ismn


def ours(archive: Path) -> int:
    return sum(len(one.series.values) for one in import_ismn(archive))


def package(archive: Path) -> int:
    """Metadata collection, without which the package cannot read, and all soil-moisture sensors."""
    from ismn.interface import ISMN_Interface

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), \
            contextlib.redirect_stderr(io.StringIO()):
        sensors = ISMN_Interface(archive, meta_path=folder).collection.iter_sensors(variable="soil_moisture")
        return sum(len(sensor.read_data()) for _, _, sensor in sensors)


def package_again(archive: Path, folder: Path) -> int:
    """With the metadata of an earlier run."""
    from ismn.interface import ISMN_Interface

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        sensors = ISMN_Interface(archive, meta_path=folder).collection.iter_sensors(variable="soil_moisture")
        return sum(len(sensor.read_data()) for _, _, sensor in sensors)


def best(run: Callable[[], int], repeat: int) -> tuple[int, float]:
    times, rows = [], 0
    for _ in range(repeat):
        begun = time.perf_counter()
        rows = run()
        times.append(time.perf_counter() - begun)
    return rows, min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    print("| archive | rows | ours, rows/s | again, nothing new, s | ismn, rows/s | ismn with metadata kept, rows/s |")
    print("|---|---|---|---|---|---|")
    for archive in options.archives:
        rows, seconds = best(lambda path=archive: ours(path), options.repeat)
        seen = {one.fingerprint for one in import_ismn(archive)}
        _, again = best(lambda path=archive, known=seen: len(list(import_ismn(path, seen=known))), options.repeat)
        their_rows, theirs = best(lambda path=archive: package(path), options.repeat)
        with tempfile.TemporaryDirectory() as folder:
            package_again(archive, Path(folder))
            _, kept = best(lambda path=archive, meta=Path(folder): package_again(path, meta), options.repeat)
        assert rows == their_rows, (rows, their_rows)
        print(f"| {archive.name} | {rows} | {rows / seconds:,.0f} | {again:.4f} | {rows / theirs:,.0f} | "
              f"{rows / kept:,.0f} |")


if __name__ == "__main__":
    main()
