"""The gateway: builds its parts, starts them, reloads them and stops them. Calls are made in `sipgw.calls.dispatch`."""

import asyncio
import contextlib
import secrets
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from agent.hearing import voice
from agent.pool import LOADING, Pool
from agent.providers.local.host import LocalSpeech
from agent.records import Used
from agent.rules.rule_error import RuleError
from media.process.engine import MediaEngine
from media.rtp import srtp
from sipgw.agents.agent_providers import AgentProviders
from sipgw.agents.agents import Agents
from sipgw.agents.knowledge.knowledge_base import KnowledgeBase
from sipgw.agents.products import prices_of
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import Providers, opened
from sipgw.agents.report_filler import ReportFiller
from sipgw.calls.dispatch import CallDispatcher
from sipgw.calls.originator import Originator
from sipgw.calls.registry import REMEMBERED, CallHandle, CallRegistry
from sipgw.calls.request import OriginateRequest
from sipgw.calls.services import CallServices
from sipgw.calls.session import CallSession
from sipgw.calls.transfer_dialer import TransferDialer
from sipgw.cluster.calls import GatewayCalls, SharedCalls
from sipgw.cluster.cluster import Cluster
from sipgw.cluster.leases import Leases
from sipgw.config.agent_files import DEFAULT
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.gate import GateOptions
from sipgw.events import Event, Watchers
from sipgw.gateway.call_tools import call_tools
from sipgw.gateway.reload import OptionChange, changes, reloaded
from sipgw.midnight import local_now
from sipgw.outbound.jobs import Jobs
from sipgw.policy.cost.cost import Expenses, expenses_of_today
from sipgw.policy.cost.day import SharedSpent
from sipgw.policy.cost.tenants import TenantLimits
from sipgw.policy.gate import audit
from sipgw.policy.gate.emergency import EmergencyGuard
from sipgw.policy.gate.gate import Gate, gate_of
from sipgw.policy.inbound.admission import Admission
from sipgw.policy.inbound.kept_phones import KeptPhones
from sipgw.policy.inbound.limits import Declined, InboundLimits
from sipgw.policy.inbound.load_meter import LoadMeter
from sipgw.policy.inbound.shared_limits import SharedLimits
from sipgw.policy.stir.opening import signer_of, verifier_of
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.audio_redactor import AudioRedactor, RecordedCall
from sipgw.records.artifacts.maintenance import Maintenance
from sipgw.records.cdr.spool_feed import SPOOL
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.evidence import CallEvidence
from sipgw.records.privacy import names
from sipgw.records.store.store import Store
from sipgw.records.webhooks.deliveries import Deliveries, Target
from sipgw.records.webhooks.mail import Mailer
from sipgw.sip.boundaries import lasting
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request
from sipgw.sip.registrar import RegisterResponse, Registrar, no_registrar
from sipgw.trunks.call_alarms import CallAlarms
from sipgw.trunks.kept_alarms import KeptAlarms
from sipgw.trunks.route_selector import RouteSelector
from sipgw.trunks.trunk_slots import TrunkSlots
from sipgw.trunks.watch import TrunkStatus, TrunkWatch

log = structlog.get_logger()

VOICES = Pool("the voice model", workers=1, waiting=16)


class RunningParts(NamedTuple):
    """The parts of a gateway that exist only while it runs."""

    store: Store
    agent_providers: AgentProviders
    dispatcher: CallDispatcher
    knowledge: KnowledgeBase
    gate: Gate
    spent: SharedSpent


class Gateway:
    """A running gateway. Use it as an async context manager."""

    def __init__(self, config: GatewayConfig, agents: Mapping[str, AgentConfig] | None = None) -> None:
        self.config = config
        self.agents = Agents(config, agents or {})
        self.watchers = Watchers[Event]()
        self.evidence = CallEvidence(config.capture, self.agents)
        kept = KeptAlarms(Path(f"{config.store.path}.alarms"), {trunk.name for trunk in config.trunks})
        alarms = CallAlarms(
            config.alarms, self.watchers.tell, lambda: self._parts.spent.today, config.cost.currency, kept
        )
        self.watchers.add(alarms.watch)  # first: watchers get an alarm before the end of the call that raised it
        self.watchers.add(self.evidence.watch)
        self.admission = Admission(
            config.admission, config.trunks, config.accounts, secrets.token_bytes(32), lambda: secrets.token_hex(8)
        )
        self.registrar = Registrar(self.admission.foreign)
        cluster = Cluster(config.cluster) if config.cluster.redis else None
        self._shared = SharedCalls(cluster, self._here)
        self.watch = TrunkWatch(
            self.admission.trunks,
            self.admission.capacity.calls,
            Path(f"{config.store.path}.instance"),
            Leases(cluster) if cluster else None,
            alarms.of,
        )
        self._stack = contextlib.AsyncExitStack()
        self._stack.push_async_callback(kept.settled)  # after the last call
        self._group = asyncio.TaskGroup()
        self.registry = CallRegistry()
        self._running: RunningParts | None = None

    async def __aenter__(self) -> Self:
        config, cluster, enter = self.config, self._shared.cluster, self._stack.enter_async_context
        self._look_ahead()
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(self._stack)
            store = await enter(Store(config.store, config.storage))
            redact = self.agents.redact
            deliveries = await enter(Deliveries(store, self._targets(store), redact("webhooks")))
            artifacts = Artifacts()
            await enter(self._maintenance(store, artifacts))
            writer = await enter(CdrWriter(store, self.watchers, redact("records"), deliveries, self.agents.reports))
            artifacts.keep = writer.keep
            self.registry.remember(await store.latest(REMEMBERED))
            await enter(AudioRedactor(self.watchers, self._recorded, self.agents.privacy))
            engine = await self._begin_media()
            agent_providers = await enter(AgentProviders(self.open_providers))
            providers = await self._hire(agent_providers, self.agents)
            await self._load_models(self._configs())
            await engine.ready()
            load = LoadMeter(self.admission.capacity, lambda: engine.processes, SPOOL)
            self.watchers.add(load.watch)
            await enter(KeptPhones(self.registrar, Path(f"{config.store.path}.phones"), self.admission.users))
            endpoint = self._endpoint()
            await enter(self.evidence.gathering(engine, endpoint, config.store.calls_folder, artifacts))
            stir = await verifier_of(self.config, cluster, self._stack)
            expenses = await expenses_of_today(store, prices_of(config), local_now, self.used)
            gate = await enter(gate_of(config, self._configs, store, self.admission.trunks.named))
            spent, limits, tenants = self._limits(expenses, cluster)
            knowledge = await enter(KnowledgeBase(store, expenses, lambda: str(self.watch.instance), limits.spent))
            await knowledge.begin(self._configs())
            originator = self._originator(endpoint, gate, cluster)
            services = CallServices(
                self.agents,
                providers,
                engine,
                endpoint,
                originator,
                TransferDialer(endpoint, originator, self.registrar, self.admission, config.people),
                SharedLimits(limits, cluster),
                tenants,
                expenses,
                self.watchers,
                call_tools(store, gate.own, originator),
                stir,
                knowledge,
                artifacts,
                writer.appended,
            )
            dispatcher = CallDispatcher(self.admission, services, self.registry, self._group, agent_providers.engage)
            self._running = RunningParts(store, agent_providers, dispatcher, knowledge, gate, spent)
            engage, budget = agent_providers.engage, services.budget
            await enter(ReportFiller(store, self.agents, providers, expenses, budget, engage, deliveries))
            await enter(self._group)
            self._stack.callback(self._group.create_task(lasting(load.run, "load is not measured"), name="load").cancel)
            await enter(endpoint)  # last, because calls come at once
            if cluster:
                await enter(cluster)
            self.watch.start(endpoint, self._group)
            stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.turn_away()
        await self.registry.stop_all()
        await self._stack.aclose()  # the body's own error stays what it is

    async def reload(self, config: GatewayConfig, others: Mapping[str, AgentConfig]) -> list[OptionChange]:
        """Apply the agents and routes of a changed configuration from the next call on. Returns the changes.

        Options that need a restart keep their values (`OptionChange.needs_restart`). Raises the errors of a start;
        nothing has changed then.
        """
        agents, now = reloaded(self.config, config, others), self.agents.all
        before = {name: one.config for name, one in now.items() if name != DEFAULT}
        found = changes(self.agents.config, config, before, others)
        configs = {name: one.config for name, one in agents.all.items()}
        await self._load_models(configs)
        read = await self._parts.knowledge.load(configs, fresh=False)
        # An unchanged provider keeps its connections.
        kept = [name for name, one in agents.all.items() if name in now and now[name].config == one.config]
        hired = await self._hire(self.agent_providers, agents, kept)
        self.services.providers.clear()
        self.services.providers.update(hired)
        self.agents.become(agents)
        self._parts.knowledge.put(read)
        self._parts.knowledge.read_on(configs)
        for note in (*agents.unpriced(), *agents.unspoken()):
            log.warning("reloaded with a warning", cause=note)
        return found

    async def _hire(
        self, agent_providers: AgentProviders, agents: Agents, unchanged: Collection[str] = ()
    ) -> dict[str, Providers]:
        """Open the providers of all agents that are not `unchanged`. If it raises, nothing has changed."""
        for one in agents.all.values():
            try:
                one.config.recording.prepare()
            except OSError as error:
                fault = RuleError(f"{error.filename}: {error.strerror}", ("recording", "folder"))
                raise one.config.explained(fault, one.told) from None
        return await agent_providers.become(agents, unchanged)

    async def _begin_media(self) -> MediaEngine:
        """Begin to start the media processes, on other cores, while this process imports the providers' packages."""
        engine = MediaEngine(self.config.media, self.config.capture.tap, both=self.config.sip.host == "::")
        await engine.begin()
        self._stack.push_async_exit(engine)
        self.admission.capacity.delay = lambda: engine.delay
        return engine

    def open_providers(
        self, config: AgentConfig, choice: ProviderChoice, speech: LocalSpeech | None
    ) -> AbstractAsyncContextManager[Providers]:
        """The providers of one agent; `sipgw simulate` overrides this method."""
        return opened(config, choice, speech)

    def used(self, report: Used) -> None:
        """Count paid use of a provider, in a call or outside of calls; `sipgw eval` overrides this method."""

    @property
    def _parts(self) -> RunningParts:
        if self._running is None:
            raise RuntimeError("the gateway is not running")
        return self._running

    @property
    def dispatcher(self) -> CallDispatcher:
        """Begins the calls."""
        return self._parts.dispatcher

    @property
    def services(self) -> CallServices:
        """The services for every call."""
        return self.dispatcher.services

    @property
    def expenses(self) -> Expenses:
        """The bills of all that is paid for, and the sum of the day."""
        return self.services.expenses

    def budget(self) -> Declined | None:
        """Why nothing more may be paid for today, or None."""
        return self.services.budget()

    @property
    def endpoint(self) -> Endpoint:
        """The SIP endpoint."""
        return self.services.endpoint

    @property
    def originator(self) -> Originator:
        """Makes calls out."""
        return self.services.originator

    @property
    def agent_providers(self) -> AgentProviders:
        """The providers of all agents."""
        return self._parts.agent_providers

    @property
    def gate(self) -> Gate:
        """Judges every call out."""
        return self._parts.gate

    @property
    def store(self) -> Store:
        """The database."""
        return self._parts.store

    @property
    def sip_port(self) -> int:
        """The port at which phones reach us."""
        return self.endpoint.port

    @property
    def calls(self) -> dict[str, CallSession]:
        """The calls that are going on, by their identity."""
        return self.registry.calls

    def originate(self, request: OriginateRequest) -> CallHandle:
        """Start a call, see `sipgw.calls.dispatch.CallDispatcher.originate`."""
        return self.dispatcher.originate(request)

    def stop(self, call: str, cause: str) -> None:
        """End a running or ringing call."""
        self.registry.stop(call, cause)

    def _recorded(self, call: str) -> RecordedCall | None:
        session = self.registry.get(call)
        return RecordedCall(session.info.agent, session.context.call_recording) if session else None

    def _look_ahead(self) -> None:
        """Log products without a price. Raises `media.rtp.srtp.SrtpUnavailableError` if a trunk needs SRTP."""
        for note in self.agents.unpriced():
            log.warning("a cap counts an upper bound", reason=note)
        if any(trunk.srtp != "off" for trunk in self.admission.trunks.all):
            srtp.check()

    async def _load_models(self, configs: Mapping[str, AgentConfig]) -> None:
        await VOICES.run(voice.load)
        await LOADING.run(names.load, {kind for one in configs.values() for kind in one.privacy.redact})

    def _targets(self, store: Store) -> list[Target]:
        """The targets of events: the webhooks, and owners by mail."""
        config = self.config
        mailers = [Mailer(config.mail, self.agents.owner, store, config.alarms.mail_to)] if config.mail.host else []
        return [*config.webhooks, *mailers]

    def _originator(self, endpoint: Endpoint, gate: Gate, cluster: Cluster | None) -> Originator:
        calls, signer = self.admission.capacity.calls, signer_of(self.config)
        routes = RouteSelector(self.admission.trunks.all, calls, self.watch.reachable)
        return Originator(endpoint, routes, TrunkSlots(calls, cluster), gate, signer)

    def _limits(self, expenses: Expenses, cluster: Cluster | None) -> tuple[SharedSpent, InboundLimits, TenantLimits]:
        spent = SharedSpent(expenses, cluster)
        return spent, InboundLimits(self.config.limits, spent.spent), TenantLimits(expenses, spent.spent, cluster)

    def _maintenance(self, store: Store, artifacts: Artifacts) -> Maintenance:
        purge, mask = Jobs(store, "").purge, audit.masker(self.config.audit_folder)
        return Maintenance(store, self.config, purge, mask, self._recording_folders, artifacts, self.evidence)

    def _recording_folders(self) -> set[str]:
        return {one.recording.folder for one in self._configs().values()} - {""}

    def _configs(self) -> dict[str, AgentConfig]:
        return {name: one.config for name, one in self.agents.all.items()}

    def _gates(self) -> list[GateOptions]:
        return [one.gate for one in self._configs().values()]

    def turn_away(self) -> None:
        """Refuse new calls: INVITE and OPTIONS get 503; registrations are removed."""
        self.admission.capacity.draining = True
        self.watch.stop(self.endpoint)

    def status(self) -> list[TrunkStatus]:
        """The state of each trunk."""
        return self.watch.status()

    async def everywhere(self) -> list[GatewayCalls]:
        """The calls of all gateways of the cluster, this one included. Raises `cluster.shared.Unreachable`."""
        return await self._shared.all()

    def _here(self) -> GatewayCalls:
        return GatewayCalls(
            self.config.cluster.called,
            self.admission.capacity.draining,
            {call: session.row() for call, session in self.calls.items()},
        )

    def _on_invite(self, leg: Leg) -> None:
        self.dispatcher.accept(leg)  # it exists only after the endpoint

    def _endpoint(self) -> Endpoint:
        admission, now = self.admission, asyncio.get_running_loop().time

        def register(request: Request, source: Peer, at: float) -> RegisterResponse:
            return self.registrar.register(admission.user(request), request, source, at)

        return Endpoint(
            self.config.sip,
            self._on_invite,
            lambda request, source: admission.judge(request, source, now()),
            self.evidence.trace,
            screen=lambda host: admission.screen(host, now()),
            met=admission.met,
            register=register if self.config.accounts else no_registrar,
            known=admission.known,
            bound=self.registrar.bound,
            forbidden=EmergencyGuard(admission.trunks, self._gates, self.registrar).refusal,
        )
