"""What a tenant reaches of the others: nothing. A new route is walked by itself, and closed until it is opened."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import select, update
from starlette.routing import Mount, Route, WebSocketRoute

from sipgw.config.config import AgentConfig
from sipgw.events import CallBegan, CostAlarm, TrunkAlarm
from sipgw.outbound.tables import Campaign, Job
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.bundles.bundle import PARTS, _zipped
from sipgw.records.store.tables import CallRecord, EventRecord
from sipgw.web.principal import ALL, Principal
from sipgw.web.tenant_view import OPEN
from tests.cdr_events import add_call
from tests.web.gateway_view import Visit, live_call, visit

NOW = datetime(2025, 11, 24, 12, 0, tzinfo=UTC)
TOML = """
trunks = [
    { name = "trunk-acme", mode = "peer", networks = ["192.0.2.1/32"] },
    { name = "trunk-globex", mode = "peer", networks = ["192.0.2.2/32"] },
    { name = "trunk-both", mode = "peer", networks = ["192.0.2.3/32"] },
]
[web]
password = "${PASSWORD}"
[[routes]]
agent = "sales-acme"
called = ["+15550100"]
trunk = "trunk-acme"
[[routes]]
agent = "sales-globex"
called = ["+15550200"]
trunk = "trunk-globex"
[[routes]]
agent = "sales-initech"
trunk = "trunk-both"
called = ["+15550300"]
[[routes]]
agent = "sales-acme"
trunk = "trunk-both"
[[tenants]]
name = "acme"
agents = ["sales-acme"]
numbers = ["+15550111"]
money_per_day = 5
[[tenants]]
name = "globex"
agents = ["sales-globex"]
numbers = ["+15550222"]
"""
HOLDERS = ("acme", "globex", "initech")
"""Two tenants; what the third has belongs to the installation itself."""
FOREIGN = HOLDERS[1:]
SECRET = (*FOREIGN, "+15550200", "+15550222", "+15550300", "trunk-both")
"""What is of others, or is shared with them."""
KINDS = ("live", "past", "trace")
"""Calls that go on, calls of the records, and calls of which only the evidence of this process tells."""
PUBLIC = ("/healthz", "/readyz", "/sign-in", "/setup", "/sign-out", "/embed", "/static", "/api/v1/openapi.json")
"""The same for everybody, or only an end of the session."""


async def fill(there: Visit) -> None:
    """The same of each holder, with its name in everything."""
    for number, holder in enumerate(HOLDERS):
        tenant, agent = "" if holder == "initech" else holder, f"sales-{holder}"
        there.gateway.begin(live_call(number, f"live-{holder}", agent=agent, id=f"live-{holder}", tenant=tenant))
        row = CallRecord(
            id=f"past-{holder}", trunk=f"trunk-{holder}", agent=agent, caller=f"caller-{holder}",
            called=f"called-{holder}", began=NOW, ended=NOW, answered=NOW, cause=f"cause-{holder}", tenant=tenant,
            recording=f"/{holder}.wav", cost=1.0, media={"recording": {"file": f"/{holder}.wav"}},
        )  # fmt: skip
        await add_call(there.gateway.store, row, [{"caller": f"word{holder}", "said": f"word{holder}"}])
        event = f"trace-{holder}", NOW, "in", f"trunk-{holder}", agent, f"caller-{holder}", "+1", {}, "", tenant  # type: ignore[var-annotated]
        there.gateway.evidence.watch(CallBegan(*event))  # type: ignore[arg-type]
        await there.auth.accounts.note(Principal.named(f"user-{holder}"), tenant, "saw", row.id, holder, holder)
        async with there.gateway.store.write() as session:
            session.add(EventRecord(call=row.id, at=NOW, kind="transferred", about={"to": holder}))
            name = f"{tenant}/campaign-{holder}" if tenant else f"campaign-{holder}"
            session.add(Campaign(name=name))
            session.add(Job(campaign=name, key="k", number=f"number-{holder}", agent=agent, due=0.0))
            promised = {"campaign": "", "agent": agent, "due": 0.0, "call": row.id, "variables": {"topic": holder}}
            session.add(Job(key=f"{row.id} 1", number=f"back-{holder}", **promised))
    folder = there.gateway.config.audit_folder
    folder.mkdir(parents=True, exist_ok=True)
    line = {"at": NOW.isoformat(), "number": "number-globex", "permitted": True, "reason": "globex", "agent": "globex"}
    (folder / f"{NOW:%Y-%m}.jsonl").write_text(json.dumps(line) + "\n")


@contextlib.asynccontextmanager
async def shared(folder: Path) -> AsyncIterator[tuple[Visit, list[dict[str, str]]]]:
    """A gateway of two tenants; and the headers of a person and of a program of the first, who may do everything."""
    async with visit(folder, TOML) as there:
        there.gateway.others = {f"sales-{holder}": AgentConfig() for holder in HOLDERS}
        there.gateway.trunks = (*(f"trunk-{holder}" for holder in HOLDERS), "trunk-both")
        there.gateway.config = replace(there.gateway.config, store=there.gateway.store.options)
        async with there.gateway.evidence.timelines.kept_in(folder / "calls", Artifacts()):
            await fill(there)
            accounts = there.auth.accounts
            await accounts.set_user("ann", "admin", "battery staple", "acme")
            key = await accounts.add_key("ours", ALL, "acme")
            await accounts.set_user("user-globex", "admin", "battery staple", "globex")
            await accounts.add_key("key-globex", ALL, "globex")
            await there.browser.post("/sign-in", data={"name": "ann", "password": "battery staple"})
            cookie = "; ".join(f"{name}={value}" for name, value in there.browser.cookies.items())
            person = {"Cookie": cookie, **await there.token("/calls")}
            there.browser.cookies.clear()
            yield there, [person, {"Authorization": f"Bearer {key}"}]


def app_of(there: Visit) -> Any:
    transport = there.browser._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


def walk(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner.routes)
        else:
            assert isinstance(route, Route | WebSocketRoute | Mount), route
            yield route


def addresses(path: str, holder: str) -> list[str]:
    """The addresses of a route with what `holder` has."""
    calls = [f"{kind}-{holder}" for kind in KINDS]
    made = {
        path.replace("{name:path}", name).replace("{agent}", f"sales-{holder}").replace("{version}", "1")
        for name in (f"campaign-{holder}", f"{holder}/campaign-{holder}", f"acme/../{holder}/campaign-{holder}")
    }
    for name in ("{call:path}", "{id:path}", "{call}", "{id}"):
        made = {one.replace(name, call) for one in made for call in calls}
    assert not [one for one in made if "{" in one], f"{path}: say here what its parameter is of another tenant"
    return sorted(made)


async def asked(there: Visit, method: str, address: str, headers: dict[str, str]) -> httpx.Response:
    """The whole answer, also of a stream."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(there.browser.request(method, address, headers=headers))
        closed = False
        while not asking.done():
            if there.feed._readers and not closed:
                there.feed.close()
                closed = True
            await asyncio.sleep(0.001)
    return asking.result()


async def taken(app: Any, address: str, headers: dict[str, str]) -> bool:
    """Whether a websocket is accepted."""
    sent: list[str] = []
    came = iter([{"type": "websocket.connect"}])

    async def receive() -> dict[str, Any]:
        return next(came, {"type": "websocket.disconnect", "code": 1000})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers | {"Host": "127.0.0.1:8080"}).items()]
    scope = {
        "type": "websocket", "path": address, "raw_path": address.encode(), "query_string": b"", "headers": raw,
        "scheme": "ws", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080), "subprotocols": [],
        "extensions": {"websocket.http.response": {}}, "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    assert sent
    return sent[0] == "websocket.accept"


def test_no_route_tells_a_tenant_anything_of_the_others(tmp_path: Path) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, callers):
            app, walked = app_of(there), 0
            for route in walk(app.routes):
                if route.path.startswith(PUBLIC):
                    continue
                walked += 1
                for headers in callers:
                    for address in [one for holder in FOREIGN for one in addresses(route.path, holder)]:
                        if isinstance(route, WebSocketRoute):
                            assert not await taken(app, address, headers), address
                            continue
                        for method in route.methods or ():
                            answer = await asked(there, method, address, headers)
                            allowed = route.endpoint in OPEN and "{" not in route.path
                            told = f"{method} {address}: {answer.status_code} {answer.text[:300]}"
                            page = "Authorization" in headers and not address.startswith(("/api/", "/metrics"))
                            assert allowed or answer.status_code in ((303, 401) if page else (404,)), told
                            known = answer.text.replace(address, "")
                            assert not [one for one in SECRET if one in known], told
            assert walked > 40
            assert (await there.browser.get("/calls", headers=callers[0])).status_code == 200, "signed in to the end"
            assert len(there.gateway.calls) == len(HOLDERS) and not there.gateway.errands
            async with there.gateway.store.read() as session:
                assert set(await session.scalars(select(Campaign.state))) == {"running"}

    asyncio.run(look())


def test_a_tenant_has_all_of_its_own(tmp_path: Path) -> None:
    """Or the walk above would find nothing whatever we did."""

    async def look() -> None:
        async with shared(tmp_path) as (there, (person, program)):
            get = there.browser.get
            for call in ("past-acme", "live-acme", "trace-acme"):
                found = await get(f"/calls/{call}/timeline.json", headers=person)
                assert (found.status_code, "acme" in found.text) == ((404, False) if call[0] == "l" else (200, True))
            for address, headers, words in (
                ("/calls", person, "caller-acme"), ("/calls?words=wordacme", person, "caller-acme"),
                ("/live", person, "live-acme"), ("/live/events", person, "live-acme"),
                ("/calls/past-acme", person, "caller-acme"), ("/api/v1/calls/past-acme", program, "wordacme"),
                ("/api/v1/calls", program, "past-acme"), ("/api/v1/live", program, "live-acme"),
            ):  # fmt: skip
                answer = await asked(there, "GET", address, headers)
                assert answer.status_code == 200 and words in answer.text, address
            assert "past-" not in (await get("/calls?words=wordglobex", headers=person)).text
            said = await there.browser.post("/api/v1/calls/live-acme/say", headers=program, json={"text": "Hello."})
            assert said.status_code == 200
            assert await taken(app_of(there), "/api/live/live-acme/listen", person)
            titles = (await get("/calls", headers=person)).text
            assert ['href="/live"' in titles, 'href="/trunks"' in titles, 'href="/configuration"' in titles] == [
                True, False, False,
            ]  # fmt: skip

    asyncio.run(look())


def test_a_tenant_sees_neither_the_trunk_of_its_calls_nor_alarms_on_the_calls_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On no route that is open to it; a new one is walked by itself."""

    async def look() -> None:
        async with shared(tmp_path) as (there, (person, program)):
            gateway, recorded = there.gateway, {"recording": {"file": "/vault/acme.wav"}}
            gateway.trunks += ("my carrier",)
            for one in gateway.calls.values():
                one.info.trunk = replace(one.info.trunk, name="my carrier")
            about = {"trunk": "my carrier", "began": "x"}
            bundle = {name: json.dumps(about).encode() if name == "bundle.json" else b"rest" for name in PARTS}
            monkeypatch.setattr(gateway.evidence.bundles, "bundle", AsyncMock(return_value=_zipped([*bundle.values()])))
            costs = {"total": 1.0, "unpriced": ["trunk my carrier in"], "estimated": ["trunk x out", "llm gpt tokens"]}
            costs["used"] = {"trunk my carrier seconds": 60.0, "trunk x further seconds": 1.0}
            rows = [
                EventRecord(call="past-acme", at=NOW, kind=kind, about={"trunk": "my carrier", "number": "kept"})
                for kind in ("ringing", "answered", "trunk_alarm", "cost_alarm")
            ]
            async with there.gateway.store.write() as session:
                changes = {"trunk": "my carrier", "costs": costs, "recording": "/vault/acme.wav", "media": recorded}
                await session.execute(update(CallRecord).values(changes))
                await session.execute(update(Job).values(trunk="my carrier"))
                session.add_all(rows)
            there.gateway.evidence.watch(TrunkAlarm("trace-acme", NOW, "my carrier", "one_way", True, 3, 10))
            there.gateway.evidence.watch(CostAlarm("trace-acme", NOW, 9999.0, 4.0, "USD"))
            told, answered = "", set[str]()
            open_to_them = [one for one in walk(app_of(there).routes) if getattr(one, "endpoint", None) in OPEN]
            for route in open_to_them:
                if isinstance(route, WebSocketRoute) or "GET" not in route.methods or "/words" in route.path:
                    continue
                for address in addresses(route.path, "acme"):
                    answer = await asked(there, "GET", address, program if "/api/" in address else person)
                    if answer.status_code == 200:
                        answered.add(route.path)
                    text = answer.text
                    if answer.headers.get("content-type") == "application/zip":
                        with ZipFile(BytesIO(answer.content)) as file:
                            text = "".join(file.read(name).decode() for name in PARTS)
                            assert json.loads(file.read("bundle.json")) == {"trunk": "", "began": "x"}
                    told += text
                    for word in ("my carrier", "/vault", "trunk x", "9999", "latest 10 calls", "_alarm"):
                        assert word not in text, (address, word)
            assert len(answered) >= 11, answered
            assert "trunk further seconds" in told and '"kept"' in told and '"acme.wav"' in told
            found = await there.browser.get("/api/v1/calls?trunk=my%20carrier", headers=program)
            assert found.json()["calls"] == [], "the filter tells nothing"
            assert "my carrier" in str(await there.gateway.store.call("past-acme")), "the operator sees it"

    asyncio.run(look())


def figures(page: str) -> list[str]:
    return re.findall(r"<strong>(.*?)</strong>", page, re.DOTALL)


def test_the_home_page_of_a_tenant_counts_its_calls_and_names_its_numbers_and_trunks(tmp_path: Path) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, (person, _)):
            now = datetime.now(UTC)
            for holder, share in (("acme", 1.25), ("globex", 70.0), ("initech", 800.0)):
                row = CallRecord(
                    id=f"today-{holder}", trunk="x", agent=f"sales-{holder}", caller=f"today-{holder}", called="+1",
                    began=now, ended=now, answered=now, ending="failed", cause=f"broke-{holder}", cost=share,
                    costs={"llm": share}, tenant="" if holder == "initech" else holder,
                )  # fmt: skip
                await add_call(there.gateway.store, row, [{"caller": "x", "said": "y", "latency_ms": {"total": 700}}])
                about = {"part": "llm", "cause": f"refused-{holder}"}
                async with there.gateway.store.write() as session:
                    session.add(EventRecord(call=row.id, at=now, kind="provider_failed", about=about))
            page = (await there.browser.get("/", headers=person)).text
            running, today, wait, cost = figures(page)
            assert [running, today, wait] == ["1", "1", "0.7 s"] and "1.25" in cost
            for word in ("today-acme", "refused-acme", "+15550100", "+15550111", "trunk-acme"):
                assert word in page, word
            assert not [word for word in SECRET if word in page] and 'href="/trunks"' not in page
            assert "no call is taken" not in page
            async with there.gateway.store.write() as session:
                await session.execute(update(CallRecord).where(CallRecord.id == "today-acme").values(cost=5.0))
            there.overviews._kept.clear()
            assert "no call is taken until midnight" in (await there.browser.get("/", headers=person)).text

    asyncio.run(look())


def test_the_figures_of_one_home_page_are_not_shown_to_another(tmp_path: Path) -> None:
    """They are kept for a while, for each tenant by itself."""

    async def look() -> None:
        async with visit(tmp_path, TOML) as there:
            now = datetime.now(UTC)
            for number, tenant in enumerate(("acme", "acme", "globex", "")):
                row = CallRecord(id=f"call-{number}", trunk="x", agent="x", caller="x", called="x", tenant=tenant)
                row.began = row.ended = now
                await add_call(there.gateway.store, row, [])
            for _ in range(2):
                found = [
                    (await there.overviews.of(store, "day")).today.calls
                    for store in (there.gateway.store, *(there.gateway.store.of(one) for one in HOLDERS))
                ]
                assert found == [4, 2, 1, 0]

    asyncio.run(look())


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 201),
        ({"caller_id": "+15550111"}, 201),
        ({"caller_id": "+15550222"}, 409),
        ({"agent": "sales-globex"}, 409),
        ({"agent": "agent"}, 409),
        ({"trunk": "office"}, 409),
        ({"campaign": "spring"}, 201),
    ],
)
def test_a_tenant_calls_with_its_own_agents_and_numbers(tmp_path: Path, wanted: dict[str, str], status: int) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, (_, program)):
            body = {"to": "+15550123", "agent": "sales-acme"} | wanted
            headers = program | {"Idempotency-Key": "once"}
            answer = await there.browser.post("/api/v1/calls", json=body, headers=headers)
            assert answer.status_code == status
            assert "globex" not in answer.text.replace(wanted.get("agent", "globex!"), "")
            assert [one.caller_id for one in there.gateway.errands] == ["+15550111"] * (status == 201)

    asyncio.run(look())


def test_the_operator_sees_all(tmp_path: Path) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, _):
            await there.browser.post("/sign-in", data={"name": "admin", "password": "correct horse"})
            told = (await there.browser.get("/calls")).text + (await there.browser.get("/live")).text
            assert all(f"{kind}-{holder}" in told for holder in HOLDERS for kind in ("past", "live"))
            assert "admin of globex" in (await there.browser.get("/configuration")).text

    asyncio.run(look())


def test_a_new_password_keeps_the_tenant_and_ends_what_went_before(tmp_path: Path) -> None:
    async def look() -> None:
        async with shared(tmp_path) as (there, _):
            accounts = there.auth.accounts
            await accounts.set_user("ann", None, "another staple")
            assert await accounts.tenant("ann") == "acme"
            await accounts.set_user("ann", None, "another staple", "globex")
            assert (await accounts.users())["ann"] == "admin of globex"

    asyncio.run(look())
