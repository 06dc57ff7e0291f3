"""Numbers of the simulated world, each with its unit and where it comes from."""

from __future__ import annotations

from sm_core.domain import Record


class Physics(Record):
    """Constants of the simulated land surface and its water balance.

    *Published* numbers can be looked up in the named source; *typical* ones are usual magnitudes of the region's
    climate and soils; *chosen* ones were tuned until :mod:`sm_core.twin.acceptance` held.
    """

    surface_depth_mm: float = 100.0
    """Upper bucket, 0-10 cm, by the definition of ``sm_surface``."""
    deep_depth_mm: float = 900.0
    """Lower bucket, 10-100 cm; ``sm_rootzone`` is the depth-weighted mean of both."""
    organic_matter_pct: float = 2.5
    """Organic matter [% weight] in the pedotransfer functions. Published: default of Saxton & Rawls (2006)."""
    lapse_k_per_m: float = 0.0065
    """Fall of air temperature with height. Published: mean environmental lapse rate, ICAO standard atmosphere."""
    melt_mm_per_k_day: float = 4.0
    """Degree-day factor of snow melt. Typical: 2-6 mm K-1 d-1."""
    frost_memory_days: float = 8.0
    """E-folding time of 0-10 cm soil temperature behind air temperature. Chosen."""
    ground_warmth_k: float = 0.4
    """Mean soil minus mean air temperature. Typical."""
    interception_mm: float = 1.5
    """Rain that a closed canopy holds per day. Typical: 1-2 mm."""
    conductivity_share: float = 0.6
    """Share of the pedotransfer conductivity that both buckets drain with. Chosen."""
    bypass_share: float = 0.6
    """Share of what the upper bucket cannot hold that reaches the lower one; the rest runs off. Chosen."""
    preferential_share: float = 0.28
    """Share of the water that passes the upper bucket through macropores. Chosen."""
    exchange_mm_per_day: float = 0.5
    """Capillary exchange per unit difference of relative saturation. Chosen."""
    bare_evaporation: float = 1.05
    """Evaporation of wet bare soil relative to reference evaporation. Typical: 1.0-1.2 (FAO-56)."""
    crop_coefficient: float = 0.9
    """Transpiration of a closed, unstressed canopy relative to reference evaporation. Typical: 0.8-1.1 (FAO-56)."""
    surface_root_share: float = 0.4
    """Share of transpiration that comes from 0-10 cm. Typical: 0.2-0.5."""
    vigour_memory_days: float = 25.0
    """E-folding time of NDVI's response to root-zone moisture. Typical: 20-30 days."""


PHYSICS = Physics()
