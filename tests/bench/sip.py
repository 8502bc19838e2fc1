"""Gates of the SIP core."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sipgw.sip.parse import parse_message
from sipgw.sip.registration import Registration, RegistrationOptions
from sipgw.sip.uri import Uri
from tests.bench.gate import Gate
from tests.interop.test_flood import flooded
from tests.sip.test_registration import CREDENTIALS, REGISTRAR, US, StrictRegistrar
from tests.sip.wire import Wire

AREA = "sip"
OFFER = b"""v=0\r
o=root 1 1 IN IP4 168.86.128.7\r
s=Twilio Media Gateway\r
c=IN IP4 168.86.128.7\r
t=0 0\r
m=audio 10234 RTP/AVP 0 8 101\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=ptime:20\r
a=maxptime:20\r
a=sendrecv\r
"""
INVITE = (
    b"""INVITE sip:+14155551234@203.0.113.7:5060 SIP/2.0\r
Record-Route: <sip:54.172.60.1:5060;lr;ftag=74b1a6de-123>\r
CSeq: 1 INVITE\r
From: "+14155550100" <sip:+14155550100@54.172.60.0:5060;isup-oli=62>;tag=74b1a6de-123\r
To: <sip:+14155551234@203.0.113.7:5060>\r
Max-Forwards: 66\r
Min-SE: 120\r
P-Asserted-Identity: <sip:+14155550100@206.147.72.45:5060>\r
Diversion: <sip:+14155551234@twilio.com>;reason=unconditional\r
Call-ID: 7d33e3c0e3e35b4cd1ff9c3d@0.0.0.0\r
Via: SIP/2.0/UDP 54.172.60.1:5060;branch=z9hG4bK6f2c.d8e1;rport\r
Via: SIP/2.0/UDP 172.18.5.1:5060;rport=5060;received=172.18.5.1;branch=z9hG4bK8a2f+1+!x\r
Contact: <sip:+14155550100@172.18.5.1:5060;transport=udp>\r
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY\r
User-Agent: Twilio Gateway\r
X-Twilio-AccountSid: AC00000000000000000000000000000000\r
X-Twilio-CallSid: CA00000000000000000000000000000000\r
Supported: timer\r
Content-Type: application/sdp\r
Content-Length: %d\r
\r
"""
    % len(OFFER)
) + OFFER


def parse_and_serialize() -> Gate:
    """A carrier's INVITE of 1.2 KB, fully validated, as Twilio sends it."""
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(2000):
            parse_message(INVITE).to_bytes()
        best = max(best, 2000 / (time.process_time() - began))
    return Gate(AREA, "parse+serialize of a carrier INVITE", f"{best:.0f}/s", ">= 10000/s", best >= 10_000)


def sipp(rate: int, seconds: int) -> tuple[int, int, float]:
    """Calls of SIPp's `uac` scenario, media off: failed calls, retransmissions, share of INVITEs answered in 10 ms."""
    command = [sys.executable, "-m", "tests.interop.autoanswer", "0"]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        port = agent.stdout.readline().split()[1]
        screen = Path(folder) / "screen.txt"
        options = ["-sn", "uac", "-r", str(rate), "-m", str(rate * seconds), "-d", "1000", "-nostdin"]
        options += ["-trace_screen", "-screen_file", str(screen)]
        subprocess.run(["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", *options], capture_output=True, check=False)
        agent.terminate()
        agent.communicate(timeout=10)
        text = screen.read_text()
    (failed,) = re.findall(r"Failed call\s+\|\s+\d+\s+\|\s+(\d+)", text)[-1:]
    rows = re.findall(r"(?:-->|<--)-*\s+(?:\w-RTD\d+)?\s*\d+\s+(\d+)", text)
    (fast,) = re.findall(r"0 ms <= n <\s+10 ms :\s+(\d+)", text)[:1]
    return int(failed), sum(map(int, rows)), int(fast) / (rate * seconds)


def sipp_gates() -> Iterator[Gate]:
    """Call set-up under load."""
    failed, resent, _ = sipp(50, 30)
    figures = f"{failed} failed, {resent} retransmissions"
    yield Gate(AREA, "SIPp uac, 50 calls/s for 30 s", figures, "0 failed, 0 retransmissions", failed == resent == 0)
    failed, resent, fast = sipp(100, 60)
    figures = f"{failed} failed, {resent} retransmissions, {100 * fast:.1f} % answered within 10 ms"
    met = failed == 0 and fast >= 0.95
    yield Gate(AREA, "SIPp uac, 100 calls/s for 60 s", figures, "0 failed, p95 INVITE to 200 < 10 ms", met)


def open_dialogs() -> Gate:
    """The memory of a user agent, media off, that holds a thousand calls."""
    command = [sys.executable, "-m", "tests.interop.autoanswer", "0"]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        port = agent.stdout.readline().split()[1]
        options = ["-sn", "uac", "-r", "100", "-m", "1000", "-l", "1000", "-d", "15000", "-nostdin"]
        ran = subprocess.run(["sipp", f"127.0.0.1:{port}", "-i", "127.0.0.1", *options], cwd=folder,
                             capture_output=True, check=False)  # fmt: skip
        status = Path(f"/proc/{agent.pid}/status").read_text()
        agent.terminate()
        agent.communicate(timeout=10)
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+)", status)
    figures = f"{int(kilobytes) / 1024:.0f} MiB" + ("" if ran.returncode == 0 else ", calls failed")
    met = ran.returncode == 0 and int(kilobytes) < 60 * 1024
    return Gate(AREA, "1,000 dialogs open", figures, "< 60 MiB", met)


def flood_gates() -> Iterator[Gate]:
    """A trunk's calls beside strangers who send 5,000 datagrams a second, half garbage, half forged requests."""
    for sources in (1, 1000):
        run = flooded(30, sources)
        figures = f"{run.failed} failed, {run.resent} retransmissions, {run.agent['mib']} MiB"
        name = f"SIPp uac, 20 calls/s beside 5,000 datagrams/s of {sources} strangers for 30 s"
        yield Gate(AREA, name, figures, "0 failed, 0 retransmissions", run.failed == run.resent == 0)


def registrations() -> Gate:
    """100 registrations of 60 s each for ten minutes of the test clock; the registrar's work counts too."""
    wire = Wire(US, REGISTRAR)
    registrar = StrictRegistrar(wire, grant=60)
    agent = wire.parties[US].agent
    began = time.process_time()
    for number in range(100):
        options = RegistrationOptions(Uri.parse(f"sip:{REGISTRAR}"), "agent", CREDENTIALS, expires=60)
        wire.now += number / 1000
        Registration(agent.clients, options).register(wire.now)
    wire.run(600)
    share = (time.process_time() - began) / 600
    figures = f"{100 * share:.2f} % of a core, {len(registrar.accepted)} refreshes"
    met = share < 0.01 and len(registrar.accepted) > 1000
    return Gate(AREA, "refresh of 100 registrations of 60 s", figures, "< 1 % of a core", met)


def gates() -> Iterator[Gate]:
    """Measure everything."""
    yield parse_and_serialize()
    yield registrations()
    yield from sipp_gates()
    yield open_dialogs()
    yield from flood_gates()
