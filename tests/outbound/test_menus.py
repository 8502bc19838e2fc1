"""Calls that a telephone menu answers, over real SIP and RTP: the agent presses keys, waits in the queue, and talks."""

import asyncio
import tomllib
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.ivr.options import IvrOptions
from sipgw.calls.request import OriginateRequest
from sipgw.config.config import GatewayConfig
from sipgw.events import AnsweredBy
from tests.bench.answering import silence
from tests.callee import callee
from tests.calls.test_cloud_call import records
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.outbound.test_answering_machines import playing
from tests.outbound.test_call_out import NUMBER, calling_out
from tests.outbound.test_machine_detection import talk
from tests.phone import Phone
from tests.waiting import HANG, until

pytestmark = pytest.mark.slow

MENUS = Path(__file__).parents[1] / "data" / "menus"
WORD = 0.3
"""Seconds of a word."""
SAID = [
    Said("For sales, press 1. For support, press 2.", 500, 2500),
    Said("Please hold. Your call is important to us.", 9000, 11_000),
    Said("Hello, this is Ann from support.", 14_000, 15_500),
]
SOUND = (
    silence(0.5) + talk(2.0) + silence(6.5) + talk(2.0) + silence(3) + talk(1.5) + silence(60)
)  # as long as the words of `SAID`


def keys(phone: Phone) -> list[tuple[str, int]]:
    """The RFC 4733 events that ended, and how long each was, in samples."""
    found: dict[int, tuple[str, int]] = {}
    for _, packet in phone.received:
        if packet.payload_type not in (0, 8, 13) and len(packet.payload) == 4 and packet.payload[1] & 0x80:
            found[packet.timestamp] = ("0123456789*#ABCD"[packet.payload[0]], int.from_bytes(packet.payload[2:]))
    return list(found.values())


def walking(config: GatewayConfig) -> GatewayConfig:
    return replace(config, ivr=IvrOptions(press_keys=True))


def test_a_menu_is_walked_through_and_the_queue_costs_no_tokens(tmp_path: Path) -> None:
    async def scenario() -> None:
        replies = [Reply(calls=[("c1", "press_keys", '{"keys": "2w5#"}')]), Reply(text=["It is Acme Store."])]
        async with (
            callee(sound=playing(SOUND)) as other,
            calling_out(tmp_path, other, change=walking, said=SAID, replies=replies) as (world, told),
        ):
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            answer = sound_of("It is Acme Store.").strip(b"\xff")
            await until(lambda: bool(other.phones) and answer in other.phones[0].heard())
            other.legs[0].hangup()
            assert (await placed.ended()).kind == "callee_hung_up"
            pressed = keys(other.phones[0])
            assert "".join(key for key, _ in pressed) == "25#"
            assert all(640 <= samples <= 1000 for _, samples in pressed), "PBXs take keys of 80 ms or more"
            assert len(world.llm.requests) == 2, "one for the menu, one for the person"
            last = world.llm.requests[0]["messages"][-1]["content"]
            assert last.endswith("[telephone menu] For sales, press 1. For support, press 2.")
            assert "menu" in [event.who for event in told if isinstance(event, AnsweredBy)]

    asyncio.run(scenario())


def test_without_the_option_a_menu_is_a_machine(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with callee(sound=playing(SOUND)) as other, calling_out(tmp_path, other, said=SAID) as (world, _):
            async with asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest(NUMBER, "agent")).ended()
            assert ending.kind == "machine"
            assert (await records(world.gateway))[0]["ending"] == "machine"

    asyncio.run(scenario())


class Menu:
    """A menu of `tests/data/menus` on the telephone: it says what its place says, and goes where the keys lead.

    It waits for a first key as long as that takes, so that no menu is over because the machine was busy.
    """

    def __init__(self, menu: dict[str, Any], ear: FakeAssemblyAI, phone: Callable[[], Phone]) -> None:
        self.visited: list[str] = []
        self._menu, self._ear, self._phone = menu, ear, phone
        self._steps = self._walk()
        self._rest = b""

    def frame(self, number: int) -> bytes:
        """The next 20 ms of its sound."""
        while not self._rest:
            self._rest = next(self._steps)
        sound, self._rest = self._rest[:160], self._rest[160:]
        return sound.ljust(160, b"\xff")

    def _walk(self) -> Iterator[bytes]:
        yield silence(0.5)
        at = self._menu["path"][0]
        while True:
            self.visited.append(at)
            place, before = self._menu["places"][at], len(self._keys())
            for sentence in place["says"]:
                yield self._say(sentence)
                yield silence(0.5)
                if len(self._keys()) > before:
                    break
            if place.get("person"):
                break
            at = yield from self._next(place, before)
        while True:
            yield silence(1)

    def _next(self, place: dict[str, Any], before: int) -> Generator[bytes, None, str]:
        waited, pressed = 0.0, ""
        while waited < place.get("waits", 8.0):
            pressed, last = self._keys()[before:], pressed
            if place.get("keys") and len(pressed) >= place.get("digits", 1):
                keys: dict[str, str] = place["keys"]
                return keys.get(pressed[: place.get("digits", 1)], keys.get("*any", place["otherwise"]))
            waited = waited + 0.1 if pressed == last and (pressed or not place.get("keys")) else 0.0
            yield silence(0.1)
        return str(place["otherwise"])

    def _say(self, sentence: str) -> bytes:
        """The recogniser knows the words by their place in the sound that it gets."""
        seconds = WORD * len(sentence.split())
        start = len(self._ear.sessions[-1].audio) // 8
        self._ear.script.append(Said(sentence, start, start + round(1000 * seconds)))
        return talk(seconds)

    def _keys(self) -> str:
        return "".join(key for key, _ in keys(self._phone()))


def wishing(menu: dict[str, Any]) -> Callable[[dict[str, Any]], Reply]:
    """A model that presses the key of the first wish that a menu names, and greets the person."""

    def reply(request: dict[str, Any]) -> Reply:
        said = str(request["messages"][-1]["content"])
        if "[telephone menu" in said:
            pressed = next(wish["keys"] for wish in menu["wishes"] if wish["hears"] in said.lower())
            return Reply(calls=[(f"c{len(request['messages'])}", "press_keys", f'{{"keys": "{pressed}"}}')])
        return Reply(text=[menu["greets"] if menu["places"]["person"]["says"][0] in said else "One moment."])

    return reply


@pytest.mark.parametrize("path", sorted(MENUS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_menu_of_the_scenarios_is_walked_through_to_a_person(tmp_path: Path, path: Path) -> None:
    menu = tomllib.loads(path.read_text("utf-8"))

    async def scenario() -> None:
        async with callee() as other, calling_out(tmp_path, other, change=walking, replies=[Reply()]) as (world, _):
            company = Menu(menu, world.stt, lambda: other.phones[0])
            other.sound, world.llm.script = company.frame, wishing(menu)
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            greeting = sound_of(menu["greets"]).strip(b"\xff")
            await until(lambda: bool(other.phones) and greeting in other.phones[0].heard())
            other.legs[0].hangup()
            assert (await placed.ended()).kind == "callee_hung_up"
            assert company.visited == menu["path"]
            assert "".join(key for key, _ in keys(other.phones[0])) == menu["pressed"]
            asked = [str(one["messages"][-1]["content"]) for one in world.llm.requests]
            waiting = menu["places"]["queue"]["says"]
            assert not [one for one in asked if any(said in one for said in waiting)], "the queue costs no request"

    asyncio.run(scenario())
