"""Answers of mail servers, with bounds: `smtplib` reads as many lines as come, for as long as they come."""

import socket
import time

LINES = 200
"""Lines of one answer at most; the answer to EHLO has a line for each extension."""
PIECE = 4096
"""Bytes that are read at once."""


class ReplyReader:
    """The bytes that a server sends, as the `file` of `smtplib.SMTP`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._kept = bytearray()
        self._lines = 0
        self._ends = 0.0

    def begin(self) -> None:
        """The next answer must be complete within the time limit of the socket."""
        self._lines, self._ends = LINES, time.monotonic() + (self._sock.gettimeout() or 0.0)

    def readline(self, most: int) -> bytes:
        """The next line, or `most` bytes of it. Raises OSError if the answer is too long or takes too long."""
        if not self._lines:
            raise OSError(f"an answer has more than {LINES} lines")
        self._lines -= 1
        limit = self._sock.gettimeout()
        try:
            while (end := self._kept.find(b"\n")) < 0 and len(self._kept) < most:
                self._sock.settimeout(max(0.001, self._ends - time.monotonic()))
                if not (piece := self._sock.recv(PIECE)):
                    break
                self._kept += piece
        finally:
            self._sock.settimeout(limit)
        size = min(most, end + 1 if end >= 0 else len(self._kept))
        line = bytes(self._kept[:size])
        del self._kept[:size]
        return line

    def close(self) -> None:
        """Forget the rest; the socket is closed by its owner."""
        self._kept.clear()
