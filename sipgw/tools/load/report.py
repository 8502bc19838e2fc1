"""The report of a load test: text, JSON, and one self-contained HTML page with plots. Sans-IO."""

from collections.abc import Sequence
from html import escape
from typing import Any

from sipgw.tools.load.distribution import milliseconds
from sipgw.tools.load.plan import LoadStep
from sipgw.tools.load.run import LoadOutcome

WIDTH, HEIGHT, MARGIN = 760, 180, 44


def row(step: LoadStep) -> dict[str, Any]:
    """The figures of one step; times in milliseconds, memory in MiB."""
    calls = max(1, step.held)
    return {
        "calls": step.held,
        "seconds": round(step.seconds, 1),
        "setup_p50": milliseconds(step.setups, 0.5),
        "setup_p95": milliseconds(step.setups, 0.95),
        "turn_p50": milliseconds(step.latencies, 0.5),
        "turn_p95": milliseconds(step.latencies, 0.95),
        "turn_p99": milliseconds(step.latencies, 0.99),
        "turns": len(step.latencies),
        "unanswered": step.unanswered,
        "send_error_p50": step.errors.percentile(0.5),
        "send_error_p99": step.errors.percentile(0.99),
        "loss": round(step.loss, 5),
        "longest_gap": round(step.gap * 1000, 1),
        "failed": len(step.failures),
        "gateway_cores": _round(step.cpu),
        "media_cores": _round(step.media),
        "cpu_ms_per_call_second": _round(step.cpu, 1000 / calls),
        "media_ms_per_call_second": _round(step.media, 1000 / calls),
        "headroom": step.headroom,
        "memory_mib": None if step.memory is None else round(step.memory / 2**20),
        "memory_kib_per_call": None,
        "media_kib_per_call": None,
        "generator_cores": round(step.generator, 2),
    }


def rows(outcome: LoadOutcome) -> list[dict[str, Any]]:
    """The figures of all steps. Memory per call is the growth since the first step; for the first step, since before
    it."""
    found = [row(step) for step in outcome.steps]
    first, before = outcome.steps[0], outcome.before
    for step, figures in zip(outcome.steps, found, strict=True):
        since = (before.memory, before.media_memory, 0) if before else None
        if step is not first:
            since = (first.memory or 0, first.media_memory or 0, first.held)
        if since and step.memory is not None and step.held > since[2]:
            more = step.held - since[2]
            figures["memory_kib_per_call"] = round((step.memory - since[0]) / 1024 / more)
            figures["media_kib_per_call"] = round(((step.media_memory or 0) - since[1]) / 1024 / more)
    return found


def as_dict(outcome: LoadOutcome) -> dict[str, Any]:
    """The outcome as a dictionary, for JSON."""
    return {
        "held": outcome.held,
        "held_per_core": _round(outcome.per_core),
        "broken": outcome.broken,
        "steps": rows(outcome),
        "seconds": outcome.seconds,
    }


def held(outcome: LoadOutcome) -> str:
    """The result in words."""
    each = f", {outcome.per_core:.0f} for each core that the gateway took" if outcome.per_core else ""
    return f"{outcome.held} calls held{each}"


def _round(value: float | None, times: float = 1.0) -> float | None:
    return None if value is None else round(value * times, 2)


def html(outcome: LoadOutcome, about: str) -> str:
    """The report as one HTML page; `about` describes the test."""
    table = rows(outcome)
    body = "".join(  # a column for each step, because a row of all figures would be too wide
        f"<tr><th>{escape(name.replace('_', ' '))}</th>"
        + "".join(f"<td>{'–' if one[name] is None else one[name]}</td>" for one in table)
        + "</tr>"
        for name in table[0]
    )
    plots = "".join(
        plot(title, [point[key] for point in outcome.seconds], unit)
        for title, key, unit in (
            ("Calls up", "held", ""),
            ("Turn latency, 95 of 100", "turn", "ms"),
            ("Set-up, 95 of 100", "setup", "ms"),
            ("CPU of the gateway", "cpu", "cores"),
            ("CPU of the callers", "generator", "cores"),
            ("Packets lost", "lost", "a second"),
        )
        if any(point[key] is not None for point in outcome.seconds)
    )
    verdict = held(outcome) + (f"; then: {'; '.join(outcome.broken)}" if outcome.broken else "")
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>sipgw load</title><style>
body{{font:15px system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1c2733}}
table{{border-collapse:collapse;font-size:12px;display:block;overflow-x:auto}}td,th{{border:1px solid #ccd5de;
padding:.3rem .45rem;text-align:right}}th{{background:#eef2f6;text-align:left}}svg{{width:100%;height:auto}}
figure{{margin:1.5rem 0}}figcaption{{font-weight:600}}</style>
<h1>sipgw load</h1><p>{escape(about)}</p><p><strong>{escape(verdict)}</strong></p>
<table>{body}</table>{plots}</html>
"""


def plot(title: str, values: Sequence[float | None], unit: str) -> str:
    """A line over the seconds of the test, as SVG."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    wide = (WIDTH - 2 * MARGIN) / max(1, len(values) - 1)
    line = list[str]()
    for at, value in enumerate(values):
        if value is None:
            continue
        line.append(f"{MARGIN + at * wide:.1f},{HEIGHT - 24 - value / top * (HEIGHT - 48):.1f}")
    drawn = f'<polyline points="{" ".join(line)}" fill="none" stroke="#1769aa" stroke-width="1.6"/>'
    if len(line) == 1:  # a single point makes no line
        x, y = line[0].split(",")
        drawn = f'<circle cx="{x}" cy="{y}" r="3" fill="#1769aa"/>'
    base = HEIGHT - 24
    axes = "".join(
        f'<line x1="{MARGIN}" y1="{y:.1f}" x2="{WIDTH - MARGIN}" y2="{y:.1f}" stroke="#dfe6ec"/>'
        f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" font-size="12" text-anchor="end">{top * part:.3g}</text>'
        for part in (0.0, 0.5, 1.0)
        for y in (base - part * (HEIGHT - 48),)
    ) + "".join(
        f'<text x="{MARGIN + part * (WIDTH - 2 * MARGIN):.1f}" y="{HEIGHT - 6}" font-size="12" text-anchor="middle">'
        f"{part * max(0, len(values) - 1):.3g} s</text>"
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{axes}<path d="M{MARGIN} 24V{base}H{WIDTH - MARGIN}" fill="none" '
        f'stroke="#9fb0c0"/><text x="{MARGIN}" y="14" font-size="12">{escape(unit)}</text>'
        f"{drawn}</svg></figure>"
    )
