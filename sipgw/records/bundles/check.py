"""Required fields of frames for a replay; the other fields are for people. Sans-IO."""

from typing import Any

from sipgw.records.bundles.recorder import Frame

_NUMBER = (int, float)
_STREAM = {"session": int, "waited": _NUMBER}
_FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    ("stt", "made"): {"session": int, "name": str, "ends_turns": bool},
    ("stt", "opened"): _STREAM,
    ("stt", "piece"): _STREAM | {"after": int, "delay": _NUMBER},
    ("stt", "ended"): _STREAM,
    ("llm", "asked"): {"session": int, "name": str, "messages": list, "before": int},
    ("llm", "piece"): _STREAM,
    ("llm", "ended"): _STREAM,
    ("tts", "made"): {"session": int, "name": str},
    ("tts", "opened"): _STREAM,
    ("tts", "asked"): {"session": int, "name": str, "text": str},
    ("tts", "piece"): _STREAM,
    ("tts", "heard"): {**_STREAM, "letters": int},
    ("tts", "ended"): _STREAM,
    ("tool", "started"): {"name": str, "arguments": object},
    ("tool", "done"): {"name": str, "arguments": object, "result": object, "error": str, "seconds": _NUMBER},
    ("transfer", "asked"): {"to": str},
    ("transfer", "ended"): {"connected": bool},
    ("line", "exchange"): {"channel": int, "format": dict, "remote": list, "direction": str},
    ("line", "key"): {"channel": int, "key": str},
    ("line", "end"): {"channel": int, "cause": str},
    ("ended", ""): {"kind": str},
}
_WORDS = {"text": str, "final": bool, "eager": bool, "end": _NUMBER}
_FORMAT = {"encoding": str, "payload_type": int, "dtmf_payload_type": (int, type(None)), "inband_keys": bool}
_FAULT = {"provider": str, "problem": str, "advice": str, "temporary": bool, "retry_after": _NUMBER}
LONGEST = 10**6
"""Largest time in a frame, in seconds."""


def check(frames: list[Frame]) -> None:
    """Raises `ValueError` for the first frame that cannot be played, and for a call without a line or an end."""
    kinds = {(frame.get("of"), frame.get("do", "")) for frame in frames}
    for wanted in (("line", "exchange"), ("ended", "")):
        if wanted not in kinds:
            raise ValueError(f"frames.jsonl: there is no frame of {' '.join(wanted).strip()!r}")
    for number, frame in enumerate(frames, 1):
        problem = _problem(frame)
        if problem:
            raise ValueError(f"frames.jsonl: line {number}: {problem}")


def _problem(frame: Frame) -> str:
    if not isinstance(frame.get("of"), str) or not isinstance(frame.get("do", ""), str):
        return "'of' is missing, or no text"
    if not 0 <= (frame["t"] if isinstance(frame.get("t"), _NUMBER) else -1) < LONGEST:
        return "'t' is missing, or no time"
    kind = frame["of"], frame.get("do", "")
    found = _missing(frame, _FIELDS.get(kind, {}))
    if found:
        return found
    match kind:
        case "stt", "piece" if not isinstance(frame.get("longest_silence", 0), _NUMBER):
            return "'longest_silence' is no number"
        case "stt", "piece" if "onset" not in frame:
            return _missing(frame, _WORDS)
        case "llm", "piece":
            return "" if {"text", "call", "usage"} & set(frame) else "neither 'text' nor 'call' nor 'usage'"
        case "tts", "piece" if "asks" not in frame:
            name = "timed" if "timed" in frame else "sound"
            if found := _missing(frame, {name: list}):
                return found
            whole = len(frame[name]) == 2 and all(isinstance(one, int) and one >= 0 for one in frame[name])
            return "" if whole else f"{name!r} is not two numbers"
        case "line", "exchange":
            if len(frame["remote"]) != 2 or not isinstance(frame["remote"][1], int):
                return "'remote' is not a host and a port"
            return _missing(frame["format"], _FORMAT)
        case (("stt" | "tts" | "llm"), ("opened" | "ended")) if "fault" in frame:
            return _missing(frame["fault"], _FAULT) if isinstance(frame["fault"], dict) else "'fault' is no object"
    return ""


def _missing(frame: Frame, fields: dict[str, Any]) -> str:
    for name, kind in fields.items():
        if name not in frame:
            return f"{name!r} is missing"
        if not isinstance(frame[name], kind):
            return f"{name!r} is {frame[name]!r:.40}"
    return ""
