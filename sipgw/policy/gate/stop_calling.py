"""“Stop calling me”: the tool by which callers put their number on our own do-not-call list, by word or key."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from agent.tools import Tool, ToolError, tool
from sipgw.bounds import FULL
from sipgw.config.numbers import NumberError, e164
from sipgw.config.stock import LISTED, LISTED_BEFORE, NUMBER_UNKNOWN
from sipgw.policy.gate.dnc import OwnList

NAME = "stop_calling"
MOST_TOLD = 2
"""Numbers that callers may tell in one call: theirs, and one more if it was misheard. Their owners are not checked."""


def stop_tools(
    own: OwnList, numbers: Callable[[], Sequence[str]], country: str, call: str, told: set[str], language: str
) -> list[Tool]:
    """The tool that puts a person on the do-not-call list. If no number of the person is known, the tool asks for one.

    `numbers` returns the person's numbers as the other side has sent them. It is called when the tool runs, because the
    call may have been put through to somebody else. `country` is the country of the trunk, for numbers without ``+``.
    `told` has the numbers that the caller has given in this call, to any of its agents. `language` (ISO 639-1) is that
    of the sentences that the agent says.
    """

    def known() -> list[str]:
        found = []
        for number in numbers():
            with contextlib.suppress(NumberError):
                found.append(e164(number, country))
        return found

    async def keep(*wanted: str) -> dict[str, Any]:
        new = [await own.add(one, "caller", call) for one in wanted]
        done = {"status": "on the do-not-call list", "phone_number": wanted[0]}
        return done | {"say": (LISTED if any(new) else LISTED_BEFORE)[language]}

    async def stop_known() -> dict[str, Any]:
        found = known()
        return await keep(*found) if found else {"status": "the number is missing", "say": NUMBER_UNKNOWN[language]}

    async def stop(phone_number: str) -> dict[str, Any]:
        if not phone_number:
            return await stop_known()
        try:
            wanted = e164(phone_number, country)
        except NumberError as error:
            raise ToolError(f"this cannot be a telephone number: {error}") from None
        if wanted not in told and len(told) >= MOST_TOLD:
            FULL["numbers not to call"] += 1
            raise ToolError(f"the caller has told {MOST_TOLD} numbers already, and no more are taken in one call")
        told.add(wanted)
        return await keep(wanted)

    return [_of_known(stop_known) if known() else _of_unknown(stop)]


def _of_known(keep: Callable[[], Awaitable[dict[str, Any]]]) -> Tool:
    @tool(timeout=5.0, side_effect=True)
    async def stop_calling() -> dict[str, Any]:
        """Put the person on the do-not-call list, at once, when they want no more calls. Then say that it is done.

        Whether they are polite about it or not; but not when they only want to end this call.
        """
        return await keep()

    return stop_calling


Theirs = Annotated[str, Field(description="Their number, with area code.", max_length=40)]


def _of_unknown(keep: Callable[[str], Awaitable[dict[str, Any]]]) -> Tool:
    @tool(timeout=5.0, side_effect=True)
    async def stop_calling(
        phone_number: Theirs = "",
    ) -> dict[str, Any]:
        """Put the person on the do-not-call list when they want no more calls. Ask for their number first."""
        return await keep(phone_number)

    return stop_calling


def stop_keys(key: str) -> Mapping[str, str]:
    """The tool that each key runs: `stop_calling` for `key` (``[gate] stop_key``), none if `key` is empty."""
    return {key: NAME} if key else {}
