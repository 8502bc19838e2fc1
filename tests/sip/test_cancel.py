# mypy: disable-error-code="arg-type"
"""A call that we give up while its INVITE is sent again (RFC 3261 §9.1): after a challenge, to another server."""

import pytest

from sipgw.sip.client_transactions import Located
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Ended, Progress
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Request, response_to
from sipgw.sip.uri import Uri
from tests.sip.wire import ANSWER, OFFER, Wire

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
CHALLENGE = (("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'),)
GIVEN_UP = Ended("gateway", "CANCEL", "", 487)


class Giving:
    """A calls a domain of two servers that answer as the test says."""

    def __init__(self, *, looking: bool = False) -> None:
        self.wire = Wire(A)
        self.told: list[object] = []
        self.lookups: list[Located] = []
        self.found = None if looking else [Peer("udp", B, 5060), Peer("udp", C, 5060)]
        self.wire.parties[A].locate = self._locate
        agent, target = self.wire.parties[A].agent, Uri.parse("sip:x@carrier.example")
        self.client = InviteClient.to(agent.core, target, f"<sip:me@{A}>", OFFER, credentials=Credentials("u", "p"))
        self.client.on_event = lambda event: None if isinstance(event, Progress) else self.told.append(event)
        self.client.start(self.wire.now)
        self.wire.run(0.1)

    def _locate(self, peer: Peer, located: Located, now: float) -> None:
        if self.found is None:
            self.lookups.append(located)
        else:
            located(tuple(self.found) if peer.host == "carrier.example" else (peer,), now)

    def sent(self, method: str) -> list[tuple[str, int]]:
        """Where requests of A went, and their numbers."""
        return [
            (target, one.cseq.number)
            for _, _, target, one in self.wire.trace
            if isinstance(one, Request) and one.method == method
        ]

    def says(self, *statuses: int, host: str = B) -> None:
        """`host` answers the last INVITE that it got."""
        invite = [one for _, _, target, one in self.wire.trace if target == host and _is(one, "INVITE")][-1]
        assert isinstance(invite, Request)
        for status in statuses:
            fields = (("Contact", f"<sip:x@{host}>"), *(CHALLENGE if status == 407 else ()))
            body = {"body": ANSWER, "content_type": "application/sdp"} if status == 200 else {}
            response = response_to(invite, status, to_tag="" if status == 100 else "there", headers=fields, **body)
            self.wire.send(response.to_bytes(), host, A)
            self.wire.run(0.1)

    def over(self) -> None:
        """It is given up, and nothing of it is left."""
        assert self.told == [GIVEN_UP]
        self.wire.run(100)
        agent = self.wire.parties[A].agent
        assert (agent.open, len(agent.core.timers)) == (0, 0)


def _is(message: object, method: str) -> bool:
    return isinstance(message, Request) and message.method == method


def test_after_a_challenge_the_cancel_waits_for_the_first_answer_to_the_second_invite() -> None:
    call = Giving()
    call.says(100, 407)
    (_, first), (_, second) = call.sent("INVITE")
    assert second == first + 1
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    assert call.sent("CANCEL") == []
    call.says(100, 180)
    assert call.sent("CANCEL") == [(B, second)], "once"
    call.says(487)
    call.over()


def test_it_is_taken_back_at_once_if_the_second_invite_rings() -> None:
    call = Giving()
    call.says(100, 407)
    call.says(180)
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    assert call.sent("CANCEL") == [call.sent("INVITE")[1]]
    call.says(487)
    call.over()


def test_the_server_that_was_asked_after_a_503_gets_the_cancel_when_it_rings() -> None:
    call = Giving()
    call.says(100, 503)
    number = call.sent("INVITE")[0][1]
    assert call.sent("INVITE") == [(B, number), (C, number)]
    call.client.hangup(call.wire.now)
    call.wire.run(0.1)
    assert call.sent("CANCEL") == []
    call.says(180, host=C)
    assert call.sent("CANCEL") == [(C, number)]
    call.says(487, host=C)
    call.over()


@pytest.mark.parametrize("again", [False, True], ids=["the first", "after a challenge"])
def test_while_its_address_is_looked_up_there_is_nothing_to_take_back(*, again: bool) -> None:
    call = Giving(looking=not again)
    if again:
        call.found = None
        call.says(100, 407)
    before = len(call.sent("INVITE"))
    call.client.hangup(call.wire.now)
    assert call.told == [GIVEN_UP], "at once"
    for located in call.lookups:
        located((Peer("udp", C, 5060),), call.wire.now)
    call.wire.run(1)
    assert len(call.sent("INVITE")) == before, "nor is it sent any more"
    call.over()


def test_who_answers_when_it_was_given_up_is_hung_up() -> None:
    call = Giving()
    call.says(100, 407)
    call.client.hangup(call.wire.now)
    call.says(200)
    assert [len(call.sent(method)) for method in ("ACK", "BYE")] == [2, 1], "an ACK for the 407, too"
    call.says(200)
    assert len(call.sent("ACK")) == 3, "it was resent"
    call.over()
