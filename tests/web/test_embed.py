"""The talk button on the owner's web site; a visitor's whole call: tests/interop/test_embed.py."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.records import AgentSays, CallerSaid, ProviderFailed, ToolStarted
from sipgw.calls.browser_phone import CallUnavailable, PendingCall
from sipgw.config.config import ConfigError, parse
from sipgw.config.embed import EmbedOptions
from sipgw.events import CallEnded, CallReported, Disposition, Watchers
from sipgw.policy.inbound.limits import Caller
from sipgw.web.embed import TooManyCalls, Visitors, for_visitors
from sipgw.web.transcript import words
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

    async def place(self, offer: str, agent: str, who: str = "", visitor: Caller | None = None) -> PendingCall:
        await self.placing.wait()
        if offer == "unusable":
            raise CallUnavailable(503, "the gateway stops")
        self.callers.append(visitor)
        call = f"browser-{len(self.callers)}"
        self.going[call] = who
        return PendingCall(call, "answer")

    def owned(self, call: str, who: str) -> bool:
        return self.going.get(call) == who


def visitors(**options: int) -> tuple[Visitors, Phone]:
    phone = Phone()
    return Visitors(EmbedOptions((SITE,), **options), phone), phone  # type: ignore[arg-type]


def test_a_visitor_has_a_key_of_their_own_call_only() -> None:
    async def scenario() -> None:
        there, phone = visitors()
        key, placed = await there.place("offer", "192.0.2.1")
        other, second = await there.place("offer", "192.0.2.2")
        assert there.visit(placed.call, key) and there.visit(second.call, other)
        assert there.visit(placed.call, other) is None
        assert there.visit(placed.call, "") is None
        assert phone.callers == [Caller("", "agent", "192.0.2.1"), Caller("", "agent", "192.0.2.2")]
        del phone.going[placed.call]
        assert there.visit(placed.call, key) is None, "it is over"

    asyncio.run(scenario())


def test_no_more_calls_at_once() -> None:
    """Calls that are being placed count, too."""

    async def scenario() -> None:
        there, phone = visitors(max_calls=2)
        phone.placing.clear()
        refused = []

        async def call(host: str) -> None:
            try:
                await there.place("offer", host)
            except TooManyCalls:
                refused.append(host)

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(call(f"192.0.2.{number}"))
            await asyncio.sleep(0)
            phone.placing.set()
        assert len(refused) == 3
        phone.going.clear()
        await there.place("offer", "192.0.2.9")

    asyncio.run(scenario())


def test_one_visitor_and_one_day_have_a_limit() -> None:
    async def scenario() -> None:
        there, phone = visitors(calls_per_hour=2, calls_per_day=3)

        async def calls(host: str, times: int) -> int:
            """How many of so many calls, one after the other, were placed."""
            placed = 0
            for _ in range(times):
                phone.going.clear()
                with contextlib.suppress(TooManyCalls):
                    await there.place("offer", host)
                    placed += 1
            return placed

        assert await calls("192.0.2.1", 5) == 2
        assert await calls("2001:db8::1", 1) == 1
        assert await calls("192.0.2.7", 5) == 0, "three of the day are over"

    asyncio.run(scenario())


def test_a_call_that_cannot_be_placed_takes_no_place() -> None:
    async def scenario() -> None:
        there, _ = visitors(max_calls=1)
        with pytest.raises(CallUnavailable):
            await there.place("unusable", "192.0.2.1")
        await there.place("offer", "192.0.2.1")

    asyncio.run(scenario())


def test_without_origins_there_is_no_button(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for path in ("/embed", "/embed.js", "/embed/ice"):
                assert (await there.browser.get(path)).status_code == 404
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
            servers = (await there.browser.get("/embed/ice")).json()["iceServers"]
            assert servers[0]["username"].endswith(":visitor")
            for path in ("/phone", "/calls", "/embedded"):
                assert (await there.browser.get(path)).status_code == 303
            assert (await there.browser.get("/api/phone/ice")).status_code == 401

    asyncio.run(look())


def test_what_a_stranger_may_not_ask(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, ON) as there:
            post = there.browser.post
            assert (await post("/embed/calls", json={"sdp": "garbage"})).status_code == 400
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
        told = words(watchers, "c1", shown=for_visitors)
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
    ["http://shop.example.com", "https://shop.example.com/", "https://a.example; script-src *", "*", "https://a b"],
)
def test_an_origin_is_a_scheme_and_a_host(wrong: str) -> None:
    with pytest.raises(ConfigError, match="is not like https"):
        parse(f'[embed]\norigins = ["{wrong}"]', "test.toml", {})


def test_the_button_needs_calls_from_browsers() -> None:
    with pytest.raises(ConfigError, match="max_calls is 0"):
        parse(ON + "[browser]\nmax_calls = 0", "test.toml", {})
