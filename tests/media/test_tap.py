"""Packets kept in memory: what is kept, for how long, within which limit, and that SRTP stays encrypted."""

import asyncio

import pytest

from media.process.engine import MediaEngine, MediaOptions
from media.recording.tap import HEADER, BlockPool, Tap, TapOptions, packed, read
from media.rtp.packet import build, parse
from media.rtp.srtp import Keys, Srtp
from tests.media.test_engine import FORMAT, OPTIONS, SPEECH, Phone, call

HERE = ("192.0.2.9", 4000)
PACKET = bytes(range(172))


def tap(pool: BlockPool, number: int = 1, **options) -> Tap:
    opened = pool.open(number, TapOptions(**options))
    assert opened is not None
    return opened


def kept(tap: Tap) -> list:
    return [packet for block in tap.blocks for packet in read(block.packed())]


def test_packets_that_were_packed_are_read_again():
    one = tap(BlockPool(), keep="always")
    for number in range(600):
        one.take(number / 50, PACKET, ("192.0.2.9", 4000 + number), out=number % 2 == 0)
    whole = kept(one)
    again = list(read(packed(whole)))
    assert [packet[:3] + packet[4:] for packet in again] == [packet[:3] + packet[4:] for packet in whole]
    assert [packet.remote for packet in again[:255]] == [packet.remote for packet in whole[:255]]


def talk(tap: Tap, seconds: float, since: float = 0.0) -> None:
    for slot in range(round(seconds * 50)):
        tap.take(since + slot * 0.02, PACKET, HERE, out=False)
        tap.take(since + slot * 0.02, PACKET, HERE, out=True)


def test_packets_come_back_as_they_were():
    one = tap(BlockPool(), keep="always")
    one.take(1.5, PACKET, HERE, out=False)
    one.take(1.6, b"report", ("2001:db8::1", 4001), out=True, control=True)
    assert [tuple(packet) for packet in kept(one)] == [
        (1.5, False, False, HERE, PACKET, 172),
        (1.6, True, True, ("2001:db8::1", 4001), b"report", 6),
    ]


def test_headers_are_kept_without_the_sound_but_rtcp_whole():
    one = tap(BlockPool(), keep="headers")
    one.take(0.0, PACKET, HERE, out=True)
    one.take(0.0, bytes(60), HERE, out=True, control=True)
    sound, report = kept(one)
    assert (sound.data, sound.size) == (PACKET[:HEADER], 172)
    assert len(report.data) == report.size == 60


def test_what_must_not_be_recorded_is_not_captured_either():
    one = tap(BlockPool(), keep="always")
    one.muted = True
    one.take(0.0, PACKET, HERE, out=False)
    one.muted = False
    one.take(0.0, PACKET, HERE, out=False)
    assert [len(packet.data) for packet in kept(one)] == [HEADER, 172]


def test_nothing_is_kept_when_that_is_off():
    pool = BlockPool()
    assert pool.open(1, TapOptions("off")) is None
    assert not pool.taps


def test_recent_keeps_at_least_its_seconds_and_not_much_more():
    one = tap(BlockPool(), keep="recent", seconds=20.0)
    talk(one, 100.0)
    first = kept(one)[0].at
    assert 70.0 <= first <= 80.0


def test_always_keeps_the_whole_call():
    one = tap(BlockPool(), keep="always")
    talk(one, 100.0)
    assert len(kept(one)) == 10_000


def test_a_flood_on_one_call_takes_nothing_from_the_others():
    pool = BlockPool()
    quiet, flooded = tap(pool, 1, seconds=10.0), tap(pool, 2, seconds=10.0)
    talk(quiet, 5.0)
    for at in range(100_000):
        flooded.take(5 + at / 1e5, PACKET, (f"198.51.100.{at % 250}", at % 60_000), out=False)
    assert len(kept(quiet)) == 500
    assert sum(block.size for block in flooded.blocks) < 1_000_000


def test_when_memory_is_full_the_call_that_ended_first_goes_before_those_that_go_on():
    pool = BlockPool()
    limit = 2_000_000
    taps = {number: tap(pool, number, keep="always", limit=limit) for number in (1, 2, 3)}
    for number in (1, 2, 3):
        talk(taps[number], 25.0)
    taps[2].end()
    taps[1].end()
    talk(taps[3], 40.0, since=25.0)
    assert pool.size <= limit
    assert len(kept(taps[2])) < 2500 == len(kept(taps[1]))
    assert len(kept(taps[3])) == 6500
    talk(taps[3], 60.0, since=65.0)
    assert set(pool.taps) == {3}
    assert kept(taps[3])[-1].at == pytest.approx(124.98)
    assert pool.size <= limit


def test_many_short_calls_stay_within_the_limit_and_leave_nothing_behind():
    pool = BlockPool()
    for number in range(5000):
        short = tap(pool, number, limit=500_000)
        talk(short, 0.04)
        short.end()
    assert pool.size <= 500_000
    assert len(pool.taps) == len(pool._ended) < 500


def run(scenario, options: TapOptions) -> None:
    async def inside() -> None:
        async with MediaEngine(OPTIONS, options) as engine:
            await scenario(engine)

    asyncio.run(inside())


@pytest.mark.faults("C2")
def test_until_it_is_said_that_sound_may_be_kept_only_headers_are():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.say(1, SPEECH * 5)
            phone.send(0)
            for _ in range(20):
                await phone.packet()
            kept = [packet async for packet in engine.packets(channel.number) if not packet.control]
            assert len(kept) > 10
            assert {len(packet.data) for packet in kept} == {HEADER}

    run(scenario, TapOptions())


def test_the_packets_of_a_call_can_be_had_while_it_goes_on_and_after_it():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.resume_recording()
            channel.say(1, SPEECH * 5)
            phone.send(0)
            sent = [await phone.packet() for _ in range(20)]
            during = [packet async for packet in engine.packets(channel.number)]
            heard = [parse(packet.data) for packet in during if packet.out and not packet.control]
            assert heard[:20] == sent
            (received,) = [packet for packet in during if not packet.out]
            assert received.remote == phone.sock.getsockname()
            assert received.data.endswith(SPEECH)
        after = [packet async for packet in engine.packets(channel.number)]
        assert after[: len(during)] == during
        assert after[-1].control  # the goodbye of RTCP
        assert [packet async for packet in engine.packets(99)] == []

    run(scenario, TapOptions())


def test_srtp_is_captured_as_it_was_sent_encrypted():
    async def scenario(engine: MediaEngine) -> None:
        phone = Phone()
        channel = await engine.open(phone.events.put_nowait)
        channel.resume_recording()
        keys = Keys("AES_CM_128_HMAC_SHA1_80", bytes(range(30)), bytes(range(30, 60)))
        channel.connect(FORMAT, phone.sock.getsockname(), keys=keys)
        channel.say(1, SPEECH * 20)
        wire = [await asyncio.get_running_loop().sock_recv(phone.sock, 2000) for _ in range(20)]
        seen = [packet.data async for packet in engine.packets(channel.number) if packet.out and not packet.control]
        assert seen[:20] == wire
        assert not any(SPEECH in data for data in seen)
        assert not any(key in b"".join(seen) for key in (bytes(range(30)), bytes(range(30, 60))))
        channel.close()
        phone.sock.close()

    run(scenario, TapOptions(keep="always"))


def test_what_came_by_srtp_is_kept_clear_only_for_calls_that_are_to_be_played_again():
    async def scenario(engine: MediaEngine) -> None:
        phone = Phone()
        channel = await engine.open(phone.events.put_nowait)
        channel.resume_recording()
        ours, theirs = bytes(range(30)), bytes(range(30, 60))
        channel.connect(FORMAT, phone.sock.getsockname(), keys=Keys("AES_CM_128_HMAC_SHA1_80", ours, theirs))
        clear = build(0, True, 1, 2, 3, SPEECH[:160])
        phone.sock.sendto(
            Srtp(Keys("AES_CM_128_HMAC_SHA1_80", theirs, ours)).protect(clear), ("127.0.0.1", channel.port)
        )
        phone.sock.sendto(b"\x80\x00 forged", ("127.0.0.1", channel.port))
        for _ in range(10):
            await asyncio.get_running_loop().sock_recv(phone.sock, 2000)
        seen = [packet async for packet in engine.packets(channel.number) if not packet.control]
        assert [packet.data for packet in seen if not packet.out] == [clear, b"\x80\x00 forged"]
        assert all(parse(packet.data) is None or SPEECH[:160] not in packet.data for packet in seen if packet.out)
        channel.close()
        phone.sock.close()

    run(scenario, TapOptions(keep="always", clear=True))


def test_without_a_tap_nothing_is_handed_up():
    async def scenario() -> None:
        async with MediaEngine(MediaOptions("127.0.0.1")) as engine, call(engine) as (phone, channel):
            await phone.packet()
            assert [packet async for packet in engine.packets(channel.number)] == []

    asyncio.run(scenario())
