"""A house for the dashboard with a real database and calls that are only there to be looked at."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from agent.steering import CannotSteer
from agent.turn_table import State
from sipgw.agents.agents import Agents
from sipgw.calls.audience import Audience
from sipgw.calls.live import CallHandle, LiveCall, row
from sipgw.calls.transfers import Summon
from sipgw.cluster.calls import GatewayCalls
from sipgw.config import Config, parse
from sipgw.events import Disposition, Watchers
from sipgw.evidence.capture import CaptureOptions
from sipgw.evidence.evidence import Evidence
from sipgw.inbound.admission import Admission, AdmissionOptions
from sipgw.outbound.call_out import OriginateRequest
from sipgw.sip.identity import Identity
from sipgw.store import Store, StoreOptions
from sipgw.trunks.route_selector import NotDialled
from sipgw.trunks.trunks import TrunkOptions
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.accounts import Accounts
from sipgw.web.app import application
from sipgw.web.entrance import Entrance
from sipgw.web.feed import Feed

TRUNK = TrunkOptions("office", "peer", networks=("127.0.0.1/32",))


@dataclass
class Talking:
    """Stands for a conversation."""

    state: State = State.SPEAKING
    did: list[tuple[Any, ...]] = field(default_factory=list)
    """What it was told to do."""
    ending: bool = False

    @property
    def steering(self) -> "Talking":
        return self

    def __getattr__(self, name: str) -> Any:
        def do(*arguments: Any) -> None:
            if self.ending:
                raise CannotSteer("the call is ending")
            self.did.append((name, *arguments))

        if name not in ("say", "instruct", "send_digits", "transfer", "end"):
            raise AttributeError(name)
        return do


@dataclass
class Held:
    """Stands for a call's media."""

    mos: float = 4.3
    instead: str = ""
    audience: Audience = field(default_factory=lambda: Audience(lambda on: None))
    asked: list[str] = field(default_factory=list)
    """Who was asked to take the call over."""

    async def take_over(self, who: str, summon: Summon | None = None) -> bool:
        self.asked.append(who)
        if who != "anna":
            return False
        self.instead = who
        return True

    def give_back(self) -> None:
        if not self.instead:
            raise CannotSteer("nobody has taken this call over")
        self.instead = ""


def live_call(number: int = 1, caller: str = "+15550100", **changes: Any) -> LiveCall:
    identity = Identity(number=caller, dialled="+15550199")
    live = LiveCall(f"call-{number}", TRUNK, identity, agent="agent")
    live.answered, live.call, live.conversation = live.began, Held(), Talking()  # type: ignore[assignment]
    for name, value in changes.items():
        setattr(live, name, value)
    return live


@dataclass
class Standing:
    """A `sipgw.web.state.House`."""

    config: Config
    store: Store
    calls: dict[str, LiveCall] = field(default_factory=dict)
    watchers: Watchers = field(default_factory=Watchers)
    admission: Admission = field(
        default_factory=lambda: Admission(AdmissionOptions(), (TRUNK,), (), b"k" * 32, lambda: "t")
    )
    evidence: Evidence = field(default_factory=lambda: Evidence(CaptureOptions()))
    draining: bool = False
    errands: list[OriginateRequest] = field(default_factory=list)
    """The calls that were asked for."""

    @property
    def agents(self) -> Agents:
        return Agents(self.config, {})

    async def everywhere(self) -> list[GatewayCalls]:
        return [GatewayCalls("here", False, {call: row(live) for call, live in self.calls.items()})]

    def status(self) -> list[TrunkStatus]:
        return [TrunkStatus("office", "", "", "up", "", len(self.calls))]

    def stop(self, call: str, cause: str) -> None:
        self.calls.pop(call).stopped = Disposition("ended_here", cause)

    def place(self, errand: OriginateRequest) -> CallHandle:
        if errand.agent not in self.agents.all:
            raise NotDialled(f"there is no agent {errand.agent!r}")
        self.errands.append(errand)
        live = live_call(7, direction="out", answered=None)
        live.id = errand.call or live.id
        self.begin(live)
        return CallHandle(live, None)  # type: ignore[arg-type]

    def begin(self, live: LiveCall) -> LiveCall:
        self.calls[live.id] = live
        return live


@dataclass
class Visit:
    """A browser at the dashboard of a house."""

    house: Standing
    browser: httpx.AsyncClient
    feed: Feed
    entrance: Entrance

    async def token(self, path: str = "/") -> dict[str, str]:
        """The header that a script of the page sends along."""
        found = re.search(r'<meta name="csrf" content="([^"]+)">', (await self.browser.get(path)).text)
        assert found
        return {"X-CSRF-Token": found[1]}


@contextlib.asynccontextmanager
async def visit(folder: Path, toml: str = "") -> AsyncIterator[Visit]:
    config = parse(toml, "test.toml", {"PASSWORD": "correct horse", "ANOTHER": "battery staple"})
    async with Store(StoreOptions(str(folder / "test.db"))) as store:
        house = Standing(config, store)
        feed = Feed(lambda: house.calls)
        entrance = Entrance(config.web, Accounts(store))
        await entrance.prepare()
        transport = httpx.ASGITransport(application(house, config.web, feed, entrance))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as browser:
            yield Visit(house, browser, feed, entrance)
