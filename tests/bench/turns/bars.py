"""The bars of turn-taking, each a line that ends ``met`` or ``missed``; all figures beside those of the first run."""

import contextlib
import logging
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import structlog

from tests.bench.gate import Gate
from tests.bench.turns import calls
from tests.bench.turns.bench import Bench, Figures
from tests.bench.turns.call import Place, held_call
from tests.bench.turns.corpus import missing
from tests.bench.turns.cpu import call_second
from tests.bench.turns.recognisers import KINDS
from tests.bench.turns.sets import SETS

AREA = "turns"
FIRST = Path(__file__).with_name("today.toml")
"""The figures of the code that this bench was made for."""
FAKES = ("flux", "u3", "plain")
HEARS = ("embedded",)
"""Recognisers that may mishear; the fakes know the words."""
PARTS = ("dev", "held")
SINGLE = {f"call with {name}": calls.of(name) for name in calls.CALLS}
ALL = SETS | SINGLE


Step = tuple[str, Figures]
"""A column, as ``flux/dev``, and figures of it."""


@dataclass(frozen=True)
class Bar:
    """What is promised of some figures: each at most its goal, or at least."""

    name: str
    figures: tuple[str, ...]
    goals: tuple[float, ...]
    outside: str
    """What was measured over RTP with other recordings and the embedded recogniser, in November 2026."""
    least: bool = False
    kinds: tuple[str, ...] = tuple(KINDS)

    def gate(self, column: str, found: Figures, first: Figures, beside: str = "first") -> Gate:
        """`first` are the figures that stand beside those that were `found`."""
        values = [found.get(name, math.nan) for name in self.figures]
        pairs = zip(values, self.goals, strict=True)
        met = all(value >= goal if self.least else value <= goal for value, goal in pairs)
        before = written(first.get(name, math.nan) for name in self.figures)
        measured = f"{written(values)} ({beside} {before}; outside {self.outside})"
        return Gate(
            AREA, f"{column}: {self.name}", measured, f"{'>=' if self.least else '<='} {written(self.goals)}", met
        )


def written(values: Iterable[float]) -> str:
    return "/".join("-" if math.isnan(value) else f"{value:.2f}".rstrip("0").rstrip(".") for value in values)


BARS = (
    Bar(
        "agent speech of 0.2 s or more in pauses of 0.4/0.7/1.0/1.5 s, %",
        tuple(f"cut off in pauses of {length} s %" for length in (0.4, 0.7, 1.0, 1.5)),
        (0, 5, 15, 30), "0/20/40/80",
    ),
    Bar("reply latency without the model, p50/p95 ms", ("reply latency p50 ms", "reply latency p95 ms"), (650, 1000),
        "740/900"),
    Bar("first second of the reply that is heard without a break, without the model, p50/p95 ms",
        ("first second heard p50 ms", "first second heard p95 ms"), (650, 1000), "740/900"),
    Bar("clicks of the agent in pauses, %", ("clicks in pauses %",), (5,), "80"),
    Bar("dictations cut off, %", ("dictations cut off %",), (5,), "60"),
    Bar("dictations after expect of 10/without a length/of 12 cut off, %",
        tuple(f"dictations after expect {name}: cut off %" for name in ("of 10", "without a length", "of 12")),
        (5, 5, 5), "-"),
    Bar("digits wrong, %", ("digits wrong %",), (12,), "39", kinds=HEARS),
    Bar("loops of the recogniser", ("loops of the recogniser",), (0,), "4 of 20", kinds=HEARS),
    Bar("backchannels that stop a reply for good, %", ("backchannels that stop a reply for good %",), (5,), "60"),
    Bar("backchannels that pass without a hole, %", ("backchannels that pass without a hole %",), (80,), "0", True),
    Bar("short backchannels of several speakers that stop a reply for good, %",
        ("short backchannels that stop a reply for good %",), (5,), "-"),
    Bar("short backchannels of several speakers that pass without a hole, %",
        ("short backchannels that pass without a hole %",), (80,), "-", True),
    Bar("short backchannels, each the first of its call, that stop a reply for good, %",
        ("short backchannels first in a call that stop a reply for good %",), (5,), "-"),
    Bar("short backchannels, each the first of its call, that pass without a hole, %",
        ("short backchannels first in a call that pass without a hole %",), (80,), "-", True),
    Bar("acknowledgements of several words that stop a reply for good, %",
        ("acknowledgements that stop a reply for good %",), (5,), "-"),
    Bar("acknowledgements of several words that pass without a hole, %",
        ("acknowledgements that pass without a hole %",), (80,), "-", True),
    Bar("coughs and bumps with a hole over 0.3 s, %", ("coughs and bumps with a hole over 0.3 s %",), (20,), "90"),
    Bar("interruptions missed, %", ("interruptions missed %",), (2,), "0"),
    Bar("interruption: onset to silence, p50/p95 ms", ("onset to silence p50 ms", "onset to silence p95 ms"),
        (250, 450), "150/265"),
    Bar("echo at -20 dB: dead air, s a minute", ("echo at -20 dB: dead air s a minute",), (1,), "12.8"),
    Bar("echo at -20 dB: turns that nobody spoke, a minute", ("echo at -20 dB: turns that nobody spoke a minute",),
        (0,), "3"),
    Bar("television 10 dB below: dead air, s a minute", ("television 10 dB below: dead air s a minute",), (3,), "22"),
    Bar("television 10 dB below: turns that nobody spoke, a minute",
        ("television 10 dB below: turns that nobody spoke a minute",), (0.5,), "3"),
    Bar("television with pauses/that begins later, 10 dB below: dead air, s a minute",
        ("television with pauses: dead air s a minute", "television that begins later: dead air s a minute"), (3, 3),
        "-"),
    Bar("television with pauses/that begins later, 10 dB below: turns that nobody spoke, a minute",
        ("television with pauses: turns that nobody spoke a minute",
         "television that begins later: turns that nobody spoke a minute"), (0.5, 0.5), "-"),
    Bar("babble at 10 dB: utterances that reach the model, %", ("babble at 10 dB: utterances that reach the model %",),
        (60,), "0", True),
    Bar("babble at 20/10/0 dB: calls that the agent ended",
        tuple(f"babble at {ratio} dB: calls that the agent ended" for ratio in (20, 10, 0)), (0, 0, 0), "all at 10 dB"),
    Bar("words doubled in turns/dictations/pauses of 2.6 to 4.4 s",
        ("words doubled in memory", "words doubled in dictations", "pauses of 2.6 to 4.4 s: words doubled"), (0, 0, 0),
        "some"),
    Bar("long interruptions talked over, %", ("long interruptions talked over %",), (0,), "100"),
    Bar("monologue: pauses talked into at most", ("monologue: pauses talked into at most",), (1,), "5 of 5",
        kinds=("flux", "u3")),
    Bar("cut off before the recogniser ended the turn, %", ("cut off before the recogniser ended the turn %",), (0,),
        "-", kinds=("flux", "u3")),
    *(Bar(calls.faults_in(name), (calls.faults_in(name),), (0,), outside)
      for name, (_, outside) in calls.CALLS.items()),
)  # fmt: skip


def first_run() -> dict[str, Figures]:
    """The figures kept in `today.toml`, by column."""
    kept = tomllib.loads(FIRST.read_text()) if FIRST.is_file() else {}
    return {name: column for name, column in kept.items() if isinstance(column, dict) and name != "about"}


def measured(
    kinds: Sequence[str],
    parts: Sequence[str],
    scale: float,
    sets: Sequence[str],
    place: Place = held_call,
    together: int = 1,
) -> Iterator[Step]:
    """Every set of every column; so many sets `together`, if calls may be placed so."""
    for part in parts:
        for kind in kinds:
            bench = Bench(KINDS[kind], part, scale, place=place)
            with ThreadPoolExecutor(together) if together > 1 else contextlib.nullcontext() as pool:
                run = pool.map if pool else map
                for found in run(lambda name, bench=bench: ALL[name](bench), sets):  # type: ignore[misc]
                    yield f"{kind}/{part}", found


def judged(steps: Iterable[Step], known: Mapping[str, Figures] | None = None, beside: str = "first") -> Iterator[Gate]:
    """Print every figure as it comes, and yield each bar when its figures are there; without them it is left out.

    Those that are `known` from elsewhere stand `beside` them: of the first run, unless others are given.
    """
    known = first_run() if known is None else known
    seen = dict[str, Figures]()
    for column, found in steps:
        before, so_far = known.get(column, {}), seen.setdefault(column, {})
        for name, value in found.items():
            kept = written([before.get(name, math.nan)])
            print(f"{AREA}\t{column}: {name}\t{written([value])} ({beside} {kept})", flush=True)
        fresh = [bar for bar in BARS if column.partition("/")[0] in bar.kinds and not so_far.keys() >= set(bar.figures)]
        so_far |= found
        yield from (bar.gate(column, so_far, before, beside) for bar in fresh if so_far.keys() >= set(bar.figures))


def over_rtp(kinds: Sequence[str], parts: Sequence[str], scale: float, sets: Sequence[str]) -> Iterator[Gate]:
    """The same calls through a whole gateway, over SIP and RTP, in real time; beside the figures on virtual time.

    With the embedded parts one call at a time: they compute, and share the machine.
    """
    from tests.bench.turns.rtp import LINES, OverRtp

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for kind in kinds:
        beside = dict[str, Figures]()
        for column, found in measured([kind], parts, scale, sets):
            beside.setdefault(column, {}).update(found)
        with OverRtp(embedded=kind == "embedded") as gateway:
            together = 1 if kind == "embedded" else LINES
            yield from judged(measured([kind], parts, scale, sets, gateway.place, together), beside, "virtual")
            name = f"{kind}: frames of the callers that left 40 ms late or more; of a busy machine nothing is judged, %"
            yield Gate(AREA, name, written([gateway.late]), "<= 1", gateway.late <= 1)


def cpu_gate() -> Gate:
    """What the agent costs with a recogniser that ends turns itself."""
    spent = call_second()
    name = "CPU of hearing, turn-taking and replies, ms per call-second (python -m tests.bench.turns.cpu)"
    before = first_run().get("cpu", {}).get("ms per call-second", math.nan)
    return Gate(AREA, name, f"{spent:.2f} (first {written([before])})", "<= 0.5", spent <= 0.5)


def gates(
    kinds: Sequence[str] = FAKES, parts: Sequence[str] = ("dev",), scale: float = 1.0, sets: Sequence[str] = tuple(ALL)
) -> Iterator[Gate]:
    """The quick bench: the fakes, the part of the corpora that may be tuned to; without others, also the dictations of
    the recognisers that may mishear them."""
    for package in missing():
        print(f"{AREA}\tnot installed, left out: {package}", flush=True)
    heard = HEARS if tuple(kinds) == FAKES and "dictation" in sets else ()
    yield from judged(chain(measured(kinds, parts, scale, sets), measured(heard, parts, scale, ("dictation",))))
    yield cpu_gate()
