"""Requests to the dashboard with characters that PostgreSQL takes in no text: they are answered as what they are, and
nobody is told that the database does not answer.
"""

import asyncio
from pathlib import Path

import pytest

from sipgw.config.records import StoreOptions
from sipgw.web.accounts import audit_entries
from sipgw.web.principal import Principal
from tests.interop.postgresql import Server, server
from tests.web import gateway_view
from tests.web.gateway_view import visit

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]
ADDRESSES = ("/calls/a%00b", "/calls?number=%00", "/api/v1/calls?agent=%00", "/api/v1/calls/%00", "/audit?x=%00")


@pytest.mark.parametrize("number", [0, -1, 2**31, 10**30])
def test_a_number_that_no_version_of_a_prompt_has_is_not_found(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(gateway_view, "StoreOptions", lambda path: StoreOptions(path, server.url))

    async def look() -> None:
        async with visit(tmp_path) as there:
            path = f"/api/prompts/agent/versions/{number}/publish"
            answer = await there.browser.post(path, json={"seen": ""}, headers=await there.token())
            assert answer.status_code == 404
            if number:
                for page in (f"/prompts?version={number}", f"/prompts?against={number}"):
                    assert (await there.browser.get(page)).status_code == 404, page

    asyncio.run(look())


def test_a_zero_character_is_not_taken_for_a_fault_of_the_database(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_view, "StoreOptions", lambda path: StoreOptions(path, server.url))

    async def look() -> None:
        async with visit(tmp_path) as there:
            for address in ADDRESSES:
                assert (await there.browser.get(address)).status_code == 400, address
            accounts = there.auth.accounts
            await accounts.set_user("ann", "operator", "battery staple")
            answer = await there.browser.post("/sign-in", data={"name": "ann\0", "password": "battery staple"})
            assert answer.status_code == 401
            await accounts.note(Principal.named("ann"), "", "said", "call\0", "hidden\0 words")
            said, refused = await audit_entries(there.gateway.store)
            assert (said.target, said.detail, refused.who) == ("call", "hidden words", "ann")

    asyncio.run(look())
