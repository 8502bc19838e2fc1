"""One column of the bench: its calls, what the caller says in them, and what is said into the agent's replies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.turns import compose
from tests.bench.turns.call import Caller, Held, Hold, Place, Script, Spoken, held_call, hold_conversation
from tests.bench.turns.corpus import Clip, sentences
from tests.bench.turns.line import Room, Wire

SHORT = "Please try again."
LONG = (
    "Your call is now first in line and will be answered by the next available representative.|Press one to accept "
    "this recording press two to listen to it press three to rerecord your message."
)
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


Made = list[tuple[Held, Spoken, str, range, int]]
"""What was said into replies: the call, the sound, the reply, the utterances that it is among, its last frame."""


def into_replies(bench: Bench, sounds: list[Clip], after: float, size: int = 4) -> Made:
    """Each sound is made when the agent has spoken for so long; so many of them in one call."""
    found: Made = []
    for number, some in enumerate(batches(sounds, size)):
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
