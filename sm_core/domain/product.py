from __future__ import annotations

import datetime as dt
from typing import Literal

from sm_core.domain.inputs import FileRef, Maturity
from sm_core.domain.model import ModelVersion
from sm_core.domain.record import Record
from sm_core.domain.source import Granule, Variable


class Encoding(Record):
    """How a variable is stored: ``stored = (value - offset) / scale``, ``nodata`` where unknown."""

    dtype: Literal["uint8", "uint16", "float32"]
    scale: float = 1.0
    offset: float = 0.0
    nodata: float
    overviews: Literal["average", "mode", "nearest"] = "average"


class ProductVariable(Record):
    """One file of the product: a variable with its encoding; classes and bits are named."""

    variable: Variable
    encoding: Encoding
    flag_values: tuple[tuple[int, str, str], ...] = ()
    """(value, meaning, colour as #RRGGBB) of a class layer."""
    flag_bits: tuple[tuple[int, str], ...] = ()
    """(bit, meaning) of a bit layer."""
    depth: tuple[float, float] | None = None
    """Top and bottom of the soil that it is about [m]."""


class Check(Record):
    """One condition that a field must meet before it is published."""

    name: str
    kind: Literal["range", "valid_fraction", "conservation", "change_from_yesterday", "seams", "mean"]
    severity: Literal["withhold", "warn"]
    variable: str
    limits: tuple[float, float]
    evidence: str
    """The observed value that justifies the limits."""


class CheckResult(Record):
    """What a check found; a check that measured nothing has not passed."""

    check: str
    severity: Literal["withhold", "warn"]
    passed: bool
    measured: int
    value: float | None
    message: str


class GateResult(Record):
    """What all checks of a product found on one day."""

    results: tuple[CheckResult, ...]
    not_applicable: tuple[str, ...] = ()
    """Checks that had nothing to compare with, such as the change from a yesterday that was never published."""

    @property
    def passed(self) -> bool:
        """True when checks were made and none that withholds has failed."""
        return bool(self.results) and all(r.passed for r in self.results if r.severity == "withhold")


class Product(Record):
    """What is published each day: declared here, reviewed as a diff."""

    product_id: str
    title: str
    algorithm_version: str
    variables: tuple[ProductVariable, ...]
    checks: tuple[Check, ...]
    licence: str
    citation: str


class ProductItem(Record):
    """One dated publication. Same product, inputs and models give the same ``item_id``."""

    item_id: str
    product_id: str
    algorithm_version: str
    region_id: str
    day: dt.date
    revision: int
    maturity: Maturity
    created: dt.datetime
    assets: tuple[FileRef, ...]
    inputs: tuple[Granule, ...]
    fingerprint: str
    models: tuple[ModelVersion, ...]
    gate: GateResult
    supersedes: str | None = None
    directory: str
