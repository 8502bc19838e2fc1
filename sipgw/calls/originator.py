"""Makes outgoing calls to telephone numbers, through the first trunk that accepts them."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import structlog

from sipgw.calls.negotiation import usable
from sipgw.calls.redirects import MAX_TRIES, number_of, onward
from sipgw.calls.request import OriginateRequest
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition
from sipgw.policy.gate.rules import GateRefusal, GateRequest, Permit
from sipgw.sip.endpoint import CallFailed, Early, Endpoint, no_change
from sipgw.sip.events import CallEvent, Ended
from sipgw.sip.fields import NameAddr
from sipgw.sip.identity import number_of as number_in
from sipgw.sip.leg import Leg
from sipgw.sip.uri import Uri
from sipgw.trunks.causes import kind_of
from sipgw.trunks.route_selector import PENALTY, Attempt, NotDialled, RouteSelector
from sipgw.trunks.trunk_slots import TrunkSlots

if TYPE_CHECKING:
    from sipgw.policy.stir.signer import StirSigner

log = structlog.get_logger()

Answered = tuple[Leg, bytes | None]
Offers = Callable[[Attempt], tuple[bytes, ...]]


@dataclass(frozen=True)
class AnsweredCall:
    """A call that was answered."""

    leg: Leg
    answer: bytes | None
    trunk: str
    """The trunk of the call; empty for a phone of an account."""
    number: str = ""
    """The number that was called at last, as the gate permitted it; empty for a phone of an account."""


@dataclass
class ReservedCall:
    """A call that the gate permits and that has its place on a trunk; nothing was sent yet."""

    wanted: OriginateRequest
    request: GateRequest
    """Question to the gate, with the number that it permitted for the first trunk."""
    attempts: Iterator[Attempt]
    """Attempts on further trunks."""
    place: contextlib.AsyncExitStack
    """Holds the place on the trunk of `present`."""
    counted: set[str]
    """The numbers that the gate has counted."""
    placed: Callable[[], None]
    """Called each time that the call has taken a place on a trunk."""
    present: tuple[Attempt, GateRequest] = field(init=False)
    """The next attempt, and the gate's request as permitted for its trunk."""
    busy: list[str] = field(default_factory=list)
    """For each trunk that could not try: the reason."""
    failure: CallFailed | None = None
    """Answer of the last trunk that has tried."""


class OutboundGate(Protocol):
    """Asked before every call to a telephone number: `sipgw.policy.gate.gate.Gate`."""

    async def permit(self, request: GateRequest) -> Permit | GateRefusal:
        """Whether the call may be made."""

    async def judge(self, request: GateRequest, *, later: bool = False) -> Permit | GateRefusal:
        """The decision that `permit` would make, without counting or auditing it."""

    async def judge_all(self, dials: Sequence[GateRequest], *, alone: bool = False) -> list[Permit | GateRefusal]:
        """Like `judge`, for many calls; with `alone`, only number, hour and configuration decide."""


class NotPermitted(NotDialled):
    """The gate denied the call."""

    def __init__(self, denial: GateRefusal) -> None:
        super().__init__(denial.reason)
        self.denial = denial

    def told(self, tenant: str) -> str:
        """The reason for `tenant`, without the lists and counts of other tenants."""
        return self.denial.told(tenant)


class Originator:
    """Makes calls. `gate` must permit each one to a number, and `signer`, if any, signs it."""

    def __init__(
        self,
        endpoint: Endpoint,
        routes: RouteSelector,
        places: TrunkSlots,
        gate: OutboundGate,
        signer: "StirSigner | None" = None,
    ) -> None:
        self.gate = gate
        self._signer = signer
        self._endpoint = endpoint
        self._routes = routes
        self.places = places
        self._ringing: dict[Leg, TrunkOptions] = {}
        self._calling: list[tuple[str, str]] = []
        """For each unanswered call: the number that it shows, and the number that it calls."""

    def comes_back(self, caller: str, diverted: Collection[str]) -> bool:
        """Whether a call from `caller` is one of ours that is not answered yet, sent on to us by the `diverted` number.

        In such a call an agent would speak with itself. Other calls that this phone forwards show another number.
        """
        return any(shown == caller and called in diverted for shown, called in self._calling)

    def pick_up(self, leg: Leg, trunks: Collection[TrunkOptions]) -> None:
        """Let `leg`, which came in on one of `trunks`, pick up a ringing call of ours (RFC 3891 §3).

        The phone that rings is cancelled. `leg` is refused if no such call rings, if it rings through another trunk, or
        if the offer of `leg` cannot be used.
        """
        ringing = next((one for one in self._ringing if leg.takes(one)), None)
        if ringing is None or ringing.successor is not None:
            leg.reject(481)
        elif (trunk := self._ringing[ringing]) not in trunks:
            leg.reject(403)
        elif leg.offer is not None and not usable(leg.offer, trunk.srtp):
            leg.reject(488)
        else:
            log.info("call out picked up by somebody else", trunk=trunk.name, leg=leg.id)
            ringing.give_way(leg)

    def first(self, trunk: str = "") -> str:
        """See `RouteSelector.first`."""
        return self._routes.first(trunk)

    @contextlib.asynccontextmanager
    async def originate(
        self, wanted: OriginateRequest, offers: Offers, early: Early = no_change
    ) -> AsyncIterator[AnsweredCall]:
        """`reserve` a call, then `call`. The call counts on its trunk until the block ends. Raises what both raise."""
        async with self.reserve(wanted) as reserved:
            yield await self.call(reserved, offers, early)

    @contextlib.asynccontextmanager
    async def reserve(
        self, wanted: OriginateRequest, placed: Callable[[], None] = lambda: None
    ) -> AsyncIterator[ReservedCall]:
        """Have the gate permit a call to a telephone number, and take its place on a trunk, until the block ends.
        `placed` is called when the place is taken.

        The block begins when the INVITE may be sent: open nothing that costs anything before. Raises `NotPermitted` if
        the gate denied the call, `NotDialled` if no trunk can try.
        """
        request = GateRequest(
            wanted.number, self.first(wanted.trunk), wanted.agent, wanted.purpose, wanted.consent or None,
            wanted.campaign, wanted.caller_id, tenant=wanted.tenant,
        )  # fmt: skip
        counted: set[str] = set()
        request = request._replace(number=await self._permitted(request, counted))
        now = asyncio.get_running_loop().time
        attempts = self._routes.attempts(request.number, now, only=wanted.trunk, caller_id=wanted.caller_id)
        async with contextlib.AsyncExitStack() as place:
            reserved = ReservedCall(wanted, request, attempts, place, counted, placed)
            await self._take_place(reserved)
            yield reserved

    async def call(self, reserved: ReservedCall, offers: Offers, early: Early = no_change) -> AnsweredCall:
        """Call through the reserved trunk, and through the next ones where it fails.

        `offers` makes an offer for each attempted destination, because no destination may learn the SRTP keys of
        another. `early` is as in `Endpoint.invite`.

        Raises `CallFailed` with the answer of the person called or of the last trunk, `NotDialled` if no trunk could
        try.
        """
        now = asyncio.get_running_loop().time

        while True:
            attempt, request = reserved.present
            try:
                leg, answer, number = await self._try(
                    attempt,
                    request,
                    reserved.counted,
                    lambda one: self._send(one, offers, reserved.wanted.ring_timeout, early),
                )
            except NotDialled as full:
                reserved.busy.append(str(full))
            except CallFailed as failed:
                reserved.failure = failed
                log.info("call out failed", trunk=attempt.trunk.name, cause=str(failed))
                if not self._routes.failed(attempt, failed.ended, now(), _retry_after(failed.ended)):
                    raise
            else:
                return AnsweredCall(leg, answer, attempt.trunk.name, number)
            await self._take_place(reserved)

    async def _take_place(self, reserved: ReservedCall) -> None:
        """Give the present place back, take a place on the next trunk that has room, and wait for the trunk's rate of
        calls. Raises `CallFailed` or `NotDialled` if no trunk is left.
        """
        wanted, place = reserved.wanted, reserved.place
        await place.aclose()
        for found in reserved.attempts:
            attempt, trunk, request = found, found.trunk, reserved.request
            if wanted.tenant and wanted.caller_id and not trunk.may_show(wanted.caller_id):
                reserved.busy.append(f"{trunk.name}: it would show another number than the tenant's")
                continue
            try:
                await place.enter_async_context(self.places.held(trunk))
                reserved.placed()
                if trunk.name != request.trunk:  # a number on one trunk may be an extension on another
                    request = request._replace(trunk=trunk.name)
                    request = request._replace(number=await self._permitted(request, reserved.counted))
                    attempt = attempt.to(request.number)
                reserved.present = attempt, request
                await self._turn(trunk, attempt.wait)
            except NotDialled as full:
                reserved.busy.append(str(full))
                await place.aclose()
            else:
                return
        raise reserved.failure or NotDialled("; ".join(reserved.busy) or "no trunk was left to try")

    @contextlib.asynccontextmanager
    async def counted(self, trunk: TrunkOptions) -> AsyncIterator[None]:
        """Count a call that is not made by `originate` on `trunk`: the block begins when `calls_per_second` allows the
        call. Raises `NotDialled` if the trunk is full.
        """
        wait = self._routes.turn(trunk, asyncio.get_running_loop().time())
        async with self.places.held(trunk):
            await self._turn(trunk, wait)
            yield

    async def _turn(self, trunk: TrunkOptions, wait: float) -> None:
        """Wait until the calls per second of `trunk` allow another call. Raises `NotDialled`."""
        sent = False
        while not sent:
            await asyncio.sleep(wait)
            wait = self._routes.sends(trunk, asyncio.get_running_loop().time())
            sent = not wait
        await self.places.turn(trunk)

    async def _permitted(self, request: GateRequest, counted: set[str]) -> str:
        """The number as the gate permits it; adds it to `counted`. Raises `NotPermitted`."""
        judged = await self.gate.permit(request._replace(counted=frozenset(counted)))
        if isinstance(judged, GateRefusal):
            raise NotPermitted(judged)
        counted.add(judged.number)
        return judged.number

    async def _try(
        self,
        attempt: Attempt,
        request: GateRequest,
        counted: set[str],
        send: Callable[[Attempt], Awaitable[Answered]],
    ) -> tuple[Leg, bytes | None, str]:
        """Send an INVITE, whose turn has come, and follow a 3xx (RFC 3261 §8.1.3.4); also returns the number that was
        called at last.

        Raises `CallFailed`; `NotDialled` if the rate of the trunk is used up.
        """
        contacts: list[Uri] = []
        tried = {attempt.target}
        following: Attempt | None = attempt
        number = request.number
        while True:
            if following is not None:
                if following is not attempt:
                    await self._turn(following.trunk, following.wait)
                try:
                    return *await send(following), number
                except CallFailed as failed:
                    failure = failed
                    contacts[:0] = failed.ended.contacts
            if not contacts or len(tried) >= MAX_TRIES or failure.ended.status >= 600:
                raise failure
            following, number = await self._redirected(attempt, contacts.pop(0), request, counted, tried)

    async def _redirected(
        self, attempt: Attempt, contact: Uri, request: GateRequest, counted: set[str], tried: set[Uri]
    ) -> tuple[Attempt | None, str]:
        """The attempt to reach `contact` of a 3xx, and its number. The attempt is None if the redirect is not followed;
        the log tells the reason."""
        trunk, number = attempt.trunk, number_of(contact, attempt.trunk)
        target = onward(attempt.target, contact, number, trunk)
        try:
            if target is None or target in tried:
                raise NotDialled("a loop" if target else "the trunk allows no redirection to it; see its redirect_to")
            tried.add(target)
            known = request.number
            if number != number_of(attempt.target, trunk):
                known = await self._permitted(request._replace(number=number, trunk=trunk.name), counted)
            target = replace(target, user=attempt.to(known).target.user)  # send the number that the gate has permitted
            tried.add(target)
            following = self._routes.onward(attempt, target, asyncio.get_running_loop().time())
        except NotDialled as refused:
            log.warning("redirect not followed", trunk=trunk.name, host=contact.host, cause=str(refused))
            return None, ""
        log.info("redirect followed", trunk=trunk.name, host=target.host)
        return following, known

    async def _send(self, attempt: Attempt, offers: Offers, ring_timeout: float, early: Early) -> Answered:
        tried: set[Leg] = set()

        def heard(leg: Leg, event: CallEvent) -> None:
            tried.add(leg)
            self._ringing[leg] = attempt.trunk
            early(leg, event)

        shown, called = _numbers(attempt)
        self._calling.append((shown, called))
        try:
            return await self._endpoint.invite(
                attempt.target,
                attempt.from_,
                *offers(attempt),
                credentials=attempt.credentials,
                proxy=attempt.proxy,
                fields=(*attempt.fields, *self._signed(attempt)),
                ring_timeout=ring_timeout,
                early=heard,
            )
        finally:
            self._calling.remove((shown, called))
            for leg in tried:
                del self._ringing[leg]

    def _signed(self, attempt: Attempt) -> tuple[tuple[str, str], ...]:
        """The headers that vouch for the caller ID of `attempt`; none without a key."""
        return () if self._signer is None else self._signer.fields(*_numbers(attempt))


def _numbers(attempt: Attempt) -> tuple[str, str]:
    """The number that a call shows, and the number that it calls."""
    uris = NameAddr.parse(attempt.from_).uri, attempt.target
    shown, called = (attempt.trunk.from_carrier(number_in(uri)) for uri in uris)
    return shown, called


def disposition_of(ended: Ended) -> Disposition:
    """Why a call was not answered."""
    return Disposition(kind_of(ended), str(ended))


def _retry_after(ended: Ended) -> float:
    """Seconds of the Retry-After header in the final response."""
    match = re.search(r"Retry-After: (\d{1,6})", ended.text)
    return float(match[1]) if match else PENALTY
