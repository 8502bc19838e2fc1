"""Drives one conversation through the menus and queues of the other side: listens, waits, presses keys."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from agent.call_control import CallControl, CallControlRefused
from agent.floor import Floor
from agent.ivr.navigator import IvrNavigator, MenuLimit, Place
from agent.ivr.options import IvrOptions
from agent.key_presses import press
from agent.line import Line
from agent.records import Outcome
from agent.stt import Transcript
from agent.tools import Tool, tool
from agent.ulaw import level
from agent.vad import LOUD_ENOUGH, VoiceActivity

OPERATOR = "0"
# Once for all calls: pydantic makes a model of each that is new.
Keys = Annotated[
    str, Field(description="Keys in their order; w waits for half a second.", pattern="^[0-9*#ABCDw]{1,64}$")
]


class IvrDriver:
    """The menus of one call. While a menu speaks, and in a queue, the model gets nothing."""

    def __init__(
        self, options: IvrOptions, line: Line, floor: Floor, control: CallControl, answer: Callable[[str], None]
    ) -> None:
        """`answer` has the model answer a menu that has said everything."""
        self._navigator = IvrNavigator(options)
        self._options = options
        self._line = line
        self._floor = floor
        self._control = control
        self._answer = answer
        self._voice = VoiceActivity()
        self._changed = asyncio.Event()
        self._operator_asked = False

    def tools(self) -> list[Tool]:
        """`press_keys` and `keep_waiting`."""

        @tool(side_effect=True, repeatable=True, timeout=60.0)
        async def press_keys(keys: Keys) -> dict[str, str]:
            """Press keys of a telephone menu that you have reached, as it asks for. Say nothing in the same reply.

            What a menu says is marked "[telephone menu]". Press the key that comes nearest to what you call for, or the
            one for a person. If it is heard again, press another one than before. If it wants words, say them instead.
            """
            self._navigator.press(keys.replace("w", ""), self._now())
            self._go_on_waiting()
            await press(self._line, keys)
            return {"status": "pressed"}

        @tool(repeatable=True)
        async def keep_waiting() -> dict[str, str]:
            """Call this, and say nothing, when a recording speaks that asks for nothing, as advertisements in a queue.

            You are silent then until a person or a menu speaks.
            """
            self._navigator.wait(self._now())
            self._go_on_waiting()
            return {"status": "you are waiting"}

        return [replace(one, silent=True) for one in (press_keys, keep_waiting)]

    def hear(self, event: Transcript) -> bool:
        """Take what the other side says. Returns whether it is part of a menu that the model has got already."""
        if not any(map(str.isalnum, event.text)):
            return False
        before = self._navigator.place
        if before is Place.TALKING and self._floor.turns.hears_recording:
            return False  # at a call screen the agent waits
        if self._navigator.takes_late(event.text, self._now(), final=event.final):
            return True
        place = self._navigator.hear(event.text, self._now(), final=event.final)
        if place is Place.TALKING:
            if before is not place:
                self._control.stop_waiting(sure=False)
        elif place is Place.MENU or event.final:
            self._hold()
        self._changed.set()
        return False

    def listen(self, ulaw: bytes) -> None:
        """Take the sound of the other side."""
        if self._navigator.place is Place.MENU:
            self._voice.feed(ulaw)
            if self._voice.active:
                self._navigator.sound(self._now())
        elif self._navigator.place is Place.CHOOSING and level(ulaw) > LOUD_ENOUGH:
            # Music in a queue is a sound, too, which a voice detector takes for noise after seconds.
            self._navigator.sound(self._now())

    async def watch_clock(self) -> None:
        """Handle the ends of menus, and the limit, when they are due."""
        while True:
            self._changed.clear()
            at = self._navigator.deadline
            try:
                async with asyncio.timeout_at(at if at < float("inf") else None):
                    await self._changed.wait()
            except TimeoutError:
                await self._handle_timer()

    async def _handle_timer(self) -> None:
        try:
            if text := self._navigator.handle_timer(self._now()):
                self._answer(text)
        except MenuLimit as limit:
            if self._options.at_limit == "operator" and not self._operator_asked:
                self._operator_asked = True
                self._navigator.press(OPERATOR, self._now())
                self._navigator.extend(self._now())
                self._hold()
                await press(self._line, OPERATOR)
            else:
                self._floor.end(Outcome("no_person", str(limit)))

    def _hold(self) -> None:
        if not self._floor.turns.hears_recording:
            with suppress(CallControlRefused):  # it is ending
                self._control.wait()

    def _go_on_waiting(self) -> None:
        self._control.go_on_waiting()
        self._changed.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
