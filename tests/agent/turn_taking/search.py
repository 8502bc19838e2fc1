"""Random calls against the turn machine: ``python -m tests.agent.turn_taking.search --minutes 5 [--seed N]``.

The first call in which something does not hold is made as short as possible, printed as a row for
`tests/agent/turn_taking/found.py`, and ends the search.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator

from agent.hearing.echo_path import Path
from tests.agent.turn_taking.invariants import hold
from tests.agent.turn_taking.steps import SEAMS, SECONDS, STEPS, TIMES, USUAL, Setting, Steps

LONGEST = 40
"""Steps of a call."""
PARTS = ([*Path, None], TIMES, (100_000.0, 100_000.0, 60.0))
"""Those of `Setting` but the first: one of three calls is so short that it may end by itself."""


def call_of(chance: random.Random) -> tuple[Steps, Setting, bool]:
    """Steps and parts of a call, and whether replies are heard after them."""
    kinds = (
        USUAL,
        USUAL,
        SEAMS if chance.random() < 0.2 else chance.sample(STEPS, chance.randrange(1, len(STEPS))),
    )  # what seldom meets meets in some calls
    steps = [(chance.choice(chance.choice(kinds)), chance.choice(SECONDS)) for _ in range(chance.randrange(LONGEST))]
    setting = Setting(chance.random() < 0.5, *map(chance.choice, PARTS))  # type: ignore[arg-type]
    return steps, setting, chance.random() < 0.5


def fault_of(steps: Steps, setting: Setting, replies: bool) -> str:
    """What does not hold in such a call; empty if all does."""
    try:
        hold(steps, setting, replies=replies)
    except Exception as fault:
        return f"{type(fault).__name__}: {fault}".partition("\n")[0]
    return ""


def shorter(steps: Steps, setting: Setting) -> Iterator[tuple[Steps, Setting]]:
    """Simpler calls than this one, those first that leave most out."""
    size = len(steps)
    while size:
        for at in range(len(steps) - size + 1):
            yield steps[:at] + steps[at + size :], setting
        size //= 2
    for at, (step, seconds) in enumerate(steps):
        for less in SECONDS[: SECONDS.index(seconds)]:
            yield [*steps[:at], (step, less), *steps[at + 1 :]], setting
    for plain in (setting._replace(lasts=100_000.0), setting._replace(times="none"), setting._replace(path=None)):
        if plain != setting:
            yield steps, plain


def shortest(steps: Steps, setting: Setting, replies: bool) -> tuple[Steps, Setting]:
    """The simplest call in which something still does not hold."""
    while found := next((one for one in shorter(steps, setting) if fault_of(*one, replies)), None):
        steps, setting = found
    return steps, setting


def search(minutes: float, seed: int) -> int:
    """Hold calls for so long. Returns 1 if something did not hold."""
    until, calls = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < until:
        steps, setting, replies = call_of(random.Random(f"{seed}:{calls}"))
        if fault_of(steps, setting, replies):
            steps, setting = shortest(steps, setting, replies)
            print(f"seed {seed}, call {calls}: {fault_of(steps, setting, replies)}")
            row = f"    ({steps!r}, {setting!r}, {replies}),"
            print(row.replace(repr(setting.path), str(setting.path)))
            return 1
        calls += 1
    print(f"seed {seed}: {calls} calls, and all holds")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Search for a call in which the turn machine fails.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    asked = parser.parse_args()
    sys.exit(search(asked.minutes, asked.seed))
