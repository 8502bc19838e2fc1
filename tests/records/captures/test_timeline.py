"""The timeline of a call: what stands in it, that it stays small, and what is kept when the call is over."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.records import (
    AgentSays,
    CallerSaid,
    Interrupted,
    ProviderFailed,
    Times,
    ToolDone,
    ToolRun,
    ToolStarted,
    Turn,
    TurnDecided,
    TurnEnded,
)
from media.process.channel import Quality
from sipgw.config.records import PrivacyOptions, StoreOptions
from sipgw.events import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CallMeasured,
    CallReported,
    CallTransferred,
    Disposition,
    Event,
    PartyChanged,
    PartySaid,
    Watchers,
)
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.files import file_name, file_names
from sipgw.records.artifacts.retention import prune
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.captures.capture import SipCapture
from sipgw.records.captures.timeline import EVENTS, MEASURED, MESSAGES, TEXT, TURNS, Timeline
from sipgw.records.captures.timelines import Timelines
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.privacy.redaction import redactor
from sipgw.records.store.store import Store
from sipgw.sip.dialog import Peer
from sipgw.sip.trace import Traced

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEGAN = CallBegan("c@1", NOW, "in", "pbx", "agent", "+1555", "+1666", {"name": "Ann"})
ENDED = CallEnded("c@1", NOW, Disposition("caller_hung_up", "caller: BYE"), {"mos": 4.3})


def report(what: Any) -> CallReported:
    return CallReported("c@1", NOW, what)


def turn(**more: Any) -> Turn:
    return Turn("hello", "hi there", "hi", **more)


def test_everything_stands_in_it_in_seconds_since_the_call_began() -> None:
    timeline = Timeline(BEGAN, 100.0)
    times = Times(102.0, 102.2, None, None, 102.75, 102.8)
    told: list[tuple[Event, float]] = [
        (CallAnswered("c@1", NOW), 101.5),
        (report(ToolStarted("lookup", {})), 102.3),
        (report(ToolDone(ToolRun("lookup", {"n": 1}, "found", seconds=0.2))), 102.5),
        (report(TurnEnded(turn(times=times, tools=[ToolRun("lookup", {"n": 1}, "found")]))), 105.0),
        (report(Interrupted("hi")), 105.1),
        (CallMeasured("c@1", NOW, Quality(4.2, 0.01, 0.003, 0.02, 0.001, 0.06)), 106.5),
        (report(ProviderFailed("tts", "gone")), 107.0),
        (CallTransferred("c@1", NOW, "sip:desk@pbx", True, 200, "OK"), 108.0),
        (PartyChanged("c@1", NOW, "anna", "sip:anna@pbx", "whisper"), 108.1),
        (PartySaid("c@1", NOW, "anna", "Offer ten percent.", "agent", False), 108.2),
        (PartyChanged("c@1", NOW, "anna", "sip:anna@pbx", ""), 108.3),
        (ENDED, 110.0),
    ]
    versions = set()
    for event, now in told:
        timeline.tell(event, now)
        versions.add(timeline.version)
    assert len(versions) == len(told)
    made = timeline.as_dict(None)
    assert (made["answered"], made["ended"], made["ending"]["kind"]) == (1.5, 10.0, "caller_hung_up")
    (said,) = made["turns"]
    assert said["marks"] == [2.0, 2.2, None, None, 2.75, 2.8]
    assert said["latency_ms"]["total"] == 800
    assert made["quality"] == [[6.5, 4.2, 0.01, 0.003, 0.02, 0.06]]
    kinds = ["answered", "tool", "tool", "interrupted", "failure", "transfer", "party", "party", "party", "ended"]
    texts = [event["text"] for event in made["events"] if event["kind"] == "party"]
    assert texts[0] == "anna (sip:anna@pbx): whispers to the agent" and texts[2].endswith("has left the call")
    assert texts[1].startswith("anna, to the agent (not told") and texts[1].endswith(": Offer ten percent.")
    assert [event["kind"] for event in made["events"]] == kinds
    json.dumps(made)


def test_every_decision_about_turns_stands_in_it_with_its_evidence_at_its_time() -> None:
    timeline = Timeline(BEGAN, 100.0)
    told = {3.0: "paused: voice 0.93 for 180 ms, echo −31 dB", 4.5: "ended: silence 420 ms, expected digits 6 of 10"}
    for at, evidence in told.items():
        timeline.tell(report(TurnDecided("pause", evidence)), 100.0 + at)
    assert {event["t"]: event["text"] for event in timeline.as_dict(None)["events"]} == told


@pytest.mark.faults("H8")
def test_what_is_being_said_stands_in_it_before_the_turn_has_ended() -> None:
    timeline, now = Timeline(BEGAN, 100.0), iter(range(101, 200))

    def told(what: Any) -> list[tuple[str, str]]:
        timeline.tell(report(what), next(now))
        return [(one["caller"], one["said"]) for one in timeline.as_dict(None)["going"]]

    assert told(CallerSaid("Where", False)) == []
    assert told(CallerSaid("Where is it?", True)) == [("Where is it?", "")]
    assert told(AgentSays("It is here.")) == [("Where is it?", "It is here.")]
    assert told(CallerSaid("And the other?", True)) == [("Where is it?", "It is here."), ("And the other?", "")]
    assert told(AgentSays("Anything else?"))[0] == ("Where is it?", "It is here. Anything else?")
    assert told(TurnEnded(Turn("Where is it?", "It is here. Anything else?"))) == [("And the other?", "")]
    assert told(TurnEnded(Turn("", "Hello?"))) == [("And the other?", "")], "a turn that it was not in"
    assert len(told(CallerSaid("x" * 2 * TEXT, True))[0][0]) == TEXT
    timeline.tell(ENDED, 200.0)
    assert timeline.as_dict(None)["going"] == []


@pytest.mark.faults("C8")
def test_a_number_that_is_said_in_pieces_is_never_shown_whole() -> None:
    timeline = Timeline(BEGAN, 100.0, redact=redactor(PrivacyOptions().redact))
    for said in (CallerSaid, AgentSays):
        for text in ("My card is 4111 1111", "1111 1111, thanks."):
            timeline.tell(report(said(text, True) if said is CallerSaid else said(text)), 101.0)  # type: ignore[call-arg]
    (going,) = timeline.as_dict(None)["going"]
    assert going["caller"] == going["said"] == "My card is [card ••1111], thanks."


def test_nothing_private_stands_in_values_reasons_and_faults() -> None:
    timeline, card = Timeline(BEGAN, 100.0, redact=redactor(PrivacyOptions().redact)), 4111111111111111
    run = ToolRun("pay", {"card": card, str(card): "x"}, {"paid_by": [card]}, f"no account for {card}")
    for event in (
        report(ToolDone(run)),
        report(TurnEnded(turn(tools=[run], sources=[{"file": "a.md", "chunk": card}]))),
        report(ProviderFailed("llm", f"invalid value {card}")),
        CallTransferred("c@1", NOW, "sip:desk@pbx", False, 603, f"Decline {card}"),
        CallEnded("c@1", NOW, Disposition("agent_hung_up", f"the card {card} was declined"), {}),
    ):
        timeline.tell(event, 101.0)
    written = json.dumps(timeline.as_dict(None), ensure_ascii=False)
    assert str(card) not in written and written.count("[card ••1111]") == 10


@pytest.mark.slow
def test_a_huge_call_stays_small() -> None:
    timeline = Timeline(BEGAN._replace(caller="1" * 10**6, identity={"name": "x" * 10**6}), 0.0)
    huge = Turn("a" * 10**5, "b" * 10**5, "c" * 10**5, tools=[ToolRun("t", {"x": "y" * 10**5}, "z" * 10**5)] * 200)
    timeline.tell(report(TurnEnded(huge)), 1.0)
    for number in range(3000):
        timeline.tell(report(TurnEnded(turn())), float(number))
        timeline.tell(report(Interrupted("x")), float(number))
        timeline.tell(CallMeasured("c@1", NOW, Quality(4.2, 0.0, 0.0, 0.0, 0.0, 0.0)), 5.0 * number)
    timeline.tell(ENDED._replace(media={"x": "y" * 10**6}), 9999.0)
    made = timeline.as_dict(None)
    assert len(made["turns"]) == TURNS and len(made["events"]) == EVENTS and len(made["quality"]) <= MEASURED
    assert made["left_out"] > 4000
    assert made["quality"][0][0] == 0.0 and made["quality"][-1][0] == 5.0 * 2999
    assert len(made["turns"][0]["caller"]) == TEXT
    assert len(json.dumps(made)) < 1_500_000


def test_the_page_of_an_ordinary_call_of_half_an_hour_is_small() -> None:
    timeline = Timeline(BEGAN, 0.0)
    for number in range(200):
        asked, answered = "Where is my order number seven three four six? " * 3, "It is on its way. " * 8
        words = Turn(asked, answered, answered, times=Times(1.0, 1.1, 1.2, 1.3, 1.4, 1.5))
        timeline.tell(report(TurnEnded(words)), 9.0 * number)
    for number in range(360):
        timeline.tell(CallMeasured("c@1", NOW, Quality(4.2, 0.01234, 0.00312, 0.02, 0.0, 0.06)), 5.0 * number)
    assert len(json.dumps(timeline.as_dict(None))) < 250_000


def test_only_as_many_messages_as_can_be_looked_at() -> None:
    capture = SipCapture(64 << 20)
    capture.watch(BEGAN)
    start = b"INVITE sip:a SIP/2.0\r\nCall-ID: c@1\r\n\r\n"
    for number in range(1000):
        capture.trace(Traced("in", Peer("udp", "192.0.2.1", 5060), start + b"\xff" * 20, float(number)))
    sip = Timeline(BEGAN, 0.0).as_dict(capture.of(BEGAN.key))["sip"]
    assert len(sip["messages"]) == MESSAGES
    assert len(sip["messages"]) + sip["left_out"] == 1000
    assert [sip["messages"][at]["t"] for at in (0, -1)] == [0.0, 999.0]
    assert sip["messages"][0]["start"] == "INVITE sip:a SIP/2.0"


def hold(lines: Timelines, call: str = "c@1") -> None:
    lines.watch(BEGAN._replace(call=call))
    lines.watch(report(TurnEnded(turn()))._replace(call=call))


def test_a_call_that_is_over_is_kept_with_the_messages_that_came_last(tmp_path: Path) -> None:
    capture = SipCapture(1 << 20)

    async def scenario() -> Any:
        lines = Timelines(capture.of, 10)
        async with lines.kept_in(tmp_path / "calls", Artifacts()):
            assert await lines.of(BEGAN.key) is None and not lines.version(BEGAN.key)
            hold(lines)
            capture.watch(BEGAN)
            assert lines.version(BEGAN.key)
            going = await lines.of(BEGAN.key)
            assert going and going["ending"] is None and len(going["turns"]) == 1
            lines.watch(ENDED)
            start = b"INVITE sip:a SIP/2.0\r\nCall-ID: c@1\r\n\r\n"
            capture.trace(Traced("out", Peer("udp", "192.0.2.1", 5060), start, 1.0))
        return await lines.of(BEGAN.key)

    kept = asyncio.run(scenario())
    assert kept["ending"]["kind"] == "caller_hung_up" and len(kept["sip"]["messages"]) == 1
    (file,) = (tmp_path / "calls").iterdir()
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0

    async def again() -> Any:
        lines = Timelines(lambda call: None, 10)
        async with lines.kept_in(tmp_path / "calls", Artifacts()):
            return await lines.of(BEGAN.key)

    assert asyncio.run(again()) == kept


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            async with CdrWriter(store, Watchers()) as writer:
                lines = Timelines(lambda call: None, 5)
                async with lines.kept_in(tmp_path / "calls", Artifacts(writer.keep)):
                    for number in range(12):
                        hold(lines, f"c{number}")
                        lines.watch(ENDED._replace(call=f"c{number}"))
            assert len(list((tmp_path / "calls").iterdir())) == 12
            await prune(store, 5, NOW)
            await ArtifactWorker(store).work(NOW)

    asyncio.run(scenario())
    assert len(list((tmp_path / "calls").iterdir())) == 5, "they are counted every hour, not for each call"


def test_none_are_kept_where_none_are_wanted(tmp_path: Path) -> None:
    async def scenario() -> None:
        lines = Timelines(lambda call: None, 0)
        async with lines.kept_in(tmp_path / "calls", Artifacts()):
            hold(lines)
            assert await lines.of(BEGAN.key)
            lines.watch(ENDED)
            assert await lines.of(BEGAN.key) is None

    asyncio.run(scenario())
    assert not (tmp_path / "calls").exists()


def test_what_must_not_be_kept_is_not(tmp_path: Path) -> None:
    async def scenario() -> Any:
        lines = Timelines(lambda call: None, 5, lambda agent: lambda text: text.replace("4111", "[card]"))
        async with lines.kept_in(tmp_path, Artifacts()):
            lines.watch(BEGAN)
            run = ToolRun("pay", {"card": ["4111"]}, {"of": "4111"})
            lines.watch(report(TurnEnded(Turn("it is 4111", "4111, right?", "4111,", tools=[run]))))
            return await lines.of(BEGAN.key)

    assert "4111" not in json.dumps(asyncio.run(scenario()))


def test_no_call_id_leads_out_of_the_folder_or_to_the_file_of_another() -> None:
    names = [file_name(call) for call in ("../../etc/passwd", "a/b", "a_b", "x" * 5000, "x" * 5001, "", "\0\ud800")]
    assert len(set(names)) == len(names)
    assert all("/" not in name and ".." not in name and len(name) < 120 for name in names)


def test_a_file_of_an_earlier_release_is_found_by_the_call_that_it_is_of_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        lines = Timelines(lambda call: None, 10)
        async with lines.kept_in(tmp_path, Artifacts()):
            hold(lines)
            lines.watch(ENDED)
        (file,) = tmp_path.iterdir()
        file.rename(tmp_path / f"{file_name('c@1')}.json.gz")
        found = await lines.of(BEGAN.key)
        assert found and found["caller"] == "+1555"
        assert await lines.of(BEGAN._replace(at=NOW + timedelta(hours=1)).key) is None

    asyncio.run(scenario())


def test_a_damaged_file_is_no_timeline(tmp_path: Path) -> None:
    for name in file_names(BEGAN.key):
        (tmp_path / f"{name}.json.gz").write_bytes(b"\x1f\x8b broken")

    async def scenario() -> Any:
        lines = Timelines(lambda call: None, 5)
        async with lines.kept_in(tmp_path, Artifacts()):
            return await lines.of(BEGAN.key)

    assert asyncio.run(scenario()) is None
