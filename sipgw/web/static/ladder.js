// The SIP ladder: who sent what to whom, and when. A press shows the whole message.

import { at, html, svg } from "./draw.js";

const STEP = 34, TOP = 34, EDGE = 80, LEAST = 160, LANE = 260, MOST = 5;

/** Draw the messages of a call into so many pixels, if they suffice; `show` is called with the one that is pressed. */
export function ladder(sip, show, room) {
  const messages = sip.messages;
  if (!messages.length) return html("p", { class: "faint" }, "No SIP message of this call is kept; a call from a browser has none.");
  const peers = [...new Set(messages.map((message) => message.peer))].slice(0, MOST);
  const apart = Math.max(LEAST, Math.min(LANE, (room - EDGE * 2) / peers.length));
  const wide = EDGE * 2 + apart * peers.length, tall = TOP + STEP * messages.length + 10;
  const lane = (peer) => EDGE + apart * (1 + Math.max(0, peers.indexOf(peer) < 0 ? peers.length - 1 : peers.indexOf(peer)));
  const drawing = svg("svg", { width: wide, height: tall, viewBox: `0 0 ${wide} ${tall}`, role: "group", "aria-label": `${messages.length} SIP messages` });
  for (const [x, name] of [[EDGE, "sipgw"], ...peers.map((peer) => [lane(peer), peer])]) {
    drawing.append(svg("text", { x, y: 14, "text-anchor": "middle" }, name), svg("line", { class: "life", x1: x, x2: x, y1: 22, y2: tall }));
  }
  const steps = [];
  messages.forEach((message, row) => {
    const y = TOP + STEP * row, here = EDGE, there = lane(message.peer), [from, to] = message.out ? [here, there] : [there, here];
    const status = /^SIP\/2\.0 (\d)(\d\d) ?(.*)/.exec(message.start), bad = status && "456".includes(status[1]);
    const label = status ? `${status[1]}${status[2]} ${status[3]}` : message.start.split(" ")[0];
    const tip = to > from ? -8 : 8;
    const choose = () => {
      for (const step of steps) step.setAttribute("aria-pressed", step === drawn);
      show(message);
    };
    const drawn = svg("g", { class: bad ? "step bad" : "step", tabindex: 0, role: "button", "aria-pressed": "false", "aria-label": `${at(message.t)} ${message.out ? "to" : "from"} ${message.peer}: ${label}`, onclick: choose, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } } },
      svg("rect", { class: "hit", x: 0, y, width: wide, height: STEP }),
      svg("text", { class: "soft", x: 4, y: y + 24 }, at(message.t)),
      svg("line", { class: "arrow", x1: from, x2: to + tip, y1: y + 24, y2: y + 24 }),
      svg("path", { class: "head", d: `M ${to} ${y + 24} l ${tip} -5 v 10 z` }),
      svg("text", { x: (here + there) / 2, y: y + 17, "text-anchor": "middle" }, label.slice(0, 34) + (message.text.includes("application/sdp") ? " · SDP" : "")));
    steps.push(drawn);
    drawing.append(drawn);
  });
  const left = sip.left_out ? html("p", { class: "faint" }, `${sip.left_out} messages are left out in between.`) : null;
  return html("div", {}, html("p", { class: "faint" }, "Press a message to read it."), drawing, left);
}
