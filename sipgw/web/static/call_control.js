// What an operator does to a live call: listens, says, whispers, presses keys, joins, takes over, transfers, hangs up.

import { send } from "./base.js";
import { listen, takeOver } from "./call_audio.js";
import { reason } from "./sound.js";

const dialog = document.querySelector("dialog[data-control]");
const $ = (name) => dialog.querySelector(`[data-${name}]`);
const said = $("said");
let call = "", deaf = null, back = null, opened = 0;

function tell(text, good = true) {
  said.hidden = false;
  said.className = good ? "notice good" : "notice bad";
  said.textContent = text;
}

function listening(stop) {
  deaf = stop;
  $("listen").textContent = stop ? "Stop listening" : "Listen";
  $("levels").hidden = !stop;
}

const start = () => ($("mode").value === "take_over" ? "Take over" : "Join");

function speaking(stop) {
  back = stop;
  $("take").textContent = stop ? "Give back to the agent" : start();
  $("own").hidden = !stop;
  $("close").disabled = Boolean(stop);
}

// Whoever closes the dialog while a connection is being made does not want it any more: what it gives is stopped at once.
async function wanted(connecting) {
  const mine = opened, stop = await connecting;
  if (mine === opened) return stop;
  stop();
  return null;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  call = button.closest("[data-call]").dataset.call;
  dialog.querySelector("h2").textContent = `Call of ${button.dataset.act}`;
  said.hidden = true;
  for (const form of dialog.querySelectorAll("form")) form.reset();
  show();
  dialog.showModal();
});

// The mode of whoever has joined is what the gateway says: a key of theirs or another page may have changed it, or it was refused.
function show() {
  const mode = document.querySelector(`tr[data-call="${CSS.escape(call)}"]`)?.dataset.mode;
  if (!mode) return;
  dialog.querySelector("form[data-do=mode] select").value = mode;
  if (back) $("mode").value = mode;
}

document.addEventListener("mode", ({ target }) => {
  if (target.dataset.call !== call) return;
  show();
  if (back && target.dataset.mode) tell(MODES[target.dataset.mode]);
});

$("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("cancel", (event) => { if (back) { event.preventDefault(); tell("You have the call: give it back or hang up first.", false); } });
dialog.addEventListener("close", () => { opened += 1; deaf?.(); back?.(); listening(null); speaking(null); });

$("listen").addEventListener("click", async () => {
  if (deaf) { deaf(); listening(null); return; }
  try {
    const stop = await wanted(listen(call, [$("level=caller"), $("level=agent")], (why) => { listening(null); tell(why, false); }));
    if (!stop) return;
    listening(stop);
    said.hidden = true;
  } catch (error) {
    tell(reason(error), false);
  }
});

$("take").addEventListener("click", async ({ currentTarget: button }) => {
  if (button.ariaDisabled === "true") return;
  if (back) { back(); speaking(null); tell("The agent speaks again."); return; }
  button.ariaDisabled = "true"; // not `disabled`, which would take the keyboard's focus away
  tell("Asking for the microphone …");
  try {
    const stop = await wanted(takeOver(call, $("mode").value, $("audio"), $("level=own"), (why) => { if (back) { speaking(null); tell(why, false); } }));
    if (stop) {
      speaking(stop);
      deaf?.();
      listening(null);
      tell(MODES[$("mode").value]);
      show();
    }
  } catch (error) {
    tell(reason(error), false);
  }
  button.ariaDisabled = null;
});

$("mode").addEventListener("change", async ({ currentTarget: { value } }) => {
  if (!back) { $("take").textContent = start(); return; }
  if (await act("mode", { mode: value })) tell(MODES[value]);
  else show();
});

const MODES = {
  listen: "You hear both; nobody hears you.",
  whisper: "What you say is told to the agent in writing; the caller does not hear you.",
  conference: "You, the caller and the agent hear each other.",
  consult: "You speak with the agent; the caller hears music.",
  notes: "You speak with the caller; the agent is silent and is told afterwards what was said.",
  take_over: "You speak with the caller; the agent is silent and does not listen. Whisper to it what it has to know before you give the call back.",
};
const DONE = { join: "They are in the call.", mode: "Changed.", "give-back": "The agent has the call alone.", say: "It will be said.", instruct: "The agent knows.", digits: "Pressed.", transfer: "Transferring …", end: "Ended." };

async function act(what, body) {
  try {
    await send("POST", `/api/v1/calls/${encodeURIComponent(call)}/${what}`, body);
    tell(DONE[what]);
    if (what === "end") setTimeout(() => dialog.close(), 800);
    return true;
  } catch (error) {
    tell(error.message, false);
    return false;
  }
}

for (const form of dialog.querySelectorAll("form[data-do]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await act(form.dataset.do, Object.fromEntries(new FormData(form))) && form.dataset.field) form.reset();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !["SELECT", "BUTTON"].includes(event.target.tagName)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
for (const button of dialog.querySelectorAll("button[data-do]")) button.addEventListener("click", () => act(button.dataset.do, {}));
