# mypy: disable-error-code="union-attr"
"""No call reaches an emergency number, whichever way it is written and whoever asks for it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import shortnumberinfo

from sipgw.calls.request import OriginateRequest
from sipgw.config.config import parse
from sipgw.config.emergency import LONGEST, TOLD, emergency_number, told_number
from sipgw.config.errors import ConfigError
from sipgw.config.gate import GateOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.gate.emergency import EmergencyGuard
from sipgw.policy.gate.rules import NEVER_CALLED
from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import CallFailed
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.sip.registrar import Binding, Registrar
from sipgw.sip.uri import Uri
from sipgw.trunks.trunks import Trunks
from tests.callee import callee, rejecting
from tests.calls.test_cloud_legs import OFFER
from tests.cloud import cloud
from tests.gate_world import ALWAYS, World, run
from tests.waiting import HANG


@pytest.mark.parametrize(
    "sent",
    ["911", "112", "+911", "+112", "0-112", "0112", "00112", "9911", "9-9-1-1", "1.1.2", "(911)", "*31#112", "#31#112",
     "*67911", "*67 911", "0*31#112", "*31#0112", "112#", "%31%31%32", "112%23", "911;phone-context=+1", "112,,1",
     "911p1", "1911", "9-1-911", "tel:911", "TEL:+112", "sip:112@10.0.0.1", "sips:911@x;user=phone", "+1911",
     "01144999", "0049110",
     "\u0661\u0661\u0662", "\uff11\uff11\uff12", "urn:service:sos.ambulance", "8112",
     "9,911", "9w911", "0,112", "0w112", "9pp911", "9,,1,911", "*9911", "7911", "3112", "**911", "911*", "#112*",
     "112%00", "911\0#", "911%00anna", "1\u200b12", "9%E2%80%8D11", "11\x7f2"],
)  # fmt: skip
def test_what_a_telephone_would_take_for_an_emergency_call(sent: str) -> None:
    for country in ("US", "DE", "GB", "IN", "AU", ""):
        assert emergency_number(sent, (country,)) in {"911", "112", "999", "110", "sos"}, country


@pytest.mark.parametrize(
    ("sent", "country", "found"),
    [("999", "GB", "999"), ("141999", "GB", "999"), ("999", "US", ""), ("000", "AU", "000"), ("110", "DE", "110"),
     ("110", "JP", "110"), ("110", "US", ""), ("110", "", "110"), ("999", "", "999"), ("15", "FR", "15"),
     ("015", "FR", "15"), ("815", "FR", ""), ("100", "IN", "100"), ("100", "US", ""), ("1001", "IN", ""),
     ("10111", "ZA", "10111"), ("1112", "US", "112"), ("30112", "DE", ""), ("1125", "DE", ""), ("anna", "DE", ""),
     ("room112", "DE", ""), ("+14155550112", "US", ""), ("+4930112112", "DE", ""), ("", "US", ""),
     ("9,110", "DE", "110"), ("0w110", "DE", "110"), ("7110", "DE", ""), ("9110", "DE", "110"), ("1,2345", "DE", ""),
     ("+4930123456,,112", "DE", ""), ("5511", "US", ""), ("77911", "US", ""), ("*15", "FR", "")],
)  # fmt: skip
def test_which_numbers_are_emergency_numbers_depends_on_the_country(sent: str, country: str, found: str) -> None:
    assert emergency_number(sent, (country,)) == found


@pytest.mark.parametrize(
    ("sent", "extensions", "found"),
    [("4911", ("4???",), ""), ("7112", ("7112",), ""), ("1112", ("1???",), ""), ("4911", ("????",), "911"),
     ("4911", ("5???",), "911"), ("4911", ("4??",), "911"), ("4911", (), "911"), ("9911", ("9???", "9911"), "911"),
     ("9 911", ("9???",), "911"), ("0112", ("0???",), "112"), ("0 112", ("0112",), "112"), ("8112", ("8???",), "112"),
     ("1911", ("1???",), "911"), ("911", ("9??", "911"), "911"), ("112", ("1??", "112"), "112"),
     ("4,911", ("4???",), "911"), ("4w911", ("4???",), "911"), ("4911;x=y", ("4???",), "911"),
     ("*4911", ("4???",), "911"), ("49-11", ("4???",), "911"),
     ("sip:4911@pbx", ("4???",), ""), ("%34911", ("4???",), ""), ("999", ("9??",), "999"), ("anna", ("anna",), "")],
)  # fmt: skip
def test_a_pbx_may_have_extensions_that_end_like_an_emergency_number(
    sent: str, extensions: tuple[str, ...], found: str
) -> None:
    """A pattern that names the first digit says that this digit is no outside line; 0, 8 and 9 always are."""
    assert emergency_number(sent, ("GB",), extensions) == found


@given(st.text(max_size=20), st.sampled_from(["US", "DE", "", "XX"]))
def test_any_text_has_an_answer(sent: str, country: str) -> None:
    assert isinstance(emergency_number(sent, (country,)), str)


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.from_regex(r"[0-9]{2,6}", fullmatch=True))
def test_every_number_of_the_metadata_is_found(region: str, number: str) -> None:
    assert bool(emergency_number(number, (region,))) >= shortnumberinfo.is_emergency_number(number, region)


def test_no_emergency_number_is_longer() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        found = phonenumbers.PhoneMetadata.short_metadata_for_region(region)
        longest = max(found.emergency.possible_length or (0,)) if found and found.emergency else 0
        assert longest <= LONGEST


def test_numbers_that_callers_are_told_are_emergency_numbers_there() -> None:
    for number, countries in TOLD.items():
        for country in countries.split():
            assert shortnumberinfo.is_emergency_number(number, country), country
            assert told_number("", country) == " ".join(number)
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1]:
        told = told_number("", region).replace(" ", "")
        assert shortnumberinfo.is_emergency_number(told, region), region
    assert told_number("+441534000000", "GB") == "9 9 9", "Jersey"
    assert told_number("+442079460000", "US") == "9 9 9", "that of the caller's country"
    assert told_number("", "de") == told_number("anna", "DE") == "1 1 2"
    assert told_number("+14155550100", "DE") == told_number("", "JM") == "9 1 1"
    assert told_number("", "JP") == "1 1 9", "one number, which the ear takes for one"
    assert told_number("", "") == told_number("+999", "XX") == ""


@pytest.mark.parametrize("purpose", ["call", "callback", "campaign", "transfer"])
def test_the_gate_refuses_them_for_every_purpose_and_no_option_helps(tmp_path: Path, purpose: str) -> None:
    world = World(tmp_path)

    async def scene() -> None:
        opened = {"extensions": ("???", "1???", "????"), "prefixes": ("+1", "+9"), "windows": ALWAYS}
        async with world.up(countries=("US",), **opened):
            for number, trunk in (("911", "pbx"), ("112", "pbx"), ("9911", "pbx"), ("+911", "us"), ("tel:911", "us"),
                                  ("sip:112@pbx", "pbx"), ("*31#112", "pbx")):  # fmt: skip
                rule, reason = await world.refused(number, trunk, purpose=purpose, consent=True)
                assert rule == "emergency"
                assert reason.endswith(NEVER_CALLED)
            assert (await world.dial("1001", "pbx", purpose=purpose)).number == "1001"
            assert (await world.dial("1112", "pbx", purpose=purpose)).number == "1112", "1??? are extensions"
            assert await world.refused("7112", "pbx", purpose=purpose, consent=True), "???? says nothing of the 7"
            assert await world.refused("1112", "us", purpose=purpose, consent=True), "no PBX"

    run(scene())


def guard(*trunks: TrunkOptions, gate: GateOptions | None = None, registrar: Registrar | None = None) -> EmergencyGuard:
    return EmergencyGuard(Trunks(trunks), lambda: [gate or GateOptions()], registrar or Registrar())


def test_the_country_is_that_of_the_trunk_that_the_address_belongs_to() -> None:
    india = TrunkOptions("in", "peer", networks=("192.0.2.0/24",), domain="in.test", country="IN")
    pbx = TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",), outbound_proxy="pbx.test", country="US")
    judged = guard(india, pbx).refusal
    assert judged(Uri.parse("sip:100@in.test"), 0.0)
    assert judged(Uri.parse("sip:100@192.0.2.7"), 0.0)
    assert not judged(Uri.parse("sip:100@pbx.test"), 0.0)
    assert not judged(Uri.parse("sip:100@10.0.0.7"), 0.0)
    assert judged(Uri.parse("sip:100@elsewhere.test"), 0.0), "of an unknown host every country counts"
    assert judged(Uri.parse("tel:100"), 0.0)
    assert judged(Uri.parse("sip:911"), 0.0)
    assert judged(Uri.parse("urn:service:sos"), 0.0)
    assert not judged(Uri.parse("sip:9.9.1.1"), 0.0)


def test_extensions_are_those_of_the_pbx_that_is_called() -> None:
    pbx = TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",), domain="pbx.test", number_format="as_dialled")
    carrier = TrunkOptions("us", "peer", networks=("192.0.2.0/24",), domain="carrier.test", country="US")
    judged = guard(pbx, carrier, gate=GateOptions(extensions=("4???",))).refusal
    assert not judged(Uri.parse("sip:4911@pbx.test"), 0.0)
    assert not judged(Uri.parse("sip:4911@10.0.0.7"), 0.0)
    others = ("9911@pbx.test", "911@pbx.test", "4%2C911@pbx.test", "4911@carrier.test", "4911@elsewhere.test")
    for other in (*(f"sip:{one}" for one in others), "tel:4911"):
        assert judged(Uri.parse(other), 0.0), other


def test_without_a_country_that_of_the_gate_counts() -> None:
    pbx = TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",))
    assert guard(pbx).refusal(Uri.parse("sip:110@10.0.0.7"), 0.0)
    assert not guard(pbx, gate=GateOptions(countries=("US",))).refusal(Uri.parse("sip:110@10.0.0.7"), 0.0)


def test_a_registered_phone_may_have_any_name() -> None:
    registrar, contact = Registrar(), Uri.parse("sip:112@10.0.0.9")
    registrar.restore("anna", Binding(contact, Peer("udp", "10.0.0.9", 5060), 1e9, "a", 1))
    assert not guard(registrar=registrar).refusal(contact, 0.0)
    assert guard(registrar=registrar).refusal(Uri.parse("sip:112@10.0.0.8"), 0.0)


def test_no_phone_makes_a_number_of_a_trunk_its_name() -> None:
    pbx = TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",), domain="10.0.0.1")
    registrar, source = Registrar(lambda user, host: Trunks((pbx,)).serve(host)), Peer("udp", "10.0.0.9", 5060)
    text = (
        "REGISTER sip:gw SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx\r\nFrom: <sip:anna@gw>;tag=1\r\n"
        "To: <sip:anna@gw>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <sip:112@10.0.0.1>\r\n\r\n"
    )
    request = parse_message(text.encode())
    assert isinstance(request, Request)
    registrar.register("anna", request, source, 0.0)
    assert guard(pbx, registrar=registrar).refusal(Uri.parse("sip:112@10.0.0.1"), 0.0)


PBX = '[[trunks]]\nname = "pbx"\nmode = "peer"\nnetworks = ["10.0.0.0/8"]\ndomain = "10.0.0.1"\ncountry = "DE"\n'
AS_DIALLED = 'number_format = "as_dialled"\n'


@pytest.mark.parametrize(
    "text",
    [PBX + AS_DIALLED + 'transfer_to = "112"', PBX + 'transfer_to = "sip:0112@10.0.0.1"', PBX + 'test_number = "110"',
     PBX + '[[people]]\nname = "help"\nto = "110"', PBX + '[[people]]\nname = "help"\nto = "sip:*31%23112@10.0.0.1"'],
)  # fmt: skip
def test_no_configuration_names_one(text: str) -> None:
    with pytest.raises(ConfigError, match=r"reaches the emergency number 11[02]"):
        parse(text, "sipgw.toml", {})


def test_a_configuration_may_name_an_extension_of_the_pbx() -> None:
    text = PBX + AS_DIALLED + 'transfer_to = "4911"\n[[people]]\nname = "x"\nto = "4112"\n'
    parse(text + '[gate]\nextensions = ["4???"]', "sipgw.toml", {})
    for wrong in (text, text.replace(AS_DIALLED, "") + '[gate]\nextensions = ["4???"]'):
        with pytest.raises(ConfigError, match="reaches the emergency number"):
            parse(wrong, "sipgw.toml", {})


def test_without_a_country_of_a_trunk_a_configuration_is_judged_by_those_of_the_gate() -> None:
    text = PBX.replace('country = "DE"\n', AS_DIALLED) + 'transfer_to = "118"\n[[people]]\nname = "x"\nto = "0110"\n'
    parse(text + '[gate]\ncountries = ["US"]', "sipgw.toml", {})
    with pytest.raises(ConfigError, match="'118' reaches"):
        parse(text.replace("0110", "anna"), "sipgw.toml", {})


@pytest.mark.slow
def test_none_leaves_the_gateway_whatever_asks_for_it(tmp_path: Path) -> None:
    """An API call to an extension that `extensions` allows, the endpoint itself, and a REFER of ours."""
    opened = GateOptions(extensions=("???",), windows=ALWAYS, consent="never")

    async def scenario() -> None:
        async with callee(rejecting(486)) as person:
            pbx = person.trunk(name="pbx", number_format="as_dialled", country="US", caller_id="")
            change = lambda config: replace(config, gate=opened)  # noqa: E731
            async with cloud(tmp_path, [], [], trunks=(pbx,), change=change) as world, asyncio.timeout(HANG):
                ending = await world.gateway.originate(OriginateRequest("911", "agent", trunk="pbx")).ended()
                assert ending.kind == "not_permitted"
                for user in ("911", "0-112", "%39%31%31", "*31%23112"):
                    with pytest.raises(CallFailed, match="reaches the emergency number"):
                        await world.gateway.endpoint.invite(
                            Uri("sip", user, "127.0.0.1", person.port), "<sip:a@b>", OFFER
                        )
                assert person.legs == []
                ending = await world.gateway.originate(OriginateRequest("100", "agent", trunk="pbx")).ended()
                assert ending.kind == "busy"
                assert len(person.legs) == 1

    asyncio.run(scenario())
