"""Phones registering with us (RFC 3261 §10.3)."""

import pytest

from sipgw.sip.dialog import Peer
from sipgw.sip.endpoint import Endpoint
from sipgw.sip.message import Request
from sipgw.sip.parse import parse_message
from sipgw.sip.registrar import LONGEST, MAX_BINDINGS, RegisterResponse, Registrar
from sipgw.sip.uri import Uri
from tests.sip.test_endpoint import LOCAL, OPTIONS, admit_all, connect, pick_up, run

NAT = Peer("udp", "198.51.100.9", 40123)


def ask(
    *contacts: str,
    expires: str | None = None,
    number: int = 1,
    call_id: str = "phone",
    to: str = "anna",
    extra: str = "",
) -> Request:
    lines = "".join(f"Contact: {contact}\r\n" for contact in contacts)
    lines += "" if expires is None else f"Expires: {expires}\r\n"
    text = (
        f"REGISTER sip:10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.20;branch=z9hG4bKx\r\n"
        f"From: <sip:{to}@10.0.0.2>;tag=1\r\nTo: <sip:{to}@10.0.0.2>\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {number} REGISTER\r\n{lines}{extra}Content-Length: 0\r\n\r\n"
    )
    message = parse_message(text.encode())
    assert isinstance(message, Request)
    return message


def contacts(answer: RegisterResponse) -> list[str]:
    assert answer.status == 200
    return [value for name, value in answer.headers if name == "Contact"]


def registered(*requests: Request, now: float = 0.0) -> tuple[Registrar, RegisterResponse]:
    registrar = Registrar()
    for request in requests:
        answer = registrar.register("anna", request, NAT, now)
    return registrar, answer


def test_a_phone_behind_nat_is_found_where_it_was_seen() -> None:
    registrar, answer = registered(ask("<sip:anna@192.168.1.20:5060>", expires="600"))
    assert contacts(answer) == ["<sip:anna@192.168.1.20:5060>;expires=600;q=1"]
    (binding,) = registrar.bindings("anna", 1.0)
    assert binding.peer == NAT
    assert str(binding.contact) == "sip:anna@192.168.1.20:5060"
    assert registrar.bindings("bob", 1.0) == ()


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ("<sip:+19005550100@carrier.example>", 403),
        ("<sip:+19005550100@192.168.1.20;maddr=carrier.example>", 403),
        ("<sip:anna@192.168.1.20>", 200),
        ("<sip:+19005550100@Carrier.example.>", 403),
        ("<sip:+19005550100@192.168.1.20;maddr=[2001:db8:0::6]>", 403),
        (f"<sip:anna@{NAT.host}>", 200),
        ("<sip:+19005550100@elsewhere.example>", 403),
        ("<sip:%2B19005550100@elsewhere.example>", 403),
        ("<sip:+19005550100@192.168.1.20;maddr=elsewhere.example>", 403),
        ("<sip:+19005550100@203.0.113.9>", 403),
        ("<sip:+19005550100@192.168.1.20>", 200),
        ("<sip:line1@phone.example>", 200),
    ],
)
def test_a_phone_cannot_register_a_number_at_a_carrier(contact: str, status: int) -> None:
    """Whoever is transferred to that phone would call the number at our cost. A PBX may register at its own address."""
    registrar = Registrar(lambda user, host: host in ("carrier.example", "2001:db8::6", NAT.host))
    assert registrar.register("anna", ask(contact), NAT, 0.0).status == status
    assert len(registrar.bindings("anna", 0.0)) == (status == 200)


def test_a_phone_may_write_its_own_address_in_any_way() -> None:
    registrar, phone = Registrar(lambda user, host: True), Peer("udp", "2001:db8::5", 5060)
    assert registrar.register("anna", ask("<sip:anna@[2001:DB8:0::0005]>"), phone, 0.0).status == 200


def test_a_phone_at_a_name_may_have_the_number_of_its_account() -> None:
    registrar = Registrar()
    assert registrar.register("1001", ask("<sip:1001@pbx.example>", to="1001"), NAT, 0.0).status == 200
    assert registrar.register("1001", ask("<sip:1002@pbx.example>", to="1001"), NAT, 0.0).status == 403
    baresip = ask("<sip:1001-0x55da4b5b8d00@203.0.113.9:5060>", to="1001", number=2)  # through a proxy
    assert registrar.register("1001", baresip, NAT, 0.0).status == 200
    assert registrar.register("1001", ask("<sip:1002-0x1@pbx.example>", to="1001"), NAT, 0.0).status == 403


def test_a_phone_whose_time_is_over_is_seen_nowhere() -> None:
    registrar, _ = registered(ask("<sip:anna@192.168.1.20>", expires="600"))
    contact = Uri.parse("sip:anna@192.168.1.20")
    assert registrar.seen_at(contact, 599.0) == NAT
    assert registrar.seen_at(contact, 600.0) is None


def test_a_binding_ends_with_its_time() -> None:
    registrar, _ = registered(ask("<sip:anna@192.168.1.20>", expires="600"))
    assert registrar.bindings("anna", 599.0)
    assert not registrar.bindings("anna", 600.0)
    assert contacts(registrar.register("anna", ask(number=2), NAT, 601.0)) == []


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        ("<sip:a@h>;expires=120", "600", 120),
        ("<sip:a@h>", "600", 600),
        ("<sip:a@h>", None, LONGEST),
        ("<sip:a@h>", "999999", LONGEST),
        ("<sip:a@h>;expires=soon", None, LONGEST),
        ("<sip:a@h>;expires=99999999999999999999", None, LONGEST),
    ],
)
def test_the_time_granted(contact: str, header: str | None, granted: int) -> None:
    _, answer = registered(ask(contact, expires=header))
    assert f"expires={granted}" in contacts(answer)[0]


@pytest.mark.parametrize("asked", ["1", "59"])
def test_too_short_a_time_is_answered_423(asked: str) -> None:
    registrar, answer = registered(ask("<sip:a@h>", expires=asked))
    assert (answer.status, dict(answer.headers)["Min-Expires"]) == (423, "60")
    assert not registrar.bindings("anna", 0.0)


def test_several_phones_of_one_account_ring_in_the_order_they_ask_for() -> None:
    registrar, answer = registered(
        ask("<sip:anna@desk>;q=0.5", call_id="desk"), ask("<sip:anna@mobile>;q=0.9", call_id="mobile")
    )
    assert len(contacts(answer)) == 2
    assert [one.contact.host for one in registrar.bindings("anna", 1.0)] == ["mobile", "desk"]


def test_a_refresh_replaces_its_binding_whatever_else_it_says() -> None:
    registrar, _ = registered(ask("<sip:anna@desk;transport=tcp>"), ask("<sip:anna@desk;transport=tcp;ob>", number=2))
    assert len(registrar.bindings("anna", 1.0)) == 1


def test_unregistering_one_phone_leaves_the_other() -> None:
    registrar, _ = registered(
        ask("<sip:anna@desk>", call_id="desk"),
        ask("<sip:anna@mobile>", call_id="mobile"),
        ask("<sip:anna@desk>;expires=0", call_id="desk", number=2),
    )
    assert [one.contact.host for one in registrar.bindings("anna", 1.0)] == ["mobile"]


def test_a_star_unregisters_all() -> None:
    registrar, answer = registered(ask("<sip:a@desk>", call_id="1"), ask("*", expires="0", call_id="2"))
    assert contacts(answer) == []
    assert not registrar._bindings, "nothing is kept of an account without phones"


@pytest.mark.parametrize(
    "bad",
    [
        ask("*", expires="60"),
        ask("*"),
        ask("<tel:+1555>"),
        ask("<sip:a@h;x=" + "y" * 600 + ">"),
    ],
)
def test_broken_contacts_change_nothing(bad: Request) -> None:
    registrar, _ = registered(ask("<sip:anna@desk>", call_id="before"))
    assert registrar.register("anna", bad, NAT, 1.0).status == 400
    assert len(registrar.bindings("anna", 1.0)) == 1


@pytest.mark.parametrize("late", [ask("<sip:anna@desk>", expires="0", number=5), ask("*", expires="0", number=5)])
def test_an_older_request_of_the_same_phone_changes_nothing(late: Request) -> None:
    registrar, answer = registered(ask("<sip:anna@desk>", number=5), late)
    assert answer.status == 500
    assert registrar.bindings("anna", 1.0)


def test_all_of_a_request_is_done_or_nothing() -> None:
    registrar, answer = registered(ask("<sip:anna@one>, <sip:anna@two>;expires=5"))
    assert answer.status == 423
    assert not registrar.bindings("anna", 0.0)


def test_nobody_registers_for_another_one() -> None:
    registrar = Registrar()
    assert registrar.register("bob", ask("<sip:bob@h>"), NAT, 0.0).status == 403
    assert registrar.register("", ask("<sip:bob@h>"), NAT, 0.0).status == 403


def test_what_it_does_not_know_is_refused_with_420() -> None:
    _, answer = registered(ask("<sip:a@h>", extra="Require: path\r\n"))
    assert (answer.status, dict(answer.headers)["Unsupported"]) == (420, "path")


def test_the_number_of_phones_is_limited_and_the_oldest_makes_way() -> None:
    registrar = Registrar()
    for number in range(MAX_BINDINGS + 5):
        registrar.register("anna", ask(f"<sip:anna@h{number}>", call_id=str(number)), NAT, float(number))
    hosts = [one.contact.host for one in registrar.bindings("anna", 20.0)]
    assert len(hosts) == MAX_BINDINGS
    assert hosts[0] == f"h{MAX_BINDINGS + 4}", "the last one registered is the first one tried"
    assert "h0" not in hosts


def test_a_registrar_that_fails_answers_500() -> None:
    """No transaction waits for the response that it did not give."""

    def broken(request: object, source: object, now: float) -> RegisterResponse:
        raise ValueError

    async def talk() -> None:
        async with Endpoint(LOCAL, pick_up, admit_all, register=broken) as endpoint:
            reader, writer = await connect(endpoint)
            writer.write(OPTIONS.replace(b"OPTIONS", b"REGISTER"))
            assert (await reader.readline()).startswith(b"SIP/2.0 500 ")
            writer.close()

    run(talk)
