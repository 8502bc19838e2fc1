// Finds options: every word that is typed must stand in the name of the table, or in the name, the value or the meaning of an option.
// "[limits] money_per_day" and "limits.money_per_day" are two words each, as they stand in the documentation and in errors.

const field = document.querySelector("[data-find]"), told = document.querySelector("[data-found]");
const tables = [...document.querySelectorAll("details[data-table]")].map((table) => ({
  table, open: table.open, name: table.querySelector("summary").textContent.toLowerCase(),
  options: [...table.querySelectorAll("[data-option]")].map((option) => ({ option, text: `${table.dataset.table} ${option.textContent}`.toLowerCase() })),
}));

function find() {
  const wanted = field.value.toLowerCase().split(/[\s.=[\]]+/).filter(Boolean), has = (text) => wanted.every((word) => text.includes(word));
  let found = 0;
  for (const { table, name, options, open } of tables) {
    const whole = wanted.length > 0 && has(name);
    let here = 0;
    for (const { option, text } of options) {
      option.hidden = !(whole || has(text));
      here += !option.hidden;
    }
    table.hidden = here === 0 && !whole;
    table.open = wanted.length ? here > 0 : open;
    found += here;
  }
  told.textContent = wanted.length ? found === 1 ? "1 option" : `${found} options` : "";
  history.replaceState(null, "", wanted.length ? `?find=${encodeURIComponent(field.value)}` : location.pathname);
}

field.addEventListener("input", find);
field.value = new URLSearchParams(location.search).get("find") ?? "";
if (field.value) find();
