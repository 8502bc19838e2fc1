"""The caller's words that are not answered yet, each of them once, although STT reports them repeatedly."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from math import inf
from typing import NamedTuple

TOUCHING = 0.04
"""Seconds by which a word may begin before the one in front of it has ended: sound arrives unevenly."""
ANEW = 0.5
"""Seconds after the answered words from which on the same words are said again, where a session was lost."""
EARLY = 0.2
"""Seconds before the beginning of a voice in which the first word of it may be placed."""
SHORTEST = 0.12
"""Seconds that a word takes at least."""
ALIKE = 0.5
"""Share of the words of the shorter text that come again in the longer one, if both are of one turn; of the letters, if
both are one sound."""
SHIFTED = 1
"""Words by which a revised text may be longer or shorter, if only the last word of it is known again."""

PART = 0.4
"""Seconds by which the end of a voice may lie after the last word of it."""

QUESTIONS = ("?", "？")
SENTENCE_ENDS = (".", "?", "!", "。", "？", "！", "।", "…")
_WORD = re.compile(r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])+")  # vowel signs of Indian scripts are not \w


def words_of(text: str) -> list[str]:
    """The words of `text`, lower case, without punctuation."""
    return _WORD.findall(text.lower().replace("-", "").replace("'", "").replace("’", ""))


class Words(NamedTuple):
    """A transcript: the words of the recogniser's current turn, which replace those before. Times are of the clock."""

    text: str
    final: bool = False
    """Whether the recogniser's turn ends with them."""
    eager: bool = False
    """Whether they will probably be all."""
    ended: float = inf
    """When the sound of the last word arrived; infinite if the recogniser does not tell."""
    began: tuple[float, ...] = ()
    """When the sound of each of them began to arrive, if the recogniser tells."""
    others: bool = False
    """Whether there were words of somebody behind the caller, which are left out."""

    def last_began(self, count: int) -> float:
        """When the first of the last `count` words began; the latest that is possible, if that is not told."""
        if count and len(self.began) == len(self.text.split()):
            return self.began[-count]
        return self.ended - SHORTEST * count


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


class _Known(NamedTuple):
    """Answered part of a turn: the words as they were then, from the first one on."""

    words: tuple[str, ...] = ()
    until: float = inf
    """When the sound of the last of them had arrived."""


NOTHING = _Known()


class _Placed(NamedTuple):
    """A word at its place in a turn."""

    word: str
    ended: float
    """When its sound had ended at the latest."""


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
    known: _Known = NOTHING
    answered: int = 0
    """How many of the present words those are."""
    before: _Known = NOTHING
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
    placed: list[_Placed] = field(default_factory=list)
    """The word that was last told for each place, though the present transcript may have taken it back."""

    @property
    def rest(self) -> str:
        return " ".join(self.text.split()[max(self.answered, self.aside) :])

    @property
    def unanswered(self) -> str:
        return " ".join(self.text.split()[self.answered :])

    def places(self, words: Words, numerals: Collection[str]) -> list[_Placed]:
        """The places when the transcript `words` has come.

        What is told again, even after it was taken back, is the same sound; from the first word that is another one on
        the sound is new. A transcript of as many words as the one before only writes them in another way.
        """
        told, rewrites = words.text.split(), len(words.text.split()) == len(self.words.text.split())
        known = 0
        while known < min(len(told), len(self.placed)):
            if not rewrites and not _is_same(self.placed[known].word, told[known], numerals):
                break
            known += 1
        dates = [one.ended for one in self.placed[:known]] + [words.ended] * (len(told) - known)
        taken_back = self.placed[len(told) :] if known == len(told) else []
        return [*map(_Placed, told, dates), *taken_back]

    def keep_echoes(self, text: str) -> None:
        """Only those stay whose words are the same in `text`."""
        if not self.echoes:
            return
        old, new = ([words_of(word) for word in one.split()] for one in (self.text, text))
        self.echoes = [one for one in self.echoes if old[: one.place] == new[: one.place]]


class _Unit(NamedTuple):
    """Unit by which transcripts are compared: a word, or one figure of a number."""

    text: str
    word: int
    """The number of the word that it is or stands in."""
    is_figure: bool
    is_numeral: bool

    @property
    def folded(self) -> str:
        return "#" if self.is_figure or self.is_numeral else self.text


def _units(words: Sequence[str], numerals: Collection[str]) -> list[_Unit]:
    units = []
    for number, word in enumerate(words):
        text = "".join(words_of(word))
        parts = list(text) if text.isdigit() else [text]
        units += [_Unit(part, number, part.isdigit(), part in numerals) for part in parts]
    return units


def _divided(words: list[str], units: list[_Unit], count: int) -> tuple[str, int]:
    """The text of `words`, and how many of its words the first `count` of their `units` are; a number is taken apart
    there."""
    if count >= len(units):
        return " ".join(words), len(words)
    if count <= 0:
        return " ".join(words), 0
    number = units[count].word
    inside = sum(unit.word == number for unit in units[:count])
    if not inside:
        return " ".join(words), number
    figures = [at for at, char in enumerate(words[number]) if char.isdigit()]
    parts = [words[number][: figures[inside]], words[number][figures[inside] :]]
    return " ".join([*words[:number], *parts, *words[number + 1 :]]), number + 1


def _place(text: str, known: _Known, words: Words, numerals: Collection[str]) -> tuple[str, int]:
    """How many of the words of `text`, which the recogniser's `words` say, are those that are known.

    A text that goes on tells it by itself; one that is written in another way, by when the words sounded, else by what
    comes again of it. The text comes with it: figures that were answered in part are taken apart there.
    """
    new = text.split()
    timed = len(words.began) == len(new) > 0 and known.until < inf
    if not known.words or (timed and words.began[0] >= known.until + ANEW):
        return text, 0
    old, told = _units(known.words, numerals), _units(new, numerals)
    figures = {unit.is_figure for unit in (*old, *told) if unit.is_numeral or unit.is_figure}
    wild = len(figures) > 1  # digits as words in one of them, figures in the other: which ones cannot be compared
    one, other = ([unit.folded if wild else unit.text for unit in units] for units in (old, told))
    if one[: len(other)] == other[: len(one)]:
        return _divided(new, told, len(one))
    same = words.ended <= known.until < inf
    if words.others and same:
        return text, len(new)
    if timed:
        count = sum(began < known.until - TOUCHING for began in words.began)
        return text, count if _sound_alike(old, [unit for unit in told if unit.word < count]) else 0
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    last = blocks[-2] if len(blocks) > 1 else blocks[-1]
    # The last word that was answered comes again, at about the same place.
    boundary = last.size > 0 and last.a + last.size == len(old) and abs(last.b - last.a) <= SHIFTED
    if sum(block.size for block in blocks) < ALIKE * min(len(old), len(told)) and not boundary:
        return text, len(new) if same and _sound_alike(old, told) else 0
    return _divided(new, told, last.b + last.size + len(old) - (last.a + last.size))


def _sound_alike(old: list[_Unit], told: list[_Unit]) -> bool:
    """Whether words of one sound are the same in another spelling, and not a correction: "yeah" for "yes", not "no"."""
    if any(unit.is_figure for unit in old) != any(unit.is_figure for unit in told):
        return True
    one, other = (" ".join(unit.text for unit in units) for units in (old, told))
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE


def _is_same(word: str, told: str, numerals: Collection[str]) -> bool:
    """Whether a word comes again, perhaps in another spelling."""
    return word == told or _sound_alike(_units([word], numerals), _units([told], numerals))


class WordLog:
    """The words of one caller."""

    def __init__(self) -> None:
        self._spoken: list[_Spoken] = []
        self._heard: _Spoken | None = None
        self.last_at = -inf
        """When words came last."""
        self.final_at = -inf
        """When the recogniser said last that words were all."""

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
        text, undone = _place(words.text, current.before, words, numerals)
        text, current.answered = _place(text, current.known, words, numerals)
        current.undone = min(undone, current.answered)
        current.keep_echoes(text)
        current.placed = current.places(words, numerals)
        current.text, current.final, current.words, current.aside = text, words.final, words, 0
        if current.rest and current.rest != said:
            self.last_at = now
        if words.final and current.text:
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
                one.known, one.answered = _Known(tuple(words), one.words.ended), len(words)
        return text

    def assent(self) -> None:
        """All of it has only agreed to a notice; the recogniser's open turn needs no answer while it does."""
        for one in self._spoken:
            one.aside, one.assents = len(one.text.split()), not one.final
        self._spoken = [one for one in self._spoken if not one.final]

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
