// Puts the parts together: what is chosen, what is asked for, what is shown.

import { ask, latest } from "./api.js";
import { by, make, say } from "./dom.js";
import { openMap } from "./map.js";
import { chartedLayer, files, layerList, legend, placePanel, provenance, skillPanel, unitPanel } from "./panels.js";
import { readAddress, state, writeAddress } from "./state.js";
import { isKorean, longDate, named, t, useLanguage } from "./text.js";

const WHOLE = "region";
const WINDOW_DAYS = 400;
const FIRST_LAYER = "drought_class";
const known = { regions: [], layers: [], region: null, days: [], day: null, units: null, stations: null, map: null };
const askDay = latest(), askPlace = latest(), askUnit = latest();

const layerOf = (name) => known.layers.find((layer) => layer.name === name);
const index = () => known.days.days.indexOf(state.day);
const classes = () => layerOf("drought_class").classes;

async function start() {
  readAddress();
  useLanguage(state.lang);
  listen();
  try {
    [known.regions, known.layers] = await Promise.all([ask("/api/regions"), ask("/api/layers")]);
  } catch (error) {
    return complain(`${t("failed")}${error.message}`);
  }
  if (!known.regions.length) return complain(t("nothing"));
  by("region").replaceChildren(...known.regions.map((one) => make("option", { value: one.region_id }, named(one))));
  by("region-choice").hidden = known.regions.length < 2;
  return openRegion(known.regions.find((one) => one.region_id === state.region) ?? known.regions[0], state.map);
}

async function openRegion(region, view) {
  known.region = region;
  state.region = by("region").value = region.region_id;
  by("region-title").textContent = named(region);
  const here = `/api/regions/${region.region_id}`;
  known.days = await ask(`${here}/days`);
  if (!layerOf(state.layer)) state.layer = FIRST_LAYER;
  if (!known.days.days.includes(state.day)) state.day = known.days.days.at(-1);
  by("day").max = known.days.days.length - 1;
  by("first").textContent = known.days.days[0];
  by("last").textContent = known.days.days.at(-1);
  by("opacity").value = state.opacity;
  known.map?.remove();
  known.map = openMap(region.bounds, view, { click: look, moved }, tiles(), state.opacity / 100);
  showOpacity();
  if (!known.map) complain(t("noWebgl"));
  showDate();
  known.units = known.stations = null;
  ask(`${here}/units`).then((units) => { known.units = units; unitChoice(); return known.map?.outline(units); })
    .then(() => (state.at && !state.unit ? openCard() : known.map?.chosen(state.unit))).catch(complainOf);
  await known.map?.ready;
  known.map?.map.once("idle", () => {
    document.documentElement.dataset.ready = "map";
    performance.mark("first-map");
  });
  ask(`${here}/stations`).then((stations) => { known.stations = stations; stationChoice(); skillPanel(stations); return known.map?.place(stations.stations); })
    .catch(complainOf);
  if (state.at || state.unit) openCard();
}

function showDate() {
  const position = index();
  const provisional = known.days.provisional[position];
  by("day").value = position;
  by("date").textContent = longDate(state.day);
  by("date").setAttribute("datetime", state.day);
  by("day").setAttribute("aria-valuetext", `${longDate(state.day)}, ${t(provisional ? "provisional" : "final")}`);
  by("maturity").textContent = `${t(provisional ? "provisional" : "final")} r${String(known.days.revision[position]).padStart(2, "0")}`;
  by("maturity").className = `badge ${provisional ? "provisional" : "final"}`;
  by("provisional").hidden = !provisional;
  by("earlier").disabled = position === 0;
  by("later").disabled = by("newest").disabled = position === known.days.days.length - 1;
  showField();
  askDay((signal) => ask(`/api/regions/${state.region}/days/${state.day}`, {}, signal), (day, error) => {
    if (error) return complainOf(error);
    known.day = day;
    layerList(known.layers, day.layers, state.layer, chooseLayer);
    provenance(day);
    return files(day);
  });
  writeAddress();
}

const tiles = () =>
  `${location.origin}/tiles/${state.region}/${state.day}/${known.days.revision[index()]}/${state.layer}/{z}/{x}/{y}.png`;

function showField() {
  legend(layerOf(state.layer));
  known.map?.show(tiles());
}

let waiting = null;
function chooseDay(day) {
  if (!known.days.days.includes(day) || day === state.day) return;
  state.day = day;
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (state.at || state.unit) openCard(); }, 150);
  showDate();
}

function chooseLayer(name) {
  state.layer = name;
  showField();
  if (state.at) openPlace();
  writeAddress();
}

function look(lon, lat, stationId, unitId) {
  state.at = [lat, lon];
  state.unit = unitId;
  if (stationId) state.tab = "place";
  openCard();
}

function openCard() {
  by("card").hidden = false;
  if (state.at && !state.unit) state.unit = unitAt(state.at);
  titles();
  known.map?.mark(state.at);
  known.map?.chosen(state.unit);
  by("unit-choice").value = state.unit ?? "";
  if (!state.at) state.tab = "unit";
  by("tab-place").disabled = !state.at;
  chooseTab(state.tab, false);
  if (state.at) openPlace();
  openUnit();
  writeAddress();
}

function uncover() {
  if (state.at && !by("card").hidden) known.map?.uncover(state.at, by("card").getBoundingClientRect());
}

function openPlace() {
  const [lat, lon] = state.at;
  [by("lat").value, by("lon").value] = [lat.toFixed(4), lon.toFixed(4)];
  const name = chartedLayer(state.layer);
  const here = `/api/regions/${state.region}`;
  const { start: first, end: last } = around();
  const href = `${here}/series/${name}.csv?${new URLSearchParams({ lon: lon.toFixed(5), lat: lat.toFixed(5), start: first, end: last })}`;
  by("place").setAttribute("aria-busy", "true");
  askPlace((signal) => Promise.all([
    ask(`${here}/days/${state.day}/point`, { lon, lat }, signal),
    ask(`${here}/series/${name}`, { lon, lat, start: first, end: last }, signal),
  ]), (found, error) => {
    by("place").removeAttribute("aria-busy");
    placePanel(by("place"), { point: found?.[0], series: found?.[1], layer: layerOf(name), mapLayer: state.layer,
      layers: known.layers, stations: known.stations?.stations ?? [], error, href, onpick: chooseDay });
    uncover();
    say(by("place").querySelector(".readout")?.textContent ?? "");
  });
}

function openUnit() {
  const { start: first, end: last } = around();
  askUnit((signal) => ask(`/api/regions/${state.region}/units/${encodeURIComponent(state.unit ?? WHOLE)}/history`, { start: first, end: last }, signal),
    (history, error) => unitPanel(by("unit"), { history, classes: classes(), day: state.day, error, onpick: chooseDay }));
}

// At most 400 days: the newest ones, or those up to 60 days after a date that lies before them.
function around() {
  const plus = (day, days) => new Date(Date.parse(`${day}T00:00:00Z`) + days * 864e5).toISOString().slice(0, 10);
  const newest = known.days.days.at(-1), oldest = known.days.days[0];
  let end = newest;
  if (state.day < plus(newest, 1 - WINDOW_DAYS)) end = plus(state.day, 60) < newest ? plus(state.day, 60) : newest;
  const begin = plus(end, 1 - WINDOW_DAYS);
  return { start: begin > oldest ? begin : oldest, end };
}

function chooseTab(name, focus) {
  state.tab = name;
  for (const one of ["place", "unit"]) {
    by(`tab-${one}`).setAttribute("aria-selected", String(one === name));
    by(`tab-${one}`).tabIndex = one === name ? 0 : -1;
    by(one).hidden = one !== name;
  }
  if (focus) by(`tab-${name}`).focus();
  writeAddress();
}

function closeCard() {
  [state.at, state.unit] = [null, null];
  by("card").hidden = true;
  by("unit-choice").value = by("station-choice").value = "";
  known.map?.mark(null);
  known.map?.chosen(null);
  writeAddress();
}

function unitChoice() {
  const options = known.units.features.map(({ properties }) => ({ id: properties.unit_id, name: named(properties) }))
    .sort((a, b) => a.name.localeCompare(b.name));
  by("unit-choice").replaceChildren(make("option", { value: "" }, t("choose")), make("option", { value: WHOLE }, t("wholeRegion")),
    ...options.map((one) => make("option", { value: one.id }, one.name)));
  by("unit-choice").value = state.unit ?? "";
  if (!by("card").hidden) titles();
}

function titles() {
  const name = unitName(state.unit);
  by("card-title").textContent = state.at ? `${degrees(state.at[0], "N", "S")} ${degrees(state.at[1], "E", "W")}` : name;
  by("tab-unit").textContent = name;
}

function stationChoice() {
  by("station-choice").replaceChildren(make("option", { value: "" }, t("choose")),
    ...known.stations.stations.map((one) => make("option", { value: one.station_id }, `${one.station_id} (${t(one.role)})`)));
  by("station-choice").disabled = !known.stations.stations.length;
}

function unitAt([lat, lon]) {
  const found = known.units?.features.find(({ geometry }) => contains(geometry, lon, lat));
  return found ? found.properties.unit_id : null;
}

function unitName(unitId) {
  const found = known.units?.features.find(({ properties }) => properties.unit_id === unitId);
  return found ? named(found.properties) : unitId && unitId !== WHOLE ? unitId : t("wholeRegion");
}

function moved(zoom, lat, lon) {
  state.map = [zoom, lat, lon];
  writeAddress();
}

function showOpacity() {
  by("opacity-value").textContent = `${state.opacity} %`;
  known.map?.fade(state.opacity / 100);
}

function listen() {
  by("day").addEventListener("input", (event) => chooseDay(known.days.days[Number(event.target.value)]));
  by("earlier").addEventListener("click", () => chooseDay(known.days.days[index() - 1]));
  by("later").addEventListener("click", () => chooseDay(known.days.days[index() + 1]));
  by("newest").addEventListener("click", () => chooseDay(known.days.days.at(-1)));
  by("opacity").addEventListener("input", (event) => { state.opacity = Number(event.target.value); showOpacity(); writeAddress(); });
  by("region").addEventListener("change", (event) => {
    closeCard();
    [state.day, state.map] = [null, null];
    openRegion(known.regions.find((one) => one.region_id === event.target.value), null).catch(complainOf);
  });
  by("language").addEventListener("click", () => {
    state.lang = isKorean() ? "en" : "ko";
    useLanguage(state.lang);
    relabel();
  });
  by("unit-choice").addEventListener("change", (event) => {
    if (!event.target.value) return closeCard();
    [state.unit, state.at, state.tab] = [event.target.value, null, "unit"];
    const found = known.units.features.find(({ properties }) => properties.unit_id === state.unit);
    known.map?.go(found ? boundsOf(found.geometry) : known.region.bounds);
    return openCard();
  });
  by("station-choice").addEventListener("change", (event) => {
    const found = known.stations.stations.find((one) => one.station_id === event.target.value);
    if (!found) return;
    known.map?.bring([found.lat, found.lon]);
    look(found.lon, found.lat, found.station_id, null);
  });
  by("coordinates").addEventListener("submit", (event) => {
    event.preventDefault();
    const [lat, lon] = [Number(by("lat").value), Number(by("lon").value)];
    if (!by("lat").value.trim() || !(Math.abs(lat) <= 90) || !(Math.abs(lon) <= 180)) return by("lat").focus();
    known.map?.bring([lat, lon]);
    return look(lon, lat, null, null);
  });
  by("close").addEventListener("click", () => { closeCard(); by("day").focus(); });
  for (const name of ["place", "unit"]) {
    by(`tab-${name}`).addEventListener("click", () => chooseTab(name, false));
    by(`tab-${name}`).addEventListener("keydown", (event) => {
      const other = name === "place" ? "unit" : "place";
      if (["ArrowLeft", "ArrowRight"].includes(event.key) && !by(`tab-${other}`).disabled) chooseTab(other, true);
    });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !by("card").hidden) { closeCard(); by("day").focus(); } });
  by("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href);
    say(t("copied"));
    by("copy").textContent = t("copied");
    setTimeout(() => { by("copy").textContent = t("copyLink"); }, 2000);
  });
  addEventListener("hashchange", () => location.reload());
}

function relabel() {
  by("language").textContent = isKorean() ? "English" : "한국어";
  by("language").lang = isKorean() ? "en" : "ko";
  if (!known.region) return;
  by("region-title").textContent = named(known.region);
  showDate();
  if (known.units) unitChoice();
  if (known.stations) { stationChoice(); skillPanel(known.stations); }
  known.map?.name();
  if (!by("card").hidden) openCard();
}

// Crossings of a ray to the east: an odd number is inside, holes included.
function contains(geometry, lon, lat) {
  const rings = geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat();
  return rings.reduce((inside, ring) => ring.reduce((so, [x, y], index) => {
    const [before, above] = ring[(index || ring.length) - 1];
    return (y > lat) !== (above > lat) && lon < x + ((before - x) * (lat - y)) / (above - y) ? !so : so;
  }, inside), false);
}

const degrees = (value, positive, negative) => `${Math.abs(value).toFixed(3)}° ${value < 0 ? negative : positive}`;

function boundsOf(geometry) {
  const places = geometry.coordinates.flat(geometry.type === "Polygon" ? 1 : 2);
  const [lons, lats] = [places.map((one) => one[0]), places.map((one) => one[1])];
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

function complain(text) {
  by("message").textContent = text;
  by("message").hidden = false;
}

const complainOf = (error) => complain(`${t("failed")}${error.message}`);

start().then(() => {
  by("language").textContent = isKorean() ? "English" : "한국어";
  by("language").lang = isKorean() ? "en" : "ko";
  if (!known.map) document.documentElement.dataset.ready = "page";
}).catch(complainOf);
