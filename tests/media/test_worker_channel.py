"""How much sound is handed up at a time, and what orders do to a channel."""

import gc
import socket
from collections.abc import Iterator
from dataclasses import asdict
from itertools import cycle
from unittest.mock import Mock

import pytest

from media.g711 import SILENCE, level
from media.process import wire
from media.process.wire import NUMBER, Kind, Message, pack_json
from media.process.worker import Worker
from media.process.worker_channel import CHUNK_MAX, WorkerChannel
from media.recording.stereo import Recording
from media.recording.tap import TapOptions
from media.rtp.rtcp import ReceiverReport
from media.rtp.srtp import Keys
from media.session.format import Format
from media.session.sent_levels import LEVELS, SentLevels

FRAME = bytes(range(160))


def handed_up(channel: WorkerChannel, frames: int) -> list[int]:
    """The lengths of what comes of so many packets, in milliseconds."""
    return [len(piece) // 8 for _ in range(frames) for piece, _ in channel.gather(FRAME)]


def test_sound_is_handed_up_in_pieces_of_100_ms() -> None:
    assert handed_up(WorkerChannel(1), 12) == [100, 100]


def test_the_gateway_gets_it_in_the_pieces_that_it_wants() -> None:
    channel = WorkerChannel(1)
    assert handed_up(channel, 3) == []
    channel.play(Kind.CHUNK, b"\x01\0")
    assert handed_up(channel, 3) == [80, 20, 20]
    channel.play(Kind.CHUNK, b"\x02\0")
    assert handed_up(channel, 6) == [40, 40, 40]
    channel.play(Kind.CHUNK, b"\x05\0")
    assert handed_up(channel, 5) == [100]


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 255])
def test_nothing_is_lost_or_changed_when_much_comes_at_once(frames: int) -> None:
    channel, sound = WorkerChannel(1), FRAME * 37
    channel.play(Kind.CHUNK, bytes([frames, 0]))
    ready = [piece for piece, _ in channel.gather(sound)]
    assert max(map(len, ready)) <= CHUNK_MAX
    assert sound.startswith(b"".join(ready))
    assert len(sound) - len(b"".join(ready)) < 160 * min(max(frames, 1), 15)


def test_a_sound_that_is_loud_enough_brings_all_that_waits_at_once() -> None:
    channel, quiet, loud = WorkerChannel(1), b"\x78\xf8" * 80, b"\x30\xb0" * 80
    channel.play(Kind.CHUNK, wire.chunk(0.3, -39))
    assert [channel.gather(quiet) for _ in range(3)] == [()] * 3
    assert [piece for piece, _ in channel.gather(loud)] == [quiet * 3 + loud]
    assert channel.gather(loud[:80]) == (), "half a slot"
    assert [piece for piece, _ in channel.gather(loud)] == [loud]
    assert channel.gather(quiet[:80]) == ()
    channel.play(Kind.CHUNK, wire.chunk(0.3, None))
    assert channel.gather(loud) == ()


@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_long_packet_brings_its_sound_at_once_wherever_it_begins(before: int) -> None:
    channel, quiet = WorkerChannel(1), b"\xff" * 160
    channel.play(Kind.CHUNK, wire.chunk(0.3, -39))
    soft = b"\x68\xe8" * 80
    assert LEVELS[level(soft)] == 36
    packet = quiet * before + soft + quiet * (2 - before)
    assert LEVELS[level(packet)] == 41, "on average"
    assert [piece for piece, _ in channel.gather(packet)] == [packet]


@pytest.mark.parametrize(("alert", "comes"), [(-400.0, True), (-1.0, True), (0.0, False), (9.0, False)])
def test_any_level_can_be_ordered(alert: float, *, comes: bool) -> None:
    """The gate of a line whose noise is as loud as sound can be lies above all sound."""
    channel = WorkerChannel(1)
    channel.play(Kind.CHUNK, wire.chunk(0.3, alert))
    assert bool(channel.gather(b"\x00\x80" * 80)) == comes


def test_it_does_not_if_the_gateway_is_behind() -> None:
    channel, loud = WorkerChannel(1), b"\x30\xb0" * 80
    channel.play(Kind.CHUNK, wire.chunk(0.1, -39))
    assert [len(piece) for _ in range(5) for piece, _ in channel.gather(loud, behind=True)] == [800]


def test_with_it_comes_how_loud_the_sound_was_that_was_sent_meanwhile() -> None:
    channel, loud = WorkerChannel(1), b"\x00\x80" * 80  # a square wave of 32124 has 3 dB more than such a sine
    channel.session.connect(Format("PCMU", 0), ("::1", 4), 0.0)
    channel.session.playout.say(1, loud * 2 + b"\x30\xb0" * 160)
    played = []
    for slot in range(10):
        channel.session.transmit(slot)
        played += [levels for _, levels in channel.gather(FRAME)]
    assert played == [bytes((0, 0, 12, 12, 127)), bytes([127] * 5)]


def test_what_comes_at_once_gets_the_levels_of_as_many_slots() -> None:
    levels = SentLevels()
    for square in (b"\x00\x80", b"\x30\xb0", b"\x40\xc0"):
        levels.add(square * 80)
    assert levels.take(5) == bytes((127, 127, 0, 12, 18))
    assert levels.take(1) == bytes([127])


def test_slots_in_which_no_sound_came_are_forgotten_but_for_one() -> None:
    levels = SentLevels()
    for square in [b"\x00\x80"] * 70 + [b"\x30\xb0", b"\x40\xc0"]:
        levels.add(square * 80)
    assert levels.take(2) == bytes((0, 12))
    assert levels.take(2) == bytes((127, 18))


@pytest.mark.parametrize(("arrivals", "late"), [((1,), 0), ((0, 1, 2), 0), ((1, 0, 2), 0), ((2, 0), 1)])
def test_sound_that_arrives_unevenly_shifts_the_levels_by_one_slot_at_most(arrivals: tuple[int], late: int) -> None:
    levels, sent, taken = SentLevels(), b"\x7f" * late, b""
    frames = [bytes([code, code | 0x80]) * 80 for code in range(0x20, 0x5C)]
    for frame, arrive in zip(frames, cycle(arrivals), strict=False):
        levels.add(frame)
        sent += bytes([LEVELS[level(frame)]])
        taken += levels.take(arrive) if arrive else b""
    assert len(taken) == len(frames)
    assert taken == sent[: len(frames)]


@pytest.fixture
def worker() -> Iterator[Worker]:
    """One with channel 1, and nobody at the pipe."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one = Worker(theirs)
        one._recorder = Mock()
        one._channels[1] = WorkerChannel(1)
        yield one


def order(worker: Worker, kind: Kind, body: bytes | dict[str, str]) -> None:
    worker._carry_out(Message(kind, 1, body if isinstance(body, bytes) else pack_json(body)))


def heard(recording: Recording | None) -> bytes:
    """What comes of a second in which both sides speak."""
    assert recording is not None
    for _ in range(50):
        recording.caller(FRAME)
        recording.agent(FRAME)
    return recording.finish()


@pytest.mark.parametrize("times", [1, 2])
def test_who_begins_to_listen_while_nothing_may_be_kept_hears_nothing_until_it_may(worker: Worker, times: int) -> None:
    """A number of a card is keyed in: neither the first listener nor one who comes back hears it."""
    session = worker._channels[1].session
    order(worker, Kind.RECORD, {"do": "pause"})
    for _ in range(times):
        order(worker, Kind.LISTEN, b"\0")
        order(worker, Kind.LISTEN, b"\1")
    assert set(heard(session.live)) == set(SILENCE)
    order(worker, Kind.RECORD, {"do": "resume"})
    assert FRAME[1] in heard(session.live)
    order(worker, Kind.LISTEN, b"\0")
    order(worker, Kind.LISTEN, b"\1")
    assert FRAME[1] in heard(session.live)


def test_a_recording_that_begins_while_nothing_may_be_kept_keeps_nothing(worker: Worker) -> None:
    order(worker, Kind.RECORD, {"do": "pause"})
    order(worker, Kind.RECORD, {"do": "begin", "path": "call.wav"})
    assert set(heard(worker._channels[1].session.recording)) == set(SILENCE)


def test_a_call_is_gone_when_it_is_closed(worker: Worker) -> None:
    """The media process looks for no cycles: what is part of one stays."""
    del worker._channels[1]  # it has no ports
    wanted = {"host": "127.0.0.1", "first": 30000, "last": 31999, "dscp": 0, "tap": asdict(TapOptions(keep="headers"))}
    form = asdict(Format("PCMU", 0, 101))
    keys = Keys("AES_CM_128_HMAC_SHA1_80", bytes(30), bytes(30), b"\1").encode()
    gc.collect()
    gc.disable()
    try:
        for number in (1, 2):
            worker._carry_out(Message(Kind.OPEN, number, pack_json(wanted)))
            there = {"format": form, "host": "127.0.0.1", "port": 9, "send": True, "receive": True}
            worker._carry_out(Message(Kind.CONNECT, number, pack_json(there | {"control": None, "keys": keys})))
            worker._carry_out(Message(Kind.LISTEN, number, b"\1"))
        worker._carry_out(Message(Kind.BRIDGE, 1, NUMBER.pack(2)))
        worker._transmit(0, 0)
        for number in (1, 2):
            worker._carry_out(Message(Kind.CLOSE, number))
        assert gc.collect() == 0
    finally:
        gc.enable()


def told(channel: WorkerChannel, seconds: int, *, reports_until: float = 0.0) -> list[tuple[int, int]]:
    """What is told while no sound comes; a report each 5 s until then."""
    found = []
    for at in range(2 * seconds):
        if at % 10 == 0 and at / 2 <= reports_until:
            channel.session.rtcp.remote.receive([ReceiverReport(7)], 1, at / 2, 0)
        if silent := channel.silent_for(at / 2):
            found.append((int(silent[0]), int(silent[1])))
    return found


def test_silence_is_told_and_a_call_is_lost_only_when_no_report_comes_either() -> None:
    assert told(receiving(), 100) == [(2, 2), (10, 10), (30, 30)]
    assert told(receiving(), 100, reports_until=1000) == [(2, 2), (10, 0)]
    assert told(receiving(), 100, reports_until=50) == [(2, 2), (10, 0), (80, 30)]


def receiving() -> WorkerChannel:
    channel = WorkerChannel(1)
    channel.session.connect(Format("PCMU", 0, 101), ("192.0.2.1", 4000), 0.0)
    return channel
