// Tells the figures of the step that the pointer or an arrow key is at; they are read from the plot's own table.

function follow(plot) {
  const drawing = plot.querySelector("svg"), cursor = plot.querySelector("[data-cursor]"), rows = plot.querySelector("tbody").rows;
  const told = plot.querySelector("[data-told]"), legend = plot.querySelector("[data-legend]"), heads = plot.querySelector("thead").rows[0].cells;
  let at = -1;
  const show = (step) => {
    at = Math.max(-1, Math.min(rows.length - 1, step));
    const shown = at >= 0, x = (at + 0.5) / rows.length * 100;
    told.hidden = !shown;
    legend.hidden = shown;
    cursor.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) return;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    told.textContent = [...rows[at].cells].map((cell, n) => n ? `${heads[n].textContent} ${cell.textContent}` : cell.textContent).join(" · ");
  };
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    show(Math.floor((event.clientX - box.left) / box.width * rows.length));
  });
  drawing.addEventListener("pointerleave", () => show(-1));
  plot.addEventListener("blur", () => show(-1));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target !== plot) return;
    event.preventDefault();
    show(at < 0 ? rows.length - 1 : Math.max(0, at + step));
  });
}

/** Follow the pointer and the keys in every plot of `part`. */
export const plots = (part) => part.querySelectorAll("[data-plot]").forEach(follow);
