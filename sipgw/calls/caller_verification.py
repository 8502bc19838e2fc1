"""The signed number of the caller of one call (RFC 8224): verified before the call is answered, or while it rings."""

from dataclasses import replace
from datetime import UTC, datetime

from sipgw.calls.context import CallContext
from sipgw.calls.info import SessionState
from sipgw.calls.services import CallServices
from sipgw.events import CallerVerified
from sipgw.policy.inbound.limits import Declined
from sipgw.policy.inbound.verdicts import unwanted
from sipgw.sip.leg import Leg


class CallerVerification:
    """Finds the verdict on the number of the caller."""

    def __init__(self, services: CallServices, context: CallContext) -> None:
        self._services = services
        self._context = context

    @property
    def comes_first(self) -> bool:
        """Whether a rule asks for the verdict before the call is answered; else it may come while it rings."""
        info = self._context.info
        return info.direction == "in" and (bool(info.trunk.verdicts) or self._services.agents.ask_verdicts)

    async def verify(self, leg: Leg | None) -> None:
        """Verify the signed number of the caller, if it is signed: the agent and the record are told the verdict. There
        is no `leg` in a call of a browser, and none yet in a call of ours."""
        info, stir = self._context.info, self._services.stir
        if stir is None or leg is None:
            return
        before, verdict = info.identity, await stir.verify(leg.request, info.trunk)
        if verdict is not None and info.identity is before:  # of another caller by now it says nothing
            info.identity = replace(info.identity, stir=verdict)
            if self._context.state is not SessionState.NEW:  # else it is told with the beginning of the call
                self._context.tell(CallerVerified(info.id, datetime.now(UTC), info.identity.as_dict()["stir"]))

    async def judge(self, leg: Leg | None) -> Declined | None:
        """Verify the caller, and choose the agent by the verdict; returns why they are turned away, if they are."""
        info, agents = self._context.info, self._services.agents
        if leg is None:
            return None
        await self.verify(leg)
        info.agent = agents.answering(leg.request, info.identity, info.trunk.name).name
        return unwanted(info.identity, info.trunk, agents.config.limits.answer_blocked)
