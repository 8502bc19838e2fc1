"""URIs: RFC 3261 §19.1, RFC 3966."""

import pytest

from sipgw.sip.uri import Uri, UriError, format_host_port, parse_host_port


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:u@pbx1",
        "sip:[2001:db8::10]:5070;lr",
        "sip:a_b@host_with_underscore:5060",
        "sip:a@h;empty=;FLAG;lr",
        "tel:+1-201-555-0123;phone-context=example.com",
        "urn:service:sos",
        "http://www.example.com/a?b=c",
    ],
)
def test_a_uri_prints_as_it_was_written(text: str) -> None:
    """RFC 3261 §19.1.3 examples, and what peers send: nothing is decoded, reordered or completed."""
    assert str(Uri.parse(text)) == text


def test_the_parts_of_a_uri() -> None:
    uri = Uri.parse("sip:+1-212:12;34@[2001:db8::1]:5070;Transport=TCP;lr;x=?a=b%20c&d=e")
    assert (uri.scheme, uri.user, uri.password) == ("sip", "+1-212", "12;34")
    assert (uri.host, uri.port) == ("2001:db8::1", 5070)
    assert (uri.param("transport"), uri.param("lr"), uri.param("x"), uri.param("none")) == ("TCP", "", "", None)
    assert uri.headers == "a=b%20c&d=e"


def test_schemes_are_compared_in_lower_case_and_unknown_ones_stay_opaque() -> None:
    assert Uri.parse("SIP:a@B").scheme == "sip"
    opaque = Uri.parse("soap.beep://192.0.2.103:3002")
    assert (opaque.scheme, opaque.user, opaque.host) == ("soap.beep", "//192.0.2.103:3002", "")


@pytest.mark.parametrize(
    ("text", "transport"),
    [("sip:a", "udp"), ("sip:a;transport=TCP", "tcp"), ("sips:a", "tls"), ("sips:a;transport=tcp", "tls")],
)
def test_the_transport_that_a_uri_asks_for(text: str, transport: str) -> None:
    assert Uri.parse(text).transport == transport


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        ":alice@h",
        "1sip:a@h",
        "si p:a@h",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@h",
        "sip:a@h;;lr",
        "sip:a@h;=x",
        "sip:a@h:",
        "sip:a@h:65536",
        "sip:a@h:-1",
        "sip:a@h:+5",
        "sip:a@h:٥٠٦٠",
        "sip:a@h:" + "0" * 5000 + "5060",
        "sip:a@h x",
        "sip:a b@h",
        "sip:a@h\r\nX: y",
        "sip:a@h\x00",
        "sip:<a>@h",
        'sip:"a"@h',
        "sip:a@[::1",
        "sip:a@[]",
        "sip:a@[::1]5060",
        "sip:a@[fe80::1%eth0]",
        "sip:a@ho%73t",
        "tel:+1 201",
    ],
)
def test_what_is_no_uri(text: str) -> None:
    with pytest.raises(UriError):
        Uri.parse(text)


def test_a_semicolon_at_the_end_changes_nothing() -> None:
    assert Uri.parse("sip:a@h;lr;") == Uri.parse("sip:a@h;lr")


def test_what_is_no_uri_can_still_be_echoed() -> None:
    assert (str(Uri.opaque("sip:+49 30 1@h")), Uri.opaque("sip:+49 30 1@h").host) == ("sip:+49 30 1@h", "")


def test_an_error_shows_no_more_than_the_beginning() -> None:
    with pytest.raises(UriError) as caught:
        Uri.parse("x" * 100_000)
    assert len(str(caught.value)) < 200


def test_a_password_does_not_show_in_a_repr() -> None:
    assert "secretword" not in repr(Uri.parse("sip:alice:secretword@h"))


SAME = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a%3bb@h", "sip:a%3Bb@h"),
]
DIFFERENT = [
    ("SIP:ALICE@AtlanTa.CoM;Transport=udp", "sip:alice@AtlanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@h", "sips:a@h"),
    ("sip:a:x@h", "sip:a:y@h"),
    ("sip:a%3Bb@h", "sip:a;b@h"),
    ("sip:%FF@h", "sip:%FE@h"),
    ("sip:%00@h", "sip:%00%00@h"),
]


@pytest.mark.parametrize(("one", "other", "same"), [(*p, True) for p in SAME] + [(*p, False) for p in DIFFERENT])
def test_equivalence(one: str, other: str, same: bool) -> None:
    """The examples of RFC 3261 §19.1.4, escapes of reserved characters, and escapes that are no UTF-8."""
    first, second = Uri.parse(one), Uri.parse(other)
    assert first.equivalent(second) is same
    assert second.equivalent(first) is same
    assert first.equivalent(first)


@pytest.mark.parametrize("text", ["h", "h:5060", "192.0.2.1:0", "[::1]", "[2001:db8::1]:65535"])
def test_host_and_port(text: str) -> None:
    assert format_host_port(*parse_host_port(text)) == text


@pytest.mark.faults("G6")
def test_what_from_and_to_may_have() -> None:
    uri = Uri.parse("sip:700@pbx.example:5070;transport=tls;lr;maddr=192.0.2.1;user=phone;x=1?Subject=y")
    assert str(uri.address) == "sip:700@pbx.example:5070;user=phone;x=1"
    assert Uri.parse("tel:+14155550123").address == Uri.parse("tel:+14155550123")
