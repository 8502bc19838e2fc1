"""Real phones and the gateway tell each other by RTCP how the sound arrives, while tshark looks on."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.linphone import Linphone
from tests.interop.pcap import fields, streams
from tests.interop.served import Served, served
from tests.interop.test_calls import speech, wav
from tests.ports import free_ports

pytestmark = pytest.mark.programs("baresip", "linphone", "tshark")

SECONDS = 12


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with served(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@contextlib.contextmanager
def captured(path: Path, ports: range) -> Iterator[Path]:
    """Capture meanwhile what passes `ports` of this machine."""
    wanted = f"udp portrange {ports[0]}-{ports[-1] + 1}"
    command = ["dumpcap", "-q", "-i", "lo", "-f", wanted, "-w", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as capture:
        assert capture.stderr
        if not any(line.startswith("File:") for line in capture.stderr):
            pytest.skip("this user may not capture")
        yield path
        time.sleep(1.5)  # dumpcap takes packets from the kernel once a second, and does not when it is ended
        capture.terminate()


def baresip(folder: Path, port: int, more: str = "") -> None:
    said = wav(folder / "said.wav", speech(1.0, "ask_order.wav", 20.0))
    Baresip(folder, said, f"sip:agent@127.0.0.1:{port}", more=more).call(SECONDS)


def baresip_muxed(folder: Path, port: int) -> None:
    baresip(folder, port, "rtcp_mux yes\n")


def linphone(folder: Path, port: int) -> None:
    said = wav(folder / "said.wav", speech(1.0, "ask_order.wav", 20.0))
    Linphone(folder, said, f"sip:agent@127.0.0.1:{port}", free_ports()).call(SECONDS)


@pytest.mark.parametrize("phone", [baresip, baresip_muxed, linphone])
def test_a_phone_and_the_gateway_report_to_each_other(gateway: Served, tmp_path: Path, phone) -> None:
    before = len(gateway.calls(0))
    with captured(tmp_path / "call.pcap", gateway.rtp_ports) as capture:
        phone(tmp_path, gateway.port)
        media = gateway.calls(before + 1)[-1]["media"]
    assert media["rtcp_sent"] >= 2  # the interval is random, up to 7.5 s
    assert media["rtcp_received"] >= 2
    assert media["rtcp_malformed"] == 0
    assert media["round_trip"] >= 0  # they answered our sender reports: they took them
    assert media["remote_lost"] == 0
    assert len(media["mos_by_interval"]) >= 2
    inward = [stream for stream in streams(capture) if stream.to_port in gateway.rtp_ports]
    heard = max(inward, key=lambda stream: stream.packets)
    assert heard.lost == media["lost"] == 0
    # We look each 10 ms, later on a busy machine, so it is not exact; but never is it nothing at all.
    assert 0 < media["jitter"] == pytest.approx(heard.mean_jitter, abs=0.05)
    muxed = phone is baresip_muxed
    control = heard.to_port + (not muxed)
    ours = [told for told in fields(capture, control, "udp.srcport", "_ws.malformed", "rtcp.pt", "rtcp.ssrc.cum_nr")
            if told[0] == str(control)]  # fmt: skip
    # The record was written before the report of the BYE, and perhaps before another one.
    assert len(ours) - media["rtcp_sent"] in (1, 2)
    assert {tuple(told[1:2]) for told in ours} == {("",)}
    types = [told[2] for told in ours]
    assert types[-1] in ("200,202,207,203", "200,202,203"), "the second if no packet came since the report before"
    assert any("207" in told for told in types)
