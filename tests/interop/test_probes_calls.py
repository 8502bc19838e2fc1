"""Probes of calls over a real socket: retransmissions, tags, races of CANCEL, routes, changes of the session."""

from collections.abc import Iterator

import pytest

from tests.interop.prober import Dialog, Message, Phone, acknowledged, cancel, sdp
from tests.interop.probing import Agent, bare_agent


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    with bare_agent() as one:
        yield one


@pytest.fixture
def phone(agent: Agent) -> Iterator[Phone]:
    with Phone(agent.port) as one:
        yield one


def calls(agent: Agent, dialog: Dialog) -> int:
    """How many calls the application was told of by the INVITEs of `dialog`."""
    return len(agent.of(dialog.id, "call", bool))


def alive(call: Dialog) -> None:
    """The call is still there, and ends."""
    call.bye()


# INVITE, its answers and their copies


def test_what_is_answered_has_one_tag_and_the_100_none(phone: Phone) -> None:
    dialog = phone.dialog()
    phone.send(dialog.invite())
    trying, ringing = phone.wait(100), phone.wait(180)
    answer = phone.wait(200)
    assert trying.tag == ""
    assert ringing.tag == answer.tag != ""
    call = dialog.answered(answer)
    phone.send(call.ack())
    alive(call)


def test_copies_of_an_invite_that_rings_get_its_answer_again_and_are_no_calls(agent: Agent, phone: Phone) -> None:
    dialog = phone.dialog("ringing")
    text = dialog.invite()
    phone.send(text)
    first = phone.wait(180)
    for _ in range(3):
        phone.send(text)
        assert phone.wait(180).raw == first.raw
    assert calls(agent, dialog) == 1
    phone.send(cancel(text))
    assert phone.wait(487, "INVITE").tag == first.tag


def test_three_invites_at_once_are_one_call(agent: Agent, phone: Phone) -> None:
    dialog = phone.dialog()
    text = dialog.invite()
    for _ in range(3):
        phone.send(text)
    call = dialog.answered(phone.wait(200))
    phone.send(call.ack())
    assert {one.tag for one in phone.what_comes() if one.status >= 180} <= {call.tag}
    assert calls(agent, dialog) == 1
    alive(call)


def test_a_copy_of_the_invite_after_the_200_is_no_call(agent: Agent, phone: Phone) -> None:
    """RFC 6026: it is absorbed, before the ACK and after it; the 200 goes again by its own timer."""
    dialog = phone.dialog()
    text = dialog.invite()
    phone.send(text)
    call = dialog.answered(phone.wait(200))
    for _ in range(2):
        phone.send(text)
        came = phone.what_comes()
        assert {one.tag for one in came if one.status >= 180} <= {call.tag}
        assert {one.status for one in came} <= {100, 180, 200}
        phone.send(call.ack())
    assert calls(agent, dialog) == 1
    alive(call)


def test_the_200_is_sent_again_until_its_ack_comes(phone: Phone) -> None:
    dialog = phone.dialog()
    phone.send(dialog.invite())
    first = phone.wait(200)
    call = dialog.answered(first)
    assert [phone.wait(200).raw for _ in range(2)] == [first.raw] * 2
    phone.send(call.ack())
    phone.what_comes(0.2)  # what was on its way
    assert phone.what_comes() == []
    alive(call)


def test_an_ack_of_somebody_else_ends_no_retransmission(phone: Phone) -> None:
    dialog = phone.dialog()
    phone.send(dialog.invite())
    call = dialog.answered(phone.wait(200))
    phone.send(call.ack().replace(f";tag={call.tag}", ";tag=guessed"))
    phone.send(call.ack(number=7))
    assert phone.wait(200).tag == call.tag
    assert phone.wait(200).tag == call.tag
    phone.send(call.ack())
    alive(call)


def test_a_refusal_is_sent_again_until_its_ack_comes(phone: Phone) -> None:
    dialog = phone.dialog("ringing")
    text = dialog.invite()
    phone.send(text)
    phone.wait(180)
    phone.send(cancel(text))
    first = phone.wait(487, "INVITE")
    assert [phone.wait(487, "INVITE").raw for _ in range(2)] == [first.raw] * 2
    phone.send(acknowledged(text, first))
    phone.what_comes(0.2)
    assert phone.what_comes() == []


# CANCEL


def test_a_call_that_rings_is_cancelled(agent: Agent, phone: Phone) -> None:
    """RFC 3261 §9.2: 200 to the CANCEL, 487 to the INVITE, of one To tag."""
    dialog = phone.dialog("ringing")
    text = dialog.invite()
    phone.send(text)
    phone.wait(180)
    phone.send(cancel(text))
    answers = {one.method: one for one in (phone.final(), phone.final())}
    assert (answers["CANCEL"].status, answers["INVITE"].status) == (200, 487)
    assert answers["CANCEL"].tag == answers["INVITE"].tag
    phone.send(acknowledged(text, answers["INVITE"]))
    assert agent.of(dialog.id, "ended", bool)[0]["how"] == "CANCEL"


def test_a_cancel_that_comes_after_the_200_ends_nothing(phone: Phone) -> None:
    dialog = phone.dialog()
    text = dialog.invite()
    phone.send(text)
    call = dialog.answered(phone.wait(200))
    phone.send(cancel(text))
    assert phone.wait(200, "CANCEL")
    phone.send(call.ack())
    alive(call)


def test_a_cancel_of_another_branch_ends_nothing(phone: Phone) -> None:
    dialog = phone.dialog("ringing")
    text = dialog.invite()
    phone.send(text)
    phone.wait(180)
    phone.send(cancel(text).replace("branch=z9hG4bK", "branch=z9hG4bKother"))
    phone.wait(481, "CANCEL")
    phone.send(cancel(text))
    phone.wait(487, "INVITE")


def test_a_cancel_right_behind_its_invite_leaves_no_call(agent: Agent, phone: Phone) -> None:
    """Whichever was faster: a 487, or a 200 that is hung up."""
    dialog = phone.dialog()
    text = dialog.invite()
    phone.send(text)
    phone.send(cancel(text))
    while (answer := phone.final()).method != "INVITE":
        pass
    assert answer.status in (200, 487)
    if answer.status == 200:
        call = dialog.answered(answer)
        phone.send(call.ack())
        alive(call)
    else:
        phone.send(acknowledged(text, answer))
    assert agent.of(dialog.id, "ended", bool)


# Requests in a call


def test_a_copy_of_a_bye_gets_the_same_answer(phone: Phone) -> None:
    call = phone.call()
    text = call.request("BYE", 2)
    answers = []
    for _ in range(3):
        phone.send(text)
        answers.append(phone.wait(200, "BYE").raw)
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("To: <sip:agent@127.0.0.1:{server}>;tag={tag}", "To: <sip:agent@h>;tag=guessed", id="to tag"),
        pytest.param("To: <sip:agent@127.0.0.1:{server}>;tag={tag}", "To: <sip:agent@h>", id="no to tag"),
        pytest.param("tag=f{id}", "tag=guessed", id="from tag"),
    ],
)
def test_who_knows_the_call_id_alone_ends_no_call(phone: Phone, old: str, new: str) -> None:
    call = phone.call()
    right = call.request("BYE", 2)
    wrong = right.replace(old.format(server=phone.server, tag=call.tag, id=call.id), new)
    assert wrong != right
    phone.send(wrong)
    phone.wait(481, "BYE")
    alive(call)


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "NOTIFY"])
def test_who_speaks_of_a_call_that_is_none_is_told(phone: Phone, method: str) -> None:
    call = Dialog(phone, "agent", phone.dialog().id, tag="never")
    text = call.request(method, 5, body=sdp() if method == "INVITE" else "")
    phone.send(text)
    answer = phone.final()
    assert answer.status == 481
    if method == "INVITE":
        phone.send(acknowledged(text, answer))


def test_the_same_invite_by_two_ways_is_one_call(agent: Agent, phone: Phone) -> None:
    """RFC 3261 §8.2.2.2: a request that a proxy has forked and that meets itself again."""
    dialog = phone.dialog("ringing")
    text, copy = dialog.invite(branch="z9hG4bKone"), dialog.invite(branch="z9hG4bKtwo")
    text, copy = (one.replace("z9hG4bK", f"z9hG4bK{dialog.id}") for one in (text, copy))
    phone.send(text)
    phone.wait(180)
    phone.send(copy)
    answer = phone.wait(482, "INVITE")
    phone.send(acknowledged(copy, answer))
    phone.send(cancel(text))
    phone.wait(487, "INVITE")
    assert calls(agent, dialog) == 1


def test_a_request_that_comes_late_is_refused(phone: Phone) -> None:
    """RFC 3261 §12.2.2."""
    call = phone.call()
    phone.send(call.request("INFO", 20))
    phone.wait(200, "INFO")
    phone.send(call.request("INFO", 10))
    phone.wait(500, "INFO")
    alive(call)


def test_what_a_call_requires_must_be_known(phone: Phone) -> None:
    call = phone.call()
    phone.send(call.request("INFO", 2, "Require: unheard-of"))
    assert phone.wait(420, "INFO")["unsupported"] == "unheard-of"
    alive(call)


# Routes


ROUTES = ("<sip:127.0.0.1:{port};lr;n=1>", "<sip:10.9.9.9;lr;n=2>, <sip:10.9.9.8;lr;n=3>")


def test_the_route_is_echoed_and_taken_by_our_own_requests(phone: Phone) -> None:
    """RFC 3261 §12.1.1: in the order in which it came, the first proxy is the next hop."""
    routes = [one.format(port=phone.port) for one in ROUTES]
    call = phone.call("leaves", *(f"Record-Route: {one}" for one in routes))
    assert call.answer is not None
    assert ", ".join(call.answer.all("record-route")) == ", ".join(routes)
    bye = phone.wait(method="BYE")
    assert ", ".join(bye.all("route")) == ", ".join(routes)
    assert bye.first == f"BYE sip:probe@127.0.0.1:{phone.port} SIP/2.0"
    phone.send(answer_to(bye, "200 OK"))


def answer_to(request: Message, status: str, more: str = "") -> str:
    copied = ("via", "from", "to", "call-id", "cseq")
    lines = [f"{name}: {value}" for name, value in request.lines if name in copied]
    return "\r\n".join([f"SIP/2.0 {status}", *lines, *([more] if more else []), "Content-Length: 0", "", ""])


def test_our_bye_is_sent_again_until_it_is_answered(phone: Phone) -> None:
    phone.call("leaves")
    byes = [phone.wait(method="BYE") for _ in range(3)]
    assert len({one.raw for one in byes}) == 1
    phone.send(answer_to(byes[0], "200 OK"))
    phone.what_comes(0.2)
    assert phone.what_comes() == []


def test_a_route_that_leads_through_us_is_no_hindrance(phone: Phone) -> None:
    call = phone.call()
    phone.send(call.request("BYE", 2, f"Route: <sip:127.0.0.1:{phone.server};lr>"))
    phone.wait(200, "BYE")


# Changes of the session


def change(call: Dialog, number: int, body: str, method: str = "INVITE") -> Message:
    phone = call.phone
    phone.send(call.request(method, number, body=body))
    answer = phone.wait(200, method)
    if method == "INVITE":
        phone.send(call.ack(number=number, body="" if body else sdp(version=number)))
    return answer


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_hold_and_resume(phone: Phone, method: str) -> None:
    call = phone.call()
    assert call.answer is not None
    for number, direction, ours in ((2, "sendonly", "recvonly"), (3, "inactive", "inactive"), (4, "sendrecv", "")):
        answer = change(call, number, sdp(version=number, more=f"a={direction}\r\n"), method)
        assert answer.tag == call.tag
        assert not ours or f"a={ours}" in answer.body
        assert version(answer) > version(call.answer)
    alive(call)


def version(message: Message) -> int:
    return int(message.body.partition("o=")[2].split()[2])


def test_a_copy_of_a_reinvite_gets_the_same_answer(phone: Phone) -> None:
    call = phone.call()
    text = call.request("INVITE", 2, body=sdp(version=2))
    phone.send(text)
    first = phone.wait(200, "INVITE")
    phone.send(text)
    assert phone.wait(200, "INVITE").body == first.body
    phone.send(call.ack(number=2))
    alive(call)


def test_an_offer_that_cannot_be_taken_changes_nothing(phone: Phone) -> None:
    call = phone.call()
    text = call.request("INVITE", 2, body=sdp(version=2).replace("RTP/AVP 0 101", "RTP/AVP 18 97"))
    phone.send(text)
    while (answer := phone.final()).method != "INVITE":
        pass
    assert 400 <= answer.status < 500
    phone.send(acknowledged(text, answer))
    assert "m=audio 4000" in change(call, 3, sdp(version=2)).body
    alive(call)


def test_an_invite_without_an_offer_gets_ours(phone: Phone) -> None:
    dialog = phone.dialog()
    phone.send(dialog.invite(body=""))
    answer = phone.wait(200)
    assert "m=audio" in answer.body
    call = dialog.answered(answer)
    phone.send(call.ack(body=sdp()))
    alive(call)
