"""The gateway: puts store, providers, media and SIP together, and lets each admitted INVITE become a call."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.conversation import Conversation
from agent.records import Report, TurnEnded
from media import srtp
from media.engine import MediaEngine
from sipgw.admission import Admission
from sipgw.agents import Agents, call_variables
from sipgw.call import Call, Connect, Ending, PhoneLine
from sipgw.config import Config
from sipgw.dialling import Dialling
from sipgw.orders import about_call, order_tools, persona
from sipgw.outbound import Outbound
from sipgw.providers import Providers, opened
from sipgw.recordings import Tape
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.identity import Identity
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.probe import Probe, ProbeOptions, Reach
from sipgw.sip.registrar import Answer, Registrar
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from sipgw.store import CallRecord, Store
from sipgw.transfer import Person, dialling
from sipgw.trunks import TrunkOptions

log = structlog.get_logger()

GOODBYE_LIMIT = 5.0
"""Seconds that calls have to end when the gateway stops."""


@dataclass(frozen=True)
class TrunkStatus:
    """How a trunk is at the moment."""

    name: str
    registration: str
    """``trying``, ``registered``, ``failed`` or ``closed``; empty where nothing is registered."""
    registration_reason: str
    health: str
    """``up``, ``down`` or ``unknown``: what OPTIONS found."""
    health_reason: str
    calls: int


@dataclass
class Live:
    """A call that is going on."""

    trunk: TrunkOptions
    call: Call | None = None
    replaced_by: list[dict[str, Any]] = field(default_factory=list)
    """Who took the caller's place, one after the other."""


class Gateway:
    """A running gateway. Use it as an async context manager."""

    def __init__(
        self,
        config: Config,
        observer: Callable[[str, Report], None] | None = None,
        agents: Mapping[str, Config] | None = None,
    ) -> None:
        self.config = config
        self.agents = Agents(config, agents or {})
        self.registrations: dict[str, Registration] = {}
        self._observer = observer
        self.admission = Admission(
            config.admission, config.trunks, config.accounts, secrets.token_bytes(32), lambda: secrets.token_hex(8)
        )
        self.registrar = Registrar()
        self.probes: dict[str, Probe] = {}
        self._outbound: Outbound | None = None
        self._stack = contextlib.AsyncExitStack()
        self._group = asyncio.TaskGroup()
        self._calls: dict[asyncio.Task[None], Live] = {}
        self._parts: tuple[Store, dict[str, Providers], MediaEngine, Endpoint] | None = None

    async def __aenter__(self) -> Self:
        config, enter = self.config, self._stack.enter_async_context
        if any(trunk.srtp != "off" for trunk in self.admission.trunks.all):
            srtp.check()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(self._stack)
            store = await enter(Store(config.store))
            providers: dict[str, Providers] = {}
            speech = None
            for name, one in self.agents.all.items():
                one.config.recording.prepare()
                providers[name] = await enter(opened(one.config, one.choice, speech))
                speech = speech or providers[name].speech
            engine = await enter(MediaEngine(config.media))
            endpoint = await enter(self._endpoint())
            self._parts = store, providers, engine, endpoint
            await enter(self._group)
            for trunk in self.admission.trunks.all:
                if trunk.registrar_uri is not None:
                    self._register(endpoint, trunk)
                if trunk.options_every and trunk.domain_uri is not None:
                    self._probe(endpoint, trunk, trunk.domain_uri)
            ways = Dialling(self.admission.trunks.all, self.admission.calls, self._reachable)
            self._outbound = Outbound(endpoint, ways, self.registrar, self.admission.calls)
            stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.admission.draining = True
        for task in self._calls:
            task.cancel()  # a cancelled call hangs up
        if self._calls:
            await asyncio.wait(self._calls, timeout=GOODBYE_LIMIT)
        await self._stack.aclose()  # the body's own error stays what it is

    @property
    def endpoint(self) -> Endpoint:
        """The SIP endpoint."""
        return self._running[3]

    @property
    def store(self) -> Store:
        """The database."""
        return self._running[0]

    @property
    def _running(self) -> tuple[Store, dict[str, Providers], MediaEngine, Endpoint]:
        if self._parts is None:
            raise RuntimeError("the gateway is not running")
        return self._parts

    @property
    def outbound(self) -> Outbound:
        """For calls out."""
        if self._outbound is None:
            raise RuntimeError("the gateway is not running")
        return self._outbound

    def status(self) -> list[TrunkStatus]:
        """How each trunk is."""
        found = []
        for trunk in self.admission.trunks.all:
            registration, probe = self.registrations.get(trunk.name), self.probes.get(trunk.name)
            found.append(
                TrunkStatus(
                    trunk.name,
                    registration.state.value if registration else "",
                    registration.reason if registration else "",
                    probe.reach.value if probe else Reach.UNKNOWN.value,
                    probe.reason if probe else "",
                    self.admission.calls[trunk.name],
                )
            )
        return found

    def _reachable(self, trunk: str) -> bool:
        registration, probe = self.registrations.get(trunk), self.probes.get(trunk)
        down = probe is not None and probe.reach is Reach.DOWN
        return not down and (registration is None or registration.state is not RegistrationState.FAILED)

    def _probe(self, endpoint: Endpoint, trunk: TrunkOptions, target: Uri) -> None:
        probe = endpoint.probe(ProbeOptions(target, trunk.proxy_uri, trunk.options_every))
        self.probes[trunk.name] = probe

        def changed() -> None:
            log.info("trunk health", trunk=trunk.name, state=probe.reach.value, reason=probe.reason)

        probe.changed = changed

    def _register(self, endpoint: Endpoint, trunk: TrunkOptions) -> None:
        assert trunk.registrar_uri is not None  # noqa: S101  the caller looked
        there = trunk.proxy_uri or trunk.registrar_uri
        options = RegistrationOptions(
            trunk.registrar_uri, trunk.user, trunk.credentials, trunk.proxy_uri, int(trunk.expires)
        )
        registration = self.registrations[trunk.name] = endpoint.register(options)

        def changed() -> None:
            log.info("registration", trunk=trunk.name, state=registration.state.value, reason=registration.reason)
            if registration.state is RegistrationState.REGISTERED:  # its name may lead elsewhere by now
                self._group.create_task(self._let_in(trunk, endpoint, there))

        registration.changed = changed
        self._group.create_task(self._let_in(trunk, endpoint, there))

    async def _let_in(self, trunk: TrunkOptions, endpoint: Endpoint, registrar: Uri) -> None:
        """Admit calls from the addresses of a registrar."""
        for peer in await endpoint.locate(registrar):
            self.admission.trunks.allow(trunk, peer.host)

    def _person(self, trunk: TrunkOptions) -> Person | None:
        """Whom callers of `trunk` are transferred to; for an account the phone that it is registered with."""
        target = trunk.transfer_uri
        if target is not None and not target.user and target.host in self.admission.users:
            phones = self.registrar.bindings(target.host, asyncio.get_running_loop().time())
            target = phones[0].contact if phones else None
        return Person(target, trunk.attended_transfer, trunk.await_bye) if target else None

    def _endpoint(self) -> Endpoint:
        admission, now = self.admission, asyncio.get_running_loop().time

        def register(request: Request, source: Peer, at: float) -> Answer:
            return self.registrar.register(admission.user(request), request, source, at)

        return Endpoint(
            self.config.sip,
            self._on_invite,
            lambda request, source: admission.judge(request, source, now()),
            screen=lambda host: admission.screen(host, now()),
            met=admission.met,
            register=register if self.config.accounts else None,
        )

    def _on_invite(self, leg: Leg) -> None:
        trunk = self.admission.trunk_of(leg.request, leg.source)
        if trunk is None:
            leg.reject(403)
            return
        if leg.replaces is not None:
            self._replace(leg, trunk)
            return
        live = Live(trunk)
        task = self._group.create_task(self._serve(leg, live), name=f"call {leg.id}")
        self._calls[task] = live
        self.admission.calls[trunk.name] += 1

        def ended(done: asyncio.Task[None]) -> None:
            self._calls.pop(done, None)
            self.admission.calls[trunk.name] -= 1

        task.add_done_callback(ended)

    def _introduce(self, leg: Leg, trunk: TrunkOptions) -> None:
        leg.authenticate(trunk.credentials)
        if trunk.accept_refer:
            leg.let_refer()

    def _replace(self, leg: Leg, trunk: TrunkOptions) -> None:
        """`leg` came in to take the place of a running call (RFC 3891); only the trunk of that call may do so."""
        for live in self._calls.values():
            if live.call is not None and live.call.leg.dialog == leg.replaces:
                if live.trunk is not trunk:
                    leg.reject(403)
                    return
                self._introduce(leg, trunk)
                if live.call.replace(leg):
                    live.replaced_by.append(Identity.of(leg.request, trusted=trunk.trust_identity).as_dict())
                return
        leg.reject(481)

    async def _serve(self, leg: Leg, live: Live) -> None:
        trunk = live.trunk
        store, providers, engine, endpoint = self._running
        structlog.contextvars.bind_contextvars(call=leg.id)
        self._introduce(leg, trunk)
        began, turns = datetime.now(UTC), list[dict[str, object]]()
        caller = Identity.of(leg.request, trusted=trunk.trust_identity)
        agent = self.agents.answering(leg.request, caller, trunk.name)
        part, options = providers[agent.name], agent.config.agent
        values = call_variables(options, caller, trunk.name, datetime.now().astimezone())
        log.info("call began", trunk=trunk.name, agent=agent.name, carrier=dict(caller.call_ids))

        def observe(report: Report) -> None:
            if isinstance(report, TurnEnded):
                turns.append(report.turn.as_dict())
            if self._observer is not None:
                self._observer(leg.id, report)

        def converse(line: PhoneLine, connect: Connect | None) -> Conversation:
            return Conversation(
                line,
                part.ears(),
                part.model,
                part.voice(),
                persona(options, values, about_call(caller)),
                tools=[*order_tools(store, leg.id), *agent.tools],
                options=agent.config.turns,
                transfer=connect,
                observer=observe,
                call=leg.id,
            )

        address = endpoint.contact_host(leg.source)
        dial = dialling(endpoint, trunk, self.registrar.seen_at)
        person = self._person(trunk)
        tape = Tape(agent.config.recording.path(leg.id, began, trunk.name, caller.number or "withheld"))
        call = Call(
            leg, engine, converse, address=address, person=person, dial=dial, tape=tape,
            srtp=trunk.srtp, inband_keys=trunk.inband_keys,
        )  # fmt: skip
        live.call = call
        ending = Ending("gateway_stopped", "the gateway was stopped")
        try:
            ending = await call.run()
        finally:
            ended = datetime.now(UTC)
            seconds = round((ended - began).total_seconds(), 1)
            log.info("call ended", ending=ending.kind, cause=ending.cause, seconds=seconds)
            identity = caller.as_dict() | ({"replaced_by": live.replaced_by} if live.replaced_by else {})
            record = CallRecord(
                id=leg.id, trunk=trunk.name, caller=caller.number or "withheld", called=caller.dialled,
                began=began, ended=ended, ending=ending.kind, cause=ending.cause[:500], turns=turns,
                media=call.stats | tape.as_dict(), identity=identity,
            )  # fmt: skip
            try:
                await asyncio.shield(store.add_call(record))
            except SQLAlchemyError as error:  # the call is over either way
                log.warning("record not kept", cause=str(error).splitlines()[0])
