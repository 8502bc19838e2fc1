"""Finds and calls transfer targets: through a trunk, at the phones of an account, or at an address."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sipgw.calls.negotiation import OurSide
from sipgw.calls.originator import AnsweredCall, Originator
from sipgw.calls.request import OriginateRequest
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.config.people import Mode, PersonOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import Admission
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.endpoint import CallFailed, Early, Endpoint, no_change
from sipgw.sip.events import CallEvent, Ended
from sipgw.sip.failover import PATIENCE
from sipgw.sip.identity import is_number, number_of
from sipgw.sip.leg import Leg
from sipgw.sip.registrar import Registrar
from sipgw.sip.uri import Uri


@dataclass(frozen=True)
class TransferDialer:
    """Calls only addresses of the configuration; a caller cannot supply an address."""

    endpoint: Endpoint
    originator: Originator
    registrar: Registrar
    admission: Admission
    people: tuple[PersonOptions, ...] = ()

    def targets(self, trunk: TrunkOptions) -> TransferTargets | None:
        """The people whom callers of `trunk` can be transferred to; None if there are none."""
        if not self.people and trunk.transfer_uri is None:
            return None
        return TransferTargets(self.people, trunk, lambda: self._last(trunk))

    def operator(self, name: str, trunk: TrunkOptions) -> TransferTarget | None:
        """The person of that name who may take over a call of `trunk`: one of `targets`, or the user of an account."""
        targets = self.targets(trunk)
        found = targets.named(name) if targets else None
        if found is None and name in self.admission.users:
            found = TransferTarget(Uri("sip", host=name), "bridge", name=name)
        return found

    def _last(self, trunk: TrunkOptions) -> TransferTarget | None:
        """The `transfer_to` of a trunk; for an account the phone that it is registered with."""
        uri = trunk.transfer_uri
        if uri is not None and not uri.user and uri.host in self.admission.users:
            phones = self.registrar.bindings(uri.host, asyncio.get_running_loop().time())
            uri = phones[0].contact if phones else None
        mode: Mode = "attended" if trunk.attended_transfer else "refer"
        return TransferTarget(uri, mode, trunk.await_bye) if uri else None

    @contextlib.asynccontextmanager
    async def call(self, target: TransferTarget, shown: str, side: OurSide) -> AsyncIterator[AnsweredCall]:
        """Call `target`; the call counts on its trunk until the block ends.

        A phone of an account gets the caller ID `shown`; a trunk shows its own caller ID. Raises `CallFailed`,
        `NotDialled`.
        """
        uri = target.uri
        if uri.scheme == "tel":
            wanted = OriginateRequest(
                uri.user, trunk=target.trunk, ring_timeout=target.ring_timeout, purpose="transfer", consent=True
            )
            async with self.originator.originate(
                wanted, lambda attempt: side.offers(attempt.trunk.srtp, attempt.there), side.early
            ) as made:
                yield made
        elif not uri.user and uri.host in self.admission.users:
            yield await ring(
                self.endpoint, self.registrar, uri.host, shown, lambda phone: side.offers("optional", phone),
                side.early, ring_timeout=target.ring_timeout,
            )  # fmt: skip
        else:
            async with self._through(target, side) as made:
                yield made

    @contextlib.asynccontextmanager
    async def _through(self, target: TransferTarget, side: OurSide) -> AsyncIterator[AnsweredCall]:
        """Call an address, through the trunk if one is named."""
        trunk = self.admission.trunks.named(target.trunk)
        there = peer_of((trunk and trunk.proxy_uri) or target.uri)
        address = self.endpoint.contact_host(there)
        async with self.originator.counted(trunk) if trunk is not None else contextlib.nullcontext():
            leg, answer = await self.endpoint.invite(
                target.uri, f"<sip:{trunk.user if trunk and trunk.user else 'agent'}@{address}>",
                *side.offers(trunk.srtp if trunk else "optional", there), ring_timeout=target.ring_timeout,
                credentials=trunk.credentials if trunk else None, proxy=trunk.proxy_uri if trunk else None,
                early=side.early,
            )  # fmt: skip
            number = number_of(target.uri)
            yield AnsweredCall(leg, answer, target.trunk, trunk.from_carrier(number) if trunk else number)


async def ring(
    endpoint: Endpoint,
    registrar: Registrar,
    user: str,
    shown: str,
    offers: Callable[[Peer], tuple[bytes, ...]],
    early: Early = no_change,
    *,
    ring_timeout: float = 30.0,
) -> AnsweredCall:
    """Call the phones of an account one after the other, each at its last address. A phone without a response within
    `PATIENCE` seconds is off, and the next one is called. A phone that was reached is not called again over another
    flow (RFC 5626 §5.3).

    `offers` makes an offer for each phone; `shown` is the caller ID if it is a number. `early` is as in
    `Endpoint.invite`, `ring_timeout` in seconds.
    Raises `CallFailed`.
    """
    failure = CallFailed(Ended("network", "not registered", f"no phone of {user!r} is registered", 480))
    phones = registrar.bindings(user, asyncio.get_running_loop().time())
    reached: set[str] = set()
    for phone in phones:
        if phone.phone in reached:
            continue
        from_ = f"<{Uri('sip', shown if is_number(shown) else 'agent', endpoint.contact_host(phone.peer))}>"
        try:
            async with asyncio.timeout(None if phone is phones[-1] else PATIENCE) as silence:
                leg, answer = await endpoint.invite(
                    phone.contact, from_, *offers(phone.peer), peer=phone.peer, ring_timeout=ring_timeout,
                    early=functools.partial(_heard, silence, early),
                )  # fmt: skip
        except TimeoutError:
            continue
        except CallFailed as failed:
            failure = failed
            if failed.ended.status >= 600:  # RFC 3261 §21.6: the answer holds for all phones of the person
                break
            reached.update({phone.phone} if failed.ended.by != "network" else ())
        else:
            return AnsweredCall(leg, answer, "")
    raise failure


def _heard(silence: asyncio.Timeout, early: Early, leg: Leg, event: CallEvent) -> None:
    """Stop the wait for a silent phone, because a response has come; then call `early`."""
    silence.reschedule(None)
    early(leg, event)
