"""What we add ourselves between the caller's last sound and the first packet of the reply, in audio time: no clock."""

from itertools import product

import pytest

from agent.floor import Listening
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.assemblyai_session import AssemblyAISttSession as AssemblyAI
from agent.providers.deepgram_listen import DeepgramOptions, FluxSession
from agent.providers.stt import SttSession
from media.g711 import FRAME_SECONDS
from media.process import wire
from media.process.schedule import PHASES, TICK
from media.process.worker_channel import WorkerChannel

FRAME = 160
LOUD, QUIET = b"\x10\x90" * 80, b"\xff\x7f" * 80
PAUSE = 5
"""Frames of silence that STT want to hear before they end a turn (Universal-3: 100 ms)."""


def waits(session: SttSession, before: int, speech: int) -> float:
    """Seconds from the packet that completes a turn, with its pause, to the message that takes it to the STT."""
    channel, listening, sent = WorkerChannel(1), Listening(), 0
    session.begin()
    complete = before + speech + PAUSE
    for at, frame in enumerate([QUIET] * before + [LOUD] * speech + [QUIET] * 50, 1):
        for piece, _ in channel.gather(frame):
            session.backlog.add(piece)
            listening.hear(piece, at * FRAME_SECONDS)
            if (wanted := listening.wants()) is not None:
                channel.play(wire.Kind.CHUNK, wire.chunk(*wanted))
            while message := session.backlog.next_frame():
                sent += len(message)
        if sent >= complete * FRAME:
            return (at - complete) * FRAME_SECONDS
    raise AssertionError("never sent")


def slots() -> list[float]:
    """Seconds that sound may wait for the slot of its call, after the tick at which the order is read."""
    return [tick * TICK for tick in range(1, PHASES + 1)]


@pytest.mark.parametrize(
    ("session", "typical", "most"),
    [
        (lambda: AssemblyAI(AssemblyAIOptions(api_key="k")), 0.040, 0.060),
        (lambda: FluxSession(DeepgramOptions(api_key="k")), 0.015, 0.030),
    ],
    ids=["AssemblyAI takes 50 ms at least", "Deepgram takes anything"],
)
def test_our_own_waits_are_within_the_budget(session, typical: float, most: float) -> None:
    hearing = [waits(session(), before, speech) for before, speech in product(range(30, 45), range(20, 40))]
    own = sorted(one + slot for one, slot in product(hearing, slots()))
    assert own[len(own) // 2] <= typical
    assert own[int(len(own) * 0.95)] <= most


def test_without_the_close_pieces_it_would_not_be() -> None:
    """The test can fail: sound in pieces of 100 ms is heard too late."""
    channel = WorkerChannel(1)
    late = [sum(len(piece) for piece, _ in channel.gather(QUIET)) for _ in range(5)]
    assert late == [0, 0, 0, 0, 800]
