// The waterfall of each turn: what the caller waited for between their last word and the reply.

import { at, begins, html, svg } from "./draw.js";

const MEANS = { hearing: "until the last word was understood", thinking: "until the model's first word", phrasing: "until its first sentence", voicing: "until the first sound of it", sending: "until that left" };
export const PARTS = Object.keys(MEANS);
const ROW = 24, LEFT = 70, RIGHT = 60, LEAST = 300, MOST = 900;

/** Draw `turns` into so many pixels; `median` is that of the gateway, `seek` is called with the turn that is pressed. */
export function latency(turns, median, seek, room) {
  const timed = turns.filter((turn) => turn.latency_ms?.total > 0);
  if (!timed.length) return html("p", { class: "faint" }, "No turn was timed.");
  const totals = timed.map((turn) => turn.latency_ms.total).sort((a, b) => a - b);
  const most = totals[totals.length - 1];
  const wide = Math.max(LEAST, Math.min(MOST, room || MOST)), scale = (wide - LEFT - RIGHT) / most, tall = timed.length * ROW + 20;
  const drawing = svg("svg", { class: "bars", viewBox: `0 0 ${wide} ${tall}`, role: "group", "aria-label": `Latency of ${timed.length} turns, median ${median} ms, slowest ${most} ms` });
  for (const mark of [0.25, 0.5, 0.75, 1]) {
    const x = LEFT + mark * most * scale;
    drawing.append(svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: tall - 18 }));
    drawing.append(svg("text", { class: "soft", x, y: tall - 4, "text-anchor": "middle" }, `${Math.round(mark * most)} ms`));
  }
  timed.forEach((turn, row) => {
    const y = row * ROW, told = PARTS.filter((part) => turn.latency_ms[part] > 0).map((part) => `${part} ${turn.latency_ms[part]} ms`).join(", ");
    const step = svg("g", { class: "step", tabindex: 0, role: "button", "aria-label": `${at(begins(turn))}: ${turn.latency_ms.total} ms: ${told}`, onclick: () => seek(turn), onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); seek(turn); } } },
      svg("title", {}, told), svg("rect", { class: "hit", x: 0, y, width: wide, height: ROW }), svg("text", { class: "soft", x: 0, y: y + 16 }, at(begins(turn))));
    let x = LEFT, left = turn.latency_ms.total; // where a filler was heard first, the model thought on
    for (const part of PARTS) {
      const took = Math.min(left, Math.max(0, turn.latency_ms[part] ?? 0)), long = took * scale;
      if (long) step.append(svg("rect", { class: part, x, y: y + 4, width: long, height: ROW - 8 }));
      x += long;
      left -= took;
    }
    step.append(svg("text", { x: x + 6, y: y + 16 }, turn.latency_ms.total));
    drawing.append(step);
  });
  const legend = html("ul", { class: "legend" }, ...PARTS.map((part) => html("li", {}, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("rect", { class: part, width: 10, height: 10 })), `${part}: ${MEANS[part]}`)));
  return html("div", {}, html("p", {}, `From the caller's last word to the answer: median ${(median / 1000).toFixed(2)} s, slowest ${(most / 1000).toFixed(2)} s. Above 1.5 s people talk over the agent.`), legend, drawing);
}
