"""Recordings of whole calls: the options, the file, the record."""

import asyncio
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from media.recording.wav import HEADER
from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.config.records import RecordingOptions
from tests.calls.test_cloud_call import every_code, records
from tests.cloud import cloud
from tests.fakes.elevenlabs import sound_of
from tests.phone import calling
from tests.waiting import until

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_no_call_is_recorded_unless_a_folder_is_given():
    assert RecordingOptions().path("1@a", BEGAN, "pbx", "100") == ""
    assert parse("", "x", {}).recording == RecordingOptions()


@pytest.mark.parametrize(
    "call", ["../../etc/passwd", "/etc/passwd", "..", "a\0b", "a/b\\c", ".hidden", "x" * 5000, "", "é\n%s{call}"]
)
def test_whatever_the_call_id_the_file_is_inside_the_folder(tmp_path, call):
    for name in ("{call}", "{caller}-{call}-{trunk}", "../{call}", "/var/{call}"):
        path = Path(RecordingOptions(str(tmp_path), name).path(call, BEGAN, "pbx", call))
        assert path.parent == tmp_path.resolve()
        assert re.fullmatch(r"[A-Za-z0-9@+_-]{0,120}\.wav", path.name)


def test_the_name_tells_start_and_call(tmp_path):
    path = RecordingOptions(str(tmp_path)).path("a84b4c76@pc33.example.com", BEGAN, "pbx", "100")
    assert Path(path).name == "20260102T030405-a84b4c76@pc33_example_com.wav"


def test_opus_without_its_library_is_told_at_start(monkeypatch):
    assert (
        parse('[recording]\nfolder = "x"\nformat = "opus"', "x", {}).recording.path("1", BEGAN, "", "")[-6:] == "1.opus"
    )
    monkeypatch.setattr("sipgw.config.records.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install"):
        parse('[recording]\nformat = "opus"', "sipgw.toml", {})


@pytest.mark.parametrize(
    ("name", "told"),
    [("{began}", "needs {call}"), ("{call}{who}", "{who}"), ("{call", "read"), ("{call.x}", "{call.x}")],
)
def test_a_name_that_cannot_be_is_told_at_start(name, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        parse(f'[recording]\nfolder = "x"\nname = "{name}"', "sipgw.toml", {})


@pytest.mark.slow
def test_a_call_is_recorded_and_its_record_names_the_file(tmp_path):
    async def scenario():
        async with cloud(tmp_path, [], [], recording=RecordingOptions(str(tmp_path / "calls" / "new"))) as world:
            async with calling(world.target, every_code) as phone:
                await until(lambda: len(phone.sent_at) > 250 and len(phone.heard()) > 8000)
            (record,) = await records(world.gateway)
            return record, world.tts.texts

    record, texts = asyncio.run(scenario())
    (path,) = (tmp_path / "calls" / "new").glob("*.wav")
    told = record["media"]["recording"]
    assert told == {"file": str(path), "began": told["began"]}
    milliseconds = record["answered"].microsecond // 1000 * 1000
    assert datetime.fromisoformat(told["began"]) >= record["answered"].replace(microsecond=milliseconds)
    stereo = path.read_bytes()[HEADER:]
    left, right = stereo[0::2], stereo[1::2]
    heard, at = left.replace(b"\xff", b""), 0
    for frame in range(60, 100):  # in order; a machine that sends late has the clock kept by silence, in frames, too
        sound = every_code(frame).replace(b"\xff", b"")
        at = heard.find(sound, at)
        assert at >= 0, frame
        at += len(sound)
    assert sound_of(texts[0]).strip(b"\xff")[:8000] in right
    assert 2 * 8000 <= len(left) == len(right)


@pytest.mark.slow
def test_a_folder_that_has_gone_costs_the_recording_and_not_the_call(tmp_path):
    async def scenario():
        async with cloud(tmp_path, [], [], recording=RecordingOptions(str(tmp_path / "calls"))) as world:
            shutil.rmtree(tmp_path / "calls")
            async with calling(world.target, every_code) as phone:
                await until(lambda: len(phone.heard()) > 8000)
                heard = phone.heard()
            (record,) = await records(world.gateway)
            return record, heard, world.tts.texts

    record, heard, texts = asyncio.run(scenario())
    assert record["ending"] == "caller_hung_up"
    assert record["media"]["recording"]["problem"] == "No such file or directory"
    assert sound_of(texts[0]).strip(b"\xff")[:4000] in heard
