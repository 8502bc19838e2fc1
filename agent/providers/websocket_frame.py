"""The frame of one whole message from a client (RFC 6455 §5.2). Sans-IO.

The library asks the system for four random bytes and builds three objects for each frame. A call sends ten to twenty
frames a second.
"""

import os
import struct

from websockets.frames import Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # built without its part in C
    from websockets.utils import apply_mask

_FINAL, _MASKED = 0x80, 0x80
_SHORT, _MEDIUM, _LONG = struct.Struct("!BB4s"), struct.Struct("!BBH4s"), struct.Struct("!BBQ4s")
_ASKED = 4096
"""Random bytes that the system is asked for at a time; no mask is used twice."""


class Masks:
    """Masks of four random bytes, which nobody can foresee (RFC 6455 §5.3). Not for a process that forks."""

    def __init__(self) -> None:
        self._random = b""
        self._at = 0

    def next(self) -> bytes:
        """A new mask."""
        if self._at >= len(self._random):
            self._random, self._at = os.urandom(_ASKED), 0
        self._at += 4
        return self._random[self._at - 4 : self._at]


_masks = Masks()


def message_frame(kind: Opcode, data: bytes) -> bytes:
    """A text or binary message in one frame, masked."""
    length, mask = len(data), _masks.next()
    if length < 126:
        head = _SHORT.pack(_FINAL | kind, _MASKED | length, mask)
    elif length < 1 << 16:
        head = _MEDIUM.pack(_FINAL | kind, _MASKED | 126, length, mask)
    else:
        head = _LONG.pack(_FINAL | kind, _MASKED | 127, length, mask)
    return head + apply_mask(data, mask)
