"""The messages between the gateway and its media process: kind, channel, length, body. Sans-IO."""

import json
import struct
import traceback
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from media.g711 import FRAME_SECONDS

_HEADER = struct.Struct("!BII")
MAX_BODY = 1 << 20


class Kind(IntEnum):
    """The kind of a message. Kinds above 128 go from the media process to the gateway."""

    OPEN = 1
    CONNECT = 2
    SAY = 3
    FINISH = 4
    PAUSE = 5
    RESUME = 6
    STOP = 7
    CLOSE = 8
    STATS = 9
    DIGITS = 10
    BRIDGE = 11
    MUSIC = 12
    LISTEN = 13
    CHUNK = 14
    """Length of the sound that is handed up at a time, in frames: one byte."""
    AMBIENCE = 15
    """Mu-law sound that is sent in a loop under the agent's; empty for none."""
    THINKING = 16
    """`THINKING_AFTER`, then mu-law sound that is sent in a loop while the agent thinks; empty for none."""
    THINK = 17
    """Whether the agent thinks: one byte."""
    CONFER = 18
    """`CONFER`, then mu-law music for a caller who does not hear the agent."""
    RECORD = 20
    TAPPED = 30
    """An order, `TAPPED`, and its answer: the number of the question, and the block of packets after that number."""
    PING = 31
    """The media process answers with `PONG`."""

    READY = 129
    """Whether the packet path is in C: one byte."""
    OPENED = 130
    REFUSED = 131
    SOUND = 132
    DIGIT = 133
    MARK = 134
    HALTED = 135
    NO_RTP = 136
    COUNTS = 137
    QUALITY = 138
    LISTENED = 139
    FAILED = 140
    """A fault in our code has ended the channel."""
    RECORDED = 150
    PONG = 151


class Message(NamedTuple):
    """One message; `channel` is 0 if it concerns no call."""

    kind: int
    channel: int
    body: bytes = b""

    def encode(self) -> bytes:
        """Its bytes on the pipe."""
        return _HEADER.pack(self.kind, self.channel, len(self.body)) + self.body


POSITION = struct.Struct("!II")
"""Number of an utterance, and its samples that have left."""
SOUND = struct.Struct("!dIIB")
"""Arrival of the last sample (monotonic seconds), the playout position at that moment, and the number of levels: those
follow (see `media.session.sent_levels`), then mu-law."""
_SOUND_MESSAGE = struct.Struct("!BIIdIIB")
MARK = struct.Struct("!dIB")
"""Time, utterance, 1 if it begins and 0 if it has ended."""
DIGIT = struct.Struct("!dc")
PORT = struct.Struct("!H")
SILENT = struct.Struct("!dd")
"""Seconds without sound, and seconds without both sound and RTCP."""
QUALITY = struct.Struct("!?dddddd")
"""Whether an interval has ended; seconds until the other side hears our sound; MOS (0 if there was no sound) and loss
from 0 to 1 of the latest interval; then in seconds: jitter, wait for a late packet, most lateness of a tick."""
THINKING_AFTER = struct.Struct("!f")
"""Seconds of the agent's silence after which the sound for thinking begins."""
NUMBER = struct.Struct("!I")
TAPPED = struct.Struct("!II")
"""The number of the question, and that of the last block that was read."""
CHUNK = struct.Struct("!BB")
"""Frames of 20 ms in a chunk, and the level in -dBm0 above which sound completes one; 0 for none."""
CONFER = struct.Struct("!IB")
"""The third's channel, and a `media.session.mixer.Route`."""


def sound(channel: int, at: float, position: tuple[int, int], played: bytes, ulaw: bytes) -> bytes:
    """A whole message of `Kind.SOUND`, the most frequent kind. `position` is the position of playout, `played` has the
    levels of the sound that was sent."""
    levels = len(played)
    length = SOUND.size + levels + len(ulaw)
    return _SOUND_MESSAGE.pack(Kind.SOUND, channel, length, at, *position, levels) + played + ulaw


def chunk(seconds: float, alert: float | None) -> bytes:
    """The body of `Kind.CHUNK`: see `media.process.channel.Channel.set_chunk_duration`."""
    level = 0 if alert is None else min(126, max(0, round(-alert)))  # nothing is louder than 0 dBm0
    return CHUNK.pack(round(seconds / FRAME_SECONDS), level)


def fault(error: Exception) -> bytes:
    """The body of `Kind.FAILED`: one line with the error, then the traceback."""
    cause = f"a fault in the media process: {type(error).__name__}: {error}".replace("\n", " ")
    return f"{cause[:200]}\n{''.join(traceback.format_exception(error))[-4000:]}".encode("utf-8", "replace")


def pack_json(value: Any) -> bytes:
    """The body of a message of a rare kind."""
    return json.dumps(value, separators=(",", ":")).encode()


class Reader:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that `data` completes. Raises ValueError if a message is longer than `MAX_BODY`."""
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        try:
            while end - at >= _HEADER.size:
                kind, channel, length = _HEADER.unpack_from(data, at)
                if length > MAX_BODY:
                    raise ValueError(f"a message of {length} bytes on the media pipe")
                start = at + _HEADER.size
                if end - start < length:
                    break
                at = start + length
                yield Message(kind, channel, data[start:at])
        finally:
            self._rest = data[at:]
