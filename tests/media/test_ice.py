"""The lite end of ICE: a vector of RFC 5769, what hostile datagrams do to it, and a session that follows a choice."""

import random
import struct
from zlib import crc32

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.ice import BURST, CHOICES_KEPT, PER_SECOND, Component, IceCredentials, IceLite, is_stun
from media.rtp.packet import parse
from media.rtp.rtcp import ReceiverReport
from media.session.session import RtpSession
from tests.media.test_session import FORMAT, SDP, hear, packet

OURS = IceCredentials("evtj:h6vY", "VOkJxbRl1RmTxUk/WvJxBt")
VECTOR = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b1"
    "51263b36000600096576746a3a683676592020200008001 49aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf".replace(
        " ", ""
    )
)
"""RFC 5769 §2.1; it says that its sender is controlled."""
THERE, ELSEWHERE = ("198.51.100.7", 61_000), ("203.0.113.66", 666)
STRANGER = ("203.0.113.99", 999)


def check(
    password: str = OURS.password,
    username: str = OURS.username,
    *,
    chooses: bool = True,
    priority: int = 100,
    transaction: bytes | None = None,
    protected: bool = True,
) -> bytes:
    """A connectivity check, written by aioice."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction_id=transaction or random.randbytes(12))
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = priority
    message.attributes["ICE-CONTROLLING"] = 7
    if chooses:
        message.attributes["USE-CANDIDATE"] = None
    if protected:
        message.add_message_integrity(password.encode())
    return bytes(message)


def verified(reply: bytes) -> stun.Message:
    message = stun.parse_message(reply)
    assert message.check_message_integrity(OURS.password.encode())
    return message


def lite() -> IceLite:
    return IceLite(OURS, 0.0)


def test_the_vector_of_rfc_5769_is_authentic_and_told_that_we_are_controlled() -> None:
    reply, chosen = lite().receive(VECTOR, THERE, 0.0, Component.RTP)
    answer = verified(reply)
    assert answer.message_class is stun.Class.ERROR
    assert answer.attributes["ERROR-CODE"] == (487, "Role Conflict")
    assert not chosen


@pytest.mark.parametrize("sender", [THERE, ("2001:db8::7", 61_000)])
def test_a_check_is_answered_with_the_address_it_came_from(sender: tuple[str, int]) -> None:
    ice, asked = lite(), check(chooses=False)
    reply, chosen = ice.receive(asked, sender, 0.0, Component.RTP)
    answer = verified(reply)
    assert answer.message_class is stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == sender
    assert answer.transaction_id == asked[8:20]
    assert "FINGERPRINT" in answer.attributes
    assert not chosen
    assert (ice.checks, ice.refused) == (1, 0)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(check("x" * 22), id="another password"),
        pytest.param(check(username="evtj:none"), id="another user"),
        pytest.param(check(username=""), id="no user"),
        pytest.param(check(protected=False), id="no integrity"),
        pytest.param(check()[:-1], id="cut off"),
        pytest.param(check() + b"\0\0\0\0", id="too long"),
        pytest.param(check()[:-1] + b"!", id="wrong fingerprint"),
        pytest.param(check()[:20], id="head alone"),
    ],
)
def test_what_is_not_authentic_gets_no_answer_and_moves_nothing(data: bytes) -> None:
    ice = lite()
    assert ice.receive(data, ELSEWHERE, 0.0, Component.RTP) == (b"", False)
    assert (ice.checks, ice.refused) == (0, 1)


def test_what_is_appended_behind_the_integrity_chooses_nothing() -> None:
    added = check(chooses=False)[:-8] + struct.pack("!HH", 0x0025, 0)
    counted = added[:2] + struct.pack("!H", len(added) + 8 - 20) + added[4:]
    data = counted + struct.pack("!HHI", 0x8028, 4, crc32(counted) ^ 0x5354554E)
    reply, chosen = lite().receive(data, ELSEWHERE, 0.0, Component.RTP)
    assert reply, "the check itself is authentic"
    assert not chosen


def test_an_indication_is_neither_answered_nor_a_fault() -> None:
    ice = lite()
    message = stun.Message(stun.Method.BINDING, stun.Class.INDICATION)
    assert ice.receive(bytes(message), THERE, 0.0, Component.RTP) == (b"", False)
    assert ice.refused == 0


def test_a_flood_of_checks_is_answered_at_a_bounded_rate() -> None:
    ice, asked = lite(), check()
    answered = sum(bool(ice.receive(asked, THERE, number / 10_000, Component.RTP)[0]) for number in range(10_000))
    assert answered <= BURST + PER_SECOND + 1
    assert ice.refused == 10_000 - answered
    assert ice.receive(check(), THERE, 2.0, Component.RTP)[0], "and then there is room again"


def test_a_flood_without_the_user_name_takes_no_room_from_the_other_side() -> None:
    ice = lite()
    for _ in range(1000):
        ice.receive(check(username="evtj:none"), ELSEWHERE, 0.0, Component.RTP)
    assert ice.receive(check(), THERE, 0.0, Component.RTP)[0]


def test_a_check_that_was_recorded_chooses_no_other_address() -> None:
    ice, asked = lite(), check()
    assert ice.receive(asked, THERE, 0.0, Component.RTP)[1]
    assert not ice.receive(asked, THERE, 0.1, Component.RTP)[1], "a retransmission moves nothing"
    assert not ice.receive(asked, ELSEWHERE, 0.2, Component.RTP)[1]
    assert ice.nominated == {Component.RTP: THERE}
    for _ in range(3 * CHOICES_KEPT):
        ice.receive(check(), THERE, 1000.0 + random.random(), Component.RTP)
    assert len(ice._choices) <= CHOICES_KEPT


def test_of_all_pairs_that_an_agent_of_rfc_5245_chooses_the_best_counts() -> None:
    ice = lite()
    for priority, port, chosen in ((50, 1, True), (200, 2, True), (100, 3, False), (200, 4, True)):
        assert ice.receive(check(priority=priority), (THERE[0], port), 0.0, Component.RTP)[1] is chosen
    assert ice.receive(check(priority=49), (THERE[0], 5), 0.0, Component.RTCP)[1], "that of RTCP is compared apart"


@given(st.binary(max_size=200), st.integers(0, 150), st.integers(0, 255))
def test_nothing_that_comes_raises_or_chooses(rest: bytes, at: int, byte: int) -> None:
    ice, good = lite(), check(transaction=b"t" * 12)
    ice.receive(good[:20] + rest, ELSEWHERE, 0.0, Component.RTP)
    spoilt = bytearray(good)
    spoilt[at % len(good)] ^= byte
    if bytes(spoilt) != good:
        assert ice.receive(bytes(spoilt), ELSEWHERE, 0.0, Component.RTP) == (b"", False)


def test_sound_is_not_taken_for_a_check() -> None:
    assert is_stun(check())
    assert not is_stun(packet(1))
    assert not is_stun(b"\0" * 40)


# In a session


def session(ice: IceCredentials | None = OURS) -> RtpSession:
    one = RtpSession(random.Random(1).getrandbits)
    one.connect(FORMAT, SDP, 0.0, ice=ice)
    return one


def test_the_chosen_address_gets_our_sound_and_is_heard_at_once() -> None:
    one = session()
    assert one.remote == SDP, "until then the address of the description"
    assert one.check(check(), THERE, 0.1, Component.RTP)
    assert one.remote == THERE
    assert hear(one, range(10), THERE, start=0.2) >= 9


def test_before_one_is_chosen_each_address_that_was_proven_is_heard_and_no_other() -> None:
    """RFC 8445 §12.2: the other side may send as soon as a check was answered, and choose later."""
    one = session()
    one.check(check(chooses=False), THERE, 0.1, Component.RTP)
    assert hear(one, range(4), THERE, start=0.2) >= 3
    assert one.remote == SDP
    assert one.counts.foreign == 0
    hear(one, range(4), ELSEWHERE, start=0.3)
    assert one.counts.foreign == 4
    one.check(check(), THERE, 0.5, Component.RTP)
    assert one.remote == THERE


def test_once_one_that_was_proven_is_heard_nobody_is_heard_beside_it() -> None:
    """Neither the side that the call was moved away from, which goes on, nor a stranger: that would be two voices."""
    one = session(None)
    hear(one, range(10))
    one.connect(FORMAT, ELSEWHERE, 1.0, ice=OURS)
    one.check(check(chooses=False), THERE, 1.1, Component.RTP)
    assert hear(one, range(10, 15), start=1.1) == 5, "the former side alone"
    before = one.counts.foreign
    for number in range(100):
        at = 1.2 + number * 0.02
        hear(one, range(number, number + 1), THERE, ssrc=8, start=at)
        hear(one, range(15 + number, 16 + number), SDP, start=at + 0.005)
        hear(one, range(number, number + 1), STRANGER, ssrc=9, start=at + 0.01)
    assert one.counts.foreign - before == 200
    assert one.remote == ELSEWHERE
    one.check(check(), THERE, 3.3, Component.RTP)
    assert one.remote == THERE


def test_after_a_session_refresh_the_choice_holds_and_after_a_restart_it_does_not() -> None:
    one = session()
    one.check(check(), THERE, 0.1, Component.RTP)
    one.connect(FORMAT, SDP, 5.0, ice=OURS)
    assert one.remote == THERE
    one.connect(FORMAT, SDP, 6.0, ice=OURS._replace(password="n" * 22))
    assert one.remote == SDP
    one.connect(FORMAT, ELSEWHERE, 7.0)
    assert one.remote == ELSEWHERE, "without ICE the description alone counts"
    assert one.inbound.ice is None


def reports_to(one: RtpSession) -> tuple[str, int] | None:
    return one.handle_timer(one.deadline)[1]


def test_each_component_goes_where_the_other_side_chose_on_its_port() -> None:
    """RFC 8445 §8.1.1."""
    one = session()
    assert one.check(check(chooses=False), ELSEWHERE, 0.1, Component.RTCP)
    assert reports_to(one) == (SDP[0], SDP[1] + 1)
    one.check(check(), ELSEWHERE, 0.1, Component.RTCP)
    assert (one.remote, reports_to(one)) == (SDP, ELSEWHERE)
    hear(one, range(3), ELSEWHERE, start=0.2)
    assert one.counts.foreign == 3, "nor does a check on the port of RTCP prove a source of sound"
    one.check(check(), THERE, 0.3, Component.RTP)
    assert (one.remote, reports_to(one)) == (THERE, ELSEWHERE)
    one.connect(FORMAT, SDP, 5.0, ice=OURS)
    assert reports_to(one) == ELSEWHERE, "a session refresh keeps both"
    one.connect(FORMAT, SDP, 6.0, ice=OURS._replace(password="n" * 22))
    assert reports_to(one) == (SDP[0], SDP[1] + 1)


@pytest.mark.parametrize("first", Component)
def test_one_datagram_chooses_on_the_port_alone_that_it_came_to_first(first: Component) -> None:
    """A copy would send the reports to the port of the sound, or the sound to that of the reports."""
    one, copied = session(), check()
    before = one.remote, reports_to(one)
    for component in (first, *(set(Component) - {first})):
        assert one.check(copied, THERE, 0.1, component), "it is answered"
    chosen = (THERE, (THERE[0], THERE[1] + 1)) if first is Component.RTP else (before[0], THERE)
    assert (one.remote, reports_to(one)) == chosen


def test_rtcp_on_the_port_of_the_sound_has_no_choice_of_its_own() -> None:
    one = RtpSession(random.Random(1).getrandbits)
    one.connect(FORMAT, SDP, 0.0, ice=OURS, control=SDP)
    one.check(check(), ELSEWHERE, 0.1, Component.RTCP)
    one.check(check(), THERE, 0.2, Component.RTP)
    assert reports_to(one) == THERE


def test_after_the_nat_of_the_other_side_took_new_ports_rtcp_is_learned_instead_of_the_choice() -> None:
    one, chosen = session(), (THERE[0], THERE[1] + 1)
    one.check(check(), THERE, 0.1, Component.RTP)
    one.check(check(), chosen, 0.1, Component.RTCP)
    assert hear(one, range(10), THERE, start=0.2) >= 9
    report, stranger, learned = ReceiverReport(7).encode(), (THERE[0], 9), (THERE[0], 52_001)
    assert one.receive_rtcp(report, chosen, 0.5)
    assert not one.receive_rtcp(report, stranger, 0.6), "while the sound is where it was"
    hear(one, range(10, 30), (THERE[0], 52_000), start=8.0)
    assert one.remote == (THERE[0], 52_000)
    assert reports_to(one) == chosen
    assert one.receive_rtcp(report, learned, 8.5)
    assert not one.receive_rtcp(report, stranger, 8.6)
    assert reports_to(one) == learned
    one.check(check(), ELSEWHERE, 9.0, Component.RTCP)
    assert reports_to(one) == ELSEWHERE, "a choice that comes later counts"


def test_without_ice_there_are_no_checks() -> None:
    assert session(None).check(check(), THERE, 0.1, Component.RTP) is None


def test_forged_checks_move_no_sound() -> None:
    one = session()
    for data in (check("x" * 22), check(username="a:b"), check(protected=False)):
        assert one.check(data, ELSEWHERE, 0.1, Component.RTP) == b""
    assert one.remote == SDP
    stats = one.stats()
    assert stats["ice_refused"] == 3
    (source,) = stats["refused_sources"]
    assert (source["host"], source["port"], source["reason"], source["packets"]) == (*ELSEWHERE, "ice_refused", 3)
    assert one.inbound.refused.sound == 0, "no sign that sound was refused"
    assert parse(check()) is None, "nor is a check taken for sound"
