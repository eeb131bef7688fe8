// Which span of time is looked at: live (the last so long, and what is ahead) or fixed; in the
// address, so that it can be shared.

import { h } from "./dom.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;
export const SPANS = [["15 min", 15 * MINUTE], ["1 h", HOUR], ["6 h", 6 * HOUR], ["1 d", DAY], ["7 d", 7 * DAY], ["30 d", 30 * DAY], ["13 mo", 396 * DAY]];
const NARROWEST = 15 * MINUTE, WIDEST = 396 * DAY;

/** Reads the address; `now` and `lead` say what live means. */
export class Range {
  constructor(query) {
    this.span = 6 * HOUR;
    this.fixed = null;
    this.read(query);
  }

  read(query) {
    const span = Number(query.get("span"));
    if (span >= NARROWEST && span <= WIDEST) this.span = span;
    const [from, to] = [query.get("from"), query.get("to")].map((text) => Date.parse(text ?? "") / 1000);
    this.fixed = from < to ? [from, to] : null;
    if (this.fixed) this.span = Math.min(WIDEST, Math.max(NARROWEST, to - from));
  }

  /** First and last second shown. */
  at(now, lead) {
    if (this.fixed) return this.fixed;
    const ahead = Math.max(1.6 * lead, 0.1 * this.span);
    return [now - this.span, now + Math.min(ahead, 6 * HOUR)];
  }

  live(span) {
    this.fixed = null;
    this.span = Math.min(WIDEST, Math.max(NARROWEST, span));
  }

  fix(from, to) {
    const middle = (from + to) / 2;
    const half = Math.min(WIDEST, Math.max(NARROWEST, to - from)) / 2;
    this.fixed = [Math.round(middle - half), Math.round(middle + half)];
    this.span = 2 * half;
  }

  pan(share, now, lead) {
    const [from, to] = this.at(now, lead);
    const by = share * (to - from);
    // Beyond what can be known there is nothing to see: back to live.
    if (from + by > now) return this.live(this.span);
    this.fix(from + by, to + by);
  }

  zoom(factor, now, lead) {
    if (!this.fixed) return this.live(this.span * factor);
    const [from, to] = this.at(now, lead);
    const middle = (from + to) / 2, half = ((to - from) * factor) / 2;
    this.fix(middle - half, middle + half);
  }

  write(query) {
    for (const key of ["span", "from", "to"]) query.delete(key);
    if (this.fixed) {
      query.set("from", new Date(this.fixed[0] * 1000).toISOString());
      query.set("to", new Date(this.fixed[1] * 1000).toISOString());
    } else if (this.span !== 6 * HOUR) query.set("span", String(Math.round(this.span)));
  }
}

/** The buttons; `change` is called with what to do to the range. */
export function rangeBar(change) {
  const buttons = SPANS.map(([name, span]) =>
    h("button", { type: "button", "aria-pressed": "false", onclick: () => change((range) => range.live(span)) }, name));
  const step = (label, text, act) => h("button", { type: "button", "aria-label": label, title: label, onclick: () => change(act) }, text);
  const bar = h("div", { class: "range", role: "group", "aria-label": "Span of time" },
    h("div", { class: "group" }, buttons),
    h("div", { class: "group" },
      step("Earlier", "◀", (range, now, lead) => range.pan(-0.5, now, lead)),
      step("Zoom out", "−", (range, now, lead) => range.zoom(2, now, lead)),
      step("Zoom in", "+", (range, now, lead) => range.zoom(0.5, now, lead)),
      step("Later", "▶", (range, now, lead) => range.pan(0.5, now, lead))));
  return {
    element: bar,
    mark(range) {
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(!range.fixed && Math.abs(SPANS[i][1] - range.span) < 1)));
    },
  };
}
