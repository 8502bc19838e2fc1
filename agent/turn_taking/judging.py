"""Judges words of the caller while the agent speaks: an interruption, a backchannel, or an echo of the agent."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from math import inf

from agent.hearing.echo_path import Path
from agent.turn_taking.expect import BETWEEN, REPEATS
from agent.turn_taking.lexicon import Lexicon
from agent.turn_taking.words import EARLY, SENTENCE_ENDS, words_of

SHORT_WORDS = 2
"""Most different words of a backchannel, if one of them says something; if none does, a backchannel may be longer."""
SHORT_SOUND = 1.0
"""Seconds of voice that a backchannel takes at most."""
REPEATED = 3
"""Number of words in a row that the agent has just said, from which on they are its echo. It is for a line whose echo
is not measured."""
AROUND = 0.5
"""Seconds by which the times that a recogniser gives for words may be wrong."""
ALIKE = 0.5
"""Share of words that the agent has just said, from which on words without a voice are its echo. It is for a line that
is not known yet: a recogniser mishears some words of an echo, and a voice may be noticed late."""
TAIL = 0.6
"""Seconds after the agent's last sound in which an echo of it may end."""


class Verdict(Enum):
    """The judgement of words."""

    CALLER = "words of the caller"
    BACKCHANNEL = "backchannel"
    GREETING = "a greeting that is being answered"
    ECHO = "echo"
    UNDECIDED = "too little to tell"


@dataclass(frozen=True)
class Scene:
    """The situation in which the words come."""

    said: str
    """The agent's present or last sentence, and the one before it."""
    asks: bool
    """Whether the agent's words ask the caller something."""
    speaking: bool
    """Whether the agent speaks, or has paused."""
    silent_for: float
    """Seconds from the agent's last sound to the end of the words; 0 while it speaks."""
    voice: float
    """Seconds of the caller's voice since their last words."""
    path: Path | None
    """Whether the agent's sound comes back: where that is measured, a voice is the caller's; None if it is not."""
    apart: float
    """Seconds between the end of the words and the caller's voice; 0 if they came with it."""
    late: float = -inf
    """Seconds, at least, from the beginning of the first word to the beginning of the caller's voice; below 0 if the
    voice began first."""


def judge(text: str, scene: Scene, lexicon: Lexicon, *, final: bool, eager: bool = False) -> tuple[Verdict, str]:
    """Verdict on these words, and its evidence.

    Only words that do not acknowledge count: a single one if it interrupts, otherwise more than two words. A caller who
    says a number chooses or dictates something.

    While the last word may be cut off or go on ("no" in "no problem"), it is taken for any word that it may become.
    `eager` words are probably complete.
    """
    words = words_of(text)
    if (why := echo(text, scene)) is not None:
        return Verdict.ECHO, why
    if not scene.speaking:
        return Verdict.CALLER, ""
    said = set(words).difference(lexicon.fillers)
    if not said:
        return Verdict.BACKCHANNEL, "a sound that answers nothing"
    whole = final or eager or text.rstrip().endswith(SENTENCE_ENDS)
    content = lexicon.content(text, final=whole)
    if found := lexicon.interruption(content):
        return Verdict.CALLER, f"interrupts: {found}"
    number, numerals = said.difference(lexicon.nods), lexicon.numerals
    if _is_number(number, numerals) and (scene.path is Path.CLEAN or not _may_repeat(number, scene.said, numerals)):
        return Verdict.CALLER, "a number"
    if scene.asks:
        return Verdict.CALLER, "into a question"
    listens = lexicon.listens(text, final=whole)
    if len(said) > SHORT_WORDS and not listens and (content or whole):
        return Verdict.CALLER, f"{len(words)} words"
    if not final:
        return Verdict.UNDECIDED, f"{len(words)} words into a statement"
    if scene.voice > SHORT_SOUND and not listens:
        return Verdict.CALLER, f"voice for {1000 * scene.voice:.0f} ms"
    return Verdict.BACKCHANNEL, f"{len(words)} words into a statement, voice for {1000 * scene.voice:.0f} ms"


def echo(text: str, scene: Scene) -> str | None:
    """Reason why the words are an echo of the agent; None if they are not."""
    if scene.path is Path.CLEAN or scene.silent_for > TAIL:
        return None
    words = words_of(text)
    if scene.path is Path.ECHO and scene.apart > AROUND:
        other = len(words) >= REPEATED and not repeats(text, scene.said)  # a soft caller, whose voice is not noticed
        return None if other else "no voice of the caller"
    into_its_end = scene.late > EARLY and repeats_most(text, scene.said)
    match scene.path:
        case Path.UNKNOWN:
            found = into_its_end or (scene.apart > 0.0 and repeats(text, scene.said))
        case Path.ECHO:
            found = into_its_end or (scene.apart > 0.0 and _in(words, words_of(scene.said)))
        case _:
            found = len(words) >= REPEATED and _in(words, words_of(scene.said))
    return "repeats the agent" if found else None


def repeats(text: str, said: str) -> bool:
    """Whether the agent has said so many of the words that they may be its echo; the last word may be cut off."""
    return _share(text, said) >= ALIKE


def repeats_most(text: str, said: str) -> bool:
    """Whether the agent has said more of the words than the small ones that any two sentences share."""
    return _share(text, said) > ALIKE


def _share(text: str, said: str) -> float:
    """Share of the words in `text` that are also in `said`, 0 to 1."""
    words, known = words_of(text), words_of(said)
    told = set(known).union(last for last in words[-1:] if any(one.startswith(last) for one in known))
    return sum(word in told for word in words) / (len(words) or 1)


def _is_number(words: Collection[str], numerals: Collection[str]) -> bool:
    known = [word for word in words if word in numerals or word.isdigit()]
    return len(known) == len(words) and not BETWEEN.union(REPEATS).issuperset(known)


def _may_repeat(number: Collection[str], said: str, numerals: Collection[str]) -> bool:
    """Whether the agent may have said the words of a number.

    Figures and digits as words cannot be compared: figures may be any digits, if the agent has said several.
    """
    known = words_of(said)
    together = "".join(known)
    figures, spelled = any(map(str.isdigit, together)), sum(word in numerals for word in known) > 1
    return all(word in together or (spelled if word.isdigit() else figures) for word in number)


def _in(words: list[str], said: list[str]) -> bool:
    """Whether the words stand in `said` in a row; the last one may be cut off."""
    return f" {' '.join(words)}" in f" {' '.join(said)}"
