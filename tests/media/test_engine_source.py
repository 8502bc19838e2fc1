"""The source that a real media process accepts: the media of a call moves while both sides send."""

import asyncio
import contextlib
import socket

import pytest

from media.g711 import FRAME
from media.process.channel import Channel
from media.process.engine import MediaEngine
from media.rtp import packet as rtp
from media.rtp.source import RUN_PACKETS
from media.rtp.srtp import Keys
from tests.media.test_engine import FORMAT, Phone, with_engine
from tests.waiting import HANG


class Side(Phone):
    """One of those who send to a call: packets of a sound of its own."""

    def __init__(self, host: str, ssrc: int) -> None:
        super().__init__()
        self.sock.close()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.ssrc = ssrc
        self.sent = 0

    def speak(self, channel: Channel) -> None:
        packet = rtp.build(0, False, self.sent, self.sent * FRAME, self.ssrc, bytes([self.ssrc]) * FRAME)
        self.sock.sendto(packet, ("127.0.0.1", channel.port))
        self.sent += 1

    async def hears(self) -> None:
        """Wait until our sound comes here."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.sock.recv(2000)
        await self.packet()


class Talk:
    """A call and its sides."""

    def __init__(self, channel: Channel, clock: Side) -> None:
        self.channel, self.clock = channel, clock

    async def all_read(self, packets: int) -> dict[str, int]:
        """The counters once so many packets have been looked at."""
        async with asyncio.timeout(HANG):
            while True:
                stats = await self.channel.stats()
                if stats["received"] + stats["foreign"] + stats["wrong_ssrc"] >= packets:
                    return stats

    async def paced(self, rounds: int, *sides: Side) -> None:
        """Each side sends a packet at each packet of ours."""
        for _ in range(rounds):
            await self.clock.packet()
            for side in sides:
                side.speak(self.channel)


@contextlib.asynccontextmanager
async def talking(engine: MediaEngine, *sides: Side):
    """A call that is announced to come from the first."""
    with contextlib.ExitStack() as stack:
        for side in sides:
            stack.enter_context(contextlib.closing(side.sock))
        channel = await engine.open(sides[0].events.put_nowait)
        channel.connect(FORMAT, sides[0].sock.getsockname())
        yield Talk(channel, sides[0])
        channel.close()


@pytest.mark.slow
@pytest.mark.faults("F1")
@pytest.mark.parametrize("host", ["127.0.0.2", "127.0.0.1"], ids=["another host", "another port"])
def test_after_a_move_the_new_side_is_heard_although_the_old_one_goes_on(host: str) -> None:
    async def scenario(engine: MediaEngine) -> None:
        old, new = Side("127.0.0.1", 1), Side(host, 2)
        async with talking(engine, old, new) as call:
            await call.paced(10, old)
            before = await call.all_read(10)
            call.channel.connect(FORMAT, new.sock.getsockname())
            call.clock = new
            await call.paced(2 * RUN_PACKETS, old)
            alone = 2 * RUN_PACKETS + 1  # the new side's first packet comes after one more of the old side
            await call.paced(50, old, new)
            after = await call.all_read(10 + 2 * RUN_PACKETS + 100)
            assert after["received"] - before["received"] == alone + 50, "all of the new side's"
            (old_side,) = (one for one in after["refused_sources"] if one["port"] == old.sock.getsockname()[1])
            assert (old_side["reason"], old_side["packets"]) == ("foreign", after["foreign"])
            assert old_side["announced"] < old_side["left"] <= old_side["first"] <= old_side["last"]
            await new.hears()

    with_engine(scenario)


@pytest.mark.slow
@pytest.mark.faults("F1")
def test_a_third_host_that_comes_first_is_given_up_for_the_caller() -> None:
    async def scenario(engine: MediaEngine) -> None:
        caller, stranger = Side("127.0.0.1", 1), Side("127.0.0.3", 3)
        async with talking(engine, caller, stranger) as call:
            async with asyncio.timeout(HANG):
                while not (await call.channel.stats())["received"]:  # somebody behind a NAT would have been found
                    stranger.speak(call.channel)
                    await asyncio.sleep(0.02)
            call.clock = stranger
            await call.paced(10, stranger)
            before = await call.all_read(stranger.sent)
            assert stranger.sent >= RUN_PACKETS + 10
            caller.speak(call.channel)
            await caller.hears()
            call.clock = caller
            await call.paced(50, caller, stranger)
            after = await call.all_read(stranger.sent + 51)
            assert after["received"] - before["received"] == 51
            assert after["foreign"] - before["foreign"] == 50

    with_engine(scenario)


@pytest.mark.slow
@pytest.mark.faults("F1")
def test_who_resumes_after_music_of_another_server_is_heard() -> None:
    async def scenario(engine: MediaEngine) -> None:
        caller, music = Side("127.0.0.1", 1), Side("127.0.0.2", 2)
        async with talking(engine, caller, music) as call:
            await call.paced(10, caller)
            call.channel.connect(FORMAT, music.sock.getsockname())
            call.clock = music
            await call.paced(20, music)
            call.channel.connect(FORMAT, caller.sock.getsockname())
            call.clock = caller
            await call.paced(2 * RUN_PACKETS, music)
            before = await call.all_read(30 + 2 * RUN_PACKETS)
            await call.paced(50, music, caller)
            after = await call.all_read(30 + 2 * RUN_PACKETS + 100)
            assert after["received"] - before["received"] == 1 + 50, "one of the music, before the caller's first"
            assert after["foreign"] - before["foreign"] == 49

    with_engine(scenario)


@pytest.mark.slow
def test_after_a_move_a_stranger_beside_the_old_side_is_not_heard_and_gets_no_sound() -> None:
    async def scenario(engine: MediaEngine) -> None:
        old, new, stranger = Side("127.0.0.1", 1), Side("127.0.0.2", 2), Side("127.0.0.3", 3)
        async with talking(engine, old, new, stranger) as call:
            await call.paced(10, old)
            before = await call.all_read(10)
            call.channel.connect(FORMAT, new.sock.getsockname())
            call.clock = new  # it says nothing, and our sound goes there all the time
            await call.paced(5 * RUN_PACKETS, old, stranger)
            await new.hears()
            after = await call.all_read(10 + 2 * 5 * RUN_PACKETS)
            assert after["received"] - before["received"] == 5 * RUN_PACKETS
            assert after["foreign"] - before["foreign"] == 5 * RUN_PACKETS
            assert after["ssrc_changes"] == 0

    with_engine(scenario)


def test_sound_without_the_agreed_keys_is_told_with_its_source() -> None:
    keys = Keys("AES_CM_128_HMAC_SHA1_80", b"a" * 30, b"b" * 30)

    async def scenario(engine: MediaEngine) -> None:
        caller = Side("127.0.0.1", 1)
        async with talking(engine, caller) as call:
            call.channel.connect(FORMAT, caller.sock.getsockname(), keys=keys)
            for _ in range(20):
                caller.speak(call.channel)
            async with asyncio.timeout(HANG):
                while (stats := await call.channel.stats())["unauthentic"] < 20:
                    await asyncio.sleep(0.01)
            (one,) = stats["refused_sources"]
            assert (one["port"], one["reason"], one["packets"]) == (caller.sock.getsockname()[1], "unauthentic", 20)

    with_engine(scenario)
