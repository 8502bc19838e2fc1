"""The sets: what callers do to the agent, and the figures that come of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.bench.gate import percentile
from tests.bench.turns import company, compose, listening, measures
from tests.bench.turns.bench import SHORT, Bench, Figures, batches, dialogue, into_replies, share
from tests.bench.turns.call import Caller, Script
from tests.bench.turns.corpus import RATE, Clip, characters
from tests.bench.turns.line import TICK

PAUSES = (0.4, 0.7, 1.0, 1.5)
GROUPS = (0.6, 0.9, 1.2)
LATE = (2.6, 3.4, 3.8, 4.4)
"""Pauses longer than some limits: of the agent, of the recogniser."""
QUIETER = (3, 6)
"""Decibels by which interruptions are quieter than the turns of the same caller."""
QUESTIONS = ("What is your order number?", "Go ahead and tell me please.")
"""One has a word that asks for a dictation, one has none."""


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
    for below in QUIETER:
        softer = [replace(clip, sound=clip.sound * 10 ** (-below / 20)) for clip in clips]
        missed = [measures.missed(*one) for one in into_replies(bench, softer, 1.5)]
        found[f"{below} dB quieter than the caller's turns: interruptions missed %"] = share(sum(missed), len(missed))
    over = 0
    long = [compose.joined(f"long{n}", bench.clips(4, 4 * n), [0.25]) for n in range(4)]
    for held, spoken, *_ in (made := into_replies(bench, long, 2.0)):
        quiet = measures.silence_after(held, spoken)
        first = spoken.first + round(((quiet or 0.0) + 0.3) / TICK)
        over += measures.sounded(held, first, spoken.last) >= measures.TALKS
    return found | {"long interruptions talked over %": share(over, len(made))}


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
    "listening": listening.listening_sounds,
    "backchannel": listening.recorded_backchannels,
    "interruption": interruptions,
    "monologue": monologues,
    "echo": company.echoes,
    "television": company.televisions,
    "paused television": company.paused_televisions,
    "babble": company.babbles,
}
