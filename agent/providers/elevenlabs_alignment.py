"""Finds where the words of a sentence end: all interfaces of ElevenLabs report the times of characters."""

from collections.abc import Iterable


class AlignedText:
    """A sentence whose characters are aligned with its sound, piece by piece."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.letters = 0
        """Characters that are aligned."""

    @property
    def complete(self) -> bool:
        """Whether all characters are aligned."""
        return self.letters >= len(self.text)

    def align(self, ends: Iterable[tuple[str, float]]) -> list[tuple[int, float]] | None:
        """The words that the characters in `ends` complete: for each, the letters of the sentence up to its end, and
        the time. None if the characters are not in the sentence. Successive pieces may repeat characters, and may leave
        spaces out.
        """
        marks = [(char, until) for char, until in ends if not char.isspace()]
        # The position of each character that is no space: after the known ones, or again from one of them on.
        places = [at for at, char in enumerate(self.text) if not char.isspace()]
        known = sum(at < self.letters for at in places)
        wanted = "".join(char for char, _ in marks)
        bare = "".join(self.text.split())
        at = bare.rfind(wanted, max(0, known - len(wanted)), known + len(wanted))
        if at < 0:
            return None
        words: list[tuple[int, float]] = []
        for place, (_, until) in zip(places[at : at + len(marks)], marks, strict=True):
            end = place + 1
            if end <= self.letters:
                continue
            self.letters = end
            if self.text[end : end + 1] in ("", " "):
                words.append((end, until))
        return words
