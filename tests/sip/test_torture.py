# mypy: disable-error-code="arg-type, var-annotated"
"""Every message of RFC 4475, against MANIFEST.tsv (what a receiver should do) and facts.tsv (read off by hand)."""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from sipgw.sip.message import Request, Response, response_to
from sipgw.sip.parse import ParseError, parse_message
from tests.sip.vias import vias

DATA = Path(__file__).parent.parent / "data" / "rfc4475"


def table(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def load(name: str) -> bytes:
    return (DATA / f"{name}.dat").read_bytes()


def of_class(kind: str) -> list[str]:
    return [row["file"].removesuffix(".dat") for row in table("MANIFEST.tsv") if row["class"] == kind]


@dataclass(frozen=True)
class Refused:
    status: int
    answered: bool
    """Whether there is enough of the request to answer it; a response is never answered."""


REFUSED = {
    "badinv01": Refused(400, answered=True),  # the Via itself is broken, but who wrote it knows it
    "clerr": Refused(400, answered=True),
    "ncl": Refused(400, answered=True),
    "scalar02": Refused(400, answered=True),
    "scalarlg": Refused(400, answered=False),
    "badvers": Refused(505, answered=True),
    "mismatch01": Refused(400, answered=True),
    "mismatch02": Refused(400, answered=True),
    "bigcode": Refused(400, answered=False),
    "insuf": Refused(400, answered=True),
    "multi01": Refused(400, answered=True),
    "mcl01": Refused(400, answered=True),
}
LIBERAL = {
    name: Refused(400, answered=True)
    for name in (
        "ltgtruri", "lwsruri", "lwsstart", "trws", "escruri", "baddn"
    )
}  # fmt: skip
READ = {"baddate", "quotbal", "regbadct", "badaspec"}
"""Wrong where no routing is concerned: §3.1.2.6, §3.1.2.12 to §3.1.2.14 leave the choice, and we read them."""


def test_the_set_is_complete_and_unchanged() -> None:
    sums = dict(reversed(line.split()) for line in (DATA / "SHA256SUMS").read_text().splitlines())
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in DATA.glob("*.dat")}
    assert len(files) == 49
    assert files == {Path(name).name: value for name, value in sums.items() if name.endswith(".dat")}
    assert set(of_class("valid")) == {row["file"] for row in table("facts.tsv")}
    assert set(of_class("invalid")) == set(REFUSED)
    assert set(of_class("invalid-liberal")) == {*LIBERAL, *READ}


@pytest.mark.parametrize("facts", table("facts.tsv"), ids=lambda facts: facts["file"])
def test_a_valid_message_is_understood(facts: dict[str, str]) -> None:
    message = parse_message(load(facts["file"]))
    known = {key: "" if value == "-" else value for key, value in facts.items()}
    assert known == {
        "file": facts["file"],
        "start": message.method if isinstance(message, Request) else str(message.status),
        "vias": str(len(vias(message))),
        "branch": message.via.branch,
        "from_tag": message.from_.tag,
        "to_tag": message.to.tag,
        "cseq": str(message.cseq),
        "call_id": message.call_id,
        "contacts": str(len(message.contacts)),
        "body": str(len(message.body)),
    }


@pytest.mark.parametrize("name", of_class("valid"))
def test_a_valid_message_survives_printing(name: str) -> None:
    message = parse_message(load(name))
    assert parse_message(message.to_bytes()).to_bytes() == message.to_bytes()


@pytest.mark.parametrize(("name", "refused"), (REFUSED | LIBERAL).items(), ids=[*REFUSED, *LIBERAL])
def test_an_invalid_message_is_answered_or_dropped(name: str, refused: Refused) -> None:
    with pytest.raises(ParseError) as caught:
        parse_message(load(name))
    error = caught.value
    assert (error.status, error.message is not None) == (refused.status, refused.answered)
    if error.message is not None:
        answer = well_formed(response_to(error.message, error.status, error.reason).to_bytes())
        assert answer.startswith(b"SIP/2.0 %d " % refused.status)
        assert first_via(answer) == first_via(load(name))


def well_formed(data: bytes) -> bytes:
    """What goes on the wire is a SIP response with one empty line at its end, whatever the request held."""
    head, separator, body = data.partition(b"\r\n\r\n")
    assert separator
    assert body == b""
    assert b"\n\r\n" not in head
    return data


def first_via(data: bytes) -> bytes:
    line = next(line for line in data.split(b"\r\n") if line.lower().startswith((b"via:", b"v:")))
    return line.partition(b":")[2].strip()


def test_a_wrong_date_is_ignored() -> None:
    """§3.1.2.12 leaves the choice; a call does not fail for a time zone."""
    assert parse_message(load("baddate")).headers.get("date") == "Fri, 01 Jan 2010 16:00:00 EST"


@pytest.mark.faults("B2", "F5")
def test_a_display_name_or_contact_that_is_wrong_costs_no_message() -> None:
    assert [get(name).to.display for name in ("quotbal", "badaspec")] == ["Mr. J. User", "Watson, Thomas"]
    whole = load("baddn").rstrip(b"\r\n") + b"\r\n\r\n"  # the set's own copy lacks its empty line
    assert [parse_message(whole).from_.display, parse_message(whole).to.display] == [
        "Bell, Alexander",
        "Watson, Thomas",
    ]
    assert get("regbadct").contact is None
    assert get("regbadct").contacts.malformed is not None, "the registrar refuses it"


def test_wsinv_3_1_1_1() -> None:
    request = parse_message(load("wsinv"))
    assert isinstance(request, Request)
    assert request.max_forwards == 68
    assert request.from_.display == 'J Rosenberg \\"'
    assert [(via.transport, via.host, via.branch) for via in vias(request)] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert request.routes[0].uri.param("unknownwith") == "value"
    assert request.contact is not None
    assert request.contact.display == 'Quoted string ""'
    assert request.contact.params == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    assert request.headers.get("Subject") == ""
    assert request.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert request.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"


def test_intmeth_3_1_1_2_keeps_every_byte() -> None:
    request = parse_message(load("intmeth"))
    assert isinstance(request, Request)
    assert request.uri.host == "example.com"
    assert request.uri.user.startswith("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    assert request.to.display == "BEL:\a NUL:\0 DEL:\x7f"
    assert request.from_.display == "token1~` token2'+_ token3*%!.-"
    assert request.from_.params[0] == ("fromParam''~+*_!.-%", '"работающий"')
    assert str(request.via) == "SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~"


def test_escapes_are_not_taken_for_structure() -> None:
    """§3.1.1.3 to §3.1.1.5."""
    request = parse_message(load("esc01"))
    assert isinstance(request, Request)
    assert (request.uri.user, request.uri.host) == ("sips%3Auser%40example.com", "example.net")
    assert request.contact is not None
    assert request.contact.uri.params == (("%6C%72", None), ("n%61me", "v%61lue%25%34%31"))
    first, second = parse_message(load("escnull")).contacts
    assert not first.uri.equivalent(second.uri)
    assert [contact.uri.user for contact in parse_message(load("esc02")).contacts] == ["alias1", "alias3"]


def test_semicolons_in_the_user_part_are_no_parameters() -> None:
    """§3.1.1.9."""
    request = parse_message(load("semiuri"))
    assert isinstance(request, Request)
    assert (request.uri.user, request.uri.params) == ("user;par=u%40example.net", ())
    assert len(request.headers.all("accept")) == 6


def test_bytes_behind_the_content_length_are_ignored() -> None:
    """§3.1.1.8: a second request stands in the same datagram."""
    assert b"INVITE sip:joe" in load("dblreq")
    assert parse_message(load("dblreq")).body == b""


def test_a_binary_body_is_kept() -> None:
    """§3.1.1.11."""
    message = parse_message(load("mpart01"))
    assert message.content_type == "multipart/mixed"
    assert message.body == load("mpart01")[-553:]


def test_reason_phrases() -> None:
    """§3.1.1.12 and §3.1.1.13: UTF-8, and none at all."""
    response = parse_message(load("unreason"))
    assert isinstance(response, Response)
    assert response.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    response = parse_message(load("noreason"))
    assert isinstance(response, Response)
    assert response.reason == ""


def test_what_the_checks_behind_the_parser_need() -> None:
    """§3.3.2 to §3.3.15: 416, 420, 415, 406 and 483 are decided from these fields."""
    schemes = [request.uri.scheme for name in ("unkscm", "novelsc") if isinstance(request := get(name), Request)]
    assert schemes == ["nobodyknowsthisscheme", "soap.beep"]
    assert get("bext01").require == ["nothingsupportsthis", "nothingsupportsthiseither"]
    assert get("invut").content_type == "application/unknownformat"
    assert get("sdp01").headers.tokens("accept") == ["text/nobodyknowsthis"]
    assert isinstance(zero := get("zeromf"), Request)
    assert zero.max_forwards == 0
    assert [address.uri.scheme for address in (get("unksm2").to, get("unksm2").from_)] == ["isbn", "http"]


def test_contact_parameters_belong_to_the_header_or_to_the_uri() -> None:
    """§3.3.12 to §3.3.14."""
    bare, bracketed, escaped = get("cparam01").contact, get("cparam02").contact, get("regescrt").contact
    assert bare is not None
    assert bracketed is not None
    assert escaped is not None
    assert (bare.params, bare.uri.params) == ((("unknownparam", None),), ())
    assert (bracketed.params, bracketed.uri.params) == ((), (("unknownparam", None),))
    assert escaped.uri.headers == "Route=%3Csip:sip.example.com%3E"


def get(name: str) -> Request | Response:
    return parse_message(load(name))
