"""The answer that the agent has asked for, and how much of it the caller has said."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from agent.turn_taking.lexicon import Lexicon
from agent.turn_taking.words import words_of


class Kind(Enum):
    """A kind of answer."""

    OPEN = "open"
    YES_NO = "yes_no"
    DIGITS = "digits"
    SPELLING = "spelling"
    EMAIL = "email"
    DATE = "date"


IN_PARTS = (Kind.DIGITS, Kind.SPELLING, Kind.EMAIL)
"""Kinds that people say in parts, with pauses of a second between."""
NO_WORDS = Lexicon()
REPEATS = {
    **dict.fromkeys(("double", "doble", "doppel", "doppelt", "duplo", "dupla", "doppio", "doppia", "डबल"), 2),
    **dict.fromkeys(("triple", "dreifach", "triplo", "tripla", "ट्रिपल"), 3),
}
"""Words that repeat the digit or letter after them, and how often it is said."""
AT = frozenset(("at", "arroba", "arobase", "ät", "klammeraffe", "chiocciola", "ऐट", "एट"))
DOT = frozenset(("dot", "punto", "point", "punkt", "ponto", "डॉट"))
BETWEEN = AT.union(DOT, ("dash", "hyphen", "underscore", "slash", "guion", "barra", "tiret", "bindestrich", "traço"),
                   ("trattino",))  # fmt: skip
"""Words between the parts of a number or an address, as words."""
AND = frozenset(("and", "und", "et", "y", "e"))
"""Words between tens and a digit."""
NAMES = frozenset(("as", "in", "like", "for", "wie", "von", "comme", "como", "come", "de", "di"))
"""Words between a letter and its name."""
VOWELS = frozenset("aeiouyàèéóôù")
"""Letters that are words by themselves, as "I": they are letters only beside others, or named, or alone."""
PROVIDER = 2
"""Number of words that may stand between "at" and the first "dot" of an address, as in "g mail"."""
_WITHIN = re.compile(r"(?<=\w)\.(?=\w)")
_KEYS = re.compile(r"\[pressed [^]]*]")


@dataclass(frozen=True)
class Expected:
    """The kind of answer to what the agent says, and how many digits or letters it has, if that is known."""

    kind: Kind = Kind.OPEN
    length: int | None = None

    @property
    def has_end(self) -> bool:
        """Whether the digits or letters themselves tell when the answer is whole."""
        return self.length is not None

    def is_whole(self, text: str, have: int) -> bool:
        """Whether `text`, which has `have` digits or letters, is the whole answer."""
        return self.length is not None and have >= self.length

    def ends_with(self, keys: str) -> bool:
        """Whether the pressed `keys` are the whole answer, so that nobody has to wait for another key."""
        return self.is_whole(keys, len(keys))

    def __post_init__(self) -> None:
        if self.length is not None and not 1 <= self.length <= 64:
            raise ValueError("length is from 1 to 64")

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """JSON schema of such a text for a model: the pattern of a row of digits."""
        schema: dict[str, Any] = handler(core_schema)
        if schema.get("type") == "string" and self.kind is Kind.DIGITS and self.length:
            schema["pattern"] = f"^[0-9]{{{self.length}}}$"
        return schema


class AnswerProgress(Enum):
    """How much of an expected answer there is."""

    NONE = "not that"
    PART = "a part of it"
    WHOLE = "all of it"
    UNKNOWN = "it may be all"


OPEN = Expected()


def characters(text: str, lexicon: Lexicon = NO_WORDS, *, letters: bool = True) -> int:
    """How many characters `text` spells: "7 3", "73", "seven three" and "seventy three" have two each, "double five"
    two, "dash" and other words none.

    Single letters count only with `letters`; "S as in Sierra" is one.
    """
    sounds = lexicon.fillers - lexicon.digits
    words = [word for word in words_of(_KEYS.sub(" ", text)) if word not in BETWEEN and word not in sounds]
    count, at, behind = 0, 0, False
    while at < len(words):
        found, taken = _spelled(words[at : at + 4], lexicon, behind=behind, first=at == 0, letters=letters)
        count, at, behind = count + found, at + taken, found > 0
    return count


def _spelled(words: list[str], lexicon: Lexicon, *, behind: bool, first: bool, letters: bool) -> tuple[int, int]:
    """How many characters the words at the beginning of `words` spell, and how many words those are. `behind`: another
    character stands before them; `first`: they begin the text."""
    word, after = words[0], words[1] if words[1:] else ""
    follows = after in lexicon.digits or after.isdigit() or (letters and len(after) == 1)
    if any(map(str.isdigit, word)):
        return (len(word) if letters else sum(map(str.isdigit, word))), 1
    if word in REPEATS:
        return (REPEATS[word], 2) if follows else (0, 1)
    if word in lexicon.teens:
        return 2, 1
    if word in lexicon.tens:
        joint = after in AND and words[2:] and words[2] in lexicon.digits
        return 2, 3 if joint else 2 if after in lexicon.digits else 1
    if word in lexicon.digits:  # one that is a sound, too, is a digit beside others: "oh, it is four" begins with none
        return int(word not in lexicon.fillers or behind or (follows and not first)), 1
    if not letters or len(word) > 1:
        return 0, 1
    name = next((at for at, other in enumerate(words[1:], 1) if other not in NAMES), 0)
    if name > (word in VOWELS) and len(words[name]) > 1 and words[name].startswith(word):
        return 1, name + 1
    return int(word not in VOWELS or behind or follows or (first and not after)), 1


def _is_corrected(text: str, lexicon: Lexicon, *, letters: bool) -> bool:
    """Whether the caller takes characters back, as in "four two, no, four three". Then their number tells nothing."""
    words = words_of(_KEYS.sub(" ", text))
    last = max((at for at, word in enumerate(words) if word in lexicon.interrupts - NAMES), default=0)
    return characters(" ".join(words[:last]), lexicon, letters=letters) > 0


def _is_address(text: str) -> bool:
    """Whether an e-mail address is complete, in written or in spoken form: "john at example dot com"."""
    words = words_of(_WITHIN.sub(" dot ", text).replace("@", " at "))
    signs = [number for number, word in enumerate(words[:-3]) if word in AT and number]
    if not signs or words[-2] not in DOT or not words[-1].isalpha() or len(words[-1]) < 2:
        return False
    first = next(number for number, word in enumerate(words) if number > signs[-1] and word in DOT)
    return 1 <= first - signs[-1] - 1 <= PROVIDER


def kind_of(text: str, numerals: Collection[str] = ()) -> Kind:
    """Kind of answer that `text` looks like: digits, an address of e-mail, single letters; else `Kind.OPEN`.

    `numerals` are digits as words, of a recogniser that writes no figures.
    """
    words = words_of(text)
    if "@" in text:
        return Kind.EMAIL
    figures = [word for word in words if word in numerals or any(map(str.isdigit, word))]
    if len(figures) > len(words) / 2 and sum(1 if word in numerals else len(word) for word in figures) > 1:
        return Kind.DIGITS
    letters = [word for word in words if len(word) == 1]
    return Kind.SPELLING if len(letters) >= 2 and len(letters) > len(words) / 2 else Kind.OPEN


def progress(expected: Expected, text: str, lexicon: Lexicon = NO_WORDS) -> tuple[AnswerProgress, str]:
    """How much of what is expected `text` is, as a state and as words for the record: "digits 6 of 10"."""
    kind = expected.kind
    if kind is Kind.OPEN or not words_of(text):
        return AnswerProgress.NONE, ""
    if kind is Kind.YES_NO:
        return (AnswerProgress.WHOLE if lexicon.answers_yes_or_no(text) else AnswerProgress.NONE), "yes or no"
    if kind is Kind.EMAIL:
        return (AnswerProgress.WHOLE if _is_address(text) else AnswerProgress.PART), "e-mail"
    if kind is Kind.DATE:
        return AnswerProgress.UNKNOWN, "date"
    have = characters(text, lexicon, letters=kind is Kind.SPELLING)
    if not have:
        return AnswerProgress.NONE, ""
    if _is_corrected(text, lexicon, letters=kind is Kind.SPELLING):
        return AnswerProgress.PART, f"{kind.value}, corrected"
    state = AnswerProgress.WHOLE if expected.is_whole(text, have) else AnswerProgress.PART
    return state, f"{kind.value} {have}" if expected.length is None else f"{kind.value} {have} of {expected.length}"
