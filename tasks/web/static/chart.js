// Two small charts as inline SVG: a line with its band and observations, and shares stacked over time.

import { draw, make, say } from "./dom.js";
import { figure, longDate, t } from "./text.js";

const HEIGHT = 190;
const EDGE = { left: 44, right: 12, top: 10, bottom: 24 };
const dayNumber = (day) => Date.parse(`${day}T00:00:00Z`) / 86400000;

// frame: {days, low, high, decimals, day, label, about(index) -> text, paint(x, y) -> [elements], onpick(day)}
export function chart(box, frame) {
  const readout = make("p", { class: "readout" });
  const holder = make("div", { class: "chart" });
  box.append(holder, readout);
  let cursor = Math.max(0, frame.days.indexOf(frame.day));
  let drawn = 0;
  const redraw = () => {
    const width = Math.max(240, holder.clientWidth || 320);
    if (width === drawn) return;
    drawn = width;
    const focused = holder.contains(document.activeElement);
    holder.replaceChildren(picture(width));
    if (focused) holder.firstChild.focus();
  };

  function picture(width) {
    const numbers = frame.days.map(dayNumber);
    const first = numbers[0], last = numbers[numbers.length - 1];
    const x = (index) => EDGE.left + ((numbers[index] - first) / Math.max(1, last - first)) * (width - EDGE.left - EDGE.right);
    const y = (value) => HEIGHT - EDGE.bottom - ((value - frame.low) / (frame.high - frame.low)) * (HEIGHT - EDGE.top - EDGE.bottom);
    const mark = draw("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom });
    const svg = draw("svg", {
      viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, tabindex: 0, role: "img",
      "aria-label": `${frame.label}. ${frame.about(cursor)}. ${t("chartHelp")}`,
    }, ...levels(width, y), ...months(width, x), ...frame.paint(x, y), shown(x), mark);
    const move = (index, aloud) => {
      cursor = Math.min(frame.days.length - 1, Math.max(0, index));
      mark.setAttribute("x1", x(cursor));
      mark.setAttribute("x2", x(cursor));
      readout.textContent = `${longDate(frame.days[cursor])}: ${frame.about(cursor)}`;
      if (aloud) say(readout.textContent);
    };
    const under = (event) => {
      const place = event.clientX - svg.getBoundingClientRect().left;
      return frame.days.reduce((best, _, index) => (Math.abs(x(index) - place) < Math.abs(x(best) - place) ? index : best), 0);
    };
    svg.addEventListener("pointermove", (event) => move(under(event), false));
    svg.addEventListener("click", (event) => { move(under(event), false); frame.onpick(frame.days[cursor]); });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -1e6, End: 1e6 }[event.key];
      if (step) move(cursor + step, true);
      else if (event.key === "Enter") frame.onpick(frame.days[cursor]);
      else return;
      event.preventDefault();
    });
    move(cursor, false);
    return svg;
  }

  function shown(x) {
    const index = frame.days.indexOf(frame.day);
    return index < 0 ? null : draw("line", { class: "today", x1: x(index), x2: x(index), y1: EDGE.top, y2: HEIGHT - EDGE.bottom });
  }

  function levels(width, y) {
    const step = niceStep((frame.high - frame.low) / 5);
    const marks = [];
    for (let value = Math.ceil(frame.low / step) * step; value <= frame.high + step / 1e6; value += step) {
      marks.push(draw("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
        draw("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, figure(value, decimalsOf(step))));
    }
    return marks;
  }

  function months(width, x) {
    const starts = frame.days.map((day, index) => ({ day, index })).filter(({ day, index }) => index > 0 && day.endsWith("-01"));
    const ends = [{ day: frame.days[0], index: 0 }, { day: frame.days[frame.days.length - 1], index: frame.days.length - 1 }];
    const every = Math.ceil(starts.length / Math.max(1, Math.floor(width / 90)));
    const marks = starts.filter((_, number) => number % every === 0);
    const labels = marks.length >= 2 ? marks : ends;
    return labels.flatMap(({ day, index }) => [
      draw("line", { class: "grid", x1: x(index), x2: x(index), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      draw("text", {
        x: x(index), y: HEIGHT - 7, "text-anchor": x(index) < 70 ? "start" : x(index) > width - 50 ? "end" : "middle",
      }, marks.length >= 2 ? day.slice(0, 7) : day),
    ]);
  }

  redraw();
  const watch = new ResizeObserver(() => redraw());
  watch.observe(holder);
  return () => watch.disconnect();
}

export function lineFrame(series, layer, day, onpick) {
  const near = series.station;
  const everything = [...series.values, ...series.lower, ...series.upper, ...(near ? near.values : [])].filter((one) => one !== null);
  const least = layer.units === "%" ? 10 : 0.05;
  let low = Math.min(...everything), high = Math.max(...everything);
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const room = (high - low) * 0.06;
  low = Math.max(0, low - room);
  high += room;
  const line = (x, y, values) => runs(values).map((run) =>
    draw("path", { class: "line", d: "M" + run.map((index) => `${x(index).toFixed(1)},${y(values[index]).toFixed(1)}`).join("L") }));
  const band = (x, y) => (series.lower.length ? runs(series.lower).map((run) => {
    const there = run.map((index) => `${x(index).toFixed(1)},${y(series.upper[index]).toFixed(1)}`);
    const back = [...run].reverse().map((index) => `${x(index).toFixed(1)},${y(series.lower[index]).toFixed(1)}`);
    return draw("path", { class: "band", d: `M${[...there, ...back].join("L")}Z` });
  }) : []);
  const dots = (x, y) => (near ? near.values.flatMap((value, index) =>
    (value === null ? [] : [draw("circle", { class: "seen", cx: x(index), cy: y(value), r: 2.2 })])) : []);
  const open = (x, y) => series.values.flatMap((value, index) =>
    (value !== null && series.provisional[index] ? [draw("circle", { class: "open", cx: x(index), cy: y(value), r: 3 })] : []));
  return {
    days: series.days, low, high, day, onpick, label: layer.label,
    paint: (x, y) => [...band(x, y), ...line(x, y, series.values), ...dots(x, y), ...open(x, y)],
    about: (index) => {
      const parts = [`${figure(series.values[index], layer.decimals)} ${layer.units}`];
      if (series.lower.length && series.lower[index] !== null)
        parts.push(`(${figure(series.lower[index], layer.decimals)}–${figure(series.upper[index], layer.decimals)})`);
      if (near && near.values[index] !== null) parts.push(`${t("observed")} ${figure(near.values[index], layer.decimals)}`);
      if (series.provisional[index]) parts.push(`· ${t("provisional")}`);
      return parts.join(" ");
    },
  };
}

export function shareFrame(history, classes, day, onpick) {
  const all = [...classes].sort((a, b) => a.value - b.value);
  const worst = classes.filter((one) => one.value > 0).sort((a, b) => b.value - a.value);
  const orWorse = (index, value) => history.class_percent[index].slice(value).reduce((sum, share) => sum + share, 0);
  const area = (x, y, value, colour) => {
    const top = history.days.map((_, index) => `${x(index).toFixed(1)},${y(orWorse(index, value)).toFixed(1)}`);
    return draw("path", { fill: colour, d: `M${x(0)},${y(0)}L${top.join("L")}L${x(history.days.length - 1)},${y(0)}Z` });
  };
  return {
    days: history.days, low: 0, high: 100, day, onpick, label: t("classShare"),
    paint: (x, y) => all.map((one) => area(x, y, one.value, one.colour)),
    about: (index) => worst.filter((one) => history.class_percent[index][one.value] > 0)
      .map((one) => `${one.name.split(" ")[0]} ${figure(history.class_percent[index][one.value], 0)} %`).join(", ") || t("none"),
  };
}

function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (index > 0 && values[index - 1] !== null && found.length) found[found.length - 1].push(index);
    else found.push([index]);
  });
  return found;
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

const decimalsOf = (step) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
