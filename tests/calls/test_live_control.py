"""What an operator does with a live call: listens, takes it over, gives it back, transfers it. Real SIP and RTP."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.call_control import CallControlRefused
from media.g711 import FRAME
from sipgw.calls.conference import GIVEN_BACK
from sipgw.calls.info import SessionEvent
from sipgw.calls.listeners import KEPT, MOST, Listeners, TooManyListeners
from sipgw.calls.session import CallSession
from sipgw.config.people import PersonOptions
from sipgw.sip.events import Ended
from tests.callee import Callee, callee, rejecting
from tests.calls.test_bridged_transfer import heard, murmur, murmured, nothing_left, numbers, told, trunks, until
from tests.calls.test_cloud_call import GREETING, records
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.media.networks import loud, number_of
from tests.phone import calling
from tests.waiting import HANG

pytestmark = pytest.mark.slow

ANSWER = "It is packed."


def world(folder: Path, operator: Callee, said: Sequence[Said] = ()):
    people = (PersonOptions("anna", f"sip:anna@127.0.0.1:{operator.port}"),)
    return cloud(
        folder, said, [Reply(text=[ANSWER])], trunks=trunks(None), change=lambda config: replace(config, people=people)
    )


def live(gateway: Cloud) -> CallSession:
    (one,) = gateway.gateway.calls.values()
    return one


async def answered(gateway: Cloud) -> CallSession:
    await until(lambda: gateway.gateway.calls and live(gateway).info.answered)
    return live(gateway)


def test_who_listens_hears_both_sides_each_in_its_place(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee() as operator, world(tmp_path, operator) as gateway, calling(gateway.target, murmur):
            call = await answered(gateway)
            stereo = b""
            with call.listen() as blocks:
                async for block in blocks:
                    assert len(block) == 2 * 800
                    stereo += block
                    if len(stereo) > 2 * 8000 * 4:
                        break
            left, right = stereo[0::2], stereo[1::2]
            found = [murmured(left[at : at + FRAME]) for at in range(0, len(left) - FRAME, FRAME)]
            offset = next(at for at in range(FRAME) if murmured(left[8000 + at : 8000 + at + FRAME]) is not None)
            found = [murmured(left[at : at + FRAME]) for at in range(8000 + offset, len(left) - FRAME, FRAME)]
            assert sum(one is not None for one in found) > 0.8 * len(found), "the caller, as sent"
            said = sound_of(GREETING).strip(b"\xff")  # whose beginning was before anybody listened, if that took long
            assert any(said[at : at + 2000] in right for at in range(0, len(said) - 2000, 400)), "the agent, as said"

    asyncio.run(scenario())


def test_listening_ends_with_the_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee() as operator, world(tmp_path, operator) as gateway:
            blocks = 0
            async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:

                async def listen() -> None:
                    nonlocal blocks
                    with (await answered(gateway)).listen() as heard_now:
                        async for _ in heard_now:
                            blocks += 1

                group.create_task(listen())
                async with calling(gateway.target, murmur):
                    await until(lambda: blocks > 5)
            await until(lambda: nothing_left(gateway))

    asyncio.run(scenario())


def test_a_slow_listener_loses_the_oldest_and_nothing_is_tapped_for_nobody() -> None:
    async def scenario() -> None:
        orders: list[bool] = []
        listeners = Listeners(orders.append)
        with listeners.listen() as slow:
            for number in range(1, KEPT + 11):
                listeners.hear(bytes([number]))
            assert await anext(slow) == bytes([11])
            with listeners.listen():
                assert orders == [True]
        assert orders == [True, False]
        listeners.hear(b"x")

    asyncio.run(scenario())


def test_an_audience_is_bounded() -> None:
    async def scenario() -> None:
        listeners = Listeners(lambda on: None)
        listening = [listeners.listen() for _ in range(MOST)]
        for one in listening:
            one.__enter__()
        with pytest.raises(TooManyListeners), listeners.listen():
            pass
        for one in listening:
            one.__exit__(None, None, None)

    asyncio.run(scenario())


def test_an_operator_takes_the_agents_place_and_gives_it_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        said = [Said("Then where is my order?", 12_000, 13_000)]
        async with callee(sound=loud) as operator, world(tmp_path, operator, said) as gateway:
            tries = told(gateway)
            async with calling(gateway.target, murmur) as caller:
                call = await answered(gateway)
                assert await call.take_over("Anna")
                (phone,) = operator.phones
                await until(lambda: heard(phone, murmured))
                await until(lambda: heard(caller, number_of))
                silent = len(gateway.tts.texts)
                with pytest.raises(CallControlRefused, match="another person is already in this call"):
                    await call.take_over("anna")
                call.give_back()
                await until(lambda: operator.ended)
                count = len(numbers(caller, number_of))
                await until(lambda: sound_of(ANSWER).strip(b"\xff") in caller.heard())
                assert len(numbers(caller, number_of)) <= count + 5, "the operator is not heard any more"
                assert len(gateway.tts.texts) > silent
                assert any(message["content"].find(GIVEN_BACK) >= 0 for message in gateway.llm.requests[-1]["messages"])
                with pytest.raises(CallControlRefused):
                    call.give_back()
            (record,) = await records(gateway.gateway)
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "caller_hung_up"
        assert [one.accepted for one in tries] == [True]

    asyncio.run(scenario())


@pytest.mark.parametrize("first", ["the caller", "anna"])
def test_a_call_that_was_taken_over_ends_with_either_side(tmp_path: Path, first: str) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as operator, world(tmp_path, operator) as gateway:
            async with calling(gateway.target, murmur) as caller:
                call = await answered(gateway)
                assert await call.take_over("anna")
                await until(lambda: heard(caller, number_of))
                if first == "anna":
                    operator.legs[0].hangup()
                    assert caller.leg
                    assert await caller.leg.over(HANG)
            await until(lambda: operator.ended)
            assert operator.ended == [Ended("gateway" if first == "anna" else "caller", "BYE")]
            (record,) = await records(gateway.gateway)
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "transferred"
        assert record["cause"].startswith("taken over: to anna (sip:anna@")
        assert record["cause"].endswith(f"{first} hung up")

    asyncio.run(scenario())


def test_an_operator_who_does_not_answer_leaves_the_agent_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(rejecting(486)) as operator, world(tmp_path, operator) as gateway:
            async with calling(gateway.target, murmur) as caller:
                call = await answered(gateway)
                assert not await call.take_over("anna")
                with pytest.raises(CallControlRefused, match="nobody"):
                    await call.take_over("nobody")
                await until(lambda: sound_of(GREETING).strip(b"\xff") in caller.heard())
            (record,) = await records(gateway.gateway)
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "caller_hung_up"

    asyncio.run(scenario())


def test_a_caller_who_hangs_up_while_the_operators_phone_rings_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(Callee.ring) as operator, world(tmp_path, operator) as gateway, asyncio.TaskGroup() as group:
            async with calling(gateway.target, murmur):
                taking = group.create_task((await answered(gateway)).take_over("anna"))
                await until(lambda: operator.legs)
            await until(lambda: operator.ended)
            assert operator.ended[0].how == "CANCEL"
            assert await taking is False
            await until(lambda: nothing_left(gateway))

    asyncio.run(scenario())


def test_a_call_whose_conversation_is_over_is_not_taken_over(tmp_path: Path) -> None:
    """While the carrier still has to hang up, an operator can join nobody, and the ending stays as it is."""

    async def scenario() -> None:
        async with callee() as operator, world(tmp_path, operator) as gateway, calling(gateway.target, murmur):
            call = await answered(gateway)
            call.context.advance(SessionEvent.FINISH)
            with pytest.raises(CallControlRefused, match="another person is already in this call"):
                await call.take_over("anna")
            assert not operator.legs

    asyncio.run(scenario())


def test_the_operator_transfers_the_caller_by_name(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as person, world(tmp_path, person) as gateway:
            async with calling(gateway.target, murmur) as caller:
                call = await answered(gateway)
                with pytest.raises(CallControlRefused, match="there are: anna"):
                    call.call_control.transfer("nobody")
                call.call_control.transfer("anna")
                await until(lambda: heard(caller, number_of))
                await until(lambda: heard(person.phones[0], murmured))
            (record,) = await records(gateway.gateway)
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "transferred"

    asyncio.run(scenario())
