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
"""So many different words may be a backchannel although some of them say something; more only if none does."""
SHORT_SOUND = 1.0
"""Seconds of voice that a backchannel takes at most."""
REPEATED = 3
"""So many words in a row that the agent has just said are its echo, on a line whose echo is not measured."""
AROUND = 0.5
"""Seconds by which a recogniser may misplace words."""
ALIKE = 0.5
"""Share of words without a voice that the agent has just said, so that they are its echo on a line that is not known
yet: a recogniser mishears some words of an echo, and a voice may be noticed late."""
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
    """Present or last words of the agent: a sentence and the one before."""
    asks: bool
    """Whether that asks the caller something."""
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
    """Seconds by which the caller began to speak after the first of the words, or more; below 0 before it."""


def judge(text: str, scene: Scene, lexicon: Lexicon, *, final: bool, eager: bool = False) -> tuple[Verdict, str]:
    """Verdict on these words, and its evidence.

    What counts are the words that do not acknowledge: one of them that interrupts, or any if there are more than two
    words. Whoever says a number chooses or dictates something. While the last word may be cut off, or
    go on ("no" in "no problem"), it is taken for what it may be; `eager` words are probably all.
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
    """Why the words are an echo; None if they are not."""
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
    """Whether so many of the words were said, too, that they may be an echo; the last one is perhaps cut off."""
    return _share(text, said) >= ALIKE


def repeats_most(text: str, said: str) -> bool:
    """Whether more of them were said, too, than the small words that any two sentences share."""
    return _share(text, said) > ALIKE


def _share(text: str, said: str) -> float:
    """Of the words, the part that was said, too."""
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
    """Whether the words stand in what was said, the last one perhaps cut off."""
    return f" {' '.join(words)}" in f" {' '.join(said)}"
