"""What stands in for a source that is late or has ended: mapped soil moisture, extended surface state."""

from sm_core.substitutes.extension import Extension, expected
from sm_core.substitutes.lattice import CoarseLattice, daily_mean
from sm_core.substitutes.mapping import CdfMapping
from sm_core.substitutes.normals import CoarseImage, FineImage, Normals, StateNormals, fit_state
from sm_core.substitutes.skill import Skill, mapping_skill, state_skill

__all__ = [
    "CdfMapping", "CoarseImage", "CoarseLattice", "Extension", "FineImage", "Normals", "Skill", "StateNormals",
    "daily_mean", "expected", "fit_state", "mapping_skill", "state_skill",
]
