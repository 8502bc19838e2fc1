"""Texts with characters that PostgreSQL does not take: requests are answered, and rows are written and found."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.records.store.tables import EventRecord
from sipgw.web.accounts import audit_entries
from sipgw.web.principal import Principal
from tests.interop.postgresql import Server, server
from tests.web import gateway_view
from tests.web.gateway_view import visit

__all__ = ["server"]
pytestmark = [pytest.mark.programs("postgresql"), pytest.mark.slow]
ADDRESSES = {
    "/calls/a%00b": 404,
    "/calls/a%00b/recording": 404,
    "/calls?number=%00": 200,
    "/calls?words=a%00b": 200,
    "/api/v1/calls?agent=%00": 200,
    "/api/v1/calls/%00": 404,
    "/audit?x=%00": 200,
    "/static/%00": 404,
}
ODD = "a\0b\ud800"
WRITTEN = "a\ufffdb\ufffd"


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
            for address, status in ADDRESSES.items():
                assert (await there.browser.get(address)).status_code == status, address
            accounts = there.auth.accounts
            await accounts.set_user("ann", "operator", "battery staple")
            answer = await there.browser.post("/sign-in", data={"name": "ann\0", "password": "battery staple"})
            assert answer.status_code == 401
            await accounts.note(Principal.named("ann"), "", "said", "call\0", "hidden\0 words")
            said, refused = await audit_entries(there.gateway.store)
            assert (said.target, said.detail, refused.who) == ("call\ufffd", "hidden\ufffd words", "ann\ufffd")

    asyncio.run(look())


@pytest.mark.parametrize("postgresql", [True, False])
def test_rows_with_such_characters_are_written_and_found(tmp_path: Path, server: Server, postgresql: bool) -> None:
    event, about = EventRecord, {ODD: [ODD], "part": ODD, "plain": "a\\u0000"}

    async def look() -> None:
        async with Store(StoreOptions(f"{tmp_path}/test.db", server.url if postgresql else "")) as store:
            async with store.write() as session:
                session.add(event(call=ODD, at=datetime.now(UTC), kind="x", about=about))
                await session.execute(insert(event), 2 * [{"call": "many", "at": datetime.now(UTC), "kind": ODD}])
            async with store.read() as session:
                found = await session.scalars(select(event.about).where(event.call == ODD))
                assert found.all() == [{WRITTEN: [WRITTEN], "part": WRITTEN, "plain": "a\\u0000"}]
                part = event.about["part"].as_string()
                assert (await session.scalars(select(part).where(part == ODD))).all() == [WRITTEN]
                assert (await session.scalars(select(event.kind).where(event.call == "many"))).all() == 2 * [WRITTEN]
                assert await session.scalar(select(event.id).where(event.call == "ab")) is None

    asyncio.run(look())
