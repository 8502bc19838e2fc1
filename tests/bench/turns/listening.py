"""The sets of sounds that the caller makes while the agent speaks, to which the agent should only listen."""

from math import inf

from tests.bench.gate import percentile
from tests.bench.turns import compose, measures
from tests.bench.turns.backchannels import backchannels, seconds
from tests.bench.turns.bench import Bench, Figures, into_replies, share
from tests.bench.turns.corpus import Clip
from tests.bench.turns.measures import Fate

SHORT = 0.6
"""Seconds that most real backchannels last at most."""
LENGTHS = (("of up to 0.4 s", 0.0, 0.4), ("of 0.4 to 0.6 s", 0.4, SHORT), ("of more than 0.6 s", SHORT, inf))
"""Lengths by which recorded backchannels are told apart, seconds: more than the first, at most the second."""


def recorded_backchannels(bench: Bench) -> Figures:
    """Backchannels of several speakers, four in a call, and each once more as the first one of its call."""
    known = backchannels(bench.part)
    sounds = [known[number % len(known)] for number in range(bench.many(len(known)))] if known else []
    found: Figures = {}
    for beside, size in (("", 4), (" first in a call", 1)):
        fates = _fates(bench, sounds, size)
        found |= _shares(f"short backchannels{beside}", [one for length, one in fates if length <= SHORT])
        for name, least, most in LENGTHS:
            some = [one for length, one in fates if least < length <= most]
            found[f"backchannels {name}{beside}: number"] = len(some)
            found[f"backchannels {name}{beside}: pass without a hole %"] = share(sum(f.passed for f in some), len(some))
            holes = [one.hole for one in some if one.complete and not one.passed]
            found[f"backchannels {name}{beside}: hole p50 s"] = percentile(holes, 0.5) if holes else 0.0
    return found


def _fates(bench: Bench, sounds: list[Clip], size: int = 4) -> list[tuple[float, Fate]]:
    """The length of each sound in seconds, and what became of the reply that it was made in."""
    return [
        (seconds(spoken.clip), measures.fate(held, text, utterances, spoken.first, until))
        for held, spoken, text, utterances, until in into_replies(bench, sounds, 2.0, size)
    ]


def _shares(name: str, fates: list[Fate]) -> Figures:
    return {
        f"{name} that stop a reply for good %": share(sum(not one.complete for one in fates), len(fates)),
        f"{name} that pass without a hole %": share(sum(one.passed for one in fates), len(fates)),
    }


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
        fates = [one for _, one in _fates(bench, sounds)]
        holes = [one.hole for one in fates if one.complete and not one.passed]
        found |= {
            **_shares(name, fates),
            f"{name} with a hole over 0.3 s %": share(sum(not one.passed for one in fates), len(fates)),
            f"{name}: hole p50 s": percentile(holes, 0.5) if holes else 0.0,
            f"{name}: longest hole s": max(holes, default=0.0),
        }
    return found
