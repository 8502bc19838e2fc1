// Keeps the home page up to date: the page is asked for again, and what is new in it takes the place of what was there.

import { localTimes } from "./base.js";
import { plots } from "./plot.js";
import { ask } from "./session.js";

const EVERY = 10_000;
let reached = true;

function put(fresh) {
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const now = fresh.querySelector(`[data-fresh="${part.dataset.fresh}"]`);
    if (!now || part.contains(document.activeElement) || part.querySelector("details[open]")) continue; // nobody loses their place
    const before = part.cloneNode(true);
    localTimes(now);
    if (before.isEqualNode(now)) continue;
    part.replaceChildren(...now.childNodes);
    plots(part);
  }
}

function lost() {
  if (!reached) return;
  reached = false;
  const told = document.createElement("p");
  told.className = "notice bad";
  told.setAttribute("role", "status");
  told.dataset.lost = "";
  told.textContent = "The gateway does not answer. These are the last values. Trying again …";
  document.querySelector("main .heading").after(told);
}

async function again() {
  if (document.hidden) return;
  const answer = await ask(location.href, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return lost();
  if (!reached) document.querySelector("[data-lost]")?.remove();
  reached = true;
  put(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

plots(document);
setInterval(again, EVERY);
document.addEventListener("visibilitychange", again);
