"""Names of the operator's people in calls of tenants: nobody tells them to the call, so no record can have them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sipgw.calls.browser_phone import BrowserPhone, PendingCall, PendingOperator
from sipgw.sip.events import Referred
from tests.waiting import HANG
from tests.web.gateway_view import Operators
from tests.web.test_audit import BY_OPERATOR, signed_in
from tests.web.test_tenants import app_of, shared

KNOWN = {"acme": "operator", "globex": "operator", "initech": BY_OPERATOR[0]}
"""The operator's person in the calls of each holder; the third's are of the operator."""


async def joined(app: Any, call: str, headers: dict[str, str]) -> None:
    """Offer the page of somebody for a call, until the gateway closes the websocket."""
    came = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": json.dumps({"sdp": "v=0"})}])
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers | {"Host": "127.0.0.1:8080"}).items()]
    scope = {
        "type": "websocket", "path": f"/api/live/{call}/take-over", "raw_path": b"", "query_string": b"mode=whisper",
        "headers": raw, "scheme": "ws", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080), "subprotocols": [],
        "extensions": {}, "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return next(came, None) or await asyncio.get_running_loop().create_future()

    async def send(_: Any) -> None:
        """What it is told does not matter."""

    async with asyncio.timeout(HANG):
        await app(scope, receive, send)


def test_a_call_of_a_tenant_is_told_no_name_of_the_operators_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thirds, callers = list[str](), list[str]()

    async def join(self: Operators, _: Any, name: str, *__: Any, **___: Any) -> bool:
        thirds.append(name)
        self.outcome = Referred(False, 486, "Busy Here")
        return False

    @contextlib.asynccontextmanager
    async def operating(*_: Any) -> AsyncIterator[PendingOperator]:
        yield PendingOperator("v=0", None, None)  # type: ignore[arg-type]

    async def place(_: BrowserPhone, offer: str, agent: str, who: str, caller: str, draft: None = None) -> PendingCall:
        callers.append(caller)
        return PendingCall(f"call to {agent}", "v=0")

    monkeypatch.setattr(Operators, "join", join)
    monkeypatch.setattr(BrowserPhone, "operating", operating)
    monkeypatch.setattr(BrowserPhone, "place", place)

    async def look() -> None:
        async with shared(tmp_path) as (there, (person, program)):
            app, post = app_of(there), there.browser.post
            await there.auth.accounts.set_user(BY_OPERATOR[0], "admin", "battery staple")
            above = await signed_in(there, BY_OPERATOR[0])

            async def causes(call: str, headers: dict[str, str]) -> list[Any]:
                talking: Any = there.gateway.calls[call].context.conversation
                talking.did.clear()
                assert (await post(f"/api/v1/calls/{call}/end", headers=headers, json={})).status_code == 200
                return list(talking.did)

            for holder, known in KNOWN.items():
                assert await causes(f"live-{holder}", above) == [("end", f"{known} ended the call")]
                await joined(app, f"live-{holder}", above)
                call = {"sdp": "v=0", "agent": f"sales-{holder}"}
                assert (await post("/api/phone/calls", headers=above, json=call)).status_code == 201
            assert thirds == callers == list(KNOWN.values())
            assert await causes("live-acme", person) == [("end", "ann ended the call")], "its own are named"
            ((_, cause),) = await causes("live-acme", program)
            assert cause.startswith("key:ours:")
            await joined(app, "live-acme", person)
            assert thirds[-1] == "ann"
            there.gateway.calls["live-acme"].context.conversation.ending = True  # type: ignore[union-attr, misc]
            live = there.gateway.calls["live-acme"]
            assert (await post("/api/v1/calls/live-acme/end", headers=above, json={})).status_code == 200
            assert live.context.stopped is not None
            assert live.context.stopped.cause == "operator ended the call", "also where it is hung up at once"

    asyncio.run(look())
