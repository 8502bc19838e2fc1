"""One call as a file: a zip of JSON, JSON Lines and sound. The format is described in docs/replay.md."""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from media.recording.tap import Tapped, packed, read
from sipgw.config.records import PrivacyOptions
from sipgw.records.bundles.call_result import CallResult
from sipgw.records.bundles.check import check
from sipgw.records.bundles.conversation_setup import ConversationSetup
from sipgw.records.bundles.format_1 import translated
from sipgw.records.bundles.recorder import LIMIT, Frame

FORMAT, VERSION = "sipgw bundle", 2
LARGEST = 96 << 20
"""Largest bundle in bytes, unpacked."""
PARTS = ("bundle.json", "story.json", "frames.jsonl", "sip.jsonl", "rtp.bin", "voice.ulaw")
PROVIDERS = ("stt", "llm", "tts")
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class BundleError(Exception):
    """A file is no bundle that can be used; the message is one line."""


@dataclass(frozen=True)
class Bundle:
    """A recorded call."""

    about: dict[str, Any]
    """Facts of the call: ``call``, ``began``, ``direction``, ``trunk``, ``agent``, ``caller``, ``called``, ``sipgw``,
    ``parts`` (the number of providers of each part) and ``privacy`` (the redacted kinds)."""
    setting: ConversationSetup
    story: CallResult
    frames: list[Frame]
    sip: list[dict[str, Any]]
    packets: Sequence[Tapped]
    """The packets; their times are seconds since the call began. Of sent packets only the headers are kept."""
    sound: bytes
    """The sound of the voices (TTS), mu-law."""

    def write(self) -> bytes:
        """The bytes of the file; the same call gives the same bytes."""
        head = {"format": FORMAT, "version": VERSION} | self.about | {"setting": self.setting.as_dict()}
        contents = (
            _json(head),
            _json(self.story.as_dict()),
            _lines(self.frames),
            _lines(self.sip),
            packed(self.packets),
            self.sound,
        )
        return _zipped(contents)

    def retold(self, story: CallResult) -> "Bundle":
        """A copy with the result `story`."""
        return replace(self, story=story)


def reheaded(content: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """The bytes of a bundle with another head (the facts of its call). They are packed fast, because somebody waits for
    them. Raises `BundleError`."""
    parts = _unpacked(io.BytesIO(content), "the file")
    return _zipped((_json(change(_head(parts))), *(parts[name] for name in PARTS[1:])), level=1)


def began_of(content: bytes) -> str:
    """The start of the call in the head of a bundle; empty if the bundle cannot be read."""
    try:
        return str(_head(_unpacked(io.BytesIO(content), "the file")).get("began", ""))
    except BundleError:
        return ""


def _head(parts: dict[str, bytes]) -> dict[str, Any]:
    try:
        head = json.loads(parts[PARTS[0]])
    except ValueError:
        head = None
    if not isinstance(head, dict):
        raise BundleError(f"the file: no {PARTS[0]} that can be read")
    return head


def _zipped(contents: Sequence[bytes], level: int = 9) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in zip(PARTS, contents, strict=True):
            file.writestr(zipfile.ZipInfo(name, _EARLIEST), content, zipfile.ZIP_DEFLATED, level)
    return made.getvalue()


def _unpacked(packed: Path | io.BytesIO, called: object) -> dict[str, bytes]:
    """The parts by name. Raises `BundleError`, whose message calls the file `called`."""
    try:
        with zipfile.ZipFile(packed) as file:
            sizes = {one.filename: one.file_size for one in file.infolist()}
            if missing := [name for name in PARTS if name not in sizes]:
                raise BundleError(f"{called}: no bundle of a call: {missing[0]} is missing")
            if sum(sizes.values()) > LARGEST:
                raise BundleError(f"{called}: more than {LARGEST >> 20} MB unpacked")
            return {name: file.read(name) for name in PARTS}
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(f"{called}: {getattr(error, 'strerror', None) or error or 'no zip file'}") from None


def read_bundle(path: Path) -> Bundle:
    """Read a bundle. Raises `BundleError`."""
    parts = _unpacked(path, path)
    try:
        return _parsed(path, parts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BundleError(f"{path}: {' '.join(told.split())[:300]}") from None


def _parsed(path: Path, parts: dict[str, bytes]) -> Bundle:
    head = json.loads(parts["bundle.json"])
    if head.pop("format") != FORMAT:
        raise BundleError(f"{path}: no bundle of a call")
    if (version := head.pop("version")) not in (1, VERSION):
        raise BundleError(f"{path}: format {version}; this sipgw reads formats 1 and {VERSION}")
    told, frames, sip = json.loads(parts["story.json"]), _of_lines(parts["frames.jsonl"]), _of_lines(parts["sip.jsonl"])
    if version == 1:
        translated(head, told, frames)
    setting, story = ConversationSetup.of(head.pop("setting")), CallResult.read(told)
    check(frames)
    _check_head(head)
    if not all(
        isinstance(one.get("text"), str) and isinstance(one.get("t"), float | int) and "out" in one for one in sip
    ):
        raise ValueError("sip.jsonl: a message has no 't', 'out' or 'text'")
    if len(parts["voice.ulaw"]) > LIMIT:
        raise ValueError("voice.ulaw is too long")
    packets = list(read(parts["rtp.bin"]))
    if any(not 0 <= packet.at < 10**6 for packet in packets):
        raise ValueError("rtp.bin: a packet has no time")
    return Bundle(head, setting, story, frames, sip, packets, parts["voice.ulaw"])


def _check_head(head: dict[str, Any]) -> None:
    if not all(isinstance(head[name], str) for name in ("call", "direction", "agent")):
        raise ValueError("bundle.json: call, direction or agent is no text")
    if not all(isinstance(head["parts"][part], int) and 0 < head["parts"][part] < 10 for part in PROVIDERS):
        raise ValueError("bundle.json: parts are not how many providers there are")
    privacy_of(head)


def privacy_of(about: dict[str, Any]) -> PrivacyOptions:
    """The redacted kinds of a bundle. Raises `TypeError` or `ValueError`."""
    found: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in about["privacy"].items()
    }
    if "bleep" in found:  # bundles of earlier releases
        found["redact_audio"] = found.pop("bleep")
    return PrivacyOptions(**found)


def _json(value: Any) -> bytes:
    """The JSON of `value` as bytes; surrogates, which UTF-8 lacks, become ``?``."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=str).encode("utf-8", "replace")


def _lines(values: Sequence[Any]) -> bytes:
    lines = (json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str) for value in values)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _of_lines(text: bytes) -> list[dict[str, Any]]:
    # Not `splitlines`: JSON may have U+2028 and other ends of lines within a text.
    found = [json.loads(line) for line in text.decode().split("\n") if line.strip()]
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("a line is no JSON object")
    return found
