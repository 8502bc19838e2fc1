# mypy: disable-error-code="misc"
"""A third in a live call: who hears whom, what the agent is told, and what nobody may hear.

Who hears whom is measured in the packets that each phone got, and in the sound that reached STT.
"""

import asyncio
import itertools
from pathlib import Path

import pytest

from agent.history import NOTE, OVERHEARD
from media.g711 import FRAME, mixed
from sipgw.calls.conference import BACK, GIVEN_BACK, LEFT, MODES, Mode, silent
from sipgw.calls.info import SessionState
from sipgw.calls.transfers import TransferState
from sipgw.config.people import PersonOptions
from sipgw.config.records import RecordingOptions
from sipgw.events import PartySaid
from sipgw.sip.events import Ended
from tests.calls.conference import AGENT, CALLER, HEARS, THIRD, agent_hears, hears, third, world
from tests.fakes.assemblyai import Said
from tests.info_keys import send_info_digit
from tests.waiting import until

pytestmark = pytest.mark.slow


def test_each_mode_is_listed_with_who_hears_whom() -> None:
    assert set(HEARS) == set(MODES) == set(Mode)
    assert {mode for mode in Mode if silent(mode)} == {Mode.NOTES, Mode.TAKE_OVER}


def test_a_supervisor_goes_through_all_modes_and_each_hears_the_sum_of_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna, further=[[]] * 4) as there:
            call, caller = there.call, there.caller
            assert await call.join("Anna", Mode.LISTEN)
            for mode in (*Mode, Mode.CONFERENCE, Mode.LISTEN):
                call.change_mode(mode)
                to_caller, to_third, to_agent = HEARS[mode]
                there.agent_speaks()
                await hears(caller, to_caller)
                await hears(there.third, to_third)
                await agent_hears(there.gateway, to_agent)
                assert (call.context.state is SessionState.TRANSFERRED) == silent(mode)
                assert call.row()["mode"] == mode.value and call.row()["third"] == "anna"
                assert call.row()["instead"] == ("anna" if silent(mode) else "")
                if mode is Mode.CONFERENCE:
                    assert caller.received[-1][1].payload == mixed(AGENT, THIRD), "to the byte"
                    assert there.third.received[-1][1].payload == mixed(CALLER, AGENT)
                if mode is Mode.TAKE_OVER:
                    assert caller.received[-1][1].payload == THIRD, "mu-law passes"
            call.give_back()
            await until(lambda: anna.ended)
            assert anna.ended == [Ended("caller", "BYE")]
            there.agent_speaks()
            await hears(caller, "agent")
            assert call.transfers.state is TransferState.FREE
            assert [mode for _, mode in there.parties()] == [
                "listen", "whisper", "conference", "consult", "notes", "take_over", "conference", "listen", "",
            ]  # fmt: skip

    asyncio.run(scenario())


def test_a_spoken_whisper_is_a_note_for_the_agent_and_the_caller_never_hears_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        whispered = [Said("Offer ten percent.", 500, 1500)]
        async with third() as anna, world(tmp_path, anna, further=[whispered]) as there:
            assert await there.call.join("anna", Mode.WHISPER)
            await until(lambda: there.told("Offer ten percent."))
            await agent_hears(there.gateway, "third", session=1)
            there.agent_speaks()
            await hears(there.caller, "agent")
            got = {packet.payload for _, packet in there.caller.received}
            assert not got & {THIRD, mixed(AGENT, THIRD)}
            (words,) = [one for one in there.events if isinstance(one, PartySaid)]
            assert (words.party, words.words, words.to, words.told) == ("anna", "Offer ten percent.", "agent", True)
            there.call.give_back()
            await until(lambda: anna.ended)
            assert not there.told(GIVEN_BACK) and not there.told(LEFT.format(who="anna")), "the agent knew of nobody"

    asyncio.run(scenario())


def test_what_was_said_while_the_agent_was_silent_is_told_afterwards(tmp_path: Path) -> None:
    async def scenario() -> None:
        notes = [Said("I take it back.", 500, 1500)], [Said("Thank you very much.", 500, 1500)]
        async with third() as anna, world(tmp_path, anna, further=notes) as there:
            assert await there.call.join("anna", Mode.NOTES)
            said = lambda: {(one.party, one.words) for one in there.events if isinstance(one, PartySaid)}  # noqa: E731
            await until(lambda: len(said()) == 2)
            assert {words for _, words in said()} == {"I take it back.", "Thank you very much."}
            assert {who for who, _ in said()} == {"anna", "The caller"}
            assert not there.told("I take it back.")
            there.call.change_mode(Mode.CONFERENCE)
            prompt = str(there.call.call_control.messages[0]["content"])
            said_then = prompt.rpartition(OVERHEARD)[2]
            assert "I take it back." in said_then and "Thank you very much." in said_then
            assert NOTE not in said_then, "it is no instruction"
            there.call.give_back()

    asyncio.run(scenario())


def test_the_keys_of_a_supervisors_phone_change_the_mode_and_reach_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna, further=[[]] * 3) as there:
            call = there.call
            assert await call.join("anna", Mode.LISTEN)
            for key, mode in (("5", Mode.WHISPER), ("6", Mode.CONFERENCE), ("4", Mode.LISTEN), ("6", Mode.CONFERENCE)):
                send_info_digit(anna.legs[0], key)
                await until(lambda mode=mode: call.row()["mode"] == mode.value)
            send_info_digit(anna.legs[0], "9")
            call.change_mode(Mode.TAKE_OVER)
            send_info_digit(anna.legs[0], "4")
            await until(lambda: any(packet.payload_type == 101 for _, packet in there.caller.received))
            assert call.row()["mode"] == "take_over", "now they are for the caller's side"
            call.give_back()

    asyncio.run(scenario())


def test_a_colleague_who_was_added_cannot_whisper_by_keys(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.CONFERENCE)
            (leg,) = anna.legs
            send_info_digit(leg, "5")
            assert (await leg.reinvite(leg.local.replace(b"sendrecv", b"sendonly"))).sdp
            joined = there.call.conference.third
            assert joined
            await until(lambda: joined.held)  # after the key
            assert there.call.row()["mode"] == "conference"

    asyncio.run(scenario())


def test_until_the_caller_has_agreed_a_listener_hears_nothing_and_a_colleague_hears_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        recording = RecordingOptions(folder=str(tmp_path / "rec"), consent="key")
        async with third() as anna, world(tmp_path, anna, recording=recording) as there:
            assert await there.call.join("anna", Mode.LISTEN)
            there.agent_speaks()
            await hears(there.caller, "agent")
            await hears(there.third, "")
            there.call.change_mode(Mode.CONFERENCE)
            there.agent_speaks()
            await hears(there.third, "caller agent")
            there.call.change_mode(Mode.LISTEN)
            await hears(there.third, "")
            assert there.caller.leg
            send_info_digit(there.caller.leg, "1")
            await hears(there.third, "caller agent")

    asyncio.run(scenario())


def test_what_the_caller_presses_in_private_is_not_heard_by_the_third(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.CONFERENCE)
            there.agent_speaks()
            await hears(there.third, "caller agent")
            there.call.context.line.set_private(True)
            await hears(there.third, "agent")
            there.call.context.line.set_private(False)
            await hears(there.third, "caller agent")

    asyncio.run(scenario())


def test_the_music_of_a_third_who_holds_disturbs_nobody_but_a_caller_alone_with_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            call = there.call
            assert await call.join("anna", Mode.CONFERENCE)
            (leg,) = anna.legs
            there.agent_speaks()
            await hears(there.caller, "agent third")
            assert (await leg.reinvite(leg.local.replace(b"sendrecv", b"sendonly"))).sdp
            await hears(there.caller, "agent")
            call.change_mode(Mode.TAKE_OVER)
            await hears(there.caller, "third")
            call.change_mode(Mode.CONFERENCE)
            there.agent_speaks()
            await hears(there.caller, "agent")
            assert (await leg.reinvite(leg.local.replace(b"sendonly", b"sendrecv"))).sdp
            await hears(there.caller, "agent third")

    asyncio.run(scenario())


def test_a_caller_who_holds_does_not_part_the_agent_from_whom_it_consults(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            call, leg = there.call, there.caller.leg
            assert leg is not None
            away = lambda: call.call_control._floor.turns.is_away  # noqa: E731
            assert await call.join("anna", Mode.CONSULT)
            assert (await leg.reinvite(leg.local.replace(b"sendrecv", b"sendonly"))).sdp
            there.agent_speaks()
            await hears(there.third, "agent")
            await agent_hears(there.gateway, "third")
            assert not away()
            call.change_mode(Mode.CONFERENCE)
            await until(away)
            assert (await leg.reinvite(leg.local.replace(b"sendonly", b"sendrecv"))).sdp
            await until(lambda: not away())
            there.agent_speaks()
            await hears(there.caller, "agent third")

    asyncio.run(scenario())


def test_a_colleague_is_briefed_and_then_all_three_speak(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna:
            person = PersonOptions("anna", f"sip:anna@127.0.0.1:{anna.port}", mode="warm")
            async with world(tmp_path, anna, person, further=[[Said("Yes, go ahead.", 4000, 5000)]]) as there:
                assert await there.call.join("anna", Mode.CONFERENCE, brief=True)
                there.agent_speaks()
                await hears(there.caller, "agent third")
                await hears(there.third, "caller agent")
                assert there.told("anna, a colleague, is in the call now")
                there.call.change_mode(Mode.CONSULT)
                assert there.told("The caller waits now")
                there.call.change_mode(Mode.CONFERENCE)
                there.call.give_back()
                assert there.told(LEFT.format(who="anna"))

    asyncio.run(scenario())


def test_back_from_a_consultation_the_agent_is_told_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            assert await there.call.join("anna", Mode.CONSULT)
            there.call.change_mode(Mode.LISTEN)
            assert there.told(BACK)
            there.call.change_mode(Mode.LISTEN)
            assert [mode for _, mode in there.parties()] == ["consult", "listen"]

    asyncio.run(scenario())


def test_the_greeting_goes_on_while_somebody_comes_to_listen(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with third() as anna, world(tmp_path, anna) as there:
            before = len(there.caller.received)
            assert await there.call.join("anna", Mode.LISTEN)
            await until(lambda: len(there.caller.received) > before + 50)
            packets = [packet for _, packet in there.caller.received]
            assert len({packet.ssrc for packet in packets}) == 1
            steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(packets)}
            assert min(steps) == FRAME and not any(step % FRAME for step in steps), "no slot was sent twice"

    asyncio.run(scenario())
