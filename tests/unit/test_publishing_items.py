"""Identity and STAC description of a publication."""

import datetime as dt
import json
import uuid

import pystac
import pytest
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from sm_core.domain import (
    CheckResult,
    DailyInputs,
    FileRef,
    GateResult,
    Granule,
    Grid,
    InputSlot,
    ModelVersion,
)
from sm_core.publishing import SOIL_MOISTURE_1KM, draft, file_stem, item_id, stac_item

GRID = Grid.from_origin("korea_001", west=124.0, north=43.0, resolution=0.01, width=700, height=1000)
DAY = dt.date(2019, 6, 15)
CREATED = dt.datetime(2019, 6, 17, 18, 0, tzinfo=dt.timezone(dt.timedelta(hours=9)))
GATE = GateResult(results=(CheckResult(check="sm_surface_range", severity="withhold", passed=True, measured=9,
                                       value=0.41, message="fine"),), not_applicable=("sm_surface_change",))


def model(name="downscaler", version=3, sha="ab"):
    return ModelVersion(name=f"korea-{name}", kind=name, version=version, sha256=sha * 32, uri="models:/x",
                        trained_until=dt.date(2018, 12, 31))


def granule(name, sha):
    return Granule(source_id="MOD11A1.061", start=DAY, end=DAY, tile="h28v05", uri=f"/archive/2019/{name}", size=3,
                   sha256=sha * 32)


def inputs(*granules, provisional=False):
    slot = InputSlot(role="lst_fine", status="present", source_id="MOD11A1.061", granules=granules,
                     provisional=provisional)
    return DailyInputs(region_id="korea", day=DAY, as_of=CREATED, slots=(slot,))


@pytest.fixture
def item():
    made = draft(SOIL_MOISTURE_1KM, inputs(granule("MOD11A1.A2019166.h28v05.061.hdf", "12")), [model()], GATE, CREATED)
    made = made.model_copy(update={"revision": 2, "supersedes": "an-older-id"})
    names = [f"{file_stem(made)}_{v.variable.name}.tif" for v in SOIL_MOISTURE_1KM.variables] + ["summary.md"]
    return made.model_copy(update={"assets": tuple(FileRef(uri=n, sha256="ef" * 32, size=10) for n in names)})


@pytest.fixture
def stac(item):
    return stac_item(item, SOIL_MOISTURE_1KM, GRID)


def identity(**changes):
    models = [model(), model("corrector", 7, "cd")]
    known = {"region_id": "korea", "day": DAY, "fingerprint": "f" * 64, "models": models}
    return item_id(SOIL_MOISTURE_1KM, **{**known, **changes})


def test_the_same_makes_the_same_id():
    assert identity() == identity(models=[model("corrector", 7, "cd"), model()])
    assert uuid.UUID(identity()).version == 5


@pytest.mark.parametrize("changes", [
    {"region_id": "demo"}, {"day": DAY + dt.timedelta(1)}, {"fingerprint": "e" * 64}, {"models": [model()]},
    {"models": [model(sha="ac"), model("corrector", 7, "cd")]},
])
def test_anything_else_makes_another_id(changes):
    assert identity(**changes) != identity()


def test_another_algorithm_version_makes_another_id():
    newer = SOIL_MOISTURE_1KM.model_copy(update={"algorithm_version": "1.0.1"})
    assert item_id(newer, "korea", DAY, "f" * 64, []) != item_id(SOIL_MOISTURE_1KM, "korea", DAY, "f" * 64, [])


def test_the_id_never_changes():
    """Ids are stored outside: this one is from the first release."""
    assert item_id(SOIL_MOISTURE_1KM.model_copy(update={"algorithm_version": "1.0.0"}), "korea", DAY, "f" * 64,
                   [model()]) == "eb06579c-3729-529c-a82f-8f162b2cecbd"


def test_a_draft_knows_its_inputs():
    made = draft(SOIL_MOISTURE_1KM, inputs(granule("a", "12"), provisional=True), [model()], GATE, CREATED)
    assert (made.maturity, made.revision, made.assets, made.directory) == ("provisional", 0, (), "")
    assert made.item_id == item_id(SOIL_MOISTURE_1KM, "korea", DAY, made.fingerprint, [model()])


def test_valid_stac(stac):
    """Against the schemas of STAC 1.1 that come with pystac; they need no network."""
    JsonSchemaSTACValidator().validate_core(stac, STACObjectType.ITEM, "1.1.0")
    assert json.loads(json.dumps(stac, allow_nan=False)) == stac


def test_invalid_stac_is_noticed(stac):
    stac["properties"]["license"] = "not a licence id"
    with pytest.raises(pystac.errors.STACValidationError):
        JsonSchemaSTACValidator().validate_core(stac, STACObjectType.ITEM, "1.1.0")


def test_where_and_when(stac):
    assert stac["id"] == "soil_moisture_1km_korea_20190615_r02"
    assert stac["properties"]["sm_daily:product"] == "soil_moisture_1km"
    assert stac["bbox"] == [124.0, 33.0, 131.0, 43.0]
    properties = stac["properties"]
    assert properties["start_datetime"] == "2019-06-15T00:00:00Z"
    assert properties["end_datetime"] == "2019-06-15T23:59:59Z"
    assert properties["created"] == properties["processing:datetime"] == "2019-06-17T09:00:00Z"


def test_projection(stac):
    projection = ProjectionExtension.ext(pystac.Item.from_dict(stac))
    assert (projection.code, projection.shape) == ("EPSG:4326", [1000, 700])
    assert projection.transform == [0.01, 0.0, 124.0, 0.0, -0.01, 43.0]


def test_a_projected_grid_is_placed_on_the_globe(item):
    grid = Grid.from_origin("utmk", west=900_000, north=2_000_000, resolution=1000, width=200, height=100,
                            crs="EPSG:5179")
    stac = stac_item(item, SOIL_MOISTURE_1KM, grid)
    west, south, east, north = stac["bbox"]
    assert 126 < west < 127 < 128 < east < 129
    assert 37 < south < 37.2 < 37.9 < north < 38.1
    assert stac["properties"]["proj:code"] == "EPSG:5179"
    assert stac["properties"]["proj:bbox"] == [900_000, 1_900_000, 1_100_000, 2_000_000]


def test_files_carry_a_multihash(stac):
    file = FileExtension.ext(pystac.Item.from_dict(stac).assets["sm_surface"])
    assert file.checksum == "1220" + "ef" * 32                          # sha2-256, 32 bytes
    assert file.size == 10


def test_one_asset_for_each_file(stac):
    assert list(stac["assets"]) == [*(v.variable.name for v in SOIL_MOISTURE_1KM.variables), "summary.md"]
    asset = stac["assets"]["sm_surface"]
    assert asset["href"] == "./soil_moisture_1km_korea_20190615_r02_sm_surface.tif"
    assert asset["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert asset["bands"] == [{
        "name": "sm_surface", "description": "Surface soil moisture, 0 to 10 cm", "data_type": "uint16",
        "nodata": 65535, "unit": "1", "raster:scale": 0.0001, "raster:offset": 0.0, "raster:sampling": "area",
    }]
    assert stac["assets"]["summary.md"]["roles"] == ["metadata"]


def test_classes_and_bits(stac):
    classes = stac["assets"]["drought_class"]["classification:classes"]
    assert [(c["value"], c["color_hint"]) for c in classes][:2] == [(0, "FFFFFF"), (1, "FFFF00")]
    bits = stac["assets"]["qa_flags"]["classification:bitfields"]
    assert [(b["offset"], b["length"], b["name"]) for b in bits][:2] == [
        (0, 1, "land_surface_temperature_gap_filled"), (1, 1, "vegetation_index_gap_filled"),
    ]
    assert all(c["name"].replace("_", "").isalnum() for c in [*classes, *bits])


def test_lineage(stac):
    links = {link["rel"]: link for link in stac["links"]}
    assert links["derived_from"]["href"] == "MOD11A1.A2019166.h28v05.061.hdf"
    assert links["predecessor-version"]["href"] == "../r01/soil_moisture_1km_korea_20190615_r01.json"
    properties = stac["properties"]
    assert properties["sm_daily:inputs"][0]["sha256"] == "12" * 32
    assert "/archive" not in json.dumps(stac)                           # no path of the machine it was made on
    assert properties["sm_daily:models"] == [{"name": "korea-downscaler", "kind": "downscaler", "version": 3,
                                              "sha256": "ab" * 32, "trained_until": "2018-12-31"}]
    assert (properties["version"], properties["sm_daily:maturity"]) == ("2", "final")
    assert properties["sm_daily:checks"][0]["check"] == "sm_surface_range"
    assert properties["sm_daily:checks_not_applicable"] == ["sm_surface_change"]
    assert properties["processing:lineage"].endswith(
        "of 1 granules of MOD11A1.061; models: korea-downscaler 3."
    )


def test_where_it_belongs(stac):
    links = [(link["rel"], link["href"]) for link in stac["links"]]
    assert stac["collection"] == "soil_moisture_1km_korea"
    assert links[:5] == [
        ("root", "../../../../../../catalog.json"), ("parent", "../../catalog.json"),
        ("collection", "../../../../collection.json"),
        ("latest-version", "../soil_moisture_1km_korea_20190615.json"),
        ("derived_from", "../../../../../../models/korea-downscaler_v3_abababab.json"),
    ]
    granule_link = next(link for link in stac["links"] if link["href"].endswith(".hdf"))
    assert (granule_link["file:checksum"], granule_link["file:size"]) == ("1220" + "12" * 32, 3)


def test_only_declared_extensions_are_used(stac):
    prefixes = {"proj": "projection", "raster": "raster", "file": "file", "classification": "classification",
                "processing": "processing"}
    used = {key.split(":")[0] for key in json.dumps(stac).split('"') if ":" in key and key.split(":")[0] in prefixes}
    declared = " ".join(stac["stac_extensions"])
    assert used == set(prefixes)
    assert all(f"/{prefixes[prefix]}/" in declared for prefix in used)


def test_a_first_revision_has_no_predecessor(item):
    first = item.model_copy(update={"revision": 1, "supersedes": None})
    assert "predecessor-version" not in [link["rel"] for link in stac_item(first, SOIL_MOISTURE_1KM, GRID)["links"]]
