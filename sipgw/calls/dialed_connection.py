"""The SIP side of a call that we make. We dial while the agent is prepared; after the answer it is like an incoming
call."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from media.process import channel as media
from sipgw.calls.context import CallContext
from sipgw.calls.info import SessionEvent, SessionState
from sipgw.calls.negotiation import OurSide, agree
from sipgw.calls.originator import NotPermitted, Originator, ReservedCall, disposition_of
from sipgw.calls.request import OriginateRequest
from sipgw.calls.sip_connection import SipLeg
from sipgw.calls.transfers import Transfers
from sipgw.config.numbers import known
from sipgw.config.trunks import TrunkOptions
from sipgw.events import CallRinging, Disposition
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.events import CallEvent
from sipgw.sip.identity import Identity
from sipgw.sip.leg import Leg, Progress
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.trunks.route_selector import Attempt, NotDialled

log = structlog.get_logger()

T = TypeVar("T")


def shown_and_called(request: OriginateRequest, trunk: TrunkOptions) -> Identity:
    """The caller ID and the number of a call through `trunk`."""
    country = "" if trunk.number_format == "as_dialled" else trunk.country  # the gate reads numbers in the same way
    return Identity(number=trunk.shows(request.caller_id) or trunk.user, dialled=known(request.number, country=country))


class DialedConnection(SipLeg):
    """A call to a telephone number, with a separate offer for each attempted trunk."""

    def __init__(
        self,
        request: OriginateRequest,
        originator: Originator,
        context: CallContext,
        transfers: Transfers,
        placed: Callable[[], None] = lambda: None,
    ) -> None:
        """`placed` is called when the call has its place on a trunk."""
        super().__init__(context, transfers)
        self._request = request
        self._originator = originator
        self._placed = placed
        self._side: OurSide | None = None
        self._reserved: ReservedCall | None = None
        self._stack = contextlib.AsyncExitStack()
        """Holds the place of the call on its trunk."""

    async def resolve(self) -> bool:
        """Does nothing: the other side has made no offer."""
        return True

    async def begin(self) -> Disposition | None:
        """Have the gate permit the call, and take its place on a trunk, before any port or provider is opened."""
        reserved = await self._tried(
            self._stack.enter_async_context(self._originator.reserve(self._request, self._placed))
        )
        if isinstance(reserved, Disposition):
            return reserved
        self._reserved = reserved
        return None

    def refuse(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Does nothing: there is no INVITE to refuse."""

    def prepare(self, channel: media.Channel) -> Disposition | None:
        """Keep `channel`, on which the call will exchange sound."""
        self._side = OurSide(channel.port)
        return None

    async def connect(self, opening: asyncio.Task[None]) -> Disposition | None:
        """Dial, and negotiate media with the answering side. `opening` runs meanwhile."""
        del opening
        info = self._context.info
        assert self._reserved is not None  # noqa: S101  `begin` comes before `connect`
        made = await self._tried(self._originator.call(self._reserved, self._offers, self._early))
        if isinstance(made, Disposition):
            return made
        self._leg, trunk = made.leg, info.trunk
        if made.number != info.other:  # a redirect, or another format of the number on this trunk
            info.identity = replace(info.identity, reached=made.number)
        if self._context.bill is not None:
            self._context.bill.number = made.number
        self._context.line.inband_keys = trunk.inband_keys
        made.leg.authenticate(trunk.credentials)
        if trunk.accept_refer:
            made.leg.let_refer()
        return self._agree(made.leg)

    async def _tried(self, work: Awaitable[T]) -> T | Disposition:
        """The result of `work`, or the ending of the call if `work` could not make it."""
        info = self._context.info
        try:
            return await work
        except CallFailed as failed:
            return disposition_of(failed.ended)
        except NotPermitted as denied:
            return Disposition("not_permitted", denied.told(info.tenant), denied.denial.again)
        except NotDialled as error:
            log.info("call out not made", call=info.id, cause=str(error))  # not in a tenant's record
            return Disposition("failed", error.told(info.tenant))

    def _agree(self, leg: Leg) -> Disposition | None:
        assert self._side is not None  # noqa: S101  `prepare` comes before `connect`
        try:
            self._local, negotiated = agree(leg, self._side)
        except NotAcceptable as error:
            return Disposition("failed", f"the answer cannot be used: {error}")
        self._exchange(negotiated)
        self._transfers.spawn(self._follow(leg))
        return None

    async def close(self) -> None:
        """See `sipgw.calls.session.CallConnection.close`."""
        await super().close()
        await self._stack.aclose()

    def _offers(self, attempt: Attempt) -> tuple[bytes, ...]:
        """Our offers to the trunk of `attempt`. The call takes the caller ID of this trunk."""
        info = self._context.info
        info.trunk = trunk = attempt.trunk
        info.identity = shown_and_called(self._request, trunk)
        assert self._side is not None  # noqa: S101  `prepare` comes before `connect`
        return self._side.offers(trunk.srtp, attempt.there)

    def _early(self, leg: Leg, event: CallEvent) -> None:
        """Report once that the other phone rings, or plays early sound."""
        assert self._side is not None  # noqa: S101  `prepare` comes before `connect`
        self._side.early(leg, event)
        if isinstance(event, Progress) and event.status > 100 and self._context.state is SessionState.BEGUN:
            info = self._context.info
            self._context.advance(SessionEvent.RING)
            self._context.tell(CallRinging(info.id, datetime.now(UTC), info.trunk.name, info.identity.as_dict()))
