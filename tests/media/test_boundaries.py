"""Twenty calls share a media process: an error in one of them does not affect the others. On virtual time."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from media.browsers.transport import BrowserTransport, Network
from media.browsers.worker import BrowserWorker
from media.g711 import FRAME
from media.process import wire
from media.process.channel import (
    Channel,
    Dead,
    DtmfDigit,
    Finished,
    Frames,
    Listened,
    MediaDown,
    NoRtp,
    Quality,
    Recorded,
    Started,
)
from media.process.engine import MediaEngine
from media.process.wire import Kind, Message
from tests.media.one_process import SECOND, GatewayAndWorker, RemoteSide, Spoilt, bug, paired
from tests.media.test_engine import SPEECH, Phone, with_engine
from tests.waiting import until

pytestmark = pytest.mark.faults("A1")

CALLS = 20
BAD = 7
"""The index of the call in which an error is raised."""


def scenario(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[GatewayAndWorker], None], *, ends: bool = True) -> None:
    """Everybody speaks for two seconds; at the first `spoil` makes something raise in one call, and then is gone."""

    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(CALLS):
                await pair.call()
            for channel in pair.channels:
                channel.listen(on=True)
            pair.run()
            spoil(pair)
            for channel in pair.channels:
                channel.say(1, SPEECH * 20)
                channel.finish(1)
            for remote, channel in zip(pair.remotes, pair.channels, strict=True):
                remote.press(channel.port)
            pair.run()
            for number, (remote, channel) in enumerate(zip(pair.remotes, pair.channels, strict=True)):
                if number != BAD:
                    await nothing_is_missing(pair, remote, channel)
            bad = pair.remotes[BAD]
            if ends:
                (dead,) = bad.of(Dead)
                assert "Bug: in call seven" in dead.cause
                assert bad.events[-1] is dead, "nothing follows"
                assert len(pair.process.channels) == CALLS - 1
                assert BAD + 1 not in pair.worker._channels, "its ports are free again"
                with pytest.raises(MediaDown):
                    await pair.channels[BAD].stats()
                assert pair.process.state.failed == 1
            pair.channels[BAD].close()
            pair.exchange()
            await pair.call()
            pair.run(SECOND // 5)
            assert pair.remotes[-1].heard(), "the next call works"

    asyncio.run(run())


async def nothing_is_missing(pair: GatewayAndWorker, remote: RemoteSide, channel: Channel) -> None:
    counts = await pair.counted(channel)
    assert counts["received"] == 2 * SECOND + 1, "each packet, and the key"
    assert counts["lost"] == counts["foreign"] == counts["malformed"] == counts["skipped"] == 0
    assert counts["sent"] == len(remote.got) == 2 * SECOND
    assert [packet.sequence for packet in remote.got] == [remote.got[0].sequence + at for at in range(2 * SECOND)]
    assert remote.heard().count(bytes([remote.number]) * FRAME) >= 2 * SECOND - 5, (
        "but for the piece that is being filled"
    )
    assert [event.key for event in remote.of(DtmfDigit)] == ["5"]
    assert [event.utterance for event in remote.of(Started) + remote.of(Finished)] == [1, 1]
    assert len(remote.of(Listened)) >= 2 * SECOND / 5 - 5
    assert not remote.of(Dead)


SINKS = [Frames, DtmfDigit, Started, Finished, Listened]


@pytest.mark.parametrize("kind", SINKS, ids=lambda kind: kind.__name__)
def test_a_sink_that_raises(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    scenario(monkeypatch, lambda pair: setattr(pair.remotes[BAD], "raises", kind))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (NoRtp, Message(Kind.NO_RTP, 0, wire.SILENT.pack(2.0, 2.0))),
        (Quality, Message(Kind.QUALITY, 0, wire.QUALITY.pack(True, 0.1, 4.0, 0.0, 0.0, 0.0, 0.0))),
        (Recorded, Message(Kind.RECORDED, 0, wire.pack_json({"seconds": 1.0, "problem": ""}))),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_sink_that_raises_at_what_is_rarely_told(
    monkeypatch: pytest.MonkeyPatch, kind: type, message: Message
) -> None:
    def spoil(pair: GatewayAndWorker) -> None:
        pair.remotes[BAD].raises = kind
        pair.worker._tell(message.kind, pair.channels[BAD].number, message.body)  # type: ignore[arg-type]

    scenario(monkeypatch, spoil)


def test_a_sink_that_raises_whatever_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(pair: GatewayAndWorker) -> None:
        pair.remotes[BAD].raises = object

    scenario(monkeypatch, spoil, ends=False)


def test_a_sink_that_asks_for_the_result_of_a_cancelled_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.CancelledError` is no `Exception`: it would close the pipe."""

    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(2):
                await pair.call()
            dead: list[object] = []

            def sink(event: object) -> None:
                if not isinstance(event, Dead):
                    raise asyncio.CancelledError
                dead.append(event)

            pair.channels[0]._sink = sink
            pair.run()
            assert dead == [Dead("a fault in the gateway: CancelledError: ")]
            assert not pair.remotes[1].of(Dead) and len(pair.remotes[1].heard()) >= (SECOND - 5) * FRAME

    asyncio.run(run())


@pytest.mark.parametrize("kind", [Kind.SOUND, Kind.MARK, Kind.DIGIT, Kind.HALTED, Kind.QUALITY, Kind.RECORDED])
def test_a_report_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """A channel of the gateway's side raises before its sink is asked."""

    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(2):
                await pair.call()
            pair.worker._tell(kind, pair.channels[0].number, b"{")
            pair.run()
            assert pair.remotes[0].of(Dead)
            assert not pair.remotes[1].of(Dead) and len(pair.remotes[1].heard()) >= (SECOND - 5) * FRAME

    asyncio.run(run())


INSIDE = {
    "sending": lambda channel: (channel.session, "transmit"),
    "receiving": lambda channel: (channel.session, "receive_clear"),
    "decrypting": lambda channel: (channel.session, "unprotected"),
    "the jitter buffer": lambda channel: (channel.session.inbound, "put"),
    "the watchdog of the jitter buffer": lambda channel: (channel.session, "poll"),
    "keys": lambda channel: (channel.session.inbound, "digit"),
    "pieces": lambda channel: (channel, "gather"),
    "tones": lambda channel: (channel, "keys_in"),
    "the playout queue": lambda channel: (channel.session.playout, "take"),
    "live listeners": lambda channel: (channel.session.live, "take"),
    "the packets that are kept": lambda channel: (channel.tap, "take"),
    "the watch": lambda channel: (channel.watch, "quality"),
    "orders": lambda channel: (channel, "play"),
}


def spoil_inside(pair: GatewayAndWorker, name: str) -> None:
    """Make one method of one call in the media process raise."""
    number = pair.channels[BAD].number
    channel = pair.worker._channels[number]
    owner, method = INSIDE[name](channel)
    spoilt = Spoilt(owner, method)
    for holder in (channel, channel.session, channel.session.inbound):
        for place in ("session", "inbound", "playout", "live", "tap", "watch"):
            if getattr(holder, place, None) is owner:
                setattr(holder, place, spoilt)
    if owner is channel:
        pair.worker._channels[number] = spoilt  # type: ignore[assignment]
        for phase in pair.worker._phases:
            phase[:] = [spoilt if one is channel else one for one in phase]  # type: ignore[misc]
        for fd, (receive, one) in list(pair.worker._by_fd.items()):
            if one is channel:
                pair.worker._by_fd[fd] = receive, spoilt  # type: ignore[assignment]


@pytest.mark.parametrize("name", INSIDE)
def test_what_raises_in_the_media_process(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    scenario(monkeypatch, lambda pair: spoil_inside(pair, name))


def test_a_report_by_rtcp_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(pair: GatewayAndWorker) -> None:
        channel = pair.worker._channels[pair.channels[BAD].number]
        channel.session = Spoilt(channel.session, "receive_rtcp")  # type: ignore[assignment]
        for remote, one in zip(pair.remotes, pair.channels, strict=True):
            remote.control.sendto(b"\x80\xc9\x00\x01" + bytes(4), ("127.0.0.1", one.port + 1))

    scenario(monkeypatch, spoil)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.CONNECT, b"{}"),
        (Kind.SAY, b""),
        (Kind.BRIDGE, b"\0"),
        (Kind.RECORD, b"[]"),
        (Kind.DIGITS, b"[1]"),
        (Kind.FINISH, b"\0"),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_an_order_that_cannot_be_carried_out(monkeypatch: pytest.MonkeyPatch, kind: Kind, body: bytes) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(3):
                await pair.call()
            pair.run()
            pair.process.send(Message(kind, pair.channels[0].number, body))
            pair.run()
            assert [len(remote.of(Dead)) for remote in pair.remotes] == [1, 0, 0]
            for remote in pair.remotes[1:]:
                assert len(remote.got) == remote.sent == 2 * SECOND

    asyncio.run(run())


def test_who_looks_at_packets_ends_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(2):
                await pair.call()
            pair.run()
            pair.process.send(Message(Kind.TAPPED, pair.channels[0].number, b""))
            pair.run()
            assert not any(remote.of(Dead) for remote in pair.remotes)
            assert all(len(remote.got) == 2 * SECOND for remote in pair.remotes)

    asyncio.run(run())


def test_a_call_that_cannot_be_opened_is_told_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            await pair.call()
            good, pair.process._order = (
                pair.process._order,
                {"first": 20_000, "last": 32_000, "dscp": 0, "tap": {"no": 1}},
            )
            with pytest.raises(MediaDown, match="fault in the media process"):
                await pair.call()
            pair.process._order = good
            await pair.call()
            pair.run()
            assert all(len(remote.got) == SECOND for remote in pair.remotes)

    asyncio.run(run())


def test_one_side_of_a_bridge_that_fails_gives_the_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(3):
                await pair.call()
            pair.channels[0].bridge(pair.channels[1])
            pair.run()
            channel = pair.worker._channels[pair.channels[0].number]
            channel.session = Spoilt(channel.session, "transmit")  # type: ignore[assignment]
            pair.run()
            assert [len(remote.of(Dead)) for remote in pair.remotes] == [1, 0, 0]
            pair.channels[1].say(1, bytes([9]) * FRAME * 20)
            pair.run()
            assert [packet.payload for packet in pair.remotes[1].got].count(bytes([9]) * FRAME) == 20
            assert len(pair.remotes[1].got) == len(pair.remotes[2].got) == 3 * SECOND

    asyncio.run(run())


def test_a_media_process_that_dies_is_told_to_all_although_one_raises() -> None:
    """The same over a real process: its death is told to each call, and it is started again."""

    async def run(engine: MediaEngine) -> None:
        phones = [Phone() for _ in range(3)]
        with contextlib.ExitStack() as stack:
            for phone in phones:
                stack.enter_context(contextlib.closing(phone.sock))
            told: list[str] = []
            for at, phone in enumerate(phones):
                channel = await engine.open(bug if at == 0 else lambda event: told.append(type(event).__name__))
                phone.connect(channel)
                await phone.packet()
            (process,) = engine._processes
            process.send(Message(Kind.SAY, 0, b"\xff" * 10))  # to nobody: nothing happens
            before = engine.processes[0].pid
            assert process._pipe is not None
            process._pipe.close()
            await until(lambda: told.count("Dead") == 2)
            await until(lambda: engine.processes[0].pid not in (0, before))

    with_engine(run)


@pytest.mark.slow
def test_a_sink_that_raises_in_a_real_engine_ends_one_call_of_twenty() -> None:
    async def run(engine: MediaEngine) -> None:
        phones = [Phone() for _ in range(CALLS)]
        channels = []

        def bad(event: Any) -> None:
            phones[BAD].events.put_nowait(event)
            if isinstance(event, Frames):
                bug()

        with contextlib.ExitStack() as stack:
            for at, phone in enumerate(phones):
                stack.enter_context(contextlib.closing(phone.sock))
                channels.append(await engine.open(bad if at == BAD else phone.events.put_nowait))
                phone.connect(channels[-1])
            for number in range(50):
                for phone in phones:
                    if number < 5 or phone is not phones[BAD]:
                        phone.send(number)
                await phones[0].packet()
            assert "Bug" in (await phones[BAD].until(Dead)).cause
            for at, (phone, channel) in enumerate(zip(phones, channels, strict=True)):
                if at != BAD:
                    heard = b""
                    while heard.count(SPEECH) < 50:
                        heard += (await phone.until(Frames)).ulaw
                    assert (await channel.stats())["received"] == 50
            assert engine.processes[0].failed == 1

    with_engine(run)


def test_a_path_to_a_browser_that_raises_is_reported_as_gone() -> None:
    """The process for browsers has one group of tasks for all calls."""

    async def run() -> bytes:
        answers, path = Mock(), Mock(carry=AsyncMock(side_effect=bug))
        await BrowserWorker(answers, Network())._bounded(7, "gone", path.carry())
        told: bytes = answers.write.call_args[0][0]
        return told

    assert json.loads(asyncio.run(run())) == {"transport": 7, "do": "gone", "failed": "Bug: in call seven"}


def test_a_call_ends_with_the_error_of_its_path_to_the_browser() -> None:
    async def run() -> str:
        transport = BrowserTransport(7, Mock(), Mock())
        transport.on_answer("gone", None, "Bug: in call seven")
        return await transport.gone()

    assert asyncio.run(run()) == "Bug: in call seven"
