"""Twenty calls share a gateway: whatever raises in the twenty-first, or beside them, the others lose nothing.

Over real SIP, half of it on one TCP connection, and real RTP. Every kind of fault strikes while they speak; in the end
each has every packet, its beginning and its ending as events, its webhooks, and its record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from media.process import cores
from media.process.channel import Frames
from sipgw.calls.listeners import Listeners
from sipgw.events import CallAnswered, CallBegan, CallEnded, Event
from sipgw.records.store.writing import Writer
from sipgw.sip import parse
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.transports import _Datagrams
from sipgw.tools.load.parrot import ParrotLlm, ParrotStt
from tests.calls.twenty_calls import BAD, BEAT, Bug, GatewayUnderTest, RemoteSide, bug, housed, options
from tests.waiting import HANG, until

pytestmark = pytest.mark.faults("A1")

CALLS = 20


Strike = Callable[[GatewayUnderTest, pytest.MonkeyPatch], Awaitable[None]]
STRIKES: list[Strike] = []


def strike(one: Strike) -> Strike:
    STRIKES.append(one)
    return one


@strike
async def an_observer(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """One of those who watch the calls, before all others; and one of those within."""

    def wrong(event: Event) -> None:
        if isinstance(event, CallBegan) and event.caller == BAD:
            bug()

    for watchers in (under_test.gateway.watchers, under_test.gateway.evidence._watchers):
        watchers._all.insert(0, wrong)
    async with under_test.bad():
        known = under_test.gateway.evidence.sip.latest(under_test.bad_id())
        assert known is not None, "those behind it were told"
        assert under_test.of(CallBegan)[under_test.bad_id()] == 1
    for watchers in (under_test.gateway.watchers, under_test.gateway.evidence._watchers):
        watchers._all.remove(wrong)


@strike
async def a_tracer(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """One of those who see every message."""
    seen: list[object] = []
    tracers = under_test.gateway.evidence.tracers
    tracers._all.insert(0, bug)
    tracers.add(seen.append)
    async with under_test.bad():
        assert len(seen) >= 3
    tracers._all.remove(bug)
    tracers._all.remove(seen.append)


@strike
async def a_media_sink(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """Where the sound of a call is told to."""
    right = under_test.gateway.services.engine.open

    async def opened(sink: Callable[[Any], None], *args: Any, **more: Any) -> Any:
        bad = structlog.contextvars.get_contextvars().get("call") == under_test.bad_id()
        return await right((lambda event: bug() if isinstance(event, Frames) else sink(event)) if bad else sink)

    patch.setattr(under_test.gateway.services.engine, "open", opened)
    ended = under_test.of(CallEnded).total()
    async with under_test.bad():
        await until(lambda: under_test.of(CallEnded).total() > ended)
    assert next(event for event in under_test.told[::-1] if isinstance(event, CallEnded)).ending.kind == "line_lost"


def spoilt(patch: pytest.MonkeyPatch, owner: Any, name: str, which: Callable[..., bool]) -> list[object]:
    """Let a function raise for the arguments that `which` chooses; what is returned grows by one at each time."""
    right, struck = getattr(owner, name), list[object]()

    def wrong(*args: Any, **more: Any) -> Any:
        if which(*args, **more):
            struck.append(1)
            bug()
        return right(*args, **more)

    patch.setattr(owner, name, wrong)
    return struck


@strike
async def a_field(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """A parser raises what it does not declare, at a datagram and at a message on the connection of ten calls."""
    struck = spoilt(patch, parse, "_validate", lambda message: message.headers.get("call-id") == "spoilt")
    message = options("spoilt")
    before = under_test.gateway.endpoint.agent.counts["malformed"]
    to = Peer("udp", "127.0.0.1", under_test.gateway.endpoint.port)
    for transport in ("udp", "tcp"):
        under_test.phone._transports.send(message, to._replace(transport=transport))
    await until(lambda: len(struck) == 2)
    await until(lambda: under_test.gateway.endpoint.agent.counts["malformed"] == before + 2)


@strike
async def a_message(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """The core raises at a message that could be read: who asked is told, and no transaction is left."""
    agent = under_test.gateway.endpoint.agent
    struck = spoilt(patch, agent, "_outside_dialog", lambda request, *_: f"sip:{BAD}@" in str(request.headers))
    for transport in ("udp", "tcp"):
        with pytest.raises(CallFailed, match="500"):
            await under_test.call(BAD, transport)
    assert len(struck) == 2
    assert not any(one.running and BAD in str(one.request.headers) for one in agent._servers.values())


@strike
async def a_protocol_callback(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """What a connection, or the socket of datagrams, calls back raises."""
    endpoint = under_test.gateway.endpoint
    struck = spoilt(
        patch,
        endpoint,
        "_after",
        lambda action, *args: args and "stray" in str(getattr(args[0], "headers", "")),  # type: ignore[arg-type]
    )
    message = options("stray")
    for transport in ("udp", "tcp"):
        under_test.phone._transports.send(message, Peer(transport, "127.0.0.1", endpoint.port))
    await until(lambda: len(struck) == 2)


@strike
async def a_socket(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """One packet cannot be sent, for a reason that nobody has foreseen: those after it are, and the timer runs on."""
    struck = spoilt(patch, _Datagrams, "send", lambda self, data, peer: b"Call-ID: unsendable" in data)
    agent = under_test.gateway.endpoint.agent
    message = options("unsendable")
    under_test.phone._transports._udp[4]._socket.sendto(message, ("127.0.0.1", under_test.gateway.endpoint.port))
    await until(lambda: struck)
    rung: list[float] = []
    under_test.gateway.endpoint._after(
        lambda now: (agent.core.timers.at(now + 0.01, bug), agent.core.timers.at(now + 0.01, rung.append))
    )
    await until(lambda: rung)


@strike
async def a_waiter_for_a_name(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """One of those who wait for the same name raises when it is found."""
    names, found = under_test.gateway.endpoint._resolver, list[Any]()
    where = Peer("udp", "localhost", 5060)
    names.locate(where, bug, 0.0)
    names.locate(where, lambda hops, now: found.append(hops), 0.0)
    await until(lambda: found)
    assert found[0]


@strike
async def a_record(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """The store raises, whatever it is, at what is to be written of one call."""
    right = Writer.apply

    async def wrong(self: Writer, session: Any, entries: Any, place: Any) -> None:
        if any(f'"{BAD}"' in str(entry).replace("'", '"') for entry in entries):
            bug()
        await right(self, session, entries, place)

    with pytest.MonkeyPatch.context() as mine:
        mine.setattr(Writer, "apply", wrong)
        async with under_test.bad():
            pass
        good = await under_test.call("3333")
        await good.hang_up()
        async with asyncio.timeout(HANG):
            while not [
                one for one in await under_test.gateway.store.calls() if one["caller"] == "3333" and one["ended"]
            ]:
                await asyncio.sleep(BEAT)


@strike
async def a_live_listener(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """Who listens to a call raises, and so does what they are told by."""
    async with under_test.bad():
        live = under_test.gateway.calls[under_test.bad_id()]
        await until(lambda: live.info.answered)
        with pytest.raises(Bug), live.listen() as blocks:
            async for _ in blocks:
                bug()
        listeners = live.context.line.listeners
        struck = spoilt(patch, Listeners, "hear", lambda self, stereo: self is listeners)
        with live.listen():
            await until(lambda: struck)


@strike
async def a_provider(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """STT and model of one call raise; so do tools and hooks, which run inside the same boundary."""

    def of_bad(*_: Any) -> bool:
        call = structlog.contextvars.get_contextvars().get("call", "")
        live = under_test.gateway.calls.get(call)
        return live is not None and live.info.caller == BAD

    struck = spoilt(patch, ParrotStt, "send_audio", of_bad)
    spoilt(patch, ParrotLlm, "reply", of_bad)
    async with under_test.bad():
        await until(lambda: struck)


@strike
async def a_measurement(under_test: GatewayUnderTest, patch: pytest.MonkeyPatch) -> None:
    """The task that measures the load, beside all calls."""
    struck = spoilt(patch, cores, "busy", lambda: True)
    await until(lambda: struck)


def complete(far: RemoteSide, ended: CallEnded) -> None:
    """Not one packet is missing, in either direction."""
    assert ended.ending.kind == "caller_hung_up"
    assert ended.media["received"] == far.sent
    assert ended.media["lost"] == ended.media["malformed"] == 0
    assert 0 < ended.media["sent"] <= len(far.got), "counted a moment before its port was closed"
    assert [(number - far.got[0]) & 0xFFFF for number in far.got] == list(range(len(far.got)))


@pytest.fixture
def silent() -> Iterator[None]:
    """The faults are logged with their traces, which nobody wants to read here."""
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, _dropped])
    yield
    structlog.reset_defaults()


def _dropped(*_: object) -> Any:
    raise structlog.DropEvent


@pytest.mark.slow
@pytest.mark.usefixtures("silent")
def test_twenty_calls_lose_nothing_whatever_raises_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with housed(tmp_path, monkeypatch) as under_test:
            under_test.fars += [await under_test.call(f"1{at:03}", ("udp", "tcp")[at % 2]) for at in range(CALLS)]
            (connection,) = under_test.phone._transports._streams._open.values()
            talking = asyncio.create_task(under_test.talk())  # noqa: TID251  a test
            for one in STRIKES:
                with pytest.MonkeyPatch.context() as patch:
                    await one(under_test, patch)
                assert not talking.done()
                assert len(under_test.gateway.calls) == CALLS, one.__doc__
            assert list(under_test.phone._transports._streams._open.values()) == [connection], "it was never lost"
            talking.cancel()
            await asyncio.sleep(10 * BEAT)
            await asyncio.gather(*(far.hang_up() for far in under_test.fars))  # noqa: TID251  a test
            await until(lambda: not under_test.gateway.calls)
            ended = {event.call: event for event in under_test.told if isinstance(event, CallEnded)}
            began = {event.caller: event.call for event in under_test.told if isinstance(event, CallBegan)}
            for far in under_test.fars:
                far.read()
                call = began[far.number]
                assert [under_test.of(kind)[call] for kind in (CallBegan, CallAnswered, CallEnded)] == [1, 1, 1]
                complete(far, ended[call])
            async with asyncio.timeout(HANG):
                while True:
                    records = {one["caller"]: one for one in await under_test.gateway.store.calls()}
                    if all(records.get(far.number, {}).get("ended") for far in under_test.fars):
                        break
                    await asyncio.sleep(BEAT)
            for far in under_test.fars:
                await until(lambda far=far: under_test.kinds(far.number) == ["initiated", "answered", "completed"])  # type: ignore[misc]
            assert set(under_test.delivered.values()) == {1}, "each once"

    asyncio.run(scenario())
