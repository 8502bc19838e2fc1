# mypy: disable-error-code="arg-type, attr-defined"
"""The call flows of RFC 3665 that a user agent takes part in, as ladders: §2 registration, §3 sessions.

Alice is our client, Bob is our server, P and Q are the proxies atlanta and biloxi.
"""

from dataclasses import replace
from itertools import count

import pytest

from sipgw.sip.challenge import Challenger, Proof
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Changed, Confirmed, Ended, Offered, Phase
from sipgw.sip.failover import PATIENCE
from sipgw.sip.message import Request
from sipgw.sip.registrar import RegisterResponse, Registrar
from sipgw.sip.registration import Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri, is_address
from tests.sip.ladder import A, B, C, Flow, P, Q, ladder
from tests.sip.proxy import Proxy
from tests.sip.wire import ANSWER, OFFER, Wire

PASSWORD = Credentials("alice", "s3cret")


# RFC 3665 §2

ASKED = ["A>B REGISTER", "B>A 401 REGISTER", "A>B REGISTER", "B>A 200 REGISTER"]
"""Our client begins each time without credentials, as a nonce may be known to one server of several only."""


class Registering:
    """A's registration with B, our own registrar, which knows alice and asks for her password."""

    def __init__(self, credentials: Credentials = PASSWORD) -> None:
        self.registrar = Registrar()
        self.wire = Wire(A, B, C, registrars={B: self._register})
        tokens = count()
        self.challenger = Challenger(B, {"alice": PASSWORD.password}, b"k", lambda: f"n{next(tokens)}")
        options = RegistrationOptions(Uri.parse(f"sip:{B}"), "alice", credentials)
        self.phone = Registration(self.wire.parties[A].agent.clients, options)

    def _register(self, request: Request, source: Peer, now: float) -> RegisterResponse:
        if self.challenger.prove(request, source.host, now) is not Proof.GIVEN:
            return RegisterResponse(401, headers=self.challenger.challenge(source.host, now))
        return self.registrar.register(self.challenger.user(request), request, source, now)

    def up(self) -> "Registering":
        self.phone.register(self.wire.now)
        self.wire.run(0.2)
        return self

    def ladder(self) -> list[str]:
        shown, self.wire.trace = self.wire.trace, []
        return ladder(shown)

    def also(self, contact: str) -> None:
        """Another phone of hers is bound."""
        here = self.wire.last(A, "REGISTER")
        there = here.headers.without("contact", "call-id").with_(("Contact", contact), ("Call-ID", "desk"))
        answer = self.registrar.register("alice", replace(here, headers=there), Peer("udp", C, 5060), self.wire.now)
        assert answer.status == 200

    @property
    def hosts(self) -> set[str]:
        """Where she can be reached."""
        return {one.contact.host for one in self.registrar.bindings("alice", self.wire.now)}


def test_2_1_successful_new_registration() -> None:
    flow = Registering().up()
    assert flow.ladder() == ASKED
    assert (flow.phone.state, flow.phone.reason) == (RegistrationState.REGISTERED, "registered for 3600 s")
    (bound,) = flow.registrar.bindings("alice", flow.wire.now)
    assert (str(bound.contact), bound.peer) == (f"sip:alice@{A}:5060", Peer("udp", A, 5060))


def test_2_2_update_of_contact_list() -> None:
    """The 200 to a renewal lists her other phone too; the time of ours counts."""
    flow = Registering().up()
    flow.also(f"<sip:alice@{C}>;expires=90")
    flow.ladder()
    flow.phone.register(flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ASKED
    assert flow.hosts == {A, C}
    assert flow.phone.reason == "registered for 3600 s"


def test_2_3_request_for_current_contact_list() -> None:
    """A REGISTER without Contact changes nothing. Our client never asks so; our registrar answers it."""
    flow = Registering().up()
    flow.also(f"<sip:alice@{C}>;expires=90")
    ours = flow.wire.last(A, "REGISTER")
    asking = replace(ours, headers=ours.headers.without("contact", "expires"))
    listed = flow.registrar.register("alice", asking, Peer("udp", A, 5060), flow.wire.now)
    assert [value.partition(";q")[0] for _, value in listed.headers] == [
        f"<sip:alice@{A}:5060>;expires=3600", f"<sip:alice@{C}>;expires=90",
    ]  # fmt: skip
    assert flow.hosts == {A, C}


def test_2_4_cancellation_of_registration() -> None:
    """Our client takes back its own Contact only, never ``*``: her other phone stays where it is."""
    flow = Registering().up()
    flow.also(f"<sip:alice@{C}>;expires=90")
    flow.ladder()
    flow.phone.close(flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ASKED
    assert (flow.phone.state, flow.phone.reason) == (RegistrationState.CLOSED, "unregistered")
    assert flow.hosts == {C}
    flow.wire.run(5000)
    assert flow.ladder() == []
    assert flow.wire.parties[A].agent.open == 0


def test_2_5_unsuccessful_registration() -> None:
    flow = Registering(Credentials("alice", "wrong")).up()
    assert flow.ladder() == ["A>B REGISTER", "B>A 401 REGISTER", "A>B REGISTER", "B>A 401 REGISTER"]
    assert (flow.phone.state, flow.phone.reason) == (
        RegistrationState.FAILED, "401 Unauthorized: wrong user or password",
    )  # fmt: skip
    assert flow.hosts == set()


# RFC 3665 §3


def test_3_1_successful_session_establishment() -> None:
    flow = Flow().dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(0.2)
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    flow.bob.hangup(flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [
        "A>B INVITE", "B>A 100 INVITE", "B>A 180 INVITE", "B>A 200 INVITE", "A>B ACK", "B>A BYE", "A>B 200 BYE",
    ]  # fmt: skip
    assert flow.alice_told[-2:] == [Confirmed(ANSWER), Ended("callee", "BYE")]


def test_3_2_session_establishment_through_two_proxies() -> None:
    flow = Flow(proxies=True).dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(0.2)
    flow.ladder()
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [
        "B>Q 200 INVITE", "Q>P 200 INVITE", "P>A 200 INVITE", "A>P ACK", "P>Q ACK", "Q>B ACK",
    ]  # fmt: skip
    flow.ends(by="bob")
    assert flow.ladder()[:6] == ["B>Q BYE", "Q>P BYE", "P>A BYE", "A>P 200 BYE", "P>Q 200 BYE", "Q>B 200 BYE"]


def test_3_3_session_establishment_with_multiple_proxy_authentication() -> None:
    flow = Flow(proxies=True, credentials=PASSWORD)

    def asks(realm: str):
        challenge = ("Proxy-Authenticate", f'Digest realm="{realm}", nonce="{realm}1", qop="auth", algorithm=MD5')

        def refuses(request: Request):
            answered = " ".join(request.headers.lines("proxy-authorization"))
            return None if f'realm="{realm}"' in answered else (407, (challenge,))

        return refuses

    for proxy, realm in zip(flow.proxies, ("atlanta", "biloxi"), strict=True):
        proxy.refuses = asks(realm)
    flow.dial()
    invites = [m for _, h, _, m in flow.wire.trace if h == A and isinstance(m, Request) and m.method == "INVITE"]
    assert [len(m.headers.lines("proxy-authorization")) for m in invites] == [0, 1, 2]
    assert len({m.call_id for m in invites}) == len({m.from_.tag for m in invites}) == 1
    assert [m.cseq.number - invites[0].cseq.number for m in invites] == [0, 1, 2]
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert len(flow.wire.last(A, "ACK").headers.lines("proxy-authorization")) == 2
    flow.ends()


def test_3_4_successful_session_with_proxy_failure() -> None:
    """The first proxy of atlanta is silent; the second one asks for a password and has the call."""
    flow = Flow(credentials=PASSWORD, outbound="atlanta.example.com")
    found = (Peer("udp", P, 5060, name="atlanta.example.com"), Peer("udp", Q, 5060, name="atlanta.example.com"))
    flow.wire.parties[A].locate = lambda peer, located, now: located(
        found if not is_address(peer.host) else (peer,), now
    )
    second = Proxy(Q, B, name="atlanta.example.com").put_on(flow.wire)
    challenge = ("Proxy-Authenticate", 'Digest realm="atlanta", nonce="1", qop="auth", algorithm=MD5')
    second.refuses = lambda request: None if request.headers.get("proxy-authorization") else (407, (challenge,))
    flow.alice.start(flow.wire.now)
    flow.wire.run(PATIENCE - 0.1)
    assert set(flow.ladder()) == {"A>P INVITE"}
    flow.wire.run(0.3)
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [
        "A>Q INVITE", "Q>A 407 INVITE", "A>Q ACK", "A>Q INVITE", "Q>B INVITE", "B>Q 100 INVITE", "Q>A 100 INVITE",
        "B>Q 200 INVITE", "Q>A 200 INVITE", "A>Q ACK", "Q>B ACK",
    ]  # fmt: skip
    flow.ends()


def test_3_5_session_through_a_sip_alg() -> None:
    """A gateway on the way puts its own address into both descriptions: what each side reads is where it sends to."""
    flow = Flow(outbound=P)
    alg = Proxy.between(flow.wire, P, B)
    alg.alters = lambda body, onward: body.replace((A if onward else B).encode(), P.encode())
    flow.dial()
    assert flow.bob.invite.body == OFFER.replace(A.encode(), P.encode())
    flow.bob.ringing(flow.wire.now)
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [
        "A>P INVITE", "P>B INVITE", "B>P 100 INVITE", "P>A 100 INVITE",
        "B>P 180 INVITE", "B>P 200 INVITE", "P>A 180 INVITE", "P>A 200 INVITE", "A>P ACK", "P>B ACK",
    ]  # fmt: skip
    assert flow.alice_told[-1] == Confirmed(ANSWER.replace(B.encode(), P.encode()))
    flow.ends(by="bob")
    assert flow.ladder()[:4] == ["B>P BYE", "P>A BYE", "A>P 200 BYE", "P>B 200 BYE"]


def test_3_6_session_via_redirect_server() -> None:
    """The first half of §3.6: a redirect server knows where Bob is; the caller decides whether to go there."""
    flow = Flow(outbound=P)
    Proxy.between(flow.wire, P, B).refuses = lambda request: (302, (("Contact", f"<sip:bob@{B}>"),))
    flow.dial()
    assert flow.ladder() == ["A>P INVITE", "P>A 302 INVITE", "A>P ACK"]
    assert flow.alice_told[-1].contacts == (Uri.parse(f"sip:bob@{B}"),)
    again = flow.calls(A, flow.alice_told[-1].contacts[0])
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ["A>B INVITE", "B>A 100 INVITE", "B>A 200 INVITE", "A>B ACK"]
    assert again.told[-1] == Confirmed(ANSWER)


def test_3_6_session_with_the_description_in_the_ack() -> None:
    """The second half of §3.6: the INVITE has no SDP, Bob offers in his 200 and Alice answers in her ACK."""
    flow = Flow().dial()
    raw = flow.wire.last(A, "INVITE").to_bytes().partition(b"\r\n\r\n")[0]
    raw = raw.replace(flow.alice.invite.call_id.encode(), b"late").replace(b"branch=", b"branch=z9hG4bKl")
    raw = b"\r\n".join(line for line in raw.split(b"\r\n") if not line.startswith((b"Content-", b"To:")))
    flow.wire.send(raw + f"\r\nTo: <sip:bob@{B}>\r\nContent-Length: 0\r\n\r\n".encode())
    flow.wire.run(0.2)
    late = flow.bob
    late.answer(OFFER, flow.wire.now)
    flow.wire.run(0.2)
    offered = flow.wire.last(B, 200)
    assert offered.body == OFFER
    ack = f"""ACK sip:agent@{B} SIP/2.0
Via: SIP/2.0/UDP {A}:5060;branch=z9hG4bKlateack
From: {offered.from_}
To: {offered.to}
Call-ID: late
CSeq: {offered.cseq.number} ACK
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: {len(ANSWER)}

"""
    flow.wire.send(ack.replace("\n", "\r\n").encode() + ANSWER)
    flow.wire.run(0.2)
    assert flow.bob_told[-1] == Confirmed(ANSWER)
    assert late.phase is Phase.CONFIRMED


def test_3_7_session_with_reinvite_ip_address_change() -> None:
    flow = Flow().up()
    moved = ANSWER.replace(b"10.0.0.2", b"10.0.0.22")
    flow.bob.session.change(moved, flow.wire.now)
    flow.wire.run(0.1)
    assert flow.alice_told[-1] == Offered(moved)
    flow.alice.accept_offer(OFFER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ["B>A INVITE", "A>B 200 INVITE", "B>A ACK"]
    assert flow.bob_told[-1] == Changed(OFFER, 200, "OK")
    flow.ends()


@pytest.mark.parametrize("proxies", [False, True])
def test_3_8_unsuccessful_no_answer(proxies: bool) -> None:
    flow = Flow(proxies=proxies).dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(0.2)
    flow.ladder()
    flow.alice.hangup(flow.wire.now)
    flow.wire.run(0.2)
    seen = flow.ladder()
    if proxies:
        assert [line for line in seen if "B" in line[:3]] == [
            "Q>B CANCEL", "B>Q 200 CANCEL", "B>Q 487 INVITE", "Q>B ACK",
        ]  # fmt: skip
    else:
        assert seen == ["A>B CANCEL", "B>A 200 CANCEL", "B>A 487 INVITE", "A>B ACK"]
    assert flow.alice_told[-1] == Ended("gateway", "CANCEL", "", 487)
    assert flow.bob_told[-1] == Ended("caller", "CANCEL")


@pytest.mark.parametrize(("section", "status"), [("3.9 busy", 486), ("3.11 temporarily unavailable", 480)])
def test_3_9_and_3_11_unsuccessful(section: str, status: int) -> None:
    flow = Flow(proxies=True).dial()
    flow.ladder()
    flow.bob.reject(status, flow.wire.now)
    flow.wire.run(0.2)
    expected = [f"B>Q {status} INVITE", f"Q>P {status} INVITE", f"P>A {status} INVITE", "A>P ACK", "P>Q ACK", "Q>B ACK"]
    assert flow.ladder() == expected, section
    assert flow.alice_told[-1].status == status


def test_3_10_unsuccessful_no_response_from_user_agent() -> None:
    flow = Flow(proxies=True)
    flow.wire.drop = lambda source, message: source == B
    flow.alice.start(flow.wire.now)
    flow.wire.run(40)
    assert flow.alice_told[-1] == Ended("network", "no answer", "no response to the INVITE came", 408)


# What the RFCs have no picture of


def test_early_media_changes_and_refreshes_go_through_the_proxies_too() -> None:
    """PRACK, UPDATE and re-INVITE follow the route set that the first reliable response has made."""
    flow = Flow(proxies=True)
    invite = flow.alice.invite
    flow.alice.invite = replace(invite, headers=invite.headers.with_(("Require", "100rel")))
    flow.dial()
    flow.ladder()
    flow.bob.progress(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    there, back = [("A", "P"), ("P", "Q"), ("Q", "B")], [("B", "Q"), ("Q", "P"), ("P", "A")]

    def over(way: list[tuple[str, str]], what: str) -> list[str]:
        return [f"{source}>{target} {what}" for source, target in way]

    assert flow.ladder() == [*over(back, "183 INVITE"), *over(there, "PRACK"), *over(back, "200 PRACK")]
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [*over(back, "200 INVITE"), *over(there, "ACK")]
    flow.bob.session.change(OFFER, flow.wire.now)
    flow.wire.run(0.1)
    flow.alice.accept_offer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [*over(back, "INVITE"), *over(there, "200 INVITE"), *over(back, "ACK")]
    flow.ends()
