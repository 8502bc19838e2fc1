# mypy: disable-error-code="arg-type, attr-defined, union-attr"
"""The services of RFC 5359 §2, as far as a user agent of this kind takes part in them, as ladders.

`sipgw/sip/README.md` lists the roles that sipgw has, and its answers in the others.
"""

import pytest

from sipgw.sip.checks import Refusal
from sipgw.sip.events import Confirmed, Ended, Offered, Phase, Progress, Referred, ReferRequested
from sipgw.sip.message import Response
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.replaces import Replaces
from sipgw.sip.uri import Uri
from tests.sip.ladder import ALICE, BOB, A, B, C, Flow, P, Talking
from tests.sip.proxy import InTurn, Proxy
from tests.sip.wire import ANSWER, INVITE

CAROL = Uri.parse(f"sip:carol@{C}")


def bob_offers(flow: Flow, sdp: bytes) -> list[str]:
    """The ladder of Bob's re-INVITE with `sdp`, which Alice answers as the gateway does."""
    flow.bob.session.change(sdp, flow.wire.now)
    flow.wire.run(0.1)
    flow.alice.accept_offer(answer(flow.alice_told[-1].sdp, ALICE).sdp, flow.wire.now)
    flow.wire.run(0.2)
    return flow.ladder()


def test_2_1_call_hold() -> None:
    flow = Talking().up()
    assert flow.alice_offers(make_offer(ALICE, "sendonly")) == ("recvonly", "sendonly")
    assert flow.alice_offers(make_offer(ALICE)) == ("sendrecv", "sendrecv")
    assert flow.alice_offers(make_offer(ALICE, "inactive")) == ("inactive", "inactive")
    assert flow.alice_offers(make_offer(ALICE)) == ("sendrecv", "sendrecv")
    old = make_offer(ALICE).replace(b"c=IN IP4 10.0.0.1", b"c=IN IP4 0.0.0.0")
    assert flow.alice_offers(old)[0] == "inactive", "RFC 2543's way"
    flow.ends(by="bob")


def test_2_1_both_hold_each_other() -> None:
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


def test_2_2_consultation_hold() -> None:
    """Bob holds Alice, asks Carol, and goes on with Alice."""
    flow = Talking().up()
    assert bob_offers(flow, make_offer(BOB, "sendonly")) == ["B>A INVITE", "A>B 200 INVITE", "B>A ACK"]
    assert accept_answer(make_offer(BOB, "sendonly"), flow.bob_told[-1].sdp, BOB).direction == "sendonly"
    flow.picks_up(C)
    asked = flow.calls(B, CAROL)
    asked.hangup(flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ["B>C INVITE", "C>B 100 INVITE", "C>B 200 INVITE", "B>C ACK", "B>C BYE", "C>B 200 BYE"]
    assert bob_offers(flow, make_offer(BOB)) == ["B>A INVITE", "A>B 200 INVITE", "B>A ACK"]
    assert accept_answer(make_offer(BOB), flow.bob_told[-1].sdp, BOB).direction == "sendrecv"
    flow.ends(by="bob")


def test_2_3_music_on_hold_from_where_the_hold_says() -> None:
    """RFC 7088: Alice's music server plays to Bob: his sound address changes, and he only listens; then back again."""
    flow = Talking().up()
    music = make_offer(LocalMedia(C, 6000, tls=False), "sendonly")
    assert flow.alice_offers(music)[0] == "recvonly"
    assert answer(flow.bob.session.remote, BOB).remote_address == C
    assert flow.alice_offers(make_offer(ALICE)) == ("sendrecv", "sendrecv")
    assert answer(flow.bob.session.remote, BOB).remote_address == A
    flow.ends()


def test_2_3_music_on_hold_and_2_15_call_park() -> None:
    """A music or park server takes Bob's place in his call with Alice (Replaces), and he takes it back the same way.

    Alice is our side: she goes on with whoever has taken the place, and ends the call that was there.
    """
    flow = Flow().up()
    came = flow.picks_up(A)
    here = flow.bob.dialog.target
    parked = flow.calls(C, here, ("Replaces", str(Replaces.of(flow.bob.dialog))), ("Require", "replaces"))
    assert flow.ladder() == [
        "C>A INVITE", "A>C 100 INVITE", "A>C 200 INVITE", "A>B BYE", "B>A 200 BYE", "C>A ACK",
    ]  # fmt: skip
    assert flow.bob_told[-1] == Ended("caller", "BYE")
    assert flow.alice_told[-1] == Ended("gateway", "BYE")
    fetched = flow.calls(B, here, ("Replaces", str(Replaces.of(parked.dialog))), ("Require", "replaces"))
    assert flow.ladder() == [
        "B>A INVITE", "A>B 100 INVITE", "A>B 200 INVITE", "A>C BYE", "B>A ACK", "C>A 200 BYE",
    ]  # fmt: skip
    assert parked.told[-1] == Ended("callee", "BYE")
    assert [one.phase for one in came] == [Phase.ENDED, Phase.CONFIRMED]
    fetched.hangup(flow.wire.now)
    flow.nothing_left()


@pytest.mark.usefixtures("quick_people")
def test_2_4_transfer_unattended() -> None:
    """Bob, our agent, sends Alice to Carol, and Alice, our agent too, goes there and reports."""
    flow = Talking().up()
    flow.alice.transferee.allowed = True
    flow.bob.transferor.refer(CAROL, flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ["B>A REFER", "A>B 202 REFER", "A>B NOTIFY", "B>A 200 NOTIFY"]
    asked = flow.alice_told[-1]
    assert asked == ReferRequested(CAROL, None, f"<sip:bob@{B}>")
    flow.picks_up(C)
    gone = flow.calls(A, asked.target, ("Referred-By", asked.referred_by))
    flow.alice.transferee.outcome(200, "OK", flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [
        "A>C INVITE", "C>A 100 INVITE", "C>A 200 INVITE", "A>C ACK", "A>B NOTIFY", "B>A 200 NOTIFY",
    ]  # fmt: skip
    assert flow.wire.parties[C].calls[-1].invite.headers.get("referred-by") == f"<sip:bob@{B}>"
    assert flow.bob_told[-1] == Referred(True, 200, "OK")
    flow.bob.hangup(flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == ["B>A BYE", "A>B 200 BYE"]
    gone.hangup(flow.wire.now)
    flow.nothing_left()


def test_2_4_a_transfer_that_fails_leaves_the_call_where_it_was() -> None:
    flow = Talking().up()
    flow.alice.transferee.allowed = True
    flow.wire.parties[C].on_call = lambda call, now: call.reject(486, now)
    flow.bob.transferor.refer(CAROL, flow.wire.now)
    flow.wire.run(0.2)
    gone = flow.calls(A, flow.alice_told[-1].target)
    flow.alice.transferee.outcome(gone.told[-1].status, "Busy Here", flow.wire.now)
    flow.wire.run(0.2)
    assert flow.bob_told[-1] == Referred(False, 486, "Busy Here")
    assert flow.alice.phase is flow.bob.phase is Phase.CONFIRMED
    flow.ends(by="bob")


def test_2_5_transfer_attended() -> None:
    """Bob holds Alice, asks Carol, and sends Alice into the place of his own call with Carol; all three are ours."""
    flow = Talking().up()
    bob_offers(flow, make_offer(BOB, "sendonly"))
    at_carol = flow.picks_up(C)
    consulted = flow.calls(B, CAROL)
    flow.ladder()
    flow.alice.transferee.allowed = True
    flow.bob.transferor.refer(consulted.dialog.target, flow.wire.now, Replaces.of(consulted.dialog))
    flow.wire.run(0.2)
    asked = flow.alice_told[-1]
    assert flow.ladder() == ["B>A REFER", "A>B 202 REFER", "A>B NOTIFY", "B>A 200 NOTIFY"]
    connected = flow.calls(A, asked.target, ("Replaces", str(asked.replaces)), ("Require", "replaces"))
    flow.alice.transferee.outcome(200, "OK", flow.wire.now)
    flow.wire.run(0.2)
    flow.bob.hangup(flow.wire.now)
    flow.wire.run(0.2)
    assert flow.ladder() == [
        "A>C INVITE", "C>A 100 INVITE", "C>A 200 INVITE", "C>B BYE", "A>C ACK", "B>C 200 BYE",
        "A>B NOTIFY", "B>A 200 NOTIFY", "B>A BYE", "A>B 200 BYE",
    ]  # fmt: skip
    assert connected.told[-1] == Confirmed(ANSWER)
    assert consulted.told[-1] == Ended("callee", "BYE")
    assert [one.phase for one in at_carol] == [Phase.ENDED, Phase.CONFIRMED]
    connected.hangup(flow.wire.now)
    flow.nothing_left()


@pytest.mark.parametrize(
    ("target", "status"), [(f"<sip:carol@{C};method=MESSAGE>", 603), ("<im:carol@example.com>", 416)]
)
def test_2_6_transfer_to_instant_messaging_is_declined(target: str, status: int) -> None:
    """We carry no messages: MESSAGE is 405 wherever it comes, and a REFER to anything but a call is declined."""
    flow = Flow().up()
    flow.bob.transferee.allowed = True
    flow.alice.request("MESSAGE", flow.wire.now)
    flow.wire.run(0.1)
    flow.alice.request("REFER", flow.wire.now, fields=(("Refer-To", target),))
    flow.wire.run(0.1)
    outside = INVITE.format(call_id="im").replace("INVITE", "MESSAGE")
    flow.wire.send(outside)
    flow.wire.run(0.1)
    assert flow.ladder() == [
        "A>B MESSAGE", "B>A 405 MESSAGE", "A>B REFER", f"B>A {status} REFER", "B>A 405 MESSAGE",
    ]  # fmt: skip
    flow.ends()


def through(phones: list[str], *, forwards: bool = False) -> Flow:
    """Alice calls Bob through a proxy that rings `phones` in turn; Carol's picks up."""
    flow = Flow(outbound=P)
    InTurn(P, phones, forwards).put_on(flow.wire)
    flow.picks_up(C)
    return flow


ANSWERED = ["C>P 200 INVITE", "P>A 200 INVITE", "A>C ACK"]


def test_2_7_call_forwarding_unconditional() -> None:
    """As the caller: 181 tells it, and the dialog is with whoever answers."""
    flow = through([C], forwards=True).dial()
    assert flow.ladder() == [
        "A>P INVITE", "P>A 100 INVITE", "P>A 181 INVITE", "P>C INVITE", "C>P 100 INVITE", *ANSWERED,
    ]  # fmt: skip
    assert [one.status for one in flow.alice_told if isinstance(one, Progress)] == [100, 181]
    assert flow.alice.dialog.target == Uri.parse(f"sip:agent@{C}:5060")
    flow.alice.hangup(flow.wire.now)
    flow.wire.run(0.1)
    assert flow.ladder() == ["A>C BYE", "C>A 200 BYE"]
    flow.nothing_left()


def test_2_8_call_forwarding_busy() -> None:
    """As the called: 486, and the proxy goes on. As the caller: no trace of it but the 181."""
    flow = through([B, C], forwards=True)
    flow.wire.parties[B].on_call = lambda call, now: call.reject(486, now)
    flow.dial()
    assert flow.ladder() == [
        "A>P INVITE", "P>A 100 INVITE", "P>B INVITE", "B>P 100 INVITE", "B>P 486 INVITE",
        "P>B ACK", "P>A 181 INVITE", "P>C INVITE", "C>P 100 INVITE", *ANSWERED,
    ]  # fmt: skip
    assert flow.alice_told[-1] == Confirmed(ANSWER)
    flow.alice.hangup(flow.wire.now)
    flow.nothing_left()


def test_2_9_call_forwarding_no_answer() -> None:
    """As the called: it rings, and is cancelled. As the caller: the early dialog was with somebody else."""
    flow = through([B, C], forwards=True).dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.run(4)
    assert flow.ladder() == [
        "A>P INVITE", "P>A 100 INVITE", "P>B INVITE", "B>P 100 INVITE", "B>P 180 INVITE", "P>A 180 INVITE",
        "P>B CANCEL", "B>P 200 CANCEL", "B>P 487 INVITE", "P>B ACK",
        "P>A 181 INVITE", "P>C INVITE", "C>P 100 INVITE", *ANSWERED,
    ]  # fmt: skip
    assert flow.bob_told == [Ended("caller", "CANCEL")]
    assert flow.alice_told[-1] == Confirmed(ANSWER)
    flow.alice.hangup(flow.wire.now)
    flow.nothing_left()


def test_2_10_three_way_conference_third_party_is_added() -> None:
    """Bob makes the call a conference of his (isfocus, RFC 4579): from then on Alice speaks to its URI."""
    flow = Talking().up()
    focus = f"<sip:conf@{B}:5060>;isfocus".encode()
    flow.wire.spoil = lambda data: data.replace(f"<sip:agent@{B}:5060>".encode(), focus)
    assert bob_offers(flow, make_offer(BOB)) == ["B>A INVITE", "A>B 200 INVITE", "B>A ACK"]
    flow.alice.hangup(flow.wire.now)
    flow.wire.run(0.1)
    assert str(flow.wire.last(A, "BYE").uri) == f"sip:conf@{B}:5060"
    assert flow.bob_told[-1] == Ended("caller", "BYE")
    flow.nothing_left()


def test_2_11_three_way_conference_third_party_joins() -> None:
    """We mix nobody in: an INVITE that must join a call (RFC 3911) is 420, one that may is a call of its own."""
    flow = Flow().up()
    join = ("Join", str(Replaces.of(flow.alice.dialog)))
    bob = flow.alice.dialog.target
    must = flow.calls(C, bob, join, ("Require", "join"))
    assert flow.ladder() == ["C>B INVITE", "B>C 420 INVITE", "C>B ACK"]
    assert flow.wire.last(B, 420).headers.get("unsupported") == "join"
    assert must.told[-1].status == 420
    came = flow.picks_up(B)
    may = flow.calls(C, bob, join)
    assert flow.ladder() == ["C>B INVITE", "B>C 100 INVITE", "B>C 200 INVITE", "C>B ACK"]
    assert came[0].replaced is None
    assert flow.alice.phase is Phase.CONFIRMED
    may.hangup(flow.wire.now)
    flow.ends()


def test_2_12_find_me() -> None:
    """A proxy rings one number after the other. Two of them are ours: an INVITE that was refused may come again."""
    flow = through([B, B, C])
    flow.dial()
    flow.bob.ringing(flow.wire.now)
    flow.wire.parties[B].on_call = lambda call, now: call.reject(480, now)
    flow.wire.run(4)
    assert flow.ladder()[6:] == [
        "P>B CANCEL", "B>P 200 CANCEL", "B>P 487 INVITE", "P>B ACK",
        "P>B INVITE", "B>P 100 INVITE", "B>P 480 INVITE", "P>B ACK",
        "P>C INVITE", "C>P 100 INVITE", *ANSWERED,
    ]  # fmt: skip
    flow.alice.hangup(flow.wire.now)
    flow.nothing_left()


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


def test_2_13_incoming_call_screening() -> None:
    """As the called: who is not let in is refused before there is a call, and takes no memory."""
    flow = Flow()
    flow.wire.parties[B].admit = lambda request, peer: Refusal(403)
    flow.dial()
    assert flow.ladder() == ["A>B INVITE", "B>A 403 INVITE", "A>B ACK"]
    assert flow.wire.parties[B].calls == []
    assert flow.wire.parties[B].agent.open == 0
    assert flow.alice_told[-1].status == 403


def test_2_14_outgoing_call_screening() -> None:
    """As the caller: our proxy does not let the call out; that is the end of it, nobody else is asked."""
    flow = Flow(outbound=P)
    Proxy.between(flow.wire, P, B).refuses = lambda request: (403, ())
    flow.dial()
    assert flow.ladder() == ["A>P INVITE", "P>A 403 INVITE", "A>P ACK"]
    assert flow.alice_told[-1] == Ended("callee", "403", "Forbidden", 403)
    flow.nothing_left()


@pytest.mark.parametrize("package", ["dialog", "presence"])
def test_2_15_to_2_17_nobody_can_watch_our_calls(package: str) -> None:
    """Park, pickup and redial look for a call by SUBSCRIBE: 405, and Allow says that we have no such thing."""
    flow = Flow().up()
    asking = INVITE.format(call_id="watch").replace("INVITE", "SUBSCRIBE").replace("Max", f"Event: {package}\nMax")
    flow.wire.send(asking)
    flow.wire.run(0.1)
    assert flow.ladder() == ["B>A 405 SUBSCRIBE"]
    assert "SUBSCRIBE" not in (flow.wire.last(B, 405).headers.get("allow") or "SUBSCRIBE")
    flow.ends()


def test_2_17_automatic_redial() -> None:
    """As the caller: busy is told, and another call is a new one. We watch nobody; when to try again is the owner's."""
    flow = Flow()
    flow.wire.parties[B].on_call = lambda call, now: call.reject(486, now)
    flow.dial()
    assert flow.alice_told[-1].status == 486
    flow.picks_up(B)
    again = flow.calls(A, Uri.parse(f"sip:bob@{B}"))
    assert flow.ladder() == [
        "A>B INVITE", "B>A 100 INVITE", "B>A 486 INVITE", "A>B ACK",
        "A>B INVITE", "B>A 100 INVITE", "B>A 200 INVITE", "A>B ACK",
    ]  # fmt: skip
    assert again.invite.call_id != flow.alice.invite.call_id
    again.hangup(flow.wire.now)
    flow.nothing_left()


def test_2_18_click_to_dial_by_refer_is_refused() -> None:
    """A REFER outside a call would let anybody make calls at our cost."""
    flow = Flow()
    refer = INVITE.format(call_id="click").replace("INVITE", "REFER").replace("Max", f"Refer-To: <{CAROL}>\nMax")
    flow.wire.send(refer)
    flow.wire.run(0.2)
    assert flow.ladder() == ["B>A 403 REFER"]


def test_2_18_click_to_dial_by_third_party_call_control() -> None:
    """RFC 3725 flow I: a controller calls Bob without offer, gives Carol his, and brings her answer in a re-INVITE."""
    flow = Flow().up()
    flow.alice.request("INVITE", flow.wire.now)
    flow.wire.run(0.1)
    assert flow.bob_told[-1] == Offered(None), "a re-INVITE without offer asks for Bob's"
    flow.bob.accept_offer(make_offer(BOB), flow.wire.now)
    flow.wire.run(0.1)
    assert flow.wire.last(B, 200).body == make_offer(BOB)
