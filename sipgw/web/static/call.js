// Fills the page of a call in from its timeline, and keeps it up to date while the call goes on.

import { duration } from "./base.js";
import { chat, follow as followWords } from "./chat.js";
import { cost } from "./cost.js";
import { at, begins, bounded, facts, html, renew } from "./draw.js";
import { ladder } from "./ladder.js";
import { latency } from "./latency.js";
import { marks, words } from "./marks.js";
import { quality, refused } from "./quality.js";
import { ask, problem } from "./session.js";

const POLL = 1500;
const root = document.querySelector("[data-one-call]"), url = root.dataset.url;
const audio = root.querySelector("[data-audio]"), part = (name) => root.querySelector(`[data-part=${name}]`);
let zero = 0, rows = [], happened = [], wave = null, tag = "", shown = {}, live = false, timer = 0, unfollow = null, mark = () => {}; // zero: seconds of the call at which its recording begins; mark shows the mark of an event

function hear(moment) {
  if (!audio) return;
  audio.currentTime = Math.max(0, moment - zero - 1.5);
  audio.play().catch(() => {}); // told by the event of the error
}

const seek = (turn) => hear(begins(turn));

function why(explained) {
  if (!explained.length) return [html("p", { class: "faint" }, "The call is going on; so far nothing is wrong.")];
  return explained.map((one) => html("div", { class: one.bad ? "why bad" : "why" }, html("p", { class: "what" }, bounded(one.what)),
    one.fix ? html("p", {}, html("span", { class: "label" }, "What to do"), one.fix) : null, one.evidence.length ? html("p", { class: "label" }, "What shows it") : null, one.evidence.length ? html("ul", {}, ...one.evidence.map((each) => html("li", {}, bounded(each)))) : null));
}

function about(call) {
  const talked = call.ended !== null && call.answered !== null ? call.ended - call.answered : null;
  const entries = call.seen ? { From: call.caller, To: call.called, "Came from": call.sip.messages[0].peer, At: new Date(call.seen).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }), State: "not let in" } : { From: [call.name, call.caller].filter(Boolean).join(" · "), To: call.called, Agent: call.agent, Trunk: call.trunk, Direction: { in: "came in", out: "made by us" }[call.direction],
    "Signed number": call.stir?.result ? [call.stir.result, call.stir.attestation && `attestation ${call.stir.attestation}`, call.stir.signer && `by ${call.stir.signer}`, call.stir.reason].filter(Boolean).join(", ") : "",
    Began: new Date(call.began).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }), "Set up in": call.answered === null ? "" : `${call.answered.toFixed(2)} s`, Talked: talked === null ? "" : duration(talked), Recording: call.unrecorded, MOS: call.media?.mos?.toFixed(1), "Kind of ending": call.ending?.kind.replaceAll("_", " ") };
  return facts({ ...entries, "Call-ID": html("code", {}, root.dataset.call) });
}

function party({ role, name, number, since, held }) {
  const began = new Date(since).toLocaleTimeString(undefined, { timeStyle: "short" });
  return html("li", {}, [name, number].filter(Boolean).join(" · ") || "withheld", html("span", { class: "faint" }, ` ${role}, since ${began}${held ? ", holds the call" : ""}`));
}

function proven(call, entry) {
  if (!entry) return [html("span", { class: "faint" }, "not known")];
  const said = call.turns[entry.turn], value = { true: "yes", false: "no" }[entry.value] ?? String(entry.value);
  return [value, html("p", { class: "faint" }, `“${entry.quote}” (${entry.by}${said ? `, ${at(begins(said))}` : ""})`)];
}

function report(call) {
  const { state, problem, summary, outcome, achieved, fields, unproven } = call.report;
  const told = { waiting: problem ? `Not filled in yet; it is tried again: ${problem}` : "It is being filled in.", "not made": `It is not made: ${problem}.`, "given up": `It could not be filled in: ${problem}.` }[state];
  if (told) return [html("p", {}, told)];
  const entries = Object.entries({ "Goal achieved": achieved, Outcome: outcome, ...fields });
  const list = facts(Object.fromEntries(entries.map(([name, entry]) => [name.replaceAll("_", " "), proven(call, entry)])));
  return [summary ? html("p", {}, summary) : null, html("dl", { class: "facts" }, ...list), unproven.length ? html("p", { class: "faint" }, `The language model filled in without proof, and it does not count: ${unproven.join(", ")}`) : null].filter(Boolean);
}

const none = (words) => ({ key: words, make: () => html("li", { class: "faint" }, words) });

function turns(call) {
  rows = chat(call, audio ? seek : null);
  renew(part("turns"), rows.length ? rows : [none("Nothing was said.")]);
}

function events(call) {
  happened = call.events;
  const press = (number) => { hear(happened[number].t); choose([happened[number]]); mark(happened[number]); };
  const made = happened.map((event, number) => {
    const time = at(event.t), hearable = Boolean(audio && event.t >= zero);
    const make = () => html("li", {}, hearable ? html("button", { type: "button", class: "quiet", "aria-label": `Hear from ${time}, and show the mark`, onclick: () => press(number) }, time) : html("span", { class: "at" }, time), html("span", {}, bounded(words(event))));
    return { key: JSON.stringify([event, hearable]), make };
  });
  renew(part("events"), made.length ? made : [none("None.")]);
}

const lineOf = (event) => part("events").children[happened.indexOf(event)];

function choose(chosen) {
  const now = chosen.map(lineOf);
  for (const row of part("events").children) row.classList.toggle("now", now.includes(row));
}

/** Hear what a mark stands for, and go to its line. */
function pressed(chosen) {
  hear(chosen[0].t);
  choose(chosen);
  const row = lineOf(chosen[0]); // undefined until the lines are made
  row?.scrollIntoView({ block: "center" });
  row?.querySelector("button").focus({ preventScroll: true });
}

function show(message) {
  const panel = root.querySelector("[data-message]");
  panel.textContent = message.text;
  panel.hidden = false;
}

/** Whether what a part shows is other than before. */
function changed(name, data) {
  const before = shown[name];
  shown[name] = JSON.stringify(data);
  return shown[name] !== before;
}

/** Draw a part again only if what it shows has changed, so that focus and reading place stay. */
function put(name, data, draw) {
  if (changed(name, data)) part(name).replaceChildren(...[draw()].flat());
}

function draw(call) {
  const room = { latency: part("latency").clientWidth, ladder: part("ladder").clientWidth }; // asked for before anything is drawn: afterwards the browser would have to lay all of it out
  const whole = { name: "", direction: "", media: {}, turns: [], going: [], events: [], quality: [], parties: [], answered: null, ended: null, ending: null, ...call };
  zero = whole.recording_began ?? whole.answered ?? 0;
  put("why", whole.explained, () => why(whole.explained));
  part("report").closest("section").hidden = !whole.report;
  if (whole.report) put("report", [whole.report, whole.turns.length], () => report(whole));
  put("facts", { ...whole, report: 0, turns: 0, going: 0, events: 0, quality: 0, sip: 0, explained: 0, live: 0, costs: 0, parties: 0 }, () => about(whole));
  part("parties").hidden = !whole.parties.length;
  put("parties", whole.parties, () => whole.parties.map(party));
  const said = [...whole.turns, ...whole.going]; // what is still being said has no latency, and nothing is found wrong with it
  if (changed("turns", [said, whole.events])) turns({ ...whole, turns: said });
  if (changed("latency", whole.turns)) latency(part("latency"), whole.turns, whole.median_ms, seek, room.latency, whole.ended ?? whole.turns.at(-1)?.t);
  part("cost").closest("section").hidden = !whole.costs;
  if (whole.costs) put("cost", whole.costs, () => cost(whole.costs, whole.currency, whole.words));
  put("ladder", whole.sip, () => ladder(whole.sip, show, room.ladder));
  put("quality", whole.quality, () => quality(whole.quality));
  part("refused").hidden = !whole.media?.refused_sources;
  if (whole.media?.refused_sources) put("refused", whole.media, () => refused(whole.media, whole.began));
  if (changed("events", whole.events)) events(whole);
  const silent = !whole.live && whole.answered === null; // of a call that was never answered, what is empty tells nothing
  for (const name of ["turns", "quality", "events"]) part(name).closest("section").hidden = silent && !whole[name].length;
  part("latency").closest("section").hidden = silent;
  root.querySelector("[data-wait]").hidden = true;
  document.querySelector("[data-when-live]")?.toggleAttribute("hidden", !whole.live);
  if (whole.recorded && !audio) location.reload(); // it ended while we looked, and now there is something to hear
  if (whole.live && "words" in root.dataset) unfollow ??= followWords(`${url}/words`, root.querySelector("[data-now]"), soon);
  else if (unfollow) { unfollow(); unfollow = () => {}; }
  root.querySelector("[data-columns]").classList.toggle("single", [...root.querySelectorAll(".column")].some((column) => ![...column.children].some((section) => !section.hidden)));
  root.dataset.ready = whole.live ? "live" : "ended";
}

/** The shape of the recording and what draws it: asked for at once, beside the timeline. */
let shape = audio && loadShape();
shape?.catch(() => {}); // told where it is waited for

async function loadShape() {
  const [answer, { default: WaveSurfer }] = await Promise.all([fetch(`${url}/waveform.json`), import("./vendor/wavesurfer-8.0.1.esm.js")]);
  return answer.ok ? { ...await answer.json(), WaveSurfer } : null;
}

async function waveform() {
  const found = await (shape ?? loadShape());
  shape = null;
  if (!found) return;
  const { peaks, seconds, WaveSurfer } = found;
  const colour = (selector) => getComputedStyle(root.querySelector(selector)).color;
  wave = WaveSurfer.create({ container: root.querySelector("[data-wave]"), media: audio, peaks, duration: seconds, splitChannels: [{ waveColor: colour(".faint"), progressColor: colour("h2") }, { waveColor: colour(".accent"), progressColor: colour("h2") }], height: 60, cspNonce: root.dataset.nonce, normalize: true });
  mark = marks(root.querySelector("[data-marks]"), root.querySelector("[data-marked]"), happened, zero, seconds, pressed);
  root.dataset.wave = "drawn";
}

audio?.addEventListener("timeupdate", () => {
  const past = rows.filter((each) => each.begins - zero <= audio.currentTime + 1.5).at(-1);
  [...part("turns").children].forEach((row, number) => row.classList.toggle("now", Boolean(past) && rows[number] === past));
  root.querySelector("[data-heard]").textContent = past?.told ?? "";
});

function tell(text) {
  const wait = root.querySelector("[data-wait]");
  wait.textContent = text;
  wait.hidden = false;
}

audio?.addEventListener("error", async () => {
  try {
    const answer = await ask(audio.src, { headers: { Range: "bytes=0-1" } });
    tell(`The recording cannot be played${answer.ok ? " by this browser." : `: ${await problem(answer)}.`}`);
  } catch (error) {
    tell(`The recording cannot be played: ${error.message}`);
  }
});

async function read() {
  const answer = await ask(`${url}/timeline.json`, { headers: tag && live ? { "If-None-Match": tag } : {} });
  if (answer.status === 304) return true;
  if (!answer.ok) throw new Error(await problem(answer));
  tag = answer.headers.get("ETag") ?? "";
  const call = await answer.json();
  draw(call);
  const before = live; // the row of a report comes a moment after the end of its call
  live = call.live;
  return live || before || call.report?.state === "waiting";
}

async function follow() {
  clearTimeout(timer);
  try {
    if (await read()) timer = setTimeout(follow, document.hidden ? 4 * POLL : POLL);
    else if (audio && !wave) await waveform();
  } catch (error) {
    tell(`The call cannot be read: ${error.message}`);
    timer = setTimeout(follow, 4 * POLL);
  }
}

/** Read it now; `then` is called when it is drawn. */
async function soon(then) {
  await follow();
  then();
}

follow();
