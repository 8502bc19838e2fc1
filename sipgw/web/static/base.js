// What every page has: the theme switch, times in the reader's own zone, and requests that change something.

import { current, problem, renewed } from "./session.js";

const root = document.documentElement;

document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; SameSite=Strict`;
});

document.querySelector("[data-sign-out]")?.addEventListener("click", async () => {
  await send("POST", "/sign-out").catch(() => {}); // the session may be over already
  location.assign("/sign-in");
});

const SHAPES = { hour: { timeStyle: "short" }, day: { weekday: "short", day: "numeric" } };

/** Write the times of `part` in the reader's own zone. */
export function localTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    time.textContent = moment.toLocaleString(undefined, SHAPES[time.dataset.as] ?? { dateStyle: "medium", timeStyle: "short" });
    time.title = moment.toString();
  }
}

localTimes(document);

const pages = document.querySelector(".side nav"), here = pages?.querySelector("[aria-current]");
if (here) pages.scrollLeft = here.offsetLeft - pages.offsetLeft - (pages.clientWidth - here.offsetWidth) / 2; // where the pages are a strip that scrolls

/** Send a request that changes something; resolves to its JSON, or throws an Error with what went wrong. */
export async function send(method, url, body) {
  const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  current(answer);
  if (answer.status === 403 && await renewed()) return send(method, url, body);
  if (!answer.ok) throw new Error(await problem(answer));
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** `4:05` or `1:02:03`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
