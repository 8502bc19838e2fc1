"""The messages between the gateway and its speech process: kind, session, length, body."""

import json
import struct
from enum import IntEnum
from typing import Any, BinaryIO, NamedTuple

HEADER = struct.Struct("!BII")
MAX_BODY = 1 << 22


class Kind(IntEnum):
    """Kind of a message. Kinds of the upper half go from the speech process to the gateway."""

    LISTEN = 1
    SOUND = 2
    EXPECT = 3
    DEAF = 4
    SPEAK = 5
    CANCEL = 6
    SKIP = 7
    PING = 8
    VOICE = 9

    READY = 129
    ONSET = 130
    TRANSCRIPT = 131
    SPEECH = 132
    SPOKEN = 133
    FAILED = 134
    PONG = 135


class Message(NamedTuple):
    """One message. `session` is the number of an STT session or of a sentence."""

    kind: int
    session: int
    body: bytes = b""

    def encode(self) -> bytes:
        """The bytes of the message."""
        return HEADER.pack(self.kind, self.session, len(self.body)) + self.body


def pack_json(value: Any) -> bytes:
    """`value` as the body of a message that holds more than sound."""
    return json.dumps(value, separators=(",", ":")).encode()


def read(stream: BinaryIO) -> Message | None:
    """The next message of a blocking stream; None at its end."""
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    kind, session, length = HEADER.unpack(head)
    body = stream.read(length)
    return Message(kind, session, body) if len(body) == length else None
