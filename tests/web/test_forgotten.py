"""`sipgw records forget` masks a number in the audit log of the dashboard, wherever it stands there, and no other."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sipgw.cli.main import app
from sipgw.config.numbers import spellings
from sipgw.config.records import StoreOptions
from sipgw.records.store.calls import CallFilter
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from sipgw.web.accounts import ENDED, SAID, TOLD, Accounts, audit_entries
from sipgw.web.principal import Principal
from tests.cdr_events import START, add_call


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


def test_what_people_typed_into_the_calls_of_a_number_is_forgotten_with_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(path=str(tmp_path / "a.db"))) as store:
            ada, accounts = Principal.named("ada"), Accounts(store)
            for call, caller in (("a@1", "+14155550123"), ("b@1", "+14155550199")):
                await add_call(
                    store, CallRecord(id=call, trunk="t", caller=caller, called="1", began=START, ended=START)
                )
                for action in (SAID, TOLD, ENDED):
                    await accounts.note(ada, "", action, call, "Mrs Miller of 5 Elm Street")
                await accounts.note(ada, "", "transferred", call, "anna")
            await accounts.forget(spellings("+1 415 555 0123"))
            found = {(one.target, one.action): one.detail for one in await audit_entries(store)}
            assert [found["a@1", one] for one in (SAID, TOLD, ENDED)] == ["forgotten"] * 3
            assert [found["b@1", one] for one in (SAID, TOLD, ENDED)] == ["Mrs Miller of 5 Elm Street"] * 3
            assert found["a@1", "transferred"] == found["b@1", "transferred"] == "anna"

    asyncio.run(scenario())


def test_nobody_is_forgotten_without_a_number(tmp_path: Path) -> None:
    """As after ``sipgw records forget "$NUMBER" --yes`` without the variable."""
    options = StoreOptions(path=str(tmp_path / "a.db"))
    file = tmp_path / "sipgw.toml"
    file.write_text(f'[store]\npath = "{options.path}"\n')

    async def withheld(*, made: bool) -> tuple[int, list[str]]:
        async with Store(options) as store:
            if made:
                await add_call(store, CallRecord(id="a@1", trunk="t", caller="", called="1", began=START, ended=START))
                await Accounts(store).note(Principal.named("ada"), "", "listened", "a@1")
            entries = await audit_entries(store)
            return len((await store.page(CallFilter())).calls), [one.detail for one in entries]

    before = asyncio.run(withheld(made=True))
    told = CliRunner().invoke(app, ["records", "forget", " ", "--yes", "--config", str(file)])
    assert (told.exit_code, told.stdout) == (1, "")
    told = CliRunner().invoke(app, ["records", "forget", "", "--yes", "--config", str(file)])
    assert (told.exit_code, told.stdout) == (1, "")
    assert asyncio.run(withheld(made=False)) == before == (1, [""])
