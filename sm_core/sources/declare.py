"""Every source and every variable that the system knows, as data."""

from __future__ import annotations

import datetime as dt

from sm_core.domain import Role, Source, Substitute, Variable
from sm_core.errors import ForeignFileError

NASA_LICENCE = "Open (NASA EOSDIS data use policy)"
GLASS_LICENCE = "Free for research; cite the GLASS product suite"
GLEAM_LICENCE = "Free for research; commercial use needs the authors' approval"
GLASS_CITATION = "Liang et al. (2021), Bull. Am. Meteorol. Soc. 102, E323-E337, doi:10.1175/BAMS-D-18-0341.1"
GLEAM4_CITATION = "Miralles et al. (2025), Sci. Data 12, 416, doi:10.1038/s41597-025-04610-y"
GLEAM3_CITATION = "Martens et al. (2017), Geosci. Model Dev. 10, 1903-1925, doi:10.5194/gmd-10-1903-2017"

_TILE = r"(?P<tile>h\d{2}v\d{2})"
_DATE = r"A(?P<date>\d{7})"
_DEPTH = r"-?\d+\.\d+"


def _lpdaac_name(short_name: str, extension: str) -> str:
    return rf"{short_name}\.{_DATE}\.{_TILE}\.\d{{3}}\.(?P<produced>\d{{13}})\.{extension}"


def _lst(short_name: str, title: str, provider_doi: str, starts: dt.date, successor: str) -> Source:
    return Source(
        source_id=f"{short_name}.061", provider="LP DAAC", title=title, filename=_lpdaac_name(short_name, "hdf"),
        variables=("lst_day", "lst_night"), cadence_days=1, period_days=1, native_grid="sinusoidal_1km",
        latency_days=0.4, due_after_days=4, starts=starts, successor=successor, licence=NASA_LICENCE,
        citation=f"Wan, Hook, Hulley (2021), {short_name} v061, doi:{provider_doi}",
    )


def _vi(short_name: str, version: str, title: str, doi: str, starts: dt.date, ends: dt.date | None,
        successor: str | None) -> Source:
    viirs = version == "002"
    return Source(
        source_id=f"{short_name}.{version}", provider="LP DAAC", title=title,
        filename=_lpdaac_name(short_name, "h5" if viirs else "hdf"), variables=("ndvi",),
        cadence_days=8 if viirs else 16, period_days=16, native_grid="sinusoidal_1km", latency_days=2,
        due_after_days=16 if viirs else 24, starts=starts, ends=ends, successor=successor, licence=NASA_LICENCE,
        citation=f"Didan, Barreto ({short_name} v{version}), doi:{doi}",
    )


def _viirs_lst(short_name: str, variable: str, title: str, starts: dt.date, ends: dt.date | None,
               successor: str | None) -> Source:
    return Source(
        source_id=f"{short_name}.002", provider="LP DAAC", title=title, filename=_lpdaac_name(short_name, "h5"),
        variables=(variable,), cadence_days=1, period_days=1, native_grid="sinusoidal_1km", latency_days=1,
        due_after_days=5, starts=starts, ends=ends, successor=successor, licence=NASA_LICENCE,
        citation=f"Hulley, Hook ({short_name} v002), doi:10.5067/VIIRS/{short_name}.002",
    )


def _glass(source_id: str, title: str, tiled: bool, variable: str, days: int, grid: str, starts: dt.date,
           ends: dt.date) -> Source:
    product = source_id.partition(".")[0]
    tile = rf"\.{_TILE}" if tiled else ""
    return Source(
        source_id=source_id, provider="GLASS", title=title,
        filename=rf"{product}\.V\d{{2}}\.{_DATE}{tile}\.(?P<produced>\d{{7}})\.hdf", variables=(variable,),
        cadence_days=days, period_days=days, native_grid=grid, latency_days=400, due_after_days=850,
        starts=starts, ends=ends, licence=GLASS_LICENCE,
        citation=GLASS_CITATION,
    )


def _gleam(source_id: str, title: str, version: str, variable: str, grid: str, ends: dt.date | None,
           citation: str) -> Source:
    provider_name = source_id.rpartition(".")[2]
    return Source(
        source_id=source_id, provider="GLEAM", title=title,
        filename=rf"{provider_name}_(?P<year>\d{{4}})_GLEAM_v(?P<produced>{version})\.nc", variables=(variable,),
        cadence_days=1, period_days=366, native_grid=grid, latency_days=105, due_after_days=516,
        starts=dt.date(1980, 1, 1), ends=ends,
        licence=GLEAM_LICENCE, citation=citation,
    )


def _uscrn(product: str, prefix: str, cadence: str, latency_days: float) -> Source:
    return Source(
        source_id=f"USCRN.{product}", provider="NOAA NCEI",
        title=f"U.S. Climate Reference Network, soil moisture, {cadence}, a station's year",
        filename=rf"{prefix}\d{{2}}-(?P<year>\d{{4}})-(?P<part>[A-Z]{{2}}_\w+)\.txt",
        variables=("sm_surface", "sm_rootzone"), cadence_days=1, period_days=366, native_grid="points",
        latency_days=latency_days, due_after_days=3, starts=dt.date(2009, 6, 1), licence="Open (U.S. government)",
        citation="Bell et al. (2013), J. Hydrometeorol. 14, 977-988, doi:10.1175/JHM-D-12-0146.1",
    )


SOURCES: tuple[Source, ...] = (
    _lst("MOD11A1", "Terra MODIS land surface temperature, daily, 1 km", "10.5067/MODIS/MOD11A1.061",
         dt.date(2000, 2, 24), "VJ121A1D.002"),
    _lst("MYD11A1", "Aqua MODIS land surface temperature, daily, 1 km", "10.5067/MODIS/MYD11A1.061",
         dt.date(2002, 7, 4), "VJ121A1D.002"),
    _vi("MOD13A2", "061", "Terra MODIS vegetation indices, 16 days, 1 km", "10.5067/MODIS/MOD13A2.061",
        dt.date(2000, 2, 18), None, "VJ113A2.002"),
    _vi("MYD13A2", "061", "Aqua MODIS vegetation indices, 16 days, 1 km", "10.5067/MODIS/MYD13A2.061",
        dt.date(2002, 7, 4), None, "VJ113A2.002"),
    _vi("VNP13A2", "002", "S-NPP VIIRS vegetation indices, 16 days, 1 km", "10.5067/VIIRS/VNP13A2.002",
        dt.date(2012, 1, 17), dt.date(2026, 11, 1), "VJ113A2.002"),
    _vi("VJ113A2", "002", "NOAA-20 VIIRS vegetation indices, 16 days, 1 km", "10.5067/VIIRS/VJ113A2.002",
        dt.date(2018, 1, 1), None, None),
    _vi("VJ213A2", "002", "NOAA-21 VIIRS vegetation indices, 16 days, 1 km", "10.5067/VIIRS/VJ213A2.002",
        dt.date(2023, 1, 1), None, None),
    _viirs_lst("VNP21A1D", "lst_day", "S-NPP VIIRS land surface temperature, day, 1 km", dt.date(2012, 1, 17),
               dt.date(2026, 11, 1), "VJ121A1D.002"),
    _viirs_lst("VNP21A1N", "lst_night", "S-NPP VIIRS land surface temperature, night, 1 km", dt.date(2012, 1, 17),
               dt.date(2026, 11, 1), "VJ121A1N.002"),
    _viirs_lst("VJ121A1D", "lst_day", "NOAA-20 VIIRS land surface temperature, day, 1 km", dt.date(2018, 1, 5), None,
               None),
    _viirs_lst("VJ121A1N", "lst_night", "NOAA-20 VIIRS land surface temperature, night, 1 km", dt.date(2018, 1, 5),
               None, None),
    _viirs_lst("VJ221A1D", "lst_day", "NOAA-21 VIIRS land surface temperature, day, 1 km", dt.date(2023, 1, 1), None,
               None),
    _viirs_lst("VJ221A1N", "lst_night", "NOAA-21 VIIRS land surface temperature, night, 1 km", dt.date(2023, 1, 1),
               None, None),
    _glass("GLASS13B01.V10", "GLASS NDVI, 8 days, 0.05 degrees", False, "ndvi", 8, "latlon_0.05",
           dt.date(2000, 1, 1), dt.date(2024, 12, 31)),
    _glass("GLASS08B31.V40", "GLASS AVHRR land surface temperature, daily, 0.05 degrees", False, "lst_day", 1,
           "latlon_0.05", dt.date(1992, 1, 1), dt.date(2020, 12, 31)),
    _glass("GLASS06A01.V01", "GLASS MODIS land surface temperature, daily, 1 km", True, "lst_day", 1,
           "sinusoidal_1km", dt.date(2000, 2, 24), dt.date(2020, 12, 31)),
    _gleam("GLEAM_v4.2a.SMs", "GLEAM v4 surface soil moisture, daily, 0.1 degrees", r"4\.\d+a", "sm_surface",
           "latlon_0.1", None, GLEAM4_CITATION),
    _gleam("GLEAM_v4.2a.SMrz", "GLEAM v4 root-zone soil moisture, daily, 0.1 degrees", r"4\.\d+a", "sm_rootzone",
           "latlon_0.1", None, GLEAM4_CITATION),
    _gleam("GLEAM_v3.8a.SMsurf", "GLEAM v3 surface soil moisture (0-10 cm), daily, 0.25 degrees", r"3\.\d+a",
           "sm_surface", "latlon_0.25", dt.date(2022, 12, 31), GLEAM3_CITATION),
    _gleam("GLEAM_v3.8a.SMroot", "GLEAM v3 root-zone soil moisture, daily, 0.25 degrees", r"3\.\d+a", "sm_rootzone",
           "latlon_0.25", dt.date(2022, 12, 31), GLEAM3_CITATION),
    Source(
        source_id="SPL4SMGP.008", provider="NSIDC",
        title="SMAP Level-4 surface (0-5 cm) and root-zone (0-100 cm) soil moisture, 3-hourly, 9 km",
        filename=r"SMAP_L4_SM_gph_(?P<date>\d{8})(?P<part>T\d{6})_V(?P<produced>v\d{4}_\d{3})\.h5",
        variables=("sm_surface", "sm_rootzone"), cadence_days=1, period_days=1, files_per_period=8,
        native_grid="ease2_9km", provisional=True, latency_days=2.5, due_after_days=6,
        starts=dt.date(2015, 3, 31), licence=NASA_LICENCE,
        citation="Reichle et al., SMAP L4 Geophysical Data (SPL4SMGP) Version 8, NASA NSIDC DAAC",
    ),
    Source(
        source_id="C3S-SM", provider="Copernicus C3S", title="C3S surface soil moisture, daily, 0.25 degrees",
        filename=r"C3S-SOILMOISTURE-L3S-SSMV-(?P<part>COMBINED|PASSIVE)-DAILY-(?P<date>\d{8})000000-"
                 r"(?:TCDR|ICDR)-v(?P<produced>[\d.]+)\.nc",
        variables=("sm_surface",), cadence_days=1, period_days=1, native_grid="latlon_0.25", provisional=True,
        latency_days=15, due_after_days=25, starts=dt.date(1978, 11, 1), licence="Copernicus licence",
        citation="Copernicus Climate Change Service, doi:10.24381/cds.d7782f18",
    ),
    Source(
        source_id="ESACCI-SM", provider="ESA CCI", title="ESA CCI surface soil moisture, daily, 0.25 degrees",
        filename=r"ESACCI-SOILMOISTURE-L3S-SSMV-(?P<part>COMBINED|PASSIVE)-(?P<date>\d{8})000000-"
                 r"fv(?P<produced>\d+\.\d+)\.nc",
        variables=("sm_surface",), cadence_days=1, period_days=1, native_grid="latlon_0.25",
        starts=dt.date(1978, 11, 1), licence="ESA CCI open data",
        citation="Dorigo et al. (2017), Remote Sens. Environ. 203, 185-215, doi:10.1016/j.rse.2017.07.001",
    ),
    Source(
        source_id="ISMN", provider="ISMN", title="International Soil Moisture Network, station files",
        filename=rf"(?P<part>[^_]+_[^_]+_.+_sm_{_DEPTH}_{_DEPTH}_.+|Data_sep[ae]rate_files.*?)_"
                 r"(?P<date>\d{8})_(?P<end>\d{8})(?:\.stm|.*\.zip)",
        variables=("sm_surface", "sm_rootzone"), cadence_days=1, period_days=1, native_grid="points",
        starts=dt.date(1952, 1, 1), licence="Per network; non-commercial unless the network says otherwise",
        citation="Dorigo et al. (2021), Hydrol. Earth Syst. Sci. 25, 5749-5804, doi:10.5194/hess-25-5749-2021",
    ),
    Source(
        source_id="RDA", provider="Rural Development Administration (Korea)",
        title="Agricultural weather stations, daily soil water",
        filename=r"rda_(?P<date>\d{8})_(?P<end>\d{8})(?:_(?P<part>\w+))?\.xml", variables=("sm_surface",),
        cadence_days=1, period_days=1, native_grid="points", latency_days=1, due_after_days=4,
        starts=dt.date(2010, 1, 1),
        licence="Korea Open Government Licence type 1", citation="RDA National Institute of Agricultural Sciences",
    ),
    _uscrn("hourly02", "CRNH02", "hourly", 0.1),
    _uscrn("daily01", "CRND01", "daily", 0.5),
    Source(
        source_id="CSV", provider="Operator", title="Station readings of any network, CSV (station-csv.md)",
        filename=r"stations_(?P<part>\w+)_(?P<date>\d{8})_(?P<end>\d{8})\.csv",
        variables=("sm_surface", "sm_rootzone"), cadence_days=1, period_days=1, native_grid="points",
        starts=dt.date(1952, 1, 1), licence="As agreed with the network", citation="The network",
    ),
)

SUBSTITUTES: tuple[Substitute, ...] = (
    Substitute(role="ssm_coarse", source_id="SPL4SMGP.008", model="mapping"),
    Substitute(role="rzsm_coarse", source_id="SPL4SMGP.008", model="mapping"),
    Substitute(role="lst_coarse", source_id="GLASS08B31.V40.extended", model="normals", made_from="lst_fine"),
    Substitute(role="ndvi_coarse", source_id="GLASS13B01.V10.extended", model="normals", made_from="ndvi_fine"),
)
"""What may stand in, if its model is in service; without it, such a source is passed over. See docs/methods.md."""

_SOIL_WATER = "volume_fraction_of_condensed_water_in_soil"

VARIABLES: tuple[Variable, ...] = (
    Variable(name="ndvi", long_name="normalized difference vegetation index",
             standard_name="normalized_difference_vegetation_index", units="1", valid_range=(-0.3, 1.0)),
    Variable(name="ndvi_day", long_name="day of the NDVI observation since the composite's first day",
             standard_name=None, units="d", valid_range=(0.0, 16.0)),
    Variable(name="ndvi_snow", long_name="snow or ice all through the NDVI composite (1 yes, 0 no)",
             standard_name=None, units="1", valid_range=(0.0, 1.0)),
    Variable(name="lst_day", long_name="daytime land surface temperature", standard_name="surface_temperature",
             units="K", valid_range=(200.0, 350.0), cell_methods="time: point"),
    Variable(name="lst_night", long_name="nighttime land surface temperature", standard_name="surface_temperature",
             units="K", valid_range=(200.0, 350.0), cell_methods="time: point"),
    Variable(name="lst_day_hour", long_name="UTC time of the daytime observation", standard_name=None, units="h",
             valid_range=(0.0, 24.0)),
    Variable(name="lst_night_hour", long_name="UTC time of the nighttime observation", standard_name=None, units="h",
             valid_range=(0.0, 24.0)),
    Variable(name="sm_surface", long_name="soil moisture, 0-10 cm", standard_name=_SOIL_WATER, units="1",
             valid_range=(0.0, 1.0), cell_methods="time: mean"),
    Variable(name="sm_rootzone", long_name="soil moisture, 0-100 cm", standard_name=_SOIL_WATER, units="1",
             valid_range=(0.0, 1.0), cell_methods="time: mean"),
)


def source(source_id: str) -> Source:
    """The declared source of that id.

    Raises
    ------
    ForeignFileError   SM207, no such source is declared.
    """
    found = next((entry for entry in SOURCES if entry.source_id == source_id), None)
    if found is None:
        raise ForeignFileError("no such source is declared", source=source_id)
    return found


def substitute(role: Role, source_id: str) -> Substitute | None:
    """How a source stands in for others in a role; None when it serves as it is.

    >>> substitute("ssm_coarse", "SPL4SMGP.008").model
    'mapping'
    """
    return next((entry for entry in SUBSTITUTES if (entry.role, entry.source_id) == (role, source_id)), None)


def variable(name: str) -> Variable:
    """The declared variable of that name.

    >>> variable("lst_day").units
    'K'
    """
    return next(entry for entry in VARIABLES if entry.name == name)
