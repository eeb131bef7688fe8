// From the API's answers to the columns of a chart, all in replicas: demand divided by what one
// replica carries.

/** Columns on one time axis. `parts` are what the API said: series, forecast, decisions. */
export function columns({ series, forecast, decisions, now, threshold, lead }) {
  const scale = (value) => (value === null || value === undefined ? null : value / threshold);
  const start = Date.parse(series.start) / 1000;
  const grid = series.max.map((_, i) => start + (i + 0.5) * series.stepSeconds);
  const demand = [grid, series.max.map(scale), series.mean.map(scale)];
  return {
    data: uPlot.join([demand, fan(forecast, scale, now), then(decisions, scale), wanted(decisions, now), capacity(decisions, now)]),
    backlog: [grid, series.backlog],
    hasBacklog: series.backlog.some((value) => value > 0),
    now,
    lead,
  };
}

/** The quantiles that are drawn: the nearest ones to these that the forecast has. */
const DRAWN = [0.5, 0.9, 0.99];
export const FAN_NAMES = ["P50", "P90", "P99"];

function fan(forecast, scale, now) {
  if (!forecast?.origin) return [[now], [null], [null], [null]];
  const origin = Date.parse(forecast.origin) / 1000;
  const nearest = DRAWN.map((level) => {
    const apart = forecast.quantiles.map((quantile) => Math.abs(quantile - level));
    return apart.indexOf(Math.min(...apart));
  });
  const times = forecast.values[0].map((_, i) => origin + (i + 0.5) * forecast.stepSeconds);
  const ahead = times.map((time, i) => [time, i]).filter(([time]) => time + forecast.stepSeconds > now);
  if (ahead.length === 0) return [[now], [null], [null], [null]];
  return [ahead.map(([time]) => time), ...nearest.map((row) => ahead.map(([, i]) => scale(forecast.values[row][i])))];
}

/** What was forecast then, where it was forecast for: the highest demand expected within the lead,
    drawn at the end of the lead. */
function then(decisions, scale) {
  const [times, values] = [[], []];
  for (const past of decisions.decisions) {
    const at = Date.parse(past.at) / 1000 + past.parts.leadSeconds;
    if (times.length && at <= times.at(-1)) continue;
    times.push(at);
    values.push(scale(past.parts.forecast));
  }
  return times.length ? [times, values] : [[0], [null]];
}

function wanted(decisions, now) {
  const times = decisions.decisions.map((past) => Date.parse(past.at) / 1000);
  const values = decisions.decisions.map((past) => (past.answer === "value" ? past.desiredReplicas : null));
  return steps(times, [values], now);
}

/** Ready, and ready with starting: as kept with decisions, and as lately seen. */
function capacity(decisions, now) {
  const seen = new Map();
  const note = (at, replicas) => replicas && seen.set(Date.parse(at) / 1000, [replicas.ready, replicas.ready + replicas.starting]);
  decisions.decisions.forEach((past) => note(past.at, past.replicas));
  decisions.capacity.forEach((change) => note(change.at, change.replicas));
  const times = [...seen.keys()].sort((a, b) => a - b);
  return steps(times, [0, 1].map((i) => times.map((time) => seen.get(time)[i])), now);
}

/** The last value goes on until now. */
function steps(times, rows, now) {
  if (times.length === 0) return [[now], ...rows.map(() => [null])];
  if (times.at(-1) >= now) return [times, ...rows];
  return [[...times, now], ...rows.map((row) => [...row, row.at(-1)])];
}
