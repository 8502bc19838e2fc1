"""The leg of a person who will speak with the caller: called by us, or on a page of the dashboard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import structlog

from media.process import channel as media
from media.process.engine import MediaEngine
from sipgw.calls.negotiation import OurSide, agree, agree_late, moved, renegotiate
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.transfer_dialer import TransferDialer
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.events import Confirmed, Ended, KeyPressed, Moved, Offered
from sipgw.sip.leg import Answered, Leg
from sipgw.sip.offer_answer import LocalMedia, NotAcceptable

log = structlog.get_logger()


class ConsultLeg:
    """A person on a line of their own."""

    leg: Leg | None = None
    """The SIP leg of the person; None if they speak from a page."""
    trunk = ""
    """The trunk of the call to the person, if any."""
    number = ""
    """The number that was called on that trunk."""
    returns = False
    """Whether the agent takes the caller back when the person leaves."""
    began: float
    """Seconds on the event loop's clock at which the person joined the call, after the briefing; not set before."""
    since: datetime
    """The same moment as date and time."""

    def __init__(self, line: PhoneLine) -> None:
        self.line = line

    def come_in(self) -> None:
        """Note that the person has joined the call now: sets `began` and `since`."""
        self.began, self.since = asyncio.get_running_loop().time(), datetime.now(UTC)

    async def follow(self) -> None:
        """Handle the events of the person's line until it ends."""


class SipConsultLeg(ConsultLeg):
    """A person whom we have called, and who has answered."""

    leg: Leg

    def __init__(self, leg: Leg, line: PhoneLine, local: LocalMedia, trunk: str = "", number: str = "") -> None:
        super().__init__(line)
        self.leg = leg
        self.trunk, self.number = trunk, number
        self._local = local

    async def follow(self) -> None:
        """Handle the events of the leg until its end: hold, new addresses, DTMF, BYE."""
        async for event in self.leg.events():
            match event:
                case Ended():
                    self.line.end(str(event))
                case Offered(sdp):
                    negotiated = renegotiate(self.leg, self._local, sdp)
                    if negotiated is not None:
                        self.line.exchange(negotiated)
                case Moved(host):
                    self._local = moved(self._local, host)
                case KeyPressed(key, _):
                    self.line.press(key, "info", asyncio.get_running_loop().time())
                case Confirmed(sdp) | Answered(sdp) if sdp:
                    self._agreed(sdp)

    def _agreed(self, sdp: bytes) -> None:
        try:
            self.line.exchange(agree_late(self.leg, self._local, sdp, begun=self.line.agreed))
        except NotAcceptable as error:
            self.line.end(f"the late answer cannot be used: {error}")


@contextlib.asynccontextmanager
async def called(
    target: TransferTarget, shown: str, engine: MediaEngine, dialer: TransferDialer, beside: int
) -> AsyncIterator[SipConsultLeg]:
    """Call `target` with the caller ID `shown`. The block begins when the person has answered, and hangs up at its end.

    `beside` is the number of the channel to bridge with. Releases leg and port in every case. Raises `CallFailed`,
    `NotDialled`, `PortsExhausted` or `MediaDown`.
    """
    line = PhoneLine()
    channel = await engine.open(line.on_media, beside=beside)
    side = OurSide(channel.port)
    try:
        line.attach(channel)
        async with dialer.call(target, shown, side) as made:
            try:
                try:
                    described, negotiated = agree(made.leg, side)
                except NotAcceptable as error:
                    raise CallFailed(Ended("gateway", "488", f"the answer cannot be used: {error}", 488)) from None
                if (trunk := dialer.admission.trunks.named(made.trunk)) is not None:
                    line.inband_keys = trunk.inband_keys
                if negotiated is not None:
                    line.exchange(negotiated)
                yield SipConsultLeg(made.leg, line, described, made.trunk, made.number)
            finally:
                made.leg.hangup()
    finally:
        with contextlib.suppress(media.MediaDown):
            channel.close()
