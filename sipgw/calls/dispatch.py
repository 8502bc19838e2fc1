"""Creates a call session for each admitted INVITE, and for each call that the gateway is asked to make."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from sipgw.agents.agents import checked
from sipgw.calls.dialed_connection import DialedConnection, shown_and_called
from sipgw.calls.info import CallInfo
from sipgw.calls.registry import CallHandle, CallRegistry
from sipgw.calls.request import NO_NUMBERS, OriginateRequest, for_tenant
from sipgw.calls.services import CallServices
from sipgw.calls.session import CallConnection, CallSession
from sipgw.calls.sip_connection import SipConnection, SipLeg
from sipgw.config.tenants import tenant_named, tenant_of
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition
from sipgw.policy.inbound.admission import ACCOUNTS_TRUNK, Admission
from sipgw.policy.inbound.limits import Caller
from sipgw.policy.inbound.refusals import RefusalEntry
from sipgw.sip.identity import Identity
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.trunks.route_selector import NoRoom, NotDialled

BUSY = 486
SENT_BACK = "it is a call of this gateway that the called phone has sent on to it: an agent would speak with itself"


class CallDispatcher:
    """Starts all calls of a gateway."""

    def __init__(
        self,
        admission: Admission,
        services: CallServices,
        registry: CallRegistry,
        group: asyncio.TaskGroup,
        engage: Callable[[asyncio.Task[Any]], None],
    ) -> None:
        """Calls run in `group`. `engage` keeps the providers of the present agents open for the duration of a call."""
        self.services = services
        self.registry = registry
        self._admission = admission
        self._group = group
        self._engage = engage

    def accept(self, leg: Leg) -> None:
        """Take an INVITE that `Admission.judge` has admitted; it must not block."""
        trunk = self._admission.trunk_of(leg.request, leg.source)
        if trunk is None:
            leg.reject(403)
            return
        if leg.replaces:
            self._replace(leg, trunk)
            return
        _introduce(leg, trunk)
        services, identity = self.services.snapshot(), self._identity(leg, trunk)
        if services.originator.comes_back(identity.number, [trunk.from_carrier(one) for one in identity.diverted]):
            now = asyncio.get_running_loop().time()
            self._admission.note(trunk, RefusalEntry.of(leg.request, leg.source, now, BUSY, SENT_BACK))
            leg.reject(BUSY)
            return
        agent = services.agents.answering(leg.request, identity, trunk.name).name
        info = CallInfo(self.registry.identity(leg.id), trunk, identity, agent=agent, call_id=leg.id)
        session = CallSession(info, services)
        _follow_identity(leg, info)
        caller = Caller(identity.number, identity.dialled, leg.source.host)
        self.begin(session, SipConnection(leg, services.endpoint, session.context, session.transfers), caller)

    def begin(
        self, session: CallSession, connection: CallConnection, caller: Caller | None = None
    ) -> asyncio.Task[Any]:
        """Run an incoming call, see `CallSession.accept`; it counts on its trunk until it is over."""
        calls, trunk = self._admission.capacity.calls, session.info.trunk.name
        calls[trunk] += 1
        task = self._run(session, session.accept(connection, caller))

        def ended(_: asyncio.Task[Disposition]) -> None:
            calls[trunk] -= 1

        task.add_done_callback(ended)
        return task

    def originate(self, request: OriginateRequest) -> CallHandle:
        """Start a call; returns it at once, before anything is sent.

        Raises `VariableError` (values that the agent does not know), `NotDialled` (no agent or trunk of that name),
        `NoRoom` (the gateway stops, is full, or has spent what a day may cost).
        """
        services = self.services.snapshot()
        if request.tenant:
            request = for_tenant(request, tenant_named(request.tenant, services.agents.config.tenants))
        agent = services.agents.all.get(request.agent)
        if agent is None:
            told = f"there is no agent {request.agent!r}"
            others = f"; there are {', '.join(sorted(services.agents.all))}" if request.purpose != "callback" else ""
            raise NotDialled.own(told + others, told)
        tenant = tenant_of(request.agent, services.agents.config.tenants)
        request = replace(request, tenant=tenant)
        if tenant and request.purpose == "callback":
            numbers = tenant_named(tenant, services.agents.config.tenants).numbers
            if not numbers:
                raise NotDialled.own(NO_NUMBERS)
            request = replace(request, caller_id=numbers[0])
        if full := self._admission.capacity.full(asyncio.get_running_loop().time()):
            raise NoRoom(full)
        if (theirs := services.refusal(tenant)) is not None:
            raise NoRoom.own(theirs.reason)
        if (spent := services.budget()) is not None:
            raise NoRoom(spent.reason)
        variables = checked(agent.config.agent, request.variables)
        trunk = self._admission.trunks.named(services.originator.first(request.trunk))
        if trunk is None:
            name = f"trunk {request.trunk!r}" if request.trunk else "trunk"
            raise NotDialled(f"there is no {name} with a registrar or a domain to call through")
        if (early := services.turn(tenant, trunk.calls_per_second, asyncio.get_running_loop().time())) is not None:
            raise NoRoom.own(early.reason)
        shown = shown_and_called(request, trunk)
        call = request.call or secrets.token_hex(12)
        info = CallInfo(call, trunk, shown, "out", request.agent, variables=variables)
        session = CallSession(info, services)
        context, transfers = session.context, session.transfers
        starting = self._admission.capacity.starting
        connection = DialedConnection(request, services.originator, context, transfers, lambda: starting.discard(call))
        starting.add(call)
        task = self._run(session, session.originate(connection))
        task.add_done_callback(lambda _: starting.discard(call))  # also a call that got no place
        return CallHandle(info, session, task)

    def _run(self, session: CallSession, work: Coroutine[Any, Any, Disposition]) -> asyncio.Task[Disposition]:
        session.info.tenant = tenant_of(session.info.agent, self.services.agents.config.tenants)
        task = self._group.create_task(work, name=f"call {session.info.id}")
        task.add_done_callback(lambda _: work.close())  # for a task that is cancelled before it begins
        self.registry.add(session, task)
        self._engage(task)
        return task

    def _replace(self, leg: Leg, trunk: TrunkOptions) -> None:
        """Let `leg`, an INVITE with Replaces (RFC 3891), replace a running call; it must come from that call's PBX."""
        beside = self._admission.trunks.beside(trunk, leg.source.host)
        for session in self.registry.calls.values():
            connection, info = session.connection, session.info
            if isinstance(connection, SipLeg) and connection.replaced_by(leg):
                if info.trunk not in beside:
                    leg.reject(403)
                    return
                _introduce(leg, info.trunk)
                if connection.replace(leg):
                    info.spoken_by(self._identity(leg, info.trunk))
                    _follow_identity(leg, info)
                return
        _introduce(leg, trunk)
        self.services.originator.pick_up(leg, beside)

    def _identity(self, leg: Leg, trunk: TrunkOptions) -> Identity:
        """The caller. For an account's phone this is the account's user: a phone can write any number into From."""
        identity = Identity.of(leg.request, trusted=trunk.trust_identity)
        if trunk is ACCOUNTS_TRUNK and not identity.withheld:
            identity = replace(identity, number=self._admission.user(leg.request))
        return replace(identity, number=trunk.from_carrier(identity.number))


def _introduce(leg: Leg, trunk: TrunkOptions) -> None:
    """Give `leg` the credentials and the rights of its trunk."""
    leg.authenticate(trunk.credentials)
    leg.known_as(trunk.proxy_uri or trunk.domain_uri)
    if trunk.accept_refer:
        leg.let_refer()


def _follow_identity(leg: Leg, info: CallInfo) -> None:
    """After a transfer at the other side the caller may be another person. Only a trusted trunk can report this."""

    def asserted(request: Request) -> None:
        identity = info.identity.spoken_by(request)
        if identity is info.identity:  # unchanged, so its number is in our form already
            return
        identity, before = replace(identity, number=info.trunk.from_carrier(identity.number)), info.identity
        if (identity.number, identity.withheld, identity.mark) != (before.number, before.withheld, before.mark):
            info.spoken_by(identity)

    if info.trunk.trust_identity and info.direction == "in":
        leg.on_asserted = asserted
