"""Probes of what changes in the middle of a call: the port of the sound, the length of its packets, comfort noise."""

import json
import select
import struct
from collections.abc import Iterator

import pytest

from media.rtp.source import REBOUND_AFTER, RUN_PACKETS
from tests.interop.prober import Dialog, Phone, sdp
from tests.interop.probing import whole_gateway
from tests.interop.served import Served
from tests.interop.test_probes_sessions import CLOSE, Sound, counted, paced, place, recorded
from tests.waiting import HANG

PACKET = 0.020


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with whole_gateway(tmp_path_factory.mktemp("gateway")) as one:
        yield one


class Stream:
    """One stream of RTP, which may leave from several sockets and change in the middle."""

    def __init__(self) -> None:
        self.number = self.clock = 0

    def says(self, source: Sound, to: int, *, milliseconds: int = 20, kind: int = 0) -> None:
        """A packet of sound; of comfort noise if `kind` is 13: its one byte stands for so many milliseconds."""
        payload = b"\x40" if kind == 13 else b"\xff" * (8 * milliseconds)
        header = struct.pack("!BBHII", 0x80, kind, self.number, self.clock, 7)
        source.sock.sendto(header + payload, ("127.0.0.1", to))
        self.number, self.clock = self.number + 1, self.clock + 8 * milliseconds


@pytest.mark.parametrize("pause", [0, 40], ids=["at once", "after a pause"])
def test_a_nat_gives_the_stream_another_port_in_mid_call(gateway: Served, pause: int) -> None:
    """What comes from there is heard half a second later, and our sound goes there."""
    with Phone(gateway.port) as phone, Sound() as caller, Sound() as rebound:
        call = phone.call(body=sdp(caller.port))
        to, stream = place(call), Stream()
        for _ in range(50):
            caller.hears()
            stream.says(caller, to)
        for _ in range(pause):
            caller.hears()
        while rebound.sock not in select.select([caller.sock, rebound.sock], [], [], HANG)[0]:
            caller.hears()
            stream.says(rebound, to)
        for _ in range(100):
            rebound.hears()
            stream.says(rebound, to)
        counts = counted(gateway, call)
    lost = (0 if pause else int(REBOUND_AFTER / PACKET)) + RUN_PACKETS
    assert counts["foreign"] <= lost + CLOSE, counts
    assert counts["received"] >= 150 - CLOSE, counts


def test_longer_packets_and_comfort_noise_in_mid_call(gateway: Served) -> None:
    """A PBX that moves to 40 ms and back without a re-INVITE or with one, and a phone that says why it is silent."""
    offer = sdp(4000).replace(" 0 101", " 0 13 101") + "a=rtpmap:13 CN/8000\r\n"
    with Phone(gateway.port) as phone, Sound() as caller:
        call = phone.call(body=offer.replace("audio 4000", f"audio {caller.port}"))
        to, stream = place(call), Stream()
        paced_with(stream, caller, to, 50, 20)
        offered(call, 2, offer.replace("audio 4000", f"audio {caller.port}") + "a=ptime:40\r\n")
        paced_with(stream, caller, to, 25, 40)
        for _ in range(5):  # 2 s of silence, told each 400 ms
            for _ in range(20):
                caller.hears()
            stream.says(caller, to, milliseconds=400, kind=13)
        paced_with(stream, caller, to, 25, 40)
        paced_with(stream, caller, to, 50, 20)
        paced_with(stream, caller, to, 15, 60)
        sizes = {len(caller.hears()) for _ in range(10)}
        counts = counted(gateway, call)
    assert sizes == {12 + 160}, "ours stay at 20 ms, which everybody must take"
    wrong = {
        name: counts[name] for name in ("foreign", "wrong_ssrc", "wrong_type", "malformed", "lost", "late", "resets")
    }
    assert not any(wrong.values()), counts
    assert counts["received"] >= 165 - CLOSE, counts
    assert counts["mos"] > 4, counts


def paced_with(stream: Stream, source: Sound, to: int, packets: int, milliseconds: int) -> None:
    """So many packets of this length, at the pace of ours."""
    for _ in range(packets):
        for _ in range(milliseconds // 20):
            source.hears()
        stream.says(source, to, milliseconds=milliseconds)


def offered(call: Dialog, number: int, body: str) -> None:
    """The caller offers its sound anew."""
    call.phone.send(call.request("INVITE", number, body=body.replace("o=- 1 1 ", f"o=- 1 {number} ")))
    call.phone.wait(200, "INVITE")
    call.phone.send(call.ack(number=number))


LOOP = ("+14155550100", "+14155550133")


@pytest.mark.parametrize("header", ["Diversion", "History-Info"])
def test_a_call_that_was_sent_in_circles_is_taken_once_and_told(gateway: Served, header: str) -> None:
    """Whoever diverts has to end a circle (RFC 5806 §6.3); the one who is reached at last only says what it sees."""
    stations = [f"<sip:{one}@127.0.0.1>" for one in LOOP * 20]
    if header == "History-Info":
        stations = [f"{one};index=1{'.1' * at}" for at, one in enumerate([*stations, "<sip:agent@127.0.0.1>"])]
    else:
        stations = [f"{one};reason=no-answer;counter=1" for one in stations]
    with Phone(gateway.port) as phone, Sound() as caller:
        call = phone.call("agent", *(f"{header}: {one}" for one in stations), body=sdp(caller.port))
        paced(10, place(call), caller, caller)
        record = recorded(gateway, call)
    assert set(json.loads(record["identity"])["diverted"]) == set(LOOP), record["identity"]
