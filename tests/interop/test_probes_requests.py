"""Probes of single requests over a real socket: how they may be written, who is answered what, what is survived."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.interop.prober import CRLF, Phone, acknowledged, sdp
from tests.interop.probing import whole_gateway


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with whole_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway.port


@pytest.fixture
def phone(port: int) -> Iterator[Phone]:
    with Phone(port) as one:
        yield one
        for stray in one.what_comes(0):
            assert stray.status, stray.first
        one.send(one.dialog().request("OPTIONS", 1))
        assert one.wait(200, "OPTIONS"), "it is alive"


def call(phone: Phone, *changes: tuple[str, str]) -> None:
    """A call whose messages are written in another way is answered, and goes its way."""
    dialog = phone.dialog()
    later = replace(dialog, tag="TAG")
    texts = [dialog.invite(), later.ack(), later.request("BYE", 2)]
    for old, new in changes:
        assert old in texts[0], old
        texts = [text.replace(old, new) for text in texts]
    phone.send(texts[0])
    answer = phone.wait(200, "INVITE")
    for text in texts[1:]:
        phone.send(text.replace("TAG", answer.tag))
    phone.wait(200, "BYE")


def test_options_tells_what_we_can(phone: Phone) -> None:
    phone.send(phone.dialog().request("OPTIONS", 1))
    answer = phone.wait(200)
    assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE"} <= set(answer["allow"].split(", "))
    assert answer.tag


def test_a_copy_of_a_request_gets_the_same_answer(phone: Phone) -> None:
    text = phone.dialog().request("OPTIONS", 1)
    answers = []
    for _ in range(3):
        phone.send(text)
        answers.append(phone.wait(200).raw)
    assert len(set(answers)) == 1, "the same tag, too"


COMPACT = (("Via:", "v:"), ("From:", "f:"), ("To:", "t:"), ("Call-ID:", "i:"), ("Contact:", "m:"))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param((*COMPACT, ("Content-Length:", "l:")), id="compact names"),
        pytest.param((("Via:", "vIA  :"), ("CSeq:", "cseq:"), ("Call-ID:", "CALL-ID :")), id="case and blanks"),
        pytest.param((("Max-Forwards: ", f"Subject: a{CRLF}  b{CRLF}\tc{CRLF}Max-Forwards:{CRLF} "),), id="folded"),
        pytest.param((("From: <sip:", "From: sip:"), (">;tag=f", ";tag=f")), id="no brackets"),
        pytest.param((("z9hG4bK", "z9hG4bK+8a2f%1~!*'`_.-"),), id="odd branch"),
        pytest.param((("tag=f", "tag=+1.2!%*_`'~f"),), id="odd tag"),
        pytest.param((("Call-ID: ", "Call-ID: {<(w[\"o]r)>d}:@?/"),), id="odd Call-ID"),
        pytest.param((("Max-Forwards", f"X-Long: {'x' * 5000}{CRLF}Max-Forwards"),), id="5 kB of header"),
        pytest.param((("sip:agent@", "sip:agent;x=1@"),), id="parameters of the user"),
        pytest.param((("Content-Length", "X-Length"),), id="no Content-Length"),
    ],
)  # fmt: skip
def test_a_call_however_it_is_written(phone: Phone, changes: tuple[tuple[str, str], ...]) -> None:
    call(phone, *changes)


@pytest.mark.faults("B2", "F5")
@pytest.mark.parametrize(
    "name",
    ["Jürgen Groß", "Smith (Office)", "(415) 555-0123", "JOE & SONS", "Smith, Joe", '"unfinished'],
)
def test_a_call_whatever_people_are_called(phone: Phone, name: str) -> None:
    call(phone, ("From: <", f"From: {name} <"))


def test_each_via_is_echoed_as_it_was_and_in_order(phone: Phone) -> None:
    dialog = phone.dialog()
    more = ('SIP/2.0/UDP 10.1.1.1:5061;branch=z9hG4bK-a;x="a,b\\"c"', "SIP / 2.0 / TCP [2001:db8::1] ;branch=z9hG4bKb")
    phone.send(dialog.request("OPTIONS", 1, f"Via: {more[0]}, {more[1]}"))
    vias = ", ".join(phone.wait(200).all("via"))
    assert vias.endswith(f"{more[0]}, {more[1]}")
    assert f"rport={phone.port}" in vias.partition(",")[0]


def test_who_asks_for_rport_is_answered_there_and_who_does_not_where_the_via_says(port: int) -> None:
    """RFC 3581 §4, RFC 3261 §18.2.2."""
    with Phone(port) as speaks, Phone(port) as hears:
        for asked, hearing in ((";rport", speaks), ("", hears)):
            text = speaks.dialog().request("OPTIONS", 1).replace(";rport", asked)
            speaks.send(text.replace(f"UDP 127.0.0.1:{speaks.port}", f"UDP 127.0.0.1:{hears.port}"))
            assert f"UDP 127.0.0.1:{hears.port}" in hearing.wait(200)["via"]


REFUSED = [
    pytest.param("MESSAGE", (), 405, {"allow": "INVITE"}, id="MESSAGE"),
    pytest.param("WHATEVER", (), 501, {}, id="an unknown method"),
    pytest.param("INVITE", ("Require: path, unheard-of",), 420, {"unsupported": "unheard-of"}, id="Require"),
    pytest.param("INVITE", ("Accept: text/plain",), 406, {}, id="Accept"),
    pytest.param("BYE", (), 481, {}, id="BYE without a call"),
    pytest.param("CANCEL", (), 481, {}, id="CANCEL without a call"),
    pytest.param("UPDATE", (), 481, {}, id="UPDATE without a call"),
    pytest.param("PRACK", ("RAck: 1 1 INVITE",), 481, {}, id="PRACK without a call"),
    pytest.param("NOTIFY", ("Event: refer", "Subscription-State: active"), 481, {}, id="NOTIFY without a call"),
]


@pytest.mark.parametrize(("method", "fields", "status", "told"), REFUSED)
def test_what_cannot_be_served_is_refused(
    phone: Phone, method: str, fields: tuple[str, ...], status: int, told: dict[str, str]
) -> None:
    text = phone.dialog().request(method, 1, *fields, body=sdp() if method == "INVITE" else "")
    refused(phone, text, status, told)


def refused(phone: Phone, text: str, status: int, told: dict[str, str] | None = None) -> None:
    phone.send(text)
    answer = phone.final()
    assert answer.status == status, answer.first
    for name, value in (told or {}).items():
        assert value in answer[name]
    if text.startswith("INVITE"):
        phone.send(acknowledged(text, answer))


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        pytest.param("Max-Forwards: 70", "Max-Forwards: 0", 483, id="too many hops"),
        pytest.param("INVITE sip:", "INVITE nobodyKnows:", 416, id="an unknown scheme"),
        pytest.param("SIP/2.0\r\nVia", "SIP/3.0\r\nVia", 505, id="another version"),
        pytest.param("CSeq: 1 INVITE", "CSeq: 1 BYE", 400, id="another method in CSeq"),
        pytest.param("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", 400, id="too high a CSeq"),
        pytest.param(f"Content-Length: {len(sdp())}", "Content-Length: 9999", 400, id="too long a Content-Length"),
        pytest.param(f"Content-Length: {len(sdp())}", "Content-Length: -1", 400, id="a negative Content-Length"),
        pytest.param("application/sdp", "text/plain", 415, id="an unknown body"),
        pytest.param("RTP/AVP 0 101", "RTP/AVP 18 97", 488, id="an unknown codec"),
        pytest.param("m=audio 4000", "m=audio x000", 488, id="SDP that cannot be read"),
    ],
)
def test_what_is_wrong_is_refused(phone: Phone, old: str, new: str, status: int) -> None:
    text = phone.dialog().invite()
    assert old in text
    refused(phone, text.replace(old, new), status)


@pytest.mark.faults("F8")
@pytest.mark.parametrize(
    ("fields", "more", "status"),
    [
        pytest.param(("Content-Encoding: gzip",), "", 415, id="gzip"),
        pytest.param((), "a=maxptime:10\r\n", 488, id="maxptime 10"),
        pytest.param((), "a=maxptime:20\r\n", 200, id="maxptime 20"),
    ],
)
def test_what_cannot_be_kept_is_not_agreed(phone: Phone, fields: tuple[str, ...], more: str, status: int) -> None:
    dialog = phone.dialog()
    if status == 200:
        phone.call("agent", *fields, body=sdp(more=more)).bye()
    else:
        refused(phone, dialog.invite(*fields, body=sdp(more=more)), status)


@pytest.mark.faults("F8")
def test_a_host_without_an_address_gets_no_silent_call(phone: Phone) -> None:
    refused(phone, phone.dialog().invite(body=sdp(host="no-such-host.invalid")), 488)


@pytest.mark.faults("F8")
def test_what_has_no_via_that_can_be_read_is_answered_where_it_came_from(phone: Phone) -> None:
    text = phone.dialog().invite()
    via = text.partition("Via: ")[2].partition(CRLF)[0]
    phone.send(text.replace(via, "SIP/2.0/UDP 192.0.2.15;;,;,,"))
    answer = phone.get()
    assert (answer.status, answer["via"]) == (400, "SIP/2.0/UDP 192.0.2.15;;,;,,")


def test_garbage_is_survived_without_an_answer(phone: Phone) -> None:
    chance = random.Random(7)
    whole = phone.dialog().invite().encode()
    for raw in (b"", b"\0", b"\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"INVITE\r\n\r\n", b"\xff" * 60_000):
        phone.send(raw)
    for _ in range(200):
        phone.send(chance.randbytes(chance.randrange(1, 1400)))
    came = [one for one in phone.what_comes() if one.first]
    assert not came, [one.first for one in came]
    phone.send(whole[: len(whole) // 3])
    phone.what_comes()


def test_answers_to_nothing_are_ignored(phone: Phone) -> None:
    dialog = phone.dialog()
    text = dialog.invite().partition(CRLF)[2]
    for status in ("100 Trying", "200 OK", "486 Busy Here"):
        phone.send(f"SIP/2.0 {status}{CRLF}{text}")
    phone.send(dialog.ack())
    assert phone.what_comes() == []


def test_what_stands_behind_the_body_is_cut_off(phone: Phone) -> None:
    dialog = phone.dialog()
    phone.send(dialog.invite() + "m=audio 0 RTP/AVP 0\r\nc=garbage")
    call = dialog.answered(phone.wait(200, "INVITE"))
    phone.send(call.ack())
    call.bye()
