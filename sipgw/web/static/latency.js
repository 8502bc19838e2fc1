// The waterfall of each turn on the axis of time: when each part began and ended, counted from the caller's last word; and where in the call the waits were.

import { at, begins, html, renew, svg } from "./draw.js";

const MEANS = { hearing: "until the last word was understood", thinking: "until the model's first word", phrasing: "until its first sentence", voicing: "until the first sound of it", sending: "until that left" };
export const PARTS = Object.keys(MEANS);
const ROW = 26, LEFT = 62, RIGHT = 56, LEAST = 280, MOST = 900, STRIP = 34, AXIS = 20, TOGETHER = 40, LATE = 1500;
const STEPS = [100, 200, 250, 500, 1000, 2000, 2500, 5000, 10000, 30000, 60000];

/** Begin and end of each part, in milliseconds from the caller's last word; by the marks where there are any, else one part after the other. */
export function spans(turn) {
  const found = [], marks = turn.marks ?? [];
  if (marks.length && marks[0] !== null && marks.at(-1) !== null) {
    let before = 0;
    PARTS.forEach((part, number) => {
      const mark = marks[number + 1];
      if (mark === null || mark === undefined) return;
      const end = Math.round(1000 * (mark - marks[0]));
      if (end > before) found.push({ part, from: before, to: end });
      before = Math.max(before, end);
    });
    return found;
  }
  let x = 0;
  for (const part of PARTS) {
    const took = Math.max(0, turn.latency_ms[part] ?? 0);
    if (took) found.push({ part, from: x, to: x + took });
    x += took;
  }
  return found;
}

const pressable = (act) => ({ tabindex: 0, role: "button", onclick: act, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); } } });

/** The whole call as one line: where the caller waited, and how long. */
function strip(timed, length, wide, seek) {
  const scale = (wide - LEFT - RIGHT) / length, drawing = svg("svg", { class: "bars strip", viewBox: `0 0 ${wide} ${STRIP}`, role: "group", "aria-label": "Where in the call the caller waited" });
  drawing.append(svg("text", { class: "soft", x: 0, y: 15 }, "the call"), svg("rect", { class: "ground", x: LEFT, y: 4, width: wide - LEFT - RIGHT, height: 14 }));
  for (const turn of timed) {
    const total = turn.latency_ms.total;
    drawing.append(svg("rect", { class: total > LATE ? "late" : "intime", x: LEFT + begins(turn) * scale, y: 4, width: Math.max(2, total / 1000 * scale), height: 14, onclick: () => seek(turn) }, svg("title", {}, `${at(begins(turn))}: ${total} ms`)));
  }
  drawing.append(svg("text", { class: "soft", x: LEFT, y: 31 }, "0:00"), svg("text", { class: "soft", x: wide - RIGHT, y: 31, "text-anchor": "end" }, at(length)));
  return drawing;
}

/** The rows of some turns, with the lines of the axis behind them. */
function rows(drawn, lines, wide, scale, seek) {
  const tall = drawn.length * ROW, drawing = svg("svg", { class: "bars", viewBox: `0 0 ${wide} ${tall}`, role: "group", "aria-label": `Turns from ${at(begins(drawn[0][0]))} to ${at(begins(drawn.at(-1)[0]))}` });
  for (const x of lines) drawing.append(svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: tall }));
  drawn.forEach(([turn, parts], row) => {
    const y = row * ROW, total = turn.latency_ms.total, told = parts.map(({ part, from, to }) => `${part} ${to - from} ms`).join(", ");
    const one = svg("g", { class: "step", "aria-label": `${at(begins(turn))}: ${total} ms: ${told}`, ...pressable(() => seek(turn)) },
      svg("title", {}, told), svg("rect", { class: "hit", x: 0, y, width: wide, height: ROW }), svg("text", { class: "soft", x: 0, y: y + 17 }, at(begins(turn))));
    for (const { part, from, to } of parts) one.append(svg("rect", { class: from >= total ? `${part} after` : part, x: LEFT + from * scale, y: y + 5, width: Math.max(1, (to - from) * scale), height: ROW - 10 }));
    const end = LEFT + total * scale; // where the caller heard something: a filler goes before the model's own words
    one.append(svg("line", { class: "heard", x1: end, x2: end, y1: y + 2, y2: y + ROW - 2 }), svg("text", { x: LEFT + Math.max(total, parts.at(-1)?.to ?? 0) * scale + 6, y: y + 17 }, `${(total / 1000).toFixed(2)} s`));
    drawing.append(one);
  });
  return drawing;
}

const legend = () => html("ul", { class: "legend" }, ...PARTS.map((part) => html("li", { title: MEANS[part] }, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { class: part, width: 10, height: 10 })), `${part}: ${MEANS[part]}`)));

/** Draw `turns` into `parent`, so many pixels wide; `median` is that of the call, which lasts `length` seconds; `seek` is called with the turn that is pressed. What is scrolled stays where it is. */
export function latency(parent, turns, median, seek, room, length = 0) {
  const timed = turns.filter((turn) => turn.latency_ms?.total > 0);
  if (!timed.length) return parent.replaceChildren(html("p", { class: "faint" }, "No turn was timed."));
  const slowest = Math.max(...timed.map((turn) => turn.latency_ms.total)), drawn = timed.map((turn) => [turn, spans(turn)]);
  const most = Math.max(slowest, ...drawn.map(([, parts]) => parts.at(-1)?.to ?? 0));
  const wide = Math.max(LEAST, Math.min(MOST, room || MOST)), scale = (wide - LEFT - RIGHT) / most;
  const step = STEPS.find((each) => each * scale >= 44) ?? most, lines = [];
  const axis = svg("svg", { class: "bars axis", viewBox: `0 0 ${wide} ${AXIS}`, "aria-hidden": "true" });
  for (let mark = 0; mark <= most; mark += step) {
    lines.push(LEFT + mark * scale);
    axis.append(svg("text", { class: "soft", x: lines.at(-1), y: AXIS - 4, "text-anchor": "middle" }, mark ? `${mark / 1000} s` : "0"));
  }
  const groups = [];
  for (let from = 0; from < drawn.length; from += TOGETHER) {
    const its = drawn.slice(from, from + TOGETHER);
    groups.push({ key: JSON.stringify([wide, most, its]), make: () => rows(its, lines, wide, scale, seek) });
  }
  if (!parent.querySelector(".waits")) parent.replaceChildren(html("p"), html("div"), html("div", { class: "waits", role: "group" }, html("div"), html("div")), legend());
  const [told, line, waits] = parent.children;
  told.textContent = `From the caller's last word to the answer: median ${(median / 1000).toFixed(2)} s, slowest ${(slowest / 1000).toFixed(2)} s. Above 1.5 s people talk over the agent.`;
  line.replaceChildren(...length > 0 ? [strip(timed, length, wide, seek)] : []);
  waits.setAttribute("aria-label", `Latency of ${timed.length} turns, median ${median} ms, slowest ${slowest} ms`);
  renew(waits.firstChild, groups, 1);
  waits.lastChild.replaceWith(axis);
}
