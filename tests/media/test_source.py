"""Whose packets are believed: the address that signalling named, and what is found in its place. On virtual time."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.g711 import FRAME
from media.rtp.packet import Packet
from media.rtp.source import (
    LEFT,
    REBOUND_AFTER,
    RUN_PACKETS,
    STALE,
    TABLE,
    WINDOW,
    Address,
    Seen,
    Source,
    State,
)

SDP = ("192.0.2.1", 4000)
NEW = ("192.0.2.99", 5000)
OTHER_PORT = (SDP[0], SDP[1] + 10)
MUSIC = ("192.0.2.50", 7000)
NAT = ("198.51.100.7", 61_000)
STRANGER = ("203.0.113.9", 1000)
EACH = 0.02


class Stream:
    """One sender of RTP: a packet each 20 ms."""

    def __init__(self, sender: Address, ssrc: int | None = None, first: int = 0) -> None:
        self.sender, self.ssrc, self.number = sender, ssrc or hash(sender) & 0xFFFF_FFFF, first

    def packet(self) -> Packet:
        self.number += 1
        return Packet(0, False, self.number & 0xFFFF, self.number * FRAME & 0xFFFF_FFFF, self.ssrc, b"")


class Call:
    """A source, and the time."""

    def __init__(self, announced: Address = SDP, now: float = 100.0) -> None:
        self.now = now
        self.source = Source(announced, now)

    def hear(self, packets: int, *streams: Stream) -> list[int]:
        """Let the streams send so many packets each, side by side; how many of each were taken."""
        taken = [0] * len(streams)
        for _ in range(packets):
            for at, stream in enumerate(streams):
                taken[at] += self.source.accept(stream.sender, stream.packet(), self.now)
            self.now += EACH
        return taken

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def move(self, announced: Address) -> None:
        self.source.reopen(announced, self.now)

    @property
    def address(self) -> Address:
        return self.source.address


# The announced address


@pytest.mark.faults("F1")
@pytest.mark.parametrize("new", [NEW, OTHER_PORT], ids=["another host", "another port"])
@pytest.mark.parametrize("overlap", [1, 8, 50, 150, 400], ids=lambda packets: f"{packets * 20} ms")
def test_after_a_move_the_old_side_may_go_on_for_as_long_as_it_likes(new: Address, overlap: int) -> None:
    """A re-INVITE that hands the media over: both send side by side for a while."""
    call, old, there = Call(), Stream(SDP), Stream(new)
    call.hear(50, old)
    call.move(new)
    assert call.address == new, "our sound goes there at once"
    alone = call.hear(overlap, old)[0]
    assert alone >= overlap - RUN_PACKETS, "who was left is heard as long as nothing comes from there"
    together = call.hear(300, old, there)
    assert together[1] == 300
    assert together[0] <= 1, "not beside the new side"
    assert call.address == new


@pytest.mark.faults("F1")
def test_music_on_hold_from_another_server_gives_the_call_back() -> None:
    call, phone, music = Call(), Stream(SDP), Stream(MUSIC)
    call.hear(50, phone)
    for _ in range(3):
        call.move(MUSIC)
        assert call.hear(100, music, phone) == [100, 0]
        call.move(SDP)
        call.hear(8, music)  # it has not heard of it yet
        assert call.hear(200, phone, music) == [200, 0]
        assert call.address == SDP


@pytest.mark.faults("F1")
def test_a_third_host_that_was_faster_than_the_caller_has_no_part_in_the_call() -> None:
    call, caller, stranger = Call(), Stream(SDP), Stream(STRANGER)
    call.hear(15, stranger)
    assert call.hear(300, caller, stranger) == [300, 0]
    assert call.address == SDP


@pytest.mark.faults("F1")
def test_who_is_new_and_silent_is_not_confused_with_who_has_left() -> None:
    """The new side sends nothing while nobody speaks there: our sound goes to it, not to who was left."""
    call, old = Call(), Stream(SDP)
    call.hear(50, old)
    call.move(NEW)
    for _ in range(int(LEFT / EACH)):
        call.hear(1, old)
        assert call.address == NEW


def test_who_was_left_before_the_first_packet_is_heard() -> None:
    """A PBX that sends its re-INVITE right after our 200: the caller still speaks through it when we have moved."""
    call, old, there = Call(), Stream(SDP), Stream(NEW)
    call.move(NEW)
    assert call.hear(100, old) == [100]
    assert call.address == NEW
    assert call.hear(100, old, there) == [1, 100], "not beside the new side"


def test_another_stream_of_who_was_left_is_heard() -> None:
    """Asterisk changes its SSRC when the music ends, and passes the phone's sound on until it has told the phone."""
    call, music, phone = Call(), Stream(SDP), Stream(SDP, ssrc=5)
    call.hear(50, music)
    call.move(NEW)
    assert call.hear(50, phone) == [50]
    assert call.address == NEW
    assert call.hear(100, phone, Stream(NEW)) == [1, 100]


def test_of_two_that_were_left_the_later_one_is_heard_until_it_is_silent() -> None:
    call, first, second = Call(), Stream(SDP), Stream(MUSIC)
    call.hear(50, first)
    call.move(MUSIC)
    call.hear(10, second)
    call.move(NEW)
    assert call.hear(20, first, second) == [0, 20]
    call.wait(STALE)
    assert call.hear(10, first) == [10]


@pytest.mark.faults("F1")
def test_a_caller_behind_a_nat_that_was_left_is_found_again_in_the_end() -> None:
    """Some announce another private address and send from the very port that the NAT gave them before."""
    call, caller = Call(), Stream(NAT)
    call.hear(50, caller)
    call.move(("10.0.0.9", 4000))
    call.hear(int(LEFT / EACH) + 2 * RUN_PACKETS, caller)
    assert call.address == NAT


@pytest.mark.parametrize("heard", [0, 50], ids=["before its first packet", "heard before"])
def test_a_stranger_is_not_found_between_the_packets_of_who_was_left(heard: int) -> None:
    """A steady run of somebody else while the new side is silent and the old one goes on."""
    call, old, stranger = Call(), Stream(SDP), Stream(STRANGER)
    call.hear(heard, old)
    call.move(NEW)
    call.hear(1, old)
    alone = int(LEFT / EACH) - 2
    assert call.hear(alone, stranger, old) == [0, alone]
    assert call.address == NEW
    assert call.hear(100, stranger, old)[0] == 0, "then who was left is found again, not the stranger"
    assert call.address == SDP


def test_a_move_behind_a_nat_is_found_once_who_was_left_is_silent() -> None:
    call, old, there = Call(), Stream(SDP), Stream(NAT)
    call.hear(50, old)
    call.move(NEW)
    assert call.hear(20, there, old) == [0, 20]
    assert call.hear(50, there)[0] >= 50 - int(STALE / EACH) - RUN_PACKETS
    assert call.address == NAT


def test_a_move_behind_a_nat_is_found_at_its_new_port() -> None:
    call = Call()
    call.hear(50, Stream(NAT))
    call.move(NEW)
    there = (NAT[0], NAT[1] + 2)
    assert call.hear(20, Stream(there)) == [20 - RUN_PACKETS + 1]
    assert call.address == there


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from([SDP, NEW, OTHER_PORT, MUSIC])),
        st.tuples(st.just("send"), st.sampled_from([SDP, NEW, OTHER_PORT, MUSIC, NAT, STRANGER]), st.integers(1, 40)),
        st.tuples(st.just("wait"), st.floats(0.0, 8.0)),
    ),
    max_size=40,
)


@pytest.mark.faults("F1")
@given(MOVES)
def test_whatever_happened_the_announced_address_is_believed_at_its_first_packet(steps: list[Sequence]) -> None:
    call, announced = Call(), SDP
    streams = {sender: Stream(sender) for sender in (SDP, NEW, OTHER_PORT, MUSIC, NAT, STRANGER)}
    for what, *values in steps:
        match what:
            case "move":
                call.move(announced := values[0])
            case "send":
                call.hear(values[1], streams[values[0]])
            case "wait":
                call.wait(values[0])
    assert call.hear(1, streams[announced]) == [1]
    assert call.address == announced


# Who would like to be it


@pytest.mark.faults("F1")
def test_one_forged_packet_of_the_announced_address_does_not_end_a_call_behind_a_nat() -> None:
    """Whoever guesses the private address of the SDP takes half a second, not the call."""
    call, caller, forger = Call(), Stream(NAT), Stream(SDP)
    call.hear(50, caller)
    assert call.hear(1, forger) == [1]
    assert call.address == SDP
    silent = int(REBOUND_AFTER / EACH) + 1
    assert call.hear(300, caller)[0] >= 300 - silent
    assert call.address == NAT


@pytest.mark.faults("F1")
def test_who_was_found_first_does_not_come_back_in_the_pauses_of_the_announced_address() -> None:
    call, caller, stranger = Call(), Stream(SDP), Stream(STRANGER)
    call.hear(15, stranger)
    call.hear(RUN_PACKETS, caller, stranger)
    for _ in range(5):
        assert call.hear(100, stranger) == [0]
        assert call.address == SDP
        assert call.hear(1, caller) == [1]


@pytest.mark.faults("F1")
def test_a_session_refresh_after_a_stray_packet_of_the_announced_address_makes_nobody_deaf() -> None:
    call, caller = Call(), Stream(NAT)
    call.hear(50, caller)
    call.hear(1, Stream(SDP))
    call.hear(23, caller)
    call.move(SDP)
    assert call.hear(100, caller)[0] >= 100 - int(REBOUND_AFTER / EACH) - RUN_PACKETS
    assert call.address == NAT


@pytest.mark.faults("F1")
def test_a_stream_goes_on_from_a_port_that_it_came_from_before() -> None:
    call, caller = Call(), Stream(SDP)
    for _ in range(3):
        for sender in (SDP, OTHER_PORT):
            caller.sender = sender
            call.wait(REBOUND_AFTER)
            assert call.hear(100, caller)[0] >= 100 - RUN_PACKETS
            assert call.address == sender


def test_the_stream_of_who_was_left_is_not_taken_for_one_with_a_new_port() -> None:
    """Only the port is new: the old stream goes on from the same host, as one behind a NAT would."""
    call, old = Call(), Stream(SDP)
    call.hear(50, old)
    call.move(OTHER_PORT)
    call.wait(WINDOW + 0.1)
    assert call.hear(100, old) == [0]
    assert call.address == OTHER_PORT


def test_after_a_move_only_its_window_is_open_to_others() -> None:
    call = Call()
    call.hear(50, Stream(SDP))
    call.move(NEW)
    call.wait(WINDOW + 0.1)
    assert call.hear(100, Stream(STRANGER)) == [0]
    assert call.address == NEW


def test_a_new_port_that_was_followed_is_given_up_for_the_announced_one() -> None:
    call, caller = Call(), Stream(SDP)
    call.hear(50, caller)
    call.wait(REBOUND_AFTER)
    caller.sender = OTHER_PORT
    call.hear(20, caller)
    assert call.address == OTHER_PORT
    caller.sender = SDP
    assert call.hear(20, caller) == [20]
    assert call.address == SDP


@pytest.mark.faults("F1")
def test_ten_thousand_forged_packets_a_second_move_nothing_and_grow_nothing() -> None:
    call, caller, chance = Call(), Stream(SDP), random.Random(3)
    for at in range(300):
        if at % 50 == 0:
            call.move(SDP)
        for _ in range(200):
            forged = Packet(0, False, chance.randrange(65_536), chance.randrange(1 << 32), chance.randrange(3), b"")
            sender = ("203.0.113.9", chance.randrange(1024, 65_536))
            assert not call.source.accept(sender, forged, call.now)
        assert call.hear(1, caller) == [1]
    assert call.address == SDP
    assert len(call.source._runs) <= 4


def test_moves_in_a_row_grow_nothing() -> None:
    call = Call()
    for at in range(1000):
        call.move((SDP[0], 4000 + 2 * at))
    assert len(call.source._left) <= 4


# The table


def test_what_the_announced_address_sends_is_taken_in_every_state() -> None:
    for state in State:
        assert TABLE[state, Seen.ANNOUNCED][0] in (State.CLAIMED, State.ANNOUNCED)


def test_strangers_are_found_only_before_anybody_was_heard() -> None:
    assert [state for state in State if (state, Seen.RUN) in TABLE] == [State.OPEN]
