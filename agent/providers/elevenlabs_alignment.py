"""Which words of a sentence end where: each way to ElevenLabs tells the times of characters."""

from collections.abc import Iterable


class AlignedText:
    """A sentence, of which the characters are aligned with its sound piece by piece."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.letters = 0
        """Characters that are aligned."""

    @property
    def complete(self) -> bool:
        """Whether all of it is aligned."""
        return self.letters >= len(self.text)

    def align(self, ends: Iterable[tuple[str, float]]) -> list[tuple[int, float]] | None:
        """The words that these characters complete: the letters up to there, and the time; None if they are not in the
        text. Successive pieces may repeat characters; spaces may come or not.
        """
        marks = [(char, until) for char, until in ends if not char.isspace()]
        # Where each character stands that is no space, after those that were known or again from one of them on.
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
