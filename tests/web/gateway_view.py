"""A house for the dashboard with a real database and calls that are only there to be looked at."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import httpx

from agent.call_control import CallControlRefused
from agent.turn_taking.table import State
from sipgw.agents.agents import Agents
from sipgw.agents.products import prices_of
from sipgw.agents.prompt_files import PromptFiles
from sipgw.calls.conference import COVERT, Mode, silent
from sipgw.calls.info import CallInfo
from sipgw.calls.listeners import Listeners
from sipgw.calls.registry import CallHandle
from sipgw.calls.request import OriginateRequest
from sipgw.calls.session import CallSession
from sipgw.calls.transfer_legs import Consult
from sipgw.calls.transfer_targets import TransferTarget
from sipgw.calls.transfers import TransferState
from sipgw.cluster.calls import GatewayCalls
from sipgw.config.agent_files import load_agents
from sipgw.config.config import AgentConfig, GatewayConfig, load
from sipgw.config.inbound import AdmissionOptions
from sipgw.config.records import CaptureOptions, StoreOptions
from sipgw.config.tenants import tenant_of
from sipgw.config.trunks import TrunkOptions
from sipgw.events import Disposition, Watchers
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.gate.gate import Gate, gate_of
from sipgw.policy.inbound.admission import Admission
from sipgw.policy.inbound.limits import Declined, InboundLimits
from sipgw.records.artifacts.recordings import CallRecording
from sipgw.records.evidence import CallEvidence
from sipgw.records.store.store import Store
from sipgw.sip.events import Referred
from sipgw.sip.identity import Identity
from sipgw.sip.uri import Uri
from sipgw.trunks.route_selector import NotDialled
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.accounts import Accounts
from sipgw.web.app import application
from sipgw.web.authentication import Authentication
from sipgw.web.feed import Feed
from sipgw.web.overview import Overviews

TRUNK = TrunkOptions("office", "peer", networks=("127.0.0.1/32",))


@dataclass
class Talking:
    """Stands for a conversation."""

    state: State = State.SPEAKING
    did: list[tuple[Any, ...]] = field(default_factory=list)
    """What it was told to do."""
    ending: bool = False

    @property
    def call_control(self) -> "Talking":
        return self

    def __getattr__(self, name: str) -> Any:
        def do(*arguments: Any) -> None:
            if self.ending:
                raise CallControlRefused("the call is ending")
            self.did.append((name, *arguments))

        if name not in ("say", "instruct", "send_digits", "transfer", "end"):
            raise AttributeError(name)
        return do


@dataclass
class Sounding:
    """Stands for a call's line."""

    mos: float = 4.3
    listeners: Listeners = field(default_factory=lambda: Listeners(lambda on: None))
    counts: dict[str, Any] = field(default_factory=dict)
    on_hold: bool = False

    async def stats(self) -> dict[str, Any]:
        return self.counts


@dataclass
class Operators:
    """Stands for a call's conference and transfers: anna joins the call, and nobody else does."""

    third: Any = None
    outcome: Referred | None = None
    state = TransferState.FREE
    person = None

    @property
    def instead(self) -> str:
        return self.third.name if self.third and silent(self.third.mode) else ""

    async def join(
        self, leg: None, name: str, mode: Mode, consult: Consult | None = None, *, brief: bool = False
    ) -> bool:
        if name != "anna":
            self.outcome = Referred(False, 486, "Busy Here")
            return False
        target = TransferTarget(Uri("sip", host=name), name=name)
        person = SimpleNamespace(leg=self, number="200", since=datetime.now(UTC), line=Sounding(4.3))
        self.third = SimpleNamespace(name=name, mode=mode, target=target, person=person, supervises=mode in COVERT)
        return True

    def change(self, mode: Mode) -> None:
        if self.third is None:
            raise CallControlRefused("nobody has joined this call")
        self.third.mode = mode

    def leave(self, note: str = "") -> None:
        if self.third is None:
            raise CallControlRefused("nobody has joined this call")
        self.third = None


def live_call(
    number: int = 1,
    caller: str = "+15550100",
    *,
    conversation: Talking | None = None,
    mos: float = 4.3,
    bill: Any = None,
    call_recording: CallRecording | None = None,
    **changes: Any,
) -> CallSession:
    info = CallInfo(f"call-{number}", TRUNK, Identity(number=caller, dialled="+15550199"), agent="agent")
    info.answered = info.began
    for name, value in changes.items():
        setattr(info, name, value)
    services: Any = SimpleNamespace(engine=None, watchers=Watchers())
    session = CallSession(info, services)
    session.connection = SimpleNamespace(leg=None)  # type: ignore[assignment]
    session.transfers = session.conference = Operators()  # type: ignore[assignment]
    session.context.line = Sounding(mos)  # type: ignore[assignment]
    session.context.conversation = conversation or Talking()  # type: ignore[assignment]
    session.context.bill, session.context.call_recording = bill, call_recording or CallRecording()
    return session


def trunk_named(config: GatewayConfig, name: str) -> TrunkOptions | None:
    return next((trunk for trunk in config.trunks if trunk.name == name), None)


@dataclass
class FakeGatewayView:
    """A `sipgw.web.state.GatewayView`."""

    config: GatewayConfig
    store: Store
    calls: dict[str, CallSession] = field(default_factory=dict)
    watchers: Watchers = field(default_factory=Watchers)
    admission: Admission = field(
        default_factory=lambda: Admission(AdmissionOptions(), (TRUNK,), (), b"k" * 32, lambda: "t")
    )
    evidence: CallEvidence = field(default_factory=lambda: CallEvidence(CaptureOptions(), Agents(GatewayConfig(), {})))
    errands: list[OriginateRequest] = field(default_factory=list)
    """The calls that were asked for."""
    sip_port: int = 5060
    others: Mapping[str, AgentConfig] = field(default_factory=dict)
    """Agents beside that of the configuration."""
    trunks: tuple[str, ...] = ("office",)

    @cached_property
    def expenses(self) -> Expenses:
        return Expenses(prices_of(self.config), lambda: datetime.now(UTC))

    def budget(self) -> Declined | None:
        return InboundLimits(self.config.limits, self.expenses.spent).budget()

    @property
    def agents(self) -> Agents:
        return Agents(self.config, self.others)

    def files(self, path: Path, variables: Mapping[str, str]) -> PromptFiles:
        """Its configuration in files, and those of `agents/` beside it; they are read whenever it reloads."""

        async def reload() -> None:
            config = load(path, variables)
            others = load_agents(path.parent / "agents", config, variables)
            Agents(config, others)
            self.config, self.others = config, others

        return PromptFiles(path, reload)

    @cached_property
    def gate(self) -> Gate:
        config = replace(self.config, store=self.store.options)
        return gate_of(config, dict, self.store, lambda name: trunk_named(self.config, name))

    async def everywhere(self) -> list[GatewayCalls]:
        return [GatewayCalls("here", False, {call: live.row() for call, live in self.calls.items()})]

    def status(self) -> list[TrunkStatus]:
        return [TrunkStatus(name, "", "", "up", "", len(self.calls)) for name in self.trunks]

    def stop(self, call: str, cause: str) -> None:
        self.calls.pop(call).context.stop(Disposition("ended_here", cause))

    def originate(self, request: OriginateRequest) -> CallHandle:
        if request.agent not in self.agents.all:
            raise NotDialled(f"there is no agent {request.agent!r}")
        self.errands.append(request)
        session = live_call(7, direction="out", answered=None)
        session.info.id = request.call or session.info.id
        session.info.tenant = tenant_of(request.agent, self.config.tenants)
        self.begin(session)
        return CallHandle(session.info, session, None)  # type: ignore[arg-type]

    def begin(self, session: CallSession) -> CallSession:
        self.calls[session.info.id] = session
        return session


@dataclass
class Visit:
    """A browser at the dashboard of a house."""

    gateway: FakeGatewayView
    browser: httpx.AsyncClient
    feed: Feed
    auth: Authentication
    overviews: Overviews

    async def token(self, path: str = "/") -> dict[str, str]:
        """The header that a script of the page sends along."""
        found = re.search(r'<meta name="csrf" content="([^"]+)">', (await self.browser.get(path)).text)
        assert found
        return {"X-CSRF-Token": found[1]}


@contextlib.asynccontextmanager
async def visit(
    folder: Path, toml: str = "", secrets: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Visit]:
    variables = {"PASSWORD": "correct horse", "ANOTHER": "battery staple", **secrets}
    file = folder / "sipgw.toml"
    file.write_text(toml)
    config = load(file, variables)
    async with Store(StoreOptions(str(folder / "test.db")), config.storage) as store:
        gateway = FakeGatewayView(config, store, others=load_agents(folder / "agents", config, variables))
        feed = Feed(lambda: gateway.calls)
        auth = Authentication(config.web, Accounts(store), config.tenants)
        await auth.prepare()
        served = application(gateway, config.web, feed, auth, gateway.files(file, variables))  # type: ignore[arg-type]
        transport = httpx.ASGITransport(served)
        async with (
            served.state.app.prompts.comparisons,
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as browser,
        ):
            yield Visit(gateway, browser, feed, auth, served.state.app.overviews)
