// Adds up what a minute costs, from the package's price table (reference/prices.json).
(async () => {
  const form = document.getElementById("cost");
  const prices = await (await fetch(form.dataset.prices)).json();
  const field = (name) => form.elements[name];
  const STREAMS = 0.0129;
  const each = (price) => price.price / (price.per ?? 1);
  const shown = { trunk: (p) => p.direction === "in", stt: () => true, tts: () => true, llm: (p) => p.unit === "tokens_in" };
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
    field("stt_price").value = (60 * found("stt", "seconds")).toFixed(4);
    field("tts_price").value = (1000 * found("tts", "characters")).toFixed(3);
    field("in_price").value = (1e6 * found("llm", "tokens_in")).toFixed(2);
    field("out_price").value = (1e6 * found("llm", "tokens_out")).toFixed(2);
  };
  const add = () => {
    const n = (name) => Number(field(name).value);
    const minute = {
      trunk: n("trunk_price"),
      stt: n("stt_price"),
      tts: n("tts_price") * n("characters") / 1000,
      llm: (n("in_price") * n("tokens_in") + n("out_price") * n("tokens_out")) / 1e6,
    };
    minute.all = minute.trunk + minute.stt + minute.tts + minute.llm;
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
