// The end of a session while a page is open. It is said once, and what was typed stays.

import { html } from "./draw.js";

const OVER = "Your session is over.";
const csrf = (page) => page.querySelector("meta[name=csrf]"), person = (page) => page.querySelector("[data-sign-out]")?.textContent;
let dialog = null;

/** Whether something on this page would be lost with it. */
function typed() {
  return [...document.querySelectorAll("textarea, input:not([type=hidden])")].some((field) => field.files?.length || field.checked !== field.defaultChecked || (field.type !== "file" && field.value !== field.defaultValue));
}

function tell(again) {
  const door = `/sign-in?over=1&next=${encodeURIComponent(location.pathname + location.search)}`;
  if (!typed()) return location.assign(door);
  if (dialog && !again) return; // it was closed, and nobody has asked for anything since
  dialog ??= html("dialog", { class: "card modal", "data-over": "", "aria-labelledby": "over" }, html("h2", { id: "over" }, "Your session is over"), html("p", {}, "What you typed stays here. Sign in again in a new tab, then come back and try once more."),
    html("div", { class: "ends" }, html("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Close"), html("a", { class: "button", href: door, target: "_blank" }, "Sign in in a new tab")));
  document.body.append(dialog);
  if (!dialog.open) dialog.showModal();
}

/** Throw an Error if `answer` says that the session is over; whoever asked for it, or only with `again`, is told once more. */
export function current(answer, again = true) {
  if (answer.status !== 401 && !(answer.redirected && new URL(answer.url).pathname === "/sign-in")) {
    dialog?.remove();
    dialog = null;
    return;
  }
  tell(again);
  throw new Error(OVER);
}

/** What a page asks for without being told to. Throws an Error if the session is over or nobody answers. */
export async function ask(url, options = {}) {
  const answer = await fetch(url, options).catch(() => { throw new Error("The gateway does not answer."); });
  current(answer, false);
  return answer;
}

/** Use the token of a session that has begun meanwhile, in another tab. False if there is none; throws an Error if it is somebody else's. */
export async function renewed() {
  const answer = await ask(location.href, { cache: "no-store" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html"), token = csrf(page)?.content;
  if (!token || token === csrf(document).content) return false;
  if (person(page) !== person(document)) throw new Error("Somebody else has signed in in this browser. Load the page again.");
  csrf(document).content = token;
  return true;
}

/** What went wrong, in words, from an answer of any kind. */
export async function problem(answer) {
  const text = await answer.text(), type = answer.headers.get("Content-Type") ?? "";
  if (type.includes("json")) {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : detail?.[0]?.msg ?? `status ${answer.status}`;
  }
  if (type.includes("html")) return new DOMParser().parseFromString(text, "text/html").querySelector("[role=alert]")?.textContent ?? `status ${answer.status}`;
  return text.trim() || `status ${answer.status}`;
}
