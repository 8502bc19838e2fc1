"""A description that the other side cannot accept is followed by the next in the same call (RFC 3261 §8.1.3.5)."""

import pytest

from sipgw.sip.digest import Credentials
from sipgw.sip.events import Confirmed, Ended, Phase
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Request
from sipgw.sip.uri import Uri
from tests.sip.test_calls import nothing_left
from tests.sip.wire import ANSWER, OFFER, Wire

A, B = "10.0.0.1", "10.0.0.2"
SECOND, THIRD = (OFFER.replace(b"4000", port) for port in (b"4002", b"4004"))
CHALLENGE = (("WWW-Authenticate", 'Digest realm="pbx", nonce="n1", qop="auth", algorithm=SHA-256'),)

pytestmark = pytest.mark.faults("G1")


class Choosy:
    """Somebody who answers nothing but `wanted`, and whoever calls them with three offers."""

    def __init__(self, wanted: bytes, status: int = 488, *, challenges: bool = False, rings: bool = False) -> None:
        self.wire = Wire()
        self.told: list[object] = []
        self._wanted, self._status, self._challenges, self._rings = wanted, status, challenges, rings
        self.wire.parties[B].on_call = self._came
        self.client = InviteClient.to(
            self.wire.parties[A].agent.core, Uri.parse(f"sip:agent@{B}"), f"<sip:me@{A}>", OFFER, SECOND, THIRD,
            credentials=Credentials("agent", "s3cret"),
        )  # fmt: skip
        self.client.on_event = self.told.append
        self.client.start(self.wire.now)
        self.wire.run(1)

    def _came(self, call, now):
        if self._challenges and call.invite.headers.get("authorization") is None:
            call.reject(401, now, headers=CHALLENGE)
        elif call.invite.body == self._wanted:
            call.answer(ANSWER, now)
        else:
            if self._rings:
                call.ringing(now)
            call.reject(self._status, now)

    @property
    def invites(self) -> list[Request]:
        return [m for _, host, _, m in self.wire.trace if host == A and isinstance(m, Request) and m.method == "INVITE"]


@pytest.mark.parametrize("status", [488, 606])
@pytest.mark.parametrize("rings", [False, True])
@pytest.mark.parametrize(("wanted", "times"), [(OFFER, 1), (SECOND, 2), (THIRD, 3)])
def test_the_next_offer_follows(wanted: bytes, times: int, status: int, *, rings: bool) -> None:
    call = Choosy(wanted, status, rings=rings)
    assert call.told[-1] == Confirmed(ANSWER)
    assert [invite.body for invite in call.invites] == [OFFER, SECOND, THIRD][:times]
    assert len({invite.call_id for invite in call.invites}) == 1
    numbers = [invite.cseq.number for invite in call.invites]
    assert numbers == list(range(numbers[0], numbers[0] + times))
    assert (call.client.session.local, call.client.session.remote) == (wanted, ANSWER)
    call.client.hangup(call.wire.now)
    nothing_left(call.wire)


def test_when_none_is_accepted_the_call_has_failed() -> None:
    call = Choosy(b"")
    assert len(call.invites) == 3
    assert isinstance(call.told[-1], Ended)
    assert call.told[-1].status == 488
    nothing_left(call.wire)


@pytest.mark.parametrize("status", [415, 486, 503, 603])
def test_another_refusal_is_about_something_else(status: int) -> None:
    call = Choosy(SECOND, status)
    assert len(call.invites) == 1
    assert call.client.phase is Phase.ENDED


def test_each_offer_may_be_challenged() -> None:
    call = Choosy(SECOND, challenges=True)
    assert call.told[-1] == Confirmed(ANSWER)
    assert [invite.body for invite in call.invites] == [OFFER, OFFER, SECOND, SECOND]
    assert [invite.headers.get("authorization") is not None for invite in call.invites] == [False, True, False, True]
