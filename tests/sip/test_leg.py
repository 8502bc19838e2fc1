"""The call leg on asyncio: misuse by our own code raises."""

import asyncio

import pytest

from sipgw.sip.endpoint import Endpoint
from sipgw.sip.events import Ended, Phase
from sipgw.sip.leg import Leg
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import LOCAL, admit_all, last, pick_up, run, taking
from tests.sip.wire import ANSWER, OFFER


def test_misuse_of_a_leg_by_our_own_code_raises() -> None:
    async def call() -> None:
        taken: list[Leg] = []
        async with Endpoint(LOCAL, taking(taken), admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            ours, _ = await phone.invite(Uri.parse(f"sip:agent@127.0.0.1:{agent.port}"), "<sip:me@127.0.0.1>", OFFER)
            (theirs,) = taken
            for misuse in (
                ours.ringing,
                lambda: ours.progress(ANSWER),
                lambda: ours.answer(ANSWER),
                lambda: ours.reject(486),
                lambda: theirs.answer(ANSWER),
                lambda: theirs.give_way(ours),
                lambda: theirs.report_refer(200, "OK"),
            ):
                with pytest.raises(RuntimeError):
                    misuse()
            theirs.reject(486)  # too late: nothing happens
            assert ours.phase is Phase.CONFIRMED
            ours.hangup()
            ours.hangup()
            await last(theirs)
            theirs.answer(ANSWER)  # it was hung up meanwhile

    run(call)


def test_events_are_taken_by_one_and_none_follows_the_end() -> None:
    """A second iteration beside the first would take events from it, one after `Ended` would wait for ever."""

    async def call() -> None:
        taken: list[Leg] = []
        async with Endpoint(LOCAL, taking(taken), admit_all) as agent, Endpoint(LOCAL, pick_up, admit_all) as phone:
            ours, _ = await phone.invite(Uri.parse(f"sip:agent@127.0.0.1:{agent.port}"), "<sip:me@127.0.0.1>", OFFER)
            async with asyncio.TaskGroup() as group:
                first = group.create_task(last(ours))
                await asyncio.sleep(0)
                with pytest.raises(RuntimeError):
                    await last(ours)
                ours.hangup()
            assert isinstance(first.result(), Ended)
            with pytest.raises(RuntimeError):
                await last(ours)

    run(call)
