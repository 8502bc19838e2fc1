"""An operator speaks from a page in the agent's place, and callers from a browser are handed over: aiortc's own peers.

Who hears whom is proven by the frames, as in tests/calls/test_bridged_transfer.py.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiortc import RTCSessionDescription

from agent.call_control import CallControlRefused
from sipgw.calls.browser_phone import BrowserPhone, CallUnavailable
from sipgw.calls.conference import GIVEN_BACK, Mode
from sipgw.calls.session import CallSession
from sipgw.config.browser import BrowserOptions
from sipgw.config.people import PersonOptions
from sipgw.events import PartyChanged
from tests.callee import Callee, callee
from tests.calls.test_bridged_transfer import heard, murmur, murmured, nothing_left, trunks, until
from tests.calls.test_cloud_call import records
from tests.calls.test_live_control import ANSWER, answered
from tests.cloud import Cloud, cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.media.networks import loud, number_of
from tests.phone import calling
from tests.waiting import HANG
from tests.webrtc import Browser


def world(folder: Path, *, person: Callee | None = None, said: tuple[Said, ...] = (), most: int = 10):
    people = (PersonOptions("anna", f"sip:anna@127.0.0.1:{person.port}"),) if person else ()
    return cloud(
        folder, said, [Reply(text=[ANSWER])], trunks=trunks(None),
        change=lambda config: replace(config, people=people, browser=BrowserOptions(most)),
    )  # fmt: skip


def frames(browser: Browser, sound: Callable[[int], bytes]) -> int:
    """How many frames of `sound` a browser got; aiortc decodes, and knows only one zero."""
    whole = bytes(browser.heard)
    return sum(sound(number).replace(b"\x7f", b"\xff") in whole for number in range(600))


@contextlib.asynccontextmanager
async def operating(gateway: Cloud, phone: BrowserPhone, call: CallSession, who: str = "ann") -> AsyncIterator[Browser]:
    """The operator's browser, once they speak with the caller."""
    browser = Browser(loud)
    async with phone.operating(await browser.offer(), who) as page:
        await browser.connection.setRemoteDescription(RTCSessionDescription(page.answer, "answer"))
        assert await call.take_over(who, page.consult)
        yield browser
        await browser.close()


@pytest.mark.slow
def test_who_takes_a_phone_call_over_speaks_with_the_caller_and_the_agent_goes_on_when_they_leave(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        said = (Said("Then where is my order?", 8_000, 9_000),)
        async with world(tmp_path, said=said) as gateway:
            async with calling(gateway.target, murmur) as caller:
                call, phone = await answered(gateway), BrowserPhone(gateway.gateway)
                async with operating(gateway, phone, call) as operator:
                    assert call.row()["turn"] == "with ann"
                    await until(lambda: heard(caller, number_of))
                    await until(lambda: frames(operator, murmur) > 100)
                    with pytest.raises(CallControlRefused, match="another person is already in this call"):
                        await call.take_over("bob", lambda _: None)  # type: ignore[arg-type,return-value, misc]
                await until(lambda: call.row()["turn"] != "with ann")
                await until(lambda: sound_of(ANSWER).strip(b"\xff") in caller.heard())
                assert any(GIVEN_BACK in str(message["content"]) for message in gateway.llm.requests[-1]["messages"])
            (record,) = await records(gateway.gateway)
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "caller_hung_up"

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_supervisor_on_a_page_listens_then_speaks_with_both_and_leaves(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as gateway:
            events: list[PartyChanged] = []
            gateway.gateway.watchers.add(
                lambda event: events.append(event) if isinstance(event, PartyChanged) else None
            )
            async with calling(gateway.target, murmur) as caller:
                call, phone, browser = await answered(gateway), BrowserPhone(gateway.gateway), Browser(loud)
                async with phone.operating(await browser.offer(), "ann") as page:
                    await browser.connection.setRemoteDescription(RTCSessionDescription(page.answer, "answer"))
                    assert await call.join("ann", Mode.LISTEN, page.consult)
                    await until(lambda: frames(browser, murmur) > 100)
                    assert not any(number_of(packet.payload) for _, packet in caller.received), "nobody hears her"
                    call.change_mode(Mode.CONFERENCE)
                    await until(lambda: heard(caller, number_of))
                    await browser.close()
                await until(lambda: call.conference.third is None)
                assert call.transfers.possible
            (record,) = await records(gateway.gateway)
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "caller_hung_up"
        assert [(one.party, one.place, one.mode) for one in events] == [
            ("ann", "a page of the dashboard", mode) for mode in ("listen", "conference", "")
        ]

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_call_from_a_browser_is_taken_over_and_ended_by_the_operator(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as gateway:
            phone, caller = BrowserPhone(gateway.gateway), Browser(murmur)
            await caller.place(phone)
            call = await answered(gateway)
            with call.listen() as blocks:
                async with operating(gateway, phone, call) as operator:
                    await until(lambda: frames(caller, loud) > 100)
                    await until(lambda: frames(operator, murmur) > 100)
                    assert len(await anext(blocks)) == 1600, "others listen all the while"
                    call.call_control.end("that is enough")
                    (record,) = await records(gateway.gateway)
            await caller.close()
            await until(lambda: nothing_left(gateway))
        assert (record["ending"], record["cause"]) == ("ended_here", "that is enough")

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_caller_who_hangs_up_ends_it_for_the_operator_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as gateway:
            phone, caller, operator = BrowserPhone(gateway.gateway), Browser(murmur), Browser(loud)
            await caller.place(phone)
            call = await answered(gateway)
            async with phone.operating(await operator.offer(), "ann") as page:
                await operator.connection.setRemoteDescription(RTCSessionDescription(page.answer, "answer"))
                assert await call.take_over("ann", page.consult)
                await caller.close()
                async with asyncio.timeout(HANG):
                    await page.gone()
            (record,) = await records(gateway.gateway)
            await operator.close()
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "transferred"
        assert record["cause"].startswith("taken over: to ann (") and record["cause"].endswith("the caller hung up")

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_caller_from_a_browser_is_transferred_to_a_person(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as person, world(tmp_path, person=person) as gateway:
            phone, caller = BrowserPhone(gateway.gateway), Browser(murmur)
            await caller.place(phone)
            (await answered(gateway)).call_control.transfer("anna")
            await until(lambda: frames(caller, loud) > 100)
            await until(lambda: heard(person.phones[0], murmured, 50))
            person.legs[0].hangup()
            (record,) = await records(gateway.gateway)
            await caller.close()
            await until(lambda: nothing_left(gateway))
        assert record["ending"] == "transferred"
        assert record["cause"].startswith("to anna (") and record["cause"].endswith("anna hung up")

    asyncio.run(scenario())


@pytest.mark.slow
def test_operators_count_as_browser_calls_and_one_who_does_not_connect_leaves_the_agent_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path, most=1) as gateway:
            async with calling(gateway.target, murmur):
                call, phone, browser = await answered(gateway), BrowserPhone(gateway.gateway), Browser()
                async with asyncio.TaskGroup() as group:
                    async with phone.operating(await browser.offer(), "ann") as page:
                        with pytest.raises(CallUnavailable, match="all 1 browser calls are in use"):
                            async with phone.operating(await browser.offer(), "bob"):
                                pass
                        taking = group.create_task(call.take_over("ann", page.consult))
                        await until(lambda: not call.transfers.possible)
                    assert await taking is False  # the page was left before it had connected
                await browser.close()
                assert call.row()["turn"] != "with ann"
                async with phone.operating(await Browser().offer(), "ann"):
                    pass  # nothing counts any more
            await until(lambda: nothing_left(gateway))

    asyncio.run(scenario())
