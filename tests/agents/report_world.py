# mypy: disable-error-code="arg-type"
"""A gateway's records with what fills in reports, a scripted model, and a server that gets the webhooks."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolSchema, Usage, form_in
from agent.meter import MeteredLlm
from agent.providers.openai_client import OpenAIOptions
from agent.records import ToolRun
from sipgw.agents.agents import Agents
from sipgw.agents.products import prices_of
from sipgw.agents.report_filler import ReportFiller
from sipgw.config.config import GatewayConfig
from sipgw.config.cost import PriceOptions
from sipgw.config.records import StoreOptions, WebhookOptions
from sipgw.config.report import ReportFieldOptions, ReportOptions
from sipgw.events import CallEnded, Event, Watchers
from sipgw.policy.cost.cost import Expenses
from sipgw.policy.inbound.limits import InboundLimits
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.store import Store
from sipgw.records.webhooks.deliveries import Deliveries
from tests.cdr_events import START, a_call, turn
from tests.waiting import until

CARD = "4111 1111 1111 1111"
NOW = START + timedelta(minutes=2)
REPORT = ReportOptions(
    "The caller knows when it arrives.", fields=(ReportFieldOptions("number", "The order", "integer"),)
)
TURNS = [turn(f"Where is 7346? My card is {CARD}.", "On its way.", ToolRun("order", {"n": "7346"}, {"status": "sent"}))]
REPLY = json.dumps(
    {
        "summary": f"They asked for order 7346 and named {CARD}.",
        "achieved": {"value": True, "turn": 0, "quote": "on its way"},
        "fields": {"number": {"value": 7346, "turn": 0, "quote": "Where is 7346"}},
    }
)
Act = Callable[[], Sequence[Piece]]


class ScriptedLlm:
    """A model that says what the test tells it to, and keeps what it was asked."""

    name = "scripted"

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.asked: list[tuple[Sequence[Message], Sequence[ToolSchema]]] = []
        self.judge: Act = lambda: [Text('{"achieved": true}'), Usage(500, 10)]
        """What it says where it is asked to judge a report, and what it was asked then."""
        self.claims: list[dict[str, Any]] = []

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        if (form := form_in(tools)) is not None and form.name == "check":
            self.claims.append(json.loads(messages[1]["content"]))
            for piece in self.judge():
                yield piece
            return
        self.asked.append((messages, tools))
        act = self.acts.pop(0) if self.acts else lambda: [Text(REPLY), Usage(1000, 100)]
        for piece in act():  # type: ignore[assignment]
            yield piece

    async def close(self) -> None:
        """Nothing is open."""


def away() -> Sequence[Piece]:
    raise ProviderError("scripted", "connection failed", temporary=False, refused=True)


class World:
    """A gateway's records with what fills in reports, and the bodies of its webhooks."""

    def __init__(self, store: Store, config: GatewayConfig) -> None:
        self.store, self.config, self.llm = store, config, ScriptedLlm()
        self.took: list[dict[str, Any]] = []
        self.watchers = Watchers[Event]()
        self.agents = Agents(config, {})
        self.expenses = Expenses(prices_of(config), lambda: NOW)
        self.filler: ReportFiller
        self.writer: CdrWriter

    async def send(self, target: WebhookOptions, body: bytes, headers: dict[str, str]) -> None:
        self.took.append(json.loads(body))

    async def call(self, events: Sequence[Event]) -> None:
        for event in events:
            self.watchers.tell(event)
        await self.writer.written()

    async def report(self, call: str = "c") -> dict[str, Any]:
        found = await self.store.report(call)
        assert found is not None
        return found

    async def told(self) -> dict[str, Any]:
        """The one webhook that tells of a report."""
        await until(lambda: [one for one in self.took if one["event"] == "report"])
        (found,) = [one for one in self.took if one["event"] == "report"]
        return found


@contextlib.asynccontextmanager
async def world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    prices = (
        PriceOptions("llm", "*", "tokens_in", 1.0, 1_000_000),
        PriceOptions("llm", "*", "tokens_out", 10.0, 1_000_000),
    )
    config = GatewayConfig(
        **{"store": StoreOptions(str(folder / "x.db")), "report": REPORT, "prices": prices} | changes,
        openai=OpenAIOptions(api_key="sk"),  # type: ignore[call-arg]
    )
    target = WebhookOptions("crm", "https://crm.example/calls", "a secret of the two of us")
    async with Store(config.store) as store:
        made = World(store, config)
        redact = made.agents.redact
        async with (
            Deliveries(store, (target,), redact("webhooks"), send=made.send) as queue,
            CdrWriter(store, made.watchers, redact("records"), queue, made.agents.reports) as made.writer,
        ):
            providers: Any = {"agent": SimpleNamespace(llm=MeteredLlm(made.llm, by="openai/x"))}
            limits = InboundLimits(config.limits, made.expenses.spent)
            made.filler = ReportFiller(
                store, made.agents, providers, made.expenses, lambda _: limits.budget(), lambda _: None, queue
            )
            yield made


def run(folder: Path, test: Callable[[World], Any], **changes: Any) -> None:
    async def scenario() -> None:
        async with world(folder, **changes) as made:
            await test(made)

    asyncio.run(scenario())


def ended(call: str = "c", **cost: float) -> list[Event]:
    """All events of a call that has cost `cost`."""
    *events, last = a_call(call, TURNS)
    assert isinstance(last, CallEnded)
    return [*events, last._replace(cost={"total": 0.5, "most": 0.5, "llm": 0.25, "used": {}} | cost)]
