"""What the ismn package reads from the real archives, kept in ismn_expected.json.

Run: pip install ismn==1.5.4; SM_REAL_DATA=... python benchmarks/make_ismn_expected.py
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

from ismn.interface import ISMN_Interface

ARCHIVES = (
    "ismn/ceop/Data_seperate_files_20170810_20180809.zip",
    "ismn/header/Data_seperate_files_header_20170810_20180809.zip",
    "ismn/header/Data_SMOSMANIA.zip", "ismn/multinetwork_header_values/Data_header_values.zip",
    "qa4sm_hawaii/ISMN/ISMN_TESTDATA_HAWAII.zip",
)


def main() -> None:
    root = Path(os.environ["SM_REAL_DATA"])
    expected = {}
    for archive in ARCHIVES:
        with tempfile.TemporaryDirectory() as folder:
            sensors = ISMN_Interface(root / archive, meta_path=folder).collection.iter_sensors(variable="soil_moisture")
            expected[archive] = {one.filehandler.file_path.name: summary(one.read_data()) for _, _, one in sensors}
    path = Path(__file__).resolve().parents[1] / "tests" / "real" / "ismn_expected.json"
    path.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def summary(table) -> dict[str, object]:
    value = table["soil_moisture"].dropna()
    return {
        "rows": len(table), "first": str(table.index[0]), "last": str(table.index[-1]),
        "sum": round(float(value.sum()), 4), "flags": dict(sorted(Counter(table["soil_moisture_flag"]).items())),
    }


if __name__ == "__main__":
    main()
