"""Removes private data from a bundle, so that it can still be replayed. Sans-IO.

A private number becomes zeros, wherever it or three digits of it in a row are written, said or pressed. Its shape
stays, so the turns stay, too. Where it was said, a tone replaces every loud 20 ms, on both sides. Other private data is
removed as everywhere else.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from agent.ulaw import from_linear, level
from agent.vad import LOUD_ENOUGH
from media.g711 import ALAW_TO_ULAW, FRAME, ULAW_TO_ALAW
from media.recording.tap import Tapped
from media.rtp.packet import build, parse
from sipgw.config.records import PrivacyOptions
from sipgw.records.bundles.bundle import Bundle
from sipgw.records.bundles.call_result import CallResult
from sipgw.records.bundles.conversation_setup import ConversationSetup
from sipgw.records.bundles.recorder import Frame
from sipgw.records.privacy.digits import runs
from sipgw.records.privacy.redaction import Redact, find, redactor_for

MASK = "***"
FEWEST = 3
"""Digits of a private number that are removed even without the other digits beside them."""
TOGETHER = 3
"""Turns over which the caller may spread a private number so that it is still found."""
TONE = from_linear(
    b"".join(int(6000 * math.sin(math.tau * at / 20)).to_bytes(2, "little", signed=True) for at in range(FRAME))
)
_KEPT = frozenset(("of", "do", "name", "session", "provider", "usage"))
"""Keys of frames whose values are not changed."""
_SIGNAL = re.compile(r"(?im)^(signal[ \t]*=[ \t]*)[0-9]")


def clean(bundle: Bundle, privacy: PrivacyOptions, secrets: Iterable[str], noted: Sequence[Frame] = ()) -> Bundle:
    """`bundle` without the data that `privacy` excludes from exports, and without secrets. `noted` are frames ``said``
    that are not in the bundle, although its sound has these words."""
    told = [*bundle.frames, *noted]
    numbers = _numbers(told, privacy) if "exports" in privacy.where else frozenset[str]()
    said = _said(told)
    pressed = any("[pressed" in frame["text"] and _has(frame["text"], numbers) for frame in said)
    change = _changing(
        numbers, redactor_for(privacy, "exports"), sorted(secrets, key=len, reverse=True), pressed=pressed
    )
    ranges = [
        (since["t"], words["t"]) for since, words in pairwise([{"t": 0.0}, *said]) if _has(words["text"], numbers)
    ]
    alaw = any(frame.get("format", {}).get("encoding") == "PCMA" for frame in bundle.frames)
    setting = _changed(bundle.setting.as_dict(), change)
    for tool, before in zip(setting["tools"], bundle.setting.tools, strict=True):
        tool["name"] = before["name"]
    return replace(
        bundle,
        about=_changed(bundle.about, change),
        setting=ConversationSetup.of(setting),
        story=CallResult.read(_changed(bundle.story.as_dict(), change)),
        frames=_frames(bundle.frames, change, pressed=pressed),
        sip=[
            one | {"text": _SIGNAL.sub(r"\g<1>0" if pressed else r"\g<0>", change(one["text"]))} for one in bundle.sip
        ],
        packets=[_packet(packet, ranges, alaw=alaw, pressed=pressed) for packet in bundle.packets],
        sound=_sound(bundle, numbers),
    )


def _said(frames: Iterable[Frame]) -> list[Frame]:
    """The frames of the caller's final words, and of keys."""
    told = [frame for frame in frames if frame["of"] == "said"]
    turns = (frame for frame in frames if frame["of"] == "turn" and "[pressed" in frame["caller"])
    keys = [{"t": frame["t"], "text": frame["caller"]} for frame in turns]
    return sorted(told + keys, key=lambda frame: float(frame["t"]))


def _numbers(frames: list[Frame], privacy: PrivacyOptions) -> frozenset[str]:
    """The digits of all private data."""
    said = [frame["text"] for frame in _said(frames)]
    texts = [" ".join(said[at : at + count]) for count in range(1, TOGETHER + 1) for at in range(len(said))]
    texts += [str(frame) for frame in frames if frame["of"] in ("says", "tool", "turn") or frame.get("do") == "asked"]
    found: set[str] = set()
    for text in texts:
        for one in find(text, privacy.redact, privacy.country):
            found.add("".join(run.digits for run in runs(text[one.start : one.end])))
    return frozenset(digits for digits in found if len(digits) >= FEWEST)


def _has(text: str, numbers: Iterable[str]) -> bool:
    return any(_private(run.digits, numbers) for run in runs(text))


def _private(digits: str, numbers: Iterable[str]) -> bool:
    return any(digits in number or number in digits for number in numbers) if len(digits) >= FEWEST else False


def _changing(numbers: frozenset[str], redact: Redact, secrets: list[str], *, pressed: bool) -> Callable[[str], str]:
    def change(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        if numbers:
            for run in reversed(runs(text)):
                if _private(run.digits, numbers) or (pressed and "[pressed" in text):
                    for start, end in sorted(set(run.spans), reverse=True):
                        zero = "zero" if text[start:end].isalpha() else "0" * (end - start)
                        text = text[:start] + zero + text[end:]
        return redact(text)

    return change


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with its texts and large numbers changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _changed(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_changed(inner, change) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**6:
        return int(value) if change(str(value)) == str(value) else 0
    return value


def _frames(frames: list[Frame], change: Callable[[str], str], *, pressed: bool) -> list[Frame]:
    """The frames; words of an LLM come in pieces and are checked together. Keys come one by one."""
    changed = [_changed(frame, change) | {name: frame[name] for name in _KEPT & frame.keys()} for frame in frames]
    for frame in changed:
        if pressed and (frame["of"], frame.get("do")) == ("line", "key") and frame["key"].isdecimal():
            frame["key"] = "0"
    streams: dict[int, list[int]] = {}
    for at, frame in enumerate(frames):
        if frame["of"] == "llm" and "text" in frame:
            streams.setdefault(frame["session"], []).append(at)
    for places in streams.values():
        whole = "".join(frames[at]["text"] for at in places)
        if (text := change(whole)) != whole:
            for at in places:
                changed[at]["text"], text = text, ""
        else:
            for at in places:
                changed[at]["text"] = frames[at]["text"]
    return changed


def _packet(packet: Tapped, ranges: list[tuple[float, float]], *, alaw: bool, pressed: bool) -> Tapped:
    found = None if packet.out or packet.control else parse(packet.data)
    if found is None:
        return packet
    if found.payload_type in (0, 8):
        if not any(since <= packet.at <= until for since, until in ranges):
            return packet
        ulaw = found.payload.translate(ALAW_TO_ULAW) if alaw else found.payload
        payload = covered(ulaw).translate(ULAW_TO_ALAW) if alaw else covered(ulaw)
    elif pressed and len(found.payload) == 4 and found.payload[0] < 10:  # RFC 4733 §2.3: a digit
        payload = b"\x00" + found.payload[1:]
    else:
        return packet
    marker = bool(packet.data[1] & 0x80)
    data = build(found.payload_type, marker, found.sequence, found.timestamp, found.ssrc, payload)
    return packet._replace(data=data, size=len(data))


def _sound(bundle: Bundle, numbers: frozenset[str]) -> bytes:
    """The sound of the TTS, covered in sentences with private data."""
    asked = {frame["session"] for frame in bundle.frames
             if frame["of"] == "tts" and frame["do"] == "asked" and _has(frame["text"], numbers)}  # fmt: skip
    sound = bytearray(bundle.sound)
    for frame in bundle.frames:
        if frame["of"] == "tts" and frame["do"] == "piece" and "sound" in frame and frame["session"] in asked:
            start, length = frame["sound"]
            sound[start : start + length] = covered(bytes(sound[start : start + length]))
    return bytes(sound)


def covered(ulaw: bytes) -> bytes:
    """Mu-law sound of the same length with a tone where `ulaw` is loud, and silence elsewhere, so that no word is
    heard."""
    parts = [ulaw[at : at + FRAME] for at in range(0, len(ulaw), FRAME)]
    return b"".join(TONE[: len(part)] if level(part) > LOUD_ENOUGH else b"\xff" * len(part) for part in parts)
