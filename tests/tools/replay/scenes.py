# mypy: disable-error-code="arg-type"
"""The scenes of which the bundles of `tests/data/bundles` are made: hard cases, each a short call."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agent.errors import ProviderError
from agent.turn_taking.table import State
from sipgw.config.agent import LanguageOptions
from sipgw.config.config import GatewayConfig
from sipgw.sip.leg import Leg
from tests.bench.answering import tone
from tests.callee import Callee
from tests.fakes.line import FakeStt, FakeTts, calls, says
from tests.info_keys import send_info_digit
from tests.tools.replay.scripted_gateway import SILENCE, VOICED, Act, Caller, Scene, ScriptedProviders

LONG = "We are open from nine to five on weekdays. On Saturdays we close at noon. On Sundays we are closed all day."
DOWN = ProviderError("it", "is down", temporary=False)
LOST = ProviderError("it", "the connection was lost")
ANSWERS = {
    "bye": [0.2, *says("Goodbye then."), calls("hang_up")],
    "opening": [0.3, *says(LONG, 12)],
    "order": [0.2, *says("What is your order number?")],
    "7 3": [0.2, *says("It was sent on Monday.")],
    "pressed": [0.2, *says("Thank you for the number.")],
    "lamp": [0.2, calls("look_up", code="K 12")],
    "in stock": [0.2, *says("It is in stock.")],
    "booked": [0.2, *says("I have booked that.")],
    "book": [0.2, calls("book", slot="Monday at ten")],
    "no branch": [0.2, *says("I am sorry, we have no branch there.")],
    "branch": [0.2, calls("find_branch", town="Rome")],
    "no answer": [0.2, *says("I cannot tell you.")],
    "weather": [0.2, calls("weather")],
    "person": [0.2, *says("I connect you."), calls("transfer_to_human", reason="asked")],
    "saturday": [0.2, *says("On Saturdays until noon.")],
    "card": [0.2, *says("Thank you, I have noted the card.")],
    "tool": [],
}


def scene(act: Act, **more: object) -> Callable[[], Scene]:
    scripted_providers = {name: more.pop(name) for name in ("stt", "tts_sessions", "llms", "refused") if name in more}
    return lambda: Scene(act, ScriptedProviders(ANSWERS, **scripted_providers), **more)  # type: ignore[arg-type]


def turns(**values: object) -> Callable[[GatewayConfig], GatewayConfig]:
    return lambda config: replace(config, turns=replace(config.turns, **values))  # type: ignore[arg-type]


def agent(**values: object) -> Callable[[GatewayConfig], GatewayConfig]:
    return lambda config: replace(config, agent=replace(config.agent, **values))  # type: ignore[arg-type]


def in_german(config: GatewayConfig) -> GatewayConfig:
    return replace(config, languages=(LanguageOptions("de"),))


with_tools = agent(tools=str(Path(__file__).parent / "tools.py"))


async def asks(me: Caller, text: str = "What are your opening hours today") -> None:
    await me.listen()
    await me.say(text)


async def leaves(me: Caller) -> None:
    await me.listen()
    await me.say("Thank you bye", 0.8)


async def plain(me: Caller) -> None:
    await asks(me, "Are you there on Saturday")
    await leaves(me)


async def over_the_agent(me: Caller) -> None:
    await asks(me)
    await me.until(State.SPEAKING)
    await asyncio.sleep(2.0)
    await me.say("What about Saturday", 1.0)
    await leaves(me)


async def cough(me: Caller) -> None:
    await asks(me)
    await me.until(State.SPEAKING)
    await asyncio.sleep(1.5)
    await me.noise(0.3)
    await leaves(me)


def backchannels(word: str) -> Act:
    async def act(me: Caller) -> None:
        await asks(me)
        await me.until(State.SPEAKING)
        await asyncio.sleep(1.5)
        await me.say(word, 0.4, partial=False)
        await leaves(me)

    return act


async def dictates(me: Caller) -> None:
    await asks(me, "Where is my order")
    await me.listen()
    await me.say("7 3", 0.8)
    await asyncio.sleep(0.3)
    await me.say("4 6", 0.8)
    await leaves(me)


def over(network: Callable[[random.Random], float | None], *, dtx: bool = False) -> Act:
    async def act(me: Caller) -> None:
        me.network, me.dtx = network, dtx
        await over_the_agent(me)

    return act


def bursts() -> Callable[[random.Random], float | None]:
    lost = [0]

    def network(chance: random.Random) -> float | None:
        lost[0] = lost[0] - 1 if lost[0] else (6 if chance.random() < 0.02 else 0)
        return None if lost[0] else 0.0

    return network


def may_keep_keys(me: Caller) -> None:
    """Nothing is kept of the sound around keys, so no bundle is made of such a call; of these there must be one."""
    assert me.live
    me.live.context.call_recording.pressed = lambda key: None  # type: ignore[method-assign]


async def presses(me: Caller) -> None:
    await asks(me, "Where is my order")
    await me.listen()
    may_keep_keys(me)
    await me.press("7346#")
    await leaves(me)


async def presses_by_info(me: Caller) -> None:
    await asks(me, "Where is my order")
    await me.until(State.SPEAKING)
    may_keep_keys(me)
    assert me.leg
    for key in "7346":
        send_info_digit(me.leg, key)
        await asyncio.sleep(0.3)
    await leaves(me)


def uses(words: str) -> Act:
    async def act(me: Caller) -> None:
        await asks(me, words)
        await leaves(me)

    return act


async def goes_on_while_it_runs(me: Caller) -> None:
    await asks(me, "Is the lamp in stock")
    await asyncio.sleep(0.9)
    await me.say("No wait, are you open on Saturday", 1.4)
    await leaves(me)


async def hangs_up_while_it_runs(me: Caller) -> None:
    await asks(me, "Please book Monday at ten")
    await asyncio.sleep(0.4)
    me.hang_up()


async def loses_its_stt(me: Caller) -> None:
    await me.listen()
    await me.noise(0.6)
    me.hear("Are you")
    me.stt.heard.put_nowait(LOST)
    await me.noise(0.6)
    await asyncio.sleep(0.4)
    me.hear("Are you open on Saturday", final=True)
    await leaves(me)


async def is_not_heard(me: Caller) -> None:
    """The STT reports nothing of what is said for three seconds and more; others take their place."""
    await me.listen()
    for _ in range(4):
        await me.noise(0.9)
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.3)
    me.hear("Are you open on Saturday", final=True)
    await leaves(me)


async def waits(me: Caller) -> None:
    await asyncio.sleep(0)


async def holds(me: Caller) -> None:
    await asks(me, "Are you there on Saturday")
    await me.listen()
    await me.hold(on=True)
    await asyncio.sleep(4.0)
    await me.hold(on=False)
    await asyncio.sleep(0.3)
    await me.say("Thank you bye", 0.8)


async def wants_a_person(me: Caller) -> None:
    await asks(me, "A person please")
    await asyncio.sleep(6.0)
    me.hang_up()


async def wants_a_person_who_is_busy(me: Caller) -> None:
    await asks(me, "A person please")
    await leaves(me)


async def goes_on_speaking(me: Caller) -> None:
    """The reply that was begun on probably complete words is thrown away."""
    await me.listen()
    await me.say("Are you open on Saturday", 1.0, eager=True, final=False)
    await me.say("Are you open on Saturday or where is my order", 1.0)
    await leaves(me)


async def is_answered_early(me: Caller) -> None:
    await me.listen()
    await me.say("Are you open on Saturday", 1.0, eager=True)
    await leaves(me)


async def speaks_first(me: Caller) -> None:
    """The caller begins just when the greeting does."""
    await me.until(State.LISTENING)
    await me.say("Are you open on Saturday", 1.4)
    await leaves(me)


async def hangs_up(me: Caller) -> None:
    await asks(me)
    await me.until(State.SPEAKING)
    await asyncio.sleep(1.7)
    me.hang_up()


async def is_heard_late(me: Caller) -> None:
    """The final words come a second and a half late, the agent waits."""
    await me.listen()
    await me.say("Are you open on Saturday", 1.0, final=False)
    await asyncio.sleep(1.5)
    me.hear("Are you open on Saturday", final=True)
    await leaves(me)


async def is_noticed(me: Caller) -> None:
    """The STT notices a voice that is too quiet for our own judgement of the sound."""
    await asks(me)
    await me.until(State.SPEAKING)
    await asyncio.sleep(1.2)
    me.onset()
    await asyncio.sleep(0.5)
    me.hear("Stop please, Saturday", final=True)
    await leaves(me)


async def speaks_into_the_notice(me: Caller) -> None:
    await me.until(State.ANNOUNCING)
    await asyncio.sleep(0.5)
    await me.say("Are you open on Saturday", 1.0)
    await me.listen()
    await leaves(me)


async def says_a_card(me: Caller) -> None:
    await asks(me, "My card is 4111 1111 1111 1111")
    await leaves(me)


def busy(_: Callee, leg: Leg) -> None:
    leg.reject(486)


def pcma(sdp: bytes) -> bytes:
    return sdp.replace(b"RTP/AVP 0 8 101", b"RTP/AVP 8 101")


def breaks_off() -> FakeTts:
    class Broken(FakeTts):
        async def speak(self, text: str, before: str = ""):
            number = 0
            async for sound in super().speak(text):
                number += 1
                if "Saturdays" in text and number > 12:
                    raise LOST
                yield sound

    return Broken("broken-voice")


MACHINE = SILENCE * 20 + b"".join(VOICED) * 4 + SILENCE * 30 + tone(1000, 0.4, 8000)
TWO_STT = [lambda: FakeStt("first"), lambda: FakeStt("second")]

SCENES: dict[str, Callable[[], Scene]] = {
    "plain": scene(plain),
    "barge_in": scene(over_the_agent),
    "cough": scene(cough),
    "backchannel": scene(backchannels("Mm-hmm")),
    "backchannel_german": scene(backchannels("Genau"), change=in_german),
    "noticed_by_the_stt": scene(is_noticed),
    "dictation": scene(dictates),
    "loss": scene(over(lambda chance: None if chance.random() < 0.05 else 0.0)),
    "loss_in_bursts": scene(over(bursts())),
    "jitter": scene(over(lambda chance: min(0.3, chance.expovariate(1 / 0.03)))),
    "dtx": scene(over(lambda chance: 0.0, dtx=True)),
    "a_law": scene(plain, offer=pcma),
    "keys": scene(presses),
    "keys_by_info": scene(presses_by_info),
    "slow_tool": scene(uses("Is the lamp in stock"), change=with_tools),
    "tool_too_late": scene(goes_on_while_it_runs, change=with_tools),
    "tool_fails": scene(uses("Have you a branch in Rome"), change=with_tools),
    "tool_never_answers": scene(uses("How is the weather"), change=with_tools),
    "booked_after_the_call": scene(hangs_up_while_it_runs, change=with_tools),
    "stt_fails_over": scene(loses_its_stt, stt=TWO_STT),
    "stt_turns_deaf": scene(is_not_heard, stt=TWO_STT),
    "stt_refused": scene(plain, stt=[lambda: FakeStt("first", refuses=DOWN), lambda: FakeStt("second")]),
    "llm_fails_over": scene(plain, llms=2, refused=DOWN),
    "llm_down": scene(asks, refused=DOWN),
    "tts_breaks_off": scene(asks, tts_sessions=[breaks_off]),
    "tts_fails_over": scene(uses("What are your opening hours"), tts_sessions=[breaks_off, FakeTts]),
    "silence": scene(waits, change=turns(reprompt_after=2.0)),
    "too_long": scene(asks, change=turns(max_duration=8.0)),
    "hold": scene(holds, change=turns(reprompt_after=2.5)),
    "transfer": scene(wants_a_person, person=Callee.pick_up),
    "transfer_busy": scene(wants_a_person_who_is_busy, person=busy),
    "machine": lambda: Scene(None, ScriptedProviders(ANSWERS), agent(answering_machines="message"), machine=MACHINE),
    "thrown_away": scene(goes_on_speaking),
    "prepared": scene(is_answered_early),
    "both_at_once": scene(speaks_first),
    "hangs_up": scene(hangs_up),
    "heard_late": scene(is_heard_late),
    "notice": scene(speaks_into_the_notice, change=agent(notice="This call is recorded.")),
    "card": scene(says_a_card),
}
