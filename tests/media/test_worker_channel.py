"""How much sound is handed up at a time."""

import pytest

from media.wire import Kind
from media.worker_channel import Channel

FRAME = bytes(range(160))


def handed_up(channel: Channel, frames: int) -> list[int]:
    """The lengths of what comes of so many packets, in milliseconds."""
    return [len(piece) // 8 for _ in range(frames) for piece in channel.gather(FRAME)]


def test_sound_is_handed_up_in_pieces_of_100_ms() -> None:
    assert handed_up(Channel(1), 12) == [100, 100]


def test_the_gateway_gets_it_in_the_pieces_that_it_wants() -> None:
    channel = Channel(1)
    assert handed_up(channel, 3) == []
    channel.play(Kind.ATTEND, b"\x01")
    assert handed_up(channel, 3) == [80, 20, 20]
    channel.play(Kind.ATTEND, b"\x02")
    assert handed_up(channel, 6) == [40, 40, 40]
    channel.play(Kind.ATTEND, b"\x05")
    assert handed_up(channel, 5) == [100]


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 255])
def test_nothing_is_lost_or_changed_when_much_comes_at_once(frames: int) -> None:
    channel, sound = Channel(1), FRAME * 13
    channel.play(Kind.ATTEND, bytes([frames]))
    ready = channel.gather(sound)
    assert max(map(len, ready)) <= 800
    assert sound.startswith(b"".join(ready))
    assert len(sound) - len(b"".join(ready)) < 160 * min(max(frames, 1), 5)
