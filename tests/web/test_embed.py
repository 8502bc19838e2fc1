"""The talk button on the owner's web site; a visitor's whole call: tests/interop/test_embed.py."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.records import AgentSays, CallerSaid, ProviderFailed, ToolStarted
from sipgw.calls.browser_phone import VISITOR, CallUnavailable, PendingCall
from sipgw.config.config import parse
from sipgw.config.embed import EmbedOptions
from sipgw.config.errors import ConfigError
from sipgw.config.records import StoreOptions
from sipgw.events import CallEnded, CallReported, Disposition, Watchers
from sipgw.policy.inbound.limits import Caller
from sipgw.records.store.store import Store
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.web import visits
from sipgw.web.embed import for_visitors
from sipgw.web.transcript import words
from sipgw.web.visitors import SESSION_LIFE, NoSession, TooManyCalls, Visitors
from sipgw.web.visits import Visits
from tests.virtual import run
from tests.web.gateway_view import visit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SITE = "https://shop.example.com"
ON = f'[embed]\norigins = ["{SITE}"]\n'


class Phone:
    """Stands for the calls of browsers: they go on until they are hung up."""

    missing = ""

    def __init__(self) -> None:
        self.going: dict[str, str] = {}
        self.callers: list[Caller | None] = []
        self.placing = asyncio.Event()
        self.placing.set()

    async def place(self, offer: str, agent: str, who: str, caller: str, visitor: Caller) -> PendingCall:
        assert caller == VISITOR, "the secret of the session is told nobody"
        await self.placing.wait()
        if offer == "unusable":
            raise CallUnavailable(503, "the gateway stops")
        if offer == "garbage":
            raise NotAcceptable("it is no SDP")
        self.callers.append(visitor)
        call = f"browser-{len(self.callers)}"
        self.going[call] = who
        return PendingCall(call, "answer")

    def owned(self, call: str, who: str) -> bool:
        return self.going.get(call) == who

    def stop(self, call: str, _: str) -> None:
        del self.going[call]


class Counted:
    """Stands for the database: every call is allowed."""

    async def claim(self, _: str) -> int:
        return 1


@contextlib.asynccontextmanager
async def visitors(folder: Path, **options: int) -> AsyncIterator[tuple[Visitors, Phone]]:
    phone = Phone()
    given = EmbedOptions((SITE,), **options)  # type: ignore[arg-type]
    async with Store(StoreOptions(str(folder / "test.db"))) as store:
        yield Visitors(given, phone, Visits(store, given), phone.stop), phone  # type: ignore[arg-type]


async def called(there: Visitors, host: str, offer: str = "offer") -> tuple[str, PendingCall]:
    """What the page of a visitor at `host` does; the key of its session, and the call."""
    key = there.open(host)
    return key, await there.place(offer, key)


def test_a_visitor_has_a_key_of_their_own_call_only(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with visitors(tmp_path) as (there, phone):
            key, placed = await called(there, "192.0.2.1")
            other, second = await called(there, "192.0.2.2")
            assert there.session(placed.call, key) and there.session(second.call, other)
            assert there.session(placed.call, other) is None
            assert there.session(placed.call, "") is None
            assert phone.callers == [Caller("", "agent", "192.0.2.1"), Caller("", "agent", "192.0.2.2")]
            del phone.going[placed.call]
            assert there.session(placed.call, key) is None, "it is over"

    asyncio.run(scenario())


def test_a_call_needs_a_session_and_a_session_is_good_for_one_call(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with visitors(tmp_path) as (there, phone):
            for guessed in ("", "guessed"):
                with pytest.raises(NoSession):
                    await there.place("offer", guessed)
            key, _ = await called(there, "192.0.2.1")
            with pytest.raises(NoSession):
                await there.place("offer", key)
            assert len(phone.callers) == 1

    asyncio.run(scenario())


def test_a_session_that_is_not_used_within_a_minute_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(Visitors, "_now", lambda _: now[0])

    async def scenario() -> None:
        async with visitors(tmp_path) as (there, _):
            key = there.open("192.0.2.1")
            now[0] = SESSION_LIFE
            with pytest.raises(NoSession):
                await there.place("offer", key)

    asyncio.run(scenario())


def test_no_more_calls_at_once(tmp_path: Path) -> None:
    """Calls that are being placed count, too."""

    async def scenario() -> None:
        async with visitors(tmp_path, max_calls=2) as (there, phone):
            phone.placing.clear()
            refused = []

            async def call(host: str) -> None:
                try:
                    await called(there, host)
                except TooManyCalls:
                    refused.append(host)
                    if len(refused) == 3:
                        phone.placing.set()

            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(call(f"192.0.2.{number}"))
            assert len(refused) == 3
            phone.going.clear()
            await called(there, "192.0.2.9")

    asyncio.run(scenario())


def test_one_visitor_has_one_call_at_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with visitors(tmp_path, max_calls=5) as (there, phone):
            there.open("2001:db8::1")
            await called(there, "2001:db8::1")  # the page was loaded again
            for host in ("2001:db8::1", "2001:db8::2"):  # the same network
                with pytest.raises(TooManyCalls):
                    there.open(host)
            there.open("2001:db8:0:1::1")
            phone.going.clear()
            there.open("2001:db8::1")

    asyncio.run(scenario())


def test_the_limits_of_an_hour_and_a_day_hold_over_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with visitors(tmp_path, calls_per_hour=2, calls_per_day=3) as (there, phone):
            assert await calls(there, phone, "192.0.2.1", 5) == 2
        async with visitors(tmp_path, calls_per_hour=2, calls_per_day=3) as (there, phone):
            assert await calls(there, phone, "192.0.2.1", 1) == 0, "two of the hour are over"
            assert await calls(there, phone, "2001:db8::1", 1) == 1
            assert await calls(there, phone, "192.0.2.7", 5) == 0, "three of the day are over"

    asyncio.run(scenario())


async def calls(there: Visitors, phone: Phone, host: str, times: int) -> int:
    """How many of so many calls, one after the other, were placed."""
    placed = 0
    for _ in range(times):
        phone.going.clear()
        with contextlib.suppress(TooManyCalls):
            await called(there, host)
            placed += 1
    return placed


def test_no_more_than_the_calls_of_a_day_within_any_24_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = [0]

    class Clock:
        @staticmethod
        def now(_: object) -> datetime:
            return NOW + timedelta(hours=hour[0])

    monkeypatch.setattr(visits, "datetime", Clock)

    async def scenario() -> None:
        async with visitors(tmp_path, calls_per_day=10) as (there, phone):
            placed = []
            for hour[0] in range(48):
                placed.append(await calls(there, phone, f"192.0.2.{hour[0]}", 1))
            assert max(sum(placed[first : first + 24]) for first in range(25)) == 10
            assert sum(placed[24:]) == 10

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", ["unusable", "garbage"])
def test_a_call_that_cannot_be_placed_takes_no_place_and_is_not_counted(tmp_path: Path, reason: str) -> None:
    async def scenario() -> None:
        async with visitors(tmp_path, max_calls=1, calls_per_day=1) as (there, _):
            with pytest.raises((CallUnavailable, NotAcceptable)):
                await called(there, "192.0.2.1", reason)
            await called(there, "192.0.2.1")

    asyncio.run(scenario())


def test_a_call_of_a_visitor_is_ended_after_its_longest_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        phone, counted = Phone(), Counted()
        there = Visitors(EmbedOptions((SITE,), max_duration=60), phone, counted, phone.stop)  # type: ignore[arg-type]
        _, placed = await called(there, "192.0.2.1")
        await asyncio.sleep(59)
        assert placed.call in phone.going
        await asyncio.sleep(2)
        assert not phone.going

    run(scenario())


def test_without_origins_there_is_no_button(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for path in ("/embed", "/embed.js"):
                assert (await there.browser.get(path)).status_code == 404
            assert (await there.browser.post("/embed/sessions", json={})).status_code == 404
            assert (await there.browser.post("/embed/calls", json={"sdp": "v=0"})).status_code == 404

    asyncio.run(look())


@pytest.mark.slow
def test_visitors_need_no_sign_in_and_reach_nothing_else(tmp_path: Path) -> None:
    toml = (
        ON
        + '[web]\npassword = "${PASSWORD}"\n[browser]\nturn = ["turn:turn.example.com"]\nturn_secret = "${ANOTHER}"\n'
    )

    async def look() -> None:
        async with visit(tmp_path, toml) as there:
            framed = await there.browser.get("/embed")
            assert f"frame-ancestors {SITE};" in framed.headers["content-security-policy"] + ";"
            assert "Talk to us" in framed.text and "automated agent" in framed.text
            assert "csrf" not in framed.text
            script = await there.browser.get("/embed.js")
            assert script.headers["cross-origin-resource-policy"] == "cross-origin"
            assert script.headers["content-type"].startswith("text/javascript")
            for path in ("/phone", "/calls", "/embedded"):
                assert (await there.browser.get(path)).status_code == 303
            assert (await there.browser.get("/api/phone/ice")).status_code == 401

    asyncio.run(look())


def test_turn_credentials_are_given_with_a_session_only_for_one_call(tmp_path: Path) -> None:
    turn = '[browser]\nturn = ["turn:turn.example.com"]\n'

    async def look() -> None:
        async with visit(tmp_path, ON + "max_duration = 300\n" + turn + 'turn_secret = "${ANOTHER}"\n') as there:
            assert (await there.browser.get("/embed/ice")).status_code == 404
            asked = datetime.now(UTC).timestamp()
            opened = (await there.browser.post("/embed/sessions", json={})).json()
            assert opened["key"]
            until, _, who = opened["iceServers"][0]["username"].partition(":")
            assert who == "visitor"
            assert 0 <= int(until) - int(asked) - 360 <= 60
            answers = [(await there.browser.post("/embed/sessions", json={})).status_code for _ in range(7)]
            assert answers == [201] * 5 + [429] * 2

    asyncio.run(look())
    with pytest.raises(ConfigError, match="use turn_secret"):
        parse(ON + turn + 'turn_user = "u"\nturn_password = "${ANOTHER}"', "test.toml", {"ANOTHER": "secret"})


def test_what_a_stranger_may_not_ask(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, ON) as there:
            post = there.browser.post
            assert (await post("/embed/calls", json={"sdp": "garbage"})).status_code == 403
            opened = (await post("/embed/sessions", json={})).json()
            mine = {"X-Call-Key": opened["key"]}
            assert (await post("/embed/calls", json={"sdp": "garbage"}, headers=mine)).status_code == 400
            assert (await post("/embed/calls", json={"sdp": "v" * 20_000})).status_code == 422
            other = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
            assert (await post("/embed/calls", json={"sdp": "v=0"}, headers=other)).status_code == 403
            key = {"X-Call-Key": "guessed"}
            assert (await there.browser.get("/embed/calls/browser-1/events", headers=key)).status_code == 404
            assert (await there.browser.delete("/embed/calls/browser-1", headers=key)).status_code == 204

    asyncio.run(look())


def test_visitors_are_told_what_is_said_and_nothing_of_the_inside() -> None:
    async def scenario() -> None:
        watchers: Watchers = Watchers()
        told = words(watchers, "c1", lambda: True, shown=for_visitors)
        found = [await anext(told)]
        for report in (
            CallerSaid("Hi", True),
            ToolStarted("find_customer", {}),
            ProviderFailed("stt", "401"),
            AgentSays("Yes."),
        ):
            watchers.tell(CallReported("c1", NOW, report))
        watchers.tell(CallEnded("c1", NOW, Disposition("failed", "no key for the recogniser"), {}))
        found += [one async for one in told]
        text = b"".join(found)
        assert b"Hi" in text and b"Yes." in text and b'"ended"' in text
        assert b"find_customer" not in text and b"401" not in text and b"recogniser" not in text

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "wrong",
    ["http://shop.example.com", "https://shop.example.com/", "https://a.example; script-src *", "*", "https://a b",
     "https://.", "https://shop..example.com", "https://shop.example.com:0", "https://shop.example.com:65536"],
)  # fmt: skip
def test_an_origin_is_a_scheme_a_host_and_perhaps_a_port(wrong: str) -> None:
    with pytest.raises(ConfigError, match="is not like https"):
        parse(f'[embed]\norigins = ["{wrong}"]', "test.toml", {})
    right = ("https://Shop.example.com:8443", "http://localhost:3000", "http://127.0.0.1", "https://intranet")
    assert EmbedOptions(right).origins == right


def test_the_button_needs_calls_from_browsers() -> None:
    with pytest.raises(ConfigError, match="max_calls is 0"):
        parse(ON + "[browser]\nmax_calls = 0", "test.toml", {})
