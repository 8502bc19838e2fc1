"""“Stop calling me”: the tool by which callers put their number on our own do-not-call list, by word or key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

from agent.tools import Tool, ToolError, tool
from sipgw.config.numbers import NumberError, e164
from sipgw.policy.gate.dnc import OwnList

NAME = "stop_calling"
DONE = "I have put your number on our list. We will not call you again."
ALREADY = "Your number is on our list already. We will not call you again."
UNKNOWN = "I cannot see your number. Please tell me which number we should not call."


def stop_tools(own: OwnList, number: Callable[[], str], country: str, call: str) -> list[Tool]:
    """The tool for a call with the person at `number`, as the other side tells it; it asks for the number if need be.

    `number` is asked when the tool runs: somebody else may have been put through. `country` is that of the trunk, for
    numbers without ``+``.
    """

    def known() -> str:
        try:
            return e164(number(), country)
        except NumberError:
            return ""

    async def keep(wanted: str) -> dict[str, Any]:
        new = await own.add(wanted, "caller", call)
        return {"status": "on the do-not-call list", "phone_number": wanted, "say": DONE if new else ALREADY}

    async def stop(phone_number: str) -> dict[str, Any]:
        if not phone_number:
            return {"status": "the number is missing", "say": UNKNOWN}
        try:
            return await keep(e164(phone_number, country))
        except NumberError as error:
            raise ToolError(f"this cannot be a telephone number: {error}") from None

    return [_of_known(lambda: stop(known())) if known() else _of_unknown(stop)]


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
    """The tool of the key ``[gate] stop_key``."""
    return {key: NAME} if key else {}
