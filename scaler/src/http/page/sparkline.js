// A day of demand in a row, the lead ahead as a dashed step. Asked for when a row stays in view.

import { ask, pathOf } from "./api.js";
import { svg } from "./dom.js";

const KEPT_MS = 5 * 60_000;
const AT_ONCE = 4;
const POINTS = 96;
const [WIDTH, HEIGHT, AHEAD] = [132, 32, 14];

const known = new Map();
const waiting = [];
let running = 0;

/** What is known of a row's day; asks for it where need be, and calls `done` when it is there. */
export function day(row, done) {
  const key = `${row.namespace}/${row.name}/${row.metric}`;
  const found = known.get(key);
  if (found && performance.now() - found.at < KEPT_MS) return found.values;
  if (!found?.asked) {
    known.set(key, { ...(found ?? { values: null, at: -Infinity }), asked: true });
    waiting.push({ key, row, done });
    next();
  }
  return found?.values ?? null;
}

/** Rows that scrolled by need no answer any more. */
export function forget(stillSeen) {
  for (let i = waiting.length - 1; i >= 0; i--) {
    if (stillSeen(waiting[i].key)) continue;
    const entry = known.get(waiting[i].key);
    if (entry) entry.asked = false;
    waiting.splice(i, 1);
  }
}

async function next() {
  if (running >= AT_ONCE || waiting.length === 0) return;
  const { key, row, done } = waiting.shift();
  running++;
  let values = null;
  try {
    const series = await ask(pathOf(row.namespace, row.name) + "/series", { metric: row.metric, limit: POINTS + 1 });
    values = series.max;
  } catch {
    // The row goes on without its day; the notices say what is wrong.
  }
  known.set(key, { values, at: performance.now(), asked: false });
  running--;
  done(key);
  next();
}

/** The drawing. */
export function spark(row, values) {
  const seen = (values ?? []).filter((value) => value !== null);
  const top = Math.max(1e-9, row.forecast ?? 0, ...seen);
  const label = seen.length
    ? `Demand of the last day, highest ${top.toPrecision(3)}`
    : "No demand seen within the last day";
  const image = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "spark", role: "img", "aria-label": label, preserveAspectRatio: "none" });
  const y = (value) => (HEIGHT - 2 - (value / top) * (HEIGHT - 5)).toFixed(1);
  const x = (i) => ((i / Math.max(1, (values?.length ?? 1) - 1)) * (WIDTH - AHEAD)).toFixed(1);
  let [line, area, open] = ["", "", null];
  (values ?? []).forEach((value, i) => {
    if (value === null) {
      if (open !== null) area += `L${x(i - 1)},${HEIGHT}L${open},${HEIGHT}Z`;
      open = null;
      return;
    }
    const point = `${x(i)},${y(value)}`;
    line += (open === null ? "M" : "L") + point;
    area += (open === null ? "M" : "L") + point;
    open ??= x(i);
  });
  if (open !== null) area += `L${x(values.length - 1)},${HEIGHT}L${open},${HEIGHT}Z`;
  if (line) image.append(svg("path", { d: area, class: "area" }), svg("path", { d: line, class: "line" }));
  if (row.forecast !== null && row.forecast !== undefined) {
    const level = y(row.forecast);
    image.append(svg("path", { d: `M${WIDTH - AHEAD},${level}L${WIDTH},${level}`, class: row.forecastActs ? "ahead acts" : "ahead" }));
  }
  return image;
}
