"""What each role may hear and fetch."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sipgw.web.principal import Role
from tests.web.gateway_view import visit
from tests.web.test_one_call import hold


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200)])
def test_packets_have_the_sound_so_they_are_for_those_who_may_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Role, status: int
) -> None:
    async def packets(*_: object) -> AsyncIterator[bytes]:
        yield b"sound"

    async def bundled(_: object) -> bytes:
        return b"sound"

    async def look() -> None:
        async with visit(tmp_path, '[web]\npassword = "${PASSWORD}"') as there:
            hold(there, "a@1")
            monkeypatch.setattr(there.gateway.evidence, "pcap", packets)
            monkeypatch.setattr(there.gateway.evidence, "bundle", bundled)
            await there.auth.accounts.set_user("ann", role, "battery staple")
            await there.browser.post("/sign-in", data={"name": "ann", "password": "battery staple"})
            for what in ("pcap", "bundle"):
                answer = await there.browser.get(f"/calls/a@1/{what}")
                assert (answer.status_code, b"sound" in answer.content) == (status, status == 200)

    asyncio.run(look())
