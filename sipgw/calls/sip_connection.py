"""The SIP side of one call: answers the INVITE, follows the leg, and changes it (hold, Replaces, REFER)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import structlog

from media.process import channel as media
from sipgw.calls.context import CallContext
from sipgw.calls.info import UP
from sipgw.calls.negotiation import OurSide, agree, agree_late, describe, moved, ours, renegotiate, taking_over
from sipgw.calls.transfer_legs import Fields
from sipgw.calls.transfers import Transfers
from sipgw.events import Disposition
from sipgw.sip.dialog import is_private
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.events import Confirmed, Ended, KeyPressed, Moved, Offered, Phase, ReferRequested
from sipgw.sip.leg import Answered, Leg
from sipgw.sip.negotiated import Negotiated
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable, media_host
from sipgw.sip.reason import ANSWERED_ELSEWHERE
from sipgw.trunks.route_selector import NotDialled

log = structlog.get_logger()

BYE_LIMIT = 5.0
"""Seconds to wait for the BYE of the sender of a REFER; then we hang up."""


class SipLeg:
    """The common part of incoming and outgoing calls, once there is a leg."""

    def __init__(self, context: CallContext, transfers: Transfers) -> None:
        self.gone: Disposition | None = None
        """See `sipgw.calls.session.CallConnection.gone`."""
        self._away = False
        """Whether a call to the Refer-To address is in progress."""
        self._context = context
        self._transfers = transfers
        self._leg: Leg | None = None
        self._local: LocalMedia | None = None
        """Our media description, as the other side knows it."""

    @property
    def leg(self) -> Leg:
        """The present leg of the call. Raises `RuntimeError` before there is one."""
        if self._leg is None:
            raise RuntimeError("the call has no leg yet")
        return self._leg

    @property
    def local(self) -> LocalMedia:
        """Our side, as the other side knows it. Raises `RuntimeError` before it was described."""
        if self._local is None:
            raise RuntimeError("our side was not described yet")
        return self._local

    @property
    def address(self) -> str:
        """See `sipgw.calls.session.CallConnection.address`."""
        return self._local.address if self._local else ""

    async def over(self, limit: float) -> None:
        """See `sipgw.calls.session.CallConnection.over`."""
        await self.leg.over(limit)

    def hang_up(self) -> None:
        """See `sipgw.calls.session.CallConnection.hang_up`."""
        self.leg.hangup()

    async def close(self) -> None:
        """See `sipgw.calls.session.CallConnection.close`."""
        if self._leg is not None:
            if not self._leg.calling:
                self._leg.reject(500)  # does nothing after the answer; then `hangup` ends the call
            self._leg.hangup()
        self._context.line.listeners.hear(b"")

    async def _follow(self, leg: Leg, agreed: Negotiated | None = None) -> None:
        """Handle the events of `leg` while it is the present leg of the call. The `agreed` media begin with the ACK."""
        line = self._context.line
        async for event in leg.events():
            if leg is not self._leg:
                continue
            match event:
                case Ended():
                    self.gone = hung_up(event)
                    if not self._away:
                        line.end(str(event), lost=event.lost)
                case ReferRequested():
                    self._transfers.spawn(self._go(event, leg))
                case Offered(sdp):
                    self._exchange(renegotiate(leg, self.local, sdp))
                case Moved(host):
                    self._local = moved(self.local, host)
                case KeyPressed(key, _):
                    line.press(key, "info", asyncio.get_running_loop().time())
                case Confirmed(sdp) if sdp or not leg.remote:
                    self._agreed(sdp or b"")
                case Confirmed():
                    self._exchange(agreed)
                case Answered(sdp):
                    self._agreed(sdp)

    def _exchange(self, negotiated: Negotiated | None) -> None:
        if negotiated is not None:
            self._context.line.exchange(negotiated)

    def _agreed(self, sdp: bytes) -> None:
        """Apply the answer to our offer; an unusable one ends the call, because no media are negotiated."""
        line = self._context.line
        try:
            line.exchange(agree_late(self.leg, self.local, sdp, begun=line.agreed))
        except NotAcceptable as error:
            line.end(f"the late answer cannot be used: {error}", lost=True)

    def replaced_by(self, leg: Leg) -> bool:
        """Whether `leg` replaces ours (RFC 3891)."""
        return self._leg is not None and leg.takes(self._leg)

    def replace(self, leg: Leg) -> bool:
        """Continue with `leg`, which replaces ours (RFC 3891); the old one is hung up. Returns success."""
        if self._context.state not in UP or self.gone is not None:
            leg.reject(481)
            return False
        old = self.leg
        local = taking_over(leg, self.local)
        try:
            description, negotiated = describe(leg, local, leg.offer)
        except NotAcceptable as error:
            log.warning("replacement refused", reason=str(error))
            leg.reject(488)
            return False
        self._leg, self._local = leg, local
        log.info("call replaced", leg=leg.id)
        leg.answer(description)
        self._exchange(negotiated)
        self._transfers.spawn(self._follow(leg))
        old.hangup()
        return True

    async def _go(self, asked: ReferRequested, old: Leg) -> None:
        """Handle a REFER of the other side: call its address, and continue with the new leg when that is answered."""
        status, reason = 487, "Request Terminated"
        side = OurSide(self.local.port)
        try:
            async with self._referred(asked, old, side) as leg:
                try:
                    if self._leg is not old:
                        raise CallFailed(Ended("gateway", "487", "another call has replaced this one", 487))
                    local, negotiated = agree(leg, side)
                except BaseException:
                    leg.hangup()
                    raise
                self._leg, self.gone, self._local = leg, None, local
                self._exchange(negotiated)
                self._transfers.spawn(self._follow(leg))
                status, reason = 200, "OK"
                old.report_refer(status, reason)
                try:
                    await old.over(BYE_LIMIT)  # the sender of the REFER hangs up (RFC 5589 §6.1)
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
        if status != 200 and self.gone is not None:
            self._context.line.end(self.gone.cause, lost=self.gone.kind == LOST)

    @contextlib.asynccontextmanager
    async def _referred(self, asked: ReferRequested, leg: Leg, side: OurSide) -> AsyncIterator[Leg]:
        """Call the Refer-To address of the other side of `leg` (RFC 3515 §2.4.4, RFC 3892).

        Both legs count until the block ends. Raises `CallFailed`.
        """
        fields: Fields = (("Referred-By", asked.referred_by),) if asked.referred_by else ()
        if asked.replaces is not None:
            fields = (*fields, ("Replaces", str(asked.replaces)), ("Require", "replaces"))
        async with contextlib.AsyncExitStack() as stack:
            self._away = True
            try:
                following = self._transfers.legs.follow_refer(asked.target, leg, side, fields)
                reached = await stack.enter_async_context(following)
            except NotDialled as full:
                raise CallFailed(Ended("gateway", "503", full.told(self._context.info.tenant), 503)) from None
            finally:
                self._away = False
            yield reached


class SipConnection(SipLeg):
    """A call that came in on a trunk or from a phone, from its INVITE on."""

    def __init__(self, leg: Leg, endpoint: Endpoint, context: CallContext, transfers: Transfers) -> None:
        super().__init__(context, transfers)
        self._leg = leg
        self._endpoint = endpoint
        self._description = b""
        self._negotiated: Negotiated | None = None

    async def resolve(self) -> bool:
        """Look up the host names in the INVITE's offer, and find our address for the offered one."""
        leg, endpoint = self.leg, self._endpoint
        await leg.find()
        if leg.phase is Phase.ENDED:
            return False
        # A phone may use IPv4 for signalling and IPv6 for media.
        listening = leg.source._replace(host=media_host(leg.offer))
        other = ":" in listening.host and endpoint.reaches(listening)  # else the offer is refused
        there = listening if other else leg.source
        local = ours(endpoint.contact_host(there), 0, self._context.info.trunk.srtp, leg)
        self._local = replace(local, ice=endpoint.reached(there))
        return True

    async def begin(self) -> Disposition | None:
        """Send 180 Ringing."""
        self.leg.ringing()
        return None

    def refuse(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer the INVITE with `status`."""
        self.leg.reject(status, headers=headers)

    def prepare(self, channel: media.Channel) -> Disposition | None:
        """Answer the offer of the INVITE; without an offer, ours is in the 200, and the answer comes with the ACK."""
        self._local = replace(self.local, port=channel.port)
        try:
            self._description, self._negotiated = describe(self.leg, self._local, self.leg.offer)
        except NotAcceptable as error:
            self.leg.reject(488)
            return Disposition("refused", str(error))
        return None

    async def connect(self, opening: asyncio.Task[None]) -> Disposition | None:
        """Send 200 when the conversation is ready, and wait for the ACK if the source address may be forged. Over UDP
        forging is easy, so before the ACK no sound is sent and no conversation costs money. Outsiders cannot forge
        addresses of our own network, where some phones send an ACK that matches no call.
        """
        forgeable = self.leg.source.transport == "udp" and not is_private(self.leg.source.host)
        follow = self._transfers.spawn(self._follow(self.leg, self._negotiated if forgeable else None))
        await asyncio.wait({follow, opening}, return_when=asyncio.FIRST_COMPLETED)
        if follow.done():  # the caller gave up while it rang
            return self.gone or hung_up(None)
        self.leg.answer(self._description)
        if not forgeable:
            self._exchange(self._negotiated)
        elif not await self.leg.acknowledged():
            await follow
            return self.gone or hung_up(None)
        return None


LOST = "line_lost"


def hung_up(ended: Ended | None) -> Disposition:
    """The ending by the other side: it has hung up, another phone of its group was faster, or it was lost."""
    if ended is None or ended.lost:
        return Disposition(LOST, str(ended or ""))
    elsewhere = ended.cause == ANSWERED_ELSEWHERE
    return Disposition("answered_elsewhere" if elsewhere else "caller_hung_up", str(ended))
