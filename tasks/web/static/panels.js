// What stands beside the map: legend, layers, place, unit, provenance, skill, files.

import { chart, lineFrame, shareFrame } from "./chart.js";
import { by, make } from "./dom.js";
import { figure, isKorean, named, t } from "./text.js";

const GROUPS = [
  ["soilMoisture", (name) => /^sm_(surface|rootzone)$/.test(name)],
  ["drought", (name) => /^(percentile_|drought_class|available_water)/.test(name)],
  ["uncertainty", (name) => /_uncertainty$/.test(name)],
  ["quality", (name) => /^(qa_flags|observation_age)$/.test(name)],
  ["more", () => true],
];
const BLANK = "#cdcdca"; // as the land of map.js
let stopChart = { place: () => {}, unit: () => {} };

// The layer whose series tells most about the one on the map.
export function chartedLayer(name) {
  if (name === "drought_class") return "percentile_sm_rootzone";
  if (name === "qa_flags" || name === "observation_age") return "sm_surface";
  return name.replace(/_(uncertainty|lower_90|upper_90)$/, "");
}

export function layerList(layers, offered, chosen, onchoose) {
  const left = layers.filter((layer) => offered.includes(layer.name));
  const groups = GROUPS.map(([key, fits]) => {
    const members = left.filter((layer) => fits(layer.name));
    members.forEach((layer) => left.splice(left.indexOf(layer), 1));
    if (!members.length) return null;
    const items = members.map((layer) => make("label", { class: "choice" },
      make("input", { type: "radio", name: "layer", value: layer.name, ...(layer.name === chosen ? { checked: "" } : {}),
        onchange: () => onchoose(layer.name) }), make("span", {}, named(layer), depthOf(layer, members))));
    const folded = key === "more" && !members.some((layer) => layer.name === chosen);
    return key === "more" ? make("details", folded ? {} : { open: "" }, make("summary", {}, t(key)), ...items)
      : make("fieldset", {}, make("legend", {}, t(key)), ...items);
  });
  by("layers").replaceChildren(...groups.filter(Boolean));
}

// Told where the depth tells something: not for layers of the same kind at the same depth only.
const depthOf = (layer, members) => (layer.depth && members.some((one) => one.depth !== layer.depth) && /^sm_[a-z]+$/.test(layer.name)
  ? make("span", { class: "units" }, ` ${layer.depth}`) : null);

export function legend(layer) {
  const about = [layer.depth, layer.units].filter(Boolean).join(", ");
  const title = make("p", { class: "legend-title" }, named(layer), about ? make("span", { class: "units" }, ` ${about}`) : null);
  by("legend").replaceChildren(title, layer.classes.length ? classLegend(layer) : ramp(layer));
}

function classLegend(layer) {
  const blank = layer.name === "drought_class" ? [{ colour: BLANK, name: t("notAssessed"), korean: t("notAssessed") }] : [];
  return make("ul", { class: "classes" }, ...[...layer.classes, ...blank].map((entry) => {
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = entry.colour;
    return make("li", {}, swatch, make("span", {}, isKorean() ? entry.korean : entry.name));
  }));
}

function ramp(layer) {
  const low = layer.stops[0].value, high = layer.stops[layer.stops.length - 1].value;
  const share = (value) => (100 * (value - low)) / (high - low);
  const bar = make("div", { class: "ramp", "aria-hidden": "true" });
  bar.style.background = `linear-gradient(to right, ${layer.stops.map((stop) => `${stop.colour} ${share(stop.value)}%`).join(",")})`;
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => low + part * (high - low));
  const decimals = layer.units === "%" || high - low > 20 ? 0 : 2;
  return make("div", {}, bar, make("div", { class: "ticks" }, ...marks.map((value) => make("span", {}, figure(value, decimals)))));
}

export function placePanel(box, { point, series, layer, mapLayer, layers, stations, error, href, onpick }) {
  stopChart.place();
  stopChart.place = () => {};
  if (error) return box.replaceChildren(make("p", { class: "note" }, `${t("failed")}${error.message}`));
  const about = layers.find((one) => one.name === mapLayer);
  const shown = ["sm_surface", "sm_rootzone", "percentile_sm_rootzone", "drought_class"]
    .concat(["sm_surface", "sm_rootzone", "percentile_sm_rootzone", "drought_class", "qa_flags"].includes(mapLayer) ? [] : [mapLayer]);
  const rows = shown.map((name) => layers.find((one) => one.name === name)).filter((one) => one && one.name in point.values)
    .map((one) => make("div", one === about ? { class: "current" } : {}, make("dt", {}, named(one)), make("dd", {}, valueText(one, point.values))));
  const flags = make("p", { class: "note" }, `${t("flags")}: ${point.flags.join("; ") || t("noFlags")}`);
  box.replaceChildren(make("dl", { class: "values" }, ...rows), flags);
  if (!series || !series.values.some((value) => value !== null)) {
    box.append(make("p", { class: "note" }, t("noValue")));
    return undefined;
  }
  box.append(make("h3", {}, named(layer), make("span", { class: "units" }, ` ${[layer.depth, layer.units].filter(Boolean).join(", ")}`)));
  stopChart.place = chart(box, lineFrame(series, { ...layer, label: named(layer) }, point.day, onpick));
  box.append(keyOf(series, stations), make("p", { class: "links" }, make("a", { href, download: "" }, t("csv"))));
  return undefined;
}

function valueText(layer, values) {
  const value = values[layer.name];
  if (value === null) return "–";
  if (layer.classes.length) {
    const found = layer.classes.find((entry) => entry.value === value);
    const swatch = make("span", { class: "swatch" });
    swatch.style.background = found?.colour ?? "none";
    return make("span", {}, swatch, isKorean() ? found.korean : found.name);
  }
  const sigma = values[`${layer.name}_uncertainty`];
  return `${figure(value, layer.decimals)}${sigma ? ` ± ${figure(1.645 * sigma, layer.decimals)}` : ""} ${layer.units}`;
}

function keyOf(series, stations) {
  const near = series.station;
  const parts = [make("span", { class: "key key-line" }, t("value"))];
  if (series.lower.length) parts.push(make("span", { class: "key key-band" }, t("interval")));
  if (near) parts.push(make("span", { class: "key key-seen" }, t("nearStation", { name: near.station_id, km: figure(near.distance_km, 1) })));
  const scores = near && make("p", { class: "note" }, near.pearson_r === null ? t("fewCommon", { n: near.common_days }) : t("common",
    scoresOf({ ...near, days: near.common_days })));
  const unseen = stations.find((one) => one.station_id === near?.station_id)?.skill.find((one) => one.layer === series.layer);
  const judged = unseen && unseen.pearson_r !== null && make("p", { class: "note" }, t("judgedHere", scoresOf(unseen)));
  return make("div", { class: "keys" }, ...parts, scores || null, judged || null);
}

const scoresOf = (row) => ({ n: row.days, r: figure(row.pearson_r, 2), u: figure(row.ubrmsd, 3), b: figure(row.bias, 3) });

export function unitPanel(box, { history, classes, day, error, onpick }) {
  stopChart.unit();
  stopChart.unit = () => {};
  if (error) return box.replaceChildren(make("p", { class: "note" }, t("noHistory")));
  const index = history.days.indexOf(day);
  const found = index < 0 ? null : classes.find((entry) => entry.value === history.drought_class[index]);
  const swatch = make("span", { class: "swatch" });
  swatch.style.background = found?.colour ?? "none";
  const today = index < 0 ? [] : [
    make("div", {}, make("dt", {}, t("unitClass")), make("dd", {}, swatch, found ? (isKorean() ? found.korean : found.name) : "–")),
    make("div", {}, make("dt", {}, t("percentiles")), make("dd", {}, figure(history.mean_percentile[index], 1))),
  ];
  box.replaceChildren(make("dl", { class: "values" }, ...today));
  box.append(make("h3", {}, t("classShare")));
  stopChart.unit = chart(box, shareFrame(history, classes, day, onpick));
  box.append(make("div", { class: "keys" }, ...classes.map((entry) => {
    const colour = make("span", { class: "swatch" });
    colour.style.background = entry.colour;
    return make("span", { class: "key" }, colour, isKorean() ? entry.korean : entry.name);
  })));
  if (index >= 0) box.append(make("p", { class: "note" }, t("assessed", { p: figure(history.assessed_percent[index], 0) })));
  return undefined;
}

export function provenance(day) {
  const failed = day.checks.filter((check) => !check.passed);
  const checks = !day.checks.length ? t("noChecks") : failed.length ? t("failedChecks", { n: failed.length, m: day.checks.length })
    : t("allPassed", { n: day.checks.length });
  by("provenance").replaceChildren(
    make("h3", {}, t("inputs")), make("ul", {}, ...day.inputs.map((input) => make("li", {}, make("b", {}, input.source_id),
      ` ${input.title}. ${t("files", { n: input.files })}, ${input.first === input.last ? input.first : `${input.first} – ${input.last}`}`))),
    make("h3", {}, t("models")), make("ul", {}, ...day.models.map((model) => make("li", {}, make("b", {}, `${model.name} v${model.version}`),
      ` ${t("trainedUntil", { day: model.trained_until })}${model.training_stations
        ? `; ${t("stationsTaught", { n: model.training_stations, m: model.held_out_stations })}` : ""} `,
      make("code", {}, model.sha256.slice(0, 12))))),
    make("h3", {}, t("checks")), make("p", {}, checks), make("ul", {}, ...failed.map((check) => make("li", {}, `${check.check}: ${check.message}`))),
    make("h3", {}, t("revisions")), make("ul", {}, ...day.revisions.map((one) => make("li", {},
      `r${String(one.revision).padStart(2, "0")} ${t(one.maturity)}, ${t("published", { when: `${one.created.slice(0, 16).replace("T", " ")} UTC` })}`))),
    make("p", { class: "note" }, `${t("version", { v: day.algorithm_version })} · ${t("item")} `, make("code", {}, day.item_id)),
  );
  by("citation").textContent = `${day.citation} ${day.licence}`;
}

export function skillPanel(answer) {
  if (!answer.skill.length) return by("skill").replaceChildren(make("p", { class: "note" }, t("noSkill")));
  const head = ["stage", "layer"].map((key) => make("th", { scope: "col" }, t(key)))
    .concat(["r", "ubRMSE", "bias"].map((name) => make("th", { scope: "col" }, name)));
  const rows = answer.skill.map((row) => make("tr", {}, make("td", {}, t(row.stage) ?? row.stage), make("td", {},
    t(row.layer === "sm_surface" ? "surface" : "rootzone")), make("td", {}, figure(row.pearson_r, 2)),
  make("td", {}, figure(row.ubrmsd, 3)), make("td", {}, figure(row.bias, 3))));
  const [first, last] = answer.judged ?? [];
  const count = (role) => answer.stations.filter((one) => one.role === role).length;
  by("skill").replaceChildren(
    make("p", {}, t("atUnseen", { first, last, n: answer.skill[0].stations })),
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
    eachStation(answer.stations),
    make("p", { class: "note" }, answer.stations.length ? t("roles", { t: count("training"), u: count("unseen") }) : t("noStations")),
    make("p", { class: "keys" }, ...["training", "unseen", "other"].map((role) => make("span", { class: `key dot-${role}` }, t(role)))),
  );
  return undefined;
}

// Stations that no model saw, the worst first: which places the product does not know.
function eachStation(stations) {
  const rows = stations.flatMap((one) => one.skill.map((row) => ({ ...row, name: one.station_id }))).filter((row) => row.ubrmsd !== null);
  if (!rows.length) return null;
  rows.sort((a, b) => b.ubrmsd - a.ubrmsd);
  const head = ["station", "layer"].map((key) => make("th", { scope: "col" }, t(key)))
    .concat(["r", "ubRMSE", "bias"].map((name) => make("th", { scope: "col" }, name)));
  const body = rows.map((row) => make("tr", {}, make("td", {}, row.name),
    make("td", {}, t(row.layer === "sm_surface" ? "surface" : "rootzone")), make("td", {}, figure(row.pearson_r, 2)),
    make("td", {}, figure(row.ubrmsd, 3)), make("td", {}, figure(row.bias, 3))));
  return make("details", { class: "each" }, make("summary", {}, t("eachStation", { n: new Set(rows.map((row) => row.name)).size })),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body))));
}

export function files(day) {
  const size = (bytes) => t("bytes", { k: Math.max(1, Math.round(bytes / 1024)).toLocaleString() });
  by("files").replaceChildren(make("ul", { class: "files" }, ...day.files.map((file) =>
    make("li", {}, make("a", { href: file.href, download: "" }, file.name), make("span", { class: "note" }, ` ${size(file.size)}`)))),
  make("p", {}, make("a", { href: day.stac }, "STAC")));
}
