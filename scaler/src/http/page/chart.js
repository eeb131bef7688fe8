// The main chart and the backlog below it. Zoom by dragging, Ctrl and wheel, or keys; uPlot draws.

import { h } from "./dom.js";
import { columns, FAN_NAMES } from "./layers.js";
import { clock, number, percentile } from "./words.js";

const WIDE = 900;

/** A chart within `root`; `change` is called with what to do to the range. */
export function chartOf(root, change) {
  let plot = null, waiting = null, given = null, hidden = new Set();
  const legend = h("div", { class: "legend", role: "group", "aria-label": "What is drawn" });
  const canvas = h("div", {
    class: "canvas", tabIndex: 0, role: "img",
    "aria-label": "Demand, forecast and replicas over time. Arrow keys move, plus and minus zoom, Home goes back to live.",
  });
  const below = h("div", { class: "canvas small" });
  const hint = h("p", { class: "hint" }, "Drag to zoom, Ctrl + wheel too; with the chart focused: ← → move, + − zoom, Home = live.");
  root.replaceChildren(legend, canvas, below, hint);

  canvas.addEventListener("keydown", (event) => {
    const act = {
      ArrowLeft: (range, now, lead) => range.pan(-0.2, now, lead),
      ArrowRight: (range, now, lead) => range.pan(0.2, now, lead),
      "+": (range, now, lead) => range.zoom(0.5, now, lead),
      "=": (range, now, lead) => range.zoom(0.5, now, lead),
      "-": (range, now, lead) => range.zoom(2, now, lead),
      Home: (range) => range.live(range.span),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    change(act);
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    change((range, now, lead) => range.zoom(event.deltaY < 0 ? 0.7 : 1.4, now, lead));
  }, { passive: false });

  const observer = new ResizeObserver(() => {
    if (!plot || Math.abs(plot.width - canvas.clientWidth) < 1) return;
    draw();
  });
  observer.observe(canvas);

  /** Draws what is given; the same shape only gets new data. */
  function show(parts) {
    given = { ...parts, ...columns(parts) };
    draw();
  }

  function draw() {
    if (!given || canvas.clientWidth === 0) return;
    const colors = palette();
    const width = canvas.clientWidth;
    plot?.destroy();
    waiting?.destroy();
    waiting = null;
    plot = new uPlot(mainOptions(width, colors, given, hidden, change), given.data, canvas);
    below.hidden = !given.hasBacklog;
    if (given.hasBacklog) waiting = new uPlot(backlogOptions(width, colors, given), given.backlog, below);
    legendOf(legend, plot, colors, hidden, draw);
  }

  return {
    show,
    draw,
    close() {
      observer.disconnect();
      plot?.destroy();
      waiting?.destroy();
    },
  };
}

const COLORS = [
  "text", "muted", "grid", "demand", "demand-area", "demand-mean", "forecast", "fan-inner", "fan-outer", "then", "wanted", "ready",
  "starting", "floor", "ceiling", "lead", "backlog", "backlog-area",
];

/** Colors as the theme has them. A canvas knows no variables: an element's computed color is one of both themes. */
function palette() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const colors = {};
  for (const name of COLORS) {
    probe.style.color = `var(--${name})`;
    colors[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colors;
}

function lines(colors, hidden) {
  const step = uPlot.paths.stepped({ align: 1 });
  const line = (label, color, more) => ({ label, stroke: color, width: 1.6, points: { show: false }, show: !hidden.has(label), ...more });
  return [
    {},
    line("Demand, peak", colors.demand, { fill: colors["demand-area"], width: 1.4 }),
    line("Demand, mean", colors["demand-mean"], { width: 1, show: hidden.has("!Demand, mean") }),
    line(`Forecast ${FAN_NAMES[0]}`, colors.forecast, { width: 1.6 }),
    line(FAN_NAMES[1], colors.forecast, { width: 0.8, show: !hidden.has("Forecast P50") }),
    line(FAN_NAMES[2], colors.forecast, { width: 0.8, show: !hidden.has("Forecast P50") }),
    line("Forecast then", colors.then, { dash: [4, 4], width: 1.4, paths: step }),
    line("Wanted", colors.wanted, { paths: step, width: 2 }),
    line("Ready", colors.ready, { paths: step, width: 2 }),
    line("Starting", colors.starting, { paths: step, width: 1.4, dash: [2, 3] }),
  ];
}

function axes(colors, threshold, width) {
  const base = { stroke: colors.muted, grid: { stroke: colors.grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18 };
  const narrow = width < 560;
  const text = (scale) => (_, values) => values.map((value) => number(value * scale, 2));
  return [
    { ...base, space: narrow ? 60 : 80, values: timeLabels },
    { ...base, label: narrow ? undefined : "replicas", size: narrow ? 34 : 46, incrs: INCREMENTS, values: text(1) },
    { ...base, scale: "y", side: 1, grid: { show: false }, label: narrow ? undefined : "demand, in its own unit", size: narrow ? 38 : 54, incrs: INCREMENTS, values: text(threshold) },
  ];
}

/** Replicas come in wholes. */
const INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

function timeLabels(plot, splits) {
  const span = plot.scales.x.max - plot.scales.x.min;
  let before = "";
  return splits.map((at) => {
    const date = new Date(at * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const text = span > 3 * 86400 ? date : clock(at);
    const line = text + (span <= 3 * 86400 && date !== before ? "\n" + date : "");
    before = date;
    return line;
  });
}

function mainOptions(width, colors, given, hidden, change) {
  const { from, to, now, lead, windows, threshold } = given;
  const height = width > WIDE ? 360 : width > 560 ? 320 : 260;
  return {
    width, height,
    class: "main",
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: "time" } },
    scales: {
      x: { time: true, min: from, max: to, range: [from, to] },
      y: { range: (_, low, high) => [0, Math.max(1, Math.ceil((high ?? 1) * 1.12))] },
    },
    bands: [
      { series: [4, 3], fill: colors["fan-inner"] },
      { series: [5, 4], fill: colors["fan-outer"] },
    ],
    series: lines(colors, hidden),
    axes: axes(colors, threshold, width),
    hooks: {
      drawClear: [(plot) => shade(plot, colors, { now, lead, windows })],
      draw: [(plot) => mark(plot, colors, now)],
      setSelect: [(plot) => {
        const { left, width: wide } = plot.select;
        if (wide < 6) return;
        const [begin, end] = [plot.posToVal(left, "x"), plot.posToVal(left + wide, "x")];
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        change((range) => range.fix(begin, end));
      }],
      init: [(plot) => tooltip(plot, given)],
    },
  };
}

/** Windows in force and the lead, behind everything. */
function shade(plot, colors, { now, lead, windows }) {
  const { ctx, bbox } = plot;
  const x = (at) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, plot.valToPos(at, "x", true)));
  const y = (value) => Math.max(bbox.top, plot.valToPos(value, "y", true));
  const bottom = bbox.top + bbox.height;
  ctx.save();
  for (const span of windows?.spans ?? []) {
    const [left, right] = [x(Date.parse(span.from) / 1000), x(Date.parse(span.to) / 1000)];
    if (right - left < 0.5) continue;
    if (span.floorReplicas > 0) {
      ctx.fillStyle = colors.floor;
      ctx.fillRect(left, y(span.floorReplicas), right - left, bottom - y(span.floorReplicas));
    }
    if (span.ceilingReplicas !== null) {
      ctx.fillStyle = colors.ceiling;
      ctx.fillRect(left, bbox.top, right - left, Math.max(0, y(span.ceilingReplicas) - bbox.top));
    }
  }
  if (lead > 0 && x(now + lead) > x(now)) {
    ctx.fillStyle = colors.lead;
    ctx.fillRect(x(now), bbox.top, x(now + lead) - x(now), bbox.height);
    ctx.fillStyle = colors.muted;
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    if (x(now + lead) - x(now) > 30 * devicePixelRatio) ctx.fillText("lead", x(now) + 5 * devicePixelRatio, bbox.top + 13 * devicePixelRatio);
  }
  ctx.restore();
}

function mark(plot, colors, now) {
  const { ctx, bbox } = plot;
  const left = plot.valToPos(now, "x", true);
  if (left < bbox.left || left > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colors.text;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(left, bbox.top);
  ctx.lineTo(left, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** What lies under the pointer, in words. */
function tooltip(plot, given) {
  const box = h("div", { class: "tip", hidden: true });
  plot.over.append(box);
  plot.over.addEventListener("mouseleave", () => { box.hidden = true; });
  plot.over.addEventListener("mousemove", () => {
    const { left, top } = plot.cursor;
    if (left === null || left < 0) { box.hidden = true; return; }
    const at = plot.posToVal(left, "x");
    const rows = plot.series.slice(1).map((series, i) => [series, latest(given.data, i + 1, at, series.paths !== undefined && i > 4, given)]);
    box.replaceChildren(h("b", {}, new Date(at * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" }) + ", " + clock(at, true)),
      ...rows.filter(([series, value]) => value !== null && series.show).map(([series, value], i) => {
        const unit = /Wanted|Ready|Starting/.test(series.label);
        return h("span", {}, h("i", {}, series.label.replace("Starting", "with starting")), number(value, 2) + (unit ? "" : ` = ${number(value * given.threshold, 2)}`));
      }));
    box.hidden = false;
    const flip = left > plot.over.clientWidth - 210;
    box.style.left = `${flip ? left - box.offsetWidth - 14 : left + 14}px`;
    box.style.top = `${Math.min(top + 10, plot.over.clientHeight - box.offsetHeight)}px`;
  });
}

/** The value of a column at an instant: the last one before it, if that is near or it is a step. */
function latest(data, column, at, stepped, given) {
  const times = data[0];
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= at) low = middle; else high = middle - 1;
  }
  for (let i = low; i >= 0; i--) {
    const value = data[column][i];
    if (value === undefined) continue;
    const near = stepped || at - times[i] <= 1.5 * given.series.stepSeconds + 300;
    return near && times[i] <= at ? value : null;
  }
  return null;
}

function legendOf(root, plot, colors, hidden, draw) {
  const entries = [
    ["Demand, peak", colors.demand], ["Demand, mean", colors["demand-mean"]], ["Forecast P50", colors.forecast, "Forecast P50–P99"],
    ["Forecast then", colors.then], ["Wanted", colors.wanted], ["Ready", colors.ready], ["Starting", colors.starting, "with starting"],
  ];
  const buttons = entries.map(([label, color, name]) => {
    const series = plot.series.find((series) => series.label === label);
    const swatch = h("i", { "aria-hidden": "true" });
    swatch.style.background = color;
    return h("button", {
      type: "button", "aria-pressed": String(series.show),
      onclick: () => {
        const key = label === "Demand, mean" ? "!" + label : label;
        if (!hidden.delete(key)) hidden.add(key);
        draw();
        [...root.children].find((button) => button.dataset.label === label)?.focus();
      },
    }, swatch, name ?? label);
  });
  buttons.forEach((button, i) => { button.dataset.label = entries[i][0]; });
  const key = (name, color) => {
    const swatch = h("i", { class: "area", "aria-hidden": "true" });
    swatch.style.background = color;
    return h("span", {}, swatch, name);
  };
  root.replaceChildren(...buttons, key("window: floor", colors.floor), key("ceiling", colors.ceiling));
}

function backlogOptions(width, colors, { from, to }) {
  const narrow = width < 560;
  const base = { stroke: colors.muted, grid: { stroke: colors.grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 18 };
  return {
    width, height: 110,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, sync: { key: "time" } },
    scales: { x: { time: true, range: [from, to] }, y: { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] } },
    series: [{}, { label: "Backlog", stroke: colors.backlog, fill: colors["backlog-area"], width: 1.4, points: { show: false } }],
    axes: [{ ...base, show: false }, { ...base, label: narrow ? undefined : "waiting", size: narrow ? 34 : 46, space: 30 }, { show: true, side: 1, size: narrow ? 38 : 54, ticks: { show: false }, grid: { show: false }, values: () => [], label: narrow ? undefined : " ", labelSize: 18, scale: "y" }],
  };
}

export { percentile };
