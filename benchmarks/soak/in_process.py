"""The daemon without server and worker: one sweep for each line that comes in."""

from __future__ import annotations

import sys

from tasks.settings import export, load_settings


def main() -> None:
    """Answers each line with ``done`` and how many dates were made."""
    export(load_settings())
    from flows.sweep import sweep
    from tasks.sweep import SweepRequest

    for line in sys.stdin:
        record = sweep(SweepRequest(region_id=line.strip()))
        print(f"done {len(record.started)}", flush=True)


if __name__ == "__main__":
    main()
