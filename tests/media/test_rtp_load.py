"""The load generator of the benchmarks measures correctly."""

import random
import socket
from collections.abc import Iterator

import pytest

from media.g711 import FRAME
from media.rtp import packet as rtp
from tests.bench.rtp_load import STAMP, Stream


@pytest.fixture
def stream() -> Iterator[Stream]:
    one = Stream()
    yield one
    one.sock.close()


def packet(number: int, ssrc: int = 7) -> bytes:
    return rtp.build(0, False, number, 5000 + FRAME * number, ssrc, bytes(FRAME))


def test_what_somebody_else_sent_to_the_port_before_is_not_measured(stream: Stream) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        ours.bind(("127.0.0.1", 0))
        chance = random.Random(1)
        for _ in range(20):
            stranger.sendto(packet(chance.randrange(65536), ssrc=9), ("127.0.0.1", stream.port))
        stream.connect(ours.getsockname()[1])
        stranger.sendto(packet(1, ssrc=9), ("127.0.0.1", stream.port))
        for number in range(3):
            ours.sendto(packet(number), ("127.0.0.1", stream.port))
        stream.drain()
    assert [number for _, number, _, _ in stream.read()] == [0, 1, 2]


def test_an_error_is_how_far_a_packet_left_from_its_place_on_the_grid(stream: Stream) -> None:
    late = {60: 0.004}
    for number in range(100):
        at = 1000.0 + 0.02 * number + late.get(number, 0.0)
        stamp = STAMP.pack(int(at), round((at - int(at)) * 1e9))
        stream.arrivals.append((stamp, packet(number)[:12], False))
    judged = stream.judge()
    errors = judged["errors"]
    assert isinstance(errors, list) and len(errors) == 75, "the first half second is not judged"
    assert max(errors) == pytest.approx(4.0, abs=0.01) and sorted(errors)[-2] == pytest.approx(0.0, abs=0.01)
    assert (judged["lost"], judged["duplicate"], judged["breaks"]) == (0, 0, 0)
