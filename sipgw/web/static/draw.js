// Makes elements. What they say is set as text, never as markup, so nothing that a caller sends is more than text.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== "").map((child) => child instanceof Node ? child : String(child)));
  return element;
}

/** An element of HTML with attributes (those that begin with `on` are listeners) and children. */
export const html = (name, attributes = {}, ...children) => filled(document.createElement(name), attributes, children);
/** The same of SVG. */
export const svg = (name, attributes = {}, ...children) => filled(document.createElementNS(SVG, name), attributes, children);

/** An icon of the kept set; what it means stands beside it in words. */
export const icon = (name) => svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `/static/vendor/lucide.svg#${name}` }));

/** A list of facts: names and what they are, as text or as elements; those without are left out. */
export function facts(entries) {
  return Object.entries(entries).filter(([, value]) => value && value.length !== 0).map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, ...[value].flat())));
}

/** Text of any length: beyond `most` characters the rest is shown when somebody asks for it. */
export function bounded(text, most = 240) {
  if (text.length <= most) return text;
  return html("details", { class: "long" }, html("summary", {}, html("span", { class: "begin" }, `${text.slice(0, most)} … `), html("span", { class: "all" }, "Show all")), text);
}

const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work)); // Safari has none

const shown = new WeakMap(); // of a list, its rows

/** Let `parent` have these rows: `key` says what a row shows, `make` makes its element. Elements from the beginning to the first change stay, with the focus and the reading place. Of a new list the first rows are made at once, the others as soon as the browser has time. */
export function renew(parent, rows, together = 40) {
  const before = shown.get(parent) ?? [];
  let same = 0;
  while (same < Math.min(parent.children.length, rows.length) && before[same]?.key === rows[same].key) same++;
  while (parent.children.length > same) parent.lastChild.remove();
  shown.set(parent, rows);
  add(parent, rows, before.length ? rows.length : together);
}

function add(parent, rows, count) {
  if (shown.get(parent) !== rows) return; // there are newer ones
  const from = parent.children.length;
  parent.append(...rows.slice(from, from + count).map((row) => row.make()));
  if (parent.children.length < rows.length) idle(() => add(parent, rows, count));
}

/** When a turn began, in seconds of the call: with the caller's last word, or with the reply if there was none. */
export const begins = (turn) => turn.marks?.[0] ?? turn.marks?.at(-1) ?? turn.t;

/** `1:05.3`, the time in a call. */
export function at(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const past = Math.max(0, seconds), minutes = Math.floor(past / 60);
  return `${minutes}:${(past - 60 * minutes).toFixed(1).padStart(4, "0")}`;
}
