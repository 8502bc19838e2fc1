"""The sets of lines on which the caller is not alone: an echo, a television, babble."""

from tests.bench.turns import compose, measures
from tests.bench.turns.bench import LONG, Bench, Figures, dialogue, share
from tests.bench.turns.corpus import LEVEL, Clip, prompts
from tests.bench.turns.line import TICK, Echo, Room


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


def paused_televisions(bench: Bench) -> Figures:
    """A television with silences of seconds, and one that begins when the call has lasted for 10 s or more."""
    clips = list(prompts("television"))
    shown = [compose.television(clips, 120, LEVEL - 10, number) for number in range(bench.many(6))]
    paused = [compose.scenes(one, number) for number, one in enumerate(shown)]
    late = [compose.joined("late", [compose.silent(10.0 + 2 * number), one], [0.0]) for number, one in enumerate(shown)]
    return {
        name: value
        for kind, heard in (("television with pauses", paused), ("television that begins later", late))
        for name, value in _company(bench, kind, [Room(n, None, one) for n, one in enumerate(heard)]).items()
    }


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
