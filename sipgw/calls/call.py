"""One phone call. The only module that joins SIP, media and agent.

INVITE → ports and providers are opened while it rings → 200 → conversation → transfer or BYE → record.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from secrets import token_bytes
from typing import Any, Protocol, TypeVar

import structlog

from agent.records import Outcome
from media import channel as media
from media.engine import MediaEngine
from sipgw.calls.audience import Audience
from sipgw.calls.negotiation import OurSide, agree, agree_late, describe, ours, renegotiate
from sipgw.calls.phone_line import PhoneLine
from sipgw.events import Ending, Sound
from sipgw.records.recordings import Tape
from sipgw.sip.dialog import is_private
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.leg import Answered, Confirmed, Ended, KeyPressed, Leg, Offered, ReferRequested
from sipgw.sip.offer_answer import LocalMedia, Negotiated, NotAcceptable
from sipgw.sip.sdes import SECRET, Policy
from sipgw.transfer.transfer import Summon, Transfers, Ways, closing

log = structlog.get_logger()

BYE_LIMIT = 5.0
"""Seconds that somebody who sent us to another has for hanging up; then we do."""
Connect = Callable[[str], Awaitable[bool]]
"""Transfers the caller to somebody of that name, or to anybody if it is empty; returns whether that succeeded."""
NOT_HUMAN = ("machine", "message_left", "fax")
"""Outcomes that stay what they are when the other side hangs up: it does that after a message."""
T = TypeVar("T")
RETRY_AFTER = (("Retry-After", "5"),)


class Talk(Protocol):
    """What the agent does in a call: a conversation, or less."""

    async def open(self) -> None:
        """Get ready."""

    async def run(self) -> Outcome:
        """Talk until somebody hangs up; never raises but on cancellation."""

    async def close(self) -> None:
        """Free what `open` took; safe to call twice."""


class Host(Protocol):
    """Whose agent speaks in a call, and who wants to know what becomes of it."""

    def converse(self, line: PhoneLine, connect: Connect | None) -> Talk:
        """The conversation on `line`; `connect` is None if there is nobody to transfer the caller to."""

    def answered(self) -> None:
        """Sound flows from now on."""

    def measured(self, quality: media.Quality) -> None:
        """So the last seconds were received."""


def sorting(line: PhoneLine, tape: Tape, host: Host) -> Callable[[media.MediaEvent], None]:
    """What gives each event of a channel to whom it is for."""

    def on_media(event: media.MediaEvent) -> None:
        if isinstance(event, media.Recorded):
            tape.on_recorded(event)
        elif isinstance(event, media.Quality):
            host.measured(event)
        else:
            if isinstance(event, media.Dead):
                tape.on_dead(event.cause)
            line.on_media(event)

    return on_media


class Call:
    """A call on a trunk: one that came in from its INVITE on, one that we made from its answer on; to its ending."""

    def __init__(
        self,
        leg: Leg,
        engine: MediaEngine,
        host: Host,
        *,
        address: str,
        ways: Ways | None = None,
        srtp: Policy = "off",
        inband_keys: bool = False,
        tape: Tape | None = None,
        line: PhoneLine | None = None,
        described: LocalMedia | None = None,
    ) -> None:
        """`ways` are those to other people.

        A call that we made brings the `line` that its conversation is on, and what it was `described` as in our offer.
        """
        self.leg = leg
        self.stats: dict[str, Any] = {}
        self.tape = tape or Tape()
        self._engine = engine
        self._host = host
        self._line = line or PhoneLine(inband_keys=inband_keys)
        self._ended: Ended | None = None
        self._described = described or ours(address, 0, srtp, leg)
        self.transfers = Transfers(engine, ways or Ways(), self._line, self._spawn)
        self._channel: media.Channel | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._group = asyncio.TaskGroup()

    @property
    def sound(self) -> Sound | None:
        """Where our sound is, while there is a conversation."""
        channel = self._channel
        return Sound(channel.number, self._described.address, channel.port) if channel else None

    @property
    def mos(self) -> float:
        """See `sipgw.calls.phone_line.PhoneLine.mos`."""
        return self._line.mos

    async def run(self) -> Ending:
        """Hold a call that came in; never raises but on cancellation, and always leaves leg and ports free."""
        return await self._bounded(self._run())

    async def run_answered(self, channel: media.Channel, conversation: Talk, opening: asyncio.Task[None]) -> Ending:
        """Hold a call that we made and that was answered; `opening` gets the conversation ready. As `run`."""
        return await self._bounded(self._run_answered(channel, conversation, opening))

    async def _bounded(self, work: Coroutine[Any, Any, Ending]) -> Ending:
        try:
            ending = await work
        except Exception as error:  # the call boundary: one call's fault is not the others'
            log.exception("call failed")
            ending = Ending("failed", f"internal error: {type(error).__name__}")
        finally:
            self.leg.reject(500)  # whichever of the two the state of the leg calls for; the other does nothing
            self.leg.hangup()
            self.audience.hear(b"")
        return ending

    async def _run(self) -> Ending:
        self.leg.ringing()
        try:
            sort = sorting(self._line, self.tape, self._host)
            channel = await self._engine.open(sort, ipv6=":" in self._described.address)
        except (media.PortsExhausted, media.MediaDown) as error:
            self.leg.reject(503, headers=RETRY_AFTER)
            return Ending("refused", str(error))
        with closing(channel):
            self.tape.attach(channel)
            self._line.attach(channel)
            try:
                agreed = self._negotiate(channel)
            except NotAcceptable as error:
                self.leg.reject(488)
                return Ending("refused", str(error))
            conversation = self._host.converse(self._line, self.connect if self.transfers.ways.people else None)
            try:
                async with self._group:
                    return await self._converse_on(channel, *agreed, conversation)
            finally:
                await conversation.close()

    async def _run_answered(self, channel: media.Channel, conversation: Talk, opening: asyncio.Task[None]) -> Ending:
        try:
            self._described, negotiated = agree(self.leg, self._local(channel))
        except NotAcceptable as error:
            return Ending("failed", f"the answer cannot be used: {error}")
        if negotiated is not None:
            self._line.exchange(negotiated)
        async with self._group:
            self._spawn(self._follow(self.leg, channel))
            await opening
            return await self._talk(channel, conversation)

    async def _converse_on(
        self,
        channel: media.Channel,
        description: bytes,
        negotiated: Negotiated | None,
        conversation: Talk,
    ) -> Ending:
        # Over UDP an address is easily forged: no sound goes there, and no conversation is paid for, before the ACK.
        # From outside nobody forges those of our own network, where some phones send an ACK that belongs to no call.
        forgeable = self.leg.source.transport == "udp" and not is_private(self.leg.source.host)
        follow = self._spawn(self._follow(self.leg, channel, negotiated if forgeable else None))
        opening = self._spawn(conversation.open())
        await asyncio.wait({follow, opening}, return_when=asyncio.FIRST_COMPLETED)
        if follow.done():  # the caller gave up while it rang
            opening.cancel()
            return _ended(self._ended)
        self.leg.answer(description)
        if not forgeable:
            self._exchange(negotiated)
        elif not await self.leg.acknowledged():
            await follow
            return _ended(self._ended)
        return await self._talk(channel, conversation)

    async def _talk(self, channel: media.Channel, conversation: Talk) -> Ending:
        self._channel = channel
        self._host.answered()
        self.tape.begin()
        try:
            outcome = await conversation.run()
            if self.transfers.party is None:
                self._channel = None
            ending = await self._finish(outcome, await self.transfers.last())
        finally:
            self._channel = None
            await self.transfers.close()
        with contextlib.suppress(media.MediaDown):
            self.stats = await channel.stats()
        self.leg.hangup()
        for task in self._tasks:
            task.cancel()
        return ending

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _negotiate(self, channel: media.Channel) -> tuple[bytes, Negotiated | None]:
        """What the INVITE is answered with, and what that agrees on: if it had no offer, ours is in the 200, and the
        answer comes with the ACK. Raises `NotAcceptable`."""
        return describe(self.leg, self._local(channel), self.leg.offer)

    def _exchange(self, negotiated: Negotiated | None) -> None:
        if negotiated is not None:
            self._line.exchange(negotiated)

    async def _follow(self, leg: Leg, channel: media.Channel, agreed: Negotiated | None = None) -> None:
        """Follow what the other side does with the leg, as long as it is the one we speak on.

        What was `agreed` on begins with the ACK.
        """
        async for event in leg.events():
            if leg is not self.leg:
                continue
            match event:
                case Ended():
                    self._ended = event
                    if not self.transfers.away:
                        self._line.end(str(event), lost=event.lost)
                case ReferRequested():
                    self._spawn(self._go(event, leg, channel))
                case Offered(sdp):
                    self._renegotiate(channel, sdp)
                case KeyPressed(key, _):
                    self._line.press(key, "info", asyncio.get_running_loop().time())
                case Confirmed(sdp) if sdp or not self.leg.remote:
                    self._agreed(channel, sdp or b"")
                case Confirmed():
                    self._exchange(agreed)
                case Answered(sdp):
                    self._agreed(channel, sdp)

    def _agreed(self, channel: media.Channel, sdp: bytes) -> None:
        """Follow the answer to our own description; one that cannot be used ends the call, as nothing is agreed on."""
        try:
            local, begun = self._local(channel), self._line.agreed
            self._line.exchange(agree_late(self.leg, local, sdp, begun=begun))
        except NotAcceptable as error:
            self._line.end(f"the late answer cannot be used: {error}", lost=True)

    def _renegotiate(self, channel: media.Channel, sdp: bytes | None) -> None:
        """Follow an offer of the other side; None asks for ours."""
        self._exchange(renegotiate(self.leg, self._local(channel), sdp))

    # Other legs

    def replace(self, leg: Leg) -> bool:
        """Go on with `leg`, which came in to take the place of ours (RFC 3891); the old one is hung up.

        Returns whether that was possible.
        """
        channel, old, before = self._channel, self.leg, self._described
        if channel is None or self._ended is not None:
            leg.reject(481)
            return False
        self.leg, self._described = leg, before.of_leg(leg.id, token_bytes(SECRET), tls=leg.source.secure)
        try:
            description, negotiated = self._negotiate(channel)
        except NotAcceptable as error:
            self.leg, self._described = old, before
            log.warning("replacement refused", reason=str(error))
            leg.reject(488)
            return False
        log.info("call replaced", leg=leg.id)
        leg.answer(description)
        self._exchange(negotiated)
        self._spawn(self._follow(leg, channel))
        old.hangup()
        return True

    async def _go(self, asked: ReferRequested, old: Leg, channel: media.Channel) -> None:
        """The other side sends us to somebody else: call there, and go on with them if they answer."""
        status, reason = 487, "Request Terminated"
        side = OurSide(channel.port)
        try:
            async with self.transfers.go(asked, old, side) as (leg, _):
                try:
                    if self.leg is not old:
                        raise CallFailed(Ended("gateway", "487", "another has taken the place of this call", 487))
                    description, negotiated = agree(leg, side.local)
                except BaseException:
                    leg.hangup()
                    raise
                self.leg, self._ended, self._described = leg, None, description
                self._exchange(negotiated)
                self._spawn(self._follow(leg, channel))
                status, reason = 200, "OK"
                old.report_refer(status, reason)
                try:
                    await old.over(BYE_LIMIT)  # who sent us hangs up (RFC 5589 §6.1)
                finally:
                    old.hangup()
        except CallFailed as error:
            status, reason = error.ended.status or 480, error.ended.text
        except NotAcceptable as error:
            status, reason = 488, str(error)
        finally:
            if status != 200:
                old.report_refer(status, reason)
            log.info("sent to somebody else", to=str(asked.target), status=status, reason=reason)
        if status != 200 and self._ended is not None:
            self._line.end(str(self._ended), lost=self._ended.lost)

    async def connect(self, to: str = "") -> bool:
        """Transfer the caller to somebody; returns whether that succeeded."""
        return await self.transfers.connect(self.leg, to)

    async def take_over(self, who: str, summon: Summon | None = None) -> bool:
        """See `sipgw.calls.live.Held.take_over`."""
        return await self.transfers.take_over(self.leg, who, summon)

    def give_back(self) -> None:
        """See `sipgw.calls.live.Held.give_back`."""
        self.transfers.give_back()

    @property
    def instead(self) -> str:
        """See `sipgw.transfer.transfer.Transfers.instead`."""
        return self.transfers.instead

    @property
    def audience(self) -> Audience:
        """Who listens live."""
        return self._line.audience

    async def _finish(self, outcome: Outcome, spoke: str) -> Ending:
        """Say how it ended; `spoke` is how long they did with the person whom they were joined with."""
        person, told = self.transfers.person, self.transfers.told(spoke)
        if person and self.transfers.moved(spoke):
            if person.await_bye and not spoke:
                await self.leg.over(person.await_bye)
            done = self.transfers.outcome
            return Ending("transferred" if done and done.proven else "transfer_unproven", told)
        if self._ended is not None and outcome.kind not in NOT_HUMAN:
            return _ended(self._ended)
        if outcome.kind == "failed" and told:
            return Ending("transfer_failed", f"{outcome.text}; {told}")
        return Ending(outcome.kind, outcome.text)

    def _local(self, channel: media.Channel) -> LocalMedia:
        return replace(self._described, port=channel.port)


def _ended(ended: Ended | None) -> Ending:
    hung_up = ended is not None and not ended.lost
    return Ending("caller_hung_up" if hung_up else "line_lost", str(ended or ""))
