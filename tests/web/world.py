"""A data folder with published days, made by the code that publishes; stations, units and a report beside it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from sm_core.domain import (
    FileRef,
    GateResult,
    Granule,
    Grid,
    ModelVersion,
    ProductItem,
    Region,
    Station,
    load_region,
)
from sm_core.drought import classify, load_units, summarise
from sm_core.publishing import SOIL_MOISTURE_1KM, ProductStore, write_cogs
from sm_core.twin.writers.ismn import write_ismn_header_values
from tasks.publish import _write

ROOT = Path(__file__).resolve().parents[2]
Fields = Callable[[int], dict[str, np.ndarray]]
DEPTHS = (0.05, 0.10, 0.20, 0.50, 1.00)


class World:
    """A folder such as SM_DATA, with a region file of its own."""

    def __init__(self, data: Path, grid: Grid, *, title: str, units: str | None) -> None:
        self.data, self.grid = data, grid
        self.store = ProductStore(data / "products")
        self.regions = data / "regions"
        self.regions.mkdir(parents=True, exist_ok=True)
        declared = yaml.safe_load((ROOT / "deployments" / "regions" / "korea.yaml").read_text(encoding="utf-8"))
        west, _, _, north = grid.bounds
        declared |= {
            "region_id": grid.grid_id, "title": title, "admin_units": units,
            "grid": {"grid_id": grid.grid_id, "west": west, "north": north, "resolution": grid.transform[0],
                     "width": grid.width, "height": grid.height},
        }
        path = self.regions / f"{grid.grid_id}.yaml"
        path.write_text(yaml.safe_dump(declared), encoding="utf-8")
        self.region: Region = load_region(path)

    def publish(
        self, day: dt.date, values: dict[str, np.ndarray], *, maturity: str = "final", stations: Sequence[str] = (),
        history: Sequence[object] = (),
    ) -> tuple[ProductItem, object]:
        """The next revision of a day, with a summary by unit."""
        fields = self._dataset(values)
        summaries = []
        drafted = ProductItem(
            item_id=f"{day}-{len(values)}-{maturity}-{float(np.nanmean(values['sm_surface'])):.5f}",
            product_id=SOIL_MOISTURE_1KM.product_id, algorithm_version=SOIL_MOISTURE_1KM.algorithm_version,
            region_id=self.region.region_id, day=day, revision=0, maturity=maturity,
            created=dt.datetime.combine(day, dt.time(9), dt.UTC) + dt.timedelta(days=1), assets=(),
            inputs=tuple(_granules(day)), fingerprint="0" * 64, models=_models(self.region.region_id, stations),
            gate=GateResult(results=()), directory="",
        )

        def write(folder: Path, item: ProductItem) -> Sequence[FileRef]:
            summary = summarise(
                fields, load_units(self.region, self.data / "archive"), np.isfinite(values["sm_surface"]),
                region=self.region, day=day, maturity=item.maturity, based_on=item.item_id, history=history,
            )
            summaries.append(summary)
            rasters = write_cogs(fields, SOIL_MOISTURE_1KM, folder, item=item, grid=self.grid)
            return (*rasters, _write(folder / "drought.json", summary.model_dump_json(indent=1)))

        return self.store.publish(drafted, SOIL_MOISTURE_1KM, self.grid, write), summaries[-1]

    def write_units(self, boxes: dict[str, tuple[float, float, float, float]]) -> None:
        """Rectangular units with names in two languages."""
        features = [
            {"type": "Feature", "properties": {"name": name, "name_ko": f"{name} 도"},
             "geometry": {"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]}}
            for name, (w, s, e, n) in boxes.items()
        ]
        folder = self.data / "archive" / "static"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))

    def write_station(self, name: str, lon: float, lat: float, days: Sequence[dt.date], values: np.ndarray) -> None:
        """A station whose sensors all read ``values`` [m3 m-3], one for each day, four times a day."""
        for depth in DEPTHS:
            station = Station(
                station_id=f"N/{name}/{depth}", network="N", name=name, lon=lon, lat=lat, elevation_m=10.0,
                depth_from_m=depth, depth_to_m=depth, sensor="probe",
            )
            hours = [pd.Timestamp(day) + pd.Timedelta(hours=hour) for day in days for hour in (0, 6, 12, 18)]
            times = pd.DatetimeIndex(hours, name="time")
            rows = pd.DataFrame({"value": np.repeat(values, 4), "flag": "G", "provider_flag": "M"}, index=times)
            write_ismn_header_values(self.data / "archive" / "stations", station=station, values=rows)

    def write_report(self, first: dt.date, last: dt.date, unseen: Sequence[str] = ("N_S2",)) -> None:
        """A training in service, with its skill at unseen stations, together and each by itself."""
        def row(stage: str, layer: str, r: float, ubrmsd: float) -> dict[str, object]:
            scores = {"pearson_r": r, "ubrmsd": ubrmsd, "rmsd": ubrmsd, "bias": 0.001}
            return {"stage": stage, "layer": layer, "places": 20, "pairs": 400,
                    **{name: {"value": value, "lower": value, "upper": value} for name, value in scores.items()}}

        rows = [row(stage, layer, r, u) for layer in ("sm_surface", "sm_rootzone")
                for stage, r, u in (("coarse", 0.78, 0.052), ("corrected", 0.86, 0.041))]
        folder = self.data / "reports" / self.region.region_id / "one"
        folder.mkdir(parents=True, exist_ok=True)
        record = {"promoted": True, "plan": {"as_of": "2019-07-01T00:00:00Z", "judged_days": [str(first), str(last)]},
                  "at_stations": {"rows": rows}}
        (folder / "record.json").write_text(json.dumps(record))
        lines = [f"{name},sm_rootzone,8,,,\n{name},sm_surface,40,0.8123,{0.0391 + 0.002 * number:.4f},-0.0120\n"
                 for number, name in enumerate(unseen)]
        (folder / "station_skill.csv").write_text(f"station_id,layer,days,pearson_r,ubrmsd,bias\n{''.join(lines)}")

    def _dataset(self, values: dict[str, np.ndarray]) -> xr.Dataset:
        land = np.isfinite(values["sm_surface"])
        made = dict(values)
        made["drought_class"] = classify(values["percentile_sm_rootzone"])
        for layer in ("sm_surface", "sm_rootzone"):
            sigma = values[f"{layer}_uncertainty"]
            made[f"{layer}_lower_90"] = np.clip(values[layer] - 1.645 * sigma, 0, 0.6)
            made[f"{layer}_upper_90"] = np.clip(values[layer] + 1.645 * sigma, 0, 0.6)
        for declared in SOIL_MOISTURE_1KM.variables:
            name, (low, high) = declared.variable.name, declared.variable.valid_range
            if name not in made:
                made[name] = np.where(land, low + (high - low) / 4, np.nan)
        fields = {name: (("y", "x"), array) for name, array in made.items()}
        attrs = {"grid_id": self.grid.grid_id, "crs": self.grid.crs}
        return xr.Dataset(fields, {"y": self.grid.y, "x": self.grid.x}, attrs)


def _granules(day: dt.date) -> list[Granule]:
    tiles = (("MOD11A1.061", "h27v05"), ("MOD11A1.061", "h28v05"), ("MOD13A2.061", "h28v05"), ("GLEAM_v4.2a.SMs", ""))
    return [
        Granule(source_id=name, start=day, end=day, tile=tile, uri=f"/secret/{name}", size=1000, sha256="a" * 64)
        for name, tile in tiles
    ]


def _models(region_id: str, stations: Sequence[str]) -> tuple[ModelVersion, ...]:
    half = len(stations) // 2
    return tuple(
        ModelVersion(
            name=f"{region_id}.{kind}", kind=kind, version=3, sha256="b" * 64, uri="file:///secret/model",
            trained_until=dt.date(2018, 12, 31),
            training_stations=tuple(stations[:half]) if kind == "corrector" else (),
            held_out_stations=tuple(stations[half:]) if kind == "corrector" else (),
        )
        for kind in ("downscaler", "corrector", "climatology")
    )
