"""Calls to the people whom callers are handed over to: through a trunk, to phones of an account, to an address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sipgw.calls.negotiation import OurSide
from sipgw.calls.originator import Made, Originator
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.inbound.admission import Admission
from sipgw.sip.dialog import peer_of
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.identity import is_number, number_of
from sipgw.sip.leg import Ended
from sipgw.sip.registrar import Registrar
from sipgw.sip.uri import Uri
from sipgw.trunks.trunks import TrunkOptions


@dataclass(frozen=True)
class TransferDialer:
    """The ways to people. What they are reached by is configured: nobody else's word leads anywhere from here."""

    endpoint: Endpoint
    outbound: Originator
    registrar: Registrar
    admission: Admission

    def operator(self, name: str, people: TransferTargets | None) -> TransferTarget | None:
        """Who takes calls over under that name: one of `people`, or the user of an account."""
        found = people.named(name) if people else None
        if found is None and name in self.admission.users:
            found = TransferTarget(Uri("sip", host=name), "bridge", name=name)
        return found

    @contextlib.asynccontextmanager
    async def call(self, person: TransferTarget, shown: str, side: OurSide) -> AsyncIterator[Made]:
        """Call `person`; the call counts on its trunk until the block ends.

        A phone of an account sees the number `shown`; a trunk shows what it may. Raises `CallFailed`, `NotDialled`.
        """
        uri = person.uri
        if uri.scheme == "tel":
            async with self.outbound.originate(
                uri.user, lambda attempt: side.offers(self._address(attempt.trunk), attempt.trunk.srtp, attempt.there),
                trunk=person.trunk, ring_timeout=person.ring_timeout, purpose="transfer", consent=True,
            ) as made:  # fmt: skip
                yield made
        elif not uri.user and uri.host in self.admission.users:
            yield await self._ring(uri.host, person, shown, side)
        else:
            async with self._through(person, side) as made:
                yield made

    async def _ring(self, user: str, person: TransferTarget, shown: str, side: OurSide) -> Made:
        """Call the phones of an account."""
        bindings = self.registrar.bindings(user, asyncio.get_running_loop().time())
        if not bindings:
            raise CallFailed(Ended("network", "not registered", f"no phone of {user!r} is registered", 480))
        from_ = f"<sip:{shown if is_number(shown) else 'agent'}@{self.endpoint.contact_host(bindings[0].peer)}>"
        return await self.outbound.ring(
            user, from_, lambda phone: side.offers(self.endpoint.contact_host(phone), "optional", phone),
            ring_timeout=person.ring_timeout,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def _through(self, person: TransferTarget, side: OurSide) -> AsyncIterator[Made]:
        """Call an address, by way of the trunk if one is named."""
        trunk = self.admission.trunks.named(person.trunk)
        name = person.trunk
        there = peer_of((trunk and trunk.proxy_uri) or person.uri)
        address = self.endpoint.contact_host(there)
        async with self.outbound.counted(trunk) if trunk is not None else contextlib.nullcontext():
            leg, answer = await self.endpoint.invite(
                person.uri, f"<sip:{trunk.user if trunk and trunk.user else 'agent'}@{address}>",
                *side.offers(address, trunk.srtp if trunk else "optional", there), ring_timeout=person.ring_timeout,
                credentials=trunk.credentials if trunk else None, proxy=trunk.proxy_uri if trunk else None,
            )  # fmt: skip
            number = number_of(person.uri)
            yield Made(leg, answer, name, trunk.told(number) if trunk else number)

    def _address(self, trunk: TrunkOptions) -> str:
        there = trunk.proxy_uri or trunk.domain_uri
        assert there is not None  # noqa: S101  calls go out through trunks that have a domain
        return self.endpoint.contact_host(peer_of(there))
