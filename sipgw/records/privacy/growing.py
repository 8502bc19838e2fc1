"""Text that grows by pieces, e.g. the words of a turn, without its private data. Sans-IO."""

from sipgw.records.privacy.redaction import Redact, Redactor

REACH = 300
"""Characters over which a private number may be spread: 34 spoken letters and digits of an IBAN, and words between."""


class GrowingText:
    """The redacted text so far. A number may be spread over several pieces, so each new piece is checked together with
    the end of the text. The text before is settled and not checked again, so the work grows with the text, not with
    its square.
    """

    def __init__(self, most: int) -> None:
        """`most` is the largest length in characters, of the text and of one piece; further pieces are dropped."""
        self.shown = ""
        """The redacted text."""
        self._most = most
        self._settled = ""
        """The settled, redacted beginning of the text."""
        self._end = ""
        """The end of the text, not redacted yet."""

    def add(self, piece: str, redact: Redact) -> None:
        """Append a piece of text, after a space."""
        if len(self._settled) + len(self._end) >= self._most:
            return
        piece = piece[: self._most]
        self._end += f" {piece}" if self._settled or self._end else piece
        if len(self._end) > 2 * REACH:
            self._settle(redact)
        self.shown = self._settled + redact(self._end)

    def _settle(self, redact: Redact) -> None:
        """Settle the text up to the last `REACH` characters, or up to private data that reaches into these."""
        cut = self._end.rfind(" ", 0, len(self._end) - REACH)
        for found in redact.find(self._end) if isinstance(redact, Redactor) else ():
            if found.start < cut < found.end:
                cut = found.start
        if cut > 0:
            self._settled += redact(self._end[:cut])
            self._end = self._end[cut:]
