# mypy: disable-error-code="var-annotated"
"""What the page ``/phone`` asks the gateway; whole calls: tests/browser/test_browser_phone.py and tests/interop."""

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.records import AgentSays, CallerSaid, ToolStarted
from sipgw.calls import browser_phone
from sipgw.events import CallAnswered, CallEnded, CallReported, Disposition, Watchers
from sipgw.web.feed import AT_MOST
from sipgw.web.transcript import words
from tests import virtual
from tests.web.gateway_view import visit
from tests.web.test_sign_in import PASSWORD, sign_in

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_page_names_the_agents(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            text = (await there.browser.get("/phone")).text
            assert "<option>agent</option>" in text
            assert "data-call" in text

    asyncio.run(look())


@pytest.mark.slow
def test_the_page_is_told_of_turn_servers(tmp_path: Path) -> None:
    turn = '[browser]\nturn = ["turn:turn.example.com:3478"]\n'

    async def look(more: str) -> dict:
        folder = tmp_path / str(len(more))
        folder.mkdir()
        async with visit(folder, more) as there:
            assert "correct horse" not in (await there.browser.get("/configuration")).text
            answer = await there.browser.get("/api/phone/ice")
            assert answer.headers["cache-control"] == "no-store"
            return answer.json()

    assert asyncio.run(look("")) == {"iceServers": []}
    named = asyncio.run(look(turn + 'turn_user = "sipgw"\nturn_password = "${PASSWORD}"'))
    server = {"urls": ["turn:turn.example.com:3478"], "username": "sipgw", "credential": "correct horse"}
    assert named == {"iceServers": [server]}
    (made,) = asyncio.run(look(turn + 'turn_secret = "${PASSWORD}"'))["iceServers"]
    until, _, who = made["username"].partition(":")
    assert who and 11 * 3600 < int(until) - datetime.now(UTC).timestamp() <= 12 * 3600
    proof = hmac.digest(b"correct horse", made["username"].encode(), "sha1")
    assert base64.b64decode(made["credential"]) == proof


def test_without_the_extra_the_page_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_phone, "find_spec", lambda name: None)

    async def look() -> None:
        async with visit(tmp_path) as there:
            text = (await there.browser.get("/phone")).text
            assert "pip install &#39;sipgw[webrtc]&#39;" in text
            assert "data-call" not in text
            asked = await there.browser.post("/api/phone/calls", json={"sdp": "x"}, headers=await there.token())
            assert (asked.status_code, asked.json()["detail"]) == (501, browser_phone.MISSING)

    asyncio.run(look())


@pytest.mark.parametrize(
    ("call_request", "status", "told"),
    [
        ({"sdp": "garbage"}, 400, "The browser's offer cannot be used: this is no session description: no SDP line"),
        ({"sdp": "v=0\r\n"}, 400, "the offer has no media at all"),
        ({"sdp": "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"}, 400, "a video stream is of no use to a phone"),
        ({"sdp": "v=0\r\nm=audio 9 RTP/AVP 0\r\n"}, 400, "sound over RTP/AVP is not WebRTC"),
        ({"sdp": "", "agent": "nobody"}, 404, "there is no such agent"),
        ({"sdp": "v" * 20_000}, 422, ""),
        ({}, 422, ""),
    ],
)
def test_an_offer_that_cannot_be_used_is_answered_with_the_reason(
    tmp_path: Path, call_request, status: int, told: str
) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            answer = await there.browser.post("/api/phone/calls", json=call_request, headers=await there.token())
            assert answer.status_code == status
            assert told in str(answer.json()["detail"])

    asyncio.run(look())


def test_another_site_and_a_page_without_its_token_place_no_call(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            foreign, ours = {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:8080"}
            for headers in (foreign | await there.token(), ours, ours | {"X-CSRF-Token": "guess"}):
                assert (
                    await there.browser.post("/api/phone/calls", json={"sdp": ""}, headers=headers)
                ).status_code == 403
                assert (await there.browser.delete("/api/phone/calls/x", headers=headers)).status_code == 403

    asyncio.run(look())


def test_a_viewer_places_no_call(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            await there.auth.accounts.set_user("ann", "viewer", "battery staple")
            await sign_in(there, "ann", "battery staple")
            assert "data-call" not in (await there.browser.get("/phone")).text
            answer = await there.browser.post("/api/phone/calls", json={"sdp": ""}, headers=await there.token())
            assert answer.status_code == 403
            assert (await there.browser.get("/api/phone/calls/x/events")).status_code == 403

    asyncio.run(look())


def test_a_call_of_somebody_else_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            token = await there.token()
            assert (await there.browser.delete("/api/phone/calls/x", headers=token)).status_code == 204
            assert (await there.browser.get("/api/phone/calls/x/events")).status_code == 404

    asyncio.run(look())


def test_what_is_said_is_told_as_it_is_said_until_the_end() -> None:
    async def listen() -> list[dict[str, object]]:
        watchers, heard = Watchers(), []
        reading = words(watchers, "a", lambda: True)
        await anext(reading)
        watchers.tell(CallAnswered("a", NOW))
        for report in (AgentSays("Hello."), CallerSaid("Where", final=False), ToolStarted("look", {"secret": 1})):
            watchers.tell(CallReported("a", NOW, report))
            watchers.tell(CallReported("b", NOW, AgentSays("not ours")))
        watchers.tell(CallEnded("a", NOW, Disposition("caller_hung_up", "the browser hung up"), {}))
        async for line in reading:
            heard.append(json.loads(line.decode().split("data: ")[1]))
        watchers.tell(CallAnswered("a", NOW))  # nobody watches any more
        return heard

    assert asyncio.run(listen()) == [
        {"kind": "answered"},
        {"kind": "agent", "text": "Hello."},
        {"kind": "caller", "text": "Where", "final": False},
        {"kind": "tool", "text": "look"},
        {"kind": "ended", "text": "the browser hung up", "ending": "caller_hung_up"},
    ]


def test_words_of_a_call_that_is_over_before_they_begin_end_at_once() -> None:
    async def listen() -> list[bytes]:
        return [line async for line in words(Watchers(), "a", lambda: False)]

    assert b'"ended"' in asyncio.run(listen())[-1]


def test_who_reads_words_is_authenticated_again_after_a_while() -> None:
    async def listen() -> float:
        began = asyncio.get_running_loop().time()
        async for _ in words(Watchers(), "a", lambda: True):
            pass
        return asyncio.get_running_loop().time() - began

    assert virtual.run(listen()) == pytest.approx(AT_MOST, abs=30)


def test_a_browser_that_does_not_read_costs_no_memory_and_gets_the_end() -> None:
    async def listen() -> list[bytes]:
        watchers = Watchers()
        reading = words(watchers, "a", lambda: True)
        await anext(reading)
        for number in range(10_000):
            watchers.tell(CallReported("a", NOW, AgentSays(str(number))))
        watchers.tell(CallEnded("a", NOW, Disposition("failed", "x"), {}))
        return [line async for line in reading]

    heard = asyncio.run(listen())
    assert len(heard) == 201
    assert b'"ended"' in heard[-1]


@pytest.mark.faults("H9")
def test_the_page_says_that_calls_from_the_browser_are_off(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, "[browser]\nmax_calls = 0") as there:
            text = (await there.browser.get("/phone")).text
            assert "max_calls is 0" in text
            assert "data-call" not in text

    asyncio.run(look())
