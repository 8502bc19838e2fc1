"""Gates of both jitter buffers under the twenty-two network conditions of `tests/media/networks.py`, 5 minutes each.

The peers' figures were measured with ports of their buffers under conditions of the same kind,
not the same packets; the networks themselves had 14 ms mean and 35 ms p95 there.
"""

import statistics
import time
from collections.abc import Iterator

from media.g711 import FRAME
from media.jitter.buffer import JitterBuffer
from media.jitter.playout_buffer import PlayoutJitterBuffer
from tests.bench.gate import Gate
from tests.media.hearing import Figures, figures, to_person, to_recogniser
from tests.media.networks import CONDITIONS, Condition, loud

AREA = "media"
EAGER_PEERS = "published: pass-through 14/35 and 420 out of order, LiveKit 15/39, rtpsynth 17/47, GStreamer 19/59, "
EAGER_PEERS += "aiortp arrival 99/143, aiortc 191/310 with 2.4 % lost; all lose 3 minutes of the time line at worst"
PLAYOUT_PEERS = "published: pjmedia 69/136 with 1.4 % lost, LiveKit mixer 81/87 with 1.1 %, aiortp playout 86/183 with "
PLAYOUT_PEERS += "3.8 %, Asterisk adaptive 98/123 with 1.0 %, NetEQ 113/186 with 0.00 %, FreeSWITCH 262/336 with 0.15 %"


def _lag(seen: Figures) -> str:
    return f"lag {seen.lag_mean:.0f} mean {seen.lag_p95:.0f} p95 ms"


def for_recogniser(condition: Condition, seen: Figures) -> Gate:
    """What is promised for one condition."""
    most, most_p95 = (6, 40) if condition.loss > 0.03 else (1, 5)
    lost = 0.02 if condition.sender.overtaking else 0.0
    lead = 350 + 1200 * 1000 * abs(condition.sender.skew) * 1.5
    measured = (
        f"{_lag(seen)} (over the network's own {seen.over_mean:+.2f}/{seen.over_p95:+.1f}), lost {seen.lost:.2f} %, "
    )
    measured += f"{seen.disordered} out of order, drift {seen.drift:+.0f} ms, ahead {seen.lead:.0f} ms"
    goal = f"+{most}/+{most_p95} ms, {lost:g} %, 0, 40 ms, {lead:.0f} ms"
    met = seen.over_mean <= most and seen.over_p95 <= most_p95 and seen.lost <= lost and not seen.disordered
    met = met and abs(seen.drift) <= 40 and seen.lead <= lead
    return Gate(AREA, f"recogniser, {condition.name}", measured, goal, met)


def for_listener(condition: Condition, seen: Figures) -> Gate:
    """One condition of the buffer for people; the lag is judged over all of them."""
    lost = 0.5 if condition.sender.overtaking else 0.1
    measured = f"{_lag(seen)}, lost {seen.lost:.2f} %, {seen.disordered} out of order, longest step {seen.stall:.0f} ms"
    met = seen.lost <= lost and not seen.disordered and round(seen.stall) == 20
    return Gate(AREA, f"listener, {condition.name}", measured, f"{lost} %, 0, 20 ms", met)


def sums(eager: list[Figures], paced: list[Figures]) -> Iterator[Gate]:
    mean = {name: statistics.mean(getattr(each, name) for each in eager) for name in Figures._fields}
    measured = f"lag {mean['lag_mean']:.0f} mean {mean['lag_p95']:.0f} p95 ms, of it "
    measured += f"{mean['over_mean']:.2f}/{mean['over_p95']:.1f} the buffer's; worst drift "
    measured += f"{max(abs(each.drift) for each in eager):.0f} ms ({EAGER_PEERS})"
    met = mean["over_mean"] <= 1 and mean["over_p95"] <= 5
    yield Gate(AREA, "recogniser, all 22", measured, "+1/+5 ms", met)
    mean = {name: statistics.mean(getattr(each, name) for each in paced) for name in Figures._fields}
    measured = f"lag {mean['lag_mean']:.0f} mean {mean['lag_p95']:.0f} p95 ms, lost {mean['lost']:.3f} %"
    met = mean["lag_mean"] <= 80 and mean["lag_p95"] <= 140 and mean["lost"] <= 0.1
    yield Gate(AREA, "listener, all 22", f"{measured} ({PLAYOUT_PEERS})", "80/140 ms, 0.1 %", met)


def cost() -> Iterator[Gate]:
    """Microseconds per packet in order, the best of five."""
    frames = [loud(number) for number in range(10_000)]
    best = [float("inf")] * 2
    for _ in range(5):
        began = time.process_time()
        eager = JitterBuffer()
        for number, frame in enumerate(frames):
            eager.put(number, number * FRAME, frame, 1 + number * 0.02)
            eager.poll(1 + number * 0.02)
        best[0] = min(best[0], (time.process_time() - began) / len(frames) * 1e6)
        began = time.process_time()
        paced = PlayoutJitterBuffer()
        for number, frame in enumerate(frames):
            paced.put(number, number * FRAME, frame, 1 + number * 0.02)
            paced.take(1.01 + number * 0.02)
        best[1] = min(best[1], (time.process_time() - began) / len(frames) * 1e6)
    peers = "published: LiveKit's rule in Python 1.6, NetEQ's 20"
    yield Gate(AREA, "recogniser, put and poll", f"{best[0]:.1f} µs ({peers})", "<= 5 µs", best[0] <= 5)
    yield Gate(AREA, "listener, put and take", f"{best[1]:.1f} µs ({peers})", "<= 20 µs", best[1] <= 20)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    eager, paced = [], []
    for condition in CONDITIONS:
        eager.append(figures(condition, to_recogniser))
        yield for_recogniser(condition, eager[-1])
    for condition in CONDITIONS:
        paced.append(figures(condition, to_person))
        yield for_listener(condition, paced[-1])
    yield from sums(eager, paced)
    yield from cost()
