"""Refused sign-ins in the audit log: few lines, and no place of others."""

import asyncio
from pathlib import Path

import pytest

from sipgw.web import accounts
from sipgw.web.accounts import audit_entries
from sipgw.web.principal import Principal
from sipgw.web.refusals import EACH, HOUR, HourRefusals
from tests.web.gateway_view import visit


def test_one_address_gets_few_lines_an_hour_and_the_others_theirs() -> None:
    refusals = HourRefusals()
    lines = [refusals.line("192.0.2.1", 0.0) for _ in range(100)]
    assert lines[:EACH] == [""] * EACH
    assert [line for line in lines[EACH:] if line] == [
        f"{count} refusals within this hour from here" for count in (8, 16, 32, 64)
    ]
    assert refusals.line("192.0.2.2", 0.0) == ""
    assert refusals.line("192.0.2.1", HOUR) == ""


@pytest.mark.slow
def test_a_flood_of_wrong_passwords_becomes_few_lines_and_removes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "KEPT", 50)
    monkeypatch.setattr(accounts, "REFUSED_KEPT", 20)

    async def look() -> None:
        async with visit(tmp_path, '[web]\npassword = "${PASSWORD}"') as there:
            book = there.auth.accounts
            await book.note(Principal.named("ann"), "", "listened", "call-1")
            for number in range(3000):
                await book.refused(f"guess{number}", f"192.0.2.{number % 250}")
            told = await audit_entries(there.gateway.store, 10_000)
            assert len(told) < 200
            assert "2048 refusals within this hour from many addresses" in {one.detail for one in told}
            for number in range(1000 - len(told)):
                await book.note(Principal.named("ben"), "", "listened", f"call-{number}")
            left = await audit_entries(there.gateway.store, 10_000)
            assert [one.action for one in left].count("listened") == 50
            assert [one.action for one in left].count("was not let in") == 20

    asyncio.run(look())


def test_the_lines_of_a_tenant_take_no_place_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "KEPT", 10)

    async def look() -> None:
        async with visit(tmp_path, '[web]\npassword = "${PASSWORD}"') as there:
            book, eve = there.auth.accounts, Principal.signed("eve", "operator", "", tenant="south")
            await book.note(Principal.named("ann"), "", "listened", "a call of the operator")
            await book.note(Principal.named("ann"), "south", "listened", "a call of south")
            for number in range(1000):
                await book.note(eve, "", "listened", f"call-{number}")
            *others, of_south, own = [one.target for one in await audit_entries(there.gateway.store, 10_000)]
            assert (of_south, own) == ("a call of south", "a call of the operator")
            assert 10 <= len(others) < 20

    asyncio.run(look())
