"""Who gets an answer to a challenge inside a dialog (RFC 3261 §22): never a peer who could call at our cost."""

import asyncio
import contextlib

import pytest

from sipgw.sip.digest import Credentials
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.fields import NameAddr
from sipgw.sip.leg import Leg
from sipgw.sip.message import Request, response_to
from sipgw.sip.parse import parse_message
from sipgw.sip.registration import RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from tests.interop.registrar import PASSWORD, REALM, USER, Registrar, listening
from tests.sip.test_calls import Call
from tests.sip.wire import ANSWER, INVITE, Wire, has_registered, in_dialog
from tests.waiting import HANG, until

CARRIER, GATEWAY, PEER = "10.0.0.1", "10.0.0.2", "10.0.0.66"
OURS = Credentials("agent", "s3cret")


def signed(
    method: str,
    *,
    realm: str = "carrier",
    contact: str = CARRIER,
    via: str = "",
    passed: bool = False,
    registered: bool = True,
    asks: str = "",
) -> bool:
    """Whether our request in a call that came from the carrier is sent again with credentials, after a challenge.

    The caller is at `contact`; with `via` the carrier's server stays on the way, and with `passed` it only passes the
    INVITE on. The challenge is of `asks`.
    """
    wire = Wire(GATEWAY)
    agent = wire.parties[GATEWAY].agent
    if registered:
        has_registered(agent, OURS, "carrier", CARRIER)
    invite = INVITE.format(call_id="in").replace("Contact: <sip:me@10.0.0.1:5060>", f"Contact: <sip:me@{contact}>")
    more = f"Record-Route: <sip:{via};lr>\n" * bool(via) + f"Via: SIP/2.0/UDP {PEER};branch=z9hG4bKeve\n" * passed
    wire.send(invite.replace("Max-Forwards", f"{more}Max-Forwards"))
    wire.run(0.1)
    (call,) = wire.parties[GATEWAY].calls
    call.credentials = OURS
    call.answer(ANSWER, wire.now)
    wire.run(0.1)
    wire.send(in_dialog("ACK", 1, "in", call.tag))
    wire.run(0.1)
    call.request(method, wire.now)
    wire.run(0.1)
    asked = wire.last(GATEWAY, method)
    assert isinstance(asked, Request)
    challenge = ("Proxy-Authenticate", f'Digest realm="{realm}", nonce="stolen", qop="auth", algorithm=MD5')
    wire.send(response_to(asked, 407, headers=(challenge,)).to_bytes(), asks or via or contact, GATEWAY)
    wire.run(0.1)
    return any("proxy-authorization" in str(message.headers).lower() for *_, message in wire.trace)


@pytest.mark.parametrize("method", ["INVITE", "BYE", "REFER", "UPDATE", "INFO"])
def test_the_registrar_that_has_challenged_us_may_challenge_again(method: str) -> None:
    assert signed(method)


@pytest.mark.parametrize("method", ["INVITE", "BYE", "REFER", "UPDATE", "INFO"])
def test_a_caller_whom_we_reach_directly_gets_no_answer_to_a_nonce_of_our_carrier(method: str) -> None:
    assert not signed(method, contact=PEER)
    assert not signed(method, contact=PEER, asks=CARRIER), "nor with a forged source"
    assert not signed(method, contact=PEER, via=PEER)


def test_a_realm_that_has_never_challenged_us_gets_no_answer() -> None:
    assert not signed("BYE", realm="another")
    assert not signed("BYE", registered=False), "nor anybody in a call of a trunk that does not register"


def test_a_caller_behind_the_server_of_the_carrier_gets_no_answer_to_an_invite() -> None:
    """The server passes the challenges of the caller back, so that they come from it."""
    assert not signed("INVITE", contact=PEER, via=CARRIER)
    assert signed("BYE", contact=PEER, via=CARRIER), "with which nobody can call"
    assert not signed("INVITE", contact=CARRIER, via=CARRIER), "the server knows where that user is"
    assert not signed("INVITE", contact=f"{CARRIER};maddr={PEER}", via=CARRIER), "the server sends it there"
    assert not signed("INVITE", via=f"{CARRIER};maddr={PEER}"), "the caller may write a Record-Route, too"
    assert not signed("INVITE", passed=True), "the server need not stay on the way to know where that user is"
    assert signed("BYE", passed=True)
    assert signed("INVITE"), "without a server between there is nobody behind it"


@pytest.mark.parametrize(("realm", "answered"), [("carrier", True), ("another", False)])
def test_in_a_call_out_who_has_challenged_the_invite_may_challenge_again(realm: str, *, answered: bool) -> None:
    wire = Wire()
    call = Call(wire, credentials=OURS)
    agent = wire.parties["10.0.0.2"].agent

    def once(asked: str) -> tuple[tuple[str, str], ...]:
        return (("Proxy-Authenticate", f'Digest realm="{asked}", nonce="n", algorithm=MD5'),)

    came = wire.parties["10.0.0.2"].on_call

    def challenges(server, now: float) -> None:  # type: ignore[no-untyped-def]
        wire.parties["10.0.0.2"].on_call = came
        server.reject(407, now, headers=once("carrier"))

    wire.parties["10.0.0.2"].on_call = challenges
    call.answered()
    wire.parties["10.0.0.2"].on_call = came
    call.server.in_dialog = lambda request, transaction, now: agent.core.respond(
        transaction, 407, now, headers=once(realm)
    )
    assert call.client.dialog is not None
    call.client.dialog.routes = (NameAddr.parse("<sip:10.0.0.2;lr>"),)
    before = len(wire.trace)
    call.client.request("BYE", wire.now)
    wire.run(0.1)
    again = [message for *_, message in wire.trace[before:] if "proxy-authorization" in str(message.headers).lower()]
    assert bool(again) is answered


@pytest.mark.parametrize(("caller", "answered"), [("127.0.0.1", True), ("127.0.0.2", False)])
def test_a_relayed_nonce_over_real_sockets(caller: str, *, answered: bool) -> None:
    """We register at 127.0.0.1. A call comes from there, and its caller challenges our BYE with the same realm."""
    came: list[bytes] = []

    class Caller(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            request = parse_message(data)
            if isinstance(request, Request) and request.method == "BYE":
                came.append(data)
                challenge = ("Proxy-Authenticate", f'Digest realm="{REALM}", nonce="stolen", algorithm=MD5')
                status = 200 if b"Proxy-Authorization" in data else 407
                self.transport.sendto(response_to(request, status, headers=(challenge,)).to_bytes(), addr)

    async def scenario() -> None:
        loop, legs, registrar = asyncio.get_running_loop(), list[Leg](), Registrar()

        def pick_up(leg: Leg) -> None:
            leg.authenticate(Credentials(USER, PASSWORD))
            legs.append(leg)
            leg.answer(ANSWER)

        async with (
            asyncio.timeout(HANG),
            listening(registrar) as port,
            Endpoint(EndpointOptions("127.0.0.1", 0, tcp=False), pick_up, lambda *_: None) as agent,
        ):
            there = RegistrationOptions(Uri.parse(f"sip:127.0.0.1:{port}"), USER, Credentials(USER, PASSWORD))
            registration = agent.register(there)
            await until(lambda: registration.state is RegistrationState.REGISTERED)
            carrier, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
            peer, _ = await loop.create_datagram_endpoint(Caller, (caller, 0))
            with contextlib.closing(carrier), contextlib.closing(peer):
                contact = f"Contact: <sip:me@{caller}:{peer.get_extra_info('sockname')[1]}>"
                invite = INVITE.replace("UDP 10.0.0.1:5060", "UDP 127.0.0.1").format(call_id="real")
                invite = invite.replace("Contact: <sip:me@10.0.0.1:5060>", contact)
                carrier.sendto(invite.replace("\n", "\r\n").encode(), ("127.0.0.1", agent.port))
                await until(lambda: len(legs) == 1)
                (usage,) = agent.agent.core.dialogs.usages
                assert usage.dialog is not None
                ack = in_dialog("ACK", 1, "real", usage.dialog.local.tag)
                carrier.sendto(ack.replace("\n", "\r\n").encode(), ("127.0.0.1", agent.port))
                await until(lambda: legs[0].phase.name == "CONFIRMED")
                legs[0].hangup()
                await until(lambda: len(came) > 0 and not agent.agent.waiting)

    asyncio.run(scenario())
    assert [b"Proxy-Authorization" in data for data in came] == ([False, True] if answered else [False])
