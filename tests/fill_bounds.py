"""Fills what is remembered of others over its bounds, for `tests.test_bounds`."""

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from agent.records import CallerSaid
from agent.tools import Toolbox
from media.process.channel import Frames
from sipgw.calls import line_events, phone_line
from sipgw.calls.listeners import Listeners
from sipgw.config.networks import Networks
from sipgw.config.records import CaptureOptions, StoreOptions
from sipgw.events import CallEnded, CallReported, Disposition, Event, Watchers
from sipgw.policy.gate import stop_calling
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.inbound import admission
from sipgw.records.artifacts import artifact
from sipgw.records.bundles.bundle_store import BundleStore
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.records.store.store import Store
from sipgw.sip import connection, resolver
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.web import placed, transcript
from sipgw.web.authentication import Authentication
from sipgw.web.placed import PlacedCalls
from sipgw.web.principal import NOBODY
from sipgw.web.throttle import TRIES, SignInThrottle, TooManyAttempts
from tests.cdr_events import call_began
from tests.sip.test_endpoint import LOCAL, OPTIONS, admit_all, pick_up

NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def addresses(folder: Path, patch: pytest.MonkeyPatch) -> None:
    hosts = OrderedDict[str, None]()
    for number in range(1100):
        admission._remember(hosts, str(ip_address(number)))
    assert len(hosts) == 1000


async def strangers(folder: Path, patch: pytest.MonkeyPatch) -> None:
    told, request = admission._RefusalLog(), parse_message(OPTIONS)
    assert isinstance(request, Request)
    for number in range(101):
        told.stranger(request, Peer("udp", str(ip_address(number)), 5060), 0.0)
    assert len(told._strangers) == 100


async def nonces(folder: Path, patch: pytest.MonkeyPatch) -> None:
    asking = admission.Admission(admission.AdmissionOptions(), (), (), key=b"k", token=str)._challenger  # type: ignore[attr-defined]
    for number in range(10_100):
        asking._remember(f"{number:x}.t.m", 1)
    assert len(asking._counts) == 10_000


async def networks(folder: Path, patch: pytest.MonkeyPatch) -> None:
    kept = Networks([("10.0.0.0/8", True)])
    for number in range(5000):
        kept.match(str(ip_address(number)))
    assert len(kept._found) <= 4096


async def good_keys(folder: Path, patch: pytest.MonkeyPatch) -> None:
    accounts = Mock(key=AsyncMock(return_value=Mock()))
    auth = Authentication(Mock(session_idle=60, session_limit=60), accounts)
    for number in range(101):
        await auth._key(str(number))
    assert len(auth._known) == 100


async def tries(folder: Path, patch: pytest.MonkeyPatch) -> None:
    throttle = SignInThrottle()
    with pytest.raises(TooManyAttempts):
        for _ in range(TRIES + 1):
            throttle.take("192.0.2.1", 0.0)


async def observers(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
        kept = endpoint._transports._public_address
        for number in range(1001):
            kept.learn(Peer("udp", f"192.0.2.{number}", 5060), "203.0.113.9", 5060)
        assert len(kept._by) == 1000
        kept.learn(Peer("udp", "192.0.2.1", 5060), "203.0.113.10", 5060)
        assert kept.address(Peer("udp", "192.0.2.1", 5060)) == ("203.0.113.10", 5060), "who has a place keeps it"
        return endpoint.counts


async def found_names(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    known = resolver.Resolver((), lambda _: True, lambda work: work.close(), lambda *_: None)
    patch.setattr(known, "_ask_all", AsyncMock(return_value=(Peer("udp", "192.0.2.1", 5060),)))
    for number in range(1001):
        await known._look_up(Peer("udp", f"{number}.example", 5060))
    assert len(known._known) == 1000
    return known.counts


async def failures(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
        for number in range(1001):
            endpoint.agent.clients.health.failed(Peer("udp", f"h{number}", 5060), 0.0)
        assert len(endpoint.agent.clients.health._failures) == 1000
        return endpoint.counts


async def bundles(folder: Path, patch: pytest.MonkeyPatch) -> None:
    kept = BundleStore(CaptureOptions(bundles="demand", megabytes=1), Mock(), lambda call: None)
    for number in range(3):
        call = f"{number}@x"
        kept.watch(call_began(call))
        kept._live[call].recorder.note("said", text="x" * 400_000)
        kept.watch(CallEnded(call, NOW, Disposition("caller_hung_up", ""), {}))
    assert [key.call for key in kept._ended] == ["2@x"]


async def listener(folder: Path, patch: pytest.MonkeyPatch) -> None:
    listeners = Listeners(lambda on: None)
    with listeners.listen():
        for _ in range(60):
            listeners.hear(b"x")
        assert [queue.qsize() for queue in listeners._queues] == [50]


async def sound_and_keys(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(line_events, "EVENTS_KEPT", 10)
    line = phone_line.PhoneLine()
    for number in range(20):
        line.on_media(Frames(b"\xff" * 160, number * 0.02, 0.0))  # type: ignore[arg-type]
        line.press("1", "info", number)
    assert len(line._events._waiting) == 10


async def spoken(folder: Path, patch: pytest.MonkeyPatch) -> None:
    watchers = Watchers[Event]()
    reading = transcript.words(watchers, "c", lambda: True)
    async with asyncio.TaskGroup() as group:
        group.create_task(anext(reading))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        for number in range(300):
            watchers.tell(CallReported("c", NOW, CallerSaid(str(number), True)))
    await reading.aclose()  # type: ignore[attr-defined]


async def keys(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(placed, "MOST", 3)
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        for number in range(6):
            await PlacedCalls(store).claim(NOBODY, str(number), "call")


async def lookups(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    found: list[object] = []
    known = resolver.Resolver((), lambda _: True, lambda work: work.close(), lambda *_: None)
    for number in range(resolver.MAX_LOOKUPS + 1):
        known.locate(Peer("udp", f"{number}.example", 5060), lambda hops, now: found.append(hops), 0.0)
    assert found == [()]
    trunk, hops = Peer("udp", "trunk.example", 5060), (Peer("udp", "192.0.2.1", 5060),)
    known._known[trunk] = resolver._Known(hops, 0.0)
    known.locate(trunk, lambda hops, now: found.append(hops), 0.0)
    assert found.pop() == hops, "callers' names take no addresses from a trunk's"
    for _ in range(resolver.MAX_WAITING):
        known.locate(Peer("udp", "0.example", 5060), lambda hops, now: found.append(hops), 0.0)
    assert len(known._waiting[Peer("udp", "0.example", 5060)]) == resolver.MAX_WAITING
    return known.counts


async def waiting_for_a_connection(folder: Path, patch: pytest.MonkeyPatch) -> Any:
    async with Endpoint(LOCAL, pick_up, admit_all) as endpoint:
        table = endpoint._transports._streams
        table.callbacks = table.callbacks._replace(spawn=lambda work: work.close())
        for _ in range(connection.MAX_WAITING + 1):
            table.send(b"x", Peer("tcp", "127.0.0.1", 9))
        (stream,) = table._open.values()
        assert len(stream._waiting) == connection.MAX_WAITING
        stream.abort()
        return endpoint.counts


async def artifacts(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Files that are being written."""
    patch.setattr(artifact, "MOST_OPEN", 1)
    held = artifact.Artifacts()
    held.begin(ArtifactKind.RECORDING, "a@1", str(folder / "x.wav"))
    with pytest.raises(OSError, match="files of calls are being written"):
        held.begin(ArtifactKind.RECORDING, "b@2", str(folder / "y.wav"))
    assert list(held.open) == [str(folder / "x.wav")]


async def numbers_not_to_call(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """In one call with a caller who withholds their number."""
    told = set[str]()
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        own = OwnList(store)
        for last in range(stop_calling.MOST_TOLD + 1):
            tools = Toolbox(stop_calling.stop_tools(own, tuple, "US", "call-1", told, "en"))
            await tools.run("stop_calling", f'{{"phone_number": "+1415555010{last}"}}')
        assert await own.count() == stop_calling.MOST_TOLD
