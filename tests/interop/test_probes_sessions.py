"""Probes of bodies, offers and sound over real sockets: what a call needs besides its messages."""

import itertools
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.prober import CRLF, Dialog, Message, Phone, acknowledged, cancel, sdp
from tests.interop.probing import Agent, bare_agent, whole_gateway
from tests.interop.served import Served
from tests.waiting import HANG


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with whole_gateway(tmp_path_factory.mktemp("gateway")) as one:
        yield one


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    with bare_agent() as one:
        yield one


@pytest.fixture
def phone(gateway: Served) -> Iterator[Phone]:
    with Phone(gateway.port) as one:
        yield one


# Bodies of several parts


def part(kind: str, content: str, *headers: str) -> str:
    return CRLF.join(("--b1", f"Content-Type: {kind}", *headers, "", content, ""))


ISUP = part("application/ISUP;version=itu-t92+", "\x01\x02\x03", "Content-Disposition: signal;handling=optional")
PLACE = part("application/pidf+xml", "<presence/>", "Content-ID: <target@example.com>")
NEEDED = part("application/isup", "\x01", "Content-Disposition: signal;handling=required")


@pytest.mark.faults("B9", "F2")
@pytest.mark.parametrize("others", [(ISUP,), (PLACE,), (ISUP, PLACE)], ids=["ISUP", "a place", "both"])
@pytest.mark.parametrize("first", [True, False], ids=["behind", "before"])
def test_a_call_with_several_parts_is_taken(phone: Phone, others: tuple[str, ...], first: bool) -> None:
    session = part("application/sdp", sdp())
    body = "".join((session, *others) if first else (*others, session)) + "--b1--" + CRLF
    dialog = phone.dialog()
    phone.send(dialog.invite(body=body, kind="multipart/mixed;boundary=b1"))
    call = dialog.answered(phone.wait(200))
    phone.send(call.ack())
    call.bye()


@pytest.mark.faults("F2")
def test_a_part_alone_that_is_optional_is_no_hindrance_and_one_that_is_needed_is(phone: Phone) -> None:
    dialog = phone.dialog()
    optional = "Content-Disposition: signal;handling=optional"
    phone.send(dialog.invite(optional, body="\x01\x02", kind="application/isup"))
    answer = phone.wait(200)
    assert "m=audio" in answer.body, "it was an INVITE without an offer"
    call = dialog.answered(answer)
    phone.send(call.ack(body=sdp()))
    call.bye()
    text = phone.dialog().invite(body=part("application/sdp", sdp()) + NEEDED + "--b1--" + CRLF)
    text = text.replace("Content-Type: application/sdp", "Content-Type: multipart/mixed;boundary=b1", 1)
    phone.send(text)
    answer = phone.final()
    assert answer.status == 415
    assert "application/sdp" in answer["accept"]
    phone.send(acknowledged(text, answer))


# Offers


VIDEO = "m=video 6000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"


def streams(message: Message) -> list[tuple[str, bool]]:
    """Each with whether it is on."""
    lines = [line[2:].split() for line in message.body.split(CRLF) if line.startswith("m=")]
    return [(kind, port != "0") for kind, port, *_ in lines]


@pytest.mark.faults("F3")
@pytest.mark.parametrize("before", [True, False])
def test_our_offer_in_a_call_has_every_stream_in_its_place(phone: Phone, before: bool) -> None:
    """RFC 3264 §8."""
    plain = sdp()
    at = plain.index("m=audio")
    body = plain[:at] + VIDEO + plain[at:] if before else plain + VIDEO
    call = phone.call(body=body)
    wanted = [("video", False), ("audio", True)] if before else [("audio", True), ("video", False)]
    assert call.answer is not None
    assert streams(call.answer) == wanted
    phone.send(call.request("INVITE", 2))
    answer = phone.wait(200, "INVITE")
    assert streams(answer) == wanted
    phone.send(call.ack(number=2, body=body.replace("1 1 IN", "1 2 IN").replace("video 6000", "video 0")))
    call.bye()


@pytest.mark.faults("F4")
def test_sound_that_no_way_leads_to_is_no_call(phone: Phone) -> None:
    """A host without IPv6 refuses; one that has it answers with an address of it."""
    text = phone.dialog().invite(body=sdp().replace("IP4 127.0.0.1", "IP6 2001:db8::1"))
    phone.send(text)
    answer = phone.final()
    if answer.status == 200:
        assert "IP6 ::1\r" not in answer.body
        call = Dialog(phone, "agent", answer["call-id"]).answered(answer)
        phone.send(call.ack())
        call.bye()
    else:
        assert answer.status == 488
        phone.send(acknowledged(text, answer))


@pytest.mark.faults("F7")
def test_a_stream_is_switched_off_and_on_again(phone: Phone) -> None:
    """RFC 3264 §6, §8.2."""
    call = phone.call()
    for number, port in ((2, 0), (3, 4000)):
        phone.send(call.request("INVITE", number, body=sdp(port, number)))
        assert streams(phone.wait(200, "INVITE")) == [("audio", port != 0)]
        phone.send(call.ack(number=number))
    call.bye()


# Time limits, room and keys; the user agent alone


@pytest.mark.faults("F8")
def test_a_caller_who_wants_to_wait_two_seconds_is_told_487(agent: Agent) -> None:
    with Phone(agent.port) as phone:
        text = phone.dialog("ringing").invite("Expires: 2")
        phone.send(text)
        phone.wait(180)
        phone.send(acknowledged(text, phone.wait(487, "INVITE")))
        patient = phone.dialog("ringing").invite("Expires: 3600")
        phone.send(patient)
        phone.wait(180)
        phone.send(cancel(patient))
        phone.wait(487, "INVITE")


@pytest.mark.faults("F8")
def test_a_copy_of_a_call_that_was_sent_elsewhere_becomes_no_call(agent: Agent) -> None:
    with Phone(agent.port) as phone:
        dialog = phone.dialog("full")
        text = dialog.invite()
        phone.send(text)
        first = phone.wait(503)
        phone.send(text)
        assert phone.wait(503).raw == first.raw
        other = phone.call("full")  # there is room for others
        other.bye()
        agent.of(other.id, "ended", bool)
        assert not agent.of(dialog.id, "call", lambda _: True)


@pytest.mark.faults("F9")
@pytest.mark.parametrize("branch", ["", "z9hG4bK1764000000"], ids=["branches of their own", "one branch"])
def test_keys_of_one_second_arrive_all_and_in_order(agent: Agent, branch: str) -> None:
    with Phone(agent.port) as phone:
        call = phone.call()
        for number, key in enumerate("12345*0#", 2):
            body = f"Signal={key}\r\nDuration=100\r\n"
            phone.send(call.request("INFO", number, body=body, kind="application/dtmf-relay", branch=branch))
        for _ in range(8):
            phone.wait(200, "INFO")
        keys = agent.of(call.id, "key", lambda found: len(found) >= 8)
        assert "".join(one["key"] for one in keys) == "12345*0#"
        call.bye()


# Sound


CLOSE = 8
"""Packets that may be on their way when a call moves or ends."""


class Sound:
    """A source of G.711 on a UDP socket."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.port = self.sock.getsockname()[1]
        self.ssrc = self.port
        self._numbers = itertools.count()

    def __enter__(self) -> "Sound":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def says(self, to: int) -> None:
        number = next(self._numbers)
        header = struct.pack("!BBHII", 0x80, 0, number, 160 * number, self.ssrc)
        self.sock.sendto(header + b"\xff" * 160, ("127.0.0.1", to))

    def hears(self) -> bytes:
        """The next packet that comes."""
        assert select.select([self.sock], [], [], HANG)[0], "no sound came"
        return self.sock.recv(2000)


def paced(packets: int, to: int, clock: Sound, *sources: Sound) -> None:
    """Each of `sources` sends a packet at each of ours that comes to `clock`."""
    for _ in range(packets):
        clock.hears()
        for one in sources:
            one.says(to)


def beside(rounds: int, to: int, clock: Sound, other: Sound) -> None:
    """`clock` sends twice as many packets as `other`, so that the counters tell whose were taken."""
    for _ in range(rounds):
        paced(1, to, clock, other, clock)
        paced(1, to, clock, clock)


def place(call: Dialog) -> int:
    """The port of our sound."""
    assert call.answer is not None
    return int(call.answer.body.partition("m=audio ")[2].split()[0])


def moved(call: Dialog, number: int, to: Sound) -> None:
    """The caller's sound comes from there now."""
    host, port = to.sock.getsockname()
    call.phone.send(call.request("INVITE", number, body=sdp(port, number, host=host)))
    call.phone.wait(200, "INVITE")
    call.phone.send(call.ack(number=number))


def counted(gateway: Served, call: Dialog) -> dict[str, Any]:
    """What the record says of its packets, once it has ended."""
    return dict(recorded(gateway, call)["media"])


def recorded(gateway: Served, call: Dialog) -> dict[str, Any]:
    """The record of a call, which ends by this."""
    call.bye()
    until = time.monotonic() + HANG
    while time.monotonic() < until:
        for one in gateway.calls(1, HANG):
            if call.id in one["id"]:
                return one
        time.sleep(0.05)
    raise AssertionError("no record")


@pytest.mark.faults("F1")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"], ids=["another port", "another host"])
def test_after_a_move_the_new_place_is_heard_though_the_old_one_goes_on(gateway: Served, host: str) -> None:
    """Direct media, transfers: the old side sends on for a while, as it does at any PBX."""
    with Phone(gateway.port) as phone, Sound() as old, Sound(host) as new:
        call = phone.call(body=sdp(old.port))
        paced(10, place(call), old, old)
        moved(call, 2, new)
        paced(20, place(call), new, old)
        beside(50, place(call), new, old)
        counts = counted(gateway, call)
    assert counts["received"] >= 110 - CLOSE, counts
    assert counts["foreign"] <= 70 + CLOSE, counts


@pytest.mark.faults("F1")
def test_who_resumes_after_music_of_another_server_is_heard(gateway: Served) -> None:
    with Phone(gateway.port) as phone, Sound() as caller, Sound("127.0.0.3") as music:
        call = phone.call(body=sdp(caller.port))
        paced(10, place(call), caller, caller)
        moved(call, 2, music)
        paced(20, place(call), music, music)
        moved(call, 3, caller)
        paced(20, place(call), caller, music)
        beside(50, place(call), caller, music)
        counts = counted(gateway, call)
    assert counts["received"] >= 130 - CLOSE, counts
    assert counts["foreign"] <= 70 + CLOSE, counts


@pytest.mark.faults("F1")
def test_a_third_host_that_was_faster_than_the_caller_has_no_part_in_the_call(gateway: Served) -> None:
    with Phone(gateway.port) as phone, Sound() as caller, Sound("127.0.0.3") as stranger:
        call = phone.call(body=sdp(caller.port))
        caller.hears()  # from now on: before, the media process may not know of the call, and counts "unexpected"
        for _ in range(15):
            stranger.says(place(call))
        beside(50, place(call), caller, stranger)
        counts = counted(gateway, call)
    assert counts["received"] >= 100 - CLOSE, counts
    assert counts["foreign"] >= 50, counts
    (stranger,) = (one for one in counts["refused_sources"] if one["host"] == "127.0.0.3")
    assert stranger["reason"] == "foreign" and stranger["packets"] == counts["foreign"], counts
