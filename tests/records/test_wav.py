import subprocess
from pathlib import Path

import pytest

from sipgw.records.artifacts.wav import WavError, read_ulaw, write_stereo


@pytest.mark.programs("sox")
def test_a_stereo_recording_opens_elsewhere(tmp_path: Path) -> None:
    """libsndfile, through Debian's sox, reads what we write."""
    path = tmp_path / "call.wav"
    write_stereo(path, b"\x00" * 8000, b"\x80" * 4000)
    info = subprocess.run(["soxi", str(path)], capture_output=True, text=True, check=True).stdout
    assert "Channels       : 2" in info
    assert "u-law" in info
    assert "00:00:01.00" in info


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", b"x" * 100])
def test_what_is_no_mulaw_wav_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    with pytest.raises(WavError):
        read_ulaw(path)


@pytest.mark.programs("sox")
def test_recorded_speech_is_read(tmp_path: Path) -> None:
    linear = tmp_path / "linear.wav"
    coded = tmp_path / "coded.wav"
    subprocess.run(["sox", "-n", "-r", "8000", "-c", "1", str(linear), "synth", "1", "sine", "440"], check=True)
    subprocess.run(["sox", str(linear), "-e", "mu-law", str(coded)], check=True)
    assert len(read_ulaw(coded)) == 8000
    with pytest.raises(WavError, match="mu-law"):
        read_ulaw(linear)
