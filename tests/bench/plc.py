"""Gates of packet-loss concealment: speech quality by ITU-T P.862 (`pip install pesq`), and its cost.

The corpus is the Asterisk prompts where they are installed (Debian's asterisk-core-sounds-{en,es,fr}-wav: 16-bit, so
that the published figures can be set beside ours), otherwise the recordings of `tests/data/speech`.
The weights and the overlap of `media.jitter.plc` were chosen on these same prompts and draws. So the past-only gates,
met by a hair, show that it equals Appendix I, not that it is better; what both sides at hand are worth is far above
that.
"""

import random
import time
import warnings
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from media.g711 import FRAME, RATE, SILENCE, from_linear, to_linear
from media.jitter.plc import MEMORY, Concealment, bridge
from sipgw.records.artifacts.wav import read_ulaw
from tests.bench.gate import Gate

AREA = "media"
PROMPTS = Path("/usr/share/asterisk/sounds")
NAMES = (
    "demo-instruct", "priv-callee-options", "demo-congrats", "conf-adminmenu-18",
    "vm-options", "screen-callee-options", "demo-echotest", "vm-msginstruct",
)  # fmt: skip
SPEECH = Path(__file__).parent.parent / "data" / "speech"
DRAWS = 3
"""Patterns of loss drawn per segment and condition."""
COST_GOAL = 200.0


class Condition(NamedTuple):
    """A loss rate, and what others reach at it on prompts of the same source (24 segments, 139 s)."""

    loss: float
    burst: int
    goal: float
    appendix_1: float
    aiortp: float

    def __str__(self) -> str:
        return f"{self.loss * 100:.0f} % loss" + (f" in bursts of {self.burst}" if self.burst > 1 else "")


CONDITIONS = (
    Condition(0.01, 1, 4.00, 4.002, 3.897),
    Condition(0.03, 1, 3.55, 3.542, 3.324),
    Condition(0.05, 1, 3.21, 3.202, 2.978),
    Condition(0.10, 1, 2.51, 2.504, 2.249),
    Condition(0.03, 3, 3.59, 3.584, 3.544),
)
Fill = Callable[[bytes, list[bool]], bytes]


def corpus() -> tuple[str, list[bytes]]:
    """Its name, and 16-bit segments of some six seconds."""
    files = [folder / f"{name}.wav" for folder in sorted(PROMPTS.glob("[a-z][a-z]_*")) for name in NAMES]
    if files and all(path.exists() for path in files):
        return "Asterisk prompts", [_prompt(path) for path in files]
    sounds = [to_linear(read_ulaw(path)) for path in sorted(SPEECH.glob("*.wav"))]
    return "tests/data/speech", [
        sound[at : at + 12 * RATE] for sound in sounds for at in range(0, len(sound) - 4 * RATE, 12 * RATE)
    ]


def _prompt(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        return file.readframes(9 * RATE)[2 * RATE : int(13.6 * RATE)]


def pattern(frames: int, condition: Condition, seed: int) -> list[bool]:
    """Which frames are lost; the first never is."""
    chance = random.Random(seed)
    lost = [False] * frames
    start = condition.loss / condition.burst / (1 - condition.loss + condition.loss / condition.burst)
    at = 1
    while at < frames:
        if chance.random() < (condition.loss if condition.burst == 1 else start):
            lost[at : at + condition.burst] = [True] * len(lost[at : at + condition.burst])
            at += condition.burst - (condition.burst == 1)
        at += 1
    return lost


def _frames(ulaw: bytes) -> list[bytes]:
    return [ulaw[at : at + FRAME] for at in range(0, len(ulaw), FRAME)]


def silent(ulaw: bytes, lost: list[bool]) -> bytes:
    return b"".join(SILENCE if gone else frame for frame, gone in zip(_frames(ulaw), lost, strict=True))


def repeated(ulaw: bytes, lost: list[bool]) -> bytes:
    heard = [SILENCE]
    for frame, gone in zip(_frames(ulaw), lost, strict=True):
        heard.append(heard[-1] if gone else frame)
    return b"".join(heard[1:])


def one_sided(ulaw: bytes, lost: list[bool]) -> bytes:
    agent_audio = Concealment()
    return b"".join(
        agent_audio.lost() if gone else agent_audio.good(frame) for frame, gone in zip(_frames(ulaw), lost, strict=True)
    )


def two_sided(ulaw: bytes, lost: list[bool]) -> bytes:
    heard, frames, at = bytearray(), _frames(ulaw), 0
    while at < len(frames):
        until = at
        while until < len(frames) and lost[until]:
            until += 1
        heard += bridge(bytes(heard[-MEMORY:]), (until - at) * FRAME, b"".join(frames[until : until + 1]))
        heard += b"".join(frames[until : until + 1])
        at = until + 1
    return bytes(heard)


def quality(fill: Fill, condition: Condition, segments: list[bytes]) -> float:
    """The mean P.862 score of `fill` over all segments and draws."""
    from pesq import pesq

    scores = []
    for number, segment in enumerate(segments):
        whole = segment[: len(segment) // (2 * FRAME) * 2 * FRAME]
        for draw in range(DRAWS):
            lost = pattern(len(whole) // (2 * FRAME), condition, 1000 * draw + number)
            heard = to_linear(fill(from_linear(whole), lost))
            scores.append(pesq(RATE, np.frombuffer(whole, "<i2"), np.frombuffer(heard, "<i2"), "nb"))
    return float(np.mean(scores))


def quality_gates() -> Iterator[Gate]:
    name, segments = corpus()
    for condition in CONDITIONS:
        silence, repeat, one, two = (
            quality(fill, condition, segments) for fill in (silent, repeated, one_sided, two_sided)
        )
        others = f"ours: silence {silence:.2f}, repetition {repeat:.2f}; published: aiortp {condition.aiortp:.2f}, "
        others += f"G.711 App. I {condition.appendix_1:.2f}"
        goal = f">= {condition.goal:.2f}"
        yield Gate(AREA, f"PESQ, {condition}, past only ({name})", f"{one:.3f} ({others})", goal, one >= condition.goal)
        yield Gate(AREA, f"PESQ, {condition}, both sides ({name})", f"{two:.3f}", goal, two >= condition.goal)


def cost_gates() -> Iterator[Gate]:
    """Microseconds per lost frame, the best of five."""
    _, segments = corpus()
    sound = from_linear(segments[0])

    def past_only(at: int) -> None:
        agent_audio = Concealment()
        agent_audio.good(sound[at - MEMORY : at])
        agent_audio.lost()

    def both_sides(at: int) -> None:
        bridge(sound[at - MEMORY : at], FRAME, sound[at + FRAME : at + 2 * FRAME])

    for name, work in (("past only", past_only), ("both sides", both_sides)):
        best = float("inf")
        for _ in range(5):
            began = time.process_time()
            for at in range(MEMORY, len(sound) - 2 * FRAME, FRAME):
                work(at)
            best = min(best, (time.process_time() - began) / len(range(MEMORY, len(sound) - 2 * FRAME, FRAME)) * 1e6)
        yield Gate(AREA, f"a lost frame, {name}", f"{best:.0f} µs", f"<= {COST_GOAL:.0f} µs", best <= COST_GOAL)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield from cost_gates()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from quality_gates()
    except ModuleNotFoundError:
        yield Gate(AREA, "PESQ", "not installed: pip install '.[bench]' (needs a C compiler)", "installed", False)
