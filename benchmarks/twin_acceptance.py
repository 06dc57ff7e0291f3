"""Is the simulated world credible? Its magnitudes beside those of the real one, for docs/simulated-world.md.

    python benchmarks/twin_acceptance.py data/skill/seed11/archive data/skill/seed12/archive data/skill/seed13/archive
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sm_core.twin.acceptance import Acceptance, measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+")
    archives = parser.parse_args().archives
    columns = [measure(archive) for archive in archives]
    print(f"| magnitude | should lie in | {' | '.join(archive.parent.name for archive in archives)} |")
    print("|---|---|" + "---|" * len(columns))
    for row in zip(*columns, strict=True):
        print(f"| {row[0].name} | {row[0].low:g} to {row[0].high:g} | {' | '.join(map(cell, row))} |")


def cell(entry: Acceptance) -> str:
    return f"{entry.value:.3g}" if entry.ok else f"**{entry.value:.3g}**"


if __name__ == "__main__":
    main()
