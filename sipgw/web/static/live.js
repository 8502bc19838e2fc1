// Keeps the table of live calls up to date by server-sent events. Text is only ever set as text.

import { duration } from "./base.js";
import { html, icon } from "./draw.js";
import { ask, problem } from "./session.js";

const table = document.querySelector("table[data-live]");
const body = table.tBodies[0];
const dot = document.querySelector("[data-live-dot]"), told = document.querySelector("[data-live-lost] span");
const COST = `Cost, ${table.dataset.currency}`;
const FIELDS = { state: "", other: "", ours: "Our number", agent: "Agent", turn: "Floor", mos: "MOS", cost: COST, began: "Time" }; // and their labels
const PARTIES = { in: { caller: "other", called: "ours" }, out: { caller: "ours", called: "other" } };
const PAUSE = 5000;
const NUMBERS = new Set(["mos", "cost", "began"]);
let lost = 0; // since when we are not connected
const rows = new Map([...body.rows].map((row) => [row.dataset.call, row]));

function make(call, direction) {
  const row = document.createElement("tr");
  row.dataset.call = call;
  row.dataset.direction = direction;
  for (const [field, label] of Object.entries(FIELDS)) {
    const cell = row.insertCell();
    cell.dataset.field = field;
    if (label) cell.dataset.label = label;
    if (NUMBERS.has(field)) cell.className = "number";
    if (field === "other") {
      const link = document.createElement("a");
      link.href = `/calls/${encodeURIComponent(call)}`;
      cell.className = "title";
      if (direction === "out") cell.append(html("span", { class: "faint", title: "call out" }, icon("phone-outgoing"), html("span", { class: "unseen" }, "to ")), " ");
      cell.append(link);
    } else if (field === "state") {
      const badge = document.createElement("span");
      badge.className = "badge";
      cell.append(badge);
    }
  }
  if ("operator" in table.dataset) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain small";
    button.textContent = "Act";
    row.insertCell().append(button);
    row.lastElementChild.className = "act";
  }
  rows.set(call, row);
  body.prepend(row);
  return row;
}

function put(call, fields) {
  const row = rows.get(call) ?? make(call, fields.direction);
  if ("mode" in fields && row.dataset.mode !== fields.mode) {
    row.dataset.mode = fields.mode; // of the third who has joined; empty: nobody has
    row.dispatchEvent(new Event("mode", { bubbles: true }));
  }
  for (const [name, value] of Object.entries(fields)) {
    const field = PARTIES[row.dataset.direction][name] ?? name, cell = row.querySelector(`[data-field="${field}"]`);
    if (!cell) continue;
    if (field === "began") cell.dataset.since = value;
    else (cell.querySelector("a, .badge") ?? cell).textContent = value ?? "";
    if (field === "other" && "operator" in table.dataset) {
      const button = row.querySelector(".act button");
      button.dataset.act = value;
      button.setAttribute("aria-label", `Act on the call of ${value}`);
    }
    if (field === "state") cell.firstElementChild.dataset.is = value;
  }
}

function remove(call) {
  rows.get(call)?.remove();
  rows.delete(call);
}

function count() {
  document.querySelector("[data-live-count]").textContent = rows.size;
  document.querySelector("[data-live-empty]").hidden = rows.size > 0;
  document.querySelector("[data-live-frame]").hidden = rows.size === 0;
}

function tick() {
  document.querySelector("[data-live-lost]").hidden = !lost || Date.now() - lost < PAUSE;
  if (lost) return; // nobody knows whether they still speak
  const now = Date.now();
  for (const row of rows.values()) {
    const cell = row.querySelector("[data-field=began]");
    const text = duration((now - Date.parse(cell.dataset.since)) / 1000);
    if (cell.textContent !== text) cell.textContent = text;
  }
}

function connected(is) {
  dot.dataset.is = is ? "up" : "down";
  dot.title = is ? "connected" : "not connected";
  lost = is ? 0 : lost || Date.now();
}

// A feed that was answered with an error is closed for good, and does not say which.
async function again() {
  const stop = new AbortController();
  try {
    const answer = await ask(table.dataset.live, { signal: stop.signal });
    if (!answer.ok) throw new Error(`The gateway refuses to keep the list up to date: ${await problem(answer)}.`);
    follow();
  } catch (error) {
    told.textContent = error.message;
    setTimeout(again, PAUSE);
  }
  stop.abort();
}

function follow() {
  const feed = new EventSource(table.dataset.live);
  feed.onopen = () => connected(true);
  feed.onerror = () => {
    connected(false);
    if (feed.readyState === EventSource.CLOSED) setTimeout(again, PAUSE);
  };
  feed.addEventListener("board", (event) => {
    const board = JSON.parse(event.data).rows;
    for (const call of [...rows.keys()]) if (!(call in board)) remove(call);
    for (const [call, fields] of Object.entries(board)) put(call, fields);
    count();
    tick();
  });
  feed.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    change.gone.forEach(remove);
    for (const [call, fields] of Object.entries(change.rows)) put(call, fields);
    count();
    tick();
  });
}

follow();
tick();
setInterval(tick, 1000);
