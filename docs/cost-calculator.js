// Adds up what a minute costs, from the package's price table (reference/prices.json).
(async () => {
  const form = document.getElementById("cost");
  const prices = await (await fetch(form.dataset.prices)).json();
  const field = (name) => form.elements[name];
  const STREAMS = 0.0129;
  const each = (price) => price.price / (price.per ?? 1);
  const shown = { trunk: (p) => p.direction === "in", ears: () => true, voice: () => true, model: (p) => p.unit === "tokens_in" };
  for (const [part, wanted] of Object.entries(shown)) {
    const offered = prices.filter((p) => p.part === part && wanted(p));
    field(part).replaceChildren(...offered.map((p) => new Option(p.name.replaceAll("*", ""), p.name)));
  }
  const found = (part, unit, direction) => {
    const price = prices.find((p) => p.part === part && p.name === field(part).value && p.unit === unit
      && (!direction || p.direction === direction));
    return price ? each(price) : 0;
  };
  const fill = () => {
    field("trunk_price").value = (60 * found("trunk", "seconds", "in")).toFixed(4);
    field("ears_price").value = (60 * found("ears", "seconds")).toFixed(4);
    field("voice_price").value = (1000 * found("voice", "characters")).toFixed(3);
    field("in_price").value = (1e6 * found("model", "tokens_in")).toFixed(2);
    field("out_price").value = (1e6 * found("model", "tokens_out")).toFixed(2);
  };
  const add = () => {
    const n = (name) => Number(field(name).value);
    const minute = {
      trunk: n("trunk_price"),
      ears: n("ears_price"),
      voice: n("voice_price") * n("characters") / 1000,
      model: (n("in_price") * n("tokens_in") + n("out_price") * n("tokens_out")) / 1e6,
    };
    minute.all = minute.trunk + minute.ears + minute.voice + minute.model;
    minute.streams = minute.all - minute.trunk + STREAMS;
    for (const [part, dollars] of Object.entries(minute)) {
      document.getElementById(`${part}_minute`).textContent = `$${dollars.toFixed(4)}`;
      document.getElementById(`${part}_month`).textContent = `$${(dollars * n("minutes")).toFixed(2)}`;
    }
  };
  form.addEventListener("input", (event) => { if (event.target.tagName === "SELECT") fill(); add(); });
  fill();
  add();
})();
