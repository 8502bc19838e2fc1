# mypy: disable-error-code="arg-type, attr-defined, union-attr"
"""An INVITE takes the place of a call (RFC 3891), alone and in an attended transfer (RFC 5589 §7)."""

from collections.abc import Callable

import pytest

from sipgw.sip.dialogs import ENDED_KEPT
from sipgw.sip.events import Confirmed, Ended, Referred, ReferRequested
from sipgw.sip.fields import FieldError
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.replaces import Replaces
from sipgw.sip.uri import Uri
from tests.sip.test_calls import Call, nothing_left
from tests.sip.wire import ANSWER, INVITE, OFFER, Wire

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def call_from(wire: Wire, host: str, target: str, fields: tuple[tuple[str, str], ...] = ()) -> InviteClient:
    """A call that is answered as soon as it comes."""
    answering(wire, target)
    client = InviteClient.to(
        wire.parties[host].agent.core, Uri.parse(f"sip:agent@{target}"), f"<sip:me@{host}>", OFFER, fields=fields
    )
    client.told = []
    client.on_event = client.told.append
    client.start(wire.now)
    wire.run(0.2)
    return client


def answering(wire: Wire, host: str) -> None:
    def pick_up(call, now: float) -> None:
        call.told = []
        call.on_event = call.told.append
        call.answer(ANSWER, now)

    wire.parties[host].on_call = pick_up


@pytest.mark.parametrize(
    ("text", "replaces"),
    [
        ("a@b;to-tag=1;from-tag=2", Replaces("a@b", "1", "2")),
        ("a@b ; from-tag=2 ; to-tag=1 ; early-only", Replaces("a@b", "1", "2", early_only=True)),
        ("a@b;to-tag=1", None),
        ("a@b;from-tag=1", None),
        (";to-tag=1;from-tag=2", None),
        ("a b;to-tag=1;from-tag=2", None),
        ("a\r\nX: y;to-tag=1;from-tag=2", None),
        ('a;to-tag="1\r\nX: y";from-tag=2', None),
        ('a;to-tag=1;from-tag="2"', None),
        ("", None),
    ],
)
def test_replaces_names_a_call(text: str, replaces: Replaces | None) -> None:
    if replaces is None:
        with pytest.raises(FieldError):
            Replaces.parse(text)
    else:
        assert Replaces.parse(text) == replaces == Replaces.parse(str(replaces))
        assert Replaces.in_uri(Uri.parse(f"sip:x@y?{replaces.escaped()}")) == replaces


def replace(wire: Wire, value: str, host: str = C) -> InviteClient:
    client = InviteClient.to(
        wire.parties[host].agent.core,
        Uri.parse(f"sip:agent@{B}"),
        f"<sip:me@{host}>",
        OFFER,
        fields=(("Replaces", value), ("Require", "replaces")),
    )
    client.told = []
    client.on_event = client.told.append
    client.start(wire.now)
    wire.run(0.2)
    return client


def of(call: Call) -> str:
    """What a third party is told by the caller of `call`."""
    return str(Replaces.of(call.client.dialog))


def test_a_new_call_finds_the_one_that_it_replaces() -> None:
    wire = Wire(A, B, C)
    call = Call(wire).answered()
    answering(wire, B)
    taking = replace(wire, of(call))
    new = wire.parties[B].calls[-1]
    assert new.replaced is call.server
    assert taking.told[-1] == Confirmed(ANSWER)
    call.server.hangup(wire.now)
    wire.run(0.1)
    assert call.here[-1] == Ended("callee", "BYE")
    taking.hangup(wire.now)
    nothing_left(wire)


def unknown(call: Call) -> str:
    return "nobody;to-tag=1;from-tag=2"


def swapped(call: Call) -> str:
    known = Replaces.of(call.client.dialog)
    return str(Replaces(known.call_id, known.from_tag, known.to_tag))


def early(call: Call) -> str:
    return f"{of(call)};early-only"


def ended(call: Call) -> str:
    text = of(call)
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    return text


@pytest.mark.parametrize(
    ("named", "status"),
    [(unknown, 481), (swapped, 481), (early, 486), (ended, 603), (lambda call: "nonsense", 400)],
)
def test_a_replacement_is_refused_as_section_3_says(named: Callable[[Call], str], status: int) -> None:
    wire = Wire(A, B, C)
    call = Call(wire).answered()
    answering(wire, B)
    taking = replace(wire, named(call))
    assert taking.told[-1].status == status
    assert len(wire.parties[B].calls) == 1, "no call came of it"


def test_two_replaces_are_refused() -> None:
    wire = Wire()
    call = Call(wire).answered()
    text = INVITE.format(call_id="z").replace("Max", f"Replaces: {of(call)}\nReplaces: {of(call)}\nMax", 1)
    wire.send(text)
    wire.run(0.1)
    assert wire.seen(B, 400)


def test_a_call_that_still_rings_here_cannot_be_taken_over() -> None:
    wire = Wire(A, B, C)
    call = Call(wire).start()
    call.server.ringing(wire.now)
    wire.run(0.1)
    named = Replaces(call.client.invite.call_id, call.server.tag, call.client.invite.from_.tag)
    assert replace(wire, str(named)).told[-1].status == 481


@pytest.mark.slow
def test_calls_that_are_over_are_not_remembered_for_ever() -> None:
    wire = Wire(A, B, C)
    first = Call(wire).answered()
    named = ended(first)
    for _ in range(ENDED_KEPT):
        ended(Call(wire).answered())
    answering(wire, B)
    assert replace(wire, named).told[-1].status == 481


def test_a_caller_is_connected_with_a_person_who_was_asked_first() -> None:
    """RFC 5589 §7: B talks to A, asks C, and sends A to C in the place of its own call."""
    wire = Wire(A, B, C)
    call = Call(wire).answered()
    call.client.transferee.allowed = True
    consulted = call_from(wire, B, C)
    target = consulted.dialog.target
    call.server.transferor.refer(target, wire.now, Replaces.of(consulted.dialog))
    wire.run(0.2)
    asked = call.here[-1]
    assert isinstance(asked, ReferRequested)
    assert asked.target == target
    fields = (("Replaces", str(asked.replaces)), ("Require", "replaces"), ("Referred-By", asked.referred_by))
    connected = call_from(wire, A, C, fields)
    assert connected.told[-1] == Confirmed(ANSWER)
    first, second = wire.parties[C].calls
    assert second.replaced is first
    assert second.invite.headers.get("referred-by") == f"<sip:agent@{B}>"
    first.hangup(wire.now)
    call.client.transferee.outcome(200, "OK", wire.now)
    wire.run(0.2)
    assert consulted.told[-1] == Ended("callee", "BYE")
    assert call.there[-1] == Referred(True, 200, "OK")
    call.server.hangup(wire.now)
    connected.hangup(wire.now)
    nothing_left(wire)
