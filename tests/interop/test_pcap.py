"""Wireshark's own reader opens the capture file of a call: its call flow, its streams, its ends."""

import asyncio
import dataclasses
import struct
from pathlib import Path

import pytest

from media.recording.tap import Keep
from sipgw.config.records import CaptureOptions
from sipgw.events import CallKey
from sipgw.records.captures.pcap import Pcap
from tests.calls.test_cloud_call import every_code
from tests.cloud import cloud
from tests.interop.pcap import tshark
from tests.phone import calling

WRONG = "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0"
HERE, THERE = ("192.0.2.9", 5060), ("198.51.100.7", 5080)


async def call(world) -> CallKey:
    async with calling(world.target, every_code):
        await asyncio.sleep(2.5)
        (live,) = world.gateway.calls.values()
        return live.info.key


def captured(folder: Path, keep: Keep = "recent", into: str = "") -> Path:
    """The file of one call of two and a half seconds."""

    async def scenario() -> bytes:
        capture = CaptureOptions(keep, folder=into)
        async with cloud(folder, [], [], change=lambda config: dataclasses.replace(config, capture=capture)) as world:
            key = await call(world)
            while world.gateway.calls:
                await asyncio.sleep(0.01)
            return b"".join([piece async for piece in world.gateway.evidence.pcap(key)])

    path = folder / "call.pcap"
    path.write_bytes(asyncio.run(scenario()))
    return path


@pytest.mark.programs("tshark")
def test_wireshark_shows_the_call_with_its_flow_and_both_streams(tmp_path: Path) -> None:
    path = captured(tmp_path)
    flow = [line.split("\t") for line in tshark(path, "-Y", "sip", "-T", "fields", "-e", "sip.Method", "-e",
                                                "sip.Status-Code").splitlines()]  # fmt: skip
    assert ["INVITE", ""] in flow and ["", "200"] in flow and flow[-2:] == [["BYE", ""], ["", "200"]]
    rows = [line for line in tshark(path, "-q", "-z", "rtp,streams").splitlines() if "g711U" in line]
    assert len(rows) == 2
    for row in rows:
        assert int(row.partition("(")[0].split()[-2]) >= 100
        assert " 0 (0.0%)" in row
    # Found by what the SDP says and not by guessing, which is what the player needs; a packet has its whole sound.
    sizes = set(tshark(path, "-Y", 'rtp && rtp.setup-method == "SDP"', "-T", "fields", "-e", "udp.length").split())
    assert sizes == {"180"}
    assert tshark(path, "-Y", WRONG, "-o", "ip.check_checksum:TRUE",
                  "-o", "udp.check_checksum:TRUE") == ""  # fmt: skip


@pytest.mark.programs("tshark")
def test_headers_alone_still_tell_loss_and_jitter(tmp_path: Path) -> None:
    path = captured(tmp_path, "headers")
    rows = [line for line in tshark(path, "-q", "-z", "rtp,streams").splitlines() if "g711U" in line]
    assert len(rows) == 2 and all(" 0 (0.0%)" in row for row in rows)
    assert bytes(range(100, 160)) not in path.read_bytes()
    whole = captured(tmp_path, "always")
    assert bytes(range(100, 160)) in whole.read_bytes()


@pytest.mark.programs("tshark")
def test_without_rtp_there_is_still_the_sip(tmp_path: Path) -> None:
    path = captured(tmp_path, "off")
    assert tshark(path, "-Y", "rtp") == ""
    assert "SIP 200 OK              :     2 Packets" in tshark(path, "-q", "-z", "sip,stat")


@pytest.mark.programs("tshark")
def test_a_file_of_each_call_is_written_where_that_is_wanted(tmp_path: Path) -> None:
    captured(tmp_path, "always", into=str(tmp_path / "captures"))
    (path,) = (tmp_path / "captures").glob("*.pcap")
    assert path.stat().st_mode & 0o077 == 0
    assert "SIP 200 OK              :     2 Packets" in tshark(path, "-q", "-z", "sip,stat")


MESSAGE = (
    b"OPTIONS sip:agent@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/%s 198.51.100.7;branch=z9hG4bK1\r\nCall-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nSubject: %s\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.programs("tshark")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("hosts", [(HERE[0], THERE[0]), ("2001:db8::9", "2001:db8::7"), (HERE[0], "2001:db8::7"),
                                   ("::ffff:192.0.2.9", THERE[0]), ("phone.example.com", THERE[0])])  # fmt: skip
def test_sip_of_every_transport_can_be_read(tmp_path: Path, transport: str, hosts: tuple[str, str]) -> None:
    file = Pcap()
    here = hosts[0], 5061 if transport == "tls" else 5060
    there = hosts[1], 50_123
    message = MESSAGE % (transport.upper().encode(), b"x" * 2000)
    pieces = [file.header()]
    pieces += [file.sip(1_700_000_000 + at, transport, there, here, message) for at in range(2)]
    pieces += [file.sip(1_700_000_002, transport, here, there, message)]
    path = tmp_path / "one.pcap"
    path.write_bytes(b"".join(pieces))
    ports = f"{'udp' if transport == 'udp' else 'tcp'}.dstport"
    columns = (
        "-e",
        "sip.Method",
        "-e",
        ports,
        "-e",
        "frame.time_epoch",
        "-e",
        "_ws.malformed",
        "-e",
        "tcp.analysis.flags",
    )
    rows = [line.split("\t") for line in tshark(path, "-T", "fields", *(columns)).splitlines()]
    assert [row[:2] for row in rows] == [["OPTIONS", "5060"]] * 2 + [["OPTIONS", "50123"]]
    assert [row[3:] for row in rows] == [["", ""]] * 3
    assert float(rows[1][2]) == 1_700_000_001


@pytest.mark.programs("tshark")
def test_a_message_larger_than_a_segment_is_put_together_again(tmp_path: Path) -> None:
    file = Pcap()
    message = MESSAGE % (b"TCP", b"y" * 60_000)
    path = tmp_path / "one.pcap"
    path.write_bytes(file.header() + file.sip(1.0, "tcp", THERE, HERE, message))
    assert tshark(path, "-Y", "sip.Method == OPTIONS", "-T", "fields", "-e", "sip.Subject").strip() == "y" * 60_000


def test_times_that_cannot_be_are_written_as_the_beginning() -> None:
    record = Pcap().udp(-5.0, HERE, THERE, b"x")
    assert struct.unpack_from("<II", record) == (0, 0)
