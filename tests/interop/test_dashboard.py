# mypy: disable-error-code="union-attr"
"""A phone calls a gateway over real SIP while somebody acts at its dashboard."""

import asyncio
from pathlib import Path

import httpx

from agent.authorities import tls
from agent.records import AgentSays, TurnEnded
from sipgw.config.config import parse
from sipgw.events import CallAnswered, CallEnded, CallReported, Event
from sipgw.gateway.gateway import Gateway
from sipgw.records.store.store import Store
from sipgw.sip.uri import Uri
from sipgw.web.server import Dashboard
from tests.calling import Phone
from tests.waiting import HANG

TOML = """
[agent]
stt = "local"
llm = "local"
tts = "local"
[sip]
host = "127.0.0.1"
port = 0
[media]
bind_host = "127.0.0.1"
[web]
port = 0
[store]
path = "{path}"
"""


class Told:
    """Waits for what happens in calls."""

    def __init__(self, gateway: Gateway) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        gateway.watchers.add(self._events.put_nowait)

    async def until(self, kind: type, report: type | None = None) -> Event:
        async with asyncio.timeout(HANG):
            while True:
                event = await self._events.get()
                if isinstance(event, kind) and (report is None or isinstance(event.report, report)):  # type: ignore[attr-defined]
                    return event


def test_a_call_is_seen_spoken_into_and_ended(tmp_path: Path) -> None:
    async def look() -> None:
        config = parse(TOML.format(path=tmp_path / "x.db"), "x", {})
        phone = Phone(4000)
        async with (
            Gateway(config) as gateway, Dashboard(gateway, config.web) as dashboard, phone.endpoint,
            httpx.AsyncClient(base_url=f"{dashboard.url}api/v1", verify=tls()) as browser,
        ):  # fmt: skip
            told = Told(gateway)
            leg = await phone.call(Uri("sip", "agent", "127.0.0.1", gateway.endpoint.port))
            answered = await told.until(CallAnswered)
            call = answered.call  # type: ignore[union-attr]
            (live,) = (await browser.get("/live")).json()["calls"]
            assert (live["id"], live["state"], live["trunk"]) == (call, "talking", "local")
            assert (
                await browser.post(f"/calls/{call}/say", json={"text": "Ann comes in a minute."})
            ).status_code == 200
            greeting = await told.until(CallReported, TurnEnded)
            said = await told.until(CallReported, AgentSays)
            assert said.report.text == "Ann comes in a minute."  # type: ignore[union-attr]
            assert greeting.report.turn.heard  # type: ignore[union-attr]
            assert (await browser.post(f"/calls/{call}/end", json={"cause": "enough"})).status_code == 200
            await told.until(CallEnded)
            async with asyncio.timeout(HANG):
                await leg.over(HANG)
            assert (await browser.get("/live")).json() == {"calls": []}
        async with Store(config.store) as store:
            kept = await store.call(call)
        assert kept is not None
        assert (kept["ending"], kept["cause"]) == ("ended_here", "enough")
        assert kept["turns"][-1]["said"] == "Ann comes in a minute."

    asyncio.run(look())
