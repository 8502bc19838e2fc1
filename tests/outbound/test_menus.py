"""Calls that a telephone menu answers, over real SIP and RTP: the agent presses keys, waits in the queue, and talks."""

import asyncio
import tomllib
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
from tests.fakes.assemblyai import Said
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


def pressed_at(phone: Phone) -> list[float]:
    """When the first packet of each key came."""
    found: dict[int, float] = {}
    for at, packet in phone.received:
        if packet.payload_type not in (0, 8, 13) and len(packet.payload) == 4:
            found.setdefault(packet.timestamp, at)
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


def timeline(menu: dict[str, Any]) -> tuple[bytes, list[Said], list[float]]:
    """The sound of a menu of `tests/data/menus` that is walked as it is meant, its words, and when each place begins.

    Behind each place that wants a key there is time to press it."""
    sound, said, begins = silence(0.5), list[Said](), list[float]()
    for name in menu["path"]:
        place = menu["places"][name]
        begins.append(len(sound) / 8000)
        for sentence in place["says"]:
            start, seconds = len(sound) // 8, WORD * len(sentence.split())
            said.append(Said(sentence, start, start + round(1000 * seconds)))
            sound += talk(seconds) + silence(0.5)
        sound += silence(7.0 if place.get("keys") else place.get("waits", 1.0))
    return sound + silence(60), said, begins


def presses(menu: dict[str, Any]) -> list[str]:
    """The keys that the agent presses in each place of the path that wants some, by its wishes."""
    found, path = list[str](), menu["path"]
    for at, name in enumerate(path):
        if "keys" in menu["places"][name]:
            times = path[: at + 1].count(name)
            said = " ".join(menu["places"][name]["says"]).lower() + (f" heard {times} times" if times > 1 else "")
            found.append(next(wish["keys"] for wish in menu["wishes"] if wish["hears"] in said))
    return found


@pytest.mark.parametrize("path", [MENUS / "pharmacy.toml", MENUS / "utility.toml"], ids=lambda path: path.stem)
def test_a_menu_of_the_scenarios_is_walked_through_to_a_person(tmp_path: Path, path: Path) -> None:
    menu = tomllib.loads(path.read_text("utf-8"))
    sound, said, begins = timeline(menu)
    pressed = presses(menu)
    assert "".join(pressed) == menu["pressed"]

    async def scenario() -> None:
        calls = [Reply(calls=[(f"c{at}", "press_keys", f'{{"keys": "{one}"}}')]) for at, one in enumerate(pressed)]
        async with (
            callee(sound=playing(sound)) as other,
            calling_out(tmp_path, other, change=walking, said=said, replies=[*calls, Reply(text=[menu["greets"]])]) as (
                world,
                _,
            ),
        ):
            placed = world.gateway.originate(OriginateRequest(NUMBER, "agent"))
            greeting = sound_of(menu["greets"]).strip(b"\xff")
            await until(lambda: bool(other.phones) and greeting in other.phones[0].heard())
            other.legs[0].hangup()
            assert (await placed.ended()).kind == "callee_hung_up"
            phone = other.phones[0]
            assert "".join(key for key, _ in keys(phone)) == menu["pressed"]
            times = iter(at - phone.sent_at[0] for at in pressed_at(phone))
            for at, one in enumerate(pressed):
                assert all(begins[at] < next(times) < begins[at + 1] for _ in one), f"{one} is for {menu['path'][at]}"
            *menus, person = [one["messages"][-1]["content"] for one in world.llm.requests]
            assert len(menus) == len(pressed), "nothing of the queue costs a request"
            assert all("[telephone menu" in one for one in menus)
            assert person == menu["places"]["person"]["says"][0]

    asyncio.run(scenario())
