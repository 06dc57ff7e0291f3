from __future__ import annotations

import datetime as dt
from typing import Literal

from sm_core.domain.record import Record

ModelKind = Literal["downscaler", "corrector", "climatology", "mapping", "normals", "provisional_climatology"]


class ModelVersion(Record):
    """An immutable version of a registered model and what it was trained with."""

    name: str
    kind: ModelKind
    version: int
    sha256: str
    uri: str
    trained_until: dt.date
    training_stations: tuple[str, ...] = ()
    held_out_stations: tuple[str, ...] = ()
