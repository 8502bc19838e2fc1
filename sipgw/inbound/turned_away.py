"""Calls that the limits turn away: answered with a status, or with one sentence."""

from dataclasses import dataclass
from typing import Any

from agent.announcement import Announcement
from agent.records import Outcome
from agent.steering import CannotSteer
from agent.voice import Voice
from media.process.channel import Quality
from sipgw.calls.audience import Audience
from sipgw.calls.call import Connect, Host, Talk
from sipgw.calls.phone_line import PhoneLine
from sipgw.events import Ending
from sipgw.inbound.limits import Declined
from sipgw.sip.leg import Leg
from sipgw.transfer.transfer import Summon


@dataclass(frozen=True)
class Announcing:
    """The host of a call in which the agent only says why there is no more of it; `host` is told what becomes of it."""

    host: Host
    voice: Voice
    sentence: str
    declined: Declined

    def converse(self, line: PhoneLine, connect: Connect | None) -> Talk:
        """See `sipgw.calls.call.Host.converse`."""
        return Announcement(line, self.voice, self.sentence, Outcome("refused", self.declined.reason))

    def answered(self) -> None:
        """See `sipgw.calls.call.Host.answered`."""
        self.host.answered()

    def measured(self, quality: Quality) -> None:
        """See `sipgw.calls.call.Host.measured`."""
        self.host.measured(quality)


class Rejection:
    """A call that is answered with a status, as a `sipgw.calls.live.Held`."""

    mos = 0.0
    sound = None
    instead = ""

    def __init__(self, leg: Leg, declined: Declined, retry_after: float) -> None:
        self.stats: dict[str, Any] = {}
        self.audience = Audience(lambda on: None)
        self._leg = leg
        self._declined = declined
        self._headers = (("Retry-After", f"{retry_after:.0f}"),) if declined.status == 503 else ()

    async def take_over(self, who: str, summon: Summon | None = None) -> bool:
        """There is nothing to take."""
        raise CannotSteer(f"the call was turned away before {who!r} could take it")

    def give_back(self) -> None:
        """There is nothing to give."""
        raise CannotSteer("nobody has taken this call over")

    async def run(self) -> Ending:
        """Answer."""
        self._leg.reject(self._declined.status, headers=self._headers)
        return Ending("refused", self._declined.reason)
