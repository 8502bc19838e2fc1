"""What is private in the words is covered in the sound, and what the caller does not want kept is not recorded."""

import asyncio
import gzip
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from media.bleep import TONE, Span, bleep
from media.wav import HEADER, header
from sipgw import bleeps, recordings
from sipgw.consent import must_know, notice_of, recording_tools, wanted
from sipgw.recordings import RecordingOptions, Tape
from sipgw.sip.identity import Identity
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.openai import Reply
from tests.phone import calling
from tests.test_cloud_call import records

LOUD = b"\x10"


def wav(path: Path, seconds: float) -> Path:
    sound = LOUD * round(2 * 8000 * seconds)
    path.write_bytes(header(len(sound)) + sound)
    return path


def sides(path: Path) -> tuple[bytes, bytes]:
    sound = path.read_bytes()[HEADER:]
    return sound[0::2], sound[1::2]


def test_a_tone_covers_one_side_and_nothing_else(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 4)
    command = [sys.executable, "-m", "media.bleep", str(path), str(Span("L", 1.0, 2.5)), "R:3-9"]
    subprocess.run(command, check=True)
    left, right = sides(path)
    assert left == LOUD * 8000 + TONE * 1500 + LOUD * 12000
    assert right == LOUD * 24000 + TONE * 1000, "what is behind the end is left out"
    assert path.read_bytes()[:HEADER] == header(2 * 32000)


def test_a_file_that_still_grows_keeps_what_comes_after(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    with path.open("r+b") as growing:
        growing.seek(0, 2)
        bleep(str(path), [Span("L", 0.5, 0.75)])
        growing.write(LOUD * 16000)
    left, _ = sides(path)
    assert left == LOUD * 4000 + TONE * 250 + LOUD * 10000


@pytest.mark.parametrize("span", ["", "L", "X:1-2", "L:1", "L:-1-2", "L:1e9-2", "L:1-2;rm", "L:" + "9" * 20 + "-1"])
def test_what_is_no_span_is_told(span: str) -> None:
    with pytest.raises(ValueError, match="no span"):
        Span.parse(span)


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(ValueError, match="no recording"):
        bleep(str(path), [Span("L", 0, 1)])
    (tmp_path / "link.wav").symlink_to(wav(tmp_path / "y.wav", 1))
    with pytest.raises(OSError, match="symbolic"):
        bleep(str(tmp_path / "link.wav"), [Span("L", 0, 1)])


def test_a_card_that_is_said_in_a_call_is_heard_by_nobody_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bleeps, "AFTER", 3.0)

    async def scenario() -> tuple[dict[str, object], Path, timedelta]:
        said = [Said("My card is four" + " one" * 15, 3000, 5000)]
        options = RecordingOptions(str(tmp_path / "calls"))
        async with cloud(tmp_path, said, [Reply("Thank you.")], recording=options) as world:
            async with calling(world.target, lambda _: LOUD * 160):
                while not world.gateway.calls or not (tape := next(iter(world.gateway.calls.values())).tape):
                    await asyncio.sleep(0.02)
                await asyncio.sleep(9)
                began = tape.began
            (record,) = await records(world.gateway)
        assert began
        return record, Path(tape.path), record["turns"][-1]["at"] - began

    record, path, ended = asyncio.run(scenario())
    turns = record["turns"]
    assert isinstance(turns, list)
    assert any(turn["caller"] == "My card is [card ••1111]" for turn in turns)
    (timeline,) = (tmp_path / "cloud.db.calls").glob("*.json.gz")
    assert b"one one" not in gzip.decompress(timeline.read_bytes())
    left, _ = sides(path)
    spoken = left[round(8000 * 4.0) : round(8000 * 4.9)]
    assert set(spoken) <= set(TONE), "all of it"
    assert LOUD * 4000 in left[: round(8000 * ended.total_seconds()) + 32000], "and not all of the call"


# Consent


def identity(number: str) -> Identity:
    return Identity(number=number, withheld=not number, dialled="+14155550100")


@pytest.mark.parametrize(
    ("number", "must"),
    [
        ("+14155552671", True),  # California
        ("+12125552671", False),  # New York
        ("+493012345678", True),
        ("+911123456789", True),
        ("+6421234567", False),  # New Zealand
        ("100", True),
        ("", True),
    ],
)
def test_the_law_of_the_other_side_decides(number: str, must: bool) -> None:
    assert must_know(number) is must
    options = RecordingOptions("x", consent="country")
    assert wanted(options, identity(number)) == ("announce" if must else "off")


def test_a_call_out_goes_by_who_is_called() -> None:
    assert wanted(RecordingOptions("x", consent="country"), identity("+12125552671"), outbound=True) == "announce"


def test_who_does_not_record_asks_nobody() -> None:
    assert wanted(RecordingOptions(consent="announce"), identity("+493012345678")) == "off"


def test_what_is_said_first() -> None:
    options = RecordingOptions("x")
    assert notice_of(options, "announce", "Hello.") == "This call is recorded. Hello."
    assert notice_of(options, "key", "") == "If this call may be recorded, please press 1."
    assert notice_of(options, "off", "Hello.") == "Hello."


@pytest.mark.parametrize("agrees", [True, False])
def test_nothing_is_recorded_before_the_caller_has_agreed(tmp_path: Path, agrees: bool) -> None:
    async def scenario():
        options = RecordingOptions(str(tmp_path / "calls"), consent="key")
        async with cloud(tmp_path, [], [], recording=options) as world:
            async with calling(world.target, lambda _: LOUD * 160) as phone:
                await asyncio.sleep(1)
                assert list((tmp_path / "calls").iterdir()) == []
                assert phone.leg
                phone.leg.send_info_digit("1" if agrees else "2")
                await asyncio.sleep(2.5)
            (record,) = await records(world.gateway)
            return record, world.voice.texts

    record, texts = asyncio.run(scenario())
    assert texts[0] == "If this call may be recorded, please press 1."
    files = list((tmp_path / "calls").iterdir())
    assert len(files) == agrees
    assert record["media"].get("recording") == ({"consent": "key", "file": str(files[0])} if agrees else None)


def test_keys_and_what_the_agent_pauses_for_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "KEYS_PAUSE", 0.01)

    async def scenario() -> list[str]:
        channel, tape = Mock(), Tape("x.wav")
        pause, resume = recording_tools(tape)
        tape.begin(channel)
        tape.pressed("4")
        tape.pressed("1")
        await asyncio.sleep(0.05)
        await pause.function()
        tape.pressed("1")
        await asyncio.sleep(0.05)
        await resume.function()
        return [call[0] for call in channel.method_calls]

    told = asyncio.run(scenario())
    again = "resume_recording"
    assert told == ["record", *["pause_recording"] * 2, again, *["pause_recording"] * 2, again]


def test_without_a_recording_there_is_nothing_to_pause() -> None:
    assert recording_tools(Tape()) == []
    Tape().pressed("1")
