"""`sipgw records forget` masks a number in the audit log of the dashboard, wherever it stands there."""

import asyncio
from pathlib import Path

import pytest

from sipgw.config.numbers import spellings
from sipgw.config.records import StoreOptions
from sipgw.records.store.store import Store
from sipgw.web.accounts import Accounts, audit_entries
from sipgw.web.principal import Principal


@pytest.mark.parametrize(
    ("number", "written", "kept"),
    [
        ("+14155550123", "+14155550123", "forgotten"),
        ("201", "201", "forgotten"),
        ("+14155550123", "+14155550123 asked for it; 4155550123, too", "xxxxxxxxxxxx asked for it; xxxxxxxxxx, too"),
        ("+14155550123", "+141555501234 and a4155550123", "+141555501234 and a4155550123"),
        ("201", "201 new numbers, agent sales", "201 new numbers, agent sales"),
        ("+14155550123", "100% _ of them", "100% _ of them"),
    ],
)
def test_a_number_is_masked_as_a_whole_and_within_a_sentence(
    tmp_path: Path, number: str, written: str, kept: str
) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(path=str(tmp_path / "a.db"))) as store:
            accounts = Accounts(store)
            await accounts.note(Principal.named("ada"), "", "ended", "a@1", written)
            await accounts.note(Principal.named("ada"), "", "made a call", written, "agent")
            await accounts.forget(spellings(number))
            made, ended = await audit_entries(store)
            assert (ended.target, ended.detail) == ("a@1", kept)
            assert (made.target, made.detail) == (kept, "agent")

    asyncio.run(scenario())
