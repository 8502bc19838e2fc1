"""How a third comes into a call, and every way in which it ends: no leg stays, and each state is left."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from agent.call_control import CallControlRefused
from agent.records import Outcome
from agent.stock import STOCK
from agent.stt import SpeechToText
from sipgw.calls.agent_setup import AgentSetup
from sipgw.calls.conference import Mode, silent
from sipgw.calls.info import SessionState
from sipgw.calls.session import CallSession
from sipgw.calls.transfers import TransferState
from sipgw.config.people import PersonOptions
from sipgw.sip.events import Ended
from tests.callee import callee, rejecting
from tests.calls.conference import hears, third, world
from tests.calls.test_bridged_transfer import NUMBER, trunks
from tests.calls.test_cloud_call import records
from tests.fakes.elevenlabs import sound_of
from tests.waiting import until

pytestmark = pytest.mark.slow


def test_a_third_who_hangs_up_leaves_the_caller_to_the_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna, further=[[]] * 6) as there:
            for number, mode in enumerate(mode for mode in Mode if mode is not Mode.TAKE_OVER):
                assert await there.call.join("anna", mode)
                await until(lambda number=number: len(anna.phones) == number + 1)  # type: ignore[misc]
                anna.legs[-1].hangup()
                await until(lambda: there.call.conference.third is None)
                assert there.call.context.state is SessionState.ANSWERED
                assert there.call.transfers.possible
            there.agent_speaks()
            await hears(there.caller, "agent")
        (record,) = await records(there.gateway.gateway)
        assert record["ending"] == "caller_hung_up"

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", list(Mode))
def test_a_caller_who_hangs_up_ends_it_for_all(tmp_path: Path, mode: Mode) -> None:
    async def scenario() -> None:
        async with third() as anna:
            async with world(tmp_path, anna, further=[[]] * 2) as there:
                assert await there.call.join("anna", mode)
                await until(lambda: anna.phones and anna.phones[0].received)
            await until(lambda: anna.ended)
            assert anna.ended == [Ended("caller", "BYE")]
            assert there.parties() == [("anna", mode.value), ("anna", "")]
            (record,) = await records(there.gateway.gateway)
        assert record["ending"] == ("transferred" if silent(mode) else "caller_hung_up")
        kept = await there.gateway.gateway.store.call(record["id"])
        assert kept
        about = [one["about"] for one in kept["events"] if one["kind"] == "party_changed"]
        assert [(one["party"], one["mode"]) for one in about] == [("anna", mode.value), ("anna", "")]
        assert about[0]["place"] == f"sip:anna@127.0.0.1:{anna.port}"

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", [Mode.WHISPER, Mode.CONSULT, Mode.TAKE_OVER])
def test_a_call_whose_budget_ends_leaves_nobody(tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with callee() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", mode)
            goodbye = sound_of(STOCK["en"]["goodbye_overtime"]).strip(b"\xff")
            monkeypatch.setattr(CallSession, "too_dear", lambda _: "it has cost enough")
            await until(lambda: anna.ended)
            await until(lambda: not there.gateway.gateway.calls)
            assert (goodbye in there.caller.heard()) is not silent(mode)
            (record,) = await records(there.gateway.gateway)
        assert record["ending"] == "over_budget"

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["silence", "max_duration", "agent_hung_up"])
@pytest.mark.parametrize("mode", [Mode.CONSULT, Mode.CONFERENCE])
def test_an_agent_that_ends_leaves_the_caller_to_who_speaks_in_the_call(tmp_path: Path, mode: Mode, kind: str) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", mode)
            there.call.call_control.dismiss("Goodbye then.", Outcome(kind, "as it was to end"))  # type: ignore[arg-type]
            await until(lambda: there.call.transfers.state is TransferState.JOINED)
            await hears(there.caller, "third")
            await hears(there.third, "caller")
            assert there.call.row()["turn"] == "with anna"
            for act in (there.call.give_back, lambda: there.call.change_mode(Mode.LISTEN)):
                with pytest.raises(CallControlRefused, match="the agent has left this call"):
                    act()
            anna.legs[-1].hangup()
            (record,) = await records(there.gateway.gateway)
        assert record["ending"] == "transferred" and record["cause"].endswith("anna hung up")
        assert there.parties() == [("anna", mode.value), ("anna", "take_over"), ("anna", "")]

    asyncio.run(scenario())


def test_an_agent_that_ends_ends_the_call_of_a_supervisor_who_only_listens(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.WHISPER)
            there.call.call_control.dismiss("Goodbye then.", Outcome("silence", "nobody speaks"))
            await until(lambda: anna.ended)
            (record,) = await records(there.gateway.gateway)
        assert record["ending"] == "silence"

    asyncio.run(scenario())


def test_a_media_process_that_dies_ends_the_call_and_the_third(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.CONFERENCE)
            (process,) = there.gateway.gateway.services.engine.processes
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: anna.ended and not there.gateway.gateway.calls)
        (record,) = await records(there.gateway.gateway)
        assert record["ending"] == "line_lost"

    asyncio.run(scenario())


def test_who_does_not_answer_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(rejecting(486)) as anna, world(tmp_path, anna) as there:
            assert not await there.call.join("anna", Mode.CONFERENCE)
            done = there.call.conference.outcome
            assert done and done.status == 486
            assert there.call.transfers.possible and there.parties() == []
            for act in (there.call.give_back, lambda: there.call.change_mode(Mode.WHISPER)):
                with pytest.raises(CallControlRefused, match="nobody has joined"):
                    act()
            with pytest.raises(CallControlRefused, match="is neither in"):
                await there.call.join("nobody", Mode.LISTEN)

    asyncio.run(scenario())


def test_a_recogniser_that_cannot_be_made_costs_the_words_of_a_whisper_and_not_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: AgentSetup) -> SpeechToText:
        raise KeyError("a fault in a provider's package")

    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            monkeypatch.setattr(AgentSetup, "stt", broken)
            assert await there.call.join("anna", Mode.WHISPER)
            there.agent_speaks()
            await hears(there.third, "caller agent")
            there.call.give_back()
            await until(lambda: anna.ended)
            await hears(there.caller, "agent")

    asyncio.run(scenario())


def test_a_fault_while_a_colleague_is_briefed_costs_the_caller_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> str:
        raise KeyError("a fault in a provider's package")

    async def scenario() -> None:
        async with third() as anna:
            person = PersonOptions("anna", f"sip:anna@127.0.0.1:{anna.port}", mode="warm")
            async with world(tmp_path, anna, person) as there:
                monkeypatch.setattr(AgentSetup, "brief", broken)
                assert not await there.call.join("anna", Mode.CONFERENCE, brief=True)
                outcome = there.call.conference.outcome
                assert outcome is not None and outcome.reason == "internal error: KeyError"
                await until(lambda: anna.ended)
                there.agent_speaks()
                await hears(there.caller, "agent")
                assert await there.call.join("anna", Mode.CONFERENCE)

    asyncio.run(scenario())


def test_there_is_one_third_at_most(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.LISTEN)
            with pytest.raises(CallControlRefused, match="another person is already in this call"):
                await there.call.join("anna", Mode.LISTEN)

    asyncio.run(scenario())


def test_the_gate_judges_the_call_to_a_supervisor(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna:
            person = PersonOptions("anna", "+88213123456", trunk="carrier")
            async with world(tmp_path, anna, person, trunks=trunks(anna)) as there:
                assert not await there.call.join("anna", Mode.LISTEN)
                assert anna.legs == []
                done = there.call.conference.outcome
                assert done and done.status == 503 and done.reason

    asyncio.run(scenario())


def test_a_supervisor_on_a_trunk_is_counted_there_and_on_the_bill(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna:
            person = PersonOptions("anna", NUMBER, trunk="carrier")
            async with world(tmp_path, anna, person, trunks=trunks(anna)) as there:
                assert await there.call.join("anna", Mode.LISTEN)
                assert there.gateway.gateway.admission.capacity.calls["carrier"] == 1
                there.call.give_back()
                await until(lambda: not there.gateway.gateway.admission.capacity.calls["carrier"])
                bill = there.call.context.bill
                assert bill and [leg.trunk for leg in bill.further] == ["carrier"]
                assert bill.further[0].ended

    asyncio.run(scenario())


def test_a_transfer_hangs_up_the_third_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.LISTEN)
            there.call.call_control.transfer("anna")
            await until(lambda: len(anna.phones) == 2 and anna.ended)
            await hears(there.third, "caller")
            await hears(there.caller, "third")
            assert there.parties() == [("anna", "listen"), ("anna", "")]
            assert there.call.transfers.state is TransferState.JOINED

    asyncio.run(scenario())
