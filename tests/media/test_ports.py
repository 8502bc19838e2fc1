"""Pairs of ports: how they are chosen, and that a call does not get packets of the one before."""

import select
import socket

import pytest

from media.process.ports import REST, Ports, PortsExhaustedError
from tests.ports import free_ports
from tests.waiting import HANG


def room(pairs: int) -> tuple[int, int]:
    """A range for so many pairs, at a place where nobody else is."""
    first = free_ports(2 * pairs)
    return first, first + 2 * pairs - 1


def test_a_closed_pair_rests_with_what_still_comes_before_another_call_gets_it() -> None:
    ports, (first, last) = Ports(), room(1)
    pair = ports.open("127.0.0.1", first, last)
    ports.retire(pair, 10.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.sendto(b"of the old call", ("127.0.0.1", pair.port))
    for now in (10.0, 10.0 + REST - 0.01):
        ports.sweep(now)
        with pytest.raises(PortsExhaustedError, match="no free pair"):
            ports.open("127.0.0.1", first, last)
    ports.sweep(10.0 + REST)
    again = ports.open("127.0.0.1", first, last)
    assert again.port == pair.port and not ports.draining
    with pytest.raises(BlockingIOError):
        again.rtp.recv(2000)
    ports.retire(again, 20.0)
    ports.sweep(20.0 + REST)


def test_a_pair_of_which_somebody_else_has_one_port_is_passed_over_and_left_whole() -> None:
    first, last = room(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 1))
        ports = Ports()
        pair = ports.open("127.0.0.1", first, last)
        assert pair.port == first + 2
        with pytest.raises(PortsExhaustedError):
            ports.open("127.0.0.1", first, last)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", first))  # the even one was not kept
        ports.retire(pair, 0.0)
        ports.sweep(REST)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
def test_pairs_of_ipv6() -> None:
    ports, (first, last) = Ports(), room(1)
    pair = ports.open("::1", first, last)
    assert pair.rtp.family == pair.rtcp.family == socket.AF_INET6
    ports.retire(pair, 0.0)
    ports.sweep(REST)


def test_a_pair_for_both_ip_versions_exchanges_packets_with_both() -> None:
    first, last = room(1)
    pair = Ports().open("::", first, last)
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as peer:
            peer.bind((host, 0))
            peer.settimeout(HANG)
            peer.sendto(b"in", (host, pair.port))
            select.select([pair.rtp], [], [], HANG)
            data, sender = pair.rtp.recvfrom(2000)
            assert (data, sender) == (b"in", (host, peer.getsockname()[1])), "never ::ffff:127.0.0.1"
            pair.rtp.sendto(b"out", sender)
            assert peer.recv(2000) == b"out"
    for one in (pair.rtp, pair.rtcp):
        one.close()
