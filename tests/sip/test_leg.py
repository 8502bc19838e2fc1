"""The call leg on asyncio: misuse by our own code raises."""

import asyncio
from collections import Counter
from unittest.mock import Mock

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.events import Answered, CallEvent, Confirmed, Ended, KeyPressed, Moved, Offered, Phase, Progress
from sipgw.sip.leg import EVENTS_KEPT, Leg
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


ENDED = Ended("callee", "BYE")


def told(*events: CallEvent, asked: list[str]) -> tuple[list[CallEvent], int]:
    """What a leg tells of `events` that all came before the first was taken, and how many of them were dropped."""

    async def locate(host: str, version: int) -> tuple[str, ...]:
        asked.append(host)
        return ("192.0.2.1",)

    async def call() -> list[CallEvent]:
        leg = Leg(Mock(), Peer("udp", "192.0.2.1", 5060), Mock(), locate, counts)
        for event in events:
            leg._take(event)
        return [event async for event in leg.events()]

    counts = Counter[str]()
    return asyncio.run(call()), counts["event of a call dropped"]


@pytest.mark.faults("F8")
def test_the_answer_waits_for_no_name_of_a_provisional_response() -> None:
    ringing, asked = Progress(183, "Session Progress", b"c=IN IP4 slow.example\r\n"), list[str]()
    events, _ = told(ringing, ringing, Confirmed(b"c=IN IP4 phone.example\r\n"), ENDED, asked=asked)
    assert asked == ["phone.example"]
    assert events[:2] == [ringing, ringing]


@pytest.mark.faults("A3")
@pytest.mark.parametrize("many", [Progress(180, "Ringing"), KeyPressed("1", 0.1), Offered(None)])
def test_however_much_the_other_side_tells_the_answer_is_never_dropped(many: CallEvent) -> None:
    kept = (Confirmed(ANSWER), Answered(ANSWER), Moved("192.0.2.2"), ENDED)
    events, dropped = told(*[many] * (EVENTS_KEPT + 5), *kept, asked=[])
    assert events == [*[many] * EVENTS_KEPT, *kept]
    assert dropped == 5
