"""The signed number of a caller (RFC 8224), verified beside the call: only a rule waits for the verdict."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from agent.call_control import CallControlRefused
from sipgw.agents.orders import about_verdict
from sipgw.calls.context import CallContext
from sipgw.calls.info import SessionState
from sipgw.calls.services import CallServices
from sipgw.config.tenants import tenant_of
from sipgw.events import CallerVerified
from sipgw.policy.inbound.limits import Declined
from sipgw.policy.inbound.verdicts import unwanted
from sipgw.sip.identity import Stir
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.passport import identities

if TYPE_CHECKING:
    from sipgw.policy.stir.verifier import StirVerifier

PENDING = Stir("pending")
ENDED_BEFORE = Stir("unverified", "the call ended before there was a verdict")


class CallerVerification:
    """Finds the verdict on the caller's number. Use it as an async context manager around the call: verification
    ends with the call, also without a verdict.
    """

    def __init__(self, services: CallServices, context: CallContext) -> None:
        self._services = services
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            self._found(ENDED_BEFORE)

    def begin(self, leg: Leg | None) -> None:
        """Begin to verify the caller's number, if it is signed and verification has not begun. A browser call has no
        `leg`."""
        info, stir = self._context.info, self._services.stir
        if self._task is None and stir is not None and leg is not None and identities(leg.request):
            info.identity = replace(info.identity, stir=PENDING)
            self._context.judged.clear()
            self._task = self._group.create_task(self._verify(stir, leg.request))
            self._task.add_done_callback(lambda _: self._context.judged.set())

    async def judge(self, leg: Leg | None) -> Declined | None:
        """If a rule asks for the verdict, wait for it and choose the agent by it. Returns why the caller is turned
        away, if they are."""
        info, agents = self._context.info, self._services.agents
        if leg is None or not self._asked_for(leg):
            return None
        self.begin(leg)
        await self._context.judged.wait()
        info.agent = agents.answering(leg.request, info.identity, info.trunk.name).name
        info.tenant = tenant_of(info.agent, agents.config.tenants)
        return unwanted(info.identity, info.trunk, agents.config.limits.answer_blocked)

    def _asked_for(self, leg: Leg) -> bool:
        info, agents = self._context.info, self._services.agents
        return bool(info.trunk.verdicts) or agents.ask_verdict(leg.request, info.identity, info.trunk.name)

    async def _verify(self, stir: "StirVerifier", invite: Request) -> None:
        context = self._context
        verdict = await stir.verify(invite, context.info.trunk)
        if verdict is None or not self._found(verdict) or context.conversation is None:
            return
        with contextlib.suppress(CallControlRefused):  # an agent whose brain takes no notes
            context.conversation.call_control.know(about_verdict(context.info.identity))

    def _found(self, verdict: Stir) -> bool:
        """Write the `verdict` down; returns False if a transfer has named another caller meanwhile."""
        context, info = self._context, self._context.info
        if info.identity.stir is not PENDING:
            return False
        info.identity = replace(info.identity, stir=verdict)
        if context.state is not SessionState.NEW:  # otherwise `CallBegan` tells the verdict
            context.tell(CallerVerified(info.id, datetime.now(UTC), info.identity.as_dict()["stir"]))
        return True
