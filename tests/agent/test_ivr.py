"""Menus and queues on the other side, on virtual time: `tests/data/menus` walked by an agent."""

import asyncio
import math
import struct
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.ivr.navigator import DEAD, LETTERS, TALK, IvrNavigator, MenuLimit, Place
from agent.ivr.options import IvrOptions
from agent.ivr_driver import IvrDriver
from agent.line import SAMPLE_RATE
from agent.llm import Text, ToolCall
from agent.ulaw import from_linear
from tests.agent.holding import PERSONA, Setting, hold

MENUS = sorted((Path(__file__).parents[1] / "data" / "menus").glob("*.toml"))
ON = IvrOptions(press_keys=True)


class Menu:
    """The other side: says what its place says, and goes where the keys lead."""

    def __init__(self, path: Path) -> None:
        self.menu: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        self.visited: list[str] = []

    async def answer(self, caller, line) -> None:
        at = "start"
        while True:
            self.visited.append(at)
            place, pressed = self.menu["places"][at], len(line.pressed)
            for sentence in place["says"]:
                await caller.say(sentence)
                if len(line.pressed) > pressed:
                    break
            if place.get("person"):
                return
            at = await self._next(place, line, pressed)

    async def _next(self, place: dict[str, Any], line, pressed: int) -> str:
        waited, digits = 0.0, place.get("digits", 1)
        while waited < place.get("waits", 8.0):
            keys = line.pressed[pressed:]
            if place.get("keys") and len(keys) >= digits:
                return place["keys"].get(keys[:digits], place["keys"].get("*any", place["otherwise"]))
            await asyncio.sleep(0.25)
            waited += 0.25
        return place["otherwise"]


def wants(menu: dict[str, Any]):
    """A model that presses the key of the first wish that the menu names, and greets a person."""

    def script(messages):
        said = next(one["content"] for one in reversed(messages) if one["role"] == "user")
        if "[telephone menu" not in said:
            return [Text(menu["greets"])]
        for wish in menu["wishes"]:
            if wish["hears"] in said.lower():
                return [ToolCall("c1", "press_keys", f'{{"keys": "{wish["keys"]}"}}')]
        return [Text("I did not understand the menu.")]

    return script


@pytest.mark.parametrize("path", MENUS, ids=lambda path: path.stem)
def test_the_agent_walks_through_a_menu_to_a_person(path: Path) -> None:
    other = Menu(path)
    asked: list[str] = []
    script = wants(other.menu)

    def counted(messages):
        asked.append(messages[-1]["content"] or "")
        return script(messages)

    async def plan(caller, line, stt) -> None:
        await other.answer(caller, line)
        await asyncio.sleep(6)
        caller.hang_up()

    held = hold(plan, Setting(script=counted, ivr=ON))
    assert other.visited == other.menu["path"]
    assert held.line.pressed == other.menu["pressed"]
    assert held.turns[-1].heard == other.menu["greets"]
    assert len(asked) <= other.menu["asked"], asked
    assert PERSONA.reprompt not in held.tts.spoken


def at(navigator: IvrNavigator, now: float, *texts: str) -> float:
    """Each of `texts` is heard a second after the one before; returns when the last one was."""
    for text in texts:
        now += 1
        navigator.hear(text, now, final=True)
    return now


def test_a_menu_is_complete_when_the_other_side_has_been_silent() -> None:
    navigator = IvrNavigator(ON)
    now = at(navigator, 0, "For sales, press 1.", "For support, press 2.")
    navigator.sound(now + 1.5)
    assert navigator.handle_timer(now + 2.5) == ""
    assert navigator.deadline == now + 3.5
    assert navigator.handle_timer(now + 3.5) == "[telephone menu] For sales, press 1. For support, press 2."
    assert navigator.place is Place.CHOOSING


LATE_WORDS = "for sales press one for support press two"
LATE_FINAL = "For sales, press 1. For support, press 2."


def told_early() -> IvrNavigator:
    """One whose menu was told before the recogniser's words were final."""
    navigator = IvrNavigator(ON)
    navigator.hear(LATE_WORDS, 1, final=False)
    assert navigator.handle_timer(1 + ON.pause) == f"[telephone menu] {LATE_WORDS}"
    return navigator


def test_late_final_words_of_a_menu_are_no_other_menu() -> None:
    navigator = told_early()
    assert navigator.takes_late(LATE_FINAL, 4, final=True)
    assert navigator.place is Place.CHOOSING
    assert not navigator.takes_late(LATE_FINAL, 5, final=True), "once said, once heard"
    assert not told_early().takes_late(LATE_FINAL, 60, final=True), "this is the menu again"


def test_late_words_that_say_more_are_heard() -> None:
    navigator = told_early()
    assert navigator.takes_late(f"{LATE_WORDS} or", 4, final=False)
    assert not navigator.takes_late(f"{LATE_WORDS} or press zero", 5, final=False)


def test_late_final_words_do_not_break_off_the_answer_to_the_menu() -> None:
    asked: list[str] = []

    def script(messages):
        asked.append(str(messages[-1]["content"]))
        return [Text("I would like to talk to somebody about a lamp, please.")]

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(4)
        caller.hear_interim(LATE_WORDS)
        await asyncio.sleep(ON.pause + 1)
        caller.hear(LATE_FINAL)
        await asyncio.sleep(10)
        caller.hang_up()

    hold(plan, Setting(script=script, ivr=ON))
    assert len(asked) == 1, asked


def test_music_behind_a_menu_does_not_keep_it_open() -> None:
    navigator = IvrNavigator(ON)
    now = at(navigator, 0, "For sales, press 1.")
    for _ in range(100):
        now += 0.1
        navigator.sound(now)
    assert navigator.handle_timer(now) == "[telephone menu] For sales, press 1."


def test_of_a_menu_without_an_end_only_so_much_is_kept() -> None:
    navigator = IvrNavigator(ON)
    now = at(navigator, 0, *(f"For number {number}, press 1." for number in range(800)))
    assert len(navigator.handle_timer(now + ON.pause)) < LETTERS + 50


def test_what_a_call_screen_says_that_is_waited_at_is_no_menu_and_no_queue() -> None:
    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(3)
        caller.call_control.wait("Acme Store, about a lamp.")
        for words in ("Say your name, then press hash.", "Please stay on the line.", "We ask whether they are in."):
            await caller.say(words)
            await asyncio.sleep(4)
        caller.hang_up()

    held = hold(plan, Setting(ivr=ON))
    assert (held.tts.spoken[1:], held.llm.asked) == (["Acme Store, about a lamp."], [])


def test_a_menu_that_comes_again_and_again_is_noticed() -> None:
    navigator, now = IvrNavigator(ON), 0.0
    for count in range(1, ON.loops + 1):
        now = at(navigator, now, "For sales, press 1. For support, press 2.") + 2
        assert (f"heard {count} times; keys pressed so far: 1" in navigator.handle_timer(now)) is (count > 1)
        if count == 1:
            navigator.press("1", now)
    now = at(navigator, now, "For sales press one, for support press 2.", "For sales press 1, for support press 2.") + 2
    navigator = IvrNavigator(IvrOptions(press_keys=True, loops=1))
    at(navigator, 0, "For sales, press 1. For support, press 2.")
    navigator.handle_timer(3)
    at(navigator, 10, "For sales press 1 for support press 2")
    with pytest.raises(MenuLimit, match="the same menu 2 times"):
        navigator.handle_timer(13)


def test_the_time_in_menus_and_queues_is_limited() -> None:
    navigator = IvrNavigator(IvrOptions(press_keys=True, limit=60))
    at(navigator, 0, "Please hold, your call is important to us.")
    assert navigator.place is Place.QUEUE
    assert navigator.handle_timer(60) == ""
    with pytest.raises(MenuLimit, match="60 s in menus and queues"):
        navigator.handle_timer(navigator.deadline)


def test_time_with_a_person_does_not_count_as_time_in_menus() -> None:
    navigator = IvrNavigator(IvrOptions(press_keys=True, limit=90))
    now = at(navigator, 0, "Please hold.")
    now = at(navigator, now + 29, "Hello, this is Ann.")
    assert navigator.deadline == math.inf
    now = at(navigator, now + 600, "Please hold.")
    assert navigator.place is Place.QUEUE
    assert navigator.handle_timer(now + 59) == ""
    assert navigator.deadline == now + 60, "the time before Ann counts"
    with pytest.raises(MenuLimit, match="90 s in menus and queues"):
        navigator.handle_timer(navigator.deadline)


def test_announcements_that_are_taken_for_a_person_do_not_stop_the_clock() -> None:
    limit = 10 * TALK
    navigator, now = IvrNavigator(IvrOptions(press_keys=True, limit=limit, loops=1000)), 0.0
    with pytest.raises(MenuLimit, match="in menus and queues"):
        for number in range(1000):
            now = at(navigator, now, f"For number {number}, press 1.") + ON.pause
            navigator.handle_timer(now)
            navigator.press("1", now)
            now = at(navigator, now + TALK / 3, f"Our website has {number} offers for you every day.")
            assert navigator.place is Place.TALKING
            now += TALK / 2
    assert now < 2 * limit


def test_an_advertisement_in_a_queue_is_told_once_and_not_again() -> None:
    navigator = IvrNavigator(ON)
    now = at(navigator, 0, "Please hold.", "Did you know that you can order on our website?")
    assert navigator.place is Place.TALKING
    navigator.wait(now)
    at(navigator, now, "Did you know that you can order on our website?")
    assert navigator.place is Place.QUEUE  # type: ignore[comparison-overlap]
    at(navigator, now + 5, "Hello, this is Ann.")
    assert navigator.place is Place.TALKING


MENU = "For sales, press 1. For support, press 2."


@pytest.mark.parametrize(("at_limit", "pressed"), [("hang_up", ""), ("operator", "0")])
def test_the_limit_ends_the_call_or_asks_for_the_operator(at_limit: Any, pressed: str) -> None:
    async def plan(caller, line, stt) -> None:
        while True:
            await caller.say(MENU)
            await asyncio.sleep(12)

    options = IvrOptions(press_keys=True, loops=2, at_limit=at_limit)
    held = hold(plan, Setting(script=lambda messages: [ToolCall("c1", "keep_waiting", "{}")], ivr=options))
    assert (held.outcome.kind, held.line.pressed) == ("no_person", pressed)
    assert "the same menu 3 times" in held.outcome.text or at_limit == "operator"


NOTICE = "This call is recorded."


def test_the_notice_is_kept_for_the_person_and_not_told_to_each_advertisement() -> None:
    def script(messages):
        said = messages[-1]["content"] or ""
        return [ToolCall("c1", "keep_waiting", "{}")] if "website" in said else [Text("It is Acme.")]

    async def plan(caller, line, stt) -> None:
        await asyncio.sleep(6)
        await caller.say("Please hold, your call is important to us.")
        for words in ("You can order on our website, too.", "Our website has new offers for you every day."):
            await asyncio.sleep(8)
            await caller.say(words)
        await asyncio.sleep(8)
        await caller.say("Hello, this is Ann.")
        await asyncio.sleep(0.9)
        await caller.say("Wait, who is calling?")
        await asyncio.sleep(12)
        await caller.say("Fine, go on.")
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting(script=script, ivr=ON, persona=replace(PERSONA, notice=NOTICE)))
    heard = [turn.heard for turn in held.turns if turn.heard]
    assert heard[0] == f"{NOTICE} {PERSONA.greeting}" or heard[:2] == [NOTICE, PERSONA.greeting]
    assert heard[-2:] == [f"{NOTICE} It is Acme.", "It is Acme."], heard
    assert NOTICE not in [run.result for turn in held.turns for run in turn.tools]


def test_a_key_that_nothing_answers_ends_the_call_long_before_the_limit() -> None:
    async def plan(caller, line, stt) -> None:
        await caller.say(MENU)
        await asyncio.sleep(ON.limit)

    def script(messages):
        return [ToolCall("c1", "press_keys", '{"keys": "1"}')]

    held = hold(plan, Setting(script=script, ivr=ON))
    assert (held.outcome.kind, held.outcome.text) == ("no_person", f"no sound for {DEAD:g} s after a key")
    navigator = IvrNavigator(ON)
    navigator.press("1", 0)
    navigator.sound(50)
    assert navigator.handle_timer(DEAD) == "", "music is a sound"
    assert navigator.deadline == 50 + DEAD


def test_steady_music_after_a_key_is_a_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    chord = [sum(3000 * math.sin(2 * math.pi * hz * at / SAMPLE_RATE) for hz in (262, 330, 392)) for at in range(160)]
    music = from_linear(struct.pack("<160h", *map(int, chord)))
    nobody: Any = None
    driver, now = IvrDriver(ON, nobody, nobody, nobody, nobody), 0.0
    monkeypatch.setattr(driver, "_now", lambda: now)
    driver._navigator.press("2", now)
    for _ in range(90 * 50):
        now += 0.02
        driver.listen(music)
    assert driver._navigator.handle_timer(now) == "" and driver._navigator.deadline == pytest.approx(now + DEAD)
    for _ in range(10 * 50):
        now += 0.02
        driver.listen(b"\xff" * 160)
    assert driver._navigator.deadline == pytest.approx(now - 10 + DEAD), "silence is none"


def test_without_the_option_nobody_presses_keys() -> None:
    async def plan(caller, line, stt) -> None:
        await caller.say(MENU)
        await asyncio.sleep(8)
        caller.hang_up()

    held = hold(plan, Setting())
    assert "[telephone menu]" not in str(held.last_asked())
