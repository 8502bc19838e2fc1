"""The further legs of one call: each counts on its trunk and on the bill of the call, and passes the gate."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sipgw.agents.music import hold_music
from sipgw.calls.agent_setup import AgentSetup
from sipgw.calls.consult_leg import ConsultLeg, called
from sipgw.calls.context import CallContext
from sipgw.calls.negotiation import OurSide
from sipgw.calls.originator import NotPermitted
from sipgw.calls.phone_line import PhoneLine
from sipgw.calls.refer_target import ReferTarget
from sipgw.calls.services import CallServices
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.cost.cost import FurtherLeg
from sipgw.policy.gate.rules import GateRefusal, GateRequest
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.events import Ended
from sipgw.sip.leg import Leg
from sipgw.sip.uri import Uri
from sipgw.trunks.route_selector import NotDialled

Fields = tuple[tuple[str, str], ...]
"""Further headers of an INVITE."""
Consult = Callable[[TransferTarget, int], AbstractAsyncContextManager[ConsultLeg]]
"""Calls a person for the channel of that number, see `TransferLegs.consult`."""


@dataclass(frozen=True)
class TransferLegs:
    """Makes the further legs of the call of `context`."""

    services: CallServices
    context: CallContext
    setup: AgentSetup

    @property
    def targets(self) -> TransferTargets | None:
        """The people whom the caller can be transferred to."""
        return self.services.transfer_dialer.targets(self.context.info.trunk)

    @property
    def music(self) -> bytes:
        """Hold music for the caller: mu-law, to be played in a loop."""
        return hold_music(self.services.agents.all[self.context.info.agent].config.transfer.music)

    @property
    def longest(self) -> float:
        """Longest bridged conversation of caller and person, in seconds."""
        return self.services.agents.all[self.context.info.agent].config.transfer.longest

    def operator(self, name: str) -> TransferTarget | None:
        """The operator of that name who may take over the call."""
        return self.services.transfer_dialer.operator(name, self.context.info.trunk)

    async def brief(self, line: PhoneLine) -> str:
        """Brief a person on `line` about the call. Returns the reason why they decline; empty if they accept."""
        return await self.setup.brief(line)

    @contextlib.asynccontextmanager
    async def consult(self, target: TransferTarget, beside: int) -> AsyncIterator[ConsultLeg]:
        """Call a person who is to be bridged with the caller, see `sipgw.calls.consult_leg.called`."""
        services, context = self.services, self.context
        dialer = services.transfer_dialer
        async with called(target, context.info.caller, services.engine, dialer, beside) as person:
            if context.bill is None or not person.trunk:
                yield person
                return
            billed = context.bill.leg(person.trunk, person.number, datetime.now(UTC))
            try:
                yield person
            finally:
                billed.ended = datetime.now(UTC)

    @contextlib.asynccontextmanager
    async def invite(self, uri: Uri, leg: Leg, side: OurSide) -> AsyncIterator[Leg]:
        """Call a person of the configuration on the trunk of `leg`, the caller's; the call counts until the block ends.

        Raises `CallFailed`, `NotDialled`.
        """
        trunk = self.context.info.trunk
        target = ReferTarget.of(uri, trunk) if uri.scheme == "tel" else ReferTarget.known(uri, trunk)
        async with self._billed(target, leg, side, ()) as (reached, _):
            yield reached

    @contextlib.asynccontextmanager
    async def follow_refer(self, uri: Uri, leg: Leg, side: OurSide, fields: Fields) -> AsyncIterator[Leg]:
        """Call the Refer-To address from the other side of `leg`; after the block the call goes on with that address.

        The gate judges a telephone number as a call out, so that the other side can neither make us pay for any number
        nor call whom we may not call. Names and extensions belong to the PBX that sent the REFER. Raises `CallFailed`,
        `NotDialled`.
        """
        try:
            target = await self._permitted(uri, dialog=any(name == "Replaces" for name, _ in fields))
        except NotPermitted as refused:
            raise CallFailed(Ended("gateway", "403", refused.told(self.context.info.tenant), 403)) from None
        except NotDialled as refused:  # for its address alone
            raise CallFailed(Ended("gateway", "403", str(refused), 403)) from None
        async with self._billed(target, leg, side, fields) as (reached, billed):
            yield reached
        if self.context.bill is not None:
            self.context.bill.goes_on(billed, datetime.now(UTC))

    async def _permitted(self, uri: Uri, *, dialog: bool) -> ReferTarget:
        """The destination of a call to `uri`. Raises `NotDialled`, also if the gate refuses it."""
        info, gate = self.context.info, self.services.originator.gate
        if self.services.transfer_dialer.registrar.seen_at(uri, asyncio.get_running_loop().time()):
            return ReferTarget.known(uri, info.trunk)
        target = ReferTarget.of(uri, info.trunk, dialog=dialog)
        if not target.outside:
            return target
        judged = await gate.permit(GateRequest(target.number, info.trunk.name, info.agent, tenant=info.tenant))
        if isinstance(judged, GateRefusal):
            raise NotPermitted(judged)
        return target.permitted(judged.number, info.trunk)

    @contextlib.asynccontextmanager
    async def _billed(
        self, target: ReferTarget, leg: Leg, side: OurSide, fields: Fields
    ) -> AsyncIterator[tuple[Leg, FurtherLeg]]:
        services, context, trunk = self.services, self.context, self.context.info.trunk
        async with services.originator.counted(trunk):
            phone = services.transfer_dialer.registrar.seen_at(target.uri, asyncio.get_running_loop().time())
            reached = await invite_on_trunk(services.endpoint, trunk, target.uri, leg, side, fields, phone)
            billed = FurtherLeg(trunk.name, target.number, datetime.now(UTC))
            if context.bill is not None:
                context.bill.further.append(billed)
            try:
                yield reached, billed
            finally:
                billed.ended = datetime.now(UTC)


async def invite_on_trunk(
    endpoint: Endpoint,
    trunk: TrunkOptions,
    target: Uri,
    leg: Leg,
    side: OurSide,
    fields: Fields = (),
    phone: Peer | None = None,
) -> Leg:
    """Call `target` through the trunk of `leg`; returns the answered leg. Raises `CallFailed`.

    The INVITE goes to the trunk, so a URI from the other side never makes us send to an unknown host. If `phone`, the
    address of the account's phone with this Contact, is given, the INVITE goes there. Only a server of the
    configuration, or one that may call by its address alone, learns the answer to a challenge, now and later in the new
    call: the host that the other side of `leg` gives as its own may be anybody's.
    """
    if phone is not None:
        offers = side.offers(trunk.srtp, phone)
        return (await endpoint.invite(target, leg.identity, *offers, peer=phone, fields=fields, early=side.early))[0]
    there = trunk.registrar_uri or _place(leg.source)
    if not target.host or (trunk.registrar_uri is None and _is_with(target, leg)):  # tel: (RFC 3966) has no host
        target = replace(there, user=target.user)
    ours = {there.host, leg.source.host, leg.target.host}
    if trunk.transfer_uri is not None:
        ours.add(trunk.transfer_uri.host)
    proxy = trunk.proxy_uri or (None if target.host in ours else there)
    first = proxy or target
    back = trunk.registrar_uri is None and replace(first, user="") == there
    to = peer_of(first, leg.source if back else None)
    offers = side.offers(trunk.srtp, to)
    servers = {uri.host for uri in (trunk.registrar_uri, trunk.proxy_uri, trunk.domain_uri, trunk.transfer_uri) if uri}
    if trunk.proof == "network":
        servers.add(leg.source.host)
    credentials = trunk.credentials if first.host in servers else None
    new, _ = await endpoint.invite(
        target, leg.identity, *offers, credentials=credentials, proxy=proxy, peer=to, fields=fields, early=side.early
    )
    if trunk.accept_refer:
        new.let_refer()
    return new


def _is_with(target: Uri, leg: Leg) -> bool:
    """Whether `target` is the peer of `leg`, which uses TCP or TLS, and has neither transport nor port. By default such
    a URI means UDP, which does not protect the call (RFC 3263 §4.1).
    """
    open_ = target.scheme == "sip" and not target.port and target.param("transport") is None
    return open_ and leg.source.transport != "udp" and target.host in (leg.source.host, leg.target.host)


def _place(source: Peer) -> Uri:
    """The URI for a call to `source`, which has called us: without the port over TCP or TLS, where the source port
    belongs to one connection only."""
    if source.transport == "udp":
        return Uri("sip", host=source.host, port=source.port)
    return Uri("sip", host=source.host, params=(("transport", source.transport),))
