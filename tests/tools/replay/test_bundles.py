"""Bundles of `tests/data/bundles` (see `tests.tools.replay.making`) replay the same; broken files are refused."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.turn_taking.table import TABLE, Action
from sipgw.cli.main import app
from sipgw.records.bundles.bundle import Bundle, BundleError, read_bundle
from sipgw.sip import offer_answer
from sipgw.tools.replay.difference import differences
from sipgw.tools.replay.run import Replayed, replay
from tests.tools.replay.making import BUNDLES

ALL = sorted(path.name.removesuffix(".call.zip") for path in BUNDLES.glob("*.call.zip"))


def bundle(name: str) -> Bundle:
    return read_bundle(BUNDLES / f"{name}.call.zip")


def played(one: Bundle) -> tuple[Replayed, list[str]]:
    again = replay(one)
    return again, [found.where for found in differences(one.story, again.story, again.left)]


@pytest.mark.parametrize("name", ALL)
def test_it_is_the_same_again(name: str) -> None:
    one = bundle(name)
    again, found = played(one)
    assert not found, differences(one.story, again.story, again.left)


def test_there_are_enough_and_they_are_small() -> None:
    assert len(ALL) >= 20
    assert sum(path.stat().st_size for path in BUNDLES.iterdir()) < 6 << 20


def test_the_same_call_is_played_identically_every_time() -> None:
    one = bundle("loss_in_bursts")
    assert replay(one).frames == replay(one).frames


def test_a_bundle_survives_being_written(tmp_path: Path) -> None:
    one = bundle("barge_in")
    (tmp_path / "again.call.zip").write_bytes(one.write())
    assert read_bundle(tmp_path / "again.call.zip") == one


def test_what_the_hard_cases_are_about() -> None:
    """The suite would still be green if every scene had missed its point when it was made."""
    story = {name: bundle(name).story for name in ALL}
    assert story["notice"].turns[1].caller == "Are you open on Saturday", "what is said into a notice counts"
    assert story["barge_in"].turns[1].interrupted and story["barge_in"].turns[1].heard.endswith("—")
    assert story["cough"].resumed == story["backchannel"].resumed == story["backchannel_german"].resumed == 1
    assert not any(turn.interrupted for turn in story["cough"].turns)
    assert any(turn.caller == "7 3 4 6" for turn in story["dictation"].turns)
    assert any(turn.caller == "[pressed 7 3 4 6]" for turn in story["keys"].turns)
    assert any("[pressed 7 3 4 6]" in turn.caller for turn in story["keys_by_info"].turns)
    assert "Let me look that up for you." in story["slow_tool"].spoken
    assert any(run["failed"] for turn in story["tool_never_answers"].turns for run in turn.tools)
    assert story["llm_down"].failed == ["llm"] and story["llm_down"].ending == "failed"
    assert story["tts_breaks_off"].failed == ["tts"]
    assert not story["tts_fails_over"].failed and not story["llm_fails_over"].failed
    assert not story["stt_fails_over"].failed and "Are you open on Saturday" in story["stt_fails_over"].heard
    assert [turn.caller for turn in story["both_at_once"].turns][1] == "Are you open on Saturday", "held back, not lost"
    assert story["silence"].ending == "silence" and story["silence"].spoken.count("Are you still there?") == 2
    assert story["too_long"].ending == "max_duration"
    assert story["transfer"].ending == "transferred"
    assert "nobody can take your call" in " ".join(story["transfer_busy"].spoken)
    assert story["machine"].answered_by == ["machine"] and story["machine"].ending == "message_left"
    assert story["hangs_up"].ending == "caller_hung_up"
    asked = [frame for frame in bundle("thrown_away").frames if frame["of"] == "llm" and frame["do"] == "asked"]
    assert len(asked) > len([turn for turn in story["thrown_away"].turns if turn.caller]), "one reply was for nothing"


def test_a_line_that_was_lost_is_lost_again() -> None:
    """Bundles of the first releases do not tell one from the other: they stay what they were."""
    one = bundle("hangs_up")
    lost = replace(one, frames=[frame | {"lost": True} if frame.get("do") == "end" else frame for frame in one.frames])
    assert [replay(each).story.ending for each in (one, lost)] == ["caller_hung_up", "line_lost"]


# What a change of the code does


def without(one: Bundle, *, of: str, words: str) -> Bundle:
    """Without what was answered to questions with these words."""
    return replace(
        one, frames=[frame for frame in one.frames if not (frame["of"] == of and words in str(frame.get("text")))]
    )


def slower(frame: dict[str, Any]) -> dict[str, Any]:
    late = frame["of"] == "llm" and frame["do"] == "piece"
    return frame | {"waited": frame["waited"] + 0.4} if late else frame


def test_a_later_reply_is_found() -> None:
    one = bundle("plain")
    assert "turn 2: latency" in played(replace(one, frames=[slower(frame) for frame in one.frames]))[1]


def test_an_agent_that_no_longer_stops_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = {
        cell: (state, tuple(one for one in decisions if one is not Action.CUT))
        for cell, (state, decisions) in TABLE.items()
    }
    monkeypatch.setattr("agent.turn_taking.transitions.TABLE", deaf)
    assert "turn 2: interrupted" in played(bundle("barge_in"))[1]


def test_a_cough_that_no_longer_silences_the_agent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.hearing.noise_floor.AUDIBLE", 0.0)
    assert "resumed" in played(bundle("cough"))[1]


def test_keys_that_are_no_longer_understood_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.dtmf.events.DigitReceiver.receive", lambda self, packet: None)
    found = differences(bundle("keys").story, replay(bundle("keys")).story)
    assert any("[pressed 7 3 4 6]" in one.before and not one.now for one in found)


def test_a_jitter_buffer_that_keeps_sound_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The STT hears as much as they are given: without sound they have no words."""
    monkeypatch.setattr("media.jitter.buffer.JitterBuffer.put", lambda self, *_: b"")
    monkeypatch.setattr("media.jitter.buffer.JitterBuffer.poll", lambda self, now: b"")
    again, found = played(bundle("jitter"))
    assert not again.story.heard
    assert found[0] == "left the recording" and "Are you still there?" in again.left


def test_a_hold_that_is_no_longer_understood_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(offer_answer._MIRROR, "sendonly", "sendrecv")
    found = differences(bundle("hold").story, replay(bundle("hold")).story)
    assert [one.before for one in found if one.where == "agreed"] == ["PCMU (0), keys (101), recvonly"]


def test_an_offer_that_is_no_longer_accepted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(offer_answer.ENCODINGS, "PCMA")
    again, found = played(bundle("a_law"))
    assert found[0] == "left the recording"
    assert "what was agreed on cannot be used: only PCMA" in again.left


def test_code_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("agent.turn_taking.machine.TurnMachine.away", fail)
    again, found = played(bundle("hold"))
    assert found[0] == "left the recording" or "failed" in found
    monkeypatch.setattr("sipgw.calls.phone_line.PhoneLine.exchange", fail)
    again, found = played(bundle("plain"))
    assert found[0] == "left the recording" and again.left.endswith("the code failed: ZeroDivisionError: oh")


def test_a_question_that_was_never_answered_ends_it() -> None:
    again, found = played(without(bundle("plain"), of="tts", words="noon"))
    assert found[0] == "left the recording"
    assert "the voice was given 'On Saturdays until noon.', which it was not" in again.left
    one = bundle("tool_fails")
    frames = [frame for frame in one.frames if frame.get("name") != "find_branch"]
    again, found = played(replace(one, frames=frames))
    assert 'the tool find_branch was called with {"town": "Rome"}, which it was not' in again.left
    frames = [frame for frame in one.frames if not (frame["of"] == "llm" and "Rome" in str(frame.get("messages")))]
    again, found = played(replace(one, frames=frames))
    assert "the model was asked 'Have you a branch in Rome' (user), which it was not" in again.left


# The command


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["replay", *arguments])


def test_same_is_0_different_is_1(tmp_path: Path) -> None:
    good = BUNDLES / "plain.call.zip"
    done = run(str(good))
    assert done.exit_code == 0 and "1 of 1 calls are the same" in done.output
    one = bundle("plain")
    one.story.turns[1].said = "Something else."
    changed = tmp_path / "changed.call.zip"
    changed.write_bytes(one.write())
    done = run(str(tmp_path))
    assert done.exit_code == 1
    assert "turn 2: said" in done.output and "On Saturdays until noon." in done.output
    told = json.loads(run("--json", str(changed)).output)
    assert told[0]["same"] is False and told[0]["differences"][0]["where"] == "turn 2: said"
    assert run("--update", str(changed)).exit_code == 0
    assert run(str(changed)).exit_code == 0
    left = replace(one, frames=[frame for frame in one.frames if frame["of"] != "llm"])
    changed.write_bytes(left.write())
    assert run("--update", str(changed)).exit_code == 1, "it was not taken"
    assert read_bundle(changed) == left and not list(tmp_path.glob(".*"))


def broken(folder: Path, name: str, content: bytes | None) -> Path:
    """`plain` with another content of one of its parts, or without it."""
    made = folder / "broken.call.zip"
    with zipfile.ZipFile(BUNDLES / "plain.call.zip") as good, zipfile.ZipFile(made, "w") as bad:
        for part in good.namelist():
            if part != name:
                bad.writestr(part, good.read(part))
            elif content is not None:
                bad.writestr(part, content)
    return made


def told(**wrong: Any) -> bytes:
    """The story of `plain`, the first turn of which is `wrong`."""
    story = bundle("plain").story.as_dict()
    story["turns"][0] |= wrong
    return json.dumps(story).encode()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("story.json", None, "story.json is missing"),
        ("bundle.json", b"{}", "'format' is missing"),
        ("bundle.json", b"[1", "Expecting"),
        ("bundle.json", b'{"format": "sipgw bundle", "version": 7}', "format 7; this sipgw reads formats 1 and 2"),
        ("story.json", b'{"turns": [{}]}', "missing"),
        ("story.json", told(latency_ms=3), "latency_ms"),
        ("story.json", told(heard=None), "heard"),
        ("story.json", told(latency_ms={"total": "x"}), "latency_ms.total"),
        ("story.json", told(tools=[{}]), "'name' is missing"),
        ("frames.jsonl", b"3\n", "a line is no JSON object"),
        ("frames.jsonl", b"", "there is no frame of 'line exchange'"),
        ("frames.jsonl", b"\xff\n", "decode"),
    ],
)
def test_a_broken_bundle_is_one_line_and_2(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    done = run(str(broken(tmp_path, name, content)))
    assert done.exit_code == 2
    lines = [line for line in done.output.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and problem in lines[0], done.output


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ({}, "'of' is missing"),
        ({"of": "says"}, "'t' is missing"),
        ({"of": "says", "t": -1}, "'t' is missing"),
        ({"of": "stt", "do": "piece", "t": 1, "session": 9, "waited": 0}, "'after' is missing"),
        ({"of": "stt", "do": "ended", "t": 1, "session": 9, "waited": "long"}, "'waited' is 'long'"),
        ({"of": "stt", "do": "ended", "t": 1, "session": 9, "waited": 0, "fault": {}}, "'provider' is missing"),
        ({"of": "tts", "do": "piece", "t": 1, "session": 9, "waited": 0, "sound": [1]}, "'sound' is not"),
        (
            {"of": "stt", "do": "piece", "t": 1, "session": 9, "waited": 0, "after": 0, "delay": 0, "onset": 0}
            | {"longest_silence": "1"},
            "'longest_silence'",
        ),
        ({"of": "tts", "do": "piece", "t": 1, "session": 9, "waited": 0}, "'sound' is missing"),
        ({"of": "tts", "do": "piece", "t": 1, "session": 9, "waited": 0, "timed": [1]}, "'timed' is not"),
        (
            {"of": "line", "do": "exchange", "t": 1, "channel": 1, "format": {}, "remote": [], "direction": ""},
            "'remote'",
        ),
    ],
)
def test_a_frame_that_cannot_be_played_is_told_with_its_line(tmp_path: Path, frame: Any, problem: str) -> None:
    good = zipfile.ZipFile(BUNDLES / "plain.call.zip").read("frames.jsonl")
    done = run(str(broken(tmp_path, "frames.jsonl", good + json.dumps(frame).encode())))
    assert done.exit_code == 2
    assert f"frames.jsonl: line {len(good.splitlines()) + 1}: {problem}" in " ".join(done.output.split())


def test_what_is_no_bundle_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.call.zip").write_bytes(b"no zip")
    done = run(str(tmp_path / "a.call.zip"))
    assert done.exit_code == 2 and len(done.output.splitlines()) == 1
    assert run(str(tmp_path / "nowhere.call.zip")).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert "there is no *.call.zip in this folder" in run(str(tmp_path / "empty")).output


@pytest.mark.parametrize("at", range(0, 20_000, 1543))
def test_a_file_that_was_cut_or_damaged_is_told(tmp_path: Path, at: int) -> None:
    good = (BUNDLES / "plain.call.zip").read_bytes()
    for number, data in enumerate((good[:at], good[:at] + b"\x55" + good[at + 1 :])):
        path = tmp_path / f"{number}.call.zip"
        path.write_bytes(data)
        try:
            replay(read_bundle(path))
        except BundleError as error:
            assert "\n" not in str(error)
