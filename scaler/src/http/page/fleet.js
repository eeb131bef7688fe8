// All workloads: search, filters, a row each. Only the rows in view exist, so that thousands stay
// smooth.

import { ask } from "./api.js";
import { fill, h, say } from "./dom.js";
import { day, forget, spark } from "./sparkline.js";
import { number, plural, span, stateLevel, stateName, STATES } from "./words.js";

const PAGE = 5000;
const SPARE = 6;
const SORTS = { trouble: "Trouble first", name: "Name", wanted: "Most replicas", saved: "Most saved" };

export function fleetView(root, query) {
  const asked = { q: query.get("q") ?? "", namespace: query.get("namespace") ?? "", state: query.get("state") ?? "", sort: query.get("sort") ?? "trouble" };
  let all = [];
  let shown = [];
  const pool = new Map();

  const search = h("input", { type: "search", id: "search", placeholder: "Search  ( / )", value: asked.q, autocomplete: "off", "aria-label": "Search workloads" });
  const namespace = h("select", { "aria-label": "Namespace" });
  const state = h("select", { "aria-label": "State" }, h("option", { value: "" }, "All states"),
    Object.entries(STATES).map(([key, [name]]) => h("option", { value: key }, name)));
  const sort = h("select", { "aria-label": "Sort by" }, Object.entries(SORTS).map(([key, name]) => h("option", { value: key }, name)));
  state.value = asked.state;
  sort.value = asked.sort;
  const count = h("p", { class: "count", role: "status" });
  const tiles = h("dl", { class: "tiles" });
  const heads = ["Workload", "State", "Replicas", "Last day, and the lead", "Why", "Forecast", "Saved yesterday"];
  const head = h("div", { role: "row", class: "row head", "aria-rowindex": 1 }, heads.map((text) => h("span", { role: "columnheader" }, text)));
  const space = h("div", { role: "rowgroup", class: "space" });
  const list = h("div", { role: "table", class: "fleet", "aria-label": "Workloads" }, h("div", { role: "rowgroup" }, head), space);
  fill(root, h("h1", { class: "unseen" }, "Fleet"), tiles,
    h("div", { class: "filters", role: "search" }, search, namespace, state, sort, count), list);

  const height = () => (matchMedia("(max-width: 760px)").matches ? 118 : 60);

  function remember() {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(asked)) if (value && !(key === "sort" && value === "trouble")) query.set(key, value);
    const text = query.toString();
    history.replaceState(null, "", text ? "#/?" + text : "#/");
  }

  function arrange() {
    const words = asked.q.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter((row) =>
      (!asked.namespace || row.namespace === asked.namespace) &&
      (!asked.state || row.state === asked.state) &&
      words.every((word) => row.text.includes(word)));
    const name = (a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
    const by = {
      trouble: (a, b) => b.trouble - a.trouble || name(a, b),
      name,
      wanted: (a, b) => (b.desiredReplicas ?? -1) - (a.desiredReplicas ?? -1) || name(a, b),
      saved: (a, b) => (b.savedGpuHours ?? -1e9) - (a.savedGpuHours ?? -1e9) || name(a, b),
    }[asked.sort];
    shown.sort(by);
    list.setAttribute("aria-rowcount", shown.length + 1);
    say(count, shown.length === all.length ? plural(all.length, "workload") : `${number(shown.length)} of ${plural(all.length, "workload")}`);
    space.style.height = `${shown.length * height()}px`;
    draw(true);
  }

  function draw(anew = false) {
    const tall = height();
    const top = space.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / tall) - SPARE);
    const last = Math.min(shown.length, Math.ceil((innerHeight - top) / tall) + SPARE);
    const seen = new Set(shown.slice(first, last).map((row) => row.key));
    for (const [key, line] of pool) {
      if (seen.has(key)) continue;
      line.element.remove();
      pool.delete(key);
    }
    // Rows stand in the document as they stand on the screen: readers of either sort go down alike.
    let next = space.firstChild;
    for (let i = first; i < last; i++) {
      const row = shown[i];
      let line = pool.get(row.key);
      if (!line) {
        line = lineOf(row);
        pool.set(row.key, line);
        line.update(row);
      } else if (anew) line.update(row);
      line.place(i, tall);
      if (line.element === next) next = next.nextSibling;
      else space.insertBefore(line.element, next);
    }
    forget((key) => seen.has(key));
    settle();
  }

  // Days are asked for once scrolling rests: rows that fly by cost nothing.
  let resting = 0;
  function settle() {
    clearTimeout(resting);
    resting = setTimeout(() => pool.forEach((line) => line.sketch()), 150);
  }

  let due = false;
  function onScroll() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(); });
  }
  function onResize() {
    space.style.height = `${shown.length * height()}px`;
    draw();
  }

  function lineOf(first) {
    let row = first;
    const link = h("a", { class: "name" }, h("strong", {}), h("small", {}));
    const badge = h("span", { class: "state" });
    const replicas = h("span", { role: "cell", class: "replicas" });
    const chart = h("span", { role: "cell", class: "chart" });
    const why = h("span", { role: "cell", class: "why" });
    const forecast = h("span", { role: "cell", class: "forecast" });
    const saved = h("span", { role: "cell", class: "saved" });
    const element = h("div", { role: "row", class: "row" },
      h("span", { role: "cell" }, link), h("span", { role: "cell" }, badge), replicas, chart, why, forecast, saved);
    let drawn;
    const line = {
      element,
      place(i, tall) {
        element.style.transform = `translateY(${i * tall}px)`;
        element.setAttribute("aria-rowindex", i + 2);
      },
      update(next) {
        row = next;
        link.href = `#/${encodeURIComponent(row.namespace)}/${encodeURIComponent(row.name)}` + (row.alone ? "" : `?metric=${encodeURIComponent(row.metric)}`);
        say(link.firstChild, row.name);
        say(link.lastChild, row.alone ? row.namespace : `${row.namespace} · ${row.metric}`);
        say(badge, stateName(row.state));
        badge.className = `state level${stateLevel(row.state)}`;
        badge.title = STATES[row.state]?.[2] ?? "";
        say(why, reason(row));
        why.title = why.textContent;
        say(forecast, row.forecastActs === null ? "–" : row.forecastActs ? "acts" : "watches");
        forecast.className = "forecast" + (row.forecastActs ? " acts" : "");
        say(saved, row.savedGpuHours === null ? "–" : `${number(row.savedGpuHours, 1)} GPU-h`);
        drawReplicas(replicas, row);
      },
      sketch() {
        const values = day(row, (key) => pool.get(key)?.sketch());
        const sign = JSON.stringify([values?.length, values?.at(-1), row.forecast, row.forecastActs]);
        if (sign === drawn) return;
        drawn = sign;
        fill(chart, spark(row, values));
      },
    };
    return line;
  }

  search.addEventListener("input", () => { asked.q = search.value; remember(); arrange(); });
  namespace.addEventListener("change", () => { asked.namespace = namespace.value; remember(); arrange(); });
  state.addEventListener("change", () => { asked.state = state.value; remember(); arrange(); });
  sort.addEventListener("change", () => { asked.sort = sort.value; remember(); arrange(); });
  addEventListener("scroll", onScroll, { passive: true });
  addEventListener("resize", onResize);

  return {
    async refresh() {
      all = prepare(await everything());
      const names = [...new Set(all.map((row) => row.namespace))].sort();
      if (namespace.options.length !== names.length + 1) {
        fill(namespace, h("option", { value: "" }, "All namespaces"), names.map((name) => h("option", { value: name }, name)));
        namespace.value = asked.namespace;
      }
      sums(tiles, all);
      arrange();
    },
    close() {
      removeEventListener("scroll", onScroll);
      removeEventListener("resize", onResize);
      clearTimeout(resting);
    },
  };
}

async function everything() {
  const rows = [];
  let after;
  do {
    const page = await ask("workloads", { limit: PAGE, after });
    rows.push(...page.workloads);
    after = page.next;
  } while (after);
  return rows;
}

/** What sorting and searching need, worked out once. */
function prepare(rows) {
  const triggers = new Map();
  for (const row of rows) {
    const object = `${row.namespace}/${row.name}`;
    triggers.set(object, (triggers.get(object) ?? 0) + 1);
  }
  return rows.map((row) => ({
    ...row,
    key: `${row.namespace}/${row.name}/${row.metric}`,
    text: `${row.namespace}/${row.name} ${row.metric} ${stateName(row.state)} ${row.reason ?? ""}`.toLowerCase(),
    alone: triggers.get(`${row.namespace}/${row.name}`) === 1,
    trouble: stateLevel(row.state) * 10 + (row.sourceTrouble ? 5 : 0) + missing(row),
  }));
}

/** Fewer Ready than wanted is worth a look. */
function missing(row) {
  if (!row.replicas || row.desiredReplicas === null) return 0;
  const short = row.desiredReplicas - row.replicas.ready;
  return short > 0 ? Math.min(4, 4 * short / row.desiredReplicas) : 0;
}

function reason(row) {
  if (row.errors.length) return `${row.errors[0].key}: ${row.errors[0].problem}`;
  if (row.sourceTrouble) return row.sourceTrouble.message;
  const lead = row.leadSeconds === null ? "" : `, looks ${span(row.leadSeconds)} ahead`;
  return row.reason ? row.reason.replaceAll("_", " ") + lead : STATES[row.state]?.[2] ?? "";
}

function drawReplicas(cell, row) {
  const wanted = row.desiredReplicas;
  const { ready, starting } = row.replicas ?? {};
  const words = row.replicas
    ? `${ready} ready, ${starting} starting, ${wanted ?? "none known"} wanted`
    : `${wanted ?? "none known"} wanted; the cluster does not say how many run`;
  if (cell.dataset.words === words) return;
  cell.dataset.words = words;
  const most = Math.max(1, wanted ?? 0, (ready ?? 0) + (starting ?? 0));
  const bar = h("span", { class: "bar", "aria-hidden": "true" },
    h("i", { class: "ready" }), h("i", { class: "starting" }), h("i", { class: "wanted" }));
  bar.children[0].style.width = `${(100 * (ready ?? 0)) / most}%`;
  bar.children[1].style.width = `${(100 * (starting ?? 0)) / most}%`;
  bar.children[2].style.left = `${(100 * (wanted ?? 0)) / most}%`;
  fill(cell, h("span", { class: "unseen" }, words),
    h("span", { class: "counts", "aria-hidden": "true" }, h("b", {}, ready ?? "–"), starting ? h("em", {}, ` +${starting}`) : null, ` / ${wanted ?? "–"}`), bar);
}

function sums(tiles, all) {
  const sum = (of) => all.reduce((total, row) => total + (of(row) ?? 0), 0);
  const saved = all.filter((row) => row.savedGpuHours !== null);
  const entries = [
    ["Triggers", number(all.length)],
    ["Replicas wanted", number(sum((row) => row.desiredReplicas))],
    ["Ready", all.some((row) => row.replicas) ? number(sum((row) => row.replicas?.ready)) : "–"],
    ["Starting", all.some((row) => row.replicas) ? number(sum((row) => row.replicas?.starting)) : "–"],
    ["Forecast acts on", number(all.filter((row) => row.forecastActs).length)],
    ["Saved yesterday", saved.length ? `${number(sum((row) => row.savedGpuHours), 1)} GPU-h` : "–"],
  ];
  if (tiles.children.length !== entries.length) fill(tiles, entries.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}))));
  entries.forEach(([, value], i) => say(tiles.children[i].lastChild, value));
}
