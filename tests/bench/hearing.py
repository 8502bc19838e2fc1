"""Gates of `agent.hearing`: what stops a reply and what does not, how soon, and its cost: ``make bench AREA=hearing``.

The corpus are the Asterisk prompts (Debian's asterisk-core-sounds-{en,es,fr}-wav), three speakers, over G.711. The
constants were chosen on one half of them; what is printed is of the other (``python -m tests.bench.hearing tune``
prints the first). Noises of the caller are made, not recorded. Without the prompts only the cost is measured.
"""

import math
import sys
import time
from collections.abc import Iterator
from functools import partial

import numpy as np

from agent.hearing.caller import CallerSound
from agent.hearing.changes import Kind
from tests.agent.hearing.lines import AGENT, CALLER, QUIET, heard, line, of
from tests.agent.hearing.mixing import ASTERISK, NOISES, RATE, Sound, at_level, echo, place, ulaw_clip
from tests.agent.hearing.scenes import HALVES, VOICES, lasting, pick, talk
from tests.bench.gate import Gate, percentile

AREA = "hearing"
CALLS = 24
START = Kind.VOICE_STARTED
PAUSED = 1.5
"""Seconds until an agent that was stopped for a voice without words goes on."""


class Corpus:
    """Calls of one half, one after the other with another pair of voices each."""

    def __init__(self, half: str, seed: int) -> None:
        self.half = half
        self.rng = np.random.default_rng([HALVES.index(half), seed])

    def agent(self, number: int, seconds: float) -> Sound:
        """A reply."""
        return talk(self.rng, VOICES[number % 3], self.half, seconds, AGENT)

    def caller(self, number: int, least: float, most: float, dbm0: float) -> Sound:
        """A recording of another voice."""
        return pick(self.rng, lasting(VOICES[(number + 1) % 3], self.half, least, most), dbm0)

    def television(self, number: int, seconds: float, dbm0: float) -> Sound:
        """A third voice, which does not stop."""
        return talk(self.rng, VOICES[(number + 2) % 3], self.half, seconds, dbm0)

    def babble(self, seconds: float, dbm0: float) -> Sound:
        """Six at once."""
        voices = [talk(self.rng, VOICES[number % 3], self.half, seconds, dbm0) for number in range(6)]
        return at_level(sum(voices, np.zeros(len(voices[0]))), dbm0)


def interruptions(
    half: str, *, loss: float = 0.0, television: float = 0.0, babble: float = 0.0, room: float = QUIET
) -> tuple[int, int, list[float]]:
    """Sentences of which nothing was noticed, voices noticed before there was one, and seconds until they were."""
    corpus, missed, early, took = Corpus(half, 1), 0, 0, list[float]()
    for number in range(CALLS):
        agent, at = corpus.agent(number, 12.0), corpus.rng.uniform(4, 8)
        said = corpus.caller(number, 1.2, 12.0, corpus.rng.uniform(CALLER - 4, CALLER + 4))
        parts, subject = [place(len(agent), (at, said))], CallerSound()
        if loss:
            parts.append(echo(agent, corpus.rng, corpus.rng.uniform(0.04, 0.4), loss, room=corpus.rng.choice([0, 0.3])))
        if television:
            parts.append(corpus.television(number, 12.0, CALLER - television))
        if babble:
            parts.append(corpus.babble(12.0, CALLER - babble))
        if television or babble:
            know(subject)
        told = [one.at - at for one in of(heard(subject, line(12.0, corpus.rng, agent, *parts, room=room)), START)]
        early += sum(one < 0 for one in told)
        found = [one for one in told if 0 <= one <= len(said) / RATE]
        took += found[:1]
        missed += not found
    return missed, early, took


def know(subject: CallerSound) -> None:
    """The caller has said something that was answered."""
    said = at_level(ulaw_clip("jfk.wav")[: 4 * RATE], CALLER)
    heard(subject, line(6.0, np.random.default_rng(3), None, place(6 * RATE, (1.0, said))), clock=-10.0)
    subject.confirmed()


def backchannels(half: str, alarms: int) -> tuple[int, int]:
    """Words of up to half a second that stopped a reply, after so many pauses for nothing; of how many."""
    corpus, holes, count = Corpus(half, 2), 0, 0
    for number in range(CALLS):
        agent, subject = corpus.agent(number, 12.0), CallerSound()
        for _ in range(alarms):
            subject.false_alarm()
        words = [(at, corpus.caller(number, 0.15, 0.5, corpus.rng.uniform(-24, -18))) for at in (3.0, 5.5, 8.0)]
        told = of(heard(subject, line(12.0, corpus.rng, agent, place(len(agent), *words))), START)
        holes += sum(any(at <= one.at < at + 1.5 for one in told) for at, _ in words)
        count += len(words)
    return holes, count


def noises(half: str, name: str) -> tuple[int, int]:
    """Noises that stopped a reply, of how many."""
    corpus, holes = Corpus(half, 3), 0
    for number in range(8):
        agent = corpus.agent(number, 12.0)
        made = [(at, NOISES[name](corpus.rng, corpus.rng.uniform(-26, -12))) for at in (3.0, 6.0, 9.0)]
        holes += len(of(heard(CallerSound(), line(12.0, corpus.rng, agent, place(len(agent), *made))), START))
    return holes, 24


def echoes(half: str, loss: float) -> float:
    """Voices a minute on a line on which only the agent speaks."""
    corpus, found = Corpus(half, 4), 0
    for number in range(9):
        agent = corpus.agent(number, 20.0)
        back = echo(agent, corpus.rng, corpus.rng.uniform(0.02, 0.4), loss, room=corpus.rng.choice([0, 0.3, 0.6]))
        found += len(of(heard(CallerSound(), line(20.0, corpus.rng, agent, back)), START))
    return found / 3


def televisions(half: str, below: float, *, known: bool) -> float:
    """Replies a minute that are stopped when only the agent and a television speak; each goes on 1.5 s later.

    `known`, if the caller has spoken before.
    """
    corpus, found = Corpus(half, 5), 0
    for number in range(9):
        agent, subject = corpus.agent(number, 20.0), CallerSound()
        if known:
            know(subject)
        call = line(20.0, corpus.rng, agent, corpus.television(number, 20.0, CALLER - below))
        stopped = -math.inf
        for one in of(heard(subject, call, alarm=PAUSED), START):
            if one.at >= stopped + PAUSED:
                found, stopped = found + 1, one.at
    return found / 3


def answers(half: str) -> tuple[int, int, list[float]]:
    """Single words to a silent agent: missed, of how many, and seconds until they were noticed."""
    corpus, took = Corpus(half, 6), list[float]()
    for number in range(4 * CALLS):
        word = corpus.caller(number, 0.15, 0.5, corpus.rng.uniform(-26, -16))
        told = of(heard(CallerSound(), line(4.0, corpus.rng, None, place(4 * RATE, (2.0, word)))), START)
        took += [one.at - 2.0 for one in told[:1]]
    return 4 * CALLS - len(took), 4 * CALLS, took


def cost(sound: str, *, agent: bool) -> float:
    """Milliseconds of CPU per call-second on a line with this sound of the caller, while the `agent` speaks or not."""
    chance, seconds = np.random.default_rng(1), 60.0
    long = partial(np.resize, new_shape=round(seconds * RATE))
    sounds = {
        "nothing": lambda: np.zeros(round(seconds * RATE)),
        "speech": lambda: long(at_level(ulaw_clip("lv_0880.wav"), CALLER)),
        "rustling": lambda: np.concatenate([NOISES["rustle"](chance, CALLER) for _ in range(90)])[
            : round(seconds * RATE)
        ],
        "an echo": lambda: echo(long(at_level(ulaw_clip("jfk.wav"), AGENT)), chance, 0.15, 20.0),
    }
    said = long(at_level(ulaw_clip("jfk.wav"), AGENT)) if agent else None
    call = line(seconds, chance, said, sounds[sound]())
    began = time.process_time()
    heard(CallerSound(), call)
    return (time.process_time() - began) / seconds * 1000


def gates(half: str = "report") -> Iterator[Gate]:
    """All of them."""
    gate = partial(Gate, AREA)
    cost("speech", agent=True)  # the model is loaded
    for sound, agent, goal in (
        ("nothing", False, 0.5), ("nothing", True, 5.0), ("speech", False, 5.0), ("speech", True, 5.0),
        ("rustling", True, 5.0), ("an echo", True, 5.0),
    ):  # fmt: skip
        spent = min(cost(sound, agent=agent) for _ in range(3))
        name = f"CPU, the caller's line has {sound}, the agent {'speaks' if agent else 'is silent'}"
        yield gate(name, f"{spent:.2f} ms per call-second", f"<= {goal} ms", spent <= goal)
    if not ASTERISK.exists():
        return
    lines: tuple[tuple[str, dict[str, float]], ...] = (
        ("a clean line", {}), ("a car", {"room": -40.0}), ("echo of -20 dB", {"loss": 20.0}),
        ("a television 10 dB below", {"television": 10.0}), ("babble 10 dB below", {"babble": 10.0}),
    )  # fmt: skip
    for name, kind in lines:
        missed, early, took = interruptions(half, **kind)
        late = f"p50 {percentile(took, 0.5) * 1000:.0f} p95 {percentile(took, 0.95) * 1000:.0f} ms"
        met = percentile(took, 0.5) <= 0.25 and percentile(took, 0.95) <= 0.45 and missed <= 0.02 * CALLS
        measured = f"{late}, {missed} of {CALLS} missed, {early} too early"
        yield gate(f"interruption, {name}", measured, "p50 <= 250, p95 <= 450 ms, missed <= 2 %", met)
    for alarms in (0, 1):
        holes, count = backchannels(half, alarms)
        name = f"words under 0.5 s that stop a reply, after {alarms} for nothing"
        yield gate(name, f"{holes} of {count}", "<= 20 %", holes <= 0.2 * count)
    for name in NOISES:
        holes, count = noises(half, name)
        yield gate(f"{name} that stops a reply", f"{holes} of {count}", "<= 20 %", holes <= 0.2 * count)
    for loss in (10.0, 20.0, 30.0):
        found = echoes(half, loss)
        yield gate(f"echo of -{loss:.0f} dB taken for a voice", f"{found:.1f} a minute", "0", not found)
    for below in (20.0, 10.0):
        for known in (True, False):
            found = televisions(half, below, known=known)
            name = f"television {below:.0f} dB below, caller {'known' if known else 'not heard yet'}"
            goal = 1.0 if known else 3.0
            yield gate(name, f"{found:.1f} a minute", f"<= {goal:.0f} a minute", found <= goal)
    missed, count, took = answers(half)
    measured = f"{missed} of {count} missed, p50 {percentile(took, 0.5) * 1000:.0f} ms"
    yield gate("one word to a silent agent", measured, "missed <= 5 %", missed <= 0.05 * count)


if __name__ == "__main__":
    for one in gates(*sys.argv[1:]):
        print(one, flush=True)
