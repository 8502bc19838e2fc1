"""The REST interface with keys, on a gateway with real calls: placed, listed, steered, handed over, looked up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from agent.authorities import tls
from sipgw.config.config import GatewayConfig
from sipgw.config.people import PersonOptions
from sipgw.config.web import WebOptions
from sipgw.sip.leg import Leg
from sipgw.web.accounts import Accounts, audit_entries
from sipgw.web.server import Dashboard
from tests.callee import Callee, callee
from tests.fakes.elevenlabs import sound_of
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.waiting import HANG, until

MINUTE = "Ann comes in a minute."
KEYS = {"1": 1, "2": 2, "#": 11}
"""Events of RFC 4733 §3.2."""


def pressed(person: Callee) -> list[int]:
    """The keys that a phone has got, once each."""
    got = [
        (packet.timestamp, packet.payload[0]) for _, packet in person.phones[0].received if packet.payload_type == 101
    ]
    return list(dict(got).values())


@dataclass
class Crm:
    """A program with three keys, one for each scope."""

    client: httpx.AsyncClient
    keys: dict[str, str]

    async def ask(self, scope: str, method: str, path: str, **body: object) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.keys[scope]}"} if scope else {}
        return await self.client.request(method, path, json=body or None, headers=bearer)


@contextlib.asynccontextmanager
async def crm(url: str, accounts: Accounts) -> AsyncIterator[Crm]:
    keys = {scope: await accounts.add_key("crm", [f"calls:{scope}"]) for scope in ("read", "control", "place")}
    async with httpx.AsyncClient(base_url=f"{url}api/v1", trust_env=False, verify=tls()) as client:
        yield Crm(client, keys)


@pytest.mark.slow
def test_calls_are_placed_steered_handed_over_and_looked_up_by_keys_with_scopes(tmp_path: Path) -> None:
    async def scenario(person: Callee, ann: Callee) -> None:
        desk = PersonOptions("billing", f"sip:ann@127.0.0.1:{ann.port}")
        web = WebOptions(port=0, password="correct horse")

        def change(config: GatewayConfig) -> GatewayConfig:
            return replace(config, people=(desk,), web=web)

        async with calling_out(tmp_path, person, change=change) as (world, _), Dashboard(world.gateway, web) as there:
            accounts = Accounts(world.gateway.store)
            async with crm(there.url, accounts) as program:
                ask = program.ask
                assert (await ask("", "GET", "/live")).status_code == 401
                assert (await ask("read", "POST", "/calls", to=NUMBER)).status_code == 403
                placed = await ask("place", "POST", "/calls", to=NUMBER, consent=True)
                assert placed.status_code == 201
                path = f"/calls/{placed.json()['id']}"
                await until(lambda: person.phones and len(person.phones[0].received) > 5)
                (live,) = (await ask("read", "GET", "/live")).json()["calls"]
                assert (live["id"], live["direction"]) == (placed.json()["id"], "out")
                assert (await ask("place", "POST", f"{path}/say", text=MINUTE)).status_code == 403
                assert (await ask("control", "POST", f"{path}/digits", keys="12#")).status_code == 200
                await until(lambda: pressed(person) == list(KEYS.values()))
                assert (await ask("control", "POST", f"{path}/say", text=MINUTE)).status_code == 200
                await until(lambda: sound_of(MINUTE).strip(b"\xff") in person.phones[0].heard())
                assert (await ask("control", "POST", f"{path}/transfer", to="billing")).status_code == 200
                await until(lambda: ann.phones and len(ann.phones[0].received) > 25)
                Leg.hangup(ann.legs[0])
                await until(lambda: person.ended)
                await until(lambda: not world.gateway.calls)
                kept: dict[str, object] = {}
                async with asyncio.timeout(HANG):
                    while not kept.get("ending"):
                        kept = (await ask("read", "GET", path)).json()
                (listed,) = (await ask("read", "GET", "/calls")).json()["calls"]
                assert (listed["ending"], kept["ending"]) == ("transferred", "transferred")
                assert MINUTE in str(kept["turns"])

                second = (await ask("place", "POST", "/calls", to=NUMBER, consent=True)).json()["id"]
                await until(lambda: len(person.phones) == 2)
                ends = await ask("control", "POST", f"/calls/{second}/end", cause="enough")
                assert ends.status_code == 200
                await until(lambda: len(person.ended) == 2)
                assert person.ended[1].how == "BYE"
                deeds = {(deed.who, deed.action) for deed in await audit_entries(world.gateway.store)}
                assert {action for _, action in deeds} >= {
                    "made a call",
                    "said",
                    "pressed keys",
                    "transferred",
                    "ended",
                }

    async def both() -> None:
        async with callee() as person, callee() as ann:
            await scenario(person, ann)

    asyncio.run(both())
