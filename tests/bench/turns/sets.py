"""The sets: what callers do to the agent, and the figures that come of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.gate import percentile
from tests.bench.turns import compose, measures
from tests.bench.turns.call import Caller, Held, Hold, Place, Script, Spoken, held_call, hold_conversation
from tests.bench.turns.corpus import LEVEL, RATE, Clip, characters, prompts, sentences
from tests.bench.turns.line import TICK, Echo, Room, Wire

PAUSES = (0.4, 0.7, 1.0, 1.5)
GROUPS = (0.6, 0.9, 1.2)
LATE = (2.6, 3.4, 3.8, 4.4)
"""Pauses longer than some limits: of the agent, of the recogniser."""
SHORT = "Please try again."
LONG = (
    "Your call is now first in line and will be answered by the next available representative.|Press one to accept "
    "this recording press two to listen to it press three to rerecord your message."
)
QUESTIONS = ("What is your order number?", "Go ahead and tell me please.")
"""One has a word that asks for a dictation, one has none."""
Figures = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """One column: a recogniser, a part of the corpus, how much of it, and whose agent."""

    kind: Callable[[Wire], Any]
    part: str = "dev"
    scale: float = 1.0
    hold: Hold = hold_conversation
    place: Place = held_call

    def call(self, script: Script, room: Room | None = None) -> Held:
        return self.place(script, self.kind, room, self.hold)

    def many(self, count: int) -> int:
        """So many, for a bench of this scale; at least one."""
        return max(1, round(count * self.scale))

    def clips(self, count: int, at: int = 0) -> list[Clip]:
        """So many sentences, others for other `at`."""
        known = sentences(self.part)
        order = compose.rng("order", self.part).permutation(len(known))
        return [known[order[(at + number) % len(known)]] for number in range(count)]


def share(part: float, whole: float) -> float:
    """Per cent."""
    return 100 * part / whole if whole else float("nan")


def batches(clips: list[Clip], size: int = 5) -> Iterator[list[Clip]]:
    for at in range(0, len(clips), size):
        yield clips[at : at + size]


def dialogue(clips: list[Clip], reply: str = SHORT) -> Script:
    """The caller says one after the other and hears what the agent answers."""

    async def script(caller: Caller) -> None:
        for clip in clips:
            await caller.ready()
            caller.reply = reply
            await caller.say(clip)
            await caller.answered()
        await caller.ready()

    return script


def complete_turns(bench: Bench) -> Figures:
    """Whole sentences, and sentences with a pause; one curve of both."""
    late: list[float] = []
    firm: list[float] = []
    cut = turns = doubled = lost = words = 0
    for clips in batches(bench.clips(bench.many(15))):
        held = bench.call(dialogue(clips))
        for spoken in held.spoken:
            turns += 1
            cut += measures.sounded(held, spoken.first + 5, spoken.last) >= measures.TALKS
            late += [found for found in [measures.latency(held, spoken)] if found is not None]
            firm += [found for found in [measures.first_second(held, spoken)] if found is not None]
        more, fewer, said = measures.doubled_and_lost(held)
        doubled, lost, words = doubled + more, lost + fewer, words + said
    found = {
        "complete turns cut off %": share(cut, turns),
        "complete turns answered %": share(len(late), turns),
        "reply latency p50 ms": 1000 * percentile(late, 0.5),
        "reply latency p95 ms": 1000 * percentile(late, 0.95),
        "first second heard p50 ms": 1000 * percentile(firm, 0.5),
        "first second heard p95 ms": 1000 * percentile(firm, 0.95),
        "words lost in memory %": share(lost, words),
        "words doubled in memory": doubled,
    }
    return found | pauses(bench, late, turns)


def pauses(bench: Bench, late: list[float], turns: int) -> Figures:
    """Sentences with a pause put in."""
    found: Figures = {}
    points, clicks, all_pauses, ours = [], 0, 0, 0
    for number, length in enumerate(PAUSES):
        cut, count = 0, 0
        clips = [compose.paused(clip, length) for clip in bench.clips(bench.many(10), 7 * number)]
        for some in batches(clips):
            held = bench.call(dialogue(some))
            for pause in [one for spoken in held.spoken for one in spoken.pauses]:
                frames = measures.into(held, pause)
                count += 1
                cut += frames >= measures.TALKS
                ours += frames >= measures.TALKS and not measures.ended_by_recogniser(held, pause)
                clicks += 0 < frames < measures.TALKS
        found[f"cut off in pauses of {length} s %"] = share(cut, count)
        points.append((length, cut / max(1, count)))
        all_pauses += count
    return found | {
        "clicks in pauses %": share(clicks, all_pauses),
        "cut off before the recogniser ended the turn %": share(ours, all_pauses),
        "area of cut-offs and latency": measures.area(points, late, turns),
    }


def dictations(bench: Bench) -> Figures:
    """Digits and letters in groups."""
    found: Figures = {}
    wrong = {"digits": [0, 0], "letters": [0, 0]}
    whole = cut = count = looped = doubled = 0
    for pause in GROUPS:
        cut_here = here = 0
        for kind, known, question, number in _dictated(bench, pause):
            clip = compose.dictated(f"{kind}{number}{pause}{bench.part}", known, (3, 3, 4), pause)
            held = bench.call(asked(bench, clip, question))
            spoken = held.spoken[-1]
            cut_here += any(measures.into(held, one) >= measures.TALKS for one in spoken.pauses)
            here += 1
            want = measures.characters(clip.text)
            whole += any("".join(want) in "".join(measures.characters(message)) for message in held.memory)
            errors, said, loop = measures.wrong_characters(clip.text, " ".join(held.memory[1:]))
            wrong[kind][0] += errors
            wrong[kind][1] += said
            looped += loop
            doubled += measures.doubled_and_lost(held)[0]
        found[f"dictations cut off at {pause} s %"] = share(cut_here, here)
        cut, count = cut + cut_here, count + here
    return found | {
        "dictations cut off %": share(cut, count),
        "dictations complete in one turn %": share(whole, count),
        "digits wrong %": share(*wrong["digits"]),
        "letters wrong %": share(*wrong["letters"]),
        "loops of the recogniser": looped,
        "words doubled in dictations": doubled,
    }


def expected(bench: Bench) -> Figures:
    """Ten digits or letters in groups, where the model calls `expect`, with the right length, none, or a wrong one."""
    found: Figures = {}
    for length, name in ((10, "of 10"), (0, "without a length"), (12, "of 12"), (6, "of 6")):
        cut, late, count = 0, list[float](), 0
        for pause in GROUPS:
            for kind, known, question, number in _dictated(bench, pause):
                clip = compose.dictated(f"{kind}{number}{pause}{bench.part}", known, (3, 3, 4), pause)
                wanted = f"expect({'digits' if kind == 'digits' else 'spelling'}, {length})"
                held = bench.call(asked(bench, clip, f"{question}|{wanted}"))
                spoken = held.spoken[-1]
                cut += any(measures.into(held, one) >= measures.TALKS for one in spoken.pauses)
                late += [seconds for seconds in [measures.latency(held, spoken)] if seconds is not None]
                count += 1
        found[f"dictations after expect {name}: cut off %"] = share(cut, count)
        found[f"dictations after expect {name}: reply latency p50 ms"] = 1000 * percentile(late, 0.5)
    return found


def _dictated(bench: Bench, pause: float) -> Iterator[tuple[str, list[Clip], str, int]]:
    for kind, count in (("digits", bench.many(4)), ("letters", bench.many(2))):
        speakers = characters(bench.part, kind)
        for number in range(count if speakers else 0):
            yield kind, speakers[number % len(speakers)], QUESTIONS[(number // 2) % 2], number


def asked(bench: Bench, clip: Clip, question: str) -> Script:
    async def script(caller: Caller) -> None:
        await caller.ready()
        caller.reply = question
        await caller.say(bench.clips(1, len(clip.words))[0])
        await caller.answered()
        await caller.ready()
        caller.reply = SHORT
        await caller.say(clip)
        await caller.answered()
        await caller.ready()

    return script


Made = list[tuple[Held, Spoken, str, range, int]]
"""What was said into replies: the call, the sound, the reply, the utterances that it is among, its last frame."""


def into_replies(bench: Bench, sounds: list[Clip], after: float) -> Made:
    """Each sound is made when the agent has spoken for so long."""
    found: Made = []
    for number, some in enumerate(batches(sounds, 4)):
        notes: list[tuple[Spoken, range, int]] = []
        held = bench.call(_over(bench, some, after + 0.3 * (number % 4), notes), Room(number))
        found += [(held, spoken, LONG, utterances, until) for spoken, utterances, until in notes]
    return found


def _over(bench: Bench, sounds: list[Clip], after: float, notes: list[tuple[Spoken, range, int]]) -> Script:
    async def script(caller: Caller) -> None:
        for sound, clip in zip(sounds, bench.clips(len(sounds), len(sounds[0].sound) % 13), strict=True):
            await caller.ready()
            before = max(caller.held.line.playout.reached, default=0)
            caller.reply = LONG
            await caller.say(clip)
            await caller.answered()
            if await caller.speaks(after):
                caller.reply = SHORT  # what answers the sound is not the reply again
                spoken = await caller.say(sound)
                await caller.ready()
                last = max(caller.held.line.playout.reached)
                notes.append((spoken, range(before + 1, last + 1), caller.now))

    return script


def listening_sounds(bench: Bench) -> Figures:
    """Backchannels and noises while the agent speaks."""
    known = compose.murmurs()
    murmurs = [known[number % len(known)] for number in range(bench.many(len(known)))]
    first = 0 if bench.part == "dev" else 100
    made = {
        kind: [compose.noise(kind, first + number) for number in range(bench.many(count))]
        for kind, count in (("cough", 7), ("bump", 3), ("click", 4))
    }
    found: Figures = {}
    said = compose.acknowledgements()
    groups = {
        "backchannels": murmurs,
        "acknowledgements": said[:: max(1, round(1 / bench.scale))],
        "coughs and bumps": made["cough"] + made["bump"],
        "clicks": made["click"],
    }
    for name, sounds in groups.items():
        if not sounds:
            continue
        fates = [
            measures.fate(held, text, utterances, spoken.first, until)
            for held, spoken, text, utterances, until in into_replies(bench, sounds, 2.0)
        ]
        holes = [one.hole for one in fates if one.complete and not one.passed]
        found |= {
            f"{name} that stop a reply for good %": share(sum(not one.complete for one in fates), len(fates)),
            f"{name} that pass without a hole %": share(sum(one.passed for one in fates), len(fates)),
            f"{name} with a hole over 0.3 s %": share(sum(not one.passed for one in fates), len(fates)),
            f"{name}: hole p50 s": percentile(holes, 0.5) if holes else 0.0,
            f"{name}: longest hole s": max(holes, default=0.0),
        }
    return found


def interruptions(bench: Bench) -> Figures:
    """True ones, of a sentence and of 8 s."""
    clips = [clip for clip in bench.clips(40) if len(clip.sound) >= 1.5 * RATE][:12]
    clips = [clips[number % len(clips)] for number in range(bench.many(len(clips)))]
    made = into_replies(bench, clips, 1.5)
    times = [measures.silence_after(held, spoken) for held, spoken, *_ in made]
    heard = [one for one in times if one is not None]
    missed = [measures.missed(*one) for one in made]
    calls = {id(held): held for held, *_ in made}.values()
    found = {
        "interruptions missed %": share(sum(missed), len(missed)),
        "onset to silence p50 ms": 1000 * percentile(heard, 0.5),
        "onset to silence p95 ms": 1000 * percentile(heard, 0.95),
        "talk-over s a minute": 60 * sum(map(measures.talk_over, calls)) / max(1.0, sum(c.seconds for c in calls)),
    }
    pairs = [sound for clip in clips for sound in (compose.murmurs()[2], clip)]
    listened = [measures.silence_after(held, spoken) for held, spoken, *_ in into_replies(bench, pairs, 1.5)[1::2]]
    heard = [one for one in listened if one is not None]
    found |= {
        "after a murmur: interruptions without a silence %": share(len(listened) - len(heard), len(listened)),
        "after a murmur: onset to silence p50 ms": 1000 * percentile(heard, 0.5),
        "after a murmur: onset to silence p95 ms": 1000 * percentile(heard, 0.95),
    }
    over = 0
    long = [compose.joined(f"long{n}", bench.clips(4, 4 * n), [0.25]) for n in range(4)]
    for held, spoken, *_ in (made := into_replies(bench, long, 2.0)):
        quiet = measures.silence_after(held, spoken)
        first = spoken.first + round(((quiet or 0.0) + 0.3) / TICK)
        over += measures.sounded(held, first, spoken.last) >= measures.TALKS
    return found | {"long interruptions talked over %": share(over, len(made))}


def echoes(bench: Bench) -> Figures:
    """The agent's sound comes back."""
    found: Figures = {}
    for loss in (10, 20, 30, 40):
        found |= _company(bench, f"echo at -{loss} dB", [
            Room(number, Echo(loss, delay)) for number, delay in enumerate((0.02, 0.15, 0.4))
        ])  # fmt: skip
    return found


def televisions(bench: Bench) -> Figures:
    """Somebody else talks all the time, quieter than the caller."""
    found: Figures = {}
    for below in (10, 20):
        clips = list(prompts("television"))
        rooms = [Room(n, None, compose.television(clips, 120, LEVEL - below, n)) for n in range(bench.many(6))]
        found |= _company(bench, f"television {below} dB below", rooms)
    return found


def _company(bench: Bench, name: str, rooms: list[Room]) -> Figures:
    dead = seconds = minutes = turns = stopped = holes = replies = 0.0
    for number, room in enumerate(rooms):
        held = bench.call(dialogue(bench.clips(3, 3 * number), LONG), room)
        seconds += measures.dead_air(held)
        minutes += held.seconds / 60
        turns += measures.invented(held)
        dead += bool(held.ended)
        for first, following in zip(held.spoken, [*held.spoken[1:], None], strict=True):
            until = following.first if following else held.line.ticks
            one = measures.fate(held, LONG, range(max(held.line.playout.reached) + 1), first.last, until)
            replies += 1
            stopped += not one.complete
            holes += one.hole > measures.HOLE * TICK
    return {
        f"{name}: dead air s a minute": seconds / minutes,
        f"{name}: turns that nobody spoke a minute": turns / minutes,
        f"{name}: replies stopped for good %": share(stopped, replies),
        f"{name}: replies with a hole %": share(holes, replies),
        f"{name}: calls that the agent ended": dead,
    }


def babbles(bench: Bench) -> Figures:
    """Many voices at once."""
    found: Figures = {}
    for ratio in (20, 10, 0):
        reached = said = 0
        rooms = [Room(n, None, Clip("babble", compose.babble(150, LEVEL - ratio, n))) for n in range(bench.many(2))]
        found |= _company(bench, f"babble at {ratio} dB", rooms)
        for number, room in enumerate(rooms):
            clips = bench.clips(5, 5 * number)
            held = bench.call(dialogue(clips), room)
            reached += measures.reached_model(held)
            said += len(clips)
        found[f"babble at {ratio} dB: utterances that reach the model %"] = share(reached, said)
    return found


def monologues(bench: Bench) -> Figures:
    """Long turns with pauses of thought, and pauses that are longer than the agent's own limits."""
    most = count = 0
    for number in range(bench.many(2)):
        clip = compose.joined(f"monologue{number}", bench.clips(6, 6 * number), [0.7, 1.0, 1.5])
        held = bench.call(dialogue([clip]))
        into = [measures.into(held, pause) >= measures.TALKS for spoken in held.spoken for pause in spoken.pauses]
        most, count = max(most, sum(into)), count + 1
    doubled = lost = words = 0
    for number, length in enumerate(LATE):
        digits = compose.dictated(f"late{length}", characters(bench.part, "digits")[0], (3, 3), length)
        sentence = compose.paused(bench.clips(1, number)[0], length)
        for script in (*(asked(bench, digits, question) for question in QUESTIONS), dialogue([sentence])):
            more, fewer, said = measures.doubled_and_lost(bench.call(script))
            doubled, lost, words = doubled + more, lost + fewer, words + said
    return {
        "monologue: pauses talked into at most": most,
        "pauses of 2.6 to 4.4 s: words doubled": doubled,
        "pauses of 2.6 to 4.4 s: words lost %": share(lost, words),
    }


SETS: dict[str, Callable[[Bench], Figures]] = {
    "turns": complete_turns,
    "dictation": dictations,
    "expect": expected,
    "listening": listening_sounds,
    "interruption": interruptions,
    "monologue": monologues,
    "echo": echoes,
    "television": televisions,
    "babble": babbles,
}
