"""The demo caller's voice: the files are what the manifest says."""

import struct
from importlib import resources
from typing import NamedTuple

import pytest

FOLDER = resources.files("sipgw").joinpath("demo_voice")
ROWS = [line.split("\t") for line in FOLDER.joinpath("manifest.tsv").read_text(encoding="utf-8").splitlines()][1:]


class Wav(NamedTuple):
    coding: int
    channels: int
    rate: int
    data: bytes


def read(name: str) -> Wav:
    raw = FOLDER.joinpath(name).read_bytes()
    assert raw[:4] == b"RIFF"
    assert raw[8:12] == b"WAVE"
    at, chunks = 12, {}
    while at + 8 <= len(raw):
        size = struct.unpack_from("<I", raw, at + 4)[0]
        chunks[raw[at : at + 4]] = raw[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return Wav(*struct.unpack_from("<HHI", chunks[b"fmt "]), chunks[b"data"])  # type: ignore[call-arg]


def peak(ulaw: bytes) -> float:
    """The loudest sample against full scale, 0..1 (ITU-T G.711 table 2a: segment and step of the inverted code)."""
    codes = [~code & 0x7F for code in ulaw]
    return max((((code & 0x0F) << 3) + 0x84 << (code >> 4)) - 0x84 for code in codes) / 32124


def test_the_manifest_lists_every_file() -> None:
    assert {row[0] for row in ROWS} == {file.name for file in FOLDER.iterdir() if file.name.endswith(".wav")}
    assert all(len(row) == 5 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_file_is_a_mu_law_telephone_recording(row: list[str]) -> None:
    wav = read(row[0])
    assert (wav.coding, wav.channels, wav.rate) == (7, 1, 8000)  # WAVE_FORMAT_MULAW
    assert len(wav.data) / 8000 == pytest.approx(float(row[2]), abs=0.01)
    assert 0.25 <= peak(wav.data) <= 0.5  # -12 to -6 dBFS


def test_the_voice_is_small_and_attributed() -> None:
    assert sum(len(file.read_bytes()) for file in FOLDER.iterdir() if file.is_file()) < 400_000
    readme = FOLDER.joinpath("README.md").read_text(encoding="utf-8")
    for name, _, _, _, licence in ROWS:
        assert f"`{name}`" in readme
        if licence.startswith("CC-BY-SA"):
            assert "CC BY-SA 4.0" in readme
