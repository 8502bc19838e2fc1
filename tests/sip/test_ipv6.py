# mypy: disable-error-code="union-attr"
"""IPv6 (RFC 3261 §7.3.1, RFC 5118): every transport on ::1, and both families from one endpoint."""

import asyncio
import socket
from pathlib import Path

import pytest

from sipgw.sip.connection_key import network_of
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import LocalMedia, make_offer
from sipgw.sip.sdp import Sdp
from sipgw.sip.trace import Traced
from sipgw.sip.uri import Uri
from tests.sip.certificates import Authority
from tests.sip.test_endpoint import OPTIONS, admit_all, last, pick_up, run, taking
from tests.sip.wire import ANSWER, OFFER

LOCAL6 = EndpointOptions("::1", 0)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_call_over_ipv6(transport: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    options = EndpointOptions("::1", 0, tls=authority.server("::1"))
    seen: list[Traced] = []

    async def call() -> None:
        taken: list[Leg] = []

        async with (
            Endpoint(options, taking(taken), admit_all, seen.append) as agent,
            Endpoint(options, pick_up, admit_all) as phone,
        ):
            port = agent.tls_port if transport == "tls" else agent.port
            leg, answer = await phone.invite(
                Uri.parse(f"sip:agent@[::1]:{port};transport={transport}"), "<sip:me@[::1]>", OFFER
            )
            assert answer == ANSWER
            taken[0].hangup()
            assert (await last(leg)).how == "BYE"
            assert (await last(taken[0])).by == "gateway"
            request = taken[0].request
            assert (request.via.host, request.contact.uri.host) == ("::1", "::1")
            assert taken[0].source[:2] == (transport, "::1")

    run(call)
    everything = b"".join(one.data for one in seen)
    assert b"\r\nVia: SIP/2.0/%s [::1]:" % transport.upper().encode() in everything
    assert b";received=::1;rport=" in everything, "RFC 5118 §4.5: without brackets"
    assert b"@[::1]:" in everything


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_endpoint_speaks_both_families(address: str, transport: str) -> None:
    async def call() -> None:
        sources: list[Peer] = []

        def take(leg: Leg) -> None:
            sources.append(leg.source)
            pick_up(leg)

        async with (
            Endpoint(EndpointOptions("::", 0), take, admit_all) as agent,
            Endpoint(EndpointOptions(address, 0), pick_up, admit_all) as phone,
        ):
            host = f"[{address}]" if ":" in address else address
            target = Uri.parse(f"sip:agent@{host}:{agent.port};transport={transport}")
            leg, _ = await phone.invite(target, "<sip:me@h>", OFFER)
            assert leg._call.dialog.target.host == address, "our Contact is in the family of the caller"
            assert agent.contact_host(leg.source) == address
            leg.hangup()
            assert sources[0].host == address, "never ::ffff:127.0.0.1"

    run(call)


def test_a_name_with_both_families_is_called_in_the_one_there_is_a_socket_for() -> None:
    async def call() -> None:
        async with Endpoint(LOCAL6, pick_up, admit_all) as agent, Endpoint(LOCAL6, pick_up, admit_all) as phone:
            found = await phone.locate(Uri.parse(f"sip:agent@localhost:{agent.port}"))
            assert {hop.host for hop in found} <= {"::1"}
            with pytest.raises(CallFailed, match="unreachable") as failure:
                await phone.invite(Uri.parse(f"sip:agent@127.0.0.1:{agent.port}"), "<sip:me@h>", OFFER)
            assert "no socket" in failure.value.ended.text

    run(call)


def test_the_session_description_names_the_address_without_brackets() -> None:
    sdp = make_offer(LocalMedia("2001:db8::1", 4000, tls=False))
    assert b"c=IN IP6 2001:db8::1\r\n" in sdp
    assert Sdp.parse(sdp).connection.address == "2001:db8::1"


def test_a_public_address_counts_for_its_own_family() -> None:
    async def ask() -> None:
        options = EndpointOptions("::", 0, public_address="203.0.113.7")
        async with Endpoint(options, pick_up, admit_all) as endpoint:
            assert endpoint.contact_host(Peer("udp", "192.0.2.1", 5060)) == "203.0.113.7"
            assert endpoint.contact_host(Peer("udp", "::1", 5060)) == "::1"

    run(ask)


def test_connections_are_counted_by_64_bits() -> None:
    """Whoever has one IPv6 address has 2**64 of them."""
    hosts = ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1")
    assert [network_of(host) for host in hosts] == ["2001:db8::/64", "2001:db8::/64", "2001:db8:0:1::/64"]


def test_a_request_over_udp_is_answered_from_the_port_it_was_sent_to() -> None:
    async def talk() -> None:
        async with Endpoint(EndpointOptions("::", 0), pick_up, admit_all) as endpoint:
            loop = asyncio.get_running_loop()
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family, socket.SOCK_DGRAM) as phone:
                    phone.setblocking(False)
                    phone.connect((host, endpoint.port))  # takes nothing from anywhere else
                    request = OPTIONS.replace(b"TCP 127.0.0.1:9", b"UDP h:9;rport").replace(
                        b"z9hG4bK1", b"z9hG4bK%d" % family
                    )
                    await loop.sock_sendall(phone, request.replace(b"Call-ID: x", b"Call-ID: %d" % family))
                    assert (await loop.sock_recv(phone, 2000)).startswith(b"SIP/2.0 ")

    run(talk)
