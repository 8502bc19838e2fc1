# mypy: disable-error-code="attr-defined"
"""Whatever a stranger or a caller can make grow has a bound, and a counter that operators see in ``/metrics``.

`BOUNDS` is the list of them all; each is filled here, or by the test that it names.
"""

import ast
import asyncio
import contextlib
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from agent.tools import Toolbox
from sipgw.agents.agents import Agents
from sipgw.bounds import FULL
from sipgw.calls import browser_phone as phone
from sipgw.calls.listeners import Listeners, TooManyListeners
from sipgw.calls.registry import CallRegistry
from sipgw.config.config import GatewayConfig
from sipgw.config.inbound import LimitOptions
from sipgw.config.outbound import CallbackOptions
from sipgw.config.records import CaptureOptions, StoreOptions, WebhookOptions
from sipgw.config.tenants import TenantOptions
from sipgw.events import CallBegan, CallEnded, CallKey, Disposition
from sipgw.outbound import jobs
from sipgw.outbound.promises import CallbackContext, callback_tool
from sipgw.policy.inbound.limits import Caller, InboundLimits
from sipgw.records.captures.capture import OVERHEAD, SipCapture
from sipgw.records.evidence import WRITERS, CallEvidence
from sipgw.records.store import spool
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DeliveryRecord
from sipgw.records.webhooks import deliveries
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.telemetry.metrics import Metrics
from sipgw.web.feed import WAITING, Feed
from sipgw.web.sessions import Sessions
from tests import fill_bounds
from tests.outbound.test_jobs import NOW, US
from tests.records.captures.test_capture import message

TESTS = Path(__file__).parent
Fill = Callable[[Path, pytest.MonkeyPatch], Awaitable[object]]


@dataclass(frozen=True)
class Bound:
    """One thing that others can make grow."""

    where: str
    """The constant, or the option, that bounds it: ``module:NAME``."""
    counter: str
    """Its name in `FULL`; or of another family of metrics."""
    fill: "Fill | str"
    """What fills it over the bound; or the test that does, ``file::name``."""


def key(call: str) -> CallKey:
    return CallKey(call, NOW)


async def callbacks_of_one(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """In one call, numbers without end."""
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        kept, asking = jobs.Jobs(store, ""), CallbackContext(key("call-1"), "desk", "+14155550123", US, verified=True)
        tools = Toolbox(
            [callback_tool(kept, AsyncMock(return_value=asking), CallbackOptions(other_numbers=True), lambda: NOW)]
        )
        ask = '{"phone_number": "415 555 01%02d", "when": "tomorrow at %d pm"}'
        runs = [await tools.run("schedule_callback", ask % (number, 3)) for number in range(20)]
        assert sum(not run.error for run in runs) == jobs.MOST_OF_ONE == len(await kept.all(""))
        again = await tools.run("schedule_callback", ask % (0, 4))
        assert again.result["status"].startswith("moved"), "that takes no further place"


async def callbacks_of_all(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Of callers without end, each in a call of their own."""
    patch.setattr(jobs, "MOST_CALLBACKS", 5)
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        kept = jobs.Jobs(store, "")
        for number in range(20):
            asking = CallbackContext(key(f"call-{number}"), "desk", f"+141555501{number:02}", US, verified=True)
            tools = Toolbox([callback_tool(kept, AsyncMock(return_value=asking), CallbackOptions(), lambda: NOW)])
            await tools.run("schedule_callback", f'{{"phone_number": "{asking.number}", "when": "tomorrow at 3 pm"}}')
        assert len(await kept.all("")) == 5


async def callbacks_of_tenants(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Of the callers of one tenant without end: others keep their room, also for the same people."""
    patch.setattr(jobs, "MOST_OF_TENANT", 5)
    tenants = TenantOptions("acme", ("desk", "shop")), TenantOptions("globex", ("globex",))
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        kept = jobs.Jobs(store, "")

        async def promised(agent: str, number: int) -> str:
            asking = CallbackContext(key(f"{agent}-{number}"), agent, f"+141555501{number:02}", US, verified=True)
            given = kept, AsyncMock(return_value=asking), CallbackOptions(), lambda: NOW
            tools = Toolbox([callback_tool(*given, tenants=tenants)])
            text = f'{{"phone_number": "{asking.number}", "when": "tomorrow at 3 pm"}}'
            return (await tools.run("schedule_callback", text)).error

        told = [await promised(("desk", "shop")[number % 2], number) for number in range(20)]
        assert told == [""] * 5 + ["too many calls back are promised already: say so, and promise nothing"] * 15
        assert [await promised(agent, 0) for agent in ("globex", "house")] == ["", ""]
        patch.setattr(jobs, "MOST_CALLBACKS", 2)
        assert [bool(await promised("house", number)) for number in (1, 2)] == [False, True]


async def webhooks(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """For a target that takes nothing."""
    patch.setattr(deliveries, "MOST_WAITING", 10)
    target = WebhookOptions("crm", "https://crm.example/calls", "a secret of the two of us")
    async with Store(StoreOptions(str(folder / "x.db"))) as store:
        clock = [NOW]
        queue = Deliveries(store, [target], now=lambda: clock[0])
        for number in range(30):
            entry = {"told": "completed", "call": f"c{number}", "set": {"ended": NOW.isoformat()}}
            async with store.write() as session:
                await queue.add(session, [entry])
        async with store.write() as session:
            waiting = list(await session.scalars(deliveries.select(DeliveryRecord)))
            assert len(waiting) == 10
            await session.delete(waiting[0])
            clock[0] += timedelta(seconds=deliveries.COUNT_AGAIN)
            await queue.add(session, [entry])
        async with store.read() as session:
            assert len(list(await session.scalars(deliveries.select(DeliveryRecord)))) == 10, "a place is taken again"


async def records(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """While the disk takes nothing."""
    patch.setattr(spool, "WAITING", 10)
    kept, *_ = spool.Spool.claim(folder)
    with contextlib.closing(kept):
        patch.setattr(spool.Spool, "_write", lambda *_: (_ for _ in ()).throw(OSError("full")))
        for _ in range(30):
            kept.append({})
        assert len(kept._waiting) == 10


async def listeners(folder: Path, patch: pytest.MonkeyPatch) -> None:
    listeners = Listeners(lambda on: None)
    with contextlib.ExitStack() as stack, pytest.raises(TooManyListeners):
        for _ in range(100):
            stack.enter_context(listeners.listen())


async def browser_calls(folder: Path, patch: pytest.MonkeyPatch) -> None:
    options = SimpleNamespace(max_calls=2, network=None)
    calls = phone.BrowserPhone(SimpleNamespace(config=SimpleNamespace(browser=options)))  # type: ignore[arg-type]
    calls._owners = {"one": "", "two": ""}
    with pytest.raises(phone.CallUnavailable, match="all 2 browser calls"):
        await calls._opened("three", None, "")  # type: ignore[arg-type]


async def changes(folder: Path, patch: pytest.MonkeyPatch) -> None:
    feed = Feed(dict)
    reading = feed.read("")
    await anext(reading)
    (queue,) = feed._readers
    while not queue.full():
        queue.put_nowait(b"")
    patch.setattr(feed._boards[""], "change", lambda calls: SimpleNamespace(rows={}, gone=[]))
    feed.tick()
    assert queue.qsize() == 1 < WAITING
    await reading.aclose()  # type: ignore[attr-defined]


async def sessions(folder: Path, patch: pytest.MonkeyPatch) -> None:
    tokens = iter(range(10_000))
    kept = Sessions(3600, 3600, lambda: str(next(tokens)))
    for _ in range(1100):
        kept.open("ada", "viewer", 0.0)
    assert len(kept._all) == 1000


async def callers(folder: Path, patch: pytest.MonkeyPatch) -> None:
    limits = InboundLimits(LimitOptions(per_number=5))
    for number in range(21_000):
        limits.admit(Caller(f"+{number}", "100", "192.0.2.1"), 1.0)
    assert len(limits._recent) == 20_000


async def call_ids(folder: Path, patch: pytest.MonkeyPatch) -> None:
    going = CallRegistry()
    for number in range(11_000):
        going.identity(str(number))
    assert len(going._given) == 10_000


def began(call: str, call_id: str = "") -> CallBegan:
    return CallBegan(call, datetime.now(UTC), "in", "pbx", "agent", "100", "200", {}, call_id)


async def messages(folder: Path, patch: pytest.MonkeyPatch) -> None:
    capture = SipCapture(100_000)
    for number in range(1000):
        capture.trace(message(f"call {number}"))
    assert capture.size <= 100_000


async def calls_of_one_call_id(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Whoever calls chooses the Call-ID: the same for calls without end, which share a ladder."""
    capture, ended = SipCapture(100_000), Disposition("caller_hung_up", "")
    for number in range(1000):
        capture.trace(message("same"))
        capture.watch(began(f"same {number}", "same"))
        capture.watch(CallEnded(f"same {number}", datetime.now(UTC), ended, {}))
    assert len(capture._calls) <= 100_000 // OVERHEAD


async def capture_files(folder: Path, patch: pytest.MonkeyPatch) -> None:
    evidence = CallEvidence(CaptureOptions(folder=str(folder)), Agents(GatewayConfig(), {}))
    evidence._writing = WRITERS
    evidence.watch(began("one"))
    evidence.watch(CallEnded("one", datetime.now(UTC), Disposition("caller_hung_up", ""), {}))
    assert evidence._writing == WRITERS


SHARES = "web/test_shares.py::test_what_a_tenant_has_taken_leaves_room_for_others"
BOUNDS = [
    Bound("sipgw.policy.gate.stop_calling:MOST_TOLD", "numbers not to call", fill_bounds.numbers_not_to_call),
    Bound("sipgw.outbound.jobs:MOST_OF_ONE", "callbacks", callbacks_of_one),
    Bound("sipgw.outbound.jobs:MOST_CALLBACKS", "callbacks", callbacks_of_all),
    Bound("sipgw.outbound.jobs:MOST_OF_TENANT", "callbacks of tenants", callbacks_of_tenants),
    Bound("sipgw.config.tenants:SHARE", "calls of tenants", "policy/cost/test_tenants.py::test_pace"),
    Bound("sipgw.outbound.jobs:MOST_CAMPAIGNS", "campaigns of tenants", "web/test_tenant_campaigns.py::test_bounds"),
    Bound("sipgw.outbound.jobs:MOST_ROWS", "campaigns of tenants", "web/test_tenant_campaigns.py::test_bounds"),
    Bound("sipgw.records.webhooks.deliveries:MOST_WAITING", "webhooks", webhooks),
    Bound("sipgw.records.store.spool:WAITING", "records", records),
    Bound("sipgw.calls.listeners:MOST", "live listeners of a call", listeners),
    Bound("sipgw.config.browser:BrowserOptions", "browser calls", browser_calls),
    Bound("sipgw.web.sign_outs:MOST", "sign-outs that wait", "web/test_sign_outs.py::test_no_more_wait_than_the_bound"),
    Bound("sipgw.config.embed:EmbedOptions", "calls of visitors", "web/test_embed.py::test_no_more_calls_at_once"),
    Bound(
        "sipgw.web.connections:PER_ADDRESS",
        "connections of browsers",
        "web/test_connections.py::test_one_address_has_a_share_of_the_connections",
    ),
    Bound("sipgw.web.feed:WAITING", "changes for a browser", changes),
    Bound("sipgw.web.feed:BROWSERS", "browsers that look on", SHARES),
    Bound("sipgw.web.transcript:PAGES", "browsers that look on", SHARES),
    Bound("sipgw.records.store.searching:AT_ONCE", "searches for words", SHARES),
    Bound("sipgw.web.campaigns:DRY_RUNS", "dry runs", SHARES),
    Bound("sipgw.web.one_call:BUNDLES", "bundles of tenants", SHARES),
    Bound("sipgw.web.operator_sockets:SOCKETS", "websockets of operators", SHARES),
    Bound("sipgw.web.sessions:MOST", "sessions", sessions),
    Bound("sipgw.web.throttle:TRIES", "tries to sign in", fill_bounds.tries),
    Bound("sipgw.web.placed:MOST", "idempotency keys", fill_bounds.keys),
    Bound("sipgw.policy.inbound.limits:REMEMBERED", "callers whose calls are counted", callers),
    Bound("sipgw.calls.registry:REMEMBERED", "Call-IDs", call_ids),
    Bound("sipgw.config.records:CaptureOptions", "SIP messages of calls", messages),
    Bound("sipgw.records.captures.capture:OVERHEAD", "SIP messages of calls", calls_of_one_call_id),
    Bound("sipgw.records.evidence:WRITERS", "capture files", capture_files),
    Bound("sipgw.records.artifacts.artifact:MOST_OPEN", "artifacts", fill_bounds.artifacts),
    Bound("sipgw.policy.inbound.admission:REMEMBERED", "addresses that were let in", fill_bounds.addresses),
    Bound("sipgw.policy.inbound.admission:STRANGERS_TOLD", "strangers that are told of", fill_bounds.strangers),
    Bound("sipgw.sip.challenge:COUNTS_KEPT", "nonces", fill_bounds.nonces),
    Bound("sipgw.config.networks:REMEMBERED", "networks of addresses", fill_bounds.networks),
    Bound("sipgw.web.authentication:KEYS_KNOWN", "keys that were good", fill_bounds.good_keys),
    Bound("sipgw.records.bundles.bundle_store:BundleStore", "bundles of calls", fill_bounds.bundles),
    Bound("sipgw.calls.listeners:KEPT", "sound for a listener", fill_bounds.listener),
    Bound("sipgw.calls.line_events:EVENTS_KEPT", "sound and keys of a call", fill_bounds.sound_and_keys),
    Bound("sipgw.web.transcript:WAITING", "words for a browser", fill_bounds.spoken),
    Bound("agent.relay.talk:WAITING", "messages of a brain", "agent/relay/test_faults.py::test_what_waits_is_bounded"),
    Bound("agent.call_control:SENTENCES", "news of a call", "agent/test_call_control.py::test_latest_news_are_told"),
    Bound("agent.mcp_lines:LARGEST", "answers of MCP servers", "agent/test_mcp_tools.py::test_answers_are_bounded"),
    Bound("sipgw.sip.public_address:MAX_KEPT", "sip: observer not kept", fill_bounds.observers),
    Bound("sipgw.sip.resolver:MAX_NAMES", "sip: name forgotten", fill_bounds.found_names),
    Bound("sipgw.sip.user_agent:MAX_OF_ONE_DIALOG", "sip: no room for a transaction", "sip/test_room.py::test_call"),
    Bound("sipgw.sip.health:MAX_KEPT", "sip: failure forgotten", fill_bounds.failures),
    Bound("sipgw.sip.resolver:MAX_LOOKUPS", "sip: lookup refused", fill_bounds.lookups),
    Bound(
        "sipgw.sip.resolver:MAX_SYSTEM",
        "sip: lookup refused",
        "sip/test_system_names.py::test_questions_that_wait_for_the_system_are_bounded",
    ),
    Bound("sipgw.sip.connection:MAX_WAITING", "sip: connection message dropped", fill_bounds.waiting_for_a_connection),
    *[
        Bound(where, counter, f"{file}::test_{test}")  # filled where they are at home
        for where, counter, file, test in (
            (
                "sipgw.sip.streams:MAX_STREAMS",
                "sip: connection made room",
                "sip/test_own_streams.py",
                "where_all_places_are_taken_that_one_of_ours_goes_which_was_not_used_for_the_longest",
            ),
            (
                "sipgw.sip.streams:MAX_OF_ONE_SOURCE",
                "sip: connection refused",
                "sip/test_hostile_streams.py",
                "one_source_that_takes_all_it_can_leaves_the_others_room",
            ),
            (
                "sipgw.sip.connection:CLOSE_LIMIT",
                "sip: connection refused",
                "sip/test_hostile_streams.py",
                "a_connection_that_is_closed_gives_its_place_back_though_nobody_reads",
            ),
            (
                "sipgw.sip.stateless:SENT_ON",
                "sip: forgotten 503",
                "sip/test_requests.py",
                "calls_that_went_elsewhere_are_remembered_in_bounds",
            ),
            # also of merged requests, of which each has a transaction
            (
                "sipgw.sip.user_agent:MAX_TRANSACTIONS",
                "sip: no room for a transaction",
                "sip/test_requests.py",
                "a_full_memory_refuses_new_calls_and_keeps_the_old",
            ),
            (
                "sipgw.policy.stir.verifier:MOST_SEEN",
                "signatures of callers",
                "policy/stir/test_verifier.py",
                "the_table_of_signatures_is_bounded",
            ),
            (
                "sipgw.policy.stir.certificates:REMEMBERED",
                "certificates of signers",
                "policy/stir/test_fetching.py",
                "the_cache_is_bounded",
            ),
            (
                "sipgw.policy.stir.certificates:MOST_FETCHES",
                "fetches of certificates",
                "policy/stir/test_fetching.py",
                "one_certificate_is_fetched_once_for_many_calls_and_not_too_many_at_a_time",
            ),
            (
                "sipgw.records.webhooks.mail:EACH",
                "mails of an hour",
                "records/webhooks/test_mail.py",
                "mails_beyond_the_bound_of_an_hour_wait",
            ),
            (
                "media.rtp.srtp:Srtp",
                "media: streams_given_up",
                "media/test_srtp_streams.py",
                "of_however_many_streams_two_are_kept",
            ),
            (
                "sipgw.records.artifacts.artifact:MOST_SPANS",
                "spans of recordings",
                "records/test_artifacts.py",
                "of_a_recording_with_too_many_private_parts_all_is_covered",
            ),
            (
                "sipgw.records.artifacts.artifact:MOST_UNDELETED",
                "files to delete",
                "records/store/test_removal.py",
                "what_waits_to_be_deleted_has_a_bound_and_beyond_it_no_call_is_deleted",
            ),
            (
                "sipgw.sip.leg:EVENTS_KEPT",
                "sip: event of a call dropped",
                "sip/test_endpoint.py",
                "a_leg_keeps_a_bounded_number_of_events_and_always_the_last",
            ),
            ("agent.pool:POOLS", "pool: refused", "agent/test_pool.py", "a_full_pool_says_so_and_counts_it"),
        )
    ],
]


@pytest.mark.parametrize("bound", [one for one in BOUNDS if callable(one.fill)], ids=lambda one: one.fill.__name__)
def test_what_is_full_takes_no_more_and_counts(bound: Bound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = FULL.copy()
    counts: Any = asyncio.run(bound.fill(tmp_path, monkeypatch))  # type: ignore[operator,arg-type]
    name = bound.counter.removeprefix("sip: ")
    if name == bound.counter:
        assert FULL[name] > before[name]
        assert f'sipgw_full_total{{what="{name}"}}' in Metrics(lambda: ()).text().decode()
    else:
        assert counts[name]
        text = Metrics(lambda: (), dropped=lambda: counts).text().decode()
        assert f'sipgw_sip_dropped_total{{why="{name}"}}' in text


@pytest.mark.parametrize("bound", BOUNDS, ids=lambda one: one.where)
def test_each_bound_is_there_and_filled_by_a_test(bound: Bound) -> None:
    module, _, name = bound.where.partition(":")
    assert hasattr(importlib.import_module(module), name)
    if isinstance(bound.fill, str):
        file, _, test = bound.fill.partition("::")
        found = [one.name for one in ast.parse((TESTS / file).read_text()).body if isinstance(one, ast.FunctionDef)]
        assert test in found, f"{file} has {[one for one in found if one.startswith('test')]}"
