"""Settings of the fusion of one variable, and the two sets that the daily product uses."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from sm_core.domain import Record

MAX_HALF_WINDOW = 100


class EstarfmParams(Record):
    """Settings of the fusion of one variable.

    Attributes
    ----------
    half_window
        Pixels from the target to the window's edge; the window is (2 · half_window + 1)² pixels.
    classes
        Number of land-cover classes that sets the similarity threshold [1].
    uncertainty
        Standard error of a fine input value [unit of the variable]; the spread is never below it.
    valid_range
        Smallest and largest possible value [unit].
    min_coarse_change
        Mean coarse change between the base dates from which the conversion coefficient is fitted [unit].
    min_similar
        Number of similar pixels from which they are used.
    significance
        Level of the F test of the conversion coefficient [1].
    max_coefficient
        Largest conversion coefficient taken for real [1].
    evenness
        How much the weights of the two dates are drawn together [1] (Eq. 6); 0 is ESTARFM as published.
    coarse_cell
        Width of a coarse cell in fine pixels. The part of each cell's change that the similar pixels do not carry is
        then given back, as far as coarse and fine agree locally (Eqs. 11-12); 0 is ESTARFM as published.
    registration
        Share of the standard deviation between neighbouring pixels that imperfect placing of the pixels adds to the
        spread of a day [1] (Eq. 15).
    trend
        How many times the variance of the predictions counts where all base images lie on one side of the day [1]
        (Eq. 15): vegetation goes on in one direction for weeks, temperature does not.
    """

    half_window: int = Field(25, ge=1, le=MAX_HALF_WINDOW)
    classes: int = Field(4, ge=1)
    uncertainty: float = Field(ge=0)
    valid_range: tuple[float, float]
    min_coarse_change: float = Field(ge=0)
    min_similar: int = Field(6, ge=2)
    significance: float = Field(0.05, gt=0, lt=1)
    max_coefficient: float = Field(5.0, gt=0)
    evenness: float = Field(0.0, ge=0)
    coarse_cell: int = Field(0, ge=0)
    registration: float = Field(0.0, ge=0)
    trend: float = Field(1.0, ge=1)

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if not self.valid_range[0] < self.valid_range[1]:
            raise ValueError(f"valid_range {self.valid_range} is empty")
        return self


NDVI_PARAMS = EstarfmParams(
    uncertainty=0.02, valid_range=(-0.2, 1.0), min_coarse_change=0.02, evenness=0.5, coarse_cell=5, registration=0.93,
    trend=3.0,
)
"""NDVI [1] at 1 km from a coarse product of 0.05°."""
LST_PARAMS = EstarfmParams(
    uncertainty=0.63, valid_range=(200.0, 350.0), min_coarse_change=3.0, evenness=0.5, coarse_cell=5, registration=0.77,
)
"""Land surface temperature [K] at 1 km from a coarse product of 0.05°."""
