"""A person is briefed before they take a caller: in one sentence by the model, and they accept or decline."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.briefing_phrases import BriefingPhrases, briefing_in
from sipgw.config.agent import LanguageOptions
from sipgw.config.people import PersonOptions
from sipgw.sip.leg import Leg
from tests.callee import Callee, callee
from tests.calls.test_bridged_transfer import (
    ASKED,
    NUMBER,
    SORRY,
    connecting,
    heard,
    murmur,
    murmured,
    told,
    trunks,
    until,
)
from tests.calls.test_bridged_transfer import nothing_left as left_nothing
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.info_keys import send_info_digit
from tests.media.networks import loud, number_of
from tests.phone import Phone, calling

pytestmark = pytest.mark.slow

SUMMARY = "The caller wants to know where order seven three four six is."
WARM = PersonOptions("billing", NUMBER, trunk="carrier", mode="warm")
SAID = BriefingPhrases()


def spoken(phone: Phone, text: str) -> bool:
    return sound_of(text).strip(b"\xff") in phone.heard()


def brief(
    folder: Path, person: Callee, answer: Sequence[Said] = (), replies: Sequence[Reply] = (), language: str = "en"
):
    replies = replies or [connecting(), Reply(text=[SUMMARY]), Reply(text=["Yes?"])]
    return cloud(
        folder, ASKED, replies, trunks=trunks(person), further=[answer],
        change=lambda config: replace(
            config, people=(WARM,), languages=tuple(map(LanguageOptions, dict.fromkeys((language, "en"))))
        ),
    )  # fmt: skip


def press(key: str) -> Callable[[Leg], None]:
    return lambda leg: send_info_digit(leg, key)


@pytest.mark.parametrize(("by", "language"), [("a word", "en"), ("a key", "de")])
def test_a_person_who_accepts_is_told_what_it_is_about_and_gets_the_caller(
    tmp_path: Path, by: str, language: str
) -> None:
    said = briefing_in(language)

    async def scenario() -> None:
        answer = [Said("Yes, go ahead.", 4000, 5000)] if by == "a word" else []
        async with callee(sound=loud) as person, brief(tmp_path, person, answer, language=language) as gateway:
            tries = told(gateway)
            async with calling(gateway.target, murmur) as caller:
                await until(lambda: person.phones and spoken(person.phones[0], said.opening))
                (phone,) = person.phones
                assert not heard(phone, murmured, 1), "the caller is not heard before"
                if by == "a key":
                    await until(lambda: spoken(phone, SUMMARY))
                    press("1")(person.legs[0])
                await until(lambda: spoken(phone, said.accepted))
                await until(lambda: heard(phone, murmured))
                await until(lambda: heard(caller, number_of))
                assert not any(spoken(caller, text) for text in (said.opening, SUMMARY)), (
                    "nothing of it is for the caller"
                )
                music = len({packet.payload for _, packet in caller.received})
                assert music > 100, "who hears music meanwhile"
            (record,) = await records(gateway.gateway)
            await until(lambda: left_nothing(gateway))
        assert record["ending"] == "transferred"
        assert [one.accepted for one in tries] == [True]
        asked = gateway.llm.requests[1]["messages"]
        assert [asked[0]["role"], asked[0]["content"]] == ["system", said.summarise]
        assert "Caller: A person please." in asked[1]["content"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "key", "reason"),
    [
        pytest.param([Said("No, I can't right now.", 4000, 5000)], "", "declined", id="a word"),
        pytest.param([], "2", "declined", id="a key"),
        pytest.param([], "BYE", "hung up", id="hangs up"),
    ],
)
def test_a_person_who_declines_gets_no_caller(tmp_path: Path, answer: list[Said], key: str, reason: str) -> None:
    async def scenario() -> None:
        async with callee(sound=loud) as person, brief(tmp_path, person, answer) as gateway:
            tries = told(gateway)
            async with calling(gateway.target, murmur) as caller:
                await until(lambda: person.phones and spoken(person.phones[0], SAID.opening))
                if key == "BYE":
                    person.legs[0].hangup()
                elif key:
                    press(key)(person.legs[0])
                await until(lambda: person.ended)
                await until(lambda: SORRY in caller.heard())
                assert not heard(person.phones[0], murmured, 1)
                assert not heard(caller, number_of, 1)
            (record,) = await records(gateway.gateway)
            await until(lambda: left_nothing(gateway))
        assert record["ending"] == "caller_hung_up"
        assert [(one.accepted, one.reason) for one in tries] == [(False, reason)]

    asyncio.run(scenario())


def test_without_a_summary_the_person_is_asked_all_the_same(tmp_path: Path) -> None:
    async def scenario() -> None:
        replies = [connecting(), Reply(status=500), Reply(status=500), Reply(text=["Yes?"])]
        async with callee(sound=loud) as person, brief(tmp_path, person, replies=replies) as gateway:
            async with calling(gateway.target, murmur) as caller:
                await until(lambda: person.phones and spoken(person.phones[0], SAID.question))
                press("1")(person.legs[0])
                await until(lambda: heard(caller, number_of))
            await until(lambda: left_nothing(gateway))

    asyncio.run(scenario())
