"""A real media process: ports, sound both ways, orders, and its death."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.g711 import FRAME, SILENCE
from media.process.channel import (  # type: ignore[attr-defined]
    Channel,
    Dead,
    DtmfDigit,
    Finished,
    Frames,
    Heard,
    MediaDown,
    NoRtp,
    PortsExhausted,
    Started,
)
from media.process.engine import MediaEngine, MediaOptions
from media.process.heartbeat import PATIENCE
from media.rtp import packet as rtp
from media.session.format import Format
from tests.ports import free_ports
from tests.waiting import HANG

FORMAT = Format("PCMU", 0, 101)
SPEECH = bytes(range(1, 161))
OPTIONS = MediaOptions("127.0.0.1", (20_000, 32_000))


class Phone:
    """The far end of a call: a socket, what was received, and the events of our side."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.events: asyncio.Queue = asyncio.Queue()

    def connect(self, channel: Channel) -> None:
        channel.connect(FORMAT, self.sock.getsockname())
        self.sock.connect(("127.0.0.1", channel.port))

    def send(self, number: int, payload: bytes = SPEECH, kind: int = 0) -> None:
        self.sock.send(rtp.build(kind, number == 0, number, number * FRAME, 9, payload))

    async def packet(self) -> rtp.Packet:
        async with asyncio.timeout(HANG):
            data = await asyncio.get_running_loop().sock_recv(self.sock, 2000)
        packet = rtp.parse(data)
        assert packet is not None
        return packet

    async def until(self, kind: type):
        """The next event of `kind`; others before it are passed over."""
        async with asyncio.timeout(HANG):
            while not isinstance(event := await self.events.get(), kind):
                pass
        return event


@contextlib.asynccontextmanager
async def call(engine: MediaEngine) -> AsyncIterator[tuple[Phone, Channel]]:
    phone = Phone()
    channel = await engine.open(phone.events.put_nowait)
    phone.connect(channel)
    with contextlib.closing(phone.sock):
        yield phone, channel
        channel.close()


def with_engine(scenario, options: MediaOptions = OPTIONS) -> None:
    async def run() -> None:
        async with MediaEngine(options) as engine:
            await scenario(engine)

    asyncio.run(run())


def worker_of_this_process() -> int:
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if b"media.process.start" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("no media process")


def test_what_is_said_leaves_byte_for_byte_and_its_ends_are_told():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.say(1, SPEECH * 5)
            channel.finish(1)
            payloads = [(await phone.packet()).payload for _ in range(20)]
            assert [payload for payload in payloads if payload != SILENCE] == [SPEECH] * 5
            assert (await phone.until(Started)).utterance == 1
            assert (await phone.until(Finished)).utterance == 1

    with_engine(scenario)


def test_what_arrives_is_handed_up_in_chunks_of_a_hundred_milliseconds():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, _):
            for number in range(10):
                phone.send(number)
            for _ in range(2):
                assert (await phone.until(Frames)).ulaw == SPEECH * 5

    with_engine(scenario)


def test_a_key_is_told():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, _):
            phone.send(0)
            phone.send(1, b"\x0b\x0a\x00\xa0", kind=101)
            assert (await phone.until(DtmfDigit)).key == "#"

    with_engine(scenario)


def test_after_stop_not_one_more_frame_leaves():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.say(1, SPEECH * 500)
            while (await phone.packet()).payload != SPEECH:
                pass
            channel.pause()
            before = 1
            while (payload := (await phone.packet()).payload) == SPEECH:
                before += 1
            await channel.stats()  # the pause has been reported back
            assert payload[40:] == SILENCE[40:], "a fade of 5 ms, then silence"
            assert channel.stop() == Heard(1, before * FRAME)
            assert {(await phone.packet()).payload for _ in range(10)} == {SILENCE}

    with_engine(scenario)


@pytest.mark.slow
@pytest.mark.faults("B7")
def test_what_is_said_for_a_stopped_utterance_is_neither_played_nor_counted_as_heard():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.say(1, SPEECH * 500)
            while (await phone.packet()).payload != SPEECH:
                pass
            heard = channel.stop()
            channel.say(1, SPEECH * 500)
            channel.say(2, SPEECH * 5)
            channel.finish(2)
            assert channel.heard().samples <= heard.samples
            assert (await phone.until(Finished)).utterance == 2
            frames = [(await phone.packet()).payload for _ in range(60)]
            while frames and frames[0] == SPEECH:  # on its way when it was stopped
                frames.pop(0)
            assert frames.count(SPEECH) == 5

    with_engine(scenario)


def test_ports_come_in_pairs_and_run_out_politely():
    async def scenario(engine: MediaEngine) -> None:
        channels = [await engine.open(lambda event: None) for _ in range(2)]
        assert all(channel.port % 2 == 0 for channel in channels)
        with pytest.raises(PortsExhausted):
            await engine.open(lambda event: None)

    first = free_ports(4)
    with_engine(scenario, MediaOptions("127.0.0.1", (first, first + 3)))


def test_a_gateway_that_stands_still_does_not_stop_the_sound_that_is_queued():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.say(1, SPEECH * 40)
            assert (await phone.until(Started)).utterance == 1
            heard = []  # type: ignore[var-annotated]
            phone.sock.settimeout(HANG)
            while sum(packet.payload == SPEECH for packet in heard) < 30:  # the gateway does nothing else meanwhile
                packet = rtp.parse(phone.sock.recv(2000))
                assert packet is not None
                heard.append(packet)
            spoken = [at for at, packet in enumerate(heard) if packet.payload == SPEECH]
            assert spoken == list(range(spoken[0], spoken[0] + len(spoken))), "not one frame of silence between"

    with_engine(scenario)


@pytest.mark.slow
def test_who_is_not_heard_although_they_agreed_to_speak_is_told():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            assert 2.0 <= (await phone.until(NoRtp)).seconds < 10.0
            assert (await channel.stats())["sent"] > 80, "so it is not our direction that is dead"

    with_engine(scenario)


def test_a_killed_media_process_ends_its_calls_and_the_next_call_works():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            os.kill(worker_of_this_process(), signal.SIGKILL)
            assert "-9" in (await phone.until(Dead)).cause
            channel.say(1, SPEECH)
            assert channel.stop() == Heard(0, 0)
            with pytest.raises(MediaDown):
                await channel.stats()
        await next_call_works(engine)

    with_engine(scenario)


async def next_call_works(engine: MediaEngine) -> None:
    async with asyncio.timeout(HANG):
        while True:
            with contextlib.suppress(MediaDown):
                async with call(engine) as (phone, _):
                    assert (await phone.packet()).payload == SILENCE
                    return
            await asyncio.sleep(0.01)


@pytest.mark.slow
def test_a_media_process_that_stands_still_is_killed_and_the_next_call_works(monkeypatch: pytest.MonkeyPatch):
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, _):
            await phone.packet()
            os.kill(worker_of_this_process(), signal.SIGSTOP)
            with monkeypatch.context() as hurried:
                hurried.setattr("media.process.heartbeat.BEAT", 0.03)
                assert "did not answer" in (await phone.until(Dead)).cause
        await next_call_works(engine)

    with_engine(scenario)


@pytest.mark.slow
def test_a_gateway_that_stood_still_does_not_blame_the_media_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("media.process.heartbeat.BEAT", 0.1)

    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (_, channel):
            before = worker_of_this_process()
            time.sleep(0.1 * (PATIENCE + 1))
            await channel.stats()
            assert worker_of_this_process() == before

    with_engine(scenario)


@pytest.mark.slow
def test_a_gateway_that_is_always_late_knows_it():
    async def scenario(engine: MediaEngine) -> None:
        async with call(engine):
            while engine.delay < 0.1:
                time.sleep(0.4)
                await asyncio.sleep(0.01)
            assert engine.processes[0].delay == engine.delay
            async with asyncio.timeout(HANG):
                while engine.delay >= 0.1:
                    await asyncio.sleep(0.1)

    with_engine(scenario)


def test_the_media_process_does_not_outlive_the_engine():
    async def run() -> int:
        async with MediaEngine(OPTIONS):
            return worker_of_this_process()

    pid = asyncio.run(run())
    assert not Path(f"/proc/{pid}").exists()
