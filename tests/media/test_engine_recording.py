"""Recording by a real media process: during a call, paused, killed, and with files that cannot be written."""

import os
import signal
from pathlib import Path

import pytest

from media.g711 import FRAME, SILENCE
from media.process.channel import Channel, Dead, Recorded
from media.process.engine import MediaEngine
from media.recording.wav import HEADER
from tests.media.test_engine import SPEECH, Phone, call, with_engine, worker_of_this_process

CALLER = bytes(0x10 | (at * 7 & 0x8F) for at in range(FRAME))


async def talk(phone: Phone, channel: Channel, seconds: float, first: int = 0) -> int:
    """Both sides speak; the caller at the pace of the frames it gets. Returns the number of the next packet."""
    channel.say(1, SPEECH * int(seconds * 50))
    for number in range(first, first + int(seconds * 50)):
        await phone.packet()
        phone.send(number, CALLER)
    return first + int(seconds * 50)


def sides(path: Path) -> tuple[bytes, bytes]:
    data = path.read_bytes()
    length = int.from_bytes(data[HEADER - 4 : HEADER], "little")
    assert data[:4] == b"RIFF"
    assert int.from_bytes(data[4:8], "little") == HEADER - 8 + length
    stereo = data[HEADER : HEADER + length]
    return stereo[0::2], stereo[1::2]


@pytest.mark.slow
def test_both_sides_are_recorded_byte_for_byte_and_side_by_side(tmp_path):
    path = tmp_path / "call.wav"

    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.resume_recording()
            channel.record(str(path))
            await talk(phone, channel, 3.0)
            await phone.packet()  # what the phone sent last was taken a slot ago

    with_engine(scenario)
    left, right = sides(path)
    assert left.count(CALLER) >= 140
    assert right.count(SPEECH) >= 140
    assert not right.replace(SPEECH, b"").strip(b"\xff"), "silence alone where a busy machine left a slot out"
    assert abs(left.find(CALLER) - right.find(SPEECH)) <= 3 * FRAME, "the caller answered each frame at once"


@pytest.mark.slow
def test_paused_is_silent_on_both_sides_and_keeps_the_time(tmp_path):
    path = tmp_path / "call.wav"

    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.resume_recording()
            channel.record(str(path))
            at = await talk(phone, channel, 1.0)
            channel.pause_recording()
            at = await talk(phone, channel, 1.0, at)
            channel.resume_recording()
            await talk(phone, channel, 1.0, at)

    with_engine(scenario)
    for side in sides(path):
        assert 2.9 <= len(side) / 8000 <= 3.4
        assert SILENCE * 40 in side
        assert side.count(CALLER) + side.count(SPEECH) in range(80, 104)


def test_what_is_recorded_when_the_call_ends_is_finished(tmp_path):
    path = tmp_path / "call.wav"

    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.resume_recording()
            channel.record(str(path))
            await talk(phone, channel, 0.5)

    with_engine(scenario)  # which also ends the media process
    left, right = sides(path)
    assert len(left) == len(right) >= 24 * FRAME


@pytest.mark.slow
def test_after_a_kill_of_the_media_process_the_file_can_be_played(tmp_path):
    path = tmp_path / "call.wav"

    async def scenario(engine: MediaEngine) -> None:
        async with call(engine) as (phone, channel):
            channel.resume_recording()
            channel.record(str(path))
            await talk(phone, channel, 4.0)
            os.kill(worker_of_this_process(), signal.SIGKILL)
            await phone.until(Dead)

    with_engine(scenario)
    left, right = sides(path)
    assert len(left) == len(right) >= 2 * 8000
    assert SPEECH * 50 in right


def test_a_recording_that_cannot_be_written_ends_and_the_call_goes_on(tmp_path):
    async def scenario(engine: MediaEngine) -> Recorded:
        async with call(engine) as (phone, channel):
            channel.resume_recording()
            channel.record(str(tmp_path / "no folder" / "call.wav"))
            told = await phone.until(Recorded)
            channel.say(1, SPEECH * 10)
            channel.finish(1)
            while (await phone.packet()).payload != SPEECH:
                pass
            channel.record(str(tmp_path / "call.wav"))
            channel.close()
            return told

    told = with_result(scenario)
    assert told == Recorded(0.0, "No such file or directory")
    assert (tmp_path / "call.wav").exists(), "another can be begun"


def with_result(scenario):
    found = []

    async def run(engine: MediaEngine) -> None:
        found.append(await scenario(engine))

    with_engine(run)
    return found[0]
