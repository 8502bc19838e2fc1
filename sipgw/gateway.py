"""The gateway: puts store, providers, media and SIP together, and lets each admitted INVITE become a call."""

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from agent.providers.local.host import LocalSpeech
from media.process.engine import MediaEngine
from media.rtp import srtp
from sipgw.agents.agents import DEFAULT, Agents, checked
from sipgw.agents.choice import Choice
from sipgw.agents.providers import Providers, opened
from sipgw.agents.staff import Staff
from sipgw.billing.cost import Expenses, spent_since_midnight
from sipgw.billing.day import SharedSpent
from sipgw.billing.products import prices_of
from sipgw.calls.call import Call
from sipgw.calls.going import Going
from sipgw.calls.live import LiveCall, Placed, row
from sipgw.cluster.calls import GatewayCalls, SharedCalls
from sipgw.cluster.cluster import Cluster
from sipgw.cluster.leases import Leases
from sipgw.cluster.limits import SharedLimits
from sipgw.config import Config, ConfigError
from sipgw.desk import Desk
from sipgw.events import Ending, Event, Watchers
from sipgw.evidence.evidence import Evidence
from sipgw.gate.gate import gate_of
from sipgw.inbound.admission import Admission
from sipgw.inbound.kept_phones import KeptPhones
from sipgw.inbound.limits import Limits
from sipgw.numbers import known
from sipgw.outbound.call_out import Errand
from sipgw.outbound.channels import TrunkPlaces
from sipgw.outbound.dial import Outbound
from sipgw.outbound.routes import Dialling, NoRoom, NotDialled
from sipgw.records.bleeps import Bleeps
from sipgw.records.finishing import Finishing
from sipgw.records.ledger import Ledger
from sipgw.records.upkeep import Upkeep
from sipgw.reload import Change, changes
from sipgw.sip.boundaries import bounded
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.handover import Link
from sipgw.sip.identity import Identity
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.registrar import Answer, Registrar
from sipgw.sip.trace import Tracer
from sipgw.store import Store
from sipgw.transfer.people import People, Person
from sipgw.transfer.summons import Summons
from sipgw.trunks.trunks import TrunkOptions
from sipgw.trunks.watch import TrunkStatus, TrunkWatch
from sipgw.webhooks.deliveries import Deliveries

log = structlog.get_logger()
T = TypeVar("T")

GOODBYE_LIMIT = 5.0
"""Seconds that calls have to end when the gateway stops."""


def _local_now() -> datetime:
    return datetime.now().astimezone()


class Gateway:
    """A running gateway. Use it as an async context manager."""

    def __init__(
        self,
        config: Config,
        agents: Mapping[str, Config] | None = None,
        trace: Tracer | None = None,
    ) -> None:
        """`trace` sees every SIP message, credentials masked."""
        self.config = config
        self.agents = Agents(config, agents or {})
        self.watchers = Watchers[Event]()
        self.evidence = Evidence(config.capture, trace, self.agents)
        self.watchers.add(self.evidence.watch)
        self.admission = Admission(
            config.admission, config.trunks, config.accounts, secrets.token_bytes(32), lambda: secrets.token_hex(8)
        )
        self.registrar = Registrar()
        cluster = Cluster(config.cluster) if config.cluster.redis else None
        self._shared = SharedCalls(cluster, self._here)
        self.watch = TrunkWatch(self.admission, Leases(cluster) if cluster else None)
        self._stack = contextlib.AsyncExitStack()
        self._group = asyncio.TaskGroup()
        self._calls = Going()
        self._desk: Desk | None = None

    async def __aenter__(self) -> Self:
        config, cluster, enter = self.config, self._shared.cluster, self._stack.enter_async_context
        for note in self.agents.unpriced():
            log.warning("a cap counts an upper bound", reason=note)
        if any(trunk.srtp != "off" for trunk in self.admission.trunks.all):
            srtp.check()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(self._stack)
            store = await enter(Store(config.store))
            redact = self.agents.redact
            deliveries = await enter(Deliveries(store, config.webhooks, redact("webhooks")))
            await enter(Bleeps(self.watchers, self._calls.get, self.agents.privacy))
            await enter(Ledger(store, self.watchers, redact("records"), deliveries))
            await enter(Finishing(store, {one.config.recording.folder for one in self.agents.all.values()}))
            staff = await enter(Staff(self.open_providers))
            providers = await self._hire(staff, self.agents)
            folders = config.capture.folders, config.audit_folder, self._recording_folders
            await enter(Upkeep(store, config.retention, *folders))
            engine = await enter(MediaEngine(config.media, config.capture.tap))
            self.admission.room.delay = lambda: engine.delay
            await enter(KeptPhones(self.registrar, Path(f"{config.store.path}.phones"), self.admission.users))
            endpoint = self._endpoint()
            await enter(self.evidence.gathering(engine, endpoint, config.store.calls_folder))
            ways = Dialling(self.admission.trunks.all, self.admission.room.calls, self.watch.reachable)
            expenses = Expenses(prices_of(config), _local_now, await spent_since_midnight(store, _local_now()))
            gate = await enter(gate_of(config, self._configs, store, self.admission.trunks.named))
            outbound = Outbound(endpoint, ways, self.registrar, TrunkPlaces(self.admission.room.calls, cluster), gate)
            summons = Summons(endpoint, outbound, self.registrar, self.admission)
            self._desk = Desk(
                self.agents,
                staff,
                providers,
                store,
                engine,
                endpoint,
                outbound,
                self.registrar,
                self.watchers,
                summons,
                self._people,
                gate.own,
                SharedLimits(Limits(config.limits, SharedSpent(expenses, cluster).spent), cluster),
                expenses,
            )
            await enter(self._group)
            await enter(endpoint)  # last, for calls come at once
            if cluster:
                await enter(cluster)
            self.watch.start(endpoint, self._group)
            stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.turn_away()
        await self.hang_up()
        await self._stack.aclose()  # the body's own error stays what it is

    async def reload(self, config: Config, others: Mapping[str, Config]) -> list[Change]:
        """Let agents and routes be as in a changed configuration from the next call on; returns what is different.

        What only a restart can change stays as it is (`Change.needs_restart`). Raises like the start of a gateway;
        then nothing has changed.
        """
        agents, now = Agents(config, others), self.agents.all
        before = {name: one.config for name, one in now.items() if name != DEFAULT}
        found = changes(now[DEFAULT].config, config, before, others)
        # A provider that nothing has changed in stays as it is, with its connections.
        kept = [name for name, one in agents.all.items() if name in now and now[name].config == one.config]
        hired = await self._hire(self.desk.staff, agents, kept)
        self.desk.providers.clear()
        self.desk.providers.update(hired)
        self.agents.become(agents)
        for note in agents.unpriced():
            log.warning("a cap of money counts a guess", cause=note)
        return found

    async def _hire(self, staff: Staff, agents: Agents, unchanged: Collection[str] = ()) -> dict[str, Providers]:
        """Start what agents need, but for those who are `unchanged`; raises and then has changed nothing."""
        for name, one in agents.all.items():
            try:
                one.config.recording.prepare()
            except OSError as error:
                raise ConfigError(f"agent {name}: recording.folder: {error.filename}: {error.strerror}") from None
        return await staff.become(agents, unchanged)

    def open_providers(
        self, config: Config, choice: Choice, speech: LocalSpeech | None
    ) -> AbstractAsyncContextManager[Providers]:
        """The providers of one agent; `sipgw simulate` puts others in their place."""
        return opened(config, choice, speech)

    @property
    def endpoint(self) -> Endpoint:
        """The SIP endpoint."""
        return self.desk.endpoint

    @property
    def draining(self) -> bool:
        """Whether no new calls are taken."""
        return self.admission.room.draining

    @property
    def store(self) -> Store:
        """The database."""
        return self.desk.store

    @property
    def calls(self) -> dict[str, LiveCall]:
        """The calls that are going on, by their identity."""
        return self._calls.calls

    @property
    def desk(self) -> Desk:
        """What serves the calls."""
        if self._desk is None:
            raise RuntimeError("the gateway is not running")
        return self._desk

    @property
    def outbound(self) -> Outbound:
        """For calls out."""
        return self.desk.outbound

    def _recording_folders(self) -> set[str]:
        return {one.recording.folder for one in self._configs().values()} - {""}

    def _configs(self) -> dict[str, Config]:
        return {name: one.config for name, one in self.agents.all.items()}

    def turn_away(self) -> None:
        """Take no new calls: INVITE and OPTIONS get 503, registrations are given up."""
        self.admission.room.draining = True
        self.watch.stop(self.endpoint)

    def hand_over(self, link: Link) -> None:
        """Let the next process have the sockets: new calls go there, those that go on stay here."""
        self.endpoint.hand_over(link)

    def running(self) -> int:
        """How many calls go on."""
        return len(self._calls)

    def dismiss(self) -> int:
        """Have the agents say goodbye; returns how many do."""
        return self._calls.dismiss_all()

    async def hang_up(self) -> None:
        """End all calls that are left."""
        await self._calls.stop_all(GOODBYE_LIMIT)

    def status(self) -> list[TrunkStatus]:
        """How each trunk is."""
        return self.watch.status()

    async def everywhere(self) -> list[GatewayCalls]:
        """The calls of all gateways of the cluster, this one included. Raises `cluster.shared.Unreachable`."""
        return await self._shared.all()

    def _here(self) -> GatewayCalls:
        return GatewayCalls(
            self.config.cluster.called, self.draining, {call: row(live) for call, live in self.calls.items()}
        )

    def _people(self, trunk: TrunkOptions) -> People | None:
        """Whom callers of `trunk` can be transferred to."""
        if not self.config.people and trunk.transfer_uri is None:
            return None
        return People(self.config.people, trunk, lambda: self._last(trunk))

    def _last(self, trunk: TrunkOptions) -> Person | None:
        """The `transfer_to` of a trunk; for an account the phone that it is registered with."""
        target = trunk.transfer_uri
        if target is not None and not target.user and target.host in self.admission.users:
            phones = self.registrar.bindings(target.host, asyncio.get_running_loop().time())
            target = phones[0].contact if phones else None
        return Person(target, "attended" if trunk.attended_transfer else "refer", trunk.await_bye) if target else None

    def _endpoint(self) -> Endpoint:
        admission, now = self.admission, asyncio.get_running_loop().time

        def register(request: Request, source: Peer, at: float) -> Answer:
            return self.registrar.register(admission.user(request), request, source, at)

        return Endpoint(
            self.config.sip,
            self._on_invite,
            lambda request, source: admission.judge(request, source, now()),
            self.evidence.trace,
            screen=lambda host: admission.screen(host, now()),
            met=admission.met,
            register=register if self.config.accounts else None,
            known=admission.known,
            uses=self.registrar.uses,
        )

    def _on_invite(self, leg: Leg) -> None:
        trunk = self.admission.trunk_of(leg.request, leg.source)
        if trunk is None:
            leg.reject(403)
            return
        if leg.replaces:
            self._replace(leg, trunk)
            return
        self._introduce(leg, trunk)
        live = LiveCall(self._calls.identity(leg.id), trunk, self._identity(leg.request, trunk), call_id=leg.id)
        self._follow_identity(leg, live)
        self.begin(live, self.desk.as_now().serve(leg, live))

    def _identity(self, request: Request, trunk: TrunkOptions) -> Identity:
        identity = Identity.of(request, trusted=trunk.trust_identity)
        return replace(identity, number=trunk.told(identity.number))

    def _follow_identity(self, leg: Leg, live: LiveCall) -> None:
        """After a transfer at their side somebody else may speak, which only a trusted trunk can tell."""

        def asserted(request: Request) -> None:
            identity = live.identity.spoken_by(request)
            if identity is live.identity:  # its number is in our form already
                return
            identity = replace(identity, number=live.trunk.told(identity.number))
            if (identity.number, identity.withheld) != (live.identity.number, live.identity.withheld):
                live.spoken_by(identity)

        if live.trunk.trust_identity and live.direction == "in":
            leg.on_asserted = asserted

    def begin(self, live: LiveCall, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` serve the call `live`, which counts on its trunk, as long as the gateway runs."""
        trunk = live.trunk
        self.admission.room.calls[trunk.name] += 1
        task = self._watched(live, work, None)

        def ended(_: asyncio.Task[None]) -> None:
            self.admission.room.calls[trunk.name] -= 1

        task.add_done_callback(ended)

    def _watched(self, live: LiveCall, work: Coroutine[Any, Any, T], failed: T) -> asyncio.Task[T]:
        task = self._group.create_task(bounded(work, failed, "call failed"), name=f"call {live.id}")
        task.add_done_callback(lambda _: work.close())  # where it was cancelled before it began
        self._calls.add(live, task)
        self.desk.staff.engage(task)
        return task

    def place(self, errand: Errand) -> Placed:
        """Call somebody; returns the call at once, before anything is sent.

        Raises `VariableError` (values that the agent does not know), `NotDialled` (no agent or trunk of that name, or
        the gateway stops).
        """
        agent = self.agents.all.get(errand.agent)
        if agent is None:
            raise NotDialled(f"there is no agent {errand.agent!r}; there are {', '.join(sorted(self.agents.all))}")
        if full := self.admission.room.full(asyncio.get_running_loop().time()):
            raise NoRoom(full)
        if (spent := self.desk.limits.own.budget()) is not None:
            raise NoRoom(spent.reason)
        variables = checked(agent.config.agent, errand.variables)
        trunk = self.admission.trunks.named(self.desk.outbound.first(errand.trunk))
        if trunk is None:
            name = f"trunk {errand.trunk!r}" if errand.trunk else "trunk"
            raise NotDialled(f"there is no {name} with a registrar or a domain to call through")
        there = "" if trunk.number_format == "as_dialled" else trunk.country  # as the gate reads it
        dialled = known(errand.number, country=there)
        shown = Identity(number=trunk.shows(errand.caller_id) or trunk.user, dialled=dialled)
        live = LiveCall(errand.call or secrets.token_hex(12), trunk, shown, "out", errand.agent, variables=variables)
        failed = Ending("failed", "internal error")
        return Placed(live, self._watched(live, self.desk.as_now().place(errand, live), failed))

    def stop(self, call: str, cause: str) -> None:
        """End a call that is going on, also while it rings."""
        self._calls.stop(call, cause)

    def _introduce(self, leg: Leg, trunk: TrunkOptions) -> None:
        leg.authenticate(trunk.credentials)
        leg.known_as(trunk.proxy_uri or trunk.domain_uri)
        if trunk.accept_refer:
            leg.let_refer()

    def _replace(self, leg: Leg, trunk: TrunkOptions) -> None:
        """`leg` came in to take the place of a running call (RFC 3891); only the trunk of that call may do so."""
        for live in self.calls.values():
            if isinstance(live.call, Call) and leg.takes(live.call.leg):
                if live.trunk is not trunk:
                    leg.reject(403)
                    return
                self._introduce(leg, trunk)
                if live.call.replace(leg):
                    live.spoken_by(self._identity(leg.request, trunk))
                    self._follow_identity(leg, live)
                return
        self._introduce(leg, trunk)
        self.outbound.pick_up(leg, trunk)
