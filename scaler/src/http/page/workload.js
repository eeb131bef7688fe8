// One workload: why its answer is what it is, the chart, and what stands behind.

import { ask, ApiError, pathOf } from "./api.js";
import { chartOf } from "./chart.js";
import { fill, h, say } from "./dom.js";
import { learnedPanels } from "./learned.js";
import { decisionPanel, logPanel, settingsPanel, sourcePanel, windowsPanel } from "./panels.js";
import { Range, rangeBar } from "./range.js";
import { epoch, stateLevel, stateName, when } from "./words.js";

const REDRAWN_MS = 15_000;

/** Cards over the whole width, below the others. */
const WIDE = ["log", "settings"];

export function workloadView(root, namespace, name, query) {
  const path = pathOf(namespace, name);
  const range = new Range(query);
  let metric = query.get("metric");
  let at = query.get("at");
  let [trigger, now] = [null, Date.now() / 1000];
  let [drawn, running, again, closed] = [-Infinity, false, false, false];

  const title = h("h1", {}, name, " ", h("small", {}, namespace));
  const badge = h("span", { class: "state" });
  const tabs = h("nav", { class: "tabs", "aria-label": "Triggers" });
  const sentence = h("p", { class: "sentence", role: "status" });
  const moment = h("input", { type: "datetime-local", id: "moment", step: 1, "aria-label": "Explain another time" });
  const live = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => explainAt(null) }, "Back to now");
  const asked = h("div", { class: "moment" }, h("label", { for: "moment" }, "Why then?"), moment, live);
  const bar = rangeBar(change);
  const canvas = h("section", { class: "card wide chart", "aria-label": "Chart" });
  const panels = h("div", { class: "panels" });
  const below = h("div", { class: "below" });
  fill(root,
    h("p", { class: "back" }, h("a", { href: "#/" }, "← Fleet")),
    h("div", { class: "title" }, title, badge), tabs,
    h("section", { class: "card wide why", "aria-label": "Why" }, sentence, asked),
    bar.element, canvas, panels, below);
  const chart = chartOf(canvas, change);

  moment.addEventListener("change", () => {
    const chosen = new Date(moment.value);
    explainAt(moment.value && !Number.isNaN(+chosen) ? chosen.toISOString() : null);
  });

  function explainAt(time) {
    at = time;
    if (time) {
      const instant = epoch(time);
      const [from, to] = range.at(now, lead());
      if (instant < from || instant > to) range.fix(instant - range.span / 2, instant + range.span / 2);
    }
    remember();
    refresh().catch(() => {});
    redraw();
  }

  const lead = () => trigger?.latest?.parts.leadSeconds ?? 300;

  function remember() {
    const next = new URLSearchParams();
    if (metric) next.set("metric", metric);
    if (at) next.set("at", at);
    range.write(next);
    const text = next.toString();
    history.replaceState(null, "", `#/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}${text ? "?" + text : ""}`);
  }

  function change(act) {
    act(range, now, lead());
    remember();
    redraw();
  }

  /** Series, forecast, decisions and windows of the span; one question at a time, the last counts. */
  async function redraw() {
    if (running) { again = true; return; }
    running = true;
    bar.mark(range);
    try {
      const [from, to] = range.at(now, lead());
      const span = { metric, from: iso(from), to: iso(Math.max(from + 60, Math.min(to, now))) };
      const [series, forecast, decisions, windows] = await Promise.all([
        ask(path + "/series", { ...span, limit: Math.max(200, Math.min(1600, canvas.clientWidth)) }),
        ask(path + "/forecast", { metric }),
        ask(path + "/decisions", { ...span, limit: 5000 }),
        ask(path + "/windows", { metric, from: iso(from), to: iso(to) }),
      ]);
      if (closed) return;
      drawn = performance.now();
      chart.show({ series, forecast, decisions, windows, from, to, now, lead: lead(), threshold: series.threshold });
      logPanel(panel("log"), decisions, explainAt);
      windowsPanel(panel("windows"), windows, now);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      canvas.dataset.error = error.message;
    } finally {
      running = false;
      if (again && !closed) { again = false; redraw(); }
    }
  }

  /** A card by its name: made when it is first needed, in the order of need. */
  function panel(id) {
    const known = document.getElementById(`panel-${id}`);
    if (known) return known;
    const made = h("section", { id: `panel-${id}`, class: "card" });
    (WIDE.includes(id) ? below : panels).append(made);
    return made;
  }

  async function refresh() {
    let told;
    try {
      told = await ask(path, { at });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return unknown(error);
      throw error;
    }
    if (closed) return;
    if (!at) now = epoch(told.now);
    const found = told.triggers.findIndex((trigger) => trigger.metric === metric);
    const index = Math.max(0, found);
    trigger = told.triggers[index];
    metric = trigger.metric;
    say(badge, stateName(trigger.state));
    badge.className = `state level${stateLevel(trigger.state)}`;
    say(sentence, (at ? `${when(epoch(told.now))}: ` : "") + told.sentences[index]);
    live.hidden = !at;
    tabs.hidden = told.triggers.length < 2;
    fill(tabs, told.triggers.map((other) => h("a", {
      href: `#/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}?metric=${encodeURIComponent(other.metric)}`,
      "aria-current": other.metric === metric ? "page" : undefined,
    }, other.metric)));
    decisionPanel(panel("decision"), trigger, at);
    sourcePanel(panel("source"), trigger, now);
    learnedPanels(panel, trigger);
    panel("windows");
    WIDE.forEach(panel);
    settingsPanel(panel("settings"), trigger);
    if (performance.now() - drawn > REDRAWN_MS && !(range.fixed && drawn > 0)) redraw();
  }

  function unknown(error) {
    say(sentence, error.message);
    badge.textContent = "";
    asked.hidden = true;
    fill(panels, h("section", { class: "card" }, h("h2", {}, "Nearest"),
      (error.body?.near ?? []).map((near) => h("p", {}, h("a", { href: "#/" + near }, near)))));
  }

  return {
    refresh,
    restyle: () => chart.draw(),
    /** The address changed by hand, or by a link. */
    ask(query) {
      metric = query.get("metric") ?? metric;
      at = query.get("at");
      range.read(query);
      refresh().catch(() => {});
      redraw();
    },
    close() {
      closed = true;
      chart.close();
    },
  };
}

const iso = (seconds) => new Date(seconds * 1000).toISOString();
