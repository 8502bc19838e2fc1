# mypy: disable-error-code="union-attr"
"""The recording: caller left, agent right, aligned in time, pausable, and a valid file at every moment."""

import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME, RATE, SILENCE, to_linear
from media.recording.recorder import BACKLOG, Recorder, Written
from media.recording.stereo import HELD, Recording
from media.recording.wav import HEADER, header
from sipgw.records.artifacts.wav import read_ulaw
from tests.waiting import HANG

LOUD = bytes([0x10, 0x90]) * (FRAME // 2)
QUIET = bytes([0xFE]) * FRAME


class Tape:
    """A call of slots; what the caller says may come late."""

    def __init__(self) -> None:
        self.recording = Recording()
        self.sound = bytearray()
        self.slot = 1000

    def run(self, frames: int, *, caller: bytes | None = None, agent: bytes | None = None) -> "Tape":
        for _ in range(frames):
            if caller:
                self.recording.caller(caller)
            if agent:
                self.recording.agent(agent)
            self.sound += self.recording.take(self.slot)
            self.slot += 1
        return self

    def finish(self) -> tuple[bytes, bytes]:
        self.sound += self.recording.finish()
        return bytes(self.sound[0::2]), bytes(self.sound[1::2])


def marked(number: int) -> bytes:
    return bytes([1 + number % 100, 1 + number // 100]) + LOUD[2:]


def test_the_caller_is_left_the_agent_right():
    left, right = Tape().run(100, caller=LOUD, agent=QUIET).finish()
    assert left == LOUD * 100
    assert right == QUIET * 100


def test_where_nothing_was_sent_or_heard_there_is_silence():
    call_recording = Tape().run(50).run(50, agent=LOUD).run(50, caller=LOUD).run(50)
    left, right = call_recording.finish()
    assert right == SILENCE * 50 + LOUD * 50 + SILENCE * 100
    assert left == SILENCE * 99 + LOUD * 50 + SILENCE * 51, "what comes now was said in the 20 ms before"


def test_a_slot_that_was_left_out_still_took_its_time():
    call_recording = Tape().run(50, agent=LOUD)
    call_recording.slot += 3
    _, right = call_recording.run(50, agent=LOUD).finish()
    assert len(right) == 103 * FRAME


def test_two_frames_in_one_slot_after_one_without():
    call_recording = Tape().run(50, agent=LOUD)
    call_recording.slot += 1
    call_recording.recording.agent(LOUD)
    _, right = call_recording.run(50, agent=LOUD).finish()
    assert right == LOUD * 101


def test_what_comes_late_within_a_second_is_in_its_place():
    call_recording = Tape().run(50, caller=LOUD, agent=QUIET).run(25, agent=QUIET)
    for number in range(25):
        call_recording.recording.caller(marked(number))
    left, _ = call_recording.run(50, caller=LOUD, agent=QUIET).finish()
    assert left[50 * FRAME : 75 * FRAME] == b"".join(marked(number) for number in range(25))
    assert left[75 * FRAME :] == LOUD * 50


def test_while_paused_both_sides_are_silent_and_time_goes_on():
    call_recording = Tape().run(100, caller=LOUD, agent=LOUD)
    call_recording.recording.pause()
    call_recording.run(100, caller=LOUD, agent=LOUD)
    call_recording.recording.resume()
    left, right = call_recording.run(100, caller=LOUD, agent=LOUD).finish()
    assert left == right == LOUD * 100 + SILENCE * 100 + LOUD * 100


def test_what_was_said_while_paused_and_comes_after_is_not_kept_either():
    call_recording = Tape().run(100, caller=LOUD, agent=LOUD)
    call_recording.recording.pause()
    call_recording.run(20, agent=LOUD)
    call_recording.recording.resume()
    for _ in range(20):
        call_recording.recording.caller(marked(5))
    left, _ = call_recording.run(50, caller=LOUD, agent=LOUD).finish()
    assert left == LOUD * 100 + SILENCE * 20 + LOUD * 50


@pytest.mark.parametrize("ppm", [-150, 150])
def test_in_an_hour_of_clocks_that_run_apart_the_sides_stay_together(ppm):
    """A word is said by both sides at the same time once a second; how far apart are they on the tape?"""
    recording, owed, apart = Recording(), 0.0, []
    for second in range(3600):
        for frame in range(50):
            word = frame < 20
            owed += 1 + ppm / 1e6
            while owed >= 1:
                recording.caller(LOUD if word else QUIET)
                owed -= 1
            recording.agent(LOUD if word else QUIET)
            if sound := recording.take(second * 50 + frame):
                apart.append(abs(sound[0::2].find(LOUD) - sound[1::2].find(LOUD)))
    assert len(apart) > 3500
    assert max(apart) <= 0.100 * RATE


def test_no_speech_is_cut_to_keep_the_sides_together():
    call_recording, frames = Tape(), 0
    for _ in range(100):
        for number in range(60):
            call_recording.run(1, caller=marked(number) if number < 50 else QUIET, agent=QUIET)
            frames += number < 50
            if number in (10, 55):  # a sender whose clock is faster by 3 %
                call_recording.recording.caller(marked(99) if number == 10 else QUIET)
                frames += number == 10
    left, _ = call_recording.run(100, caller=QUIET, agent=QUIET).finish()
    assert left.count(LOUD[2:]) == frames


def test_a_sender_faster_than_time_is_bounded():
    call_recording = Tape()
    for _ in range(1000):
        call_recording.recording.caller(LOUD * 10)
        call_recording.run(1, agent=QUIET)
    left, right = call_recording.finish()
    assert len(left) == len(right) == 1000 * FRAME


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=500)), max_size=300))
def test_both_sides_are_always_as_long_as_the_call(steps):
    recording, sound, slot = Recording(), b"", 0
    for step, caller in steps:
        recording.caller(caller) if caller else None
        slot += step
        for _ in range(min(step, 1)):
            recording.agent(LOUD)
        sound += recording.take(slot)
    sound += recording.finish()
    if steps:
        assert abs(len(sound) // 2 - (slot - steps[0][0] + 1) * FRAME) <= FRAME


# The file


def ended(recorder: Recorder) -> Written:
    until = time.monotonic() + HANG
    while time.monotonic() < until:
        for written in recorder.ended():
            return written
        time.sleep(0.001)
    raise AssertionError("the recorder did not tell the end")


def written(recorder: Recorder, path: Path, size: int) -> None:
    """Wait until so much of the file is there."""
    until = time.monotonic() + HANG
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < until, "the file does not grow"
        recorder.ended()
        time.sleep(0.001)


def sizes(data: bytes) -> tuple[int, int, int]:
    return tuple(int.from_bytes(data[at : at + 4], "little") for at in (4, 46, 54))  # type: ignore[return-value]


@pytest.mark.programs("sox")
def test_the_file_is_what_sox_calls_stereo_mu_law(tmp_path):
    recorder, path = Recorder(), tmp_path / "call.wav"
    number = recorder.open(str(path))
    left, right = Tape().run(200, caller=LOUD, agent=QUIET).finish()
    stereo = bytes(byte for pair in zip(left, right, strict=True) for byte in pair)
    recorder.write(number, stereo)
    recorder.close(number)
    assert ended(recorder) == (number, 2 * 4 * RATE, "")
    told = subprocess.run(["soxi", path], capture_output=True, text=True, check=True).stdout
    for line in ("Channels       : 2", "Sample Rate    : 8000", "u-law", "00:00:04.00"):
        assert line in told
    raw = ["sox", path, "-t", "ul", "-r", "8000", "-c", "1", "-", "remix", "1"]
    assert subprocess.run(raw, capture_output=True, check=True).stdout == left
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_exists_is_not_touched(tmp_path):
    path = tmp_path / "call.wav"
    path.write_text("mine")
    recorder = Recorder()
    recorder.open(str(path))
    assert ended(recorder).problem == "File exists"
    assert path.read_text() == "mine"


@pytest.mark.parametrize(("name", "problem"), [("no/folder.wav", "No such file"), ("x" * 300, "too long")])
def test_a_file_that_cannot_be_made_ends_the_recording(tmp_path, name, problem):
    recorder = Recorder()
    number = recorder.open(str(tmp_path / name))
    recorder.write(number, LOUD)
    written = ended(recorder)
    assert problem in written.problem
    assert written.length == 0


def test_a_full_disk_ends_the_recording_and_leaves_a_valid_file(tmp_path):
    """A limit on the size of files stands for the disk: the kernel cuts the write short in the same way."""
    recorder, path = Recorder(), tmp_path / "call.wav"
    number = recorder.open(str(path))
    resource.prlimit(recorder._process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    for _ in range(20):
        recorder.write(number, b"x" * 16_000)
    assert ended(recorder) == (number, 96_000, "File too large")
    assert sizes(path.read_bytes()[:HEADER]) == (HEADER - 8 + 96_000, 48_000, 96_000)
    other = recorder.open(str(tmp_path / "other.wav"))
    recorder.close(other)
    assert ended(recorder) == (other, 0, ""), "the others go on"


def test_a_full_disk_costs_no_descriptor(tmp_path):
    """Else no file could be made any more once there is room again."""
    recorder = Recorder()
    recorder.close(recorder.open(str(tmp_path / "first.wav")))
    ended(recorder)
    held = f"/proc/{recorder._process.pid}/fd"
    before = len(os.listdir(held))
    resource.prlimit(recorder._process.pid, resource.RLIMIT_FSIZE, (10, 10))
    for at in range(5):
        number = recorder.open(str(tmp_path / f"{at}.wav"))
        assert ended(recorder) == (number, 0, "File too large")
    assert len(os.listdir(held)) == before


def test_a_full_disk_of_an_opus_file_does_not_end_the_other_recordings(tmp_path):
    recorder = Recorder()
    other, number = recorder.open(str(tmp_path / "other.wav")), recorder.open(str(tmp_path / "call.opus"))
    recorder.write(other, bytes(16_000))
    written(recorder, tmp_path / "other.wav", 16_000)
    resource.prlimit(recorder._process.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    for _ in range(40):
        recorder.write(number, os.urandom(32_000))
    assert ended(recorder)[::2] == (number, "File too large")
    recorder.close(other)
    assert ended(recorder) == (other, 16_000, "")


@pytest.mark.programs("sox")
def test_after_a_kill_the_file_is_valid_and_the_next_recording_has_a_new_recorder(tmp_path):
    recorder, path = Recorder(), tmp_path / "call.wav"
    number = recorder.open(str(path))
    for _ in range(10):
        recorder.write(number, b"x" * 16_000)
    written(recorder, path, HEADER + 48_000)
    recorder._process.kill()
    assert ended(recorder) == (number, 0, "the recorder died")
    data = path.read_bytes()
    length = sizes(data)[2]
    assert sizes(data) == (HEADER - 8 + length, length // 2, length)
    assert 32_000 <= length <= len(data) - HEADER
    assert "Channels" in subprocess.run(["soxi", path], capture_output=True, text=True, check=True).stdout
    other = recorder.open(str(tmp_path / "other.wav"))
    recorder.close(other)
    assert ended(recorder) == (other, 0, "")


def test_a_disk_that_stands_still_ends_the_recording_and_takes_no_more_memory(tmp_path):
    recorder = Recorder()
    number = recorder.open(str(tmp_path / "call.wav"))
    os.kill(recorder._process.pid, signal.SIGSTOP)
    for _ in range(2 * BACKLOG // 16_000):
        recorder.write(number, bytes(16_000))
    assert recorder.waiting <= BACKLOG + 16_000 + 100
    os.kill(recorder._process.pid, signal.SIGCONT)
    assert ended(recorder).problem == "the disk is too slow"


def test_what_waits_is_written_before_the_recorder_is_shut(tmp_path):
    recorder = Recorder()
    number = recorder.open(str(tmp_path / "call.wav"))
    for _ in range(100):
        recorder.write(number, bytes(16_000))
    recorder.shut(10)
    assert sizes((tmp_path / "call.wav").read_bytes())[2] == 1_600_000


def decoded(path: Path) -> np.ndarray:
    """Both sides of an Opus file at 8 kHz, as rows."""
    with av.open(str(path)) as file:
        resample = av.AudioResampler("s16p", "stereo", RATE)
        frames = [out for frame in file.decode(audio=0) for out in resample.resample(frame)]
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).astype(float)


def test_opus_keeps_the_sides_apart_and_in_time(tmp_path):
    recorder, path = Recorder(), tmp_path / "call.opus"
    number = recorder.open(str(path))
    speech = read_ulaw(Path(__file__).parent.parent / "data" / "speech" / "jfk.wav")[: 10 * RATE]
    stereo = bytearray(SILENCE[:1] * 2 * len(speech))
    stereo[0::2] = speech
    for at in range(0, len(stereo), 2 * RATE):
        recorder.write(number, bytes(stereo[at : at + 2 * RATE]))
    recorder.close(number)
    assert ended(recorder) == (number, len(stereo), "")
    left, right = decoded(path)
    assert abs(len(left) - len(speech)) <= 2 * FRAME
    sent = np.frombuffer(to_linear(speech), "<i2").astype(float)
    length = min(len(left), len(sent))
    assert np.corrcoef(left[:length], sent[:length])[0, 1] > 0.9
    assert np.abs(right).mean() < np.abs(left).mean() / 50
    assert path.stat().st_size < len(stereo) / 3
    assert path.stat().st_mode & 0o777 == 0o600


def test_opus_after_a_kill_can_be_played(tmp_path):
    recorder, path = Recorder(), tmp_path / "call.opus"
    number = recorder.open(str(path))
    speech = read_ulaw(Path(__file__).parent.parent / "data" / "speech" / "jfk.wav")[: 10 * RATE]
    recorder.write(number, speech + speech)
    recorder.write(number, speech + speech)
    written(recorder, path, 40_000)
    recorder._process.kill()
    assert decoded(path).shape[1] >= 8 * RATE


def test_the_header_is_58_bytes():
    assert len(header(0)) == HEADER == 58
    assert HELD == RATE


def test_random_callers_never_make_the_sides_unequal():
    chance, call_recording = random.Random(4), Tape()
    for _ in range(2000):
        if chance.random() < 0.9:
            call_recording.recording.caller(chance.choice([LOUD, QUIET]) * chance.choice([0, 1, 1, 1, 2]))
        call_recording.run(1, agent=chance.choice([LOUD, QUIET, None]))
    left, right = call_recording.finish()
    assert len(left) == len(right)
