"""Server-sent events as language models stream them (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Sans-IO: bytes go in, the texts of complete events come out.
"""

MAX_EVENT = 1 << 20
"""Maximum bytes of one event; a larger one is an error."""
DONE = "[DONE]"
"""The data of OpenAI's last event."""


class TooLongError(Exception):
    """An event has more than `MAX_EVENT` bytes."""


class Events:
    """Reads the events of one stream. Names, ids and comments of events are ignored."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes. Returns the data of the events that they complete. Raises `TooLongError`."""
        lines = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        found = [text for line in lines if (text := self._line(line.rstrip(b"\r"))) is not None]
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT:
            raise TooLongError
        return found

    def end(self) -> list[str]:
        """The data of a last event that the stream ended without an empty line after it."""
        found = [self._line(self._rest), self._line(b"")]
        self._rest = b""
        return [text for text in found if text is not None]

    def _line(self, line: bytes) -> str | None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line and self._data:
            text, self._data = b"\n".join(self._data).decode(), []
            return text
        return None
