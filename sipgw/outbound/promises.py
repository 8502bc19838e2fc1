"""The tool ``schedule_callback``, by which an agent promises to call back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import structlog
from pydantic import Field

from agent.tools import Tool, ToolError, tool
from sipgw.config.hours import zone_named
from sipgw.config.numbers import NumberError, e164
from sipgw.config.outbound import CallbackOptions
from sipgw.config.tenants import TenantOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.events import CallKey
from sipgw.outbound.jobs import Jobs
from sipgw.outbound.tables import Job
from sipgw.outbound.when import WhenError, due, spoken

log = structlog.get_logger()


@dataclass(frozen=True)
class CallbackContext:
    """The call in which a callback is promised."""

    call: CallKey
    agent: str
    number: str
    """The number of the person who speaks with the agent; may be empty."""
    trunk: TrunkOptions
    verified: bool = False
    """Whether `number` is known to be the person's own: the carrier vouches for it, or they answered our call to it."""


def zone_of(number: str, default: str = "") -> ZoneInfo | None:
    """The time zone of a number if it can be in only one; otherwise the zone named `default`. None: the machine's."""
    import phonenumbers  # see `sipgw.config.numbers`
    from phonenumbers import timezone

    try:
        zones = timezone.time_zones_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        zones = ()
    return (zone_named(zones[0]) if len(zones) == 1 else None) or (zone_named(default) if default else None)


def dialled_as(digits: str, context: CallbackContext) -> str:
    """The number to dial for the digits that a caller has said. Raises `ToolError`."""
    plain = "".join(char for char in digits if char.isdigit())
    if not 5 <= len(plain) <= 15:
        raise ToolError("a telephone number has 5 to 15 digits; this one does not")
    if context.number.endswith(plain):
        return context.number  # the number that they call from, with its country code
    with_plus = f"+{plain}" if digits.strip().startswith("+") else plain
    try:
        return e164(with_plus, context.trunk.country)
    except NumberError:
        if context.trunk.domain_uri is not None and context.trunk.number_format != "as_dialled":
            raise ToolError("that number cannot be dialled; ask for it with its country code") from None
    return with_plus


Number = Annotated[str, Field(description="The digits of the caller's number.", max_length=40)]
When = Annotated[
    str,
    Field(
        description="When to call, with day and hour: the caller's words, or ISO 8601 in your own time zone.",
        max_length=100,
    ),
]
Topic = Annotated[str, Field(description="What it is about.", max_length=300)]


BY_HAND = "a person has to make this call: the gateway does not"


async def _may_be(number: str, trunk: str, consent: bool) -> str:
    return ""


def callback_tool(
    jobs: Jobs,
    asked: Callable[[], Awaitable[CallbackContext]],
    options: CallbackOptions,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    refused: Callable[[str, str, bool], Awaitable[str]] = _may_be,
    tenants: Sequence[TenantOptions] = (),
) -> Tool:
    """The tool of one call. If the same number is promised two times, the last one counts. Each of `tenants` has its
    own room for callbacks.

    `refused` gets a number, the name of a trunk and whether the person has consented. It returns why the number may not
    be called at any hour, or an empty text.
    """

    @tool(timeout=5.0, side_effect=True)
    async def schedule_callback(
        phone_number: Number,
        when: When,
        topic: Topic = "",
    ) -> dict[str, Any]:
        """Promise that we call the caller back."""
        context = await asked()  # after a transfer another person may speak than at the beginning of the call
        number = dialled_as(phone_number, context)
        own = number == context.number
        agreed = own and context.verified
        if options.dial and not own and not options.other_numbers:
            log.warning("no call back is promised", reason="not the caller's own number ([callbacks] other_numbers)")
            raise ToolError(
                "we call back only the number that they call from: say so, and offer that one if there is one"
            )
        zone = zone_of(number, options.time_zone)
        try:
            at = due(when, now(), zone, options.zone)
        except WhenError as error:
            raise ToolError(str(error)) from None
        about = " ".join("".join(char if char.isprintable() and char != '"' else " " for char in topic).split())
        trunk = context.trunk.name if context.trunk.domain_uri is not None else ""
        if options.dial and (why := await refused(number, trunk, agreed)):
            log.warning("no call back is promised", reason=why)
            raise ToolError("we cannot call that number from here: say so, and promise nothing")
        job = Job(
            campaign="", key=f"{context.call.name} {number}", number=number, agent=context.agent, trunk=trunk,
            variables={"topic": about} if about else {}, consent=agreed, due=at.timestamp(),
            state="planned" if options.dial else "by_hand", reason="" if options.dial else BY_HAND,
        )  # fmt: skip
        promised = await jobs.promise(job, now(), tenants, context.call)
        if promised is None:
            log.warning("no call back is promised", reason="as many wait as may", agent=context.agent)
            raise ToolError("too many calls back are promised already: say so, and promise nothing")
        planned, moved = promised
        status = "moved: only this time counts" if moved else "promised"
        if not options.dial:
            log.info("a call back was promised that a person has to make", job=planned)
            status += "; a person of ours will call"
        told = {"when": spoken(at), "time_zone": str(zone or "")}
        return {"status": status, "callback": planned, "phone_number": number, **told}

    return schedule_callback
