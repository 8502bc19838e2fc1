// How the sound of the other side was received, every five seconds.

import { at, facts, html, svg } from "./draw.js";

const WIDE = 400, TALL = 90;
const LINES = [["MOS", 1, 1, 4.5, (v) => v.toFixed(2)], ["Loss", 2, 0, 0.02, (v) => `${(100 * v).toFixed(1)} %`], ["Jitter", 3, 0, 0.02, (v) => `${(1000 * v).toFixed(1)} ms`], ["Buffer", 4, 0, 0.06, (v) => `${(1000 * v).toFixed(0)} ms`]];

function line(entries, [name, column, low, high, say]) {
  const values = entries.map((entry) => entry[column]), most = Math.max(high, ...values), least = Math.min(...values), worst = name === "MOS" ? least : Math.max(...values);
  const from = entries[0][0], span = Math.max(1, entries.at(-1)[0] - from);
  const points = entries.map((entry) => `${((entry[0] - from) / span * (WIDE - 4) + 2).toFixed(1)},${(TALL - 4 - (Math.max(low, entry[column]) - low) / (most - low) * (TALL - 8)).toFixed(1)}`);
  if (points.length === 1) points.push(`${WIDE - 2},${points[0].split(",")[1]}`);
  const told = `${name}: ${name === "MOS" ? "least" : "most"} ${say(worst)}, last ${say(values.at(-1))}`;
  return html("figure", {}, html("figcaption", {}, told), svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, preserveAspectRatio: "none", role: "img", "aria-label": `${told}, from ${at(from)} to ${at(from + span)}` },
    svg("line", { class: "grid", x1: 0, x2: WIDE, y1: TALL - 3, y2: TALL - 3 }), svg("polyline", { class: "line", points: points.join(" "), "vector-effect": "non-scaling-stroke" })));
}

/** Draw the measurements: time, MOS, loss, jitter, buffer, delay. */
export function quality(entries) {
  if (!entries.length) return html("p", { class: "faint" }, "Nothing was measured: the call was too short, or its measurements are not kept.");
  const heard = entries.filter((entry) => entry[1] > 0), silent = entries.length - heard.length;
  const told = silent ? html("p", {}, `Nothing was received in ${silent} of ${entries.length} measurements, one every five seconds.`) : html("p", { class: "faint" }, "MOS rates it from 1, bad, to 4.4, as good as a telephone gets.");
  return html("div", {}, told, heard.length ? html("div", { class: "small" }, ...LINES.map((each) => line(heard, each))) : null);
}

const REASONS = { foreign: "not from where it was announced", wrong_ssrc: "a second stream", wrong_type: "a format that was not agreed", unauthentic: "not encrypted with the agreed keys", unexpected: "while we were not to receive", malformed: "no RTP", rtcp_foreign: "reports (RTCP) from another address", rtcp_unauthentic: "reports (RTCP) without the agreed keys", rtcp_malformed: "reports (RTCP) that cannot be read", ice_refused: "connectivity checks (ICE) without the agreed password, or too many" };

/** Draw the sources whose packets were refused, with times since the call began. */
export function refused(media, began) {
  const since = (time) => at(Math.max(0, time - new Date(began).getTime() / 1000));
  const source = (one) => [html("h3", { class: "mono" }, one.host.includes(":") ? `[${one.host}]:${one.port}` : `${one.host}:${one.port}`), html("dl", { class: "facts" }, ...facts({ Packets: String(one.packets), When: `${since(one.first)} to ${since(one.last)}`, Why: REASONS[one.reason] ?? one.reason, Announced: one.announced ? since(one.announced) : one.announced_port ? `only port ${one.announced_port}` : "never" }))];
  return [html("p", { class: "faint" }, "Packets from these sources were refused."), ...media.refused_sources.flatMap(source), media.refused_others ? html("p", { class: "faint note" }, `And ${media.refused_others} packets of other sources.`) : null].filter(Boolean);
}
