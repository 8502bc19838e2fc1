"""Calls with PRACK, UPDATE, re-INVITE and session timers whose messages are spoilt: nothing raises, nothing stays."""

import random
from dataclasses import replace

import pytest

from sipgw.sip.events import Offered
from tests.sip.test_calls import Call, nothing_left
from tests.sip.wire import ANSWER, OFFER, Wire

WORDS = [
    b"Session-Expires: 0", b"Session-Expires: 90;refresher=uas;refresher=uac", b"Min-SE: 99999999999", b"RSeq: -1",
    b"RSeq: 2147483648", b"RAck: 1 1", b"RAck: x y z", b"Require: 100rel", b"Require: ", b"Supported: timer, 100rel",
    b"Allow: \"", b"Contact: *", b"CSeq: 0 UPDATE", b"Content-Type: text/plain", b"Retry-After: x", b"To: <sip:x>;tag=",
]  # fmt: skip


def spoil(chance: random.Random, data: bytes) -> bytes:
    """One of ten messages gets a strange header, loses a line or has a byte changed."""
    if chance.random() > 0.1:
        return data
    lines = data.split(b"\r\n")
    at = chance.randrange(1, len(lines))
    match chance.randrange(4):
        case 0:
            lines.insert(1, chance.choice(WORDS))
        case 1:
            lines[at] = chance.choice(WORDS)
        case 2:
            del lines[at]
        case 3 if lines[at]:
            where = chance.randrange(len(lines[at]))
            lines[at] = lines[at][:where] + bytes((chance.randrange(256),)) + lines[at][where + 1 :]
    return b"\r\n".join(lines)


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(one, marks=pytest.mark.slow) for one in range(12, 60))])
def test_spoilt_messages_never_raise_and_leave_nothing(seed: int) -> None:
    chance = random.Random(seed)
    wire = Wire(seed=seed, lost=0.05, doubled=0.2, session=(("10.0.0.1", "10.0.0.2")[seed % 2], 90))
    wire.spoil = lambda data: spoil(chance, data)
    for _ in range(4):
        call = Call(wire)
        if seed % 3:
            invite = call.client.invite
            call.client.invite = replace(invite, headers=invite.headers.with_(("Require", "100rel")))

        def answer_offers(event, usage=call.client, sdp=OFFER):
            if isinstance(event, Offered):
                usage.accept_offer(sdp, wire.now)

        call.client.on_event = answer_offers
        call.client.start(wire.now)
        wire.run(3)
        server = getattr(call, "server", None)
        for step in ("ringing", "progress", "answer", "change", "change"):
            if server is not None and step == "ringing":
                server.ringing(wire.now)
            elif server is not None and step == "progress" and seed % 2:
                server.progress(ANSWER, wire.now)
            elif server is not None and step == "answer":
                server.answer(ANSWER, wire.now)
            elif step == "change":
                (server if server is not None and chance.random() < 0.5 else call.client).session.change(
                    OFFER, wire.now
                )
            wire.run(5)
        wire.run(100)
        call.client.hangup(wire.now)
        if server is not None:
            server.hangup(wire.now)
    wire.spoil = lambda data: data
    nothing_left(wire)
