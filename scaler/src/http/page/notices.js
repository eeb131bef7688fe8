// What is wrong, in words; and the line that says that nothing is.

import { fill, h } from "./dom.js";
import { clock, epoch, plural } from "./words.js";

let shown = "";

/** Shows the notices of a status; touches nothing while they stay the same. */
export function showNotices(root, status) {
  const key = JSON.stringify([status.ready, status.notices, status.refused.map((r) => [r.namespace, r.name, r.errors])]);
  if (key === shown) return;
  shown = key;
  const cards = status.notices.map((notice) => card(notice, status.refused));
  if (!status.ready) cards.unshift(plain("warning", "The server is not ready yet: KEDA is answered once the store has."));
  if (cards.length === 0) {
    const what = status.workloads === 0
      ? "No workload yet: KEDA has not asked for any since this server started."
      : `Nothing is wrong: ${plural(status.workloads, "trigger")} followed.`;
    fill(root, h("p", { class: "calm" }, h("span", { class: "dot ok", "aria-hidden": "true" }), what));
    return;
  }
  fill(root, cards);
}

/** Shows that the server itself does not answer. */
export function showOutage(root, error) {
  shown = "";
  fill(root, plain("error", error.message));
}

function card(notice, refused) {
  const all = notice.subject === "refused" ? refused : [];
  return h(
    "details",
    { class: `notice ${notice.level}`, open: notice.level === "error" && notice.workloads.length < 4 },
    h("summary", {}, h("span", { class: "tag" }, notice.level), h("span", {}, notice.title)),
    h("p", {}, notice.detail),
    all.length
      ? h("ul", { class: "refused" }, all.map(refusal))
      : h("p", { class: "which" }, notice.workloads.map((name) => h("a", { href: "#/" + name }, name)),
          notice.count > notice.workloads.length ? h("span", {}, `and ${notice.count - notice.workloads.length} more`) : null),
  );
}

function refusal(refused) {
  const errors = refused.errors.map((error) => h("li", {}, h("code", {}, error.key), ": ", error.problem));
  return h("li", {}, h("strong", {}, `${refused.namespace}/${refused.name}`),
    ` refused since ${clock(epoch(refused.since))}`, h("ul", {}, errors));
}

function plain(level, text) {
  return h("div", { class: `notice ${level}` }, h("p", { class: "one" }, h("span", { class: "tag" }, level), h("span", {}, text)));
}
