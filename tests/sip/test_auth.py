"""Which challenges are answered, and how often (RFC 3261 §22)."""

import pytest

from sipgw.sip.auth import MOST, Authenticator, renumber
from sipgw.sip.digest import Challenge, Credentials, parse_digest, verify
from sipgw.sip.invite_client import InviteClient
from sipgw.sip.message import Headers, Request, Response, response_to
from sipgw.sip.parse import parse_message
from sipgw.sip.sdp import UNKNOWN
from sipgw.sip.uri import Uri
from tests.sip.wire import OFFER, Wire

REQUEST = Request("INVITE", Uri.parse("sip:x@h"), headers=Headers((("CSeq", "1 INVITE"),)))
FIELD = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}


def challenge(status: int, nonce: str, *, realm: str = "r", stale: bool = False) -> Response:
    value = f'Digest realm="{realm}", nonce="{nonce}", qop="auth", algorithm=MD5' + (", stale=true" if stale else "")
    return Response(status, headers=Headers(((FIELD[status], value),)))


def answers(*challenges: tuple[Response, str]) -> list[list[tuple[str, str]]]:
    """The headers and nonces of each try, until there is none."""
    auth, request = Authenticator(Credentials("u", "p"), lambda: "c"), REQUEST
    tries = []
    for response, server in challenges:
        again = auth.retry(request, response, server)
        if again is None:
            break
        request = renumber(again)
        tries.append(
            [(name, parse_digest(value)["nonce"]) for name, value in request.headers if name.endswith("Authorization")]
        )
    return tries


def test_a_proxy_and_who_is_called_may_have_the_same_realm() -> None:
    assert answers((challenge(407, "a"), "h"), (challenge(401, "b"), "h")) == [
        [("Proxy-Authorization", "a")],
        [("Proxy-Authorization", "a"), ("Authorization", "b")],
    ]


def test_another_server_of_the_same_realm_gets_an_answer_to_its_own_nonce() -> None:
    tries = answers((challenge(401, "a"), "h1"), (challenge(401, "b"), "h2"))
    assert tries == [[("Authorization", "a")], [("Authorization", "b")]]


@pytest.mark.parametrize("status", [401, 407])
def test_a_wrong_password_is_not_tried_again(status: int) -> None:
    assert len(answers((challenge(status, "a"), "h"), (challenge(status, "b"), "h"))) == 1
    both = (challenge(status, "a"), "h1"), (challenge(status, "b"), "h2")
    assert len(answers(*both, (challenge(status, "c"), "h1"))) == 2, "however often the servers take turns"


def test_who_calls_every_nonce_stale_is_not_asked_for_ever() -> None:
    assert len(answers(*((challenge(401, f"n{at}", stale=True), "h") for at in range(100)))) == MOST


def test_a_nonce_that_was_answered_is_not_stale() -> None:
    assert len(answers((challenge(401, "a"), "h"), (challenge(401, "a", stale=True), "h"))) == 1


def test_the_count_of_a_nonce_that_is_given_again_goes_on() -> None:
    """RFC 7616 §3.4: a count that comes twice with one nonce is a replay."""
    auth, counts = Authenticator(Credentials("u", "p"), lambda: "c"), []
    for nonce in ("a", "a", "a", "b", "b"):
        auth.forget_attempts()
        auth.forget_attempts()
        again = auth.retry(REQUEST, challenge(401, nonce), "h")
        assert again is not None
        counts.append(parse_digest(str(again.headers.get("authorization")))["nc"])
    assert [int(count, 16) for count in counts] == [1, 2, 3, 1, 2]


def test_an_answer_for_the_whole_message_is_for_the_body_that_is_sent() -> None:
    """RFC 7616 §3.4.3: with auth-int it covers the body, and the offer gets the address of its way after it is made."""
    wire, credentials, asked = Wire(), Credentials("u", "p"), Challenge("r", "n", qop=("auth-int",))
    invites: list[Request] = []

    def carrier(data: bytes, source: object, now: float) -> None:
        request = parse_message(data)
        if isinstance(request, Request) and request.method == "INVITE":
            invites.append(request)
            value = 'Digest realm="r", nonce="n", qop="auth-int"'
            answer = response_to(request, 407, to_tag="c", headers=[("Proxy-Authenticate", value)])
            wire.send(answer.to_bytes(), "10.0.0.2", "10.0.0.1")

    wire.parties["10.0.0.2"].agent.receive = carrier  # type: ignore[method-assign]
    offer = OFFER.replace(b"10.0.0.1", UNKNOWN.encode())
    call = InviteClient.to(
        wire.parties["10.0.0.1"].agent.core, Uri.parse("sip:x@10.0.0.2"), "<sip:me@h>", offer, credentials=credentials
    )
    call.start(wire.now)
    wire.run(1)
    _, signed = invites
    assert b"c=IN IP4 10.0.0.1" in signed.body
    value = signed.headers.get("proxy-authorization") or ""
    assert verify(value, asked, credentials, "INVITE", signed.body)
