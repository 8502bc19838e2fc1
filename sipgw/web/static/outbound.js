// Makes a call.

import { send } from "./base.js";

const form = document.querySelector("form[data-place]");
const said = document.querySelector("[data-said]");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const given = new FormData(form);
  button.disabled = true;
  said.hidden = false;
  said.className = "notice";
  said.textContent = "Calling …";
  try {
    const call = await send("POST", "/api/v1/calls", {
      to: given.get("to"), agent: given.get("agent"), trunk: given.get("trunk") ?? "", consent: given.has("consent"),
    });
    const link = document.createElement("a");
    link.href = `/calls/${encodeURIComponent(call.id)}`;
    link.textContent = "See the call";
    said.replaceChildren("It is being dialled. ", link);
  } catch (error) {
    said.className = "notice bad";
    said.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});
