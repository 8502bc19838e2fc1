"""An answer of the media process reaches the reader of its question only, whatever comes late and whoever goes away."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from media.process import wire
from media.process.supervisor import MediaProcess
from media.process.wire import Kind, Message
from media.recording.tap import TapOptions, Tapped
from tests.media.one_process import GatewayAndWorker, paired


async def data(packets: AsyncGenerator[Tapped, None]) -> list[bytes]:
    return [packet.data async for packet in packets if not packet.control]


async def two_calls(pair: GatewayAndWorker) -> tuple[list[bytes], list[bytes]]:
    """Two calls in which both sides spoke; the packets of each, as a reader alone gets them."""
    for _ in range(2):
        await pair.call()
        pair.channels[-1].resume_recording()
    pair.run(20)
    first, second = [await answered(pair, begun(pair, at)) for at in (0, 1)]
    assert first and second
    assert not set(first) & set(second)
    return first, second


def begun(pair: GatewayAndWorker, call: int) -> asyncio.Task[list[bytes]]:
    return asyncio.get_running_loop().create_task(data(pair.process.packets(pair.channels[call].number)))


async def answered(pair: GatewayAndWorker, reading: asyncio.Task[list[bytes]]) -> list[bytes]:
    while not reading.done():
        await asyncio.sleep(0)
        pair.exchange()
    return reading.result()


@pytest.mark.faults("C2")
def test_the_answer_to_a_reader_who_went_away_is_not_given_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            _, second = await two_calls(pair)
            gone, waits = begun(pair, 0), begun(pair, 1)
            await asyncio.sleep(0)  # the first has asked
            gone.cancel()
            assert await answered(pair, waits) == second
            assert pair.process.state.late_answers == 1

    asyncio.run(run())


@pytest.mark.faults("C2")
def test_an_answer_that_comes_after_the_time_limit_is_not_given_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            first, second = await two_calls(pair)
            monkeypatch.setattr("media.process.questions.ANSWER_LIMIT", 0.0)
            assert await data(pair.process.packets(pair.channels[0].number)) == []
            monkeypatch.setattr("media.process.questions.ANSWER_LIMIT", 60.0)
            assert await answered(pair, begun(pair, 1)) == second
            assert pair.process.state.late_answers == 1
            assert await answered(pair, begun(pair, 0)) == first, "the same call may be asked again"

    asyncio.run(run())


def test_two_readers_at_once_get_their_own_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            first, second = await two_calls(pair)
            one, other = begun(pair, 0), begun(pair, 1)
            assert await answered(pair, one) == first
            assert await answered(pair, other) == second
            assert pair.process.state.late_answers == 0

    asyncio.run(run())


def test_an_answer_that_nobody_asked_for_is_counted_and_dropped() -> None:
    process = MediaProcess("127.0.0.1", (20_000, 32_000), TapOptions(), 0, 1)
    process.on_message(Message(Kind.TAPPED, 7, wire.NUMBER.pack(3) + b"sound of another call"))
    assert process.state.late_answers == 1
