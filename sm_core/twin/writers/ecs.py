"""Inventory and archive metadata of MODIS granules, as the EOS Core System has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sm_core.twin.writers import hdf4, odl
from sm_core.twin.writers.odl import Value
from sm_core.twin.writers.tiles import corners, day_of_year

_SPACECRAFT = {"MOD": "Terra", "MYD": "Aqua"}


@dataclass(frozen=True, slots=True)
class EcsGranule:
    """One MODIS granule of collection 6.1: ``stamp`` is the production time that its name shows."""

    product: str
    tile: str
    start: dt.date
    end: dt.date
    stamp: dt.datetime

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.product}.A{day_of_year(self.start)}.{self.tile}.061.{self.stamp:%Y%j%H%M%S}.hdf"

    @property
    def identifiers(self) -> list[hdf4.Attribute]:
        """The two DOI attributes of the file."""
        return [
            ("identifier_product_doi", f"10.5067/MODIS/{self.product}.061"),
            ("identifier_product_doi_authority", "http://dx.doi.org"),
        ]

    def core_metadata(
        self, *, day_night: str, parameters: Sequence[str], produced: dt.datetime, inputs: Sequence[str],
        shares: tuple[float, float, float, float],
    ) -> str:
        """CoreMetadata.0.

        Parameters
        ----------
        day_night
            ``Day`` or ``Both``.
        parameters
            Names of the measured parameters.
        produced
            Moment of production, UTC.
        inputs
            Names of the input granules.
        shares
            Of the cells: good, of other quality, not produced because of cloud, not produced otherwise [1].
        """
        return odl.render(odl.group(
            "INVENTORYMETADATA",
            odl.group(
                "ECSDATAGRANULE", Value("LOCALGRANULEID", self.name),
                Value("PRODUCTIONDATETIME", f"{produced:%Y-%m-%dT%H:%M:%S}.000Z"), Value("DAYNIGHTFLAG", day_night),
                Value("REPROCESSINGACTUAL", "reprocessed"), Value("LOCALVERSIONID", "6.1.0"),
                Value("REPROCESSINGPLANNED", "further update is anticipated"),
            ),
            odl.group("MEASUREDPARAMETER", *(
                _measured_parameter(name, str(number)) for number, name in enumerate(parameters, 1))),
            odl.group("COLLECTIONDESCRIPTIONCLASS", Value("VERSIONID", 61), Value("SHORTNAME", self.product)),
            odl.group("INPUTGRANULE", Value("INPUTPOINTER", tuple(inputs))),
            _outline(self.tile),
            odl.group(
                "RANGEDATETIME", Value("RANGEENDINGDATE", self.end.isoformat()), Value("RANGEENDINGTIME", "23:59:59"),
                Value("RANGEBEGINNINGDATE", self.start.isoformat()), Value("RANGEBEGINNINGTIME", "00:00:00"),
            ),
            odl.group("PGEVERSIONCLASS", Value("PGEVERSION", "6.1.0")),
            _platform(_SPACECRAFT[self.product[:3]]),
            odl.group("ADDITIONALATTRIBUTES", *(
                _additional(name, value, str(number))
                for number, (name, value) in enumerate(self._additional_attributes(shares), 1))),
        ))

    def archive_metadata(self, *, algorithm: str, title: str) -> str:
        """ArchiveMetadata.0; ``title`` is the product's long name without the platform."""
        lon, lat = corners(self.tile)
        h, v = self.tile[1:3], self.tile[4:6]
        return odl.render(odl.group(
            "ARCHIVEDMETADATA",
            odl.group("TILEINFO", Value("HORIZONTALTILENUMBER", h), Value("VERTICALTILENUMBER", v)),
            odl.group(
                "ALGORITHMPACKAGE", Value("ALGORITHMPACKAGENAME", algorithm), Value("ALGORITHMPACKAGEVERSION", "6")),
            odl.group(
                "PROJECT", Value("LONGNAME", f"MODIS/{_SPACECRAFT[self.product[:3]]} {title}"),
                Value("INSTRUMENTNAME", "Moderate-Resolution Imaging SpectroRadiometer")),
            Value("PROCESSINGCENTER", "MODAPS"),
            odl.group(
                "BOUNDINGRECTANGLE", Value("NORTHBOUNDINGCOORDINATE", max(lat)),
                Value("SOUTHBOUNDINGCOORDINATE", min(lat)), Value("EASTBOUNDINGCOORDINATE", max(lon)),
                Value("WESTBOUNDINGCOORDINATE", min(lon)),
            ),
            Value("PROCESSINGENVIRONMENT", "simulated"), Value("DESCRREVISION", "6.1"),
        ))

    def _additional_attributes(self, shares: tuple[float, float, float, float]) -> list[tuple[str, str]]:
        h, v = self.tile[1:3], self.tile[4:6]
        kinds = ("GOODQUALITY", "OTHERQUALITY", "NOTPRODUCEDCLOUD", "NOTPRODUCEDOTHER")
        return [
            *((f"QAPERCENT{kind}", f"{100 * share:.0f}") for kind, share in zip(kinds, shares, strict=True)),
            ("HORIZONTALTILENUMBER", h), ("VERTICALTILENUMBER", v), ("TileID", f"510{h}0{v}"),
            *((f"QAFRACTION{kind}", f"{share:.7f}") for kind, share in zip(kinds, shares, strict=True)),
            *((name, str(value)) for name, value in self.identifiers),
        ]


def _measured_parameter(name: str, number: str) -> odl.Container:
    flags = odl.group(
        "QAFLAGS", Value("SCIENCEQUALITYFLAG", "Not Investigated", number),
        Value("AUTOMATICQUALITYFLAG", "Passed", number), class_=number,
    )
    return odl.container("MEASUREDPARAMETERCONTAINER", flags, Value("PARAMETERNAME", name, number), class_=number)


def _outline(tile: str) -> odl.Container:
    lon, lat = corners(tile)
    points = odl.group(
        "GRINGPOINT", Value("GRINGPOINTLONGITUDE", lon, "1"), Value("GRINGPOINTLATITUDE", lat, "1"),
        Value("GRINGPOINTSEQUENCENO", (1, 2, 3, 4), "1"), class_="1",
    )
    ring = odl.group("GRING", Value("EXCLUSIONGRINGFLAG", "N", "1"), class_="1")
    polygon = odl.group("GPOLYGON", odl.container("GPOLYGONCONTAINER", points, ring, class_="1"))
    return odl.group("SPATIALDOMAINCONTAINER", odl.group("HORIZONTALSPATIALDOMAINCONTAINER", polygon))


def _platform(spacecraft: str) -> odl.Container:
    return odl.group("ASSOCIATEDPLATFORMINSTRUMENTSENSOR", odl.container(
        "ASSOCIATEDPLATFORMINSTRUMENTSENSORCONTAINER", Value("ASSOCIATEDSENSORSHORTNAME", "MODIS", "1"),
        Value("ASSOCIATEDPLATFORMSHORTNAME", spacecraft, "1"), Value("ASSOCIATEDINSTRUMENTSHORTNAME", "MODIS", "1"),
        class_="1",
    ))


def _additional(name: str, value: str, number: str) -> odl.Container:
    return odl.container(
        "ADDITIONALATTRIBUTESCONTAINER", Value("ADDITIONALATTRIBUTENAME", name, number),
        odl.group("INFORMATIONCONTENT", Value("PARAMETERVALUE", value, number), class_=number), class_=number,
    )
