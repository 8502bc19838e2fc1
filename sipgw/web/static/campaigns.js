// Checks the file of a campaign, starts what was checked, and pauses, resumes and stops campaigns.

import { send } from "./base.js";

const PATH = "/api/v1/campaigns";
const WORDS = { now: "called at once", later: "called later", never: "never called" };

const form = document.querySelector("[data-campaign-form]");
const plan = document.querySelector("[data-campaign-plan]");
const start = document.querySelector("[data-campaign-start]");
let checked = null;
let asked = 0;

function make(tag, text, values = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(values)) made.setAttribute(name, value);
  return made;
}

function many(count, one, more) {
  return `${count.toLocaleString()} ${count === 1 ? one : more}`;
}

function tell(part, text, kind = "") {
  part.hidden = !text;
  part.className = `notice ${kind}`;
  part.textContent = text;
}

function table(heads, rows) {
  const frame = make("div", undefined, { class: "table flat" }), made = make("table", undefined, { class: "cards" });
  const head = made.createTHead().insertRow();
  for (const name of heads) head.append(make("th", name, { scope: "col" }));
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((text, at) => line.append(make("td", text, { "data-label": heads[at] })));
  }
  frame.append(made);
  return frame;
}

function cost(found) {
  if (!found) return "not known: no earlier call of this agent has a cost";
  const money = (amount) => `${amount.toFixed(amount >= 1 || !amount ? 2 : 4)} ${found.currency}`;
  const calls = many(found.calls, "earlier call", "earlier calls");
  return `about ${money(found.total)} if everybody answers: ${money(found.per_call)} a call, the mean of ${calls} ${found.direction}`;
}

/** What the button does: who is never called is left out, and where the gate was not asked about all it is a guess. */
function beginning(fresh, numbers, judged, never) {
  if (!fresh) return "Start: go on with the campaign";
  if (!never) return `Start: call ${many(fresh, "number", "numbers")}`;
  if (judged === numbers && fresh === numbers) return `Start: call ${(numbers - never).toLocaleString()} of ${many(numbers, "number", "numbers")}`;
  return `Start: call at most ${many(Math.min(fresh, judged === numbers ? numbers - never : fresh), "number", "numbers")}`;
}

function show(told) {
  const parts = [], fresh = told.numbers - told.known;
  const facts = make("dl", undefined, { class: "facts" });
  const fact = (name, value) => {
    const pair = make("div");
    pair.append(make("dt", name), make("dd", value));
    facts.append(pair);
  };
  fact("Numbers", told.known ? `${many(fresh, "new one", "new ones")}, ${told.known.toLocaleString()} of an earlier run` : told.numbers.toLocaleString());
  fact("Rows that are left out", told.left_out.toLocaleString());
  const pace = `${many(told.per_second, "new call", "new calls")} in a second`;
  fact(told.trunk ? "First trunk" : "Pace", told.trunk ? `${told.trunk}, ${pace}` : pace);
  fact("Cost", cost(told.cost));
  parts.push(facts);
  if (told.unused.length) parts.push(make("p", `The agent has no variable for: ${told.unused.join(", ")}.`, { class: "note" }));
  if (told.broken.length) {
    parts.push(make("h4", told.left_out > told.broken.length ? `Rows that are left out: the first ${told.broken.length}` : "Rows that are left out"));
    parts.push(table(["Line", "Why"], told.broken.map((row) => [row.line, row.problem])));
  }
  if (told.decisions.length) {
    parts.push(make("h4", told.judged < told.numbers ? `The gate now, asked about ${told.judged.toLocaleString()} of the numbers` : "The gate now"));
    parts.push(table(["Numbers", "Decision", "Why, for the first", "Lines"], told.decisions.map((one) => [
      one.numbers.toLocaleString(), WORDS[one.verdict], one.example || "every rule permits it",
      one.lines.join(", ") + (one.numbers > one.lines.length ? " …" : ""),
    ])));
  }
  const never = told.decisions.filter((one) => one.verdict === "never").reduce((sum, one) => sum + one.numbers, 0);
  const nobody = told.judged === told.numbers && never === told.numbers;
  plan.querySelector("h3").textContent = !told.numbers ? "There is nobody to call in this file" : nobody ? "Nobody in this file may be called" : "This would be done";
  plan.querySelector("div").replaceChildren(...parts);
  start.hidden = nobody;
  start.textContent = beginning(fresh, told.numbers, told.judged, never);
  plan.hidden = false;
  plan.querySelector("h3").focus();
}

async function wanted() {
  const given = new FormData(form);
  return {
    name: given.get("name").trim(), file: await given.get("file").text(), agent: given.get("agent"),
    trunk: given.get("trunk") ?? "", consent: given.has("consent"), concurrent: Number(given.get("concurrent")),
    per_second: Number(given.get("per_second")), attempts: Number(given.get("attempts")),
    busy: 60 * given.get("busy"), no_answer: 60 * given.get("no_answer"),
  };
}

if (form) {
  const said = form.parentElement.querySelector("[data-campaign-said]");

  form.addEventListener("input", (event) => {
    asked += 1;
    checked = null;
    plan.hidden = true;
    tell(said, "");
    const file = event.target.name === "file" ? event.target.files[0] : null;
    if (file && !form.elements.name.value) form.elements.name.value = file.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_ .@+-]/gu, "-").slice(0, 64);
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button"), mine = (asked += 1);
    button.disabled = true;
    plan.hidden = true;
    tell(said, "Checking …");
    try {
      if (form.elements.file.files[0].size > 4 * form.dataset.longest) throw new Error("The file is too long. sipgw campaign run takes longer ones.");
      const body = await wanted();
      const told = await send("POST", `${PATH}/dry-run`, body);
      if (mine !== asked) return;
      checked = { ...body, confirm: told.confirm };
      tell(said, "");
      show(told);
    } catch (error) {
      if (mine === asked) tell(said, error.message, "bad");
    } finally {
      button.disabled = false;
    }
  });

  start.addEventListener("click", async () => {
    start.disabled = true;
    try {
      const told = await send("POST", PATH, checked);
      plan.hidden = true;
      tell(said, `${told.name} runs with ${many(told.new, "new number", "new numbers")}. `, "good");
      const link = make("a", "See how far it is", { href: "/outbound" });
      said.append(link);
      link.focus();
    } catch (error) {
      tell(said, error.message, "bad");
    } finally {
      start.disabled = false;
    }
  });
}

const pathOf = (card) => `${PATH}/${encodeURIComponent(card.dataset.campaign)}`;

async function become(card, state) {
  const said = card.querySelector("[data-campaign-said]"), buttons = [...card.querySelectorAll("[data-becomes]")];
  for (const button of buttons) button.disabled = true;
  try {
    await send("POST", `${pathOf(card)}/state`, { state });
    card.querySelector("[data-campaign-is]").textContent = state;
    tell(said, { running: "It goes on.", paused: "No new calls; running calls go on.", stopped: "No new calls; its running calls are ended." }[state], "good");
    for (const button of buttons) button.hidden = button.dataset.becomes === state || (button.dataset.becomes === "paused" && state === "stopped");
    card.querySelector("[data-delete]").hidden = state !== "stopped";
  } catch (error) {
    tell(said, error.message, "bad");
  }
  for (const button of buttons) button.disabled = false;
  buttons.find((button) => !button.hidden)?.focus();
}

async function remove(card) {
  const said = card.querySelector("[data-campaign-said]");
  try {
    await send("DELETE", pathOf(card));
    card.replaceChildren(said);
    tell(said, `${card.dataset.campaign} is deleted.`, "good");
    said.tabIndex = -1;
    said.focus();
  } catch (error) {
    tell(said, error.message, "bad");
  }
}

function ask(dialog, title, then) {
  dialog.querySelector("h2").textContent = title;
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "yes" && then();
  dialog.showModal();
}

for (const dialog of document.querySelectorAll("[data-campaign-stop], [data-campaign-delete]")) {
  dialog.querySelector("[data-keep]").addEventListener("click", () => dialog.close());
  dialog.querySelector("[data-end]").addEventListener("click", () => dialog.close("yes"));
}

for (const card of document.querySelectorAll("[data-campaign]")) {
  const name = card.dataset.campaign;
  for (const button of card.querySelectorAll("[data-becomes]")) {
    button.addEventListener("click", () => {
      if (button.dataset.becomes !== "stopped") return become(card, button.dataset.becomes);
      ask(document.querySelector("[data-campaign-stop]"), `Stop ${name}?`, () => become(card, "stopped"));
    });
  }
  card.querySelector("[data-delete]")?.addEventListener("click", () => {
    ask(document.querySelector("[data-campaign-delete]"), `Delete ${name}?`, () => remove(card));
  });
}
