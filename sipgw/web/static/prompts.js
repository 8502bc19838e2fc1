// Saves drafts of a prompt, publishes a version, and has two compared. Text is only ever set as text.

import { send } from "./base.js";
import { ask } from "./session.js";

const LOOK_MS = 2000;
const form = document.querySelector("[data-prompt]"), field = form.elements.text;
const said = document.querySelector("[data-said]"), question = document.querySelector("[data-ask]");
const { agent, version, seen, latest } = form.dataset;
const api = `/api/prompts/${encodeURIComponent(agent)}`, saved = field.value;

function tell(text, kind = "bad") {
  said.hidden = !text;
  said.className = `notice ${kind}`;
  said.textContent = text;
}

function open(number, meanwhile = 0) { location.assign(`/prompts?agent=${encodeURIComponent(agent)}&version=${number}${meanwhile ? `&against=${meanwhile}&meanwhile=1` : ""}`); }

async function act(button, what) {
  tell("");
  button.disabled = true;
  try {
    await what();
  } catch (error) {
    tell(error.message);
    button.disabled = false;
    button.focus();
  }
}

/** What is done with a version is done with the text that was saved. */
function changed() {
  for (const button of form.querySelectorAll("[data-saved]")) button.disabled = field.value !== saved;
}

field.addEventListener("input", changed);

form.querySelector("[data-talk]")?.addEventListener("click", () => location.assign(`/phone?agent=${encodeURIComponent(agent)}&version=${version}`));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  act(form.querySelector("[data-save]"), async () => {
    const made = await send("POST", `${api}/versions`, { text: field.value, latest: Number(latest) });
    open(made.version, made.meanwhile);
  });
});

form.querySelector("[data-compare]")?.addEventListener("click", ({ target }) => {
  act(target, async () => { await send("POST", `${api}/versions/${version}/comparison`); open(version); });
});

form.querySelector("[data-publish]")?.addEventListener("click", ({ target }) => {
  question.returnValue = "";
  question.onclose = () => question.returnValue === "publish" && act(target, async () => {
    await send("POST", `${api}/versions/${version}/publish`, { seen });
    open(version);
  });
  question.showModal();
});
question.querySelector("[data-keep]").addEventListener("click", () => question.close());
question.querySelector("[data-do]").addEventListener("click", () => question.close("publish"));

async function look() {
  try {
    const answer = await ask(`${api}/comparison`);
    if (!answer.ok || (await answer.json()).state === "running") return void setTimeout(look, LOOK_MS);
  } catch (error) {
    tell(`${error.message} Trying again …`);
    return void setTimeout(look, LOOK_MS);
  }
  if (field.value === saved) location.reload();
  else tell("The comparison is over. Save the draft, then load the page again to see it.", "good");
}

if (document.querySelector("[data-comparison=running]")) setTimeout(look, LOOK_MS);
changed();
