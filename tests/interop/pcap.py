"""Captures written by us, for tshark to read."""

import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.waiting import HANG

RAW_IP = 101
EPOCH = 1_700_000_000


def write_pcap(path: Path, datagrams: Iterable[tuple[float, int, bytes]]) -> Path:
    """Write UDP datagrams (seconds, source port, payload) with nanosecond stamps."""
    parts = [struct.pack("<IHHiIII", 0xA1B2_3C4D, 2, 4, 0, 0, 65_535, RAW_IP)]
    for at, port, payload in datagrams:
        udp = struct.pack("!HHHH", port, 20_000, 8 + len(payload), 0) + payload
        addresses = bytes([192, 0, 2, 1, 192, 0, 2, 9])
        frame = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses + udp
        seconds, nanoseconds = divmod(round(at * 1e9), 1_000_000_000)
        parts.append(struct.pack("<IIII", EPOCH + seconds, nanoseconds, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(parts))
    return path


def tshark(capture: Path, *options: str) -> str:
    """What tshark prints about a capture."""
    command = ["tshark", "-r", str(capture), "-n", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=True).stdout


class Stream(NamedTuple):
    """A line of tshark's table of RTP streams; seconds."""

    to_port: int
    packets: int
    lost: int
    mean_jitter: float
    max_jitter: float


def streams(capture: Path) -> list[Stream]:
    """The streams of sound in a capture, with RTP wherever it looks like it."""
    found = []
    for line in tshark(capture, "-o", "rtp.heuristic_rtp:TRUE", "-q", "-z", "rtp,streams").splitlines():
        before, _, after = line.partition("(")
        if "%)" in after:
            columns, times = before.split(), after.partition(")")[2].split()
            to_port, packets, lost, mean, worst = columns[5], *columns[-2:], *times[4:6]
            found.append(Stream(int(to_port), int(packets), int(lost), float(mean) / 1000, float(worst) / 1000))
    return found


def fields(capture: Path, port: int, *names: str) -> list[list[str]]:
    """Fields of each packet of RTCP on `port`, as tshark dissects them; several values of one are joined by a comma."""
    options = ["-d", f"udp.port=={port},rtcp", "-Y", "rtcp", "-T", "fields", "-E", "separator=;"]
    for name in names:
        options += ["-e", name]
    return [line.split(";") for line in tshark(capture, *options).splitlines()]
