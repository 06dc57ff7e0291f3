"""VIIRS granules: V??13A2 (16-day 1-km vegetation indices) and V??21A1D/N (1-km LST of a day or night), collection 2.

Vegetation indices have the structure, names and attributes of a real VNP13A2 file, traps included: two values in
``_FillValue``, ``scale_factor`` 0.0001 that multiplies, a scale of reliability of its own and a PRODUCTIONDATETIME that
no parser accepts. For LST no file has been at hand: grid and field names, types, scales and quality bits are
those of the product's readers and of the MODIS product it continues; everything else is as in VNP13A2. What the caller
does not give (angles, emissivities, reflectances) is constant, where there is data.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sm_core.grid import sinusoidal
from sm_core.twin.writers import odl
from sm_core.twin.writers.encode import Floats, Integers, quantise, require_shape
from sm_core.twin.writers.hdfeos5 import Field, FieldAttributes, GlobalAttributes, write_tile
from sm_core.twin.writers.odl import Value
from sm_core.twin.writers.tiles import TILE_SHAPE, VI_CELL_M, corners, day_of_year

Platform = Literal["VNP", "VJ1", "VJ2"]
VI_GRID = "VIIRS_Grid_16Day_VI_1km"
LST_GRID = "VIIRS_Grid_Daily_1km_LST21"
VI_PERIOD_DAYS = 16
NDVI_WATER, NDVI_NO_DATA = -15000, -13000
RANK_WATER, RANK_NO_DATA = -4, -1
_SPACECRAFT = {"VNP": ("SUOMI-NPP", "NPP"), "VJ1": ("JPSS-1", "JPSS1"), "VJ2": ("JPSS-2", "JPSS2")}
_RANKS = (
    "Excellent", "Good", "Acceptable", "Marginal", "Pass", "Questionable", "Poor", "Cloud Shadow", "Snow/Ice", "Cloud",
    "Estimated", "LTAVG",
)
_RANK_LEGEND = "\n\t Rank Keys: " + "".join(f"\n\t{f'[{n}]':>4}:  {rank} " for n, rank in enumerate(_RANKS)) + (
    "\n\t[-1]:  NODATA \n\t[-4]:  Water \n")
_QUALITY_LEGEND = (
    "\n\t Bit Fields Description (Right to Left): \n\t[0-1] : MODLAND_QA [2 bit range] "
    "\n\t[2-5] : VI usefulness [4 bit range] \n\t[6-7] : Aerosol quantity [2 bit range] "
    "\n\t[8] : Adjacent cloud detected [1 bit range] \n\t[9] : Atmosphere BRDF correction performed [1 bit range] "
    "\n\t[10] : Mixed clouds  [1 bit range] \n\t[11-13] : Land/Water Flag [3 bit range] "
    "\n\t[14] : Possible snow/ice [1 bit range] \n\t[15] : Possible shadow [1 bit range] \n"
)
_LST_QUALITY_LEGEND = (
    "\n\t[0-1] : Mandatory QA \n\t[2-3] : Data quality \n\t[4-5] : Cloud \n\t[6-7] : Iterations "
    "\n\t[8-9] : Atmospheric opacity \n\t[10-11] : MMD \n\t[12-13] : Emissivity accuracy \n\t[14-15] : LST accuracy \n"
)
_LAND, _WATER, _LOW_AEROSOL, _SNOW, _SHADOW = 1 << 11, 0b110 << 11, 1 << 6, 1 << 14, 1 << 15
_GOOD, _FAIR, _CLOUDY, _NOT_PRODUCED = 0b0000_00, 0b0010_01, 0b0100_10, 0b1111_11
_QUALITY_OF_RANK = {
    RANK_WATER: _NOT_PRODUCED | _LOW_AEROSOL | _WATER, 0: _GOOD, 1: _GOOD, 2: _FAIR, 3: _FAIR, 4: _FAIR, 5: _FAIR,
    6: _FAIR, 7: _FAIR | _SHADOW, 8: _FAIR | _SNOW, 9: _CLOUDY, 10: _FAIR, 11: _FAIR,
}
_MANDATORY_OTHER, _MANDATORY_CLOUD, _MANDATORY_NONE = np.uint16(1), np.uint16(2), np.uint16(3)
_CLOUDY_CLASS, _GOOD_ACCURACY = 3, 2


@dataclass(frozen=True, slots=True)
class _Vi:
    """One data set of V??13A2; ``constant`` is stored where there is NDVI if the caller gives no values."""

    name: str
    dtype: str
    units: str
    valid: tuple[int, int]
    fill: tuple[int, ...]
    scale: float | None = None
    constant: int | None = None
    legend: str | None = None

    @property
    def title(self) -> str:
        return f"1 km 16 days {self.name}"

    @property
    def attributes(self) -> FieldAttributes:
        attributes: dict[str, str | NDArray[Any]] = {
            "long_name": self.title, "units": self.units, "valid_range": np.array(self.valid, self.dtype),
            "_FillValue": np.array(self.fill, self.dtype),
        }
        if self.legend:
            attributes["Legend"] = self.legend
        return attributes | _scaling(self.scale, 0.0) if self.scale is not None else attributes


@dataclass(frozen=True, slots=True)
class _Lst:
    """One data set of V??21A1; ``fill`` None: no such attribute."""

    name: str
    dtype: str
    long_name: str
    units: str
    valid: tuple[int, int]
    fill: int | None
    scale: float | None = None
    offset: float = 0.0

    @property
    def attributes(self) -> FieldAttributes:
        attributes: dict[str, str | NDArray[Any]] = {
            "long_name": self.long_name, "units": self.units, "valid_range": np.array(self.valid, self.dtype),
        }
        if self.fill is not None:
            attributes["_FillValue"] = np.array([self.fill], self.dtype)
        if self.scale is None:
            return attributes | {"scale_factor": "n/a", "add_offset": "n/a", "QA_Legend": _LST_QUALITY_LEGEND}
        return attributes | _scaling(self.scale, self.offset)


def _scaling(scale: float, offset: float) -> dict[str, NDArray[Any]]:
    zero = np.array([0.0])
    return {
        "scale_factor": np.array([scale]), "scale_factor_err": zero, "add_offset": np.array([offset]),
        "add_offset_err": zero, "calibrated_nt": np.array([5], np.int32),
    }


def _band(name: str, source: str, width: str, centre: int) -> str:
    return (f"\n\tThe {name} band saved in the VI product is NPP VIIRS {source}"
            f"\n\t\tBandwidth : {width} nm\n\t\tBand center: {centre} nm\n")


_VI_FIELDS = (
    _Vi("NDVI", "i2", "NDVI", (-10000, 10000), (NDVI_WATER, NDVI_NO_DATA), 1e-4),
    _Vi("EVI", "i2", "EVI", (-10000, 10000), (NDVI_WATER, NDVI_NO_DATA), 1e-4),
    _Vi("EVI2", "i2", "EVI2", (-10000, 10000), (NDVI_WATER, NDVI_NO_DATA), 1e-4),
    _Vi("VI Quality", "u2", "bit field", (0, 65534), (65535,), legend=_QUALITY_LEGEND),
    _Vi("red reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 600,
        _band("red", "I1 (375m)", "600-680", 640)),
    _Vi("NIR reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 2800,
        _band("NIR", "I2 (375m)", "846-885", 865)),
    _Vi("blue reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 300,
        _band("blue", "M3 (750m)", "478-498", 488)),
    _Vi("green reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 500,
        _band("green", "M4 (750m)", "545-565", 555)),
    _Vi("SWIR1 reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 2600,
        _band("SWIR1", "M8 (750m)", "1230-1250", 1240)),
    _Vi("SWIR2 reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 1900,
        _band("SWIR2", "M10 (750m)", "1580-1640", 1610)),
    _Vi("SWIR3 reflectance", "i2", "reflectance", (0, 10000), (-1000,), 1e-4, 1200,
        _band("SWIR3", "M11 (750m)", "2225-2275", 2250)),
    _Vi("view zenith angle", "i2", "degrees", (0, 18000), (-20000,), 0.01, 1500),
    _Vi("sun zenith angle", "i2", "degrees", (0, 18000), (-20000,), 0.01, 3500),
    _Vi("relative azimuth angle", "i2", "degrees", (-18000, 18000), (-20000,), 0.01, 6000),
    _Vi("composite day of the year", "i2", "Julian day of the year ", (1, 366), (-1,)),
    _Vi("pixel reliability", "i1", "rank", (0, 11), (RANK_WATER, RANK_NO_DATA), legend=_RANK_LEGEND),
)
_LST_FIELDS = (
    _Lst("LST_1KM", "u2", "Daily 1km Land-surface Temperature", "K", (7500, 65535), 0, 0.02),
    _Lst("QC", "u2", "Daily QC for LST and emissivity", "n/a", (0, 65535), None),
    _Lst("Emis_14", "u1", "Band 14 emissivity", "n/a", (1, 255), 0, 0.002, 0.49),
    _Lst("Emis_15", "u1", "Band 15 emissivity", "n/a", (1, 255), 0, 0.002, 0.49),
    _Lst("Emis_16", "u1", "Band 16 emissivity", "n/a", (1, 255), 0, 0.002, 0.49),
    _Lst("View_Angle", "u1", "View zenith angle of Land-surface Temperature", "deg", (0, 130), 255, 1.0, -65.0),
    _Lst("View_Time", "u1", "Time of Land-surface Temperature observation", "hrs", (0, 240), 255, 0.1),
)
_LST_CONSTANTS = {"Emis_14": 235, "Emis_15": 243, "Emis_16": 244, "View_Angle": 65}


def write_viirs_vi(
    directory: Path, *, platform: Platform, tile: str, start: dt.date, produced: dt.datetime,
    ndvi: Floats, composite_doy: Integers, reliability: Integers,
) -> Path:
    """Write one tile and 16-day period of VNP13A2, VJ113A2 or VJ213A2.

    Parameters
    ----------
    directory
        Where to.
    platform
        ``VNP`` (S-NPP), ``VJ1`` (NOAA-20) or ``VJ2`` (NOAA-21).
    tile
        Such as ``h28v05``.
    start, produced
        First day of the period and moment of production; both stand in the file name.
    ndvi
        NDVI [1], NaN = none. (1200, 1200)
    composite_doy
        Day of the year of each cell's observation, -1 = none. (1200, 1200)
    reliability
        -4 water, -1 no data, 0 excellent to 6 poor, 7 shadow, 8 snow, 9 cloud, 10 estimated, 11 long-term average.
        (1200, 1200)

    Raises
    ------
    GridMismatchError   SM302, not 1200 × 1200 cells.
    UnitsError          SM303, NDVI outside -1 to 1.
    """
    require_shape(TILE_SHAPE, ndvi=ndvi, composite_doy=composite_doy, reliability=reliability)
    counts = quantise(ndvi, name="ndvi", scale=1e-4, fill=NDVI_NO_DATA, valid=(-10000, 10000), dtype="int16")
    known = counts != NDVI_NO_DATA
    counts[~known & (reliability == RANK_WATER)] = NDVI_WATER
    halved = np.where(known, counts // 2, counts)
    given = {
        "NDVI": counts, "EVI": halved, "EVI2": halved, "VI Quality": _vi_quality(reliability),
        "composite day of the year": composite_doy.astype(np.int16), "pixel reliability": reliability.astype(np.int8),
    }
    fields = [
        Field(layout.title, given[layout.name] if layout.constant is None else
              np.where(known, np.int16(layout.constant), np.int16(layout.fill[0])), layout.attributes)
        for layout in _VI_FIELDS
    ]
    granule = _Granule(f"{platform}13A2", "Vegetation Indices 16-Day L3 Global 1km SIN Grid", tile, start,
                       start + dt.timedelta(days=VI_PERIOD_DAYS - 1), produced, "Day")
    return _write(directory, granule, VI_GRID, fields, chunk_rows=1, cell_m=VI_CELL_M)


def write_viirs_lst(
    directory: Path, *, platform: Platform, tile: str, day: dt.date, night: bool, produced: dt.datetime,
    lst: Floats, view_time: Floats, cloud: Integers | NDArray[np.bool_], accuracy: Integers,
) -> Path:
    """Write one tile and UTC data day of V??21A1D (``night`` false) or V??21A1N (true).

    Parameters
    ----------
    directory
        Where to.
    platform
        ``VNP`` (S-NPP), ``VJ1`` (NOAA-20) or ``VJ2`` (NOAA-21).
    tile
        Such as ``h28v05``.
    day, night, produced
        Data day (UTC), product and moment of production; all stand in the file name.
    lst
        Land-surface temperature [K], NaN = not produced. (1200, 1200)
    view_time
        Local solar time of observation [h], used where there is LST; NaN = unknown. (1200, 1200)
    cloud
        0 free, 1 thin cirrus, 2 within two cells of cloud, 3 cloudy; a mask counts as 0 and 3. (1200, 1200)
    accuracy
        Class of LST accuracy: 0 worse than 2 K, 1 up to 2 K, 2 up to 1.5 K, 3 up to 1 K. (1200, 1200)

    Raises
    ------
    GridMismatchError   SM302, not 1200 × 1200 cells.
    UnitsError          SM303, temperatures below 150 K or times outside 0-24 h.
    """
    require_shape(TILE_SHAPE, lst=lst, view_time=view_time, cloud=cloud, accuracy=accuracy)
    counts = quantise(lst, name="lst", scale=0.02, fill=0, valid=(7500, 65535), dtype="uint16")
    times = quantise(view_time, name="view_time", scale=0.1, fill=255, valid=(0, 240), dtype="uint8")
    produced_here = counts > 0
    given = {
        "LST_1KM": counts, "QC": _lst_quality(produced_here, cloud, accuracy),
        "View_Time": np.where(produced_here, times, np.uint8(255)),
    }
    fields = [
        Field(layout.name, given[layout.name] if layout.name in given else
              np.where(produced_here, np.uint8(_LST_CONSTANTS[layout.name]), np.uint8(layout.fill or 0)),
              layout.attributes)
        for layout in _LST_FIELDS
    ]
    title = f"Land Surface Temperature and Emissivity Daily L3 Global 1km SIN Grid {'Night' if night else 'Day'}"
    granule = _Granule(
        f"{platform}21A1{'N' if night else 'D'}", title, tile, day, day, produced, "Night" if night else "Day")
    return _write(directory, granule, LST_GRID, fields, chunk_rows=100, cell_m=sinusoidal.CELL_M)


@dataclass(frozen=True, slots=True)
class _Granule:
    product: str
    title: str
    tile: str
    start: dt.date
    end: dt.date
    produced: dt.datetime
    day_night: str

    @property
    def name(self) -> str:
        return f"{self.product}.A{day_of_year(self.start)}.{self.tile}.002.{self.produced:%Y%j%H%M%S}.h5"

    @property
    def days(self) -> list[dt.date]:
        return [self.start + dt.timedelta(days=n) for n in range((self.end - self.start).days + 1)]

    @property
    def tile_numbers(self) -> tuple[str, str, str]:
        h, v = self.tile[1:3], self.tile[4:6]
        return h, v, f"510{h}0{v}"

    @property
    def spacecraft(self) -> tuple[str, str]:
        return _SPACECRAFT[self.product[:3]]


def _write(
    directory: Path, granule: _Granule, grid: str, fields: list[Field], *, chunk_rows: int, cell_m: float
) -> Path:
    return write_tile(
        Path(directory) / granule.name, grid=grid, tile=granule.tile, fields=fields,
        attributes=_global_attributes(granule), core_metadata=_core_metadata(granule, fields),
        archive_metadata=_archive_metadata(granule), chunk_rows=chunk_rows, cell_m=cell_m,
    )


def _global_attributes(granule: _Granule) -> GlobalAttributes:
    lon, lat = corners(granule.tile)
    h, v, tile_id = granule.tile_numbers
    platform, short_platform = granule.spacecraft
    return {
        "AlgorithmType": "SCI", "Conventions": "CF-1.6", "DataResolution": "1km", "DayNightFlag": granule.day_night,
        "DayNumbers": ", ".join(str(day.timetuple().tm_yday) for day in granule.days),
        "EastBoundingCoord": max(lon), "EndTime": f"{granule.end} 23:59:59.000",
        "GRingLatitude": lat, "GRingLongitude": lon, "HORIZONTALTILENUMBER": h, "LocalGranuleID": granule.name,
        "LongName": f"VIIRS/{short_platform} {granule.title}", "NorthBoundingCoord": max(lat),
        "PlatformShortName": platform, "ProcessVersion": "002", "ProcessingCenter": "LandSIPS",
        "ProcessingEnvironment": "simulated", "ProductionTime": f"{granule.produced:%Y-%m-%d %H:%M:%S}.000",
        "RangeBeginningDate": granule.start.isoformat(), "RangeBeginningTime": "00:00:00.000000",
        "RangeEndingDate": granule.end.isoformat(), "RangeEndingTime": "23:59:59.000000", "SensorShortname": "VIIRS",
        "ShortName": granule.product, "SouthBoundingCoord": min(lat), "StartTime": f"{granule.start} 00:00:00.000",
        "TileID": tile_id, "VERTICALTILENUMBER": v, "VersionID": "002", "WestBoundingCoord": min(lon),
        "identifier_product_doi": f"10.5067/VIIRS/{granule.product}.002",
        "identifier_product_doi_authority": "https://doi.org",
    }


def _core_metadata(granule: _Granule, fields: list[Field]) -> str:
    h, v, tile_id = granule.tile_numbers
    clock = f"{granule.produced:%H:%M:%S}"
    return odl.render(odl.group(
        "INVENTORYMETADATA",
        odl.group(
            "ECSDATAGRANULE", Value("LOCALGRANULEID", granule.name),
            # malformed in the real files too
            Value("PRODUCTIONDATETIME", f"{granule.produced:%Y-%m-%d}{clock}T{clock}.000Zc"),
            Value("DAYNIGHTFLAG", granule.day_night.upper()), Value("REPROCESSINGACTUAL", "reprocessed"),
        ),
        odl.group("MEASUREDPARAMETER", *(
            odl.container("MEASUREDPARAMETERCONTAINER", Value("PARAMETERNAME", field.name, str(n)), class_=str(n))
            for n, field in enumerate(fields, 1))),
        odl.group("COLLECTIONDESCRIPTIONCLASS", Value("VERSIONID", "002"), Value("SHORTNAME", granule.product)),
        odl.group(
            "RANGEDATETIME", Value("RANGEENDINGDATE", granule.end.isoformat()), Value("RANGEENDINGTIME", "23:59:59"),
            Value("RANGEBEGINNINGDATE", granule.start.isoformat()), Value("RANGEBEGINNINGTIME", "00:00:00"),
        ),
        odl.group("ADDITIONALATTRIBUTES", *(
            odl.container(
                "ADDITIONALATTRIBUTESCONTAINER", Value("ADDITIONALATTRIBUTENAME", name, str(n)),
                odl.group("INFORMATIONCONTENT", Value("PARAMETERVALUE", value, str(n)), class_=str(n)), class_=str(n))
            for n, (name, value) in enumerate(
                (("HORIZONTALTILENUMBER", h), ("VERTICALTILENUMBER", str(int(v))), ("TileID", tile_id)), 1))),
    ))


def _archive_metadata(granule: _Granule) -> str:
    lon, lat = corners(granule.tile)
    return odl.render(odl.group(
        "ARCHIVEDMETADATA", Value("ALGORITHMTYPE", "SCI"),
        Value("INSTRUMENTNAME", "Visible Infrared Imaging Radiometer Suite"),
        Value("LONGNAME", f"VIIRS/{granule.spacecraft[1]} {granule.title}"), Value("PROCESSINGCENTER", "LandSIPS"),
        odl.group(
            "BOUNDINGRECTANGLE", Value("NORTHBOUNDINGCOORDINATE", max(lat)), Value("SOUTHBOUNDINGCOORDINATE", min(lat)),
            Value("EASTBOUNDINGCOORDINATE", max(lon)), Value("WESTBOUNDINGCOORDINATE", min(lon))),
        Value("PROCESSINGENVIRONMENT", "simulated"), Value("CHARACTERISTICBINSIZE", VI_CELL_M),
        Value("DATACOLUMNS", TILE_SHAPE[1]), Value("DATAROWS", TILE_SHAPE[0]), Value("NUMBEROFDAYS", len(granule.days)),
    ))


def _vi_quality(reliability: Integers) -> Integers:
    table = np.full(256, 65535, np.uint16)
    for rank, bits in _QUALITY_OF_RANK.items():
        table[rank] = bits if rank == RANK_WATER else bits | _LOW_AEROSOL | _LAND
    return table[reliability.astype(np.int8).view(np.uint8)]


def _lst_quality(produced: NDArray[np.bool_], cloud: NDArray[Any], accuracy: Integers) -> Integers:
    sky = cloud.astype(np.uint16)
    if cloud.dtype == bool:
        sky *= np.uint16(_CLOUDY_CLASS)
    confidence = accuracy.astype(np.uint16)
    measured = (confidence < _GOOD_ACCURACY) * _MANDATORY_OTHER | confidence << 12 | confidence << 14
    missing = np.where(sky == _CLOUDY_CLASS, _MANDATORY_CLOUD, _MANDATORY_NONE)
    quality: Integers = np.where(produced, measured, missing) | sky << 4
    return quality
