"""What decides the outcome of training, besides the data; the tuned part is read from a versioned file."""

from __future__ import annotations

from importlib import resources

from pydantic import Field

from sm_core.domain import Record
from sm_core.downscaling.conservation import VALID_RANGE
from sm_core.downscaling.trees import MOST_LEAVES

TUNED_FILE = "params-v1.json"


class TunedValues(Record):
    """Hyper-parameters that were searched for."""

    ridge: float
    learning_rate: float
    num_leaves: int
    min_data_in_leaf: int
    feature_fraction: float
    bagging_fraction: float
    lambda_l2: float


class Provenance(Record):
    """How tuned values came about; ``score`` is the mean of ``skill`` over layers and folds, see ``cross_validate``."""

    made_by: str
    archives: tuple[str, ...]
    days: int
    folds: int
    trials: int
    seed: int
    score_before: float
    score: float


class Tuned(Record):
    """A versioned file of tuned values."""

    version: int
    values: TunedValues
    provenance: Provenance | None


def tuned() -> Tuned:
    """The tuned values that come with the package."""
    text = resources.files("sm_core.downscaling").joinpath(TUNED_FILE).read_text(encoding="utf-8")
    return Tuned.model_validate_json(text)


_DEFAULT = tuned().values


class DownscalingParams(Record):
    """All that decides the outcome of training, besides the data.

    ``linear`` are the contrasts whose effect is taken as linear, so that it holds beyond the range of coarse means;
    the trees add what is not, and what changes with the season and with wetness. Texture is left to the linear part:
    coarse models are themselves functions of texture, and trees would learn theirs.
    """

    linear: tuple[str, ...] = (
        "ndvi_contrast", "lst_contrast", "elevation_contrast", "clay_contrast", "sand_contrast",
        "topographic_wetness_contrast",
    )
    trees: tuple[str, ...] = (
        "ndvi_contrast", "lst_contrast", "elevation_contrast", "topographic_wetness_contrast", "season_sin",
        "season_cos", "wetness_surface", "wetness_rootzone",
    )
    texture_share: float = 0.6
    """Of the effect of texture between coarse cells, what is believed within them: soil maps err by place, which
    evens out in a cell's mean but not at 1 km, and coarse models owe part of their texture effect to their own maps."""
    ridge: float = _DEFAULT.ridge
    """Prior against linear effects, in units of the variance of a predictor."""
    learning_rate: float = _DEFAULT.learning_rate
    num_leaves: int = Field(default=_DEFAULT.num_leaves, ge=2, le=MOST_LEAVES)
    min_data_in_leaf: int = _DEFAULT.min_data_in_leaf
    feature_fraction: float = _DEFAULT.feature_fraction
    bagging_fraction: float = _DEFAULT.bagging_fraction
    lambda_l2: float = _DEFAULT.lambda_l2
    max_rounds: int = 400
    patience: int = 30
    validation_share: float = 0.3
    """Of blocks and of stretches of days that are set apart to choose the number of rounds."""
    block_cells: int = 3
    block_days: int = 10
    min_land_share: float = 0.5
    min_samples: int = 200
    valid_range: tuple[float, float] = VALID_RANGE
    seed: int = 0
    num_threads: int = 1

    @property
    def features(self) -> tuple[str, ...]:
        """All features that are used, once each."""
        return tuple(dict.fromkeys((*self.linear, *self.trees)))
