"""The words and keys of a random call, which tell them apart."""

from dataclasses import dataclass, field

DIGITS = "123456789"


def word(number: int) -> str:
    """A word of letters, each another one, which is neither a figure nor a letter."""
    return "w" + "".join(chr(ord("a") + int(figure)) for figure in str(number)) + "x"


def said_in(text: str) -> list[str]:
    """The words of a caller in `text`, as they were before the recogniser wrote them in another way."""
    return [one.rstrip("s") for one in text.split() if one.startswith("w")]


def pressed_in(text: str) -> str:
    """The keys in `text`."""
    return "".join(one for one in text.replace("]", "").split() if one in DIGITS)


@dataclass
class Turn:
    """The recogniser's turn that is not final."""

    words: list[str] = field(default_factory=list)
    spoken: list[tuple[float, float]] = field(default_factory=list)
    """When each of them sounded."""
    unreported: list[str] = field(default_factory=list)
    """The last of them, which the recogniser has not told yet."""
    over: bool = False
    """Whether somebody else has been there since it began: nobody answers what had been said of it."""

    def undated(self, until: float) -> set[str]:
        """Words of which the recogniser will not tell that they had ended by then."""
        ended = {one for one, (_, end) in zip(self.words, self.spoken, strict=True) if end <= until}
        return set(self.unreported) - ended
