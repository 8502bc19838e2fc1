"""Messages of MCP servers that are programs: one message in a line, with a limit for its length.

It is a text encoding for the MCP package, which would keep a line without an end until no memory is left.
"""

import codecs

from agent.bounds import FULL

ENCODING = "sipgw_mcp_lines"
"""Name of the encoding: UTF-8, but of a line with more than `LARGEST` bytes the rest is left out, and counted."""
LARGEST = 1 << 20
"""Most bytes of a message: of a line, of an answer by HTTP, of an event in a stream of events."""


class LineDecoder(codecs.IncrementalDecoder):
    """Decoder of `ENCODING`. What is cut is no JSON any more: the package leaves it out, and the call has no answer."""

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self._plain = codecs.getincrementaldecoder("utf-8")(errors)
        self._size = 0
        """Bytes of the present line so far."""

    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]  # typeshed has all buffers
        """The text of these bytes; see `codecs.IncrementalDecoder`."""
        kept = list[bytes]()
        for number, part in enumerate(bytes(data).split(b"\n")):
            if number:
                kept.append(b"\n")
                self._size = 0
            before, self._size = self._size, self._size + len(part)
            if before <= LARGEST < self._size:
                FULL["answers of MCP servers"] += 1
            kept.append(part[: max(0, LARGEST - before)])
        return self._plain.decode(b"".join(kept), final)

    def reset(self) -> None:
        """Forget the present line."""
        self._plain.reset()
        self._size = 0


def _find(name: str) -> codecs.CodecInfo | None:
    if name != ENCODING:
        return None
    plain = codecs.lookup("utf-8")
    return codecs.CodecInfo(plain.encode, plain.decode, incrementaldecoder=LineDecoder, name=ENCODING)


codecs.register(_find)
