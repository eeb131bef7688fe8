// Where the page begins: route, theme, and the beat by which everything is asked anew.

import { ApiError, ask, remember } from "./api.js";
import { fill, h, say } from "./dom.js";
import { fleetView } from "./fleet.js";
import { showNotices, showOutage } from "./notices.js";
import { clock, epoch } from "./words.js";
import { workloadView } from "./workload.js";

const BEAT_MS = 5000;
const [notices, root, fresh, foot] = ["notices", "view", "fresh", "foot"].map((id) => document.getElementById(id));

let view = null;
let route = "";
let timer = 0;

/** What the part of the address after # says: a path, and what is asked of it. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map((part) => {
    try { return decodeURIComponent(part); } catch { return part; }
  });
  return { parts, query: new URLSearchParams(query ?? "") };
}

function show() {
  const { parts, query } = address();
  const next = parts.slice(0, 2).join("/");
  if (view && next === route) return view.ask?.(query);
  const first = view === null;
  route = next;
  view?.close?.();
  view = parts.length >= 2 ? workloadView(root, parts[0], parts[1], query) : fleetView(root, query);
  document.title = parts.length >= 2 ? `${parts[0]}/${parts[1]} – Prewarm` : "Prewarm";
  if (!first) {
    scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  }
  beat();
}

/** Asks anew, now and then every few seconds, while anybody looks. */
async function beat() {
  clearTimeout(timer);
  if (document.hidden) return;
  const mine = view;
  try {
    const [status] = await Promise.all([ask("status"), mine.refresh()]);
    showNotices(notices, status);
    say(fresh, `live, ${clock(epoch(status.now), true)}`);
    fresh.className = "fresh live";
    say(foot, `Prewarm ${status.version}. Read-only; times are local.`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return askToken(error);
    if (!(error instanceof ApiError)) throw error;
    showOutage(notices, error);
    say(fresh, "no connection");
    fresh.className = "fresh lost";
  } finally {
    clearTimeout(timer);
    timer = setTimeout(beat, BEAT_MS);
  }
}

function askToken(error) {
  clearTimeout(timer);
  if (document.querySelector("dialog")) return;
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const form = h("form", { method: "dialog" },
    h("p", {}, error.message),
    h("label", { for: "token" }, "Token"), input,
    h("button", { type: "submit" }, "Go on"));
  const dialog = h("dialog", { "aria-label": "A token is needed" }, form);
  dialog.addEventListener("close", () => {
    remember(input.value.trim());
    dialog.remove();
    beat();
  });
  document.body.append(dialog);
  dialog.showModal();
}

const THEMES = ["system", "light", "dark"];

function theme(next) {
  const button = document.getElementById("theme");
  let current = THEMES.includes(localStorage.theme) ? localStorage.theme : "system";
  if (next) current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
  localStorage.theme = current;
  if (current === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = current;
  say(button, `Theme: ${current}`);
  view?.restyle?.();
}

document.getElementById("theme").addEventListener("click", () => theme(true));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view?.restyle?.());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", () => document.hidden || beat());
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) {
    const search = document.getElementById("search");
    if (search) { event.preventDefault(); search.focus(); }
  }
});
theme(false);
fill(root, h("p", { class: "wait" }, "Asking the server …"));
show();
