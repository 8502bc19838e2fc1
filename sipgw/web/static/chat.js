// The conversation as a chat: who said what, what the agent looked up, and what was decided about turns, with its evidence.

import { at, begins, bounded, html } from "./draw.js";
import { words } from "./marks.js";

const LATE = 1500, TOO_LATE = 3000; // milliseconds
const INLINE = new Set(["failure", "hand_over", "language", "transfer", "party"]);

function agentSaid(turn, first) {
  const heard = turn.heard.replace(/ —$/, "");
  const cut = turn.interrupted && turn.said.startsWith(heard) ? turn.said.slice(heard.length) : "";
  const who = turn.agent && turn.agent !== first ? turn.agent : "Agent";
  return html("p", { class: "said agent", ...turn.language ? { lang: turn.language } : {} }, html("span", { class: "who" }, who), cut ? heard : turn.said, cut ? html("span", { class: "unheard", title: "not heard: the caller interrupted" }, cut) : null,
    !cut && turn.interrupted && turn.heard ? html("span", { class: "faint" }, ` (heard: ${turn.heard})`) : null);
}

function thrown({ discarded = 0 }) {
  return discarded ? `; ${discarded} ${discarded === 1 ? "reply" : "replies"} prepared and thrown away` : "";
}

function tool(run) {
  const told = `${run.name}(${JSON.stringify(run.arguments)}) → ${run.error || JSON.stringify(run.result)}  ${run.seconds.toFixed(2)} s`;
  return html("div", { class: run.error ? "tool failed" : "tool" }, bounded(told));
}

function sources(turn) {
  const told = (turn.sources ?? []).map(({ file, heading, chunk }) => `${file}${heading ? `, ${heading}` : ""} (passage ${chunk})`);
  return told.length ? html("p", { class: "faint", "data-sources": "" }, `The agent had: ${told.join("; ")}`) : null;
}

/** What was decided about turns, and what else happened, from the beginning of a turn to that of the next one. */
function happened(events) {
  const decided = events.filter((event) => event.kind === "turn"), told = events.filter((event) => INLINE.has(event.kind));
  return [...told.map((event) => html("div", { class: event.kind === "failure" ? "note failed" : "note" }, bounded(words(event)))),
    decided.length ? html("details", { class: "decided" }, html("summary", {}, decided.length === 1 ? "1 decision" : `${decided.length} decisions`), html("ul", {}, ...decided.map((event) => html("li", {}, html("span", { class: "at" }, at(event.t)), " ", bounded(words(event)))))) : null];
}

function wait(turn) {
  const total = turn.latency_ms?.total;
  if (!(total > 0)) return null;
  const level = total >= TOO_LATE ? "bad" : total > LATE ? "wait" : "";
  return html("p", { class: "wait" }, html("span", { class: "badge", "data-level": level }, `answered after ${(total / 1000).toFixed(2)} s`), thrown(turn));
}

/** The turns of a call as rows for `renew`, each with the time at which its turn began. `seek` hears one, if there is a recording. */
export function chat(call, seek) {
  const starts = call.turns.map((turn) => begins(turn) ?? 0);
  return call.turns.map((turn, number) => {
    const from = number ? starts[number] : -Infinity, until = starts[number + 1] ?? Infinity, time = at(begins(turn));
    const its = call.events.filter((event) => event.t >= from && event.t < until);
    const make = () => html("li", {}, seek ? html("button", { type: "button", class: "quiet", "aria-label": `Hear from ${time}`, onclick: () => seek(turn) }, time) : html("span", { class: "faint" }, time),
      html("div", {}, turn.caller ? html("p", { class: "said caller" }, html("span", { class: "who" }, "Caller"), turn.caller) : null, ...turn.tools.map(tool), sources(turn), wait(turn), turn.said ? agentSaid(turn, call.agent) : null, ...happened(its)));
    return { key: JSON.stringify([turn, its, call.agent, Boolean(seek)]), make, begins: begins(turn), told: [turn.caller, turn.said].filter(Boolean).join(" – ") };
  });
}

/** Follow the words of a call that goes on, as they are recognised: they stand in `list` until the timeline has them, for which `again` asks. Returns what ends that. */
export function follow(url, list, again) {
  const feed = new EventSource(url);
  feed.addEventListener("word", (event) => {
    const { kind, text, final } = JSON.parse(event.data);
    if (kind === "caller" && !final && text) list.replaceChildren(html("li", {}, html("span", { class: "faint" }, "now"), html("div", {}, html("p", { class: "said caller" }, html("span", { class: "who" }, "Caller"), text))));
    else if (["caller", "agent", "tool", "turn", "failed", "interrupted", "ended"].includes(kind)) {
      if (kind === "ended") feed.close();
      again(() => { if (kind !== "agent") list.replaceChildren(); });
    }
  });
  feed.onerror = () => {
    if (feed.readyState === EventSource.CLOSED) list.replaceChildren(html("li", { class: "faint" }, "Words do not come while they are spoken: the gateway has refused them. Each sentence stands above when it is over."));
  };
  return () => { feed.close(); list.replaceChildren(); };
}
