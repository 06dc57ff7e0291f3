"""MODIS granules: MxD11A1 (daily 1-km LST) and MxD13A2 (16-day 1-km vegetation indices), collection 6.1.

Structure, names, attributes and their order are those of real files. Two traps are kept: vegetation indices carry
``scale_factor`` 10000 and mean division by it, and the production stamp in their file name is US Eastern time while
PRODUCTIONDATETIME in their metadata is UTC. What the caller does not give (angles, emissivities, reflectances) is
constant, where there is data. ArchiveMetadata names the processing environment ``simulated``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sm_core.twin.writers import hdf4
from sm_core.twin.writers.ecs import EcsGranule
from sm_core.twin.writers.encode import Floats, Integers, quantise, require_shape
from sm_core.twin.writers.hdfeos4 import EosGrid, write_grid
from sm_core.twin.writers.tiles import TILE_SHAPE, VI_CELL_M, day_of_year

Platform = Literal["MOD", "MYD"]
LST_GRID = "MODIS_Grid_Daily_1km_LST"
VI_GRID = "MODIS_Grid_16DAY_1km_VI"
VI_PERIOD_DAYS = 16
US_EASTERN_STANDARD_TIME = dt.timedelta(hours=-5)
QC_GOOD, QC_OTHER, QC_CLOUD = 0, 1, 2
_LST_PROJECTION = (
    "Projection=GCTP_SNSOID", "ProjParams=(6371007.181000,0,0,0,0,0,0,0,86400,0,0,0,0)", "SphereCode=-1",
    "GridOrigin=HDFE_GD_UL",
)
_VI_PROJECTION = ("Projection=GCTP_SNSOID", "ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)", "SphereCode=-1")


@dataclass(frozen=True, slots=True)
class _Lst:
    """One data set of MxD11A1; ``rule`` is the attribute that says how to decode it."""

    name: str
    dtype: str
    long_name: str
    units: str | None
    valid: tuple[int, int]
    fill: int | None = None
    rule: tuple[str, str] | None = None
    scale: float | None = None
    offset: float | None = None

    @property
    def attributes(self) -> list[hdf4.Attribute]:
        number_type = np.dtype(self.dtype).name
        attributes: list[hdf4.Attribute] = [("long_name", self.long_name)]
        attributes += [("units", self.units)] if self.units else []
        attributes += [("Number Type", number_type), ("valid_range", np.array(self.valid, self.dtype))]
        attributes += [("_FillValue", np.array([self.fill], self.dtype))] if self.fill is not None else []
        if self.rule is None:
            return attributes
        attributes += [self.rule, ("scale_factor", np.array([self.scale]))]
        attributes += [("add_offset", np.array([self.offset]))] if self.offset is not None else []
        return [*attributes, ("scale_factor_err", _ZERO), ("add_offset_err", _ZERO), ("calibrated_nt", _INT32)]


@dataclass(frozen=True, slots=True)
class _Vi:
    """One data set of MxD13A2; ``constant`` is stored where there is NDVI if the caller gives no values."""

    name: str
    dtype: str
    units: str
    valid: tuple[int, int]
    fill: int
    scale: float | None = None
    constant: int | None = None
    legend: str | None = None

    @property
    def title(self) -> str:
        return f"1 km 16 days {self.name}"

    @property
    def attributes(self) -> list[hdf4.Attribute]:
        attributes: list[hdf4.Attribute] = [
            ("long_name", self.title), ("units", self.units), ("valid_range", np.array(self.valid, self.dtype)),
            ("_FillValue", np.array([self.fill], self.dtype)),
        ]
        attributes += [("Legend", self.legend)] if self.legend else []
        if self.scale is None:
            return attributes
        return [
            *attributes, ("scale_factor", np.array([self.scale])), ("scale_factor_err", _ZERO), ("add_offset", _ZERO),
            ("add_offset_err", _ZERO), ("calibrated_nt", _INT32),
        ]


_ZERO = np.array([0.0])
_INT32 = np.array([5], np.int32)
_LST_RULE = ("LST", "LST data * scale_factor")
_TIME_RULE = ("View_time", "View_time data * scale_factor")
_ANGLE_RULE = ("View_angle", "View_angle data * scale_factor + add_offset")
_LST_FIELDS = (
    _Lst("LST_Day_1km", "u2", "Daily daytime 1km grid Land-surface Temperature", "K", (7500, 65535), 0,
         _LST_RULE, 0.02),
    _Lst("QC_Day", "u1", "Quality control for daytime LST and emissivity", None, (0, 255)),
    _Lst("Day_view_time", "u1", "Time of daytime Land-surface Temperature observation", "hrs", (0, 240), 255,
         _TIME_RULE, 0.1),
    _Lst("Day_view_angl", "u1", "View zenith angle of daytime Land-surface Temperature", "deg", (0, 130), 255,
         _ANGLE_RULE, 1.0, -65.0),
    _Lst("LST_Night_1km", "u2", "Daily nighttime 1km grid Land-surface Temperature", "K", (7500, 65535), 0,
         _LST_RULE, 0.02),
    _Lst("QC_Night", "u1", "Quality control for nighttime LST and emissivity", None, (0, 255)),
    _Lst("Night_view_time", "u1", "Time of nighttime Land-surface Temperature observation", "hrs", (0, 240), 255,
         _TIME_RULE, 0.1),
    _Lst("Night_view_angl", "u1", "View zenith angle of nighttime Land-surface Temperature", "deg", (0, 130), 255,
         _ANGLE_RULE, 1.0, -65.0),
    _Lst("Emis_31", "u1", "Band 31 emissivity", None, (1, 255), 0,
         ("Emis_31", "Emis_31 data * scale_factor + add_offset"), 0.002, 0.49),
    _Lst("Emis_32", "u1", "Band 32 emissivity", None, (1, 255), 0,
         ("Emis_32", "Emis_32 data * scale_factor + add_offset"), 0.002, 0.49),
    _Lst("Clear_day_cov", "u2", "day clear-sky coverage", None, (1, 65535), 0,
         ("day clear_sky_cov", "day_clear_sky_cov data * scale_factor"), 0.0005),
    _Lst("Clear_night_cov", "u2", "night clear-sky coverage", None, (1, 65535), 0,
         ("night clear_sky_cov", "nit_clear_sky_cov data * scale_factor"), 0.0005),
)
_NADIR, _FULL_COVER = 65, 2000
_EMISSIVITY = {"Emis_31": np.array([243], np.uint8), "Emis_32": np.array([246], np.uint8)}

_QUALITY_LEGEND = (
    "\n\t Bit Fields Description (Right to Left): "
    "\n\t[0-1] : MODLAND_QA [2 bit range] \n\t\t 00: VI produced, good quality "
    "\n\t\t 01: VI produced, but check other QA \n\t\t 10: Pixel produced, but most probably cloudy "
    "\n\t\t 11: Pixel not produced due to other reasons than clouds \n\t[2-5] : VI usefulness [4 bit range] "
    "\n\t[6-7] : Aerosol quantity [2 bit range] \n\t[8] : Adjacent cloud detected; [1 bit range] "
    "\n\t[9] : Atmosphere BRDF correction performed [1 bit range] \n\t[10] : Mixed clouds  [1 bit range] "
    "\n\t[11-13] : Land/Water Flag [3 bit range] \n\t[14] : Possible snow/ice [1 bit range] "
    "\n\t[15] : Possible shadow [1 bit range] \n"
)
_RANK_LEGEND = (
    "\n\t Rank Keys: \n\t[-1] : Fill/No Data-Not Processed. \n\t [0] : Good data      - Use with confidence "
    "\n\t [1] : Marginal data  - Useful, but look at other QA information "
    "\n\t [2] : Snow/Ice       - Target covered with snow/ice "
    "\n\t [3] : Cloudy         - Target not visible, covered with cloud \n"
)
_MIR_LEGEND = (
    "\n\t The MIR band saved in the VI product is MODIS band 7 \n\t\t Bandwidth : 2105-2155 nm "
    "\n\t\t Band center: 2130 nm \n"
)
_VI_FIELDS = (
    _Vi("NDVI", "i2", "NDVI", (-2000, 10000), -3000, 10000.0),
    _Vi("EVI", "i2", "EVI", (-2000, 10000), -3000, 10000.0),
    _Vi("VI Quality", "u2", "bit field", (0, 65534), 65535, legend=_QUALITY_LEGEND),
    _Vi("red reflectance", "i2", "reflectance", (0, 10000), -1000, 10000.0, 600),
    _Vi("NIR reflectance", "i2", "reflectance", (0, 10000), -1000, 10000.0, 2800),
    _Vi("blue reflectance", "i2", "reflectance", (0, 10000), -1000, 10000.0, 300),
    _Vi("MIR reflectance", "i2", "reflectance", (0, 10000), -1000, 10000.0, 1200, _MIR_LEGEND),
    _Vi("view zenith angle", "i2", "degrees", (0, 18000), -10000, 100.0, 1500),
    _Vi("sun zenith angle", "i2", "degrees", (0, 18000), -10000, 100.0, 3500),
    _Vi("relative azimuth angle", "i2", "degrees", (-18000, 18000), -4000, 100.0, 6000),
    _Vi("composite day of the year", "i2", "Julian day of the year ", (1, 366), -1),
    _Vi("pixel reliability", "i1", "rank", (0, 3), -1, legend=_RANK_LEGEND),
)
_LAND, _LOW_AEROSOL, _SNOW = 1 << 11, 1 << 6, 1 << 14
_QUALITY_OF_RANK = {0: 0b0000_00, 1: 0b0010_01, 2: 0b0010_01 | _SNOW, 3: 0b0100_10}


def write_mxd11a1(
    directory: Path, *, platform: Platform, tile: str, day: dt.date, produced: dt.datetime,
    lst_day: Floats, lst_night: Floats, view_time_day: Floats, view_time_night: Floats,
    error_day: Integers, error_night: Integers,
) -> Path:
    """Write one tile and UTC data day of MOD11A1 or MYD11A1.

    Parameters
    ----------
    directory
        Where to.
    platform
        ``MOD`` (Terra) or ``MYD`` (Aqua).
    tile
        Such as ``h28v05``.
    day, produced
        Data day and moment of production (UTC); both stand in the file name.
    lst_day, lst_night
        Land-surface temperature [K], NaN = not produced because of cloud. (1200, 1200)
    view_time_day, view_time_night
        Local solar time of observation [h], used where there is LST; NaN = unknown. (1200, 1200)
    error_day, error_night
        Class of LST error: 0 up to 1 K, 1 up to 2 K, 2 up to 3 K, 3 more. (1200, 1200)

    Raises
    ------
    GridMismatchError   SM302, not 1200 × 1200 cells.
    UnitsError          SM303, temperatures below 150 K or times outside 0-24 h.
    """
    require_shape(
        TILE_SHAPE, lst_day=lst_day, lst_night=lst_night, view_time_day=view_time_day,
        view_time_night=view_time_night, error_day=error_day, error_night=error_night,
    )
    rows = _rows_with_data(lst_day, lst_night)
    counts = {
        **_lst_pass("Day", lst_day[rows], view_time_day[rows], error_day[rows]),
        **_lst_pass("Night", lst_night[rows], view_time_night[rows], error_night[rows]),
    }
    fields = [
        hdf4.Field.constant(layout.name, _EMISSIVITY[layout.name], layout.attributes, TILE_SHAPE)
        if layout.name in _EMISSIVITY else
        hdf4.Field.window(
            layout.name, counts[layout.name], layout.attributes, shape=TILE_SHAPE, row=rows.start, column=0,
            fill=QC_CLOUD if layout.fill is None else layout.fill, noisy=layout.rule == _LST_RULE)
        for layout in _LST_FIELDS
    ]
    granule = EcsGranule(f"{platform}11A1", tile, day, day, produced)
    core = granule.core_metadata(
        day_night="Both", parameters=["MOD 1KM L3 LST"], produced=produced, inputs=_lst_inputs(granule),
        shares=_lst_shares(counts["QC_Day"], counts["QC_Night"]),
    )
    archive = granule.archive_metadata(
        algorithm="MOD_PR11A", title="Land Surface Temperature/Emissivity Daily L3 Global 1km SIN Grid"
    )
    attributes = [("CoreMetadata.0", core), ("ArchiveMetadata.0", archive), *granule.identifiers]
    return write_grid(Path(directory) / granule.name, EosGrid.tile(LST_GRID, tile, _LST_PROJECTION), fields, attributes)


def write_mxd13a2(
    directory: Path, *, platform: Platform, tile: str, start: dt.date, produced: dt.datetime,
    ndvi: Floats, composite_doy: Integers, reliability: Integers,
) -> Path:
    """Write one tile and 16-day period of MOD13A2 or MYD13A2.

    Parameters
    ----------
    directory
        Where to.
    platform
        ``MOD`` (Terra, periods from day 1, 17, ...) or ``MYD`` (Aqua, from day 9, 25, ...).
    tile
        Such as ``h28v05``.
    start, produced
        First day of the period and production stamp (US Eastern standard time); both stand in the file name.
    ndvi
        NDVI [1], NaN = none. (1200, 1200)
    composite_doy
        Day of the year of each cell's observation, -1 = none. (1200, 1200)
    reliability
        -1 none, 0 good, 1 marginal, 2 snow or ice, 3 cloudy. (1200, 1200)

    Raises
    ------
    GridMismatchError   SM302, not 1200 × 1200 cells.
    UnitsError          SM303, NDVI outside -0.2 to 1.
    """
    require_shape(TILE_SHAPE, ndvi=ndvi, composite_doy=composite_doy, reliability=reliability)
    counts = quantise(ndvi, name="ndvi", scale=1e-4, fill=-3000, valid=(-2000, 10000), dtype="int16")
    known = counts != -3000
    given = {
        "NDVI": counts, "EVI": np.where(known, counts // 2, np.int16(-3000)), "VI Quality": _vi_quality(reliability),
        "composite day of the year": composite_doy.astype(np.int16), "pixel reliability": reliability.astype(np.int8),
    }
    fields = [
        hdf4.Field.of(
            layout.title, given[layout.name] if layout.constant is None else _constant_where(known, layout),
            layout.attributes, level=5)
        for layout in _VI_FIELDS
    ]
    granule = EcsGranule(f"{platform}13A2", tile, start, start + dt.timedelta(days=VI_PERIOD_DAYS - 1), produced)
    core = granule.core_metadata(
        day_night="Day", parameters=[field.name for field in fields], produced=produced - US_EASTERN_STANDARD_TIME,
        inputs=_vi_inputs(granule), shares=_vi_shares(reliability),
    )
    archive = granule.archive_metadata(
        algorithm="MOD_PR13A1", title="Vegetation Indices 16-Day L3 Global 1km SIN Grid"
    )
    attributes = [*granule.identifiers, ("CoreMetadata.0", core), ("ArchiveMetadata.0", archive)]
    grid = EosGrid.tile(VI_GRID, tile, _VI_PROJECTION, VI_CELL_M)
    return write_grid(Path(directory) / granule.name, grid, fields, attributes)


def _lst_pass(name: str, lst: Floats, view_time: Floats, error: Integers) -> dict[str, Integers]:
    counts = quantise(lst, name="lst", scale=0.02, fill=0, valid=(7500, 65535), dtype="uint16")
    times = quantise(view_time, name="view_time", scale=0.1, fill=255, valid=(0, 240), dtype="uint8")
    produced = counts > 0
    quality = error.astype(np.uint8) << 6 | (error > 0)
    return {
        f"LST_{name}_1km": counts,
        f"QC_{name}": np.where(produced, quality, np.uint8(QC_CLOUD)),
        f"{name}_view_time": np.where(produced, times, np.uint8(255)),
        f"{name}_view_angl": np.where(produced, np.uint8(_NADIR), np.uint8(255)),
        f"Clear_{name.lower()}_cov": produced * np.uint16(_FULL_COVER),
    }


def _rows_with_data(*layers: Floats) -> slice:
    used = np.flatnonzero(np.any([np.isfinite(layer).any(axis=1) for layer in layers], axis=0))
    return slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)


def _lst_shares(*quality: Integers) -> tuple[float, float, float, float]:
    cells = len(quality) * TILE_SHAPE[0] * TILE_SHAPE[1]
    good = sum(np.count_nonzero(layer == QC_GOOD) for layer in quality) / cells
    other = sum(np.count_nonzero(layer & 0b11 == QC_OTHER) for layer in quality) / cells
    return good, other, 1.0 - good - other, 0.0


def _lst_inputs(granule: EcsGranule) -> list[str]:
    prefix, data_day, stamp = granule.product[:3], day_of_year(granule.start), f"{granule.stamp:%Y%j%H%M%S}"
    kinds = ("03", "021KM", "35_L2", "07_L2", "10_L2")
    return [f"{prefix}{kind}.A{data_day}.{time}.061.{stamp}.hdf" for time in ("0130", "1305") for kind in kinds]


def _vi_inputs(granule: EcsGranule) -> list[str]:
    starts = (granule.start, granule.start + dt.timedelta(days=8))
    stamp = f"{granule.stamp:%Y%j%H%M%S}"
    return [f"{granule.product[:3]}09A1.A{day_of_year(start)}.{granule.tile}.061.{stamp}.hdf" for start in starts]


def _vi_quality(reliability: Integers) -> Integers:
    table = np.full(256, 65535, np.uint16)
    for rank, bits in _QUALITY_OF_RANK.items():
        table[rank] = bits | _LOW_AEROSOL | _LAND
    return table[reliability.astype(np.int8).view(np.uint8)]


def _constant_where(known: NDArray[np.bool_], layout: _Vi) -> Integers:
    return np.where(known, np.int16(layout.constant or 0), np.int16(layout.fill))


def _vi_shares(reliability: Integers) -> tuple[float, float, float, float]:
    good, cloudy, none = (np.count_nonzero(reliability == rank) / reliability.size for rank in (0, 3, -1))
    return good, 1.0 - good - cloudy - none, cloudy, none
