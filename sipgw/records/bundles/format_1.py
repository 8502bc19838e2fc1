"""Reads bundles of format 1, in which the parts of an agent had other names. Sans-IO."""

from typing import Any

PARTS = {"ears": "stt", "model": "llm", "voice": "tts", "duplex": "realtime"}


def translated(head: dict[str, Any], story: dict[str, Any], frames: list[dict[str, Any]]) -> None:
    """Give `head`, `story` and `frames` of format 1 the names of format 2, in place."""
    head["parts"] = {PARTS.get(name, name): count for name, count in head["parts"].items()}
    story["failed"] = [PARTS.get(name, name) for name in story.get("failed", [])]
    for frame in frames:
        frame["of"] = PARTS.get(frame.get("of", ""), frame.get("of"))
        if "part" in frame:
            frame["part"] = PARTS.get(frame["part"], frame["part"])
        if frame["of"] == "ended" and "cause" in frame:
            frame["cause"] = _cause(frame["cause"])
        if "stable" in frame:
            frame["eager"] = frame.pop("stable")


def _cause(text: Any) -> Any:
    part, failed, rest = str(text).partition(" failed")
    return f"{PARTS[part]}{failed}{rest}" if part in PARTS and failed else text
