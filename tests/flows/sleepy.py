"""A flow that is at work for long, and says when it begins."""

import time
from pathlib import Path

from prefect import flow


@flow(name="sleepy", log_prints=False)
def sleepy(begun: str) -> None:
    """Write the file, then sleep."""
    Path(begun).touch()
    time.sleep(600)
