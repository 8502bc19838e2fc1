"""Gates of keys: RFC 4733 under loss, tones at the limits of Q.24, and the cost of listening for tones."""

import time

from media.dtmf.inband import ToneReceiver
from media.g711 import FRAME
from tests.bench.gate import Gate
from tests.media.test_dtmf import Network
from tests.media.test_dtmf_inband import Line

AREA = "media"
KEYS = 20_000
TONES = 2_000
COST_GOAL = 60.0
PIECE = 480


def events() -> list[Gate]:
    """Keys of 100 ms, one each 200 ms, over networks that lose and reorder."""
    found = []
    for name, network, goal in (
        ("5 % loss, reordering by 100 ms", Network(3, 0.05, delay=5), 0.0),
        ("10 % loss in bursts of 3", Network(4, 0.10, burst=3), 7.0),
    ):
        pressed, told = network.carry(KEYS)
        missed = (len(pressed) - len(told)) / KEYS * 1000
        found.append(Gate(AREA, f"missed, {name}", f"{missed:.2f} of 1000", f"<= {goal:.0f}", 0 <= missed <= goal))
    return found


def tones() -> list[Gate]:
    """Keys in the sound at 15 dB over noise: those that must be heard, and those that must not."""
    heard = wanted = 0
    for level in (-30.0, 0.0):
        for deviation in (-0.015, 0.015):
            line = Line(1, level).press(TONES // 4, 0.040, 0.040, deviation)
            wanted, heard = wanted + TONES // 4, heard + (TONES // 4) * (line.heard() == line.pressed)
    short = len(Line(2).press(TONES, 0.023, 0.040).heard())
    off = sum(len(Line(3).press(TONES // 2, 0.1, 0.040, deviation).heard()) for deviation in (-0.035, 0.035))
    share = heard / wanted * 100
    return [
        Gate(AREA, "tones of 40 ms with 40 ms between, +-1.5 %", f"{share:.1f} % heard", ">= 99.9 %", share >= 99.9),
        Gate(AREA, "tones of 23 ms", f"{short} heard", "0", short == 0),
        Gate(AREA, "tones 3.5 % off", f"{off} heard", "0", off == 0),
    ]


def cost() -> Gate:
    """Microseconds per frame of a sound that is all tones, the worst case."""
    sound = bytes(range(256)) * 400
    times = []
    for _ in range(5):
        receiver, begun = ToneReceiver(), time.process_time()
        for at in range(0, len(sound), PIECE):
            receiver.receive(sound[at : at + PIECE])
        times.append((time.process_time() - begun) / (len(sound) / FRAME) * 1e6)
    return Gate(
        AREA, "listening for tones", f"{min(times):.0f} us per frame", f"<= {COST_GOAL} us", min(times) <= COST_GOAL
    )


def gates() -> list[Gate]:
    """All of them."""
    return [*events(), *tones(), cost()]
