// What stands behind a decision: its parts, its source, its windows, its log, its settings.

import { fill, h, table } from "./dom.js";
import { epoch, number, percentile, plural, span, when } from "./words.js";

/** Replaces a panel's content unless it is the same, or somebody is at work in it. */
function renew(panel, key, ...children) {
  const sign = JSON.stringify(key);
  if (panel.dataset.sign === sign || panel.contains(document.getSelection()?.anchorNode) && String(document.getSelection())) return;
  panel.dataset.sign = sign;
  const scrolled = panel.querySelector(".scroll")?.scrollTop ?? 0;
  fill(panel, ...children);
  const region = panel.querySelector(".scroll");
  if (region) region.scrollTop = scrolled;
}

/** The decision's parts; the one that prevailed is marked. */
export function decisionPanel(panel, trigger, at) {
  const heading = h("h2", {}, at ? "What each part asked for then" : "What each part asks for");
  const latest = trigger.latest;
  if (!latest) return renew(panel, "none", heading, h("p", {}, "No decision is kept from then, or none has been made yet."));
  const parts = latest.parts;
  const whole = (demand) => (demand === null ? "–" : number(Math.max(0, Math.ceil(demand / trigger.threshold - 1e-9))));
  const waiting = (parts.live ?? 0) * parts.latencyFactor + parts.backlogDemand;
  const rows = [
    ["live", number(parts.live), whole(parts.live), parts.observed === null ? "the newest sample is missing" : `newest sample ${number(parts.observed)}`],
    parts.latencyFactor > 1 && ["latency", `× ${number(parts.latencyFactor)}`, "–", "latency is above its target"],
    (parts.backlog !== null || parts.backlogDemand > 0) && ["backlog", `+ ${number(parts.backlogDemand)}`, whole(waiting), `${number(parts.backlog)} waiting`],
    ["forecast", number(parts.forecast), parts.forecast === null ? "–" : number(parts.forecastReplicas),
      parts.forecast === null ? "none, or too old" : `${percentile(parts.forecastQuantile)} within ${span(parts.leadSeconds)}${parts.forecastActs ? "" : ", recorded only"}`],
    ["floor", "–", number(parts.floorReplicas), `windows, within ${span(parts.leadSeconds)}`],
    ["hold", "–", number(parts.holdReplicas), "what runs, although demand has gone"],
    ["ceiling", "–", number(parts.ceilingReplicas), "windows, now"],
  ].filter(Boolean);
  const won = { panic: "live", last_good: "live" }[latest.reason] ?? latest.reason;
  const marked = rows.map(([part, ...cells]) => part === won
    ? { class: "won", cells: [h("strong", {}, `▸ ${part}`, h("span", { class: "unseen" }, " prevailed")), ...cells] }
    : [part, ...cells]);
  renew(panel, [latest, at], heading,
    h("p", { class: "note" }, `Decided ${when(epoch(latest.at))}. Reason: ${latest.reason.replaceAll("_", " ")}; ${number(trigger.threshold)} per replica.`),
    table("Parts of the decision", ["Part", "#Demand", "#Replicas", "Note"], marked));
}

/** Query, last value, last error, and how to ask by hand. */
export function sourcePanel(panel, trigger, now) {
  const trouble = trigger.sourceTrouble;
  const asked = trigger.questions.map((question) => h("div", { class: "question" },
    h("h3", {}, question.signal, " ", h("small", {}, `from ${question.source}`)),
    h("pre", { tabIndex: 0 }, question.query),
    h("p", {}, "Last value ", h("b", {}, number(question.lastValue)),
      question.curl ? copier(question.curl) : null)));
  renew(panel, [trigger.questions, trouble, trigger.warnings, trigger.errors],
    h("h2", {}, "Source"),
    trouble ? h("p", { class: "trouble" }, h("span", { class: "tag" }, trouble.kind.replaceAll("_", " ")), `${trouble.message} (for ${span(now - epoch(trouble.since))})`) : null,
    trigger.errors.map((error) => h("p", { class: "trouble" }, h("code", {}, error.key), ": ", error.problem)),
    trigger.warnings.map((warning) => h("p", { class: "warned" }, warning)),
    asked.length ? asked : h("p", {}, "No query: windows alone decide."),
    trouble || trigger.errors.length ? null : h("p", { class: "note" }, "The newest slot was answered without an error."));
}

function copier(command) {
  const button = h("button", { type: "button", class: "copy", title: command }, "Copy curl");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      button.textContent = "Copied";
    } catch {
      // Without a secure context there is no clipboard: the command to mark by hand.
      button.replaceWith(h("pre", { tabIndex: 0 }, command));
      return;
    }
    setTimeout(() => { button.textContent = "Copy curl"; }, 2000);
  });
  return button;
}

/** The next changes of windows. */
export function windowsPanel(panel, windows, now) {
  const ahead = windows.spans.filter((span) => epoch(span.to) > now).slice(0, 8);
  renew(panel, [ahead, windows.nextChange], h("h2", {}, "Windows"),
    windows.nextChange
      ? h("p", {}, `Next change in ${span(epoch(windows.nextChange) - now)}: ${when(epoch(windows.nextChange))}.`, h("small", {}, ` Written in ${windows.timezone ?? "UTC"}.`))
      : h("p", {}, "No windows: any number of replicas, at any time."),
    ahead.length ? table("Windows within the chart's span", ["From", "Until", "#Floor", "#Ceiling", "Windows"],
      ahead.map((it) => [when(epoch(it.from)), when(epoch(it.to)), number(it.floorReplicas), number(it.ceilingReplicas), it.names.join(", ")])) : null);
}

const LISTED = 60;

/** Changes of the answer within the chart's span, newest first; each can be explained. */
export function logPanel(panel, decisions, explainAt) {
  const newest = decisions.decisions.slice(-LISTED).reverse();
  const rows = newest.map((past) => {
    const told = past.answer === "value";
    return [
      h("button", { type: "button", class: "link", onclick: () => explainAt(past.at) }, when(epoch(past.at))),
      told ? number(past.desiredReplicas) : "hold", past.replicas ? `${past.replicas.ready} + ${past.replicas.starting}` : "–",
      past.reason.replaceAll("_", " "), past.state.replaceAll("_", " "), number(past.parts.live), number(past.parts.forecast), told ? number(past.metricValue) : "–",
    ];
  });
  const more = decisions.decisions.length > LISTED || decisions.more;
  renew(panel, [newest, more], h("h2", {}, "Decision log"),
    h("p", { class: "note" }, newest.length ? `${plural(decisions.decisions.length, "change")} within the chart's span${more ? `, the last ${LISTED} shown` : ""}. Choose one to have it explained.` : "Nothing changed within the chart's span."),
    newest.length ? table("Decision log", ["Time", "#Wanted", "#Ready + starting", "Reason", "State", "#Live", "#Forecast", "#Value"], rows) : null);
}

/** Every setting in force, and where its value comes from. */
export function settingsPanel(panel, trigger) {
  const rows = trigger.settings.map((setting) => [
    h("code", {}, setting.key),
    setting.value.includes("\n") || setting.value.length > 80 ? h("pre", { tabIndex: 0 }, setting.value) : setting.value,
    h("span", { class: `origin ${setting.origin}` }, setting.origin),
    setting.meaning,
  ]);
  renew(panel, trigger.settings, h("h2", {}, "Settings in force"),
    table("Settings", ["Key", "Value", "From", "Meaning"], rows));
}

export { renew };
