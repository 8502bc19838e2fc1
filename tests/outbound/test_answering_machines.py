"""Calls that a machine answers: the agent greets at once all the same, then leaves its message or hangs up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from agent.errors import ProviderError
from agent.records import AgentSays, CallerSaid, Outcome, Turn, TurnEnded
from media.process.channel import Finished, Frames, Started
from media.session.playout import Playout
from sipgw.calls.amd import AmdSetup, AmdTalk
from sipgw.calls.machine_detection import WORDS, AnsweredParty
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.events import AnsweredBy, CallReported
from tests.bench.answering import silence, tone
from tests.callee import Callee, callee
from tests.calls.test_cloud_call import records
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.outbound.test_machine_detection import talk
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

MESSAGE = ("Hello, this is Acme Store.", "Please call us back about your lamp.")
CLOSED = silence(0.4) + talk(4.0) + silence(0.6)
BEEP = tone(1000, 0.4, 8000)


def playing(sound: bytes) -> Callable[[int], bytes]:
    def frame(number: int) -> bytes:
        return sound[160 * number : 160 * number + 160].ljust(160, b"\xff")

    return frame


def message_in(heard: bytes) -> int:
    """Where the message begins in what was heard; both its sentences must be there."""
    first, second = (sound_of(sentence).strip(b"\xff") for sentence in MESSAGE)
    assert first in heard
    assert second in heard[heard.index(first) :]
    return heard.index(first)


def leaving(config: GatewayConfig) -> GatewayConfig:
    text = "Hello, this is {{business}}. Please call us back about {{topic}}."
    return replace(config, agent=replace(config.agent, answering_machines="message", voicemail=text))


def test_the_message_is_left_after_the_beep(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            callee(sound=playing(CLOSED + BEEP)) as machine,
            calling_out(tmp_path, machine, change=leaving) as (world, told),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(
                    OriginateRequest(NUMBER, "agent", {"topic": "your lamp"})
                ).ended()
            assert (ending.kind, ending.cause) == ("message_left", "machine: a beep of 1000 Hz")
            phone = machine.phones[0]
            assert phone.received[0][0] - phone.sent_at[0] < 1.0, "the first word waits for no decision"
            beep_ends = phone.sent_at[0] + (len(CLOSED) + len(BEEP)) / 8000
            spoken = len(phone.heard()) - message_in(phone.heard())
            last = [at for at, packet in phone.received if packet.payload.strip(b"\xff")][-1]
            assert last - spoken / 8000 >= beep_ends - 0.1, "not before the machine listens"
            assert [event.who for event in told if isinstance(event, AnsweredBy)] == ["machine"]
            said = [event.report.text for event in told
                    if isinstance(event, CallReported) and isinstance(event.report, AgentSays)]  # fmt: skip
            assert said[0] == "Hello, this is Acme Store. You asked us to call you back about your lamp."
            assert said[-1] == " ".join(MESSAGE)
            (record,) = await records(world.gateway)
            assert record["ending"] == "message_left"
            assert record["turns"][-1]["said"] == " ".join(MESSAGE)

    asyncio.run(scenario())


class Wire:
    """A channel without a network: playout alone, which tells the line what it has played."""

    remote_delay = 0.0

    def __init__(self, line: PhoneLine) -> None:
        self.playout = Playout()
        self.say, self.finish, self.stop = self.playout.say, self.playout.finish, self.playout.stop
        self._line = line

    def tick(self, heard: bytes, at: float) -> None:
        self._line.on_media(Frames(heard, at))
        for mark in self.playout.take()[1]:
            self._line.on_media((Started if mark.begins else Finished)(mark.utterance, at))


class Interrupted:
    """A conversation that is about to answer when it is cancelled: its sentence has no sound yet."""

    name = "voice"

    def __init__(self, line: PhoneLine) -> None:
        self._line = line

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(self) -> Outcome:
        self._line.say(1, tone(300, 1.0, 8000))
        self._line.finish(1)
        try:
            await asyncio.Event().wait()
        finally:
            self._line.finish(2)
        return Outcome("silence", "")

    async def speak(self, text: str, before: str = "") -> AsyncIterator[bytes]:
        if not any(map(str.isalnum, text)):
            raise ProviderError(self.name, "sent no sound for a sentence")
        yield tone(300, 0.5, 8000)


@pytest.mark.parametrize("message", [MESSAGE[0], f"{MESSAGE[0]} ..."])
def test_the_message_ends_the_call_though_an_answer_was_given_up_before_its_first_sound(message: str) -> None:
    """The beep came while the agent was about to answer the greeting: its message had that answer's number."""

    async def scenario() -> None:
        line = PhoneLine()
        wire, talking = Wire(line), Interrupted(line)
        line.attach(wire)  # type: ignore[arg-type]
        needs = AmdSetup(line, lambda: talking, message, lambda report: None, lambda who, why: None, "en")  # type: ignore[arg-type, return-value]
        screened = AmdTalk(talking, needs)
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            ending = group.create_task(screened.run())
            sound = CLOSED + BEEP + silence(WORDS + 3)
            for at in range(0, len(sound), 160):
                screened.hear(sound[at : at + 160])
                wire.tick(sound[at : at + 160], at / 8000)
                for _ in range(5):
                    await asyncio.sleep(0)
            assert ending.done()
        assert ending.result().kind == "message_left"

    asyncio.run(scenario())


class Ending(Interrupted):
    """A conversation that ends because the other side has hung up; its providers need a while to close."""

    async def run(self) -> Outcome:
        await self._line.listen(lambda event: None)
        return await super().run()


def test_no_message_waits_for_a_machine_that_has_hung_up_when_its_words_are_understood() -> None:
    async def scenario() -> None:
        line = PhoneLine()
        line.attach(Wire(line))  # type: ignore[arg-type]
        talking = Ending(line)
        needs = AmdSetup(line, lambda: talking, MESSAGE[0], lambda report: None, lambda who, why: None, "en")  # type: ignore[arg-type, return-value]
        screened = AmdTalk(talking, needs)
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            ending = group.create_task(screened.run())
            line.end("BYE")
            while line._events._waiting:
                await asyncio.sleep(0)
            screened.understand(CallerSaid("Please leave a message after the tone.", True))
        assert ending.result() == Outcome("machine", "machine: it said 'after the tone'; gone before the message")

    asyncio.run(scenario())


@pytest.mark.faults("H18")
def test_the_log_says_in_which_call_somebody_answered() -> None:
    """Sound is heard in a context that belongs to no call."""

    async def scenario() -> None:
        line = PhoneLine()
        with structlog.contextvars.bound_contextvars(call="the call"):
            needs = AmdSetup(line, lambda: talking, "", lambda report: None, lambda who, why: None, "en")  # type: ignore[arg-type, return-value]
            talking = Interrupted(line)
            screened = AmdTalk(talking, needs)
        sound = CLOSED + BEEP + silence(WORDS + 3)
        for at in range(0, len(sound), 160):
            screened.hear(sound[at : at + 160])

    with structlog.testing.capture_logs() as told:
        asyncio.run(scenario())
    assert [one["call"] for one in told if one["event"] == "answered"] == ["the call"]


def test_a_machine_that_does_not_beep_is_spoken_to_after_a_silence(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            callee(sound=playing(silence(0.4) + talk(13.0))) as machine,
            calling_out(tmp_path, machine, change=leaving) as (world, _),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(
                    OriginateRequest(NUMBER, "agent", {"topic": "your lamp"})
                ).ended()
            assert (ending.kind, ending.cause) == ("message_left", "machine: it speaks on and on")
            assert message_in(machine.phones[0].heard())

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("sound", "kind"),
    [(CLOSED + BEEP, "machine"), (silence(0.5) + tone(2100, 3.0, 4000), "fax")],
)
def test_a_machine_is_hung_up_on(tmp_path: Path, sound: bytes, kind: str) -> None:
    async def scenario() -> None:
        async with callee(sound=playing(sound)) as machine, calling_out(tmp_path, machine) as (world, _):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
                while not machine.ended:
                    await asyncio.sleep(0.01)
            assert ending.kind == kind
            assert machine.ended[0].how == "BYE"
            assert (await records(world.gateway))[0]["ending"] == kind

    asyncio.run(scenario())


def test_a_machine_that_hangs_up_first_is_told(tmp_path: Path) -> None:
    def gone(machine: Callee, leg) -> None:
        machine.pick_up(leg)
        machine.after(16.0, type(leg).hangup, leg)

    async def scenario() -> None:
        async with (
            callee(gone, sound=playing(silence(0.4) + talk(20.0))) as machine,
            calling_out(tmp_path, machine, change=leaving) as (world, _),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(
                    OriginateRequest(NUMBER, "agent", {"topic": "your lamp"})
                ).ended()
            assert ending.kind == "machine"
            assert "gone before the message: callee: BYE" in ending.cause

    asyncio.run(scenario())


def test_who_wants_to_talk_with_machines_may(tmp_path: Path) -> None:
    def ignoring(config: GatewayConfig) -> GatewayConfig:
        return replace(config, agent=replace(config.agent, answering_machines="ignore"))

    def shortly(machine: Callee, leg) -> None:
        machine.pick_up(leg)
        machine.after(6.5, type(leg).hangup, leg)

    async def scenario() -> None:
        async with (
            callee(shortly, sound=playing(CLOSED + BEEP)) as machine,
            calling_out(tmp_path, machine, change=ignoring) as (world, told),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
            assert ending.kind == "callee_hung_up"
            assert not [event for event in told if isinstance(event, AnsweredBy)]

    asyncio.run(scenario())


@pytest.mark.faults("D16")
def test_a_call_screen_is_not_hung_up_on() -> None:
    found: list[AnsweredParty] = []

    async def scenario() -> None:
        line = PhoneLine()
        line.attach(Wire(line))  # type: ignore[arg-type]
        talking = Interrupted(line)
        needs = AmdSetup(line, lambda: talking, "", lambda report: None, lambda who, why: found.append(who), "en")  # type: ignore[arg-type, return-value]
        screened = AmdTalk(talking, needs)
        async with asyncio.timeout(HANG), asyncio.TaskGroup() as group:
            ending = group.create_task(screened.run())
            await asyncio.sleep(0)
            screened.understand(CallerSaid("Hi, if you record your name", final=False))
            screened.understand(
                CallerSaid("Hi, if you record your name and reason for calling I will ask.", final=True)
            )
            for _ in range(5):
                await asyncio.sleep(0)
            assert found == [AnsweredParty.SCREEN]
            assert not ending.done()
            screened.understand(CallerSaid("Please leave a message after the beep.", final=True))
            assert (await ending).kind == "machine"

    asyncio.run(scenario())


def test_a_person_behind_a_call_screen_need_not_greet_whatever_the_sentence_for_it_was() -> None:
    """A speech-to-speech model has its own wording of it, and in the options there may be a line break."""
    found: list[AnsweredParty] = []
    told: list[str] = []
    purpose = "Acme Store,\nabout a lamp."

    def tell(text: str) -> bool:
        told.append(text)
        return True

    async def scenario() -> None:
        needs = AmdSetup(
            PhoneLine(), lambda: None, "", lambda report: None, lambda who, why: found.append(who),  # type: ignore[arg-type, return-value]
            "en", tell, purpose,
        )  # fmt: skip
        one = AmdTalk(Interrupted(PhoneLine()), needs)
        one.understand(CallerSaid("State your name and the reason for calling.", final=True))
        one.understand(TurnEnded(Turn(said="Hello, this is —")))
        one.understand(CallerSaid("Who is this?", final=True))
        assert found == [AnsweredParty.SCREEN], "before it was told"
        one.hear(talk(1.0) + silence(2))
        assert told == [purpose]
        one.understand(TurnEnded(Turn(said="Acme Store, about a lamp.")))
        one.understand(CallerSaid("What do you want from me?", final=True))
        assert found == [AnsweredParty.SCREEN, AnsweredParty.HUMAN]

    asyncio.run(scenario())


SCREEN = "Hi, if you record your name and reason for calling, I'll see if this person is available."
PURPOSE = "Acme Store, about the lamp that you ordered."


def screened(*, hello: bool) -> tuple[bytes, list[Said]]:
    """The sound of a call screen, which thanks after a while, and of the person if there is `hello`; and the words."""
    said = [Said(SCREEN, 500, 2500), Said("Thanks. Please stay on the line.", 7000, 8000)]
    sound = silence(0.5) + talk(2.0) + silence(4.5) + talk(1.0) + silence(2)
    if hello:
        # A busy machine understands seconds late, and the person comes when the screen has been told who calls.
        return sound + silence(10) + talk(1.0) + silence(30), [*said, Said("Hello, who is this?", 20_000, 21_000)]
    return sound, said


def with_purpose(config: GatewayConfig) -> GatewayConfig:
    return replace(leaving(config), agent=replace(leaving(config).agent, screening=PURPOSE))


@pytest.mark.faults("D16")
def test_a_call_screen_is_told_who_calls_and_the_person_is_talked_with(tmp_path: Path) -> None:
    sound, said = screened(hello=True)

    async def scenario() -> None:
        async with (
            callee(sound=playing(sound)) as person,
            calling_out(
                tmp_path, person, change=with_purpose, said=said, replies=[Reply(text=["It is Acme Store."])] * 3
            ) as (world, told),
        ):
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            answer = sound_of("It is Acme Store.").strip(b"\xff")
            await until(lambda: bool(person.phones) and answer in person.phones[0].heard())
            person.legs[0].hangup()
            assert (await placed.ended()).kind == "callee_hung_up"
            heard = person.phones[0].heard()
            assert heard.count(sound_of(PURPOSE).strip(b"\xff")) == 1
            assert sound_of(MESSAGE[1]).strip(b"\xff") not in heard, "a call screen gets no message"
            asked = [one["content"] for one in world.llm.requests[-1]["messages"] if one["role"] == "user"]
            assert asked == ["Hello, who is this?"], "the screen's words are nothing that the person has said"
            assert [event.who for event in told if isinstance(event, AnsweredBy)][-2:] == ["screen", "human"]
            (record,) = await records(world.gateway)
            record = await world.gateway.store.call(record["id"])
            found = [(one["about"]["who"], one["at"]) for one in record["events"] if one["kind"] == "answered_by"]  # type: ignore[index]
            assert [who for who, _ in found][-2:] == ["screen", "human"]
            assert found[-2][1] < found[-1][1]

    asyncio.run(scenario())


@pytest.mark.faults("D16")
def test_a_call_screen_that_hangs_up_is_no_person_that_did(tmp_path: Path) -> None:
    sound, said = screened(hello=False)

    def declines(machine: Callee, leg) -> None:
        machine.pick_up(leg)
        machine.after(9.0, type(leg).hangup, leg)

    async def scenario() -> None:
        async with (
            callee(declines, sound=playing(sound)) as person,
            calling_out(tmp_path, person, change=with_purpose, said=said) as (world, _),
        ):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
            assert ending.kind == "screened"
            assert not world.llm.requests

    asyncio.run(scenario())
