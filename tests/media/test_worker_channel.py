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


def test_while_the_caller_is_attended_to_closely_every_20_ms_are_handed_up_at_once() -> None:
    channel = Channel(1)
    assert handed_up(channel, 3) == []
    channel.play(Kind.ATTEND, b"\x01")
    assert handed_up(channel, 3) == [80, 20, 20]
    channel.play(Kind.ATTEND, b"\x00")
    assert handed_up(channel, 5) == [100]


@pytest.mark.parametrize("closely", [b"\x00", b"\x01"])
def test_nothing_is_lost_or_changed_when_much_comes_at_once(closely: bytes) -> None:
    channel, sound = Channel(1), FRAME * 13
    channel.play(Kind.ATTEND, closely)
    ready = channel.gather(sound)
    assert max(map(len, ready)) <= 800
    assert sound.startswith(b"".join(ready))
    assert len(sound) - len(b"".join(ready)) < (160 if closely == b"\x01" else 800)
