// What was learned of a workload: which way to scale acts and why, what each day cost, how often
// forecasts held, how replicas start.

import { h, svg, table } from "./dom.js";
import { renew } from "./panels.js";
import { ARMS, epoch, number, percentile, plural, span, WHY } from "./words.js";

export function learnedPanels(panel, trigger) {
  selection(panel("learned"), trigger);
  days(panel("days"), trigger);
  coverage(panel("coverage"), trigger.learnt);
  startUps(panel("starts"), trigger.fleet);
}

function selection(panel, { learnt, policy }) {
  const chosen = learnt.choice;
  const heading = h("h2", {}, "Who decides");
  const none = learnt.noForecast ? h("p", { class: "warned" }, `No forecast may act: ${learnt.noForecast.detail}`) : null;
  if (!chosen) return renew(panel, learnt, heading, none, h("p", {}, "Nothing speaks for any way to scale yet: the first full day brings the first comparison."));
  const way = (it) => it.quantile === null
    ? `reacts to live demand at ${number(it.utilisation * 100, 0)} % of the threshold`
    : `is ready for ${percentile(it.quantile)} of the forecast`;
  const interval = chosen.gainLow === null ? "" : ` (60 % interval ${number(chosen.gainLow, 1)} to ${number(chosen.gainHigh, 1)})`;
  renew(panel, learnt, heading, none,
    h("p", {}, h("b", {}, chosen.forecastActs ? "The forecast acts" : "Live demand decides"), `: ${WHY[chosen.why] ?? chosen.why}.`),
    h("p", {}, `The policy that acts ${way(chosen.policy)}. Of ${plural(chosen.days, "complete day")} it won ${chosen.daysWon}; its mean gain is ${number(chosen.gain, 2)} GPU-hours a day${interval}, missed ones weighted by ${number(chosen.costRatio)}.`),
    h("dl", { class: "pairs" }, [
      ["Days won", `${chosen.daysWon} of ${chosen.days}`],
      ["Expected a day", `${number(chosen.expected.gpuHours, 1)} GPU-h, ${number(chosen.expected.missed, 2)} missed`],
      ["Best reactive", `${number(chosen.expectedReactive.gpuHours, 1)} GPU-h, ${number(chosen.expectedReactive.missed, 2)} missed`],
      ["Mode", policy?.mode ?? "–"],
    ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

const DAYS = 14;

function days(panel, { learnt, policy }) {
  const heading = h("h2", {}, "What each day cost");
  const last = learnt.days.slice(-DAYS);
  if (last.length === 0) return renew(panel, 0, heading, h("p", {}, "No finished day yet (days end at midnight UTC)."));
  const ratio = policy?.costRatio ?? learnt.choice?.costRatio ?? 30;
  const names = Object.keys(ARMS).filter((name) => last.some((day) => day.ways[name]));
  const cost = (hours) => (hours ? hours.gpuHours + ratio * hours.missed : null);
  const rows = last.slice().reverse().map((day) => {
    const costs = names.map((name) => cost(day.ways[name]));
    const least = Math.min(...costs.filter((value) => value !== null));
    return [new Date(day.day).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }),
      ...costs.map((value) => (value === least ? h("strong", {}, number(value, 1)) : number(value, 1)))];
  });
  const sum = names.map((name) => number(last.reduce((total, day) => total + (cost(day.ways[name]) ?? 0), 0), 1));
  rows.push({ class: "sum", cells: ["Sum", ...sum] });
  renew(panel, [last, ratio], heading,
    h("p", { class: "note" }, `GPU-hours, and ${number(ratio)} for each missed replica-hour. The least of each day is bold.`),
    table("Cost of each way to scale by day", ["Day (UTC)", ...names.map((name) => "#" + ARMS[name])], rows));
}

function coverage(panel, learnt) {
  const heading = h("h2", {}, "How often forecasts held");
  if (learnt.accuracy.length === 0) return renew(panel, 0, heading, h("p", {}, "No forecast was scored here yet, or another replica makes them."));
  const levels = learnt.accuracy[0].quantiles.map((it) => it.quantile);
  const rows = learnt.accuracy.map((lead) => [span(lead.leadSeconds), number(lead.scored),
    ...levels.map((level) => {
      const found = lead.quantiles.find((it) => it.quantile === level)?.coverage;
      return found === null || found === undefined ? "–" : `${number(found * 100, 1)} %`;
    })]);
  renew(panel, learnt.accuracy, heading,
    h("p", { class: "note" }, "Share of demand at or below each quantile: the nearer to its name, the better."),
    table("Coverage by lead and quantile", ["Lead", "#Scored", ...levels.map((level) => "#" + percentile(level))], rows));
}

const BARS = 12;

function startUps(panel, fleet) {
  const heading = h("h2", {}, "Cold starts");
  const seen = fleet.startUps.filter((it) => it.ready + it.givenUp > 0);
  const origin = { fixed: "the metadata fixes the lead", learned: "the lead is learned from these", seed: "the metadata's coldStart counts until enough were" }[fleet.lead] ?? "";
  if (seen.length === 0) return renew(panel, fleet, heading, h("p", {}, `None was seen${origin ? `; ${origin}` : ""}.`));
  const all = seen.flatMap((it) => it.tookSeconds);
  const longest = Math.max(1, ...all);
  renew(panel, fleet, heading,
    h("p", { class: "note" }, `Creation to Ready; ${origin}.` + (fleet.scheduledSeconds === null ? "" : ` Half had a node after ${span(fleet.scheduledSeconds)}, and ran after ${span(fleet.startedSeconds)}.`)),
    seen.map((it) => histogram(it, longest)));
}

function histogram(kind, longest) {
  const counts = Array(BARS).fill(0);
  for (const took of kind.tookSeconds) counts[Math.min(BARS - 1, Math.floor((took / longest) * BARS))]++;
  const most = Math.max(1, ...counts);
  const name = kind.node === "warm" ? "Node was there" : "Node made for it";
  const words = `${name}: ${plural(kind.ready, "start")}, ${kind.givenUp} given up, P90 ${span(kind.coldStartSeconds)}`;
  const image = svg("svg", { viewBox: "0 0 240 60", class: `histogram ${kind.node}`, role: "img", "aria-label": `${words}; up to ${span(longest)}` },
    counts.map((count, i) => svg("rect", { x: i * 20 + 1, width: 18, y: 46 - (count / most) * 44, height: Math.max(count ? 2 : 0, (count / most) * 44) })),
    svg("line", { x1: 0, x2: 240, y1: 46.5, y2: 46.5 }),
    svg("text", { x: 0, y: 58 }, "0"), svg("text", { x: 240, y: 58, "text-anchor": "end" }, span(longest)));
  return h("figure", {}, h("figcaption", {}, words), image);
}

export { epoch };
