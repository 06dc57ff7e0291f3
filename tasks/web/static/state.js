// What is shown, kept in the address so that it can be sent to somebody.

const KEYS = ["region", "day", "layer", "opacity", "map", "at", "unit", "tab", "lang"];

export const state = { region: null, day: null, layer: null, opacity: 90, map: null, at: null, unit: null, tab: "place", lang: null };

export function readAddress() {
  const told = new URLSearchParams(location.hash.slice(1));
  const numbers = (name, count) => {
    const found = (told.get(name) ?? "").split("/").map(Number);
    return found.length === count && found.every(Number.isFinite) ? found : null;
  };
  const opacity = Number(told.get("opacity"));
  const within = (pair) => pair && Math.abs(pair[0]) <= 90 && Math.abs(pair[1]) <= 180;
  const map = numbers("map", 3);
  Object.assign(state, {
    region: told.get("region"), day: told.get("day"), layer: told.get("layer"), unit: told.get("unit"), lang: told.get("lang"),
    opacity: opacity >= 10 && opacity <= 100 ? opacity : 90, tab: told.get("tab") === "unit" ? "unit" : "place",
    map: map && within(map.slice(1)) ? map : null, at: within(numbers("at", 2)) ? numbers("at", 2) : null,
  });
}

export function writeAddress() {
  const parts = KEYS.filter((key) => state[key] !== null && !(key === "tab" && !state.at && !state.unit)).map((key) => {
    const value = Array.isArray(state[key]) ? state[key].map((number) => +number.toFixed(4)).join("/") : state[key];
    return `${key}=${encodeURIComponent(value).replaceAll("%2F", "/")}`;
  });
  history.replaceState(null, "", `#${parts.join("&")}`);
}
