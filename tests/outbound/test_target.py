"""Whom a REFER names is read once: what the gate judges is what is sent."""

import pytest

from sipgw.calls.refer_target import ReferTarget
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.uri import Uri
from sipgw.trunks.route_selector import NotDialled

pytestmark = pytest.mark.faults("C6")

PBX = TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",), country="US", number_format="as_dialled")
CARRIER = TrunkOptions("carrier", "peer", networks=("10.0.0.0/8",), domain="sip.example", country="US")


@pytest.mark.parametrize(
    ("named", "number", "sent"),
    [
        ("sip:201@pbx", "201", "sip:201@pbx"),
        ("sip:201;isub=9@pbx;user=phone;x=y", "201", "sip:201@pbx;user=phone"),
        ("sip:*98%23@pbx", "*98#", "sip:*98%23@pbx"),
        ("sip:anna.4155550123@pbx;ob", "anna.4155550123", "sip:anna.4155550123@pbx"),
        ("sip:anna;isub=9@pbx;maddr=evil.example;user=ip", "anna", "sip:anna@pbx;user=ip"),
        ("sip:10.0.0.7", "", "sip:10.0.0.7"),
    ],
)
def test_extensions_and_names_go_to_the_pbx_as_they_are(named: str, number: str, sent: str) -> None:
    found = ReferTarget.of(Uri.parse(named), PBX)
    assert (found.outside, found.number, str(found.uri)) == (False, number, sent)


def test_the_end_of_a_call_that_we_are_to_replace_may_be_called_anything_but_a_number() -> None:
    phone = Uri.parse("sip:9f3cab81dafaed@10.0.0.7:5062;transport=tcp")
    with pytest.raises(NotDialled):
        ReferTarget.of(phone, PBX)
    assert ReferTarget.of(phone, PBX, dialog=True).uri == phone
    assert ReferTarget.of(Uri.parse("sip:19005550123@10.0.0.7"), PBX, dialog=True).outside
    for mixed in ("sip:0900a1234567@pbx", "sip:1-900-KISS5551@pbx"):
        with pytest.raises(NotDialled):
            ReferTarget.of(Uri.parse(mixed), PBX, dialog=True)


def test_who_is_known_here_is_billed_as_the_number_that_the_trunk_means() -> None:
    assert ReferTarget.known(Uri.parse("sip:4155550123@pbx"), CARRIER).number == "+14155550123"
    assert ReferTarget.known(Uri.parse("sip:201@pbx"), PBX).number == "201"


@pytest.mark.parametrize(
    ("trunk", "named", "sent"),
    [
        (CARRIER, "sip:4155550123@pbx", "sip:+14155550123@pbx"),
        (CARRIER, "sip:+1-415-555-0123;phone-context=x;rn=+19005550123@pbx", "sip:+14155550123@pbx"),
        (CARRIER, "sip:%2B14155550123@pbx;user=phone;maddr=evil.example", "sip:+14155550123@pbx;user=phone"),
        (CARRIER, "tel:+1-415-555-0123;ext=9", "tel:+14155550123"),
        (PBX, "sip:0114155550123@pbx", None),
        (PBX, "sip:4155550123@pbx", "sip:+14155550123@pbx"),
    ],
)
def test_a_number_is_sent_as_the_gate_saw_it(trunk: TrunkOptions, named: str, sent: str | None) -> None:
    found = ReferTarget.of(Uri.parse(named), trunk)
    assert found.outside
    if sent:
        assert found.number == "+14155550123"
        assert str(found.permitted(found.number, trunk).uri) == sent


@pytest.mark.parametrize(
    "named",
    [
        "sip:5551234;phone-context=+1900@pbx", "sip:5551234@pbx;phone-context=+1900", "tel:5551234;phone-context=+1900",
        "sip:0900a1234567@pbx", "sip:1-900-KISSME55@pbx", "sip:201:secret@pbx", "sip:19005550123", "tel:anna",
        "mailto:anna@pbx", "sip:;phone-context=+1900@pbx", "sip:%00%2B1900@pbx",
    ],
)  # fmt: skip
def test_what_could_mean_two_things_is_not_called(named: str) -> None:
    with pytest.raises(NotDialled):
        ReferTarget.of(Uri.parse(named), CARRIER)
