// Numbers, spans and the API's words as people read them.

/** At most three significant decimals, and thin spaces between thousands. */
export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const most = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : digits;
  return value.toLocaleString("en-US", { maximumFractionDigits: most });
}

/** The two largest units: 45 s, 4 min 45 s, 2 h 5 min, 3 d 4 h. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const total = Math.max(0, Math.round(seconds));
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => total >= size);
  if (first < 0) return "0 s";
  const [large, small] = [units[first], units[first + 1]];
  const whole = Math.floor(total / large[0]);
  const rest = small ? Math.floor((total - whole * large[0]) / small[0]) : 0;
  return rest ? `${whole} ${large[1]} ${rest} ${small[1]}` : `${whole} ${large[1]}`;
}

const pad = (n) => String(n).padStart(2, "0");

/** Local clock time of epoch seconds. */
export function clock(seconds, withSeconds = false) {
  const at = new Date(seconds * 1000);
  const text = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
  return withSeconds ? `${text}:${pad(at.getSeconds())}` : text;
}

/** Local day and time. */
export function when(seconds) {
  const day = new Date(seconds * 1000).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });
  return `${day}, ${clock(seconds, true)}`;
}

/** Epoch seconds of an instant of the API. */
export const epoch = (text) => (text ? Date.parse(text) / 1000 : null);

/** P95 of 0.95. */
export const percentile = (quantile) => "P" + +(quantile * 100).toFixed(1);

/** A state of a workload: what it is called, how bad it is (0 fine … 3 broken), what it means. */
export const STATES = {
  fresh: ["on track", 0, "Live demand and forecast are fresh."],
  reactive: ["reactive", 0, "Live demand answers; the forecast does not act."],
  asleep: ["asleep", 0, "At zero replicas, and nothing is expected."],
  pending: ["starting", 1, "The first decision comes with the next slot."],
  live_down: ["live down", 2, "The source gives nothing: forecast and last good value answer."],
  last_good: ["last good", 2, "The source gives nothing: the last good value is repeated."],
  expired: ["expired", 2, "No longer sampled here: KEDA is told to hold."],
  blind: ["blind", 3, "Nothing can be vouched for: KEDA is told to hold."],
  no_data: ["no data", 3, "No sample was ever seen: KEDA is told to hold."],
  invalid: ["invalid", 3, "The metadata is wrong: KEDA is told so and holds."],
};

/** What is called how. */
export const stateName = (state) => STATES[state]?.[0] ?? state;
export const stateLevel = (state) => STATES[state]?.[1] ?? 1;

/** Why a selection acts. */
export const WHY = {
  earned: "the forecast has earned its authority",
  few_days: "few days yet: the cheapest so far acts",
  learnt: "starting from what other workloads taught",
  not_proven: "the forecast's gain is not proven: live demand alone acts",
  reactive_best: "reacting to live demand is cheapest here",
  untuned: "nothing is tuned yet",
};

/** Ways to scale, as the cost of each arm names them. */
export const ARMS = { prewarm: "Prewarm", hpa: "plain HPA", "reactive-tuned": "tuned HPA", "static-peak": "static peak" };

/** One of many. */
export const plural = (count, one, many = one + "s") => `${number(count)} ${count === 1 ? one : many}`;
