"""A Call-ID that comes back after more calls than the gateway remembers, in a call of another tenant: each page has its
own evidence, in memory and on the disk, and nobody sees that of the other.
"""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import pytest
from sqlalchemy import select

from agent.records import ProviderFailed, Turn, TurnEnded
from media.recording.tap import Tapped
from media.recording.wav import header
from sipgw.calls.registry import CallRegistry
from sipgw.config.config import AgentConfig
from sipgw.config.records import CaptureOptions
from sipgw.events import CallAnswered, CallBegan, CallEnded, CallReported, Disposition, MediaAddress
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.bundles import bundle_store
from sipgw.records.bundles.bundle import PARTS, _zipped
from sipgw.records.bundles.bundle_store import BundleStore, NoBundle
from sipgw.records.captures import timelines
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.evidence import CallEvidence
from sipgw.records.store.tables import ArtifactRecord
from sipgw.sip.dialog import Peer
from sipgw.sip.trace import Traced
from sipgw.web import one_call
from sipgw.web.found_call import find
from sipgw.web.tenant_view import TenantGateway
from tests.cdr_events import artifact
from tests.waiting import HANG
from tests.web.gateway_view import Visit, live_call, visit
from tests.web.test_one_call import hold, looking
from tests.web.test_tenants import TOML

SAME = "chosen@by-who-calls"
HOLDERS = ("acme", "globex")
BEGAN = [datetime(2026, 1, 2, hour, 4, 5, 678, tzinfo=UTC) for hour in (3, 9)]
NAMES = (SAME, f"{SAME} {BEGAN[1].isoformat()}")
"""The identities of their rows."""
PAGE = ("/timeline.json", "", "/pcap", "/bundle")


class Engine:
    """Has a packet in each channel, with the name of whose call it is."""

    async def packets(self, channel: int) -> AsyncIterator[Tapped]:
        data = b"\x80" * 12 + f"sound-{HOLDERS[channel]}".encode()
        yield Tapped(asyncio.get_running_loop().time(), False, False, ("192.0.2.1", 4000), data, len(data))


async def made(store: Any, call: Any, engine: Any) -> bytes:
    """The bundle of a call without a conversation."""
    if (seen := store._ended.get(call)) is None:
        raise NoBundle("nothing of this call is in memory")
    head = {"began": seen.began.at.isoformat(), "caller": seen.began.caller}
    return _zipped([json.dumps(head).encode(), *[b""] * (len(PARTS) - 1)])


@contextlib.asynccontextmanager
async def gathered(there: Visit, writer: CdrWriter, folder: Path) -> AsyncIterator[None]:
    """Evidence as of a gateway that has just started."""
    options = CaptureOptions(
        bundles="always", folder=str(folder / "captures"), bundle_folder=str(folder / "bundles")
    )  # fmt: skip
    here: Any = SimpleNamespace(contact_host=lambda peer: "192.0.2.9", port=5060)
    evidence = there.gateway.evidence = CallEvidence(options, there.gateway.agents)
    forget = there.gateway.watchers.add(evidence.watch)
    async with evidence.gathering(Engine(), here, folder / "calls", Artifacts(writer.keep)):  # type: ignore[arg-type]
        yield
    forget()


def begin(there: Visit, number: int) -> None:
    """A call of a tenant, which goes on."""
    holder, gateway, at = HOLDERS[number], there.gateway, BEGAN[number]
    data = f"INVITE sip:x SIP/2.0\r\nFrom: <sip:caller-{holder}@x>;tag={number}\r\nCall-ID: {SAME}\r\n\r\n".encode()
    gateway.evidence.trace(Traced("in", Peer("udp", "192.0.2.1", 5060), data, asyncio.get_running_loop().time()))
    agent, caller = f"sales-{holder}", f"caller-{holder}"
    gateway.begin(live_call(number, id=SAME, tenant=holder, agent=agent, began=at))
    gateway.watchers.tell(CallBegan(SAME, at, "in", "office", agent, caller, "+1", {"number": caller}, SAME, holder))
    gateway.watchers.tell(CallAnswered(SAME, at, sound=MediaAddress(number, "192.0.2.9", 4000)))
    words = Turn(f"word-{holder}", f"word-{holder}", f"word-{holder}")
    gateway.watchers.tell(CallReported(SAME, at, TurnEnded(words)))


def end(there: Visit) -> None:
    at = there.gateway.calls.pop(SAME).info.began + timedelta(seconds=9)
    there.gateway.watchers.tell(CallEnded(SAME, at, Disposition("caller_hung_up", ""), {}))


async def sign_in(there: Visit, name: str, password: str) -> dict[str, str]:
    await there.browser.post("/sign-in", data={"name": name, "password": password})
    cookie = "; ".join(f"{name}={value}" for name, value in there.browser.cookies.items())
    there.browser.cookies.clear()
    return {"Cookie": cookie}


def head(bundle: BytesIO | Path) -> str:
    with ZipFile(bundle) as file:
        return file.read(PARTS[0]).decode()


async def seen(there: Visit, who: dict[str, str], name: str) -> dict[str, str]:
    """What somebody gets of the call of that name, by the part of its page; what is not there is left out."""
    got = {}
    for part in PAGE:
        answer = await there.browser.get(f"/calls/{quote(name)}{part}", headers=who)
        assert answer.status_code in (200, 404)
        if answer.status_code == 200:
            got[part] = head(BytesIO(answer.content)) if part == "/bundle" else answer.content.decode("latin-1")
    return got


def only_of(number: int, got: dict[str, str], parts: tuple[str, ...] | None = None) -> None:
    """All that somebody got is of that call; and it is these `parts`."""
    own, other = HOLDERS[number], HOLDERS[1 - number]
    assert not [part for part, text in got.items() if f"-{other}" in text]
    assert not [part for part, text in got.items() if f"caller-{own}" not in text]
    assert f"sound-{own}" in got.get("/pcap", f"sound-{own}")
    assert parts is None or tuple(got) == parts


async def written(writer: CdrWriter, folder: Path, calls: int) -> None:
    async with asyncio.timeout(HANG):
        while [len(list((folder / name).glob("[!.]*"))) for name in ("calls", "captures", "bundles")] != [calls] * 3:
            await asyncio.sleep(0.01)
    await writer.written()


def content(path: Path) -> str:
    """The content of a timeline, capture or bundle."""
    if path.suffix == ".zip":
        return head(path)
    return (gzip.decompress if path.suffix == ".gz" else bytes)(path.read_bytes()).decode("latin-1")


def test_each_of_two_calls_has_its_own_page_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BundleStore, "_made", made)
    for module in (timelines, bundle_store):
        monkeypatch.setattr(module, "SETTLE", 0.0)

    async def look(there: Visit) -> None:
        there.gateway.others = {f"sales-{holder}": AgentConfig() for holder in (*HOLDERS, "initech")}
        people = []
        for holder in HOLDERS:
            await there.auth.accounts.set_user(holder, "admin", "battery staple", holder)
            people.append(await sign_in(there, holder, "battery staple"))
        operator = await sign_in(there, "admin", "correct horse")

        async def each_has_its_own(parts: tuple[str, ...]) -> None:
            for number, name in enumerate(NAMES):
                for who in (people[number], operator):
                    only_of(number, await seen(there, who, name), parts)
                only_of(number, await seen(there, people[number], NAMES[1 - number]))  # perhaps it has that name, too

        registry = CallRegistry()
        async with CdrWriter(there.gateway.store, there.gateway.watchers) as writer:
            async with gathered(there, writer, tmp_path):
                for number, own in enumerate(people):
                    assert registry.identity(SAME) == SAME
                    registry._given.clear()  # as after many other calls
                    begin(there, number)
                    only_of(number, await seen(there, own, SAME), PAGE[:3])
                    await writer.written()
                    for who, name in ((operator, SAME), (own, SAME), (own, NAMES[number])):
                        only_of(number, await seen(there, who, name), PAGE[:3])
                    only_of(1 - number, await seen(there, people[1 - number], SAME), PAGE if number else ())
                    end(there)
                    only_of(number, await seen(there, own, SAME), PAGE)
                    await written(writer, tmp_path, number + 1)
                await each_has_its_own(PAGE)
            async with gathered(there, writer, tmp_path):
                await each_has_its_own(("/timeline.json", "", "/bundle"))
        async with there.gateway.store.read() as session:
            rows = list(await session.scalars(select(ArtifactRecord)))
        assert len(rows) == 6
        for row in rows:
            only_of(NAMES.index(row.call), {row.kind: content(Path(row.path))})

    async def scenario() -> None:
        async with visit(tmp_path, TOML) as there:
            await look(there)

    asyncio.run(scenario())


def test_after_its_end_a_tenant_finds_the_row_of_its_call_by_the_call_id(tmp_path: Path) -> None:
    """The page that was open during the call goes on with the Call-ID; costs, report and recording are in the row."""

    async def scenario() -> None:
        async with visit(tmp_path, TOML) as there:
            there.gateway.others = {f"sales-{holder}": AgentConfig() for holder in (*HOLDERS, "initech")}
            writers = CdrWriter(there.gateway.store, there.gateway.watchers)
            async with writers as writer, gathered(there, writer, tmp_path):
                for number in range(2):
                    begin(there, number)
                    await writer.written()
                    end(there)
                await writer.written()
                for number, row in enumerate(NAMES):
                    gateway: Any = there.gateway
                    view: Any = TenantGateway(gateway, HOLDERS[number])
                    found = await find(view, SAME)
                    assert found and (found.row, found.tenant) == (row, HOLDERS[number])

    asyncio.run(scenario())


def test_the_record_of_a_call_that_goes_on_has_the_name_by_which_it_is_steered(tmp_path: Path) -> None:
    """Lists and webhooks have it. Nobody steers a call of another tenant by it."""

    async def scenario() -> None:
        async with visit(tmp_path, TOML) as there:
            there.gateway.others = {f"sales-{holder}": AgentConfig() for holder in (*HOLDERS, "initech")}
            keys = [
                await there.auth.accounts.add_key(holder, ("calls:read", "calls:control"), holder) for holder in HOLDERS
            ]
            async with CdrWriter(there.gateway.store, there.gateway.watchers) as writer:
                for number in range(2):
                    begin(there, number)
                    await writer.written()
                    live = there.gateway.calls[SAME]
                    if not number:
                        end(there)
            got = []
            for key in keys:
                headers = {"Authorization": f"Bearer {key}"}
                for what, body in (("say", {"text": "Hello"}), ("give-back", {}), ("end", {"cause": "spam"})):
                    path = f"/api/v1/calls/{quote(NAMES[1])}/{what}"
                    got.append((await there.browser.post(path, json=body, headers=headers)).status_code)
                live.context.conversation.ending = True  # type: ignore[union-attr]
            assert got == [404, 404, 404, 409, 409, 200]
            assert live.context.stopped and live.context.stopped.cause == "spam"

    asyncio.run(scenario())


def test_the_failure_of_a_provider_leads_to_the_record_of_its_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with visit(tmp_path, TOML) as there:
            there.gateway.others = {f"sales-{holder}": AgentConfig() for holder in (*HOLDERS, "initech")}
            operator = await sign_in(there, "admin", "correct horse")
            async with CdrWriter(there.gateway.store, there.gateway.watchers) as writer:
                for number in range(2):
                    begin(there, number)
                    there.gateway.watchers.tell(CallReported(SAME, BEGAN[number], ProviderFailed("stt", "down")))
                    await writer.written()
                    end(there)
            text = (await there.browser.get("/providers", headers=operator)).text
            assert [text.count(f'href="/calls/{quote(name)}"') for name in NAMES] == [1, 1]

    asyncio.run(scenario())


def test_the_recording_of_another_call_is_not_played_though_the_record_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a call that could not be recorded because the file of an earlier one has its name."""
    file = tmp_path / "same.wav"
    file.write_bytes(header(16_000) + b"\xff" * 16_000)
    monkeypatch.setattr(one_call, "PAUSES", ())

    async def look(visitor: Visit) -> None:
        for call in ("a@1", "b@1"):
            hold(visitor, call, file=str(file))
        async with visitor.gateway.store.write() as session:
            session.add(artifact("a@1", str(file)))
        got = [(await visitor.browser.get(f"/calls/{call}/recording")).status_code for call in ("a@1", "b@1")]
        assert got == [200, 404]

    looking(tmp_path, look)
