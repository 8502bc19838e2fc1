"""The structured header fields: RFC 3261 §20.10, §20.16, §20.42, RFC 3581."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipgw.sip import fields
from sipgw.sip.fields import Addresses, CSeq, FieldError, NameAddr, Via, split, values
from sipgw.sip.uri import Uri


@pytest.mark.parametrize(
    ("text", "display", "uri", "params"),
    [
        ("sip:a@b", "", "sip:a@b", ()),
        ("sip:a@b;tag=1", "", "sip:a@b", (("tag", "1"),)),
        ("<sip:a@b;lr>;tag=1", "", "sip:a@b;lr", (("tag", "1"),)),
        ("Alice Smith <sip:a@b>", "Alice Smith", "sip:a@b", ()),
        ("caller<sip:a@b>", "caller", "sip:a@b", ()),
        ('"Alice" <sip:a@b>', "Alice", "sip:a@b", ()),
        ('"<sip:x@y>;tag=0" <sip:a@b> ; tag = 1', "<sip:x@y>;tag=0", "sip:a@b", (("tag", "1"),)),
        ('"say \\"hi\\" \\\\" <sip:a@b>', 'say "hi" \\', "sip:a@b", ()),
        ('"" <sip:a@b>', "", "sip:a@b", ()),
        ("<tel:+1-201;phone-context=x>;x=\"a;b\"", "", "tel:+1-201;phone-context=x", (("x", '"a;b"'),)),
        ("<sip:a@b>;tag=Zm9v==", "", "sip:a@b", (("tag", "Zm9v=="),)),
    ],
)  # fmt: skip
def test_an_address(text: str, display: str, uri: str, params: tuple[tuple[str, str | None], ...]) -> None:
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri), address.params) == (display, uri, params)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "<>", "< >", "<sip:a@b", "sip:a@b>", '"A" sip:a@b', "<sip:a@b> x", "sip:x@y <sip:a@b>",
        "sip:x@y;tag=1, <sip:a@b>;tag=2", "A; B <sip:a@b>", "A <b> <sip:a@b>", '"A" sip:x@y, <sip:a@b>x',
        "<<sip:a@b>>", "sip:a@b?x=y", "sip:a@b, sip:c@d", "<sip:a@b>;tag=", "<sip:a@b>" + ";x" * 101,
        "<sip:a@b>;=x", "<sip:a@b>;ta g=1", "<sip:a@b>;tag=1 2", "<sip:a@b>;tag=1\x002", "<sip:a@b>;tag=a\"b",
    ],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(FieldError):
        NameAddr.parse(text)


@pytest.mark.faults("F5")
@pytest.mark.parametrize(
    ("text", "display"),
    [
        ("Jürgen Groß <sip:a@b>", "Jürgen Groß"),
        ("J\udcfcrgen <sip:a@b>", "J\udcfcrgen"),
        ("Smith (Office) <sip:a@b>", "Smith (Office)"),
        ("(415) 555-0123 <sip:a@b>", "(415) 555-0123"),
        ("JOE & SONS<sip:a@b>", "JOE & SONS"),
        ("Bell, Alexander <sip:a@b>", "Bell, Alexander"),
        ("Tel: 030 <sip:a@b>", "Tel: 030"),
        ('"A <sip:a@b>', "A"),
        ('"A" x <sip:a@b>', "A x"),
        ("< sip:a@b >", ""),
        ("<sip:a@b>;", ""),
        ("<sip:a@b>;;", ""),
        ("<sip:a@b>;expires=", ""),
    ],
)
def test_people_are_called_all_kinds_of_things(text: str, display: str) -> None:
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri)) == (display, "sip:a@b")
    assert NameAddr.parse(str(address)) == address, "what we send of it is strict"


@pytest.mark.faults("B2")
def test_a_party_needs_a_tag_and_no_uri() -> None:
    party = NameAddr.party('"A" <sip:+49 30 1@h>;tag=x')
    assert (party.display, party.tag, str(party)) == ("A", "x", '"A" <sip:+49 30 1@h>;tag=x')
    with pytest.raises(FieldError):
        NameAddr.parse('"A" <sip:+49 30 1@h>;tag=x')


@pytest.mark.faults("B2")
def test_of_many_addresses_those_are_taken_that_can_be_read() -> None:
    addresses = Addresses.of(["<sip:a@b>, <sip:a b@c>", 'x, "D <sip:d@e>', "<sip:f@g>;", ""])
    assert [str(one.uri) for one in addresses] == ["sip:a@b", "sip:d@e", "sip:f@g"]
    assert addresses.malformed is not None
    assert addresses.malformed.text == "<sip:a b@c>"
    assert Addresses.of(["<sip:a@b>"]).malformed is None


@pytest.mark.faults("A5")
def test_no_header_is_read_beyond_a_limit() -> None:
    addresses = Addresses.of(["<sip:a@b>," * 1000])
    assert len(addresses) == fields.MAX_ADDRESSES
    assert addresses.malformed is not None


def test_a_display_name_cannot_smuggle_in_a_header() -> None:
    address = NameAddr(Uri.parse("sip:a@b"), 'x" <sip:m@m>\r\nContact: <sip:m@m>')
    assert "\r" not in str(address)
    assert "\n" not in str(address)
    assert str(NameAddr.parse(str(address)).uri) == "sip:a@b"


def test_a_tag_is_set_and_replaced() -> None:
    address = NameAddr.parse("<sip:a@b>;TAG=1;x")
    assert (address.tag, address.with_tag("2").params) == ("1", (("x", None), ("tag", "2")))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("SIP/2.0/UDP h", "SIP/2.0/UDP h"),
        ("SIP / 2.0 / TCP   h : 5060 ; branch = x", "SIP/2.0/TCP h:5060;branch=x"),
        ("SIP/2.0/UDP [2001:db8::1] : 5060;maddr=224.0.1.75", "SIP/2.0/UDP [2001:db8::1]:5060;maddr=224.0.1.75"),
        ("SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56", "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56"),
    ],
)  # fmt: skip
def test_a_via(text: str, printed: str) -> None:
    assert str(Via.parse(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        "", "SIP/2.0", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP//UDP h", "HTTP/2.0/UDP h", "SIP/2.0/U(P h",
        "SIP/2.0/UDP h i", "SIP/2.0/UDP h:x", "SIP/2.0/UDP ;branch=x", "SIP/2.0/UDP h;rport=x",
        "SIP/2.0/UDP h;rport=-1", "SIP/2.0/UDP h;;",
    ],
)  # fmt: skip
def test_what_is_no_via(text: str) -> None:
    with pytest.raises(FieldError):
        Via.parse(text)


def test_where_a_request_really_came_from() -> None:
    """RFC 3261 §18.2.1: received if the address differs; RFC 3581 §4: always, with rport, if the client asks."""
    plain, asking = Via.parse("SIP/2.0/UDP 192.0.2.1;branch=x"), Via.parse("SIP/2.0/UDP 192.0.2.1;rport;branch=x")
    assert plain.with_received("192.0.2.1", 5060) == plain
    assert str(plain.with_received("192.0.2.9", 1024)) == "SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.9"
    assert str(asking.with_received("192.0.2.1", 1024)) == (
        "SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.1;rport=1024"
    )
    assert (plain.rport, asking.rport, asking.with_received("192.0.2.1", 1024).rport) == (None, 0, 1024)
    forged = Via.parse("SIP/2.0/UDP 192.0.2.1;received=203.0.113.9;branch=x")
    assert forged.with_received("192.0.2.9", 1024).received == "192.0.2.9"


def test_a_cseq() -> None:
    assert CSeq.parse("0009 \t INVITE") == CSeq(9, "INVITE")
    assert str(CSeq(2**31 - 1, "BYE")) == "2147483647 BYE"
    assert CSeq.parse("0" * 5000 + "7 BYE").number == 7


@pytest.mark.parametrize(
    "text", ["", " ", "1", "BYE", "1 B/E", "1 BYE x", "-1 BYE", "2147483648 BYE", "9" * 5000 + " BYE"]
)
def test_what_is_no_cseq(text: str) -> None:
    with pytest.raises(FieldError):
        CSeq.parse(text)


PIECES = st.sampled_from(['"a,;b"', "<c,;d>", '"', "\\", "<", ">", ",", ";", " ", "e"])


@pytest.mark.slow
@settings(max_examples=2000)
@given(st.lists(PIECES, max_size=9).map("".join), st.sampled_from(",;"))
def test_splitting_agrees_with_one_that_goes_character_by_character(text: str, separator: str) -> None:
    def outcome(way):
        try:
            return way(text, separator)
        except FieldError as error:
            return str(error)

    assert outcome(split) == outcome(split_slowly)
    assert outcome(lambda *given: list(values(*given))) == outcome(split_slowly)


def split_slowly(text: str, separator: str) -> list[str]:
    pieces: list[str] = []
    start = at = 0
    quoted = angle = False
    while at < len(text):
        char = text[at]
        if quoted:
            if char == "\\":
                at += 1
            elif char == '"':
                quoted = False
        elif char == '"' and not angle:
            quoted = True
        elif char == "<":
            angle = True
        elif char == ">":
            angle = False
        elif char == separator and not angle:
            pieces.append(text[start:at].strip())
            start = at + 1
        at += 1
    if quoted:
        raise FieldError("an unterminated quoted string")
    pieces.append(text[start:].strip())
    return pieces


@given(st.text(max_size=40))
def test_quoting_is_undone_by_unquoting(text: str) -> None:
    plain = " ".join(text.splitlines()) if set(text) & {"\r", "\n"} else text
    assert fields.unescape(fields.escape(text)) == plain


@pytest.mark.faults("A5")
@given(st.text(alphabet='\\"aé', max_size=40))
def test_a_backslash_stands_for_what_follows_it(text: str) -> None:
    """RFC 3261 §25.1, quoted-pair."""
    assert fields.unescape(fields.escape(text)) == text
    assert fields.unescape(text) == re.sub(r"\\(.?)", r"\1", text)
