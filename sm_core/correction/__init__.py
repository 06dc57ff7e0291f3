"""From the downscaled field to what stations see: a mixed model on a pre-trained network learns the difference."""

from sm_core.correction.apply import CORRECTION_FLAGS, correct
from sm_core.correction.model import CorrectionParams, Corrector, CorrectorConfig
from sm_core.correction.samples import CorrectionDay
from sm_core.correction.training import train

__all__ = [
    "CORRECTION_FLAGS", "CorrectionDay", "CorrectionParams", "Corrector", "CorrectorConfig", "correct", "train",
]
