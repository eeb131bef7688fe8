// Elements from code. Text is always text: what others wrote is escaped by construction.

/** An element; `props` are properties, or attributes where the name has a dash or is unknown. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  set(element, props);
  append(element, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  append(element, children);
  return element;
}

/** Replaces all children. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Sets text only where it differs: nothing is announced or laid out for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.includes("-") && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** A table with a caption for those who do not see it. */
export function table(caption, heads, rows, classes = "") {
  const numeric = (i) => (heads[i]?.startsWith?.("#") ? "num" : undefined);
  const head = h("tr", {}, heads.map((text, i) => h("th", { scope: "col", class: numeric(i) }, text.replace(/^#/, ""))));
  const body = rows.map((row) =>
    h("tr", { class: row.class }, (row.cells ?? row).map((cell, i) => h("td", { class: numeric(i) }, cell))),
  );
  const inner = h("table", { class: classes }, h("caption", { class: "unseen" }, caption), h("thead", {}, head), h("tbody", {}, body));
  return h("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": caption }, inner);
}
