// What a call cost, part by part, and what was used of each provider.

import { html } from "./draw.js";

/** An amount of money; less than one with four digits. */
export const money = (amount, currency) => `${amount.toFixed(amount >= 1 || !amount ? 2 : 4)} ${currency}`;

/** `llm openai/gpt-6-luna tokens_in` as part, name and unit. */
function split(key) {
  const words = key.split(" "), part = words.shift(), unit = words.pop();
  return { part, name: words.join(" "), unit };
}

/** Draw the costs of a call: one row for each provider or trunk, with all that was used of it. `words` names parts and units. */
export function cost(costs, currency, words) {
  const rows = new Map();
  for (const [key, amount] of Object.entries(costs.used ?? {})) {
    const { part, name, unit } = split(key), row = rows.get(`${part} ${name}`) ?? { part, name, used: [] };
    row.used.push(`${amount.toLocaleString(undefined, { maximumFractionDigits: amount < 100 ? 1 : 0 })} ${words.units[unit] ?? unit}`);
    rows.set(`${part} ${name}`, row);
  }
  const sums = new Set();
  const drawn = [...rows.values()].map(({ part, name, used }) => {
    const first = !sums.has(part); // the sum of a part stands beside its first row
    sums.add(part);
    return html("tr", {}, html("th", { scope: "row", class: "title" }, words.parts[part] ?? part, html("span", { class: "faint" }, name)), html("td", { "data-label": "Used" }, used.join(", ")), html("td", { class: "number nowrap", "data-label": "Cost" }, first && costs[part] !== undefined ? money(costs[part], currency) : ""));
  });
  const guessed = costs.estimated?.length ? "≈ " : "";
  const notes = [guessed ? `≈ uses list prices that nobody has checked: ${costs.estimated.join("; ")}.` : "", costs.unpriced?.length ? `No price is known of: ${costs.unpriced.join("; ")}. With the highest usual prices the call has cost at most ${money(costs.most, currency)}.` : ""].filter(Boolean);
  const heads = html("tr", {}, html("th", { scope: "col" }, "Provider"), html("th", { scope: "col" }, "Used"), html("th", { scope: "col", class: "number" }, "Cost"));
  return html("div", {}, html("div", { class: "table flat", tabindex: 0, role: "group", "aria-label": "Cost by provider" }, html("table", { class: "cards" }, html("thead", {}, heads), html("tbody", {}, ...drawn,
    html("tr", { class: "total" }, html("th", { scope: "row", class: "title" }, "In all"), html("td", {}), html("td", { class: "number nowrap", "data-label": "Cost" }, guessed + money(costs.total ?? 0, currency)))))), ...notes.map((note) => html("p", { class: "faint note" }, note)));
}
