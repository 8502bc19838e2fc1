"""DTMF input that the agent asks for; secret digits are kept from the model and the records."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import Field

from agent.dtmf import DtmfCollection, DtmfRequest, DtmfState
from agent.errors import ProviderError
from agent.line import Line
from agent.reply import Agent
from agent.tools import Tool, tool

LONGEST = 120.0
"""Most seconds of one collection."""
LINGER = 1.0
"""Seconds after the last key for which the line stays private: the tone and last packets of that key come later."""

# Once for all calls: pydantic makes a model of each that is new.
Question = Annotated[
    str, Field(description="What the caller hears; do not say it yourself.", min_length=1, max_length=500)
]
Most = Annotated[int, Field(description="Keys after which it is complete.", ge=1, le=64)]
Fewest = Annotated[int, Field(description="Keys that there must be.", ge=1, le=64)]
Choices = Annotated[str, Field(description='For a menu, its keys: "123".', max_length=12)]


class DtmfCollector:
    """The collections of one call, one at a time."""

    def __init__(self, line: Line, agent: Agent, mute: Callable[[bool], None]) -> None:
        """`mute` is called with True when the line gives silence instead of sound, for keys that nobody may read, and
        with False after it."""
        self._line = line
        self._mute = mute
        self._agent = agent
        self._going: DtmfCollection | None = None
        self._asking: asyncio.Task[None] | None = None
        self._opening: asyncio.TimerHandle | None = None
        self._pressed = asyncio.Event()

    def press(self, key: str) -> bool:
        """Take a key; returns whether it was meant for a collection. The first one cuts the question short."""
        going = self._going
        if going is None:
            return False
        if self._asking is not None and not self._asking.done():
            self._asking.cancel()
            self._agent.history.cut(self._agent.speech_output.stop())
            self._agent.told_tools()
        going.press(key, asyncio.get_running_loop().time())
        self._pressed.set()
        return True

    def tool(self) -> Tool:
        """Tool by which the model asks for keys."""

        @tool(timeout=LONGEST, waits_for_caller=True)
        async def collect_digits(
            question: Question,
            most: Most = 20,
            fewest: Fewest = 1,
            ends_with: Annotated[Literal["#", "*", ""], "The key that completes it."] = "#",
            choices: Choices = "",
            secret: Annotated[
                bool,
                "Whether nobody may read it, as cards, PINs and passwords. You get a reference for other tools.",
            ] = False,
        ) -> dict[str, Any]:
            """Have the caller press keys on the telephone: a number, a PIN, a card, or one of a menu."""
            wanted = DtmfRequest(most, fewest, ends_with, choices)
            return await self._collect(question, wanted, secret=secret)

        return collect_digits

    async def _collect(self, question: str, wanted: DtmfRequest, *, secret: bool) -> dict[str, Any]:
        if self._going is not None:
            return {"status": "the caller is pressing keys already"}
        self._going = going = DtmfCollection(wanted, asyncio.get_running_loop().time() + LONGEST)
        if secret:
            self._set_private()
        try:
            await self._ask(question, going)
            await self._wait(going)
        finally:
            self._going = None
            if secret:
                self._opening = asyncio.get_running_loop().call_later(LINGER, self._set_public)
        told: dict[str, Any] = {"status": going.state.value}
        if going.state is not DtmfState.COMPLETE:
            return told
        if secret:
            return told | {"reference": self._agent.toolbox.vault.keep(going.keys), "keys": len(going.keys)}
        return told | {"digits": going.keys}

    def _set_private(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self._line.set_private(True)
        self._mute(True)

    def _set_public(self) -> None:
        self._line.set_private(False)
        self._mute(False)

    async def _ask(self, question: str, going: DtmfCollection) -> None:
        """Ask the question, until it is said or the caller presses a key."""
        self._asking = asking = self._agent.spawn(self._say(question))
        try:
            await asyncio.wait({asking})
        finally:
            asking.cancel()
        going.asked(asyncio.get_running_loop().time())

    async def _say(self, question: str) -> None:
        with suppress(ProviderError):  # the next words will fail too, and then it is dealt with
            await self._agent.say(question)

    async def _wait(self, going: DtmfCollection) -> None:
        while going.state is DtmfState.OPEN:
            self._pressed.clear()
            try:
                async with asyncio.timeout_at(going.deadline):
                    await self._pressed.wait()
            except TimeoutError:
                going.handle_timer(asyncio.get_running_loop().time())
