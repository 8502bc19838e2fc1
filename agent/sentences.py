"""Cuts a stream of text into sentences, so that the voice can start on the first while the rest is being thought."""

import re

FIRST_CLAUSE = 24
"""Characters after which the first piece may already end at a comma."""
LONGEST = 300
"""Characters after which a piece without any end is cut at a space."""

_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|mr|mrs|ms|dr|prof|sr|jr|st|no|vs|etc|e\.g|i\.e|a\.m|p\.m|approx|dept|ext|inc|ltd)\.$",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(r"^\d{1,2}\.$")
_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s)|[。！？।]|\n+")
_CLAUSE = re.compile(r"[,;:—–](?=\s)")


class SentenceCutter:
    """Takes text as it comes; `feed` and `flush` return what is ready to be spoken."""

    def __init__(self) -> None:
        self._buffer = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """Take more text."""
        self._buffer += text
        ready: list[str] = []
        while (end := self._find_end()) is not None:
            self._take(end, ready)
        return ready

    def flush(self) -> list[str]:
        """The text is complete: return what is left."""
        ready: list[str] = []
        self._take(len(self._buffer), ready)
        return ready

    def _take(self, end: int, ready: list[str]) -> None:
        piece, self._buffer = self._buffer[:end].strip(), self._buffer[end:].lstrip()
        if piece:
            ready.append(piece)
            self._first = False

    def _find_end(self) -> int | None:
        for match in _END.finditer(self._buffer):
            piece = self._buffer[: match.end()]
            if not _ABBREVIATION.search(piece) and not _LIST_NUMBER.match(piece):
                return match.end()
        if self._first:
            for match in _CLAUSE.finditer(self._buffer):
                if match.end() >= FIRST_CLAUSE:
                    return match.end()
        if len(self._buffer) > LONGEST:
            space = self._buffer.rfind(" ", 0, LONGEST)
            return space if space > 0 else LONGEST
        return None
