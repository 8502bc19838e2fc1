"""Every page, as a browser asks for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from sipgw.outbound.tables import Job
from sipgw.records.store.tables import CallRecord
from sipgw.trunks.call_alarms import BadCalls
from sipgw.trunks.watch import TrunkStatus
from sipgw.web.app import PAGES
from sipgw.web.calls import ROWS, CallSearchForm
from sipgw.web.security import BODY
from tests.web.gateway_view import live_call, visit

SCRIPT = '<script>alert("x")</script>'


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_a_page_of_an_idle_gateway(tmp_path: Path, path: str) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            answer = await there.browser.get(path)
            assert answer.status_code == 200
            assert answer.text.count('aria-current="page"') == 1
            assert "<script>" not in answer.text  # every script is a file: the policy allows no other
            assert "style=" not in answer.text

    asyncio.run(look())


def test_what_a_caller_calls_themselves_is_shown_as_text(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            there.gateway.begin(live_call(caller=SCRIPT))
            text = (await there.browser.get("/live")).text
            assert SCRIPT not in text
            assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in text

    asyncio.run(look())


def test_the_sound_of_a_trunk_stands_on_its_page(tmp_path: Path) -> None:
    bad = BadCalls("one_way", 12, 50, True), BadCalls("foreign", 1, 50, False), BadCalls("quality", 0, 50, False)
    good = (BadCalls("quality", 0, 7, False),)

    async def look() -> None:
        async with visit(tmp_path) as there:
            assert "<dt>Latest calls</dt>" not in (await there.browser.get("/trunks")).text
            trunks = [TrunkStatus(name, "", "", "up", "", 0, sound) for name, sound in (("bad", bad), ("good", good))]
            there.gateway.status = lambda: trunks  # type: ignore[method-assign]
            text = (await there.browser.get("/trunks")).text
            assert (
                '<span class="badge" data-is="down">alarm</span> 12 of the latest 50 calls had sound in one direction'
                in text
            )
            assert (
                '<span class="badge" data-is="waiting">some</span> 1 of the latest 50 calls got packets from other'
                in text
            )
            assert "of low quality" not in text
            assert '<span class="badge" data-is="up">good</span> the latest 7 calls' in text
            (first, _) = (await there.browser.get("/api/v1/trunks")).json()["trunks"]
            assert first["sound"][0] == {"fault": "one_way", "bad": 12, "calls": 50, "raised": True}

    asyncio.run(look())


def test_an_unknown_page_is_told(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            answer = await there.browser.get("/nowhere")
            assert answer.status_code == 404
            assert 'role="alert"' in answer.text

    asyncio.run(look())


def test_a_name_that_is_not_ours_gets_nothing(tmp_path: Path) -> None:
    """DNS rebinding: another site's name that leads to our address."""

    async def look() -> None:
        async with visit(tmp_path, '[web]\nnames = ["phone.example.com"]') as there:
            for host, status in (("evil.example", 421), ("phone.example.com", 200), ("localhost:8080", 200),
                                 ("[::1]:8080", 200), ("", 421), ("phone.example.com.evil.example", 421)):  # fmt: skip
                assert (await there.browser.get("/sign-in", headers={"Host": host})).status_code == status, host
            assert (await there.browser.get("/")).status_code == 303, "who has a name for it must sign in"

    asyncio.run(look())


def test_without_sign_in_nobody_comes_through_a_proxy(tmp_path: Path) -> None:
    """It would let in whoever reaches the proxy."""

    async def look() -> None:
        async with visit(tmp_path) as there:
            for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
                assert (await there.browser.get("/", headers={header: "203.0.113.5"})).status_code == 403

    asyncio.run(look())


def test_another_site_changes_nothing(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                assert (await there.browser.post("/", headers=headers)).status_code == 403
            ours = {"Origin": "http://127.0.0.1:8080"}
            assert (await there.browser.post("/", headers=ours)).status_code == 403
            assert (await there.browser.post("/", headers=ours | await there.token())).status_code == 405

    asyncio.run(look())


def test_a_request_without_end_is_not_read(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    async def look() -> None:
        async with visit(tmp_path) as there:
            assert (await there.browser.post("/sign-in", content=b"x" * (BODY + 1))).status_code == 413
            assert (await there.browser.post("/sign-in", content=endless())).status_code == 411

    asyncio.run(look())


@pytest.mark.slow
def test_pages_of_a_gateway_that_has_seen_much(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            began = datetime(2026, 1, 1, tzinfo=UTC)
            async with there.gateway.store.write() as session:
                session.add_all(
                    CallRecord(
                        id=f"past-{number}", trunk="office", caller="9" * 200, called="+1", began=began,
                        ended=began + timedelta(days=40), ending="x" * 64, cause="y" * 500, media={},
                    ) for number in range(5000)
                )  # fmt: skip
            for number in range(500):
                there.gateway.begin(live_call(number, "9" * 200))
            calls = (await there.browser.get("/calls", params={"words": "nobody said that", "number": "9*"})).text
            assert "No call fits" in calls
            calls = (await there.browser.get("/calls", params={"number": "9*"})).text
            assert calls.count("<tr") == 1 + ROWS
            assert "960:00:00" in calls
            assert 'rel="next"' in calls
            assert (await there.browser.get("/live")).text.count("data-call=") == 500

    asyncio.run(look())


@pytest.mark.parametrize(
    "search",
    ["since=9999-12-31&until=9999-12-31", "since=0001-01-01", "since=tomorrow", "after=nonsense", "direction=up",
     "words=%25_%5C", "number=" + "9" * 65],
)  # fmt: skip
def test_a_search_that_makes_no_sense_is_answered(tmp_path: Path, search: str) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            assert (await there.browser.get(f"/calls?{search}")).status_code in (200, 422)

    asyncio.run(look())


def test_what_the_gate_decided_is_shown_with_its_reason(tmp_path: Path) -> None:
    async def look() -> None:
        folder = tmp_path / "audit"
        folder.mkdir()
        line = {"at": "2026-11-21T09:00:00+00:00", "number": "+15550100", "permitted": False, "agent": "agent",
                "reason": SCRIPT}  # fmt: skip
        (folder / "gate-2026-10.jsonl").write_text(json.dumps(line))
        (folder / "gate-2026-11.jsonl").write_text(f"half a line\n[]\n{{}}\n{json.dumps(line)}\n")
        async with visit(tmp_path, f'[gate]\naudit = "{folder}"') as there:
            text = (await there.browser.get("/outbound")).text
            assert text.count(">refused<") == 1
            assert "&lt;script&gt;" in text
            assert SCRIPT not in text

    asyncio.run(look())


def test_how_far_campaigns_are_and_why_numbers_failed(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            async with there.gateway.store.write() as session:
                for number, (state, reason) in enumerate([("done", ""), ("failed", SCRIPT), ("planned", "")]):
                    session.add(Job(campaign="winter", key=f"{number}", number="+15550100", agent="agent", due=0.0,
                                    state=state, reason=reason, attempts=1, call="a@b"))  # fmt: skip
                session.add(Job(campaign="", key="x", number="+15550111", agent="agent", due=0.0, state="failed"))
                session.add(Job(campaign="", key="y", number="+15550112", agent="agent", due=0.0, state="by_hand"))
            text = (await there.browser.get("/outbound")).text
            assert '<progress max="3" value="2"' in text and ">paused</span>: 2 of 3</span>" in text
            assert "+15550112" in text and ">by hand</td>" in text
            assert "<dt>failed</dt><dd>1</dd>" in text
            assert text.count("&lt;script&gt;") == 1 and SCRIPT not in text
            assert '<a href="/calls/a%40b">call</a>' in text

    asyncio.run(look())


def test_secrets_are_set_or_not_set(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, '[openai]\napi_key = "${PASSWORD}"') as there:
            text = (await there.browser.get("/configuration")).text
            assert "correct horse" not in text
            assert '<dt class="mono">api_key</dt><dd><span class="mono value">set</span>' in text
            assert '<dt class="mono">api_key</dt><dd><span class="value">not set</span>' in text
            assert "Address to listen on. On any address other than loopback people must sign in" in text

    asyncio.run(look())


def test_every_answer_has_the_policy(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for path in ("/", "/nowhere", "/static/base.js"):
                policy = (await there.browser.get(path)).headers["content-security-policy"]
                assert "default-src 'none'; script-src 'self';" in policy
                assert "unsafe" not in policy

    asyncio.run(look())


def test_browsers_keep_our_files_and_ask_whether_they_changed(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            first = await there.browser.get("/static/style.css")
            assert first.headers["cache-control"] == "no-cache"
            again = await there.browser.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert (await there.browser.get("/calls")).headers["cache-control"] == "no-store"

    asyncio.run(look())


def test_the_next_page_of_a_search_has_all_its_conditions() -> None:
    form = CallSearchForm.model_validate(
        {"cost_from": "0", "slower_than": "0", "words": "a&b ü", "since": "2026-01-02"}
    )
    query = dict(parse_qsl(urlsplit(form.link("x")).query))
    assert CallSearchForm.model_validate(query) == form.model_copy(update={"after": "x"})
