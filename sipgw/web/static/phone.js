// The browser phone: one call at a time over WebRTC; the answer comes with one request. Text is only ever set as text.

import { duration, send } from "./base.js";
import { connecting } from "./connection.js";
import { microphone, offer, reason, watchLevel } from "./sound.js";

const $ = (name) => document.querySelector(`[data-${name}]`);
const TEST_SECONDS = 3, GATHER_MS = 2000;
let call = null;

function show(name, text) { $(name).textContent = text; }

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

// Words

const NAMES = { caller: "You", key: "You pressed", agent: "Agent", tool: "Looks up", interrupted: "Cut after", failed: "Failed" };

function line(kind, text, final = true) {
  const words = $("words"); // what is not final yet goes on, also when an interruption was told meanwhile
  let item = [...words.children].findLast((one) => one.dataset.who === kind && one.dataset.final === "false");
  if (kind === "key" && item !== words.lastElementChild) item = null; // another press, told after what came between
  if (kind === "key" && item) text = item.lastElementChild.textContent + text;
  if (!item) {
    item = document.createElement("li");
    item.append(document.createElement("span"), document.createElement("span"));
    item.firstElementChild.className = "who";
    item.firstElementChild.textContent = NAMES[kind];
    item.dataset.who = kind;
    words.append(item);
  }
  item.dataset.final = final;
  item.lastElementChild.textContent = text;
  $("words-empty").hidden = true;
  item.scrollIntoView({ block: "nearest" });
}

function follow(id) {
  const events = new EventSource(`/api/phone/calls/${encodeURIComponent(id)}/events`);
  events.addEventListener("word", ({ data }) => {
    const word = JSON.parse(data);
    if (word.kind === "ended") end(`The call ended: ${word.text}.`);
    else if (word.kind === "turn") { if (word.latency_ms) show("state", `Talking. The last answer took ${word.latency_ms} ms.`); }
    else if (word.kind in NAMES) line(word.kind, word.text, word.final ?? true);
  });
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) end("The call is over."); };
  return events;
}

// The call

function calling(is) {
  $("call").hidden = $("agent").disabled = $("test").disabled = is;
  $("hang-up").hidden = !is;
  $(is ? "hang-up" : "call").focus();
}

async function begin() {
  problem("");
  calling(true);
  $("words").replaceChildren();
  $("record").hidden = true;
  show("state", "Asking for the microphone …");
  const mine = call = { ended: false, clean: [] };
  try {
    const stream = await microphone();
    mine.clean.push(() => stream.getTracks().forEach((track) => track.stop()));
    if (mine.ended) return mine.clean.forEach((undo) => undo());
    const context = new AudioContext();
    mine.clean.push(() => context.close(), watchLevel(context, stream, $("level")));
    const connection = mine.connection = await connecting();
    if (mine.ended) return connection.close();
    mine.clean.push(() => connection.close());
    mine.sender = connection.addTrack(stream.getAudioTracks()[0], stream);
    connection.addEventListener("track", ({ track }) => {
      const heard = new MediaStream([track]);
      $("audio").srcObject = heard;
      mine.clean.push(watchLevel(context, heard, $("heard")));
    });
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "connected") connected(mine);
      if (connection.connectionState === "failed") end("The connection was lost.");
    });
    show("state", "Calling …");
    const sdp = await offer(connection);
    if (mine.ended) return;
    const answer = await send("POST", "/api/phone/calls", { sdp, agent: $("agent").value, version: Number($("phone").dataset.version) });
    mine.id = answer.call;
    if (mine.ended) return leave(mine);
    const events = follow(mine.id);
    mine.clean.push(() => events.close());
    await new Promise((done) => { events.onopen = done; setTimeout(done, GATHER_MS); });
    if (!mine.ended) await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  } catch (error) {
    if (call === mine) { problem(reason(error)); end("No call."); }
  }
}

function connected(mine) {
  show("state", "Talking.");
  $("keys").disabled = !mine.sender.dtmf;
  const began = Date.now();
  const timer = setInterval(() => { show("time", duration((Date.now() - began) / 1000)); quality(mine.connection); }, 1000);
  mine.clean.push(() => clearInterval(timer));
}

async function quality(connection) {
  let sound = null, pair = null;
  for (const one of (await connection.getStats()).values()) {
    if (one.type === "inbound-rtp") sound = one;
    if (one.type === "candidate-pair" && one.nominated) pair = one;
  }
  if (!sound) return;
  const all = sound.packetsReceived + sound.packetsLost, lost = all ? 100 * Math.max(0, sound.packetsLost) / all : 0;
  const trip = pair?.currentRoundTripTime === undefined ? "" : `${Math.round(1000 * pair.currentRoundTripTime)} ms round trip, `;
  const grade = lost > 3 || sound.jitter > 0.06 ? "Bad" : lost > 0.5 || sound.jitter > 0.03 ? "Fair" : "Good";
  show("quality", `${grade} connection: ${trip}${lost.toFixed(1)} % lost, ${Math.round(1000 * sound.jitter)} ms jitter.`);
}

/** Tell the gateway, also of a call that is over there; works while the page is being left, too, for the token is a header of an ordinary request. */
function leave(mine) {
  if (!mine.id) return;
  const token = document.querySelector("meta[name=csrf]").content;
  fetch(`/api/phone/calls/${encodeURIComponent(mine.id)}`, { method: "DELETE", keepalive: true, headers: { "X-CSRF-Token": token } }).catch(() => {});
}

function end(text) {
  if (!call) return;
  const mine = call;
  call = null;
  mine.ended = true;
  leave(mine);
  for (const undo of mine.clean) undo();
  $("keys").disabled = true;
  calling(false);
  show("state", text);
  if (mine.id) {
    $("record").hidden = false;
    $("record").firstElementChild.href = `/calls/${encodeURIComponent(mine.id)}`;
  }
}

async function test() {
  problem("");
  $("test").disabled = $("call").disabled = true;
  try {
    const stream = await microphone(), context = new AudioContext();
    const stop = watchLevel(context, stream, $("level"));
    const recorder = new MediaRecorder(stream), parts = [];
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.start();
    show("test-state", "Say something …");
    await new Promise((done) => setTimeout(done, 1000 * TEST_SECONDS));
    const stopped = new Promise((done) => recorder.addEventListener("stop", done));
    recorder.stop();
    await stopped;
    stop();
    stream.getTracks().forEach((track) => track.stop());
    const loud = Number($("level").dataset.most) > 0.01;
    show("test-state", loud ? "This is how you sound." : "Nothing was heard. Is the right microphone chosen, and not muted?");
    const url = URL.createObjectURL(new Blob(parts, { type: recorder.mimeType })), player = new Audio(url);
    player.addEventListener("ended", () => URL.revokeObjectURL(url));
    await player.play();
    await context.close();
  } catch (error) {
    problem(reason(error));
    show("test-state", "");
  }
  $("level").dataset.most = 0;
  $("test").disabled = $("call").disabled = false;
}

function press(key) {
  if (!call?.sender?.dtmf || $("keys").disabled) return;
  call.sender.dtmf.insertDTMF(call.sender.dtmf.toneBuffer + key, 100, 70);
  line("key", key, key === "#");
}

if ($("phone")) {
  $("call").addEventListener("click", begin);
  $("hang-up").addEventListener("click", () => end("You hung up."));
  $("test").addEventListener("click", test);
  $("keys").addEventListener("click", ({ target }) => target.dataset.key && press(target.dataset.key));
  addEventListener("keydown", (event) => {
    if (/^[0-9*#]$/.test(event.key) && !/^(SELECT|INPUT|TEXTAREA)$/.test(event.target.tagName)) press(event.key);
  });
  addEventListener("pagehide", () => end("You hung up."));
  $("test").disabled = $("call").disabled = false;
}
