// What an operator does to a live call: say, whisper, press keys, transfer, hang up.

import { send } from "./base.js";

const dialog = document.querySelector("dialog[data-steer]");
const said = dialog.querySelector("[data-said]");
let call = "";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  call = button.closest("[data-call]").dataset.call;
  dialog.querySelector("h2").textContent = `Call of ${button.dataset.act}`;
  said.hidden = true;
  for (const form of dialog.querySelectorAll("form")) form.reset();
  dialog.showModal();
});

dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());

const DONE = { say: "It will be said.", instruct: "The agent knows.", digits: "Pressed.", transfer: "Transferring …", end: "Ended." };

async function act(what, body) {
  said.hidden = false;
  try {
    await send("POST", `/api/v1/calls/${encodeURIComponent(call)}/${what}`, body);
    said.className = "notice good";
    said.textContent = DONE[what];
    if (what === "end") setTimeout(() => dialog.close(), 800);
    return true;
  } catch (error) {
    said.className = "notice bad";
    said.textContent = error.message;
    return false;
  }
}

for (const form of dialog.querySelectorAll("form[data-do]")) {
  const field = form.elements[form.dataset.field];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await act(form.dataset.do, { [field.name]: field.value })) form.reset();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
for (const button of dialog.querySelectorAll("button[data-do]")) {
  button.addEventListener("click", () => act(button.dataset.do, {}));
}
