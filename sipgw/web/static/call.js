// Fills the page of a call in from its timeline, and keeps it up to date while the call goes on.

import { duration } from "./base.js";
import { at, begins, html } from "./draw.js";
import { ladder } from "./ladder.js";
import { latency } from "./latency.js";
import { quality } from "./quality.js";

const POLL = 1500;
const root = document.querySelector("[data-one-call]"), url = root.dataset.url;
const audio = root.querySelector("[data-audio]"), part = (name) => root.querySelector(`[data-part=${name}]`);
let answered = 0, rows = [], wave = null, tag = "", shown = {};

function seek(turn) {
  if (!audio) return;
  audio.currentTime = Math.max(0, begins(turn) - answered - 1.5);
  audio.play();
}

function why(explained) {
  if (!explained.length) return [html("p", { class: "faint" }, "The call is going on; so far nothing is wrong.")];
  return explained.map((one) => html("div", { class: one.bad ? "why bad" : "why" }, html("p", { class: "what" }, one.what),
    one.fix ? html("p", {}, html("span", { class: "label" }, "What to do"), one.fix) : null, one.evidence.length ? html("p", { class: "label" }, "What shows it") : null, one.evidence.length ? html("ul", {}, ...one.evidence.map((each) => html("li", {}, each))) : null));
}

function facts(call) {
  const talked = call.ended !== null && call.answered !== null ? call.ended - call.answered : null;
  const entries = call.seen ? { From: call.caller, To: call.called, "Came from": call.sip.messages[0].peer, At: new Date(call.seen).toLocaleString(), State: "not let in" } : { From: [call.name, call.caller].filter(Boolean).join(" · "), To: call.called, Agent: call.agent, Trunk: call.trunk, Direction: { in: "came in", out: "made by us" }[call.direction],
    Began: new Date(call.began).toLocaleString(), "Set up in": call.answered === null ? "" : `${call.answered.toFixed(2)} s`, Talked: talked === null ? "" : duration(talked), Recording: call.unrecorded, MOS: call.media?.mos, "Kind of ending": call.ending?.kind.replaceAll("_", " ") };
  return Object.entries(entries).filter(([, value]) => value).flatMap(([name, value]) => [html("div", {}, html("dt", {}, name), html("dd", {}, value))]);
}

function agentSaid(turn, first) {
  const heard = turn.heard.replace(/ —$/, "");
  const cut = turn.interrupted && turn.said.startsWith(heard) ? turn.said.slice(heard.length) : "";
  const who = turn.agent && turn.agent !== first ? turn.agent : "Agent";
  return html("p", turn.language ? { lang: turn.language } : {}, html("span", { class: "who" }, who), cut ? heard : turn.said, cut ? html("span", { class: "unheard", title: "not heard: the caller interrupted" }, cut) : null,
    !cut && turn.interrupted && turn.heard ? html("span", { class: "faint" }, ` (heard: ${turn.heard})`) : null);
}

function thrown({ discarded = 0 }) {
  return discarded ? `; ${discarded} ${discarded === 1 ? "reply" : "replies"} prepared and thrown away` : "";
}

function tool(run) {
  const told = `${run.name}(${JSON.stringify(run.arguments)}) → ${run.error || JSON.stringify(run.result)}  ${run.seconds.toFixed(2)} s`;
  return html("p", { class: run.error ? "tool failed" : "tool" }, told);
}

function turns(call) {
  rows = [];
  if (!call.turns.length) return [html("li", { class: "faint" }, "Nothing was said.")];
  return call.turns.map((turn) => {
    const time = at(begins(turn)), total = turn.latency_ms?.total;
    const row = html("li", {}, audio ? html("button", { type: "button", class: "quiet", "aria-label": `Hear from ${time}`, onclick: () => seek(turn) }, time) : html("span", { class: "faint" }, time),
      html("div", {}, turn.caller ? html("p", {}, html("span", { class: "who" }, "Caller"), turn.caller) : null, ...turn.tools.map(tool), turn.said ? agentSaid(turn, call.agent) : null,
        total > 0 ? html("p", { class: "faint" }, `answered after ${(total / 1000).toFixed(2)} s${thrown(turn)}`) : null));
    rows.push([begins(turn) - answered, row]);
    return row;
  });
}

function show(message) {
  const panel = root.querySelector("[data-message]");
  panel.textContent = message.text;
  panel.hidden = false;
}

/** Draw a part again only if what it shows has changed, so that focus and reading place stay. */
function put(name, data, draw) {
  const now = JSON.stringify(data);
  if (shown[name] === now) return;
  shown[name] = now;
  part(name).replaceChildren(...[draw()].flat());
}

function draw(call) {
  const whole = { name: "", direction: "", media: {}, turns: [], going: [], events: [], quality: [], answered: null, ended: null, ending: null, ...call };
  answered = whole.answered ?? 0;
  put("why", whole.explained, () => why(whole.explained));
  put("facts", { ...whole, turns: 0, going: 0, events: 0, quality: 0, sip: 0, explained: 0, live: 0 }, () => facts(whole));
  const said = [...whole.turns, ...whole.going]; // what is still being said has no latency, and nothing is found wrong with it
  put("turns", said, () => turns({ ...whole, turns: said }));
  put("latency", whole.turns, () => latency(whole.turns, whole.median_ms, seek, part("latency").clientWidth));
  put("ladder", whole.sip, () => ladder(whole.sip, show, part("ladder").clientWidth));
  put("quality", whole.quality, () => quality(whole.quality));
  put("events", whole.events, () => whole.events.length ? whole.events.map((event) => html("li", {}, html("span", { class: "at" }, at(event.t)), event.kind === "ended" ? event.text.replace(/^\w+: /, "Ended: ") : event.text)) : [html("li", { class: "faint" }, "None.")]);
  const silent = !whole.live && whole.answered === null; // of a call that was never answered, what is empty tells nothing
  for (const name of ["turns", "quality", "events"]) part(name).closest("section").hidden = silent && !whole[name].length;
  part("latency").closest("section").hidden = silent;
  root.querySelector("[data-wait]").hidden = true;
  document.querySelector("[data-when-live]")?.toggleAttribute("hidden", !whole.live);
  if (whole.recorded && !audio) location.reload(); // it ended while we looked, and now there is something to hear
  root.dataset.ready = whole.live ? "live" : "ended";
}

async function waveform() {
  const answer = await fetch(`${url}/waveform.json`);
  if (!answer.ok) return;
  const { peaks, seconds } = await answer.json();
  const { default: WaveSurfer } = await import("./vendor/wavesurfer-8.0.1.esm.js");
  const colour = (selector) => getComputedStyle(root.querySelector(selector)).color;
  wave = WaveSurfer.create({ container: root.querySelector("[data-wave]"), media: audio, peaks, duration: seconds, splitChannels: [{ waveColor: colour(".faint"), progressColor: colour("h2") }, { waveColor: colour(".accent"), progressColor: colour("h2") }], height: 60, cspNonce: root.dataset.nonce, normalize: true });
  root.dataset.wave = "drawn";
}

audio?.addEventListener("timeupdate", () => {
  const past = rows.filter(([begin]) => begin <= audio.currentTime + 1.5).at(-1);
  for (const [, row] of rows) row.classList.toggle("now", row === past?.[1]);
});

async function read() {
  const answer = await fetch(`${url}/timeline.json`, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
  if (answer.status === 304) return true;
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `status ${answer.status}`);
  tag = answer.headers.get("ETag") ?? "";
  const call = await answer.json();
  draw(call);
  return call.live;
}

async function follow() {
  try {
    if (await read()) setTimeout(follow, document.hidden ? 4 * POLL : POLL);
    else if (audio && !wave) await waveform();
  } catch (error) {
    const wait = root.querySelector("[data-wait]");
    wait.textContent = `The call cannot be read: ${error.message}`;
    wait.hidden = false;
    setTimeout(follow, 4 * POLL);
  }
}

follow();
