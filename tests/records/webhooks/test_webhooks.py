# mypy: disable-error-code="call-arg"
"""Webhooks: signed, in order for each call, however long the target is down, and never where they should not go."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.records import ToolRun
from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.config.records import PrivacyOptions, StoreOptions, WebhookOptions
from sipgw.events import CallAnswered, CallTransferred, Watchers
from sipgw.records.artifacts.retention import expire_webhooks
from sipgw.records.cdr import writer
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.privacy.redaction import redactor_for
from sipgw.records.store.store import Store
from sipgw.records.store.tables import DeliveryRecord
from sipgw.records.webhooks import deliveries
from sipgw.records.webhooks.deliveries import Deliveries
from sipgw.records.webhooks.webhooks import PostFailed, genuine, new_client, post, signature
from tests.cdr_events import START, a_call, at, turn
from tests.fakes.http import Exchange, HttpServer
from tests.waiting import until

SECRET = "a secret of the two of us"
TARGET = WebhookOptions("crm", "https://crm.example/calls", SECRET)
TURNS = [turn("", "Hello."), turn("Where is 7346?", "On its way.", ToolRun("order", {"n": "7346"}, {"x": 1}))]
WHOLE = ["initiated", "ringing", "answered", "turn", "tool", "turn", "completed"]


class World:
    """A target whose time passes as fast as it is waited for."""

    def __init__(self) -> None:
        self.clock = self.last = START
        self.took: list[dict[str, Any]] = []
        self.tries = 0
        self.down = False
        self.refuses: set[tuple[str, str]] = set()

    def now(self):
        return self.clock

    async def sleep(self, seconds: float) -> None:
        if seconds == deliveries.LOOK:  # there is nothing to do until there is news, which may be late on a busy disk
            await asyncio.Event().wait()
        await asyncio.sleep(0.001)
        self.clock += timedelta(seconds=seconds)

    async def send(self, target: WebhookOptions, body: bytes, headers: dict[str, str]) -> None:
        self.tries += 1
        assert genuine(SECRET, headers["Sipgw-Signature"], body, self.clock.timestamp())
        told = json.loads(body)
        assert headers["Sipgw-Delivery"] == told["id"]
        if self.down or (told["call"], told["event"]) in self.refuses:
            raise PostFailed("answered 503")
        self.took.append(told)
        self.last = self.clock

    def of(self, call: str) -> list[str]:
        return [told["event"] for told in self.took if told["call"] == call]


@contextlib.asynccontextmanager
async def telling(folder: Path, world: World, *targets: WebhookOptions, **more: Any) -> AsyncIterator[Watchers]:
    watchers = Watchers()  # type: ignore[var-annotated]
    async with (
        Store(StoreOptions(str(folder / "x.db"))) as store,
        Deliveries(store, targets or (TARGET,), send=world.send, now=world.now, sleep=world.sleep, **more) as queue,
        CdrWriter(store, watchers, deliveries=queue),
    ):
        yield watchers


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "GATHER", 0.005)
    monkeypatch.setattr(deliveries, "GOODBYE", 0.5)
    monkeypatch.setattr(deliveries, "LOOK", 3600.0)
    monkeypatch.setattr(deliveries, "LONGEST_PAUSE", 300.0)


def test_a_call_is_told_in_order(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            *events, ended = a_call("c", TURNS)
            for event in [*events, CallTransferred("c", at(30), "sip:anna@pbx", True, 200, "OK"), ended]:
                watchers.tell(event)
            await until(lambda: len(world.took) == 8)

    asyncio.run(scenario(world := World()))
    assert world.of("c") == [*WHOLE[:-1], "transfer", "completed"]
    first, *_, turned, transfer, completed = world.took
    about = {"direction": "in", "trunk": "pbx", "agent": "agent", "caller": "+14155550123", "called": "100"}
    assert all(told["about"] == about for told in world.took)
    assert (first["at"], first["data"]["identity"]) == (START.isoformat(), {"number": "+14155550123"})
    assert turned["data"]["heard"] == "On its way."
    assert transfer["data"] == {"to": "sip:anna@pbx", "accepted": True, "status": 200, "reason": "OK"}
    assert (completed["data"]["ending"], completed["data"]["cause"]) == ("caller_hung_up", "caller: BYE")
    assert len({told["id"] for told in world.took}) == 8


@pytest.mark.parametrize(
    ("ending", "answered", "told"),
    [("caller_hung_up", True, "completed"), ("caller_hung_up", False, "failed"), ("failed", True, "failed")],
)
def test_a_call_completes_or_fails_with_its_cause(tmp_path: Path, ending: str, answered: bool, told: str) -> None:
    async def scenario(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            for event in a_call("c", ending=ending):
                if answered or not isinstance(event, CallAnswered):
                    watchers.tell(event)
            await until(lambda: world.of("c")[-1:] in (["completed"], ["failed"]))

    asyncio.run(scenario(world := World()))
    assert world.of("c")[-1] == told
    assert world.took[-1]["data"]["cause"] == "caller: BYE"


def test_a_target_that_is_down_for_an_hour_is_told_everything_afterwards_in_order(tmp_path: Path) -> None:
    async def scenario(world: World) -> timedelta:
        world.down = True
        async with telling(tmp_path, world) as watchers:
            for number in range(20):
                for event in a_call(f"call-{number}", TURNS):
                    watchers.tell(event)
            await until(lambda: world.clock > START + timedelta(hours=1))
            assert world.took == []
            world.down, up_again = False, world.clock
            await until(lambda: len(world.took) == 20 * len(WHOLE))
            return world.last - up_again

    took = asyncio.run(scenario(world := World()))
    assert all(world.of(f"call-{number}") == WHOLE for number in range(20))
    assert took < timedelta(minutes=15)
    assert world.tries - len(world.took) < 500, "it was not hammered meanwhile"


def test_the_gateway_may_stop_meanwhile(tmp_path: Path) -> None:
    async def down(world: World) -> None:
        async with telling(tmp_path, world) as watchers:
            for event in a_call("c", TURNS):
                watchers.tell(event)
            await until(lambda: world.tries)

    async def up(world: World) -> None:
        async with telling(tmp_path, world):
            await until(lambda: len(world.took) == len(WHOLE))

    world = World()
    world.down = True
    asyncio.run(down(world))
    world.down = False
    asyncio.run(up(world))
    assert world.of("c") == WHOLE


@pytest.mark.faults("C11")
def test_an_event_that_a_target_never_takes_is_given_up_and_holds_up_its_own_call_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "GIVE_UP", timedelta(hours=6))

    async def scenario(world: World) -> None:
        world.refuses = {("bad", "ringing")}
        async with telling(tmp_path, world) as watchers:
            for call in ("bad", "good"):
                for event in a_call(call):
                    watchers.tell(event)
            await until(lambda: len(world.of("good")) == 4)
            assert world.of("bad") == ["initiated"]
            await until(lambda: "completed" in world.of("bad"))

    asyncio.run(scenario(world := World()))
    assert world.of("bad") == ["initiated", "answered", "completed"]
    assert world.last > START + timedelta(hours=6)
    assert rows(tmp_path) == [("bad", True, "")]


@pytest.mark.faults("C11")
def test_what_nobody_will_be_told_any_more_keeps_no_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        old = {"identity": "i", "kind": "turn", "body": "WORDS", "due": START, "problem": "", "tries": 0}
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with store.write() as session:
                session.add(DeliveryRecord(call="waits", target="there", made=START, **old))
                session.add(DeliveryRecord(call="lost", target="removed", made=START - timedelta(days=5), **old))
                before = {"given_up": START, "made": START - timedelta(days=1)}
                session.add(DeliveryRecord(call="given up by an earlier release", target="there", **before, **old))
            await expire_webhooks(store, START)
            gone = [("lost", True, ""), ("given up by an earlier release", True, "")]
            assert rows(tmp_path) == [("waits", False, "WORDS"), *gone]
            await expire_webhooks(store, START + timedelta(days=31))
            assert rows(tmp_path) == [("waits", True, "")]

    asyncio.run(scenario())


def rows(folder: Path) -> list[tuple[str, bool, str]]:
    """What waits in the database: its call, whether it was given up, and its text."""
    (path,) = folder.glob("*.db")
    with contextlib.closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT call, given_up IS NOT NULL, body FROM deliveries ORDER BY id").fetchall()
    return [(call, bool(gone), body) for call, gone, body in found]


def test_each_target_gets_what_it_wants_to_know(tmp_path: Path) -> None:
    ends = WebhookOptions("ends", "https://x.example", SECRET, events=("completed", "failed"))
    sales = WebhookOptions("sales", "https://x.example", SECRET, agents=("sales",))
    told: list[tuple[str, str]] = []

    async def scenario(world: World) -> None:
        async def send(target: WebhookOptions, body: bytes, headers: dict[str, str]) -> None:
            told.append((target.name, json.loads(body)["event"]))

        world.send = send  # type: ignore[method-assign]
        async with telling(tmp_path, world, ends, sales) as watchers:
            for event in a_call("c"):
                watchers.tell(event)
            await until(lambda: told)

    asyncio.run(scenario(World()))
    assert told == [("ends", "completed")]


def test_who_was_told_of_a_call_is_told_that_it_was_interrupted(tmp_path: Path) -> None:
    agents = replace(TARGET, agents=("agent",))

    async def scenario(world: World) -> None:
        *events, _ended = a_call("c")
        async with telling(tmp_path, world, agents) as watchers:
            for event in events:
                watchers.tell(event)
            await until(lambda: len(world.of("c")) == 3)
        async with telling(tmp_path, world, agents):
            await until(lambda: world.of("c")[-1] == "failed")

    asyncio.run(scenario(world := World()))
    assert world.took[-1]["data"]["ending"] == "interrupted"
    assert world.took[-1]["about"] == world.took[0]["about"]


def test_what_is_private_is_told_to_nobody(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        policy = PrivacyOptions(where=("webhooks",))
        async with telling(tmp_path, world, redactor=lambda agent: redactor_for(policy, "webhooks")) as watchers:
            for event in a_call("c", [turn("four" + " one" * 15, "Thanks.")]):
                watchers.tell(event)
            await until(lambda: "turn" in world.of("c"))

    asyncio.run(scenario(world := World()))
    assert next(told["data"]["caller"] for told in world.took if told["event"] == "turn") == "[card ••1111]"


@pytest.mark.parametrize("caller", ["+447919705830", "+4915123456789", "+919876543210"])
def test_who_speaks_with_whom_is_told_as_it_is_whatever_their_numbers_look_like(tmp_path: Path, caller: str) -> None:
    policy = PrivacyOptions(where=("webhooks",), redact=("emails", "phones", "cards", "aadhaar"))
    call = "a84b@pc33.atlanta.com"

    async def scenario(world: World) -> None:
        async with telling(tmp_path, world, redactor=lambda agent: redactor_for(policy, "webhooks")) as watchers:
            began, *rest = a_call(call, [turn("write to ann@example.com", "Thanks.")])
            began = began._replace(caller=caller, identity={"number": caller, "sip_call_id": call})
            for event in [began, *rest]:
                watchers.tell(event)
            await until(lambda: "completed" in world.of(call))

    asyncio.run(scenario(world := World()))
    first = world.took[0]
    assert {told["about"]["caller"] for told in world.took} == {caller}
    assert (first["data"]["caller"], first["data"]["identity"]["number"]) == (caller, caller)
    assert first["data"]["identity"]["sip_call_id"] == call
    assert {told["call"] for told in world.took} == {call}
    assert next(told["data"]["caller"] for told in world.took if told["event"] == "turn") == "write to [email]"


# On the wire


class Target(HttpServer):
    def __init__(self, respond) -> None:
        super().__init__()
        self._respond = respond

    async def respond(self, exchange: Exchange) -> None:
        await self._respond(exchange)


def sent(respond, **more: Any):
    """Post to a server on the loopback; returns what it got and why it failed."""

    async def scenario():
        async with Target(respond) as server, new_client() as client:
            fields = {"timeout": 2.0, "private_networks": True} | more
            options = WebhookOptions("x", f"{server.url}/calls?a=b", SECRET, **fields)
            try:
                await post(client, options, b'{"a":1}', {"Sipgw-Delivery": "1"})
            except PostFailed as error:
                return server.exchanges, str(error)
            return server.exchanges, ""

    return asyncio.run(scenario())


async def ok(exchange: Exchange) -> None:
    await exchange.answer(200, {})


def test_a_post_is_what_it_should_be() -> None:
    (exchange,), problem = sent(ok)
    assert problem == ""
    assert (exchange.method, exchange.path, exchange.query, exchange.body) == ("POST", "/calls", {"a": "b"}, b'{"a":1}')
    assert (exchange.headers["content-type"], exchange.headers["sipgw-delivery"]) == ("application/json", "1")
    assert exchange.headers["host"].startswith("127.0.0.1:")


def test_a_redirection_is_not_followed() -> None:
    async def elsewhere(exchange: Exchange) -> None:
        await exchange.answer(307, {}, {"location": "http://169.254.169.254/latest/meta-data"})

    exchanges, problem = sent(elsewhere)
    assert (len(exchanges), problem) == (1, "answered 307")


def test_an_answer_without_end_is_cut_off() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.start(200, "text/plain")
        while True:
            await exchange.send(b"x" * 10_000)

    assert sent(endless)[1] == ""


def test_a_target_that_never_answers_is_given_its_time() -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.hang()

    assert sent(silent, timeout=0.2)[1] == "no answer within 0.2 s"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "0.0.0.0"]
)
def test_private_networks_are_out_of_reach_unless_they_are_meant(host: str) -> None:
    async def scenario() -> None:
        async with new_client() as client:
            await post(client, WebhookOptions("x", f"http://{host}:9/", SECRET), b"", {})

    with pytest.raises(PostFailed, match="private network"):
        asyncio.run(scenario())


def test_a_signature_is_checked_in_six_lines() -> None:
    """As docs/webhooks.md tells it."""
    body, header = b'{"id": 1}', signature(SECRET, 1_700_000_000, b'{"id": 1}')
    code = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    code = code.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102
    check = names["genuine"]
    assert check(SECRET, header, body, now=1_700_000_100)
    assert not check(SECRET, header, body + b" ", now=1_700_000_100)
    assert not check("another secret", header, body, now=1_700_000_100)
    assert not check(SECRET, header, body, now=1_700_000_301)
    assert genuine(SECRET, header, body, 1_700_000_100)
    assert not genuine(SECRET, header, body, 1_700_000_301)


@pytest.mark.parametrize("header", ["", "t=1", "t=x,v1=y", "v1=abc", "t=" + "9" * 400 + ",v1=x", "t=１,v1=x", "é=é"])
def test_a_header_that_is_none_is_not_genuine(header: str) -> None:
    assert not genuine(SECRET, header, b"", 1.0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('url = "ftp://x"', "https://example.com"),
        ('url = "https://u:p@x"', "without a user"),
        ('url = "https://x"\nevents = ["rings"]', "is not one of"),
    ],
)
def test_a_webhook_that_cannot_be_is_told_at_start(line: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(f'[[webhooks]]\nname = "x"\nsecret = "${{S}}"\n{line}', "x", {"S": SECRET})
    config = parse('[[webhooks]]\nname = "x"\nsecret = "${S}"\nurl = "https://x"', "x", {"S": SECRET})
    assert SECRET not in repr(config)
