"""The caller's words that are not answered yet, each of them once, although STT reports them repeatedly."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from agent.turn_taking.matching import NOTHING, Known, Placed, is_same, place
from agent.turn_taking.words import EARLY, Words, words_of

PART = 0.4
"""Seconds by which the end of a voice may lie after the last word of it."""
SILENT = Words("")


class Echo(NamedTuple):
    """Words of a turn that were taken for an echo: those in front of a place in it, up to the echo before."""

    place: int
    ended: float
    """When their sound had ended."""
    said: str
    """Present words of the agent."""
    began: float
    """When the first of them had begun."""


@dataclass
class _Spoken:
    """One turn of the recogniser, or keys.

    Each of its words is answered, set aside, or open, by its place. Only an answer makes words known for good. What is
    set aside (an echo, a sound that answers nothing) is open again with the next transcript of the turn, which may show
    that it was something else, and is judged anew.
    """

    text: str
    final: bool
    words: Words = SILENT
    """The last transcript of it."""
    known: Known = NOTHING
    answered: int = 0
    """How many of the present words those are."""
    before: Known = NOTHING
    """Known words before the last answer."""
    undone: int = 0
    """How many of the present words that is."""
    aside: int = 0
    """How many, from the first one on, are no words of the caller for all that is known."""
    passed: str = ""
    """Last words that were set aside without being an echo: the same again needs no answer, whatever the agent does by
    then.
    """
    assents: bool = False
    """Whether they agreed to a notice, and are set aside as long as they do."""
    echoes: list[Echo] = field(default_factory=list)
    """Which of them were taken for an echo; a transcript that writes them in another way ends it."""
    placed: list[Placed] = field(default_factory=list)
    """The word that was last told for each place, though the present transcript may have taken it back."""

    @property
    def rest(self) -> str:
        return " ".join(self.text.split()[max(self.answered, self.aside) :])

    @property
    def unanswered(self) -> str:
        return " ".join(self.text.split()[self.answered :])

    def places(self, words: Words, numerals: Collection[str]) -> list[Placed]:
        """The places when the transcript `words` has come.

        What is told again, even after it was taken back, is the same sound; from the first word that is another one on
        the sound is new. A transcript of as many words as the one before only writes them in another way.
        """
        told, rewrites = words.text.split(), len(words.text.split()) == len(self.words.text.split())
        known = 0
        while known < min(len(told), len(self.placed)):
            if not rewrites and not is_same(self.placed[known].word, told[known], numerals):
                break
            known += 1
        dates = [one.ended for one in self.placed[:known]] + [words.ended] * (len(told) - known)
        taken_back = self.placed[len(told) :] if known == len(told) else []
        return [*map(Placed, told, dates), *taken_back]

    def withhold(self) -> None:
        """Words that are not answered need no answer; those of an open turn are judged anew when it goes on."""
        if self.final:
            self.text = " ".join(self.text.split()[: self.answered])
        self.aside = 0 if self.final else len(self.text.split())

    def keep_echoes(self, text: str) -> None:
        """Keep an echo if all words in front of its place stand unchanged in `text`."""
        if not self.echoes:
            return
        old, new = ([words_of(word) for word in one.split()] for one in (self.text, text))
        self.echoes = [one for one in self.echoes if old[: one.place] == new[: one.place]]


class WordLog:
    """The words of one caller."""

    def __init__(self) -> None:
        self._spoken: list[_Spoken] = []
        self._heard: _Spoken | None = None
        self.last_at = -inf
        """When words came last."""
        self.final_at = -inf
        """When the recogniser said last that words were all."""
        self._over = -inf
        """Until when all that was said needs no answer, whenever it is reported."""

    @property
    def text(self) -> str:
        """Words that are not answered yet."""
        return " ".join(rest for one in self._spoken if (rest := one.rest))

    @property
    def complete(self) -> bool:
        """Whether the recogniser has said of all of it that it is final."""
        return all(one.final for one in self._spoken if one.rest)

    def is_behind(self, until: float) -> bool:
        """Whether words of a voice that was on `until` then may be missing still: the last transcript is a part of what
        the recogniser is working on, and tells that its sound is older than that.
        """
        last = self._heard.words if self._heard is not None else SILENT
        return not (last.final or last.eager) and last.ended < until - PART

    @property
    def _present(self) -> _Spoken | None:
        """The recogniser's present turn, if it has begun."""
        return next((one for one in self._spoken if not one.final), None)

    def dated(self, words: Words, numerals: Collection[str] = ()) -> Words:
        """The transcript; the sound of its last word ended no later than that word was reported first.

        Some recognisers tell how much sound they have been sent.
        """
        count = len(words.text.split())
        if (turn := self._present) is None or not count:
            return words
        return words._replace(ended=min(words.ended, turn.places(words, numerals)[count - 1].ended))

    def lengthens(self, words: Words) -> bool:
        """Whether the transcript has more words than were told of its turn before."""
        turn = self._present
        return len(words.text.split()) > (len(turn.placed) if turn is not None else 0)

    def hear(self, words: Words, now: float, numerals: Collection[str] = ()) -> str:
        """Take a transcript; returns what of it is not answered. `numerals` are digits as words."""
        current = self._present
        if current is None:
            current = _Spoken("", final=False)
            self._spoken.append(current)
        self._heard = current
        said = current.unanswered
        text, undone = place(words.text, current.before, words, numerals)
        text, current.answered = place(text, current.known, words, numerals)
        current.undone = min(undone, current.answered)
        over, count = words.ended_by(self._over), len(words.text.split())
        if current.answered < (len(text.split()) if over == count else over):
            text = words.text
            current.known = current.before = Known(tuple(text.split()[:over]), min(words.ended, self._over))
            current.answered = current.undone = over
        current.keep_echoes(text)
        current.placed = current.places(words, numerals)
        current.text, current.final, current.words, current.aside = text, words.final, words, 0
        if current.rest and current.rest != said:
            self.last_at = now
        if words.final and count > over:
            self.final_at = now
        return current.rest

    def leave_out(self, is_echo: Callable[[Echo, str, str], bool]) -> str:
        """Set aside again what was taken for an echo and still is one; returns what else of the turn is not answered.

        `is_echo` is asked about an echo, its words, and all that is not answered.
        """
        current = self._heard
        if current is None:
            return ""
        words = current.text.split()
        for number, echo in enumerate(current.echoes):
            start = max(current.answered, current.aside)
            if start < echo.place and not is_echo(echo, " ".join(words[start : echo.place]), current.unanswered):
                del current.echoes[number:]
                break
            current.aside = echo.place
        return current.rest

    def echoed(self, began: float, repeats: Callable[[str, str], bool]) -> Words | None:
        """The last transcript, if some of it is set aside as an echo and a voice that `began` then may show that it was
        none; a final one is open again if that voice may be the one that said it.

        `repeats` is asked whether words are those of the agent: a caller who speaks into the end of an echo did not say
        them, one who began with their first word did.
        """
        last = self._heard
        if last is None or not last.echoes:
            return None
        if last.final:
            if not began <= last.words.ended < inf or not any(one is last and one.unanswered for one in self._spoken):
                return None
            first = last.words.last_began(len(last.unanswered.split()))
            if began > first + EARLY and repeats(last.unanswered, last.echoes[-1].said):
                return None
            last.final = False
        return last.words

    def press(self, keys: str, now: float) -> None:
        """Note keys after what was said until now."""
        self._spoken.append(_Spoken(f"[pressed {' '.join(keys)}]", final=True))
        self.last_at = now

    def note(self, text: str) -> None:
        """Note words that were set aside, in front of what is not answered."""
        self._spoken.insert(0, _Spoken(text, final=True))

    def take(self) -> str:
        """All of it is answered now."""
        text = self.text
        self._spoken = [one for one in self._spoken if one.rest or not one.final]
        for one in self._spoken:
            one.before, one.undone = one.known, one.answered
            if one.rest:
                words = one.text.split()
                one.known, one.answered = Known(tuple(words), one.words.ended), len(words)
        return text

    def dismiss(self, now: float) -> None:
        """All that was said until now needs no answer, whatever it was taken for, and though it be reported later."""
        self._over = now
        for one in self._spoken:
            one.aside, one.assents, one.echoes = 0, False, []
        self.take()

    def overhear(self, words: Words, now: float, numerals: Collection[str] = ()) -> None:
        """Take a transcript of what needs no answer."""
        self.hear(self.dated(words, numerals), now, numerals)
        if self._heard is not None:
            self._heard.withhold()
        self._spoken = [one for one in self._spoken if one.text or not one.final]  # a queue may speak for hours

    def withhold(self) -> None:
        """None of it needs an answer; the recogniser's open turn is judged anew when it goes on."""
        for one in self._spoken:
            one.withhold()

    def assent(self) -> None:
        """All of it has only agreed to a notice; the recogniser's open turn needs no answer while it does."""
        self.withhold()
        for one in self._spoken:
            one.assents = not one.final

    @property
    def passed(self) -> str:
        """Part of the recogniser's present turn that was set aside before."""
        return self._heard.passed if self._heard is not None else ""

    @property
    def assents(self) -> bool:
        """Whether the words that came last agreed to a notice until then."""
        return self._heard is not None and self._heard.assents

    def give_back(self) -> None:
        """Note that the words taken last were not answered after all."""
        for one in self._spoken:
            one.known, one.answered = one.before, one.undone

    def set_aside(self, *, said: str = "") -> None:
        """The words that came last are no turn; an echo of what the agent `said`, if that is given."""
        if (last := self._heard) is not None:
            last.aside = len(last.text.split())
            last.passed = "" if said else last.unanswered
            if said and (not last.echoes or last.echoes[-1].place < last.aside):
                began = last.words.last_began(len(last.unanswered.split()))
                last.echoes.append(Echo(last.aside, last.words.ended, said, began))
