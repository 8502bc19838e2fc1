"""ICE in offers and answers (RFC 8839): what we, who are lite, answer to a full agent, and go on saying."""

from dataclasses import replace

import pytest

from sipgw.sip.ice import Ice
from sipgw.sip.offer_answer import LocalMedia, accept_answer, answer, make_offer
from sipgw.sip.sdes import SECRET
from sipgw.sip.sdp import Sdp

LOCAL = LocalMedia("10.0.0.1", 4000, tls=False, ice=True, secret=bytes(range(SECRET % 251)) * 2)
ICE = ("a=ice-ufrag:8hhY", "a=ice-pwd:asd88fgpdd777uzjYhagZg")
CANDIDATES = (
    "a=candidate:1 1 UDP 2130706431 10.0.0.9 5000 typ host",
    "a=candidate:1 2 UDP 2130706430 10.0.0.9 5001 typ host",
)


def offered(*media: str, session: tuple[str, ...] = (), port: int = 5000) -> bytes:
    lines = (
        "v=0", "o=- 1 1 IN IP4 10.0.0.9", "s=-", "c=IN IP4 10.0.0.9", "t=0 0", *session,
        f"m=audio {port} RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000", *media,
    )  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines).encode()


FULL = offered(*ICE, *CANDIDATES)


def lines(sdp: bytes) -> list[str]:
    return [line.removeprefix("a=") for line in sdp.decode().splitlines() if line.startswith(("a=ice", "a=candidate"))]


def test_a_full_agent_gets_the_answer_of_a_lite_one() -> None:
    agreed = answer(FULL, LOCAL)
    lite, user, password, *candidates = lines(agreed.sdp)
    assert lite == "ice-lite"
    assert candidates == [
        "candidate:1 1 UDP 2130706431 10.0.0.1 4000 typ host",
        "candidate:1 2 UDP 2130706430 10.0.0.1 4001 typ host",
    ]
    assert agreed.ice == Ice(f"{user.partition(':')[2]}:8hhY", password.partition(":")[2])
    assert len(user.partition(":")[2]) >= 4
    assert len(password.partition(":")[2]) >= 22
    assert "ice-lite" in Sdp.parse(agreed.sdp).attributes, "of the session (RFC 8839 §5.3)"
    assert agreed.ice is not None
    assert agreed.ice.password not in repr(agreed)


def test_with_rtcp_on_the_port_of_sound_there_is_one_candidate() -> None:
    assert (
        len([one for one in lines(answer(offered(*ICE, *CANDIDATES, "a=rtcp-mux"), LOCAL).sdp) if "candidate" in one])
        == 1
    )


def test_credentials_of_the_session_count_for_its_streams() -> None:
    agreed = answer(offered(*CANDIDATES, session=ICE), LOCAL)
    assert agreed.ice is not None
    assert agreed.ice.username.endswith(":8hhY")


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(offered(), id="no ICE"),
        pytest.param(offered(*ICE, *CANDIDATES, session=("a=ice-lite",)), id="lite as we are"),
        pytest.param(offered("a=ice-ufrag:8hhY", *CANDIDATES), id="no password"),
        pytest.param(offered("a=ice-ufrag:8hhY", "a=ice-pwd:short", *CANDIDATES), id="a short password"),
    ],
)
def test_an_offer_without_usable_ice_is_answered_without(offer: bytes) -> None:
    agreed = answer(offer, LOCAL)
    assert agreed.ice is None
    assert lines(agreed.sdp) == []


def test_where_the_other_side_cannot_reach_our_ports_there_is_no_ice() -> None:
    agreed = answer(FULL, replace(LOCAL, ice=False))
    assert (agreed.ice, lines(agreed.sdp)) == (None, [])


def test_an_address_that_was_changed_on_the_way_is_told() -> None:
    agreed = answer(offered(*ICE, *CANDIDATES, port=7777), LOCAL)
    assert (agreed.ice, lines(agreed.sdp)) == (None, ["ice-mismatch"])
    assert agreed.remote_port == 7777


def test_our_credentials_stay_until_the_other_side_begins_anew() -> None:
    first = answer(FULL, LOCAL)
    in_call = replace(LOCAL, session=first.sdp)
    assert answer(FULL, in_call).sdp == first.sdp
    restarted = answer(FULL.replace(b"8hhY", b"9uB6"), in_call)
    assert restarted.ice is not None
    assert first.ice is not None
    assert restarted.ice.password != first.ice.password
    assert restarted.ice.username.endswith(":9uB6")


def test_our_own_offer_in_the_call_goes_on_with_ice() -> None:
    first = answer(FULL, LOCAL)
    in_call = replace(LOCAL, session=first.sdp)
    again = make_offer(in_call, "sendonly")
    assert lines(again) == lines(first.sdp)
    assert accept_answer(again, FULL, in_call).ice == first.ice
    assert accept_answer(again, offered(), in_call).ice is None, "and the other side may end it"


def test_a_first_offer_of_ours_has_no_ice() -> None:
    assert lines(make_offer(LOCAL)) == []


def test_at_a_new_address_ice_ends_because_its_candidates_name_the_old_one() -> None:
    first = answer(FULL, LOCAL)
    moved = Sdp.parse(first.sdp).moved("10.0.0.77").to_bytes()
    assert lines(moved) == []
    assert b"c=IN IP4 10.0.0.77" in moved


@pytest.mark.parametrize(("nowhere", "version"), [("0.0.0.0", "IP4"), ("::", "IP6")])
def test_hold_by_an_address_that_is_none_keeps_ice_as_it_was(nowhere: str, version: str) -> None:
    """The other side sees no new start of ICE, so it need not choose an address again after the hold."""
    before = answer(FULL, LOCAL)
    held = answer(FULL.replace(b"c=IN IP4 10.0.0.9", f"c=IN {version} {nowhere}".encode()), LOCAL)
    assert held.ice == before.ice is not None
    assert lines(held.sdp) == lines(before.sdp)
