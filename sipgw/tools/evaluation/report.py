"""The report of an evaluation: JSON, and one self-contained HTML page with sound. Sans-IO."""

import base64
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Any

from sipgw.records.artifacts.wav import mono, stereo
from sipgw.tools.evaluation.eval_set import EvalSet
from sipgw.tools.evaluation.run import ContestantResult
from sipgw.tools.evaluation.words import plain

COLUMNS = {
    "words_wrong": "words wrong",
    "entities_wrong": "entities wrong",
    "understood_ms": "understood after, ms",
    "stt_per_minute": "STT $/min",
    "calls_failed": "calls not as expected",
    "answered_ms": "answered after, ms",
    "call_per_minute": "call $/min",
}
"""Keys of `figures`, and their names in the report."""
_STYLE = """body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c2733;
background:#fff}table{border-collapse:collapse;width:100%;margin:1rem 0}
td,th{border:1px solid #ccd5de;padding:.35rem .5rem;
text-align:left;vertical-align:top}th{background:#eef2f6}ins{background:#d9f2dd;text-decoration:none}
del{background:#f9d8d6}audio{width:15rem;height:2rem}.bad{color:#a1130a}.good{color:#0b6b2c}pre{white-space:pre-wrap}
@media (prefers-color-scheme:dark){body{background:#12171c;color:#dde5ec}th{background:#1e2830}
td,th{border-color:#38444f}ins{background:#1d4a2a}del{background:#5d2320}.bad{color:#ff9c92}.good{color:#7fd89a}}"""


def figures(result: ContestantResult) -> dict[str, float | None]:
    """The figures of a contestant; None where nothing was measured."""
    heard, called = bool(result.hearings), bool(result.calls)
    return {
        "words_wrong": round(result.words, 4) if heard else None,
        "entities_wrong": round(result.entities, 4) if heard else None,
        "understood_ms": _ms(result.understood),
        "stt_per_minute": _rounded(result.stt_per_minute),
        "calls_failed": round(result.failed, 4) if called else None,
        "answered_ms": _ms(result.answered),
        "call_per_minute": _rounded(result.call_per_minute),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def shown(name: str, value: float | None) -> str:
    """The figure `name` as a text for people."""
    if value is None:
        return "–"
    return f"{value:.1%}" if name in ("words_wrong", "entities_wrong", "calls_failed") else f"{value:g}"


def as_dict(wanted: EvalSet, results: Sequence[ContestantResult]) -> dict[str, Any]:
    """The report as a dictionary, for JSON."""
    return {"name": wanted.name, "contestants": [_as_dict(wanted, result) for result in results]}


def _as_dict(wanted: EvalSet, result: ContestantResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "parts": result.parts,
        **figures(result),
        "short_of": result.short_of(wanted),
        "utterances": [
            {
                "wav": one.utterance.wav,
                "said": one.utterance.text,
                "heard": one.heard.text,
                "wrong": one.heard.wrong,
                "words": one.heard.words,
                "missed": [f"{entity.kind} {entity.value[0]}" for entity in one.heard.missed],
                "understood_ms": _ms(one.seconds),
                "fault": one.fault,
            }
            for one in result.hearings
        ],
        "calls": [
            {
                "scenario": one.options.label,
                "faults": list(one.faults),
                "answered_ms": [_ms(wait) for wait in one.waits],
                "tools": one.happened.tools,
                "cost": one.happened.cost.get("total"),
                "conversation": one.happened.conversation,
            }
            for one in result.calls
        ],
    }


def html(wanted: EvalSet, results: Sequence[ContestantResult], sounds: Sequence[bytes]) -> str:
    """The report as one HTML page, with the `sounds` of the utterances."""
    head = "".join(f"<th>{title}" for title in COLUMNS.values())
    rows = "".join(
        f"<tr><th>{escape(result.name)}<br><small>{escape(result.parts)}</small>"
        + "".join(f"<td>{shown(name, value)}" for name, value in figures(result).items())
        for result in results
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(wanted.name)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(wanted.name)}</h1><table><tr><th>{head}{rows}</table>"
        f"{_utterances(wanted, results, sounds)}{_calls(results)}</html>\n"
    )


def _utterances(wanted: EvalSet, results: Sequence[ContestantResult], sounds: Sequence[bytes]) -> str:
    if not sounds:
        return ""
    names = "".join(f"<th>{escape(result.name)}" for result in results)
    rows = []
    for at, (utterance, sound) in enumerate(zip(wanted.utterances, sounds, strict=True)):
        cells = "".join(f"<td>{_difference(result, at)}" for result in results)
        rows.append(f"<tr><td>{_player(mono(sound))}<td>{escape(utterance.text)}{cells}")
    return f"<h2>Utterances</h2><table><tr><th>sound<th>said{names}{''.join(rows)}</table>"


def _difference(result: ContestantResult, at: int) -> str:
    one = result.hearings[at]
    said, heard = plain(one.utterance.text), plain(one.heard.text)
    pieces = []
    for what, a, b, c, d in SequenceMatcher(None, said, heard, autojunk=False).get_opcodes():
        gone, come = escape(" ".join(said[a:b])), escape(" ".join(heard[c:d]))
        pieces.append(gone if what == "equal" else f"{gone and f'<del>{gone}</del>'} {come and f'<ins>{come}</ins>'}")
    missed = ", ".join(f"{entity.kind} {entity.value[0]}" for entity in one.heard.missed)
    after = "" if one.seconds is None else f" <small>{1000 * one.seconds:.0f} ms</small>"
    told = "; ".join(filter(None, (missed and f"missed: {missed}", one.fault)))
    return " ".join(pieces) + after + (f'<br><span class="bad">{escape(told)}</span>' if told else "")


def _calls(results: Sequence[ContestantResult]) -> str:
    parts = []
    for result in results:
        for one in result.calls:
            faults = "".join(f'<li class="bad">{escape(fault)}' for fault in one.faults)
            parts.append(
                f"<h3>{escape(one.options.label)}, {escape(result.name)}</h3>"
                f"{_player(stereo(one.call.said, one.call.agent_audio.sound))}"
                f"<ul>{faults or '<li class=good>as expected'}</ul><pre>{escape(one.happened.conversation)}</pre>"
            )
    return f"<h2>Calls</h2>{''.join(parts)}" if parts else ""


def _player(wav: bytes) -> str:
    return f'<audio controls preload="none" src="data:audio/wav;base64,{base64.b64encode(wav).decode()}"></audio>'
