"""A call that we make: dialled while the agent gets ready, and from its answer on a `Call` like any other.

channel and providers are opened → INVITE, with an offer for each trunk that is tried → answer → conversation → record.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from media.process import channel as media
from media.process.engine import MediaEngine
from sipgw.calls.call import Call, Host, Talk, sorting
from sipgw.calls.negotiation import OurSide
from sipgw.calls.phone_line import PhoneLine
from sipgw.events import Ending
from sipgw.gate.rules import Purpose
from sipgw.outbound.dial import NotPermitted, Outbound, ending_of
from sipgw.outbound.routes import Attempt, NotDialled
from sipgw.records.recordings import Tape
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.leg import Leg, Progress
from sipgw.sip.offer_answer import LocalMedia
from sipgw.transfer.transfer import closing
from sipgw.trunks.trunks import TrunkOptions

log = structlog.get_logger()

RING_TIMEOUT = 45.0
"""Seconds that it may ring; voicemail answers earlier almost everywhere."""


@dataclass(frozen=True)
class Errand:
    """Whom to call, and what for."""

    number: str
    agent: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """For the agent's ``{{name}}``."""
    trunk: str = ""
    """The only one to be tried; empty: all, in the order of the configuration."""
    caller_id: str = ""
    """The number to show if it is one of the trunk's."""
    purpose: Purpose = "call"
    """For the gate."""
    consent: bool = False
    """Whether the person has asked to be called, for the gate."""
    ring_timeout: float = RING_TIMEOUT
    campaign: str = ""
    """The campaign that it is a part of, for the gate."""
    call: str = ""
    """The identity that the call is to have; empty: one of its own."""


class Caller(Host, Protocol):
    """Who makes a call, and wants to know what becomes of it."""

    def tries(self, trunk: TrunkOptions) -> str:
        """A trunk is tried; returns the address under which it reaches us."""

    def ringing(self) -> None:
        """The phone rings."""

    @property
    def can_transfer(self) -> bool:
        """Whether there is somebody to transfer the person to."""

    def hears(self, ulaw: bytes) -> None:
        """The other side's sound, as it comes."""

    def picked_up(self, leg: Leg, number: str, line: PhoneLine, described: LocalMedia) -> Call:
        """`number` has answered on the trunk that was tried last; returns the `Call` that goes on with it."""


class CallOut:
    """A call to a telephone number, from the wish to its ending."""

    def __init__(self, errand: Errand, outbound: Outbound, engine: MediaEngine, caller: Caller, tape: Tape) -> None:
        self._errand = errand
        self._outbound = outbound
        self._engine = engine
        self._caller = caller
        self._tape = tape
        self._line = PhoneLine()
        self._call: Call | None = None
        self._rang = False

    @property
    def stats(self) -> dict[str, Any]:
        """Counts and quality of the sound, in the end."""
        return self._call.stats if self._call else {}

    async def run(self) -> Ending:
        """Make and hold the call; never raises but on cancellation, and always leaves leg and ports free."""
        try:
            return await self._run()
        except Exception as error:  # the call boundary: one call's fault is not the others'
            log.exception("call failed")
            return Ending("failed", f"internal error: {type(error).__name__}")

    async def _run(self) -> Ending:
        try:
            channel = await self._engine.open(self._hearing(sorting(self._line, self._tape, self._caller)))
        except (media.PortsExhausted, media.MediaDown) as error:
            return Ending("failed", str(error))
        with closing(channel):
            self._tape.attach(channel)
            self._line.attach(channel)
            conversation = self._caller.converse(self._line, self._connect if self._caller.can_transfer else None)
            try:
                async with asyncio.TaskGroup() as group:
                    opening = group.create_task(conversation.open())
                    ending = await self._dial(channel, conversation, opening)
                    opening.cancel()
            finally:
                await conversation.close()
            return ending

    async def _dial(self, channel: media.Channel, conversation: Talk, opening: asyncio.Task[None]) -> Ending:
        errand, side = self._errand, OurSide(channel.port)

        def offers(attempt: Attempt) -> tuple[bytes, ...]:
            return side.offers(self._caller.tries(attempt.trunk), attempt.trunk.srtp, attempt.there)

        try:
            async with self._outbound.dial(
                errand.number, offers, trunk=errand.trunk, caller_id=errand.caller_id, ring_timeout=errand.ring_timeout,
                agent=errand.agent, purpose=errand.purpose, consent=errand.consent or None, campaign=errand.campaign,
                progress=self._on_progress,
            ) as made:  # fmt: skip
                self._call = self._caller.picked_up(made.leg, made.number, self._line, side.local)
                ending = await self._call.run_answered(channel, conversation, opening)
                return Ending("callee_hung_up", ending.cause) if ending.kind == "caller_hung_up" else ending
        except CallFailed as failed:
            return ending_of(failed.ended)
        except NotPermitted as denied:
            return Ending("not_permitted", str(denied), denied.denial.again)
        except NotDialled as error:
            return Ending("failed", str(error))

    def _on_progress(self, progress: Progress) -> None:
        if progress.status > 100 and not self._rang:
            self._rang = True
            self._caller.ringing()

    def _hearing(self, sort: Callable[[media.MediaEvent], None]) -> Callable[[media.MediaEvent], None]:
        def on_media(event: media.MediaEvent) -> None:
            if isinstance(event, media.Frames):
                self._caller.hears(event.ulaw)
            sort(event)

        return on_media

    async def _connect(self, to: str) -> bool:
        return self._call is not None and await self._call.connect(to)
