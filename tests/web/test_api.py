"""The REST interface: what it tells, what it does, for whom."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from phonenumbers import is_valid_number, parse
from sqlalchemy import select

from sipgw.cli import running
from sipgw.events import Disposition
from sipgw.records.store.tables import CallRecord, ReportRecord
from sipgw.web import placed
from sipgw.web.accounts import audit_entries
from sipgw.web.placed import PlacedCalls
from sipgw.web.principal import Principal
from sipgw.web.tables import PlacedCall
from tests.cdr_events import add_call
from tests.web.gateway_view import Visit, live_call, visit

BEGAN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PASSWORD = '[web]\npassword = "${PASSWORD}"'


def record(number: int = 1, **changes: Any) -> CallRecord:
    values: dict[str, Any] = {
        "id": f"past-{number}", "trunk": "office", "caller": "+15550100", "called": "+15550199",
        "began": BEGAN + timedelta(minutes=number), "ended": BEGAN + timedelta(minutes=number, seconds=90),
        "ending": "caller_hung_up", "cause": "the caller hung up", "media": {"mos": 4.3}, "identity": None,
    }  # fmt: skip
    return CallRecord(**values | changes)


TURN = {
    "caller": "Where is my order?", "said": "On its way.", "heard": "On its", "interrupted": True,
    "latency_ms": {"total": 700},
    "tools": [{"name": "get_order_status", "arguments": {"n": "7"}, "result": {}, "error": "", "seconds": 0.2}],
}  # fmt: skip


async def keep(there: Visit, call: CallRecord, turns: list[Any] = []) -> None:  # noqa: B006
    await add_call(there.gateway.store, call, turns)


def test_the_live_calls(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            there.gateway.begin(live_call())
            (call,) = (await there.browser.get("/api/v1/live")).json()["calls"]
            assert (call["id"], call["state"], call["turn"], call["mos"]) == ("call-1", "talking", "speaking", 4.3)

    asyncio.run(look())


def test_a_record_has_its_report(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            await keep(there, record(), [TURN])
            assert (await there.browser.get("/api/v1/calls/past-1")).json()["report"] is None
            entry = {"value": True, "turn": 0, "quote": "On its", "by": "agent"}
            content = {"summary": "x", "outcome": None, "achieved": entry, "fields": {"n": None}, "unproven": ["n"]}
            async with there.gateway.store.write() as session:
                session.add(ReportRecord(call="past-1", state="filled", at=BEGAN, content=content))
            found = (await there.browser.get("/api/v1/calls/past-1")).json()["report"]
            assert found == {"state": "filled", "at": "2026-11-21T09:00:00Z", "problem": "", **content}
            shown = (await there.browser.get("/calls/past-1/timeline.json")).json()
            assert shown["report"] == found

    asyncio.run(look())


def test_calls_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            for number in range(5):
                await keep(there, record(number))
            first = (await there.browser.get("/api/v1/calls", params={"limit": 3})).json()
            assert [call["id"] for call in first["calls"]] == ["past-4", "past-3", "past-2"]
            rest = (await there.browser.get("/api/v1/calls", params={"limit": 3, "after": first["next"]})).json()
            assert [call["id"] for call in rest["calls"]] == ["past-1", "past-0"]
            assert rest["next"] == ""
            assert (await there.browser.get("/api/v1/calls", params={"after": "nonsense"})).status_code == 404

    asyncio.run(look())


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ({"ending": "failed"}, ["past-2"]),
        ({"number": "+15550777"}, ["past-3"]),
        ({"words": "my ORDER"}, ["past-1"]),
        ({"trunk": "nowhere"}, []),
        ({}, ["past-3", "past-2", "past-1"]),
    ],
)
def test_calls_are_found(tmp_path: Path, search: dict[str, str], found: list[str]) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            await keep(there, record(1), [TURN])
            await keep(there, record(2, ending="failed"))
            await keep(there, record(3, caller="+15550777"))
            calls = (await there.browser.get("/api/v1/calls", params=search)).json()["calls"]
            assert [call["id"] for call in calls] == found

    asyncio.run(look())


def test_everything_of_one_call(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            await keep(there, record(1, id="a/b@host"), [TURN])
            call = (await there.browser.get("/api/v1/calls/a%2Fb@host")).json()
            assert call["turns"][0]["heard"] == "On its"
            assert call["turns"][0]["tools"][0]["name"] == "get_order_status"
            assert (await there.browser.get("/api/v1/calls/nobody")).status_code == 404

    asyncio.run(look())


def test_an_operators_phone_takes_the_agents_place_and_gives_it_back(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            there.gateway.begin(live_call())
            post = there.browser.post
            take, back = "/api/v1/calls/call-1/take-over", "/api/v1/calls/call-1/give-back"
            assert (await post(back)).status_code == 409
            silent = await post(take, json={"who": "bob"})
            assert (silent.status_code, silent.json()["detail"]) == (409, "bob did not answer: 486 Busy Here")
            assert (await post(take, json={"who": "anna"})).status_code == 200
            (call,) = (await there.browser.get("/api/v1/live")).json()["calls"]
            assert (call["instead"], call["turn"]) == ("anna", "with anna")
            assert (await post(back)).status_code == 200
            assert (await post("/api/v1/calls/nobody/give-back")).status_code == 404
            deeds = await audit_entries(there.gateway.store)
            assert [deed.action for deed in deeds] == ["gave back", "had it taken over"]

    asyncio.run(look())


def test_a_third_joins_changes_who_hears_them_and_is_hung_up(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            there.gateway.begin(live_call())

            async def post(what: str, **body: object) -> int:
                return (await there.browser.post(f"/api/v1/calls/call-1/{what}", json=body)).status_code

            async def now() -> tuple[str, str, str]:
                (call,) = (await there.browser.get("/api/v1/live")).json()["calls"]
                return call["third"], call["mode"], call["instead"]

            async def there_now() -> list[str]:
                (call,) = (await there.browser.get("/api/v1/live")).json()["calls"]
                assert all(datetime.fromisoformat(one["since"]) for one in call["parties"])
                return [f"{one['role']} {one['name']}{one['number']}" for one in call["parties"]]

            assert await there_now() == ["caller +15550100", "agent agent"]
            assert await now() == ("", "", "")
            assert await post("mode", mode="whisper") == 409
            assert await post("join", who="anna", mode="shout") == 422
            assert await post("join", who="bob", mode="listen") == 409
            assert await post("join", who="anna", mode="listen") == 200
            assert await now() == ("anna", "listen", "")
            assert await there_now() == ["caller +15550100", "agent agent", "supervisor anna200"]
            assert await post("mode", mode="notes") == 200
            assert await now() == ("anna", "notes", "anna")
            assert await post("give-back") == 200
            assert await now() == ("", "", "")
            entries = await audit_entries(there.gateway.store)
            assert [(one.action, one.detail) for one in entries] == [
                ("gave back", "anna"), ("mode: notes", "anna"), ("had somebody join", "anna: listen"),
            ]  # fmt: skip

    asyncio.run(look())


ORDERS = [
    ("say", {"text": "Hello"}, ("say", "Hello")),
    ("instruct", {"text": "Be brief"}, ("instruct", "Be brief")),
    ("digits", {"keys": "12#"}, ("send_digits", "12#")),
    ("transfer", {}, ("transfer", "")),
    ("transfer", {"to": "billing"}, ("transfer", "billing")),
    ("end", {"cause": "spam"}, ("end", "spam")),
    ("end", {}, ("end", "you ended the call")),
]


@pytest.mark.parametrize(("what", "body", "did"), ORDERS)
def test_a_live_call_is_steered(tmp_path: Path, what: str, body: dict[str, str], did: tuple[str, ...]) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            live = there.gateway.begin(live_call())
            talking: Any = live.context.conversation
            answer = await there.browser.post(f"/api/v1/calls/call-1/{what}", json=body)
            assert (answer.status_code, answer.json()) == (200, {"id": "call-1"})
            assert talking.did == [did]
            (deed,) = await audit_entries(there.gateway.store)
            assert (deed.who, deed.target) == ("you", "call-1")
            assert (await there.browser.post(f"/api/v1/calls/other/{what}", json=body)).status_code == 404
            talking.ending = True  # or over, because two people speak
            status = (await there.browser.post(f"/api/v1/calls/call-1/{what}", json=body)).status_code
            assert (status, live.context.stopped is not None) == ((200, True) if what == "end" else (409, False))

    asyncio.run(look())


def test_a_call_that_rings_can_be_ended_but_not_spoken_into(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            live = there.gateway.begin(live_call(answered=None))
            answer = await there.browser.post("/api/v1/calls/call-1/say", json={"text": "Hello"})
            assert (answer.status_code, answer.json()) == (409, {"detail": "the call is not answered yet"})
            assert (await there.browser.post("/api/v1/calls/call-1/end", json={"cause": "spam"})).status_code == 200
            assert live.context.stopped == Disposition("ended_here", "spam")

    asyncio.run(look())


BAD = [
    ("say", {}), ("say", {"text": ""}), ("say", {"text": "   "}), ("say", {"text": "x" * 1001}), ("say", {"text": 7}),
    ("say", {"text": "x", "more": 1}), ("digits", {"keys": "12x"}), ("digits", {"keys": "1" * 33}),
    ("end", {"cause": "x" * 201}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body"), BAD)
def test_what_makes_no_sense_is_refused_and_not_repeated(tmp_path: Path, what: str, body: dict[str, Any]) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            talking: Any = there.gateway.begin(live_call()).context.conversation
            answer = await there.browser.post(f"/api/v1/calls/call-1/{what}", json=body)
            assert answer.status_code == 422
            assert all(set(each) == {"loc", "msg", "type"} for each in answer.json()["detail"])
            assert talking.did == []

    asyncio.run(look())


def test_each_key_may_do_what_its_scopes_say(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path, PASSWORD) as there:
            there.gateway.begin(live_call())
            asked = (("GET", "/api/v1/live", "calls:read"), ("POST", "/api/v1/calls/call-1/end", "calls:control"),
                     ("POST", "/api/v1/calls", "calls:place"))  # fmt: skip
            for granted in ("calls:read", "calls:control", "calls:place"):
                key = await there.auth.accounts.add_key("crm", [granted])
                for method, path, needed in asked:
                    headers = {"Authorization": f"Bearer {key}"}
                    body = {} if path.endswith("end") else {"to": "+15550123"}
                    answer = await there.browser.request(method, path, headers=headers, json=body)
                    assert (answer.status_code != 403) == (needed == granted), (granted, path)

    asyncio.run(look())


def test_a_call_is_placed(tmp_path: Path) -> None:
    async def look() -> None:
        async with visit(tmp_path) as there:
            answer = await there.browser.post("/api/v1/calls", json={"to": "+15550123", "consent": True})
            assert answer.status_code == 201
            assert answer.json()["id"] in there.gateway.calls
            unknown = await there.browser.post("/api/v1/calls", json={"to": "+15550123", "agent": "nobody"})
            assert (unknown.status_code, unknown.json()) == (409, {"detail": "there is no agent 'nobody'"})
            for wrong in ({"to": "sip:x@y"}, {"to": "+15550123", "consent": "yes"}, {"to": "+15550123", "consent": 1}):
                assert (await there.browser.post("/api/v1/calls", json=wrong)).status_code == 422
            assert (await there.browser.get("/api/v1/calls", params={"since": "0"})).status_code == 422

    asyncio.run(look())


def test_another_page_of_this_browser_cannot_call_it(tmp_path: Path) -> None:
    """A program on this machine needs no token where nobody signs in; a browser does."""

    async def look() -> None:
        async with visit(tmp_path) as there:
            there.gateway.begin(live_call())
            ours = {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}
            end = "/api/v1/calls/call-1/end"
            assert (await there.browser.post(end, json={}, headers=ours)).status_code == 403
            assert (await there.browser.post(end, json={}, headers=ours | await there.token())).status_code == 200

    asyncio.run(look())


@pytest.mark.faults("C12")
def test_a_call_that_is_asked_for_twice_is_made_once_also_by_the_next_process(tmp_path: Path) -> None:
    wanted, key = {"to": "+14155550123"}, {"Idempotency-Key": "k1"}

    async def look() -> None:
        async with visit(tmp_path) as there:
            ask = there.browser.post
            first = (await ask("/api/v1/calls", json=wanted, headers=key)).json()["id"]
            assert (await ask("/api/v1/calls", json=wanted, headers=key)).json() == {"id": first}
            assert len(there.gateway.errands) == 1
        async with visit(tmp_path) as restarted:
            ask = restarted.browser.post
            assert (await ask("/api/v1/calls", json=wanted, headers=key)).json() == {"id": first}
            assert restarted.gateway.errands == []
            refused = await ask("/api/v1/calls", json=wanted | {"agent": "nobody"}, headers={"Idempotency-Key": "k2"})
            assert refused.status_code == 409
            made = await ask("/api/v1/calls", json=wanted, headers={"Idempotency-Key": "k2"})
            assert made.status_code == 201, "what was not made may be asked for again"

    asyncio.run(look())


@pytest.mark.faults("C12")
def test_keys_are_known_for_a_day_and_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placed, "MOST", 3)

    async def look() -> None:
        async with visit(tmp_path) as there:
            calls, store = PlacedCalls(there.gateway.store), there.gateway.store
            crm = Principal.signed("crm", "operator", "")
            async with store.write() as session:
                old = datetime.now(UTC).timestamp() - placed.KEPT - 1
                session.add(PlacedCall(who="crm", key="old", call="long ago", at=old))
            assert await calls.claim(crm, "old", "anew") == ""
            for number in range(4):
                assert await calls.claim(crm, str(number), f"call {number}") == ""
            for who in (Principal.signed("other", "operator", ""), Principal.signed("crm", "operator", "", "acme")):
                assert await calls.claim(who, "3", "theirs") == "", "a key is of whoever asks by it"
                assert await calls.claim(who, "3", "again") == "theirs"
                await calls.give_up(who, "3")
            assert await calls.claim(crm, "3", "once more") == "call 3"
            async with store.read() as session:
                assert len(list(await session.scalars(select(PlacedCall)))) == 3

    asyncio.run(look())


@pytest.mark.faults("H6", "H13", "H19", "G9")
def test_what_is_refused_is_not_put_down_as_made_and_is_told_in_words(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    example = re.search(r"`POST /calls` `({.*?})`", text)

    async def look() -> None:
        async with visit(tmp_path) as there:
            ask = there.browser.post
            assert (await ask("/api/v1/calls", json={"to": "+14155550123", "agent": "nobody"})).status_code == 409
            (deed,) = await audit_entries(there.gateway.store)
            assert deed.action == "asked for a call that was not made"
            assert deed.detail == "there is no agent 'nobody'"
            for number in ("12345x", "sip:bob@10.0.0.5"):
                told = running._detail(await ask("/api/v1/calls", json={"to": number}))  # type: ignore[arg-type]
                assert told.startswith("to: write a telephone number with + and country code"), told
            assert example
            assert (await ask("/api/v1/calls", json=json.loads(example[1]))).status_code == 201, "word for word"
            assert is_valid_number(parse(json.loads(example[1])["to"])), "the gate refuses others"
            assert (await audit_entries(there.gateway.store))[0].action == "made a call"

    asyncio.run(look())
