"""Eight single calls, each of which once went wrong from outside: echo, television, babble, late words, a monologue, a
long interruption, a caller who gets a card, a quick answer to a menu. A figure is the number of faults in its call."""

import asyncio
from collections.abc import Callable

from tests.bench.turns import compose, measures
from tests.bench.turns.bench import LONG, SHORT, Bench, Figures, dialogue, into_replies
from tests.bench.turns.call import Caller, Held, Script
from tests.bench.turns.corpus import DIGITS, LEVEL, Clip, characters, prompts
from tests.bench.turns.line import TICK, Echo, Room
from tests.bench.turns.sets import QUESTIONS, asked

CARD = 30.0
"""Seconds for which the caller looks for it."""
MENU = "Press two to change folders, press three for advanced options, press zero for mailbox options."
QUICK = (-0.4, -0.2, 0.0, 0.1)
"""Seconds after the end of the menu at which the caller begins to answer."""


def _in_company(bench: Bench, room: Room, dead_air: float, invented: float) -> tuple[int, Held]:
    """A call that is not alone on the line, and its faults: dead air and invented turns a minute."""
    held = bench.call(dialogue(bench.clips(3), LONG), room)
    minutes = held.seconds / 60
    faults = (measures.dead_air(held) > dead_air * minutes) + (measures.invented(held) > invented * minutes)
    return faults + bool(held.ended), held


def echo(bench: Bench) -> int:
    """At -20 dB, 150 ms."""
    return _in_company(bench, Room(1, Echo(20, 0.15)), 1.0, 0.0)[0]


def television(bench: Bench) -> int:
    """10 dB below the caller."""
    background = compose.television(list(prompts("television")), 120, LEVEL - 10, 1)
    return _in_company(bench, Room(1, None, background), 3.0, 0.5)[0]


def babble(bench: Bench) -> int:
    """At 10 dB: what is said reaches the model, and the call goes on."""
    held = bench.call(dialogue(bench.clips(3)), Room(1, None, Clip("babble", compose.babble(150, LEVEL - 10, 1))))
    return (measures.reached_model(held) < 0.6 * len(held.spoken)) + bool(held.ended)


def late_words(bench: Bench) -> int:
    """A pause of 3.4 s in a number: words that memory has twice."""
    clip = compose.dictated("late call", characters(bench.part, "digits")[0], (3, 3), 3.4)
    return measures.doubled_and_lost(bench.call(asked(bench, clip, QUESTIONS[0])))[0]


def monologue(bench: Bench) -> int:
    """Pauses that are talked into, but for one."""
    clip = compose.joined("monologue call", bench.clips(6), [0.7, 1.0, 1.5])
    held = bench.call(dialogue([clip]))
    into = [measures.into(held, pause) >= measures.TALKS for spoken in held.spoken for pause in spoken.pauses]
    return max(0, sum(into) - 1)


def interruption(bench: Bench) -> int:
    """Of 8 s: it is heard within half a second, and not talked over."""
    clip = compose.joined("long call", bench.clips(4), [0.25])
    faults = 0
    for held, spoken, *_ in into_replies(bench, [clip], 2.0):
        quiet = measures.silence_after(held, spoken)
        first = spoken.first + round(((quiet or 0.0) + 0.3) / TICK)
        faults += quiet is None or measures.sounded(held, first, spoken.last) >= measures.TALKS
    return faults


def card(bench: Bench) -> int:
    """The caller gets something: the agent is silent, does not hang up, and answers when they are back."""
    first, second = bench.clips(2)
    waited: list[tuple[int, int]] = []

    async def script(caller: Caller) -> None:
        await caller.ready()
        caller.reply = f"{SHORT}|wait()"
        await caller.say(first)
        await caller.answered()
        await caller.ready()
        caller.reply = SHORT
        since = caller.now
        await asyncio.sleep(CARD)
        waited.append((since, caller.now))
        await caller.say(second)
        await caller.answered()
        await caller.ready()

    held = bench.call(script)
    asked_again = any(measures.sounded(held, *one) >= measures.TALKS for one in waited)
    return asked_again + bool(held.ended) + (measures.latency(held, held.spoken[-1]) is None)


def _menu(bench: Bench, at: float) -> Script:
    digits = [one for one in characters(bench.part, "digits")[0] if one.text in DIGITS]

    async def script(caller: Caller) -> None:
        await caller.ready()
        caller.reply = MENU
        await caller.say(bench.clips(1)[0])
        await caller.answered()
        await caller.ends(-at)
        caller.reply = SHORT
        await caller.say(digits[0])
        await caller.ready()  # what is left of the menu is no answer
        await caller.answered()
        await caller.ready()

    return script


def menu(bench: Bench) -> int:
    """Answers around the end of a menu that do not reach the model."""
    faults = 0
    for at in QUICK:
        held = bench.call(_menu(bench, at))
        want = measures.characters(held.spoken[-1].clip.text)
        faults += not set(want) & set(measures.characters(" ".join(held.memory[1:])))
    return faults


CALLS: dict[str, tuple[Callable[[Bench], int], str]] = {
    "echo at -20 dB": (echo, "12.8 s of dead air a minute"),
    "television 10 dB below": (television, "22 s of dead air a minute"),
    "babble at 10 dB": (babble, "0 of 9 reach the model"),
    "a pause of 3.4 s": (late_words, "words doubled"),
    "a monologue": (monologue, "talked into 5 of 5"),
    "an interruption of 8 s": (interruption, "talked over 4 of 4"),
    "a caller who gets a card": (card, "asked twice, hung up"),
    "a quick answer to a menu": (menu, "lost"),
}
"""Each with what was measured from outside in November 2026."""


def of(name: str) -> Callable[[Bench], Figures]:
    """The set that is this call alone."""
    return lambda bench: {faults_in(name): CALLS[name][0](bench)}


def faults_in(name: str) -> str:
    """The name of its figure."""
    return f"faults in a call with {name}"
