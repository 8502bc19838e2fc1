"""The call flows of RFC 3665 §3 and RFC 5359 §2 that a user agent takes part in, as ladders.

Alice is our client, Bob is our server, P and Q are the proxies atlanta and biloxi. What the RFCs leave to proxies and
servers of other kinds (voice mail, presence, location) is not ours to test.
"""

from dataclasses import replace

import pytest

from sipgw.sip.client import InviteClient
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Changed, Confirmed, Ended, Offered, Phase, Referred
from sipgw.sip.message import Request, Response
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.uri import Uri
from tests.sip.proxy import Proxy
from tests.sip.wire import ANSWER, OFFER, Wire

A, B, C, P, Q = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.8", "10.0.0.9"
NAMES = {A: "A", B: "B", C: "C", P: "P", Q: "Q"}
PASSWORD = Credentials("alice", "s3cret")


class Flow:
    """Alice calls Bob, through both proxies or directly."""

    def __init__(self, *, proxies: bool = False, credentials: Credentials | None = None, offer: bytes = OFFER) -> None:
        self.wire = Wire(A, B, C)
        self.alice_told: list[object] = []
        self.bob_told: list[object] = []
        self.proxies = [Proxy.between(self.wire, P, Q), Proxy.between(self.wire, Q, B)] if proxies else []
        self.wire.parties[B].on_call = self._came
        self.alice = InviteClient.to(
            self.wire.parties[A].agent,
            Uri.parse(f"sip:bob@{B}"),
            f"<sip:alice@{A}>",
            offer,
            proxy=Uri.parse(f"sip:{P}") if proxies else None,
            credentials=credentials,
        )
        self.alice.tell = self.alice_told.append
        self._shown = 0

    def _came(self, call, now) -> None:
        self.bob = call
        call.tell = self.bob_told.append

    def dial(self) -> "Flow":
        self.alice.start(self.wire.now)
        self.wire.run(0.2)
        return self

    def up(self) -> "Flow":
        """The call is answered; the ladder begins anew."""
        self.dial()
        self.bob.answer(ANSWER, self.wire.now)
        self.wire.run(0.2)
        assert self.alice.phase is self.bob.phase is Phase.CONFIRMED
        self.ladder()
        return self

    def ladder(self) -> list[str]:
        """What was sent since the last look, e.g. ``A>B INVITE`` and ``B>A 200 INVITE``."""
        lines = []
        for _, source, target, message in self.wire.trace[self._shown :]:
            what = message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
            lines.append(f"{NAMES[source]}>{NAMES[target]} {what}")
        self._shown = len(self.wire.trace)
        return lines

    def ends(self, by: str = "alice") -> None:
        """Hang up; both sides know, and nothing is remembered."""
        (self.alice if by == "alice" else self.bob).hangup(self.wire.now)
        self.wire.run(0.2)
        assert isinstance(self.alice_told[-1], Ended)
        assert isinstance(self.bob_told[-1], Ended)
        self.wire.run(100)
        assert self.wire.parties[A].agent.open == self.wire.parties[B].agent.open == 0


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
    assert flow.alice_told[-2:] == [Confirmed(ANSWER), Ended("caller", "BYE")]


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
    assert flow.alice_told[-1] == Ended("network", "no answer", "nothing came back to the INVITE", 408)


# RFC 5359 §2

ALICE, BOB = LocalMedia(A, 4000), LocalMedia(B, 4002)


class Talking(Flow):
    """A call whose Bob answers offers as the gateway does."""

    def __init__(self) -> None:
        super().__init__(offer=make_offer(ALICE))

    def up(self) -> "Talking":
        self.dial()
        agreed = answer(self.bob.invite.body, BOB)
        self.bob.answer(agreed.sdp, self.wire.now)
        self.wire.run(0.2)
        self.ladder()
        return self

    def alice_offers(self, sdp: bytes) -> tuple[str, str]:
        """The direction of Bob's sound, as he and as Alice see it, after Alice's re-INVITE with `sdp`."""
        self.alice.session.change(sdp, self.wire.now)
        self.wire.run(0.1)
        agreed = answer(self.bob_told[-1].sdp, BOB)
        self.bob.accept_offer(agreed.sdp, self.wire.now)
        self.wire.run(0.2)
        assert self.ladder() == ["A>B INVITE", "B>A 200 INVITE", "A>B ACK"]
        return agreed.direction, accept_answer(sdp, self.alice_told[-1].sdp, ALICE).direction


def test_2_1_call_hold_and_2_2_consultation_hold() -> None:
    flow = Talking().up()
    assert flow.alice_offers(make_offer(ALICE, "sendonly")) == ("recvonly", "sendonly")
    assert flow.alice_offers(make_offer(ALICE)) == ("sendrecv", "sendrecv")
    # while Alice asks somebody else, neither hears the other
    assert flow.alice_offers(make_offer(ALICE, "inactive")) == ("inactive", "inactive")
    assert flow.alice_offers(make_offer(ALICE)) == ("sendrecv", "sendrecv")
    old = make_offer(ALICE).replace(b"c=IN IP4 10.0.0.1", b"c=IN IP4 0.0.0.0")
    assert flow.alice_offers(old)[0] == "inactive", "RFC 2543's way"
    flow.ends(by="bob")


def test_2_3_music_on_hold() -> None:
    """Alice's music server plays to Bob: his sound address changes, and he only listens; then back again."""
    flow = Talking().up()
    music = make_offer(LocalMedia(C, 6000), "sendonly")
    assert flow.alice_offers(music)[0] == "recvonly"
    assert answer(flow.bob.session.remote, BOB).remote_address == C
    assert flow.alice_offers(make_offer(ALICE)) == ("sendrecv", "sendrecv")
    assert answer(flow.bob.session.remote, BOB).remote_address == A
    flow.ends()


def test_2_3_both_hold_each_other() -> None:
    """Whoever is held and holds too hears nothing and says nothing; one resume does not resume the other's."""
    flow = Talking().up()
    flow.alice_offers(make_offer(ALICE, "sendonly"))
    flow.bob.session.change(make_offer(BOB, "inactive"), flow.wire.now)
    flow.wire.run(0.1)
    agreed = answer(flow.alice_told[-1].sdp, ALICE)
    assert agreed.direction == "inactive"
    flow.alice.accept_offer(agreed.sdp, flow.wire.now)
    flow.wire.run(0.2)
    assert accept_answer(make_offer(BOB, "inactive"), flow.bob_told[-1].sdp, BOB).direction == "inactive"


def test_2_4_transfer_unattended() -> None:
    """Bob, our agent, sends Alice to Carol; Alice's phone reports 100 and 200 and Bob hangs up."""
    flow = Talking().up()
    agent = flow.wire.parties[A].agent
    flow.alice.in_dialog = lambda request, transaction, now: agent.respond(transaction, 202, now)
    flow.bob.transferor.refer(Uri.parse(f"sip:carol@{C}"), flow.wire.now)
    flow.wire.run(0.02)
    refer = flow.wire.last(B, "REFER")
    assert refer.headers.get("refer-to") == f"<sip:carol@{C}>"
    assert refer.to.tag == flow.bob.dialog.remote.tag
    for status in ("100 Trying", "200 OK"):
        flow.alice.request(
            "NOTIFY",
            flow.wire.now,
            fields=(
                ("Event", "refer"),
                ("Subscription-State", "active" if status[0] == "1" else "terminated"),
                ("Content-Type", "message/sipfrag"),
            ),
            body=f"SIP/2.0 {status}\r\n".encode(),
        )
        flow.wire.run(0.1)
    assert [line for line in flow.ladder() if line.startswith("A")] == ["A>B 202 REFER", "A>B NOTIFY", "A>B NOTIFY"]
    assert flow.bob_told[-1] == Referred(True, 200, "OK")
    del flow.alice.in_dialog
    flow.ends(by="bob")


def test_2_12_find_me_rings_two_phones_and_the_first_to_answer_has_the_call() -> None:
    """A proxy forks: two early dialogs, one 200, the other branch is refused by the proxy and never heard of again."""
    flow = Flow().dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(0.2)
    ringing = flow.wire.last(B, 180)
    assert isinstance(ringing, Response)
    flow.wire.send(ringing.to_bytes().replace(ringing.to.tag.encode(), b"desk"), B, A)
    flow.wire.run(0.2)
    assert len(flow.alice._early._branches) == 2
    flow.bob.answer(ANSWER, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.alice.dialog.remote.tag == flow.bob.tag
    flow.ends()


def test_2_18_click_to_dial_by_third_party_call_control() -> None:
    """A controller calls Bob without offer and gives it the far end's description in the ACK, then in a re-INVITE."""
    flow = Flow().up()
    flow.alice.request("INVITE", flow.wire.now)
    flow.wire.run(0.1)
    assert flow.bob_told[-1] == Offered(None), "a re-INVITE without offer asks for Bob's"
    flow.bob.accept_offer(make_offer(BOB), flow.wire.now)
    flow.wire.run(0.1)
    assert flow.wire.last(B, 200).body == make_offer(BOB)


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
