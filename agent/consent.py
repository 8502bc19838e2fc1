"""Whether the caller has said yes to what cannot be undone, by the words that they heard and said. Sans-IO."""

from agent.history import History
from agent.phrases import Phrases, phrases_of, words_of


def is_yes(text: str, phrases: Phrases) -> bool:
    """Whether these words say yes and nothing else: a no, a doubt or a question counts more, and keys say nothing."""
    spoken = f" {' '.join(words_of(text))} "
    if "?" in text or any(f" {word} " in spoken for word in phrases.refusal | phrases.doubt):
        return False
    return any(f" {word} " in spoken for word in phrases.assent | phrases.consent)


class Consent:
    """What the caller was asked in one call, and whether they have said yes to it."""

    def __init__(self, history: History) -> None:
        self.phrases = phrases_of(("en",))
        """The small words of the languages that the caller may speak."""
        self._history = history
        self._asked: dict[str, int] = {}

    def ask(self, what: str) -> None:
        """The agent has to ask about `what` from now on."""
        self._asked[what] = self._history.place

    def given(self, what: str) -> bool:
        """Whether the agent was heard since it has to ask, and the caller's last words after that say yes."""
        place = self._asked.get(what)
        return place is not None and is_yes(self._history.reply_since(place), self.phrases)

    def spend(self, what: str) -> None:
        """It is done: the next time is asked about anew."""
        self._asked.pop(what, None)
