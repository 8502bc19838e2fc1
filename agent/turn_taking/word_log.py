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
    """Words of a turn that were taken for an echo: from the place of the echo before to this `place`, in words."""

    place: int
    ended: float
    """When the sound of these words had ended."""
    said: str
    """The agent's words at that time."""
    began: float
    """When the sound of the first of these words had begun."""


@dataclass
class _Spoken:
    """One turn of the recogniser, or some pressed keys.

    Each word of the turn is answered, set aside, or open, by its place. Only an answer makes words known for good.
    Words that are set aside (an echo, a sound that answers nothing) are open again with the next transcript of the
    turn. It may show that they were something else, so they are judged again.
    """

    text: str
    final: bool
    words: Words = SILENT
    """The last transcript of the turn."""
    known: Known = NOTHING
    answered: int = 0
    """Number of the present words that are `known`."""
    before: Known = NOTHING
    """Known words before the last answer."""
    undone: int = 0
    """Number of the present words that were known before the last answer."""
    aside: int = 0
    """Number of words, from the first one on, that are not the caller's as far as is known."""
    passed: str = ""
    """The last words that were set aside without being an echo. The same words need no answer when they come again,
    whatever the agent does by then."""
    assents: bool = False
    """Whether the words agreed to a notice; they are set aside as long as they only agree."""
    echoes: list[Echo] = field(default_factory=list)
    """The words of the turn that were taken for an echo. A transcript that writes them differently
    removes their echo."""
    placed: list[Placed] = field(default_factory=list)
    """The word that was last told for each place, though the present transcript may have taken it back."""

    @property
    def rest(self) -> str:
        return " ".join(self.text.split()[max(self.answered, self.aside) :])

    @property
    def unanswered(self) -> str:
        return " ".join(self.text.split()[self.answered :])

    def places(self, words: Words, numerals: Collection[str]) -> list[Placed]:
        """The places of the turn's words, when the transcript `words` has come.

        Words that are told again are the same sound, even if they had been taken back. From the first word that differs
        on, the sound is new. A transcript of as many words as the one before only writes them differently.
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
        """Let words without an answer need none. Those of an open turn are judged again when the turn goes on."""
        if self.final:
            self.text = " ".join(self.text.split()[: self.answered])
        self.aside = 0 if self.final else len(self.text.split())

    def keep_echoes(self, text: str) -> None:
        """Keep only the echoes before whose place all words stand unchanged in `text`."""
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
        """When the recogniser last said that words were final."""
        self._over = -inf
        """The time until which everything that was said needs no answer, even if it is reported later."""

    @property
    def text(self) -> str:
        """Words that are not answered yet."""
        return " ".join(rest for one in self._spoken if (rest := one.rest))

    @property
    def complete(self) -> bool:
        """Whether the recogniser has ended all turns that have words without an answer."""
        return all(one.final for one in self._spoken if one.rest)

    def is_behind(self, until: float) -> bool:
        """Whether words of a voice that was on until then may still be missing. They may be if the last transcript is
        not complete, and its sound is older than the end of the voice."""
        last = self._heard.words if self._heard is not None else SILENT
        return not (last.final or last.eager) and last.ended < until - PART

    @property
    def _present(self) -> _Spoken | None:
        """The recogniser's present turn, if it has begun."""
        return next((one for one in self._spoken if not one.final), None)

    def dated(self, words: Words, numerals: Collection[str] = ()) -> Words:
        """The transcript, with an earlier end of its last word if that word was reported before: its sound cannot have
        ended later.

        Some recognisers give, as the end of the words, how much sound they have received.
        """
        count = len(words.text.split())
        if (turn := self._present) is None or not count:
            return words
        return words._replace(ended=min(words.ended, turn.places(words, numerals)[count - 1].ended))

    def lengthens(self, words: Words) -> bool:
        """Whether the transcript has more words than all earlier ones of its turn."""
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
        """Set aside again what was taken for an echo and still is one; returns the turn's other words that have no
        answer.

        `is_echo` is called with an echo, its words, and all words without an answer.
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
        """The last transcript, if some of it is set aside as an echo, and a voice that began at `began` may show that
        it was none. A final transcript is opened again, if that voice may have said it.

        `repeats` is called with words and the agent's words, and returns whether they are the same. A caller who began
        to speak at the end of an echo did not say those words; a caller who began with their first word did.
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
        """Add pressed keys after the words that were said until now."""
        self._spoken.append(_Spoken(f"[pressed {' '.join(keys)}]", final=True))
        self.last_at = now

    def note(self, text: str) -> None:
        """Put words that were set aside before the words that have no answer."""
        self._spoken.insert(0, _Spoken(text, final=True))

    def take(self) -> str:
        """Return all words without an answer, which are answered from now on."""
        text = self.text
        self._spoken = [one for one in self._spoken if one.rest or not one.final]
        for one in self._spoken:
            one.before, one.undone = one.known, one.answered
            if one.rest:
                words = one.text.split()
                one.known, one.answered = Known(tuple(words), one.words.ended), len(words)
        return text

    def dismiss(self, now: float) -> None:
        """Let everything that was said until now need no answer, even if it is reported later and whatever it was taken
        for."""
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
        """Let all words without an answer need none. The recogniser's open turn is judged again when it goes on."""
        for one in self._spoken:
            one.withhold()

    def assent(self) -> None:
        """Note that all words only agreed to a notice. The recogniser's open turn needs no answer
        while it only agrees."""
        self.withhold()
        for one in self._spoken:
            one.assents = not one.final

    @property
    def passed(self) -> str:
        """Part of the recogniser's present turn that was set aside before."""
        return self._heard.passed if self._heard is not None else ""

    @property
    def assents(self) -> bool:
        """Whether the latest words agreed to a notice."""
        return self._heard is not None and self._heard.assents

    def give_back(self) -> None:
        """Note that the words taken last were not answered after all."""
        for one in self._spoken:
            one.known, one.answered = one.before, one.undone

    def set_aside(self, *, said: str = "") -> None:
        """Set the latest words aside: they are no turn. With `said` they are an echo of these words of the agent."""
        if (last := self._heard) is not None:
            last.aside = len(last.text.split())
            last.passed = "" if said else last.unanswered
            if said and (not last.echoes or last.echoes[-1].place < last.aside):
                began = last.words.last_began(len(last.unanswered.split()))
                last.echoes.append(Echo(last.aside, last.words.ended, said, began))
