// The map: one raster layer of the day, outlines of units, stations, and a mark where somebody looked.

import * as maplibre from "./vendor/maplibre-gl.mjs";
import { by } from "./dom.js";
import { isKorean } from "./text.js";

const CELL_ZOOM = 9;
const MANY_LABELS = 45;
maplibre.setWorkerUrl(new URL("./vendor/maplibre-gl-worker.mjs", import.meta.url).href);

// A map, or null where the browser cannot draw one.
export function openMap(...given) {
  try {
    return new FieldMap(...given);
  } catch (error) {
    if (document.createElement("canvas").getContext("webgl2")) throw error;
    return null;
  }
}

class FieldMap {
  // heard: {click(lon, lat, stationId, unitId), moved(zoom, lat, lon)}
  constructor(bounds, view, heard, tiles, opacity) {
    this.tiles = tiles;
    this.marker = null;
    this.labels = [];
    this.map = new maplibre.Map({
      container: "map", attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
      maxZoom: 13, minZoom: 3, fadeDuration: 0, renderWorldCopies: false,
      ...(view ? { zoom: view[0], center: [view[2], view[1]] } : { bounds: box(bounds), fitBoundsOptions: { padding: 16 } }),
      style: {
        version: 8, sources: { field: { type: "raster", tiles: [tiles], tileSize: 512, bounds, maxzoom: CELL_ZOOM } },
        layers: [{ id: "sea", type: "background", paint: { "background-color": "#d9e5ec" } }, { id: "field", type: "raster",
          source: "field", paint: { "raster-opacity": opacity, "raster-resampling": "nearest", "raster-fade-duration": 150 } }],
      },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new maplibre.ScaleControl({ maxWidth: 90 }), "top-left");
    this.ready = new Promise((resolve) => { this.map.once("load", resolve); });
    this.map.on("moveend", () => {
      const centre = this.map.getCenter();
      heard.moved(this.map.getZoom(), centre.lat, centre.lng);
    });
    this.map.on("click", (event) => this.tell(event.point, event.lngLat, heard));
    const canvas = this.map.getCanvas();
    canvas.setAttribute("aria-describedby", "map-help");
    canvas.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      const centre = this.map.getCenter();
      this.tell(this.map.project(centre), centre, heard);
    });
    new ResizeObserver(() => this.map.resize()).observe(by("map"));
  }

  tell(point, place, heard) {
    const near = [[point.x - 6, point.y - 6], [point.x + 6, point.y + 6]];
    const first = (layer, where) => (this.map.getLayer(layer) ? this.map.queryRenderedFeatures(where, { layers: [layer] })[0] : undefined);
    const station = first("stations", near);
    const unit = first("unit-areas", point);
    const [lon, lat] = station ? station.geometry.coordinates : [place.lng, place.lat];
    heard.click(lon, lat, station?.properties.station_id ?? null, unit?.properties.unit_id ?? null);
  }

  async show(tiles) {
    if (tiles === this.tiles) return;
    this.tiles = tiles;
    await this.ready;
    this.map.getSource("field").setTiles([this.tiles]);
  }

  async fade(opacity) {
    await this.ready;
    this.map.setPaintProperty("field", "raster-opacity", opacity);
  }

  async outline(units) {
    await this.ready;
    this.map.addSource("units", { type: "geojson", data: units, attribution: "" });
    this.map.addLayer({ id: "land", type: "fill", source: "units", paint: { "fill-color": "#cdcdca", "fill-antialias": false } }, "field");
    this.map.addLayer({ id: "unit-areas", type: "fill", source: "units", paint: { "fill-opacity": 0 } });
    this.map.addLayer({ id: "unit-lines", type: "line", source: "units", paint: {
      "line-color": "#3a4a55", "line-width": ["interpolate", ["linear"], ["zoom"], 5, 0.6, 9, 1.6], "line-opacity": 0.75 } });
    this.map.addLayer({ id: "unit-chosen", type: "line", source: "units", filter: ["==", ["get", "unit_id"], ""],
      paint: { "line-color": "#111", "line-width": 2.6 } });
    this.units = units;
    this.name();
  }

  name() {
    this.labels.forEach((label) => label.remove());
    if (!this.units || this.units.features.length > MANY_LABELS) return;
    this.labels = this.units.features.map(({ properties }) => {
      const element = document.createElement("span");
      element.className = "unit-name";
      element.setAttribute("aria-hidden", "true");
      element.textContent = isKorean() ? properties.name_ko : properties.name;
      return new maplibre.Marker({ element }).setLngLat(properties.label).addTo(this.map);
    });
    const declutter = () => by("map").classList.toggle("far", this.map.getZoom() < 6.2);
    this.map.on("zoom", declutter);
    declutter();
  }

  chosen(unitId) {
    if (this.map.getLayer("unit-chosen")) this.map.setFilter("unit-chosen", ["==", ["get", "unit_id"], unitId ?? ""]);
  }

  async place(stations) {
    await this.ready;
    const features = stations.map(({ station_id, role, lon, lat }) => ({
      type: "Feature", properties: { station_id, role }, geometry: { type: "Point", coordinates: [lon, lat] } }));
    this.map.addSource("stations", { type: "geojson", data: { type: "FeatureCollection", features } });
    this.map.addLayer({ id: "stations", type: "circle", source: "stations", paint: {
      "circle-radius": ["interpolate", ["linear"], ["zoom"], 5, 3, 9, 6], "circle-stroke-width": 1.5, "circle-stroke-color": "#fff",
      "circle-color": ["match", ["get", "role"], "unseen", "#d6008c", "training", "#20262b", "#7b8790"] } });
    for (const [event, shape] of [["mouseenter", "pointer"], ["mouseleave", ""]])
      this.map.on(event, "stations", () => { this.map.getCanvas().style.cursor = shape; });
  }

  mark(place) {
    this.marker?.remove();
    this.marker = null;
    if (!place) return;
    const element = document.createElement("span");
    element.className = "here";
    element.setAttribute("aria-hidden", "true");
    this.marker = new maplibre.Marker({ element }).setLngLat([place[1], place[0]]).addTo(this.map);
  }

  go(bounds) {
    this.map.fitBounds(box(bounds), { padding: 40, maxZoom: 9, duration: 400 });
  }

  bring(place) {
    if (!this.map.getBounds().contains([place[1], place[0]])) this.map.easeTo({ center: [place[1], place[0]], duration: 300 });
  }

  // Moves the map when the card would hide the place; on a phone it lies below the map.
  uncover(place, card) {
    const here = this.map.getContainer().getBoundingClientRect();
    const point = this.map.project([place[1], place[0]]);
    const [x, y] = [point.x + here.x, point.y + here.y];
    if (x > card.left - 20 && x < card.right && y > card.top - 20 && y < card.bottom)
      this.map.panBy([x - (here.x + (card.left - here.x) / 2), 0], { duration: 300 });
  }

  remove() {
    this.map.remove();
  }
}

const box = ([west, south, east, north]) => [[west, south], [east, north]];
