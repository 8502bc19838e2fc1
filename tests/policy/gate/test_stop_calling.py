"""Whoever does not want to be called says so once, by word or by key, and is on the list before the call is over."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import structlog
from typer.testing import CliRunner

from agent.records import Outcome
from agent.tools import Toolbox
from agent.tools import tool as as_tool
from sipgw.bounds import FULL
from sipgw.calls.info import CallInfo
from sipgw.cli.main import app
from sipgw.config.agent import AgentOptions
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.config.records import RecordingOptions, StoreOptions
from sipgw.config.stock import LISTED, LISTED_BEFORE, NUMBER_UNKNOWN
from sipgw.config.trunks import TrunkOptions
from sipgw.gateway.call_tools import call_tools
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.stop_calling import stop_keys, stop_tools
from sipgw.records.store.store import Store
from sipgw.sip.identity import Identity
from tests.agent.holding import PERSONA, Setting, hold

CALIFORNIA = "+14155550100"
DONE, ALREADY, UNKNOWN = (sentences["en"] for sentences in (LISTED, LISTED_BEFORE, NUMBER_UNKNOWN))


async def told(folder: Path, number: str, arguments: str = "{}", country: str = "US") -> tuple[str, list[str]]:
    """What the tool says in a call with `number`, and what is on the list then."""
    async with Store(StoreOptions(str(folder / "test.db"))) as store:
        own = OwnList(store)
        run = await Toolbox(stop_tools(own, lambda: [number], country, "call-1", set(), "en")).run(
            "stop_calling", arguments
        )
        entries = await own.entries()
        assert all((entry.source, entry.call) == ("caller", "call-1") for entry in entries)
        return run.error or run.result["say"], [entry.number for entry in entries]


def test_the_number_of_the_other_side_is_written_to_the_list_at_once(tmp_path: Path) -> None:
    assert asyncio.run(told(tmp_path, "4155550100")) == (DONE, [CALIFORNIA])
    assert asyncio.run(told(tmp_path, CALIFORNIA)) == (ALREADY, [CALIFORNIA])


@pytest.mark.faults("G7")
@pytest.mark.parametrize(("now", "numbers"), [(CALIFORNIA, [CALIFORNIA]), ("", [])])
def test_who_was_put_through_meanwhile_is_who_is_meant(tmp_path: Path, now: str, numbers: list[str]) -> None:
    async def scenario() -> list[str]:
        async with Store(StoreOptions(str(tmp_path / "test.db"))) as store:
            own, speaks = OwnList(store), ["+12125550100"]
            tools = Toolbox(stop_tools(own, lambda: [speaks[-1]], "US", "call-1", set(), "en"))
            speaks.append(now)
            await tools.run("stop_calling", "{}")
            return [entry.number for entry in await own.entries()]

    assert asyncio.run(scenario()) == numbers


def test_the_number_that_was_called_and_the_one_that_a_redirect_led_to_are_both_meant(tmp_path: Path) -> None:
    async def scenario() -> set[str]:
        async with Store(StoreOptions(str(tmp_path / "test.db"))) as store:
            own = OwnList(store)
            tools = Toolbox(stop_tools(own, lambda: (CALIFORNIA, "+12125550100"), "US", "call-1", set(), "en"))
            assert (await tools.run("stop_calling", "{}")).result["say"] == DONE
            return {entry.number for entry in await own.entries()}

    assert asyncio.run(scenario()) == {CALIFORNIA, "+12125550100"}


def test_the_model_cannot_put_somebody_else_there_while_the_number_is_known(tmp_path: Path) -> None:
    said, numbers = asyncio.run(told(tmp_path, CALIFORNIA, '{"phone_number": "+12125550100"}'))
    assert "wrong arguments" in said
    assert numbers == []


def test_who_withholds_their_number_is_asked_for_it(tmp_path: Path) -> None:
    assert asyncio.run(told(tmp_path, "")) == (UNKNOWN, [])
    assert asyncio.run(told(tmp_path, "anna", '{"phone_number": "415 555 0100"}')) == (DONE, [CALIFORNIA])
    said, _ = asyncio.run(told(tmp_path, "", '{"phone_number": "12"}'))
    assert "this cannot be a telephone number" in said


@pytest.mark.faults("G7")
def test_who_withholds_their_number_puts_two_on_the_list_and_no_more(tmp_path: Path) -> None:
    """Whichever agent of the call takes them; a number that was told before takes no further place."""

    async def scenario() -> tuple[list[str], list[str]]:
        async with Store(StoreOptions(str(tmp_path / "test.db"))) as store:
            own, info = (
                OwnList(store),
                CallInfo("call-1", TrunkOptions("carrier", "peer", networks=("192.0.2.1",)), Identity()),
            )
            errors, agent = [], Mock(config=GatewayConfig())
            for last in (0, 0, 1, 2, 3, 0):
                call: Any = SimpleNamespace(info=info)
                stop = call_tools(store, own, Mock())[-1](call, agent)  # those of another agent: it was handed over
                arguments = f'{{"phone_number": "+1415555010{last}"}}'
                errors.append((await Toolbox(stop).run("stop_calling", arguments)).error)
            return errors, [entry.number for entry in await own.entries()]

    before = FULL["numbers not to call"]
    errors, numbers = asyncio.run(scenario())
    refused = "the caller has told 2 numbers already, and no more are taken in one call"
    assert errors == ["", "", "", refused, refused, ""]
    assert numbers == [CALIFORNIA, "+14155550101"]
    assert FULL["numbers not to call"] == before + 2


def test_a_key_runs_the_tool_and_the_agent_confirms_it() -> None:
    asked: list[bool] = []
    agreed: list[str] = []

    @as_tool(side_effect=True)
    async def stop_calling() -> dict[str, str]:
        """Stop."""
        asked.append(True)
        return {"say": DONE}

    async def plan(caller, line, stt):
        line.agree = agreed.append
        await asyncio.sleep(0.3)  # into the greeting
        caller.press("*")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(persona=replace(PERSONA, keys=stop_keys("*")), tools=[stop_calling]))
    assert asked == [True]
    assert held.turns[-1].heard == DONE
    assert agreed == [], "a key that stands for a tool is no consent to a recording"


def test_the_key_of_consent_cannot_stop_calls() -> None:
    with pytest.raises(ValueError, match="there 1 is consent"):
        AgentConfig(gate=GateOptions(stop_key="1"), recording=RecordingOptions(consent="key"))
    assert AgentConfig(gate=GateOptions(stop_key="1"), recording=RecordingOptions(consent="announce"))


def test_a_server_that_asks_for_keys_cannot_ask_for_consent_by_key() -> None:
    with pytest.raises(ValueError, match="does not know which keys the server has asked for"):
        AgentConfig(agent=AgentOptions(brain="wss://brain.example"), recording=RecordingOptions(consent="key"))


def test_a_key_whose_tool_fails_is_not_confirmed() -> None:
    @as_tool(side_effect=True)
    async def stop_calling() -> dict[str, str]:
        """Stop."""
        raise OSError("no database")

    async def plan(caller, line, stt):
        await asyncio.sleep(4)
        caller.press("*")
        await asyncio.sleep(8)
        caller.hang_up()

    persona = replace(PERSONA, keys=stop_keys("*"))
    held = hold(plan, Setting(persona=persona, tools=[stop_calling]))
    assert held.turns[-1].heard == persona.not_done


def test_without_the_option_the_key_is_the_callers() -> None:
    assert stop_keys("") == {}


def test_a_call_that_is_dismissed_ends_with_a_goodbye_that_nothing_interrupts() -> None:
    async def plan(caller, line, stt):
        await asyncio.sleep(4)
        caller.call_control.dismiss("That is all for today. Goodbye.", Outcome("over_budget", "1.00 spent"))
        await caller.say("Wait")
        await asyncio.sleep(20)

    held = hold(plan)
    assert held.turns[-1].heard == "That is all for today. Goodbye."
    assert held.outcome == Outcome("over_budget", "1.00 spent")


def sipgw(folder: Path, *arguments: str) -> tuple[int, str]:
    config = folder / "sipgw.toml"
    config.write_text(
        f'[store]\npath = "{folder / "test.db"}"\n[[trunks]]\nname = "us"\nmode = "peer"\ncountry = "US"\n'
        'networks = ["192.0.2.1"]\ndomain = "sip.example.com"\n[[gate.windows]]\nhours = "00:00-24:00"\n'
        'days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]\n'
    )
    ran = CliRunner().invoke(app, ["dnc", *arguments, "--config", str(config)])
    structlog.reset_defaults()  # the command's log went to the runner's terminal, which is gone
    return ran.exit_code, ran.output


def test_the_list_by_command(tmp_path: Path) -> None:
    status, text = sipgw(tmp_path, "check", CALIFORNIA)
    assert (status, text.splitlines()[-1]) == (0, f"{CALIFORNIA} may be called now")
    assert f"{tmp_path / 'test.db'} is a new database; if a gateway runs, run this in its working folder" in text
    added = sipgw(tmp_path, "add", "415 555 0100", "--country", "us", "--note", "by mail")
    assert added == (0, f"{CALIFORNIA} is on the list\n")
    assert sipgw(tmp_path, "add", CALIFORNIA) == (0, f"{CALIFORNIA} was on the list already\n")
    status, text = sipgw(tmp_path, "check", CALIFORNIA)
    assert status == 14
    assert f"refused (do_not_call): {CALIFORNIA} is on our own do-not-call list since" in text
    assert "by cli (by mail)" in sipgw(tmp_path, "list")[1]
    assert sipgw(tmp_path, "remove", CALIFORNIA)[0] == 0
    assert sipgw(tmp_path, "remove", CALIFORNIA)[0] == 1
    assert sipgw(tmp_path, "add", "hello")[0] == 2
    assert sipgw(tmp_path, "add", "12", "--country", "Mars")[0] == 2


def test_importing_a_file_names_its_broken_lines_and_takes_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("number,name\n415-555-0100,Ann\nBob,\n+12125550100,Cid\n415-555-0100,Ann\n12,\n")
    status, text = sipgw(tmp_path, "import", str(file), "--country", "US")
    assert status == 0
    assert "list.csv:6: '12' is too short or too long" in text
    assert "2 numbers added, 0 were on the list already, 2 lines not understood" in text
    assert "0 numbers added, 2 were on the list" in sipgw(tmp_path, "import", str(file), "--country", "US")[1]
    assert sipgw(tmp_path, "import", str(tmp_path / "none.csv"))[0] == 1


def test_importing_a_file_without_a_number_fails(tmp_path: Path) -> None:
    """A download that failed leaves such a file: who imports it by a timer wants to know."""
    file = tmp_path / "list.csv"
    for content in ("", "Access denied\n"):
        file.write_text(content)
        status, text = sipgw(tmp_path, "import", str(file))
        assert (status, "list.csv has no number" in text) == (1, True)
