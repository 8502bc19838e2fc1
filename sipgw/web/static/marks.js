// Marks on the waveform: every event of the call, and every decision about turns with its evidence.

import { at, html } from "./draw.js";

const APART = 24, TOLD = 3, TEXT = 200; // pixels between marks: as wide as a finger needs (WCAG 2.2, 2.5.8); events and characters of each that a mark tells

/** The text of an event. */
export const words = (event) => event.kind === "ended" ? event.text.replace(/^\w+: /, "Ended: ") : event.text;

/** The events of a recording, in groups that are at least `APART` of its `wide` pixels apart, so there are few in a long call too. It lasts `seconds`, and `begin` is its begin in seconds of the call. */
export function groups(events, begin, seconds, wide) {
  const found = [];
  for (const event of events) {
    const x = (event.t - begin) / seconds * wide, last = found.at(-1);
    if (!(x >= 0 && x <= wide)) continue; // before the recording, or after it
    if (last && x - last.x < APART) last.events.push(event);
    else found.push({ x, events: [event] });
  }
  return found;
}

function told(events) {
  const more = events.length - TOLD;
  return [...events.slice(0, TOLD).map((event) => `${at(event.t)} ${words(event).slice(0, TEXT)}`), ...more > 0 ? [`and ${more} more`] : []].join("\n");
}

function kind(events) {
  const kinds = new Set(events.map((event) => event.kind));
  return ["failure", "turn"].find((each) => kinds.has(each)) ?? "other";
}

/** Draw marks into `strip`; the text of the one that has the focus stands in `line`, and `choose` is called with the events of one that is pressed. Returns a function that shows the mark of an event. */
export function marks(strip, line, events, begin, seconds, choose) {
  let drawn = [];
  const point = (one) => {
    for (const each of drawn) each.button.classList.toggle("now", each === one);
    line.textContent = told(one.events);
  };
  const draw = () => {
    drawn = groups(events, begin, seconds, strip.clientWidth);
    for (const one of drawn) {
      one.button = html("button", { type: "button", class: "mark", "data-kind": kind(one.events), "aria-label": told(one.events), title: told(one.events), onfocus: () => point(one), onclick: () => { point(one); choose(one.events); } }, one.events.length > 1 ? one.events.length : "");
      one.button.style.left = `${one.x / strip.clientWidth * 100}%`; // no pixels: a page that becomes narrow scrolls sideways until the next drawing
    }
    strip.replaceChildren(...drawn.map((one) => one.button));
    line.textContent = drawn.length ? "A mark is a decision or an event: press it to hear it, and to find its line among the events." : "";
  };
  strip.hidden = line.hidden = false;
  new ResizeObserver(draw).observe(strip);
  return (event) => {
    const button = drawn.find((one) => one.events.includes(event))?.button;
    button?.scrollIntoView({ block: "center" });
    button?.focus({ preventScroll: true });
  };
}
