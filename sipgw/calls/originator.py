"""Calls that go out: through the first trunk that takes them, or to the phone of an account."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from sipgw.calls.negotiation import usable
from sipgw.calls.redirects import MAX_TRIES, number_of, onward
from sipgw.calls.trunk_places import TrunkPlaces
from sipgw.events import Disposition
from sipgw.gate.rules import GateRequest, Permit, Purpose, Refused
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.leg import CallEvent, Ended, Leg, Offered, Progress
from sipgw.sip.registrar import Registrar
from sipgw.sip.uri import Uri
from sipgw.trunks.causes import kind_of
from sipgw.trunks.route_selector import PENALTY, Attempt, NotDialled, RouteSelector
from sipgw.trunks.trunks import TrunkOptions

log = structlog.get_logger()

Answered = tuple[Leg, bytes | None]


@dataclass(frozen=True)
class Made:
    """A call that was answered."""

    leg: Leg
    answer: bytes | None
    trunk: str
    """The trunk it went through; empty for a phone of an account."""
    number: str = ""
    """Who was called there, in the end: as the gate permitted it; empty for a phone of an account."""


class Judge(Protocol):
    """Asked before every call to a telephone number: `sipgw.gate.gate.Gate`."""

    async def permit(self, dial: GateRequest) -> Permit | Refused:
        """Whether the call may be made."""

    async def judge(self, dial: GateRequest, *, later: bool = False) -> Permit | Refused:
        """What `permit` would say, without a trace of the question."""


class NotPermitted(NotDialled):
    """The gate denied the call."""

    def __init__(self, denial: Refused) -> None:
        super().__init__(denial.reason)
        self.denial = denial


class Originator:
    """Makes calls; `gate`, where there is one, lets each out."""

    def __init__(
        self,
        endpoint: Endpoint,
        dialling: RouteSelector,
        registrar: Registrar,
        places: TrunkPlaces,
        gate: Judge | None = None,
    ) -> None:
        self.gate = gate
        self._endpoint = endpoint
        self._dialling = dialling
        self._registrar = registrar
        self.places = places
        self._ringing: dict[Leg, TrunkOptions] = {}

    def pick_up(self, leg: Leg, trunk: TrunkOptions) -> None:
        """`leg` came in on `trunk` to take a call of ours that rings at somebody else (RFC 3891 §3): that is cancelled.

        Refused if there is none, if it goes through another trunk, or if what `leg` offers cannot be used.
        """
        ringing = next((one for one in self._ringing if leg.takes(one)), None)
        if ringing is None or ringing.successor is not None:
            leg.reject(481)
        elif self._ringing[ringing] is not trunk:
            leg.reject(403)
        elif leg.offer is not None and not usable(leg.offer, trunk.srtp):
            leg.reject(488)
        else:
            log.info("call out picked up by somebody else", trunk=trunk.name, leg=leg.id)
            ringing.give_way(leg)

    def first(self, trunk: str = "") -> str:
        """See `RouteSelector.first`."""
        return self._dialling.first(trunk)

    @contextlib.asynccontextmanager
    async def originate(
        self,
        number: str,
        offers: Callable[[Attempt], tuple[bytes, ...]],
        *,
        trunk: str = "",
        caller_id: str = "",
        ring_timeout: float = 60.0,
        agent: str = "",
        purpose: Purpose = "call",
        consent: bool | None = None,
        campaign: str = "",
        progress: Callable[[Progress], None] = lambda event: None,
    ) -> AsyncIterator[Made]:
        """Call a telephone number; the call counts on its trunk until the block ends.

        `offers` is asked for each place that is tried: keys that one was told must not be told to the next. `progress`
        is told of every provisional response. `agent`, `purpose`, `consent` and `campaign` are for the gate.

        Raises `CallFailed` with what the person called or the last trunk said, `NotDialled` if no trunk could try,
        `NotPermitted` if the gate denied it.
        """
        now = asyncio.get_running_loop().time
        failure: CallFailed | None = None
        busy: list[str] = []
        dial = GateRequest(number, self.first(trunk), agent, purpose, consent, campaign, caller_id)
        dial = dial._replace(number=await self._permitted(dial))

        def early(leg: Leg, event: CallEvent) -> None:
            if isinstance(event, Progress):
                progress(event)
            elif isinstance(event, Offered):
                leg.reject_offer(488)  # nothing is said before the answer, so there is nothing to change

        for attempt in self._dialling.attempts(dial.number, now, only=trunk, caller_id=caller_id):
            async with contextlib.AsyncExitStack() as stack:
                try:
                    await stack.enter_async_context(self.places.held(attempt.trunk))
                    leg, answer, number = await self._try(
                        attempt, dial, lambda one: self._send(one, offers, ring_timeout, early)
                    )
                except NotDialled as full:
                    busy.append(str(full))
                    continue
                except CallFailed as failed:
                    failure = failed
                    log.info("call out failed", trunk=attempt.trunk.name, cause=str(failed))
                    if self._dialling.failed(attempt, failed.ended, now(), _retry_after(failed.ended)):
                        continue
                    raise
                yield Made(leg, answer, attempt.trunk.name, number)
                return
        raise failure or NotDialled("; ".join(busy) or "no trunk was left to try")

    @contextlib.asynccontextmanager
    async def counted(self, trunk: TrunkOptions) -> AsyncIterator[None]:
        """Count a call that is not made by `originate` on `trunk`: the block begins when it is the turn of that call.

        Raises `NotDialled` if there is no place.
        """
        wait = self._dialling.turn(trunk, asyncio.get_running_loop().time())
        async with self.places.held(trunk):
            await asyncio.sleep(wait)
            await self.places.turn(trunk)
            yield

    async def _permitted(self, dial: GateRequest) -> str:
        """The number as it may be called. Raises `NotPermitted`."""
        if self.gate is None:
            return dial.number
        judged = await self.gate.permit(dial)
        if isinstance(judged, Refused):
            raise NotPermitted(judged)
        return judged.number

    async def _try(
        self, attempt: Attempt, dial: GateRequest, send: Callable[[Attempt], Awaitable[Answered]]
    ) -> tuple[Leg, bytes | None, str]:
        """Send a call, and on to where a 3xx says that the person is (RFC 3261 §8.1.3.4); returns their number, too.

        Raises `CallFailed`, and `NotDialled` if the trunk has no turn or is none that the gate lets the call out by.
        """
        if attempt.trunk.name != dial.trunk:
            await self._permitted(dial._replace(trunk=attempt.trunk.name, counted=True))
        contacts: list[Uri] = []
        tried = {attempt.target}
        following: Attempt | None = attempt
        number = dial.number
        while True:
            if following is not None:
                await asyncio.sleep(following.wait)
                await self.places.turn(following.trunk)
                try:
                    return *await send(following), number
                except CallFailed as failed:
                    failure = failed
                    contacts[:0] = failed.ended.contacts
            if not contacts or len(tried) >= MAX_TRIES or failure.ended.status >= 600:
                raise failure
            following, number = await self._redirected(attempt, contacts.pop(0), dial, tried)

    async def _redirected(
        self, attempt: Attempt, contact: Uri, dial: GateRequest, tried: set[Uri]
    ) -> tuple[Attempt | None, str]:
        """The call as it goes on to `contact`, and the number there; None, and why in the log, if it does not."""
        trunk, number = attempt.trunk, number_of(contact, attempt.trunk)
        target = onward(attempt.target, contact, number, trunk)
        try:
            if target is None or target in tried:
                raise NotDialled("a loop" if target else "no place of this trunk; see its redirect_to")
            tried.add(target)
            known = dial.number
            if number != number_of(attempt.target, trunk):
                known = await self._permitted(dial._replace(number=number, trunk=trunk.name))
            following = self._dialling.onward(attempt, target, asyncio.get_running_loop().time())
        except NotDialled as refused:
            log.warning("redirect not followed", trunk=trunk.name, host=contact.host, cause=str(refused))
            return None, ""
        log.info("redirect followed", trunk=trunk.name, host=target.host)
        return following, known

    async def _send(
        self,
        attempt: Attempt,
        offers: Callable[[Attempt], tuple[bytes, ...]],
        ring_timeout: float,
        early: Callable[[Leg, CallEvent], None],
    ) -> Answered:
        tried: set[Leg] = set()

        def heard(leg: Leg, event: CallEvent) -> None:
            tried.add(leg)
            self._ringing[leg] = attempt.trunk
            early(leg, event)

        try:
            return await self._endpoint.invite(
                attempt.target,
                attempt.from_,
                *offers(attempt),
                credentials=attempt.credentials,
                proxy=attempt.proxy,
                fields=attempt.fields,
                ring_timeout=ring_timeout,
                early=heard,
            )
        finally:
            for leg in tried:
                del self._ringing[leg]

    async def ring(
        self, user: str, from_: str, offers: Callable[[Peer], tuple[bytes, ...]], *, ring_timeout: float = 30.0
    ) -> Made:
        """Call the phones of an account one after the other, each where it was last seen. Raises `CallFailed`.

        `offers` is asked for each phone, as in `originate`.
        """
        failure = CallFailed(Ended("network", "not registered", f"no phone of {user!r} is registered", 480))
        for binding in self._registrar.bindings(user, asyncio.get_running_loop().time()):
            try:
                leg, answer = await self._endpoint.invite(
                    binding.contact, from_, *offers(binding.peer), peer=binding.peer, ring_timeout=ring_timeout
                )
            except CallFailed as failed:
                failure = failed
                continue
            return Made(leg, answer, "")
        raise failure


def disposition_of(ended: Ended) -> Disposition:
    """Why a call was not answered."""
    return Disposition(kind_of(ended), str(ended))


def _retry_after(ended: Ended) -> float:
    """The seconds of a Retry-After, as the leg tells them."""
    match = re.search(r"Retry-After: (\d{1,6})", ended.text)
    return float(match[1]) if match else PENALTY
