"""What a call was like, judged from both sides' sound and the agent's memory alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sipgw.tools.evaluation.words import plain, wrong_words
from tests.bench.turns.agent_side import words_of
from tests.bench.turns.call import THINKING, Held, Spoken, clip_for
from tests.bench.turns.corpus import FRAME
from tests.bench.turns.line import TICK

TALKS = 10
"""Frames (0.2 s) of the agent that are speech and not a click."""
HOLE = 15
"""Frames (0.3 s) of silence in a reply that are a hole."""
DEAD = 1.0
"""Seconds for which both may be silent; a longer silence counts whole."""


def runs(flags: Sequence[bool], first: int, last: int) -> list[tuple[int, int]]:
    """Where they are true, as pairs of first and after last, between the two frames."""
    found: list[tuple[int, int]] = []
    for frame in range(max(0, first), min(last, len(flags))):
        if flags[frame]:
            if found and found[-1][1] == frame:
                found[-1] = found[-1][0], frame + 1
            else:
                found.append((frame, frame + 1))
    return found


def sounded(held: Held, first: int, last: int) -> int:
    """Frames of the agent that were heard in that stretch."""
    return sum(held.line.sounding[max(0, first) : last])


def latency(held: Held, spoken: Spoken, limit: float = 8.0) -> float | None:
    """Seconds until the agent spoke for 0.2 s within half a second, without the model's; None if it was cut off or
    never did."""
    if sounded(held, spoken.last - 10, spoken.last):
        return None
    end = spoken.last + round(limit / TICK)
    for first, _ in runs(held.line.sounding, spoken.last, end):
        if sounded(held, first, first + 25) >= TALKS:
            return (first - spoken.last) * TICK - THINKING
    return None


def first_second(held: Held, spoken: Spoken, limit: float = 20.0) -> float | None:
    """Seconds until the reply began whose first second was heard without a break, without the model's."""
    for first, last in runs(held.line.playout.busy, spoken.last, spoken.last + round(limit / TICK)):
        if (last - first) * TICK >= 1.0:
            return (first + 1 - spoken.last) * TICK - THINKING
    return None


def into(held: Held, pause: tuple[int, int]) -> int:
    """Frames of the agent in a pause of the caller."""
    return sounded(held, *pause)


def ended_by_recogniser(held: Held, pause: tuple[int, int]) -> bool:
    """Whether the recogniser itself ended the turn in that pause; True if it does not tell."""
    ended = getattr(held.recogniser, "ended", None)
    return ended is None or any(pause[0] <= heard // FRAME - held.line.wire.later <= pause[1] for heard in ended)


@dataclass(frozen=True)
class Fate:
    """What a reply went through from some moment on."""

    complete: bool
    hole: float
    """Seconds, the longest."""

    @property
    def passed(self) -> bool:
        return self.complete and self.hole <= HOLE * TICK


def said_whole(held: Held, number: int, sentence: str) -> bool:
    """Whether that utterance is this sentence, or the recording that stands for it, and was played to its end."""
    text, length = held.line.said(number)
    known = text in (clip_for(sentence).text, " ".join(words_of(sentence)))
    return known and held.line.playout.reached[number] >= 0.95 * length


def fate(held: Held, text: str, utterances: range, onset: int, until: int) -> Fate:
    """Of the reply `text` that is among these utterances; `onset` is when something happened to it."""
    playout = held.line.playout
    numbers = [number for number in playout.reached if number in utterances]
    complete = all(any(said_whole(held, number, sentence) for number in numbers) for sentence in text.split("|"))
    played = runs(playout.busy, onset - HOLE, until)
    gaps = [(later[0] - earlier[1]) * TICK for earlier, later in pairwise(played)]
    return Fate(complete, max(gaps, default=0.0))


def missed(held: Held, spoken: Spoken, text: str, utterances: range, until: int) -> bool:
    """Whether an interruption of the reply `text` did not end it: the agent spoke through all of it, spoke again before
    it was over, or said the whole reply all the same."""
    quiet = silence_after(held, spoken)
    if quiet is None or fate(held, text, utterances, spoken.first, until).complete:
        return True
    return sounded(held, spoken.first + round(quiet / TICK) + HOLE, spoken.last) >= TALKS


def silence_after(held: Held, spoken: Spoken) -> float | None:
    """Seconds from the onset of an interruption to the agent's silence of 0.3 s; None if it spoke through all of it."""
    frame, quiet = spoken.first, 0
    while frame < spoken.last:
        quiet = 0 if held.line.playout.busy[frame - 1] else quiet + 1
        if quiet == HOLE:
            return max(0.0, (frame + 1 - HOLE - spoken.first) * TICK)
        frame += 1
    return None


def voiced(held: Held) -> list[bool]:
    """For each frame whether the caller is speaking; put-in pauses are not speech."""
    found = [False] * len(held.line.sounding)
    for spoken in held.spoken:
        found[spoken.first : spoken.last] = [True] * (spoken.last - spoken.first)
        for first, last in spoken.pauses:
            found[first:last] = [False] * (last - first)
    return found[: len(held.line.sounding)]


def dead_air(held: Held) -> float:
    """Seconds of silences of more than a second; pauses within a turn are the caller's."""
    theirs = [False] * len(held.line.sounding)
    for spoken in held.spoken:
        theirs[spoken.first : spoken.last] = [True] * (spoken.last - spoken.first)
    pairs = zip(held.line.sounding, theirs, strict=False)
    silent = [not agent and not caller for agent, caller in pairs]
    lengths = [(last - first) * TICK for first, last in runs(silent, 0, len(silent))]
    return sum(length for length in lengths if length > DEAD)


def talk_over(held: Held) -> float:
    """Seconds in which both spoke."""
    return TICK * sum(agent and caller for agent, caller in zip(held.line.sounding, voiced(held), strict=False))


def characters(text: str) -> list[str]:
    """Digits and single letters; "oh" is zero."""
    return [("0" if word == "oh" else word) for word in plain(text)]


def doubled_and_lost(held: Held) -> tuple[int, int, int]:
    """Words that memory has too often and that it lacks, and how many the caller said.

    A word counts as doubled only together with its neighbour, so that one misheard word is not taken for another; and
    not if the recogniser itself has told it so often, as "w w w" for "w w": that is a wrong letter.
    """
    said = [word for spoken in held.spoken for word in plain(spoken.clip.text)]
    kept = [word for message in held.memory for word in plain(message)]
    told = [word for text in getattr(held.recogniser, "finals", ()) for word in plain(text)]
    want, got = Counter(pairwise(said)), Counter(pairwise(kept))
    want |= Counter({pair: count for pair, count in Counter(pairwise(told)).items() if pair in want})
    doubled = sum(count - want[pair] for pair, count in got.items() if 0 < want[pair] < count)
    lost = sum((Counter(said) - Counter(kept)).values())
    return doubled, lost, len(said)


def invented(held: Held) -> int:
    """Turns in memory that have less than half of their words from the caller."""
    said = {word for spoken in held.spoken for word in plain(spoken.clip.text)}
    found = 0
    for message in held.memory:
        words = plain(message)
        found += bool(words) and sum(word in said for word in words) < len(words) / 2
    return found


def reached_model(held: Held) -> int:
    """How many of the caller's utterances are in memory with at least half of their words."""
    kept = Counter(word for message in held.memory for word in plain(message))
    found = 0
    for spoken in held.spoken:
        words = Counter(plain(spoken.clip.text))
        found += sum((words & kept).values()) >= sum(words.values()) / 2
    return found


def wrong_characters(said: str, kept: str) -> tuple[int, int, bool]:
    """Wrong digits or letters, how many were said, and whether the recogniser looped: half as many again, repeated."""
    want, got = characters(said), characters(kept)
    return wrong_words(got, want), len(want), len(got) >= 1.5 * len(want) and loops(got)


def loops(words: list[str]) -> bool:
    """Whether three words or more come again at once, twice or more."""
    joined = f" {' '.join(words)} "
    return any(
        f" {' '.join(words[at : at + size] * 3)} " in joined for size in range(2, 7) for at in range(len(words) - size)
    )


def area(cut: Sequence[tuple[float, float]], late: Sequence[float], turns: int) -> float:
    """Cut-offs and latency as one number from 0 (best): the areas under two curves over the seconds since the caller
    fell silent, which are the share of pauses of that length that are cut off, and the share of finished turns that
    still wait for their answer; divided by the seconds. An agent that only waits for so much silence has 1, whatever
    it waits for."""
    curve = [(0.0, 0.0), *cut]
    longest = curve[-1][0]
    exposed = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairwise(curve))
    waits = [min(longest, max(0.0, one)) for one in late] + [longest] * (turns - len(late))
    return (exposed + sum(waits) / max(1, len(waits))) / longest
