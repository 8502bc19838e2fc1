"""STUN (RFC 5389) with the test vectors of RFC 5769, and the endpoint that asks a real server on the loopback."""

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.sip import flow, stun
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.message import Request
from sipgw.sip.registrar import RegisterResponse
from sipgw.sip.registration import RegistrationOptions
from sipgw.sip.stun import COOKIE, binding_request, is_stun, mapped_address
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import admit_all, pick_up, run

IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a147"
    "0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")


def test_the_vectors_of_rfc_5769() -> None:
    assert mapped_address(IPV4, TRANSACTION) == ("192.0.2.1", 32853)
    assert mapped_address(IPV6, TRANSACTION) == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def test_only_the_answer_to_our_request_counts() -> None:
    assert mapped_address(IPV4, b"x" * 12) is None
    assert mapped_address(b"\x01\x11" + IPV4[2:], TRANSACTION) is None, "an error response"
    assert mapped_address(binding_request(TRANSACTION), TRANSACTION) is None


def test_the_plain_address_of_older_servers() -> None:
    value = struct.pack("!HHBBH4s", 1, 8, 0, 1, 5060, bytes([203, 0, 113, 9]))
    data = struct.pack("!HHI", 0x0101, len(value), COOKIE) + TRANSACTION + value
    assert mapped_address(data, TRANSACTION) == ("203.0.113.9", 5060)


@pytest.mark.parametrize("data", [IPV4, IPV6])
def test_what_is_cut_off_is_no_answer(data: bytes) -> None:
    for end in range(len(data)):
        found = mapped_address(data[:end], TRANSACTION)
        assert found in (None, mapped_address(data, TRANSACTION))
    assert mapped_address(data[:40], TRANSACTION) is None


@given(st.binary(max_size=200))
def test_nothing_that_comes_raises(rest: bytes) -> None:
    mapped_address(IPV4[:20] + rest, TRANSACTION)
    mapped_address(rest, TRANSACTION)


def test_sip_is_not_taken_for_stun() -> None:
    assert is_stun(IPV4)
    assert not is_stun(b"INVITE sip:a@h SIP/2.0\r\n")
    assert not is_stun(b"\r\n\r\n")


class StunServer(asyncio.DatagramProtocol):
    """Says that everybody comes from `seen`; the first `deaf` requests are lost."""

    def __init__(self, *seen: str, deaf: int = 0) -> None:
        self.seen = list(seen)
        self.deaf = deaf
        self.asked: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert data[:8] == struct.pack("!HHI", 1, 0, COOKIE)
        self.asked.append(data[8:20])
        if len(self.asked) <= self.deaf:
            return
        seen = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        address = bytes(int(part) for part in seen.split("."))
        mixed = bytes(one ^ other for one, other in zip(address, data[4:8], strict=True))
        value = struct.pack("!HHBBH4s", 0x20, 8, 0, 1, addr[1] ^ (COOKIE >> 16), mixed)
        self.transport.sendto(struct.pack("!HHI", 0x0101, len(value), COOKIE) + data[8:20] + value, addr)


def test_the_endpoint_learns_its_public_address_and_that_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StunServer("203.0.113.9", "203.0.113.10", deaf=2)
    anybody = Peer("udp", "198.51.100.1", 5060)

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, ("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        options = EndpointOptions("127.0.0.1", 0, stun_server=f"127.0.0.1:{port}")
        async with Endpoint(options, pick_up, admit_all) as endpoint:
            for expected in ("203.0.113.9", "203.0.113.10"):
                while endpoint.contact_host(anybody) != expected:
                    await asyncio.sleep(0.01)
            assert endpoint._transports.address(anybody) == ("203.0.113.10", endpoint.port)
            assert endpoint.contact_host(Peer("udp", "192.168.1.9", 5060)) == "127.0.0.1", "a private network is inside"
            assert len(set(server.asked[:3])) == 1, "repetitions are the same request"
        transport.close()

    monkeypatch.setattr(stun, "RETRY", (0.01, 0.02))
    monkeypatch.setattr(stun, "INTERVAL", 0.05)
    run(ask)


def test_a_changed_public_address_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registrar is asked again long before its grant is over."""
    asked: list[int] = []
    server = StunServer("203.0.113.9", "203.0.113.9", "203.0.113.10")

    def register(request: Request, source: Peer, now: float) -> RegisterResponse:
        asked.append(len(server.asked))
        return RegisterResponse(200, headers=(("Contact", f"{request.contact};expires=3600"),))

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: server, ("127.0.0.1", 0))
        options = EndpointOptions("127.0.0.1", 0, stun_server=f"127.0.0.1:{transport.get_extra_info('sockname')[1]}")
        registrar = Endpoint(EndpointOptions("127.0.0.1", 0), pick_up, admit_all, register=register)
        async with registrar, Endpoint(options, pick_up, admit_all) as endpoint:
            while endpoint.contact_host(Peer("udp", "198.51.100.1", 5060)) != "203.0.113.9":
                await asyncio.sleep(0.01)
            endpoint.register(RegistrationOptions(Uri("sip", "", "127.0.0.1", registrar.port), "agent"))
            while len(asked) < 2:
                await asyncio.sleep(0.01)
            assert asked[1] >= 3, "not before the address was another"
        transport.close()

    monkeypatch.setattr(stun, "INTERVAL", 0.3)
    monkeypatch.setattr(flow, "PAUSE", 0.01)
    monkeypatch.setattr(flow, "EARLY", (0.01, 0.02))
    run(ask)
