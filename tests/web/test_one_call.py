"""The page of a call and its files, with ordinary, empty, huge and hostile calls."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import event as database_event

from agent.records import Times, ToolRun, Turn, TurnDecided, TurnEnded
from media.process.channel import Quality
from media.recording.redact import Span
from media.recording.wav import header
from sipgw.events import CallAnswered, CallBegan, CallEnded, CallKey, CallMeasured, CallReported, Disposition, Watchers
from sipgw.records.artifacts.artifact import SETTLED, Artifacts
from sipgw.records.artifacts.recordings import CallRecording
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.captures.explain import median_wait
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.artifact_states import ArtifactKind
from sipgw.records.store.tables import CallRecord, TurnRecord
from sipgw.sip.dialog import Peer
from sipgw.sip.trace import Traced
from sipgw.web import authentication, one_call
from sipgw.web.accounts import audit_entries
from tests.cdr_events import artifact
from tests.web.gateway_view import Visit, live_call, visit
from tests.web.sample_calls import Played

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def invite(call: str, name: str = "Ann") -> Traced:
    data = f'INVITE sip:a@b SIP/2.0\r\nFrom: "{name}" <sip:a@b>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\r\n'
    return Traced("in", Peer("udp", "192.0.2.1", 5060), data.encode(), asyncio.get_running_loop().time())


def answer(call: str, status: int) -> Traced:
    data = f"SIP/2.0 {status} So\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\r\n".encode()
    return Traced("out", Peer("udp", "192.0.2.1", 5060), data, asyncio.get_running_loop().time())


def hold(visitor: Visit, call: str, *, words: str = "hello", turns: int = 1, file: str = "", end: bool = True) -> None:
    evidence = visitor.gateway.evidence
    evidence.trace(invite(call, words[:100].replace('"', "")))
    tell = evidence.watch
    tell(CallBegan(call, NOW, "in", "office", "agent", words, words, {"name": words}))
    evidence.trace(answer(call, 200))
    tell(CallAnswered(call, NOW))
    run = ToolRun(words[:50], {"x": words}, words, seconds=0.1)
    for _ in range(turns):
        turn = Turn(words, words, words, tools=[run], times=Times(1.0, 1.3, 1.8, 1.9, 2.1, 2.2))
        tell(CallReported(call, NOW, TurnEnded(turn)))
        tell(CallMeasured(call, NOW, Quality(4.2, 0.01, 0.003, 0.02, 0.001, 0.06)))
    if end:
        tell(CallEnded(call, NOW, Disposition("caller_hung_up", words), {"recording": {"file": file}} if file else {}))


def looking(folder: Path, look: Callable[[Visit], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with visit(folder) as visitor:
            evidence = visitor.gateway.evidence
            async with evidence.timelines.kept_in(folder / "calls", Artifacts()):
                await look(visitor)

    asyncio.run(scenario())


async def timeline(visitor: Visit, call: str) -> dict[str, Any]:
    answered = await visitor.browser.get(f"/calls/{quote(call)}/timeline.json")
    assert answered.status_code == 200
    found: dict[str, Any] = answered.json()
    return found


def test_the_page_and_all_that_it_shows(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1")
        page = await visitor.browser.get("/calls/a@1")
        assert page.status_code == 200 and "/static/call.js" in page.text
        found = await timeline(visitor, "a@1")
        assert found["explained"][0]["what"] == "The caller hung up."
        assert found["sip"]["messages"][0]["start"].startswith("INVITE")
        assert found["turns"][0]["latency_ms"]["total"] == 1200
        for script in (
            "call.js",
            "chat.js",
            "cost.js",
            "draw.js",
            "ladder.js",
            "latency.js",
            "marks.js",
            "quality.js",
            "vendor/wavesurfer-8.0.1.esm.js",
        ):
            assert (await visitor.browser.get(f"/static/{script}")).status_code == 200

    looking(tmp_path, look)


def test_a_recording_is_heard_from_where_it_began_which_may_be_when_the_caller_agreed(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        for call, began in (("a@1", {}), ("b@1", {"began": (NOW + timedelta(seconds=7.25)).isoformat()})):
            hold(visitor, call, end=False)
            media = {"recording": {"file": "/r/1.wav", **began}}
            visitor.gateway.evidence.watch(CallEnded(call, NOW, Disposition("caller_hung_up", ""), media))
        assert (await timeline(visitor, "a@1"))["recording_began"] is None
        assert (await timeline(visitor, "b@1"))["recording_began"] == 7.25

    looking(tmp_path, look)


def test_a_call_that_goes_on_is_told_anew_only_when_something_happened(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", end=False)
        first = await visitor.browser.get("/calls/a@1/timeline.json")
        assert first.json()["live"] and first.json()["explained"] == []
        tag = {"If-None-Match": first.headers["etag"]}
        assert (await visitor.browser.get("/calls/a@1/timeline.json", headers=tag)).status_code == 304
        visitor.gateway.evidence.trace(answer("a@1", 486))
        assert (await visitor.browser.get("/calls/a@1/timeline.json", headers=tag)).status_code == 200

    looking(tmp_path, look)


def test_what_a_caller_sends_is_text(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        call = f"a/{EVIL}/../b"
        hold(visitor, call, words=EVIL)
        path = quote(call, safe="")
        page = await visitor.browser.get(f"/calls/{path}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text and "<img" not in page.text.replace('<img src="/static', "")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy and "unsafe" not in policy
        data = await visitor.browser.get(f"/calls/{path}/timeline.json")
        assert data.headers["content-type"] == "application/json"
        assert data.headers["x-content-type-options"] == "nosniff"
        assert data.json()["caller"] == EVIL and data.json()["call"] == call
        file = await visitor.browser.get(f"/calls/{path}/pcap")
        assert file.status_code == 200 and "<" not in file.headers["content-disposition"]
        scripts = Path("sipgw/web/static").glob("*.js")
        assert not [script for script in scripts if "innerHTML" in (text := script.read_text()) or "eval(" in text]

    looking(tmp_path, look)


def test_an_invite_that_was_refused_has_a_page_of_its_messages(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        visitor.gateway.evidence.trace(invite("refused@1"))
        visitor.gateway.evidence.trace(answer("refused@1", 403))
        assert (await visitor.browser.get("/calls/refused@1")).status_code == 200
        found = await timeline(visitor, "refused@1")
        assert found["explained"][0]["what"].startswith("We refused the call: 403.")
        assert "networks" in found["explained"][0]["fix"]

    looking(tmp_path, look)


def test_nothing_is_known_of_a_call_that_never_was(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        for path in ("", "/timeline.json", "/pcap", "/bundle", "/recording", "/waveform.json"):
            assert (await visitor.browser.get(f"/calls/never{path}")).status_code == 404

    looking(tmp_path, look)


@pytest.mark.faults("H7")
def test_the_median_of_the_page_is_one_figure(tmp_path: Path) -> None:
    assert median_wait([{"latency_ms": {"total": 1718}}, {"latency_ms": {"total": 1186}}, {"latency_ms": {}}]) == 1452
    assert median_wait([{}]) is None

    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", turns=3)
        found = await timeline(visitor, "a@1")
        assert found["median_ms"] == median_wait(found["turns"]) > 0  # type: ignore[operator]

    looking(tmp_path, look)


def test_refused_packets_are_told_while_the_call_goes_on(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        live = visitor.gateway.begin(live_call(1, began=NOW))
        hold(visitor, live.info.id, end=False)
        assert (await timeline(visitor, live.info.id))["explained"] == []
        at = NOW.timestamp()
        source = {
            "host": "10.0.0.9",
            "port": 4002,
            "reason": "foreign",
            "packets": 267,
            "first": at + 3,
            "last": at + 8,
        }
        live.context.line.counts["refused_sources"] = [source]  # type: ignore[attr-defined]
        found = await timeline(visitor, live.info.id)
        assert found["media"]["refused_sources"] == [source]
        (told,) = found["explained"]
        assert told["what"].startswith("267 packets came from 10.0.0.9:4002, an address that no description")
        assert told["evidence"] == ["267 from 10.0.0.9:4002, 3.0 s to 8.0 s"] and told["fix"]

    looking(tmp_path, look)


@pytest.mark.faults("H17", "C2")
def test_the_page_says_why_there_is_no_sound(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1")
        assert (await timeline(visitor, "a@1"))["unrecorded"] == "Off. [recording] folder in sipgw.toml turns it on."
        asked = visitor.gateway.begin(live_call(1, began=NOW, call_recording=CallRecording("", "key")))
        hold(visitor, asked.info.id)
        told = (await timeline(visitor, asked.info.id))["unrecorded"]
        assert told == "No sound is kept, captured or heard by others: the caller has not agreed yet."
        assert asked.context.call_recording
        asked.context.call_recording.agreed = True
        assert (await timeline(visitor, asked.info.id))["unrecorded"].startswith("Off.")

    looking(tmp_path, look)


@pytest.mark.faults("C11")
def test_whoever_fetches_a_bundle_stands_in_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def made(call: CallKey) -> bytes:
        return b"PK"

    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1")
        monkeypatch.setattr(visitor.gateway.evidence, "bundle", made)
        assert (await visitor.browser.get("/calls/a@1/bundle")).content == b"PK"
        (deed,) = await audit_entries(visitor.gateway.store)
        assert (deed.action, deed.target) == ("fetched the bundle", "a@1")

    looking(tmp_path, look)


def test_a_call_of_before_there_were_timelines_is_shown_from_its_record(tmp_path: Path) -> None:
    async def look(visitor: Visit) -> None:
        turn = Turn("hello", "hi", "hi", times=Times(1.0, 1.3, 1.8, 1.9, 2.1, 2.2)).as_dict()
        record = CallRecord(
            id="old@1", trunk="office", agent="agent", caller="1", called="2", began=NOW, media={"mos": 4.1},
            answered=NOW + timedelta(seconds=2), ended=NOW + timedelta(seconds=9), ending="silence", cause="quiet",
        )  # fmt: skip
        said = {name: value for name, value in turn.items() if name not in ("tools", "agent", "language")}
        async with visitor.gateway.store.write() as session:
            session.add_all([record, TurnRecord(call="old@1", number=0, **said)])
        found = await timeline(visitor, "old@1")
        assert (found["answered"], found["ended"]) == (2.0, 9.0)
        assert found["turns"][0]["latency_ms"]["total"] == 1200
        assert "said nothing" in found["explained"][0]["what"]
        assert (await visitor.browser.get("/calls/old@1")).status_code == 200

    looking(tmp_path, look)


def test_the_recording_is_played_in_parts_and_has_a_shape(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    quiet, loud = b"\xff\xff", b"\x80\xff"
    file.write_bytes(header(16_000 * 4) + quiet * 16_000 + loud * 16_000)

    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", file=str(file))
        async with visitor.gateway.store.write() as session:
            session.add(artifact("a@1", str(file)))
        page = await visitor.browser.get("/calls/a@1")
        assert "data-audio" in page.text and str(tmp_path) not in page.text
        assert str(tmp_path) not in (await visitor.browser.get("/calls/a@1/timeline.json")).text
        part = await visitor.browser.get("/calls/a@1/recording", headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"RIFF", "audio/wav")
        for asked in ("bytes=4-", "bytes=8-15"):
            await visitor.browser.get("/calls/a@1/recording", headers={"Range": asked})
        heard = [(one.action, one.target) for one in await audit_entries(visitor.gateway.store)]
        assert heard == [("heard the recording", "a@1")], "one line for a player that never asks for the whole"
        shape = (await visitor.browser.get("/calls/a@1/waveform.json")).json()
        assert shape["seconds"] == 4.0
        left, right = shape["peaks"]
        assert left[:700] == [0.0] * 700 and left[900] > 0.95 and max(right) == 0.0
        file.unlink()
        assert (await visitor.browser.get("/calls/a@1/recording")).status_code == 404
        assert "/recording" not in (await visitor.browser.get("/calls/a@1")).text, "no link to a file that was deleted"
        found = await timeline(visitor, "a@1")
        assert (found["recorded"], found["unrecorded"]) == (False, "It was deleted.")

    looking(tmp_path, look)


def test_every_decision_comes_with_its_evidence_and_its_time_in_the_recording(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(header(16_000 * 8) + b"\xff" * 16_000 * 8)
    decided = {2.6: "paused: voice 0.93 for 180 ms, echo −31 dB", 3.1: EVIL}

    async def look(visitor: Visit) -> None:
        async with visitor.gateway.store.write() as session:
            session.add(artifact("a@1", str(file)))
        played = Played(visitor.gateway, "a@1", 10, "Ann")
        played.answered(1.5)
        for at, evidence in decided.items():
            played.tell(1.5 + at, CallReported, TurnDecided("pause", evidence))
        played.hung_up(9.5, str(file))
        found = await timeline(visitor, "a@1")
        assert found["recorded"] and not found["live"]
        marks = [
            (round(one["t"] - found["answered"], 3), one["text"]) for one in found["events"] if one["kind"] == "turn"
        ]
        assert marks == list(decided.items())
        seconds = (await visitor.browser.get("/calls/a@1/waveform.json")).json()["seconds"]
        assert found["ended"] - found["answered"] == seconds == 8.0
        page = (await visitor.browser.get("/calls/a@1")).text
        assert "data-marks" in page and "data-marked" in page
        hold(visitor, "b@1")
        assert "data-marks" not in (await visitor.browser.get("/calls/b@1")).text, "nothing to mark without a recording"

    looking(tmp_path, look)


@pytest.mark.faults("C15")
def test_a_recording_in_which_something_private_is_to_be_covered_is_for_nobody_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(header(16_000) + b"\xff" * 16_000)
    parts = ("/recording", "/waveform.json")
    monkeypatch.setattr(one_call, "PAUSES", ())

    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", file=str(file))

        async def answers() -> list[int]:
            return [(await visitor.browser.get(f"/calls/a@1{part}")).status_code for part in parts]

        assert await answers() == [409, 409], "a file without a row is for nobody"
        async with CdrWriter(visitor.gateway.store, Watchers()) as writer:
            artifacts = Artifacts(writer.keep)
            one = artifacts.begin(ArtifactKind.RECORDING, "a@1", str(file))
            await writer.written()
            assert await answers() == [200, 200]
            one.want([Span("L", 0.1, 0.5)])
            await writer.written()
            assert await answers() == [409, 409]
            one.end()
            await writer.written()
            assert await answers() == [409, 409]
        await ArtifactWorker(visitor.gateway.store, (), str).work(datetime.now(UTC) + SETTLED)
        assert await answers() == [200, 200]

    looking(tmp_path, look)


@pytest.mark.parametrize("wrong", [b"", b"RIFF", b"RIFF1234WAVEdata", b"\0" * 5000, header(0)[:20] + b"\xff" * 400])
def test_a_recording_that_is_none_has_no_shape_and_does_no_harm(tmp_path: Path, wrong: bytes) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(wrong)

    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", file=str(file))
        async with visitor.gateway.store.write() as session:
            session.add(artifact("a@1", str(file)))
        assert (await visitor.browser.get("/calls/a@1/waveform.json")).status_code == 404

    looking(tmp_path, look)


def test_the_page_of_half_an_hour_is_few_bytes_and_no_query_per_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "LOOK_EVERY", float("inf"))

    async def look(visitor: Visit) -> None:
        hold(visitor, "a@1", words="Where is my order number seven three four six? " * 3, turns=300)
        await asyncio.sleep(0)
        queries: list[str] = []
        engine = visitor.gateway.store._engine.sync_engine
        database_event.listen(engine, "before_cursor_execute", lambda *told: queries.append(told[2]))
        size = 0
        for path in ("", "/timeline.json"):
            answered = await visitor.browser.get(f"/calls/a@1{path}")
            size += len(answered.content)
        for script in (
            "call.js",
            "chat.js",
            "cost.js",
            "draw.js",
            "ladder.js",
            "latency.js",
            "marks.js",
            "quality.js",
            "vendor/wavesurfer-8.0.1.esm.js",
        ):
            size += len((await visitor.browser.get(f"/static/{script}")).content)
        assert size < 600_000
        asked = [one for one in queries if one != "BEGIN"]
        assert len(asked) == 4, "twice for its row, then for its report and its costs, by its key"

    looking(tmp_path, look)
