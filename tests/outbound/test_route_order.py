"""Which trunk a call goes out through, on virtual time."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from sipgw.calls.originator import disposition_of
from sipgw.config.outbound import RetryOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.outbound.retries import next_step
from sipgw.sip.events import Ended
from sipgw.sip.message import Headers, Response
from sipgw.sip.reason import cause_of
from sipgw.trunks.route_selector import LONGEST_WAIT, PENALTY, NotDialled, RouteSelector

NUMBER = "+14155550100"


def at(now: float) -> Callable[[], float]:
    return lambda: now


def trunk(name: str, **more: object) -> TrunkOptions:
    values: dict[str, object] = {"domain": f"{name}.example", "networks": ("192.0.2.1/32",), "calls_per_second": 100}
    return TrunkOptions(name, "peer", **(values | more))  # type: ignore[arg-type]


def refused(status: int, cause: int = 0) -> Ended:
    return Ended("callee", str(status), "", status, (), cause)


def order(dialling: RouteSelector, now: float = 0.0, number: str = NUMBER, **more: str) -> list[str]:
    return [attempt.trunk.name for attempt in dialling.attempts(number, at(now), **more)]


def test_trunks_are_tried_in_the_order_of_the_configuration() -> None:
    inbound_only = TrunkOptions("inbound", "peer", networks=("192.0.2.1/32",))
    assert order(RouteSelector([trunk("one"), inbound_only, trunk("two")], Counter())) == ["one", "two"]
    assert order(RouteSelector([trunk("one"), trunk("two")], Counter()), only="two") == ["two"]


def test_a_trunk_that_is_down_is_tried_last_not_left_out() -> None:
    dialling = RouteSelector([trunk("one"), trunk("two")], Counter(), lambda name: name != "one")
    assert order(dialling) == ["two", "one"]


def test_a_trunk_that_said_503_rests() -> None:
    dialling = RouteSelector([trunk("one"), trunk("two")], Counter())
    (first, *_) = dialling.attempts(NUMBER, at(0.0))
    assert dialling.failed(first, refused(503), 0.0)
    assert order(dialling, 1.0) == ["two", "one"]
    assert order(dialling, PENALTY + 1) == ["one", "two"]
    assert dialling.failed(first, refused(503), 100.0, retry_after=60.0)
    assert order(dialling, 159.0) == ["two", "one"]


@pytest.mark.parametrize(
    ("status", "next_one"),
    [(503, True), (403, True), (407, True), (408, True), (500, True), (486, False), (404, False), (480, False),
     (487, False), (603, False), (488, False), (484, False)],
)  # fmt: skip
def test_only_what_says_something_of_the_trunk_leads_to_the_next(status: int, next_one: bool) -> None:
    dialling = RouteSelector([trunk("one")], Counter())
    (attempt,) = dialling.attempts(NUMBER, at(0.0))
    assert dialling.failed(attempt, refused(status), 0.0) is next_one


@pytest.mark.faults("G5")
@pytest.mark.parametrize(
    ("status", "cause", "next_one", "kind"),
    [
        (403, 21, False, "declined"),  # a decline behind Asterisk
        (503, 17, False, "busy"), (500, 19, False, "no_answer"), (403, 1, False, "wrong_number"),
        (480, 34, True, "failed"), (486, 42, True, "failed"),
        (403, 0, True, "failed"), (403, 16, True, "failed"), (480, 31, False, "no_answer"), (486, 127, False, "busy"),
        (603, 0, False, "no_answer"), (603, 16, False, "declined"),  # the first is Asterisk that knows of nothing
    ],
)  # fmt: skip
def test_the_cause_goes_before_the_status(status: int, cause: int, next_one: bool, kind: str) -> None:
    """RFC 3326: the person is not rung again through the next trunk, and a campaign does not try them again."""
    dialling = RouteSelector([trunk("one"), trunk("two")], Counter())
    (attempt, _) = dialling.attempts(NUMBER, at(0.0))
    assert dialling.failed(attempt, refused(status, cause), 0.0) is next_one
    assert order(dialling, 1.0) == ["one", "two"], "a trunk that brings bad news need not rest"
    ending = disposition_of(refused(status, cause))
    assert ending.kind == kind
    retried = next_step(RetryOptions(), ending, 1, datetime(2026, 11, 22, tzinfo=UTC)).state == "planned"
    assert retried is (kind not in ("declined", "wrong_number"))


@pytest.mark.faults("G5")
@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ('Q.850;cause=21;text="Call Rejected"', 21), ("q.850 ;cause=17", 17), ("SIP;cause=603, Q.850;cause=21", 21),
        ("SIP;cause=21", None), ("Q.850", None), ("Q.850;cause=x", None), ("Q.850;cause=99999", None), ("", None),
        ('"', None), ("Q.850;cause=0", 0), ('Q.850;cause="21"', 21),
        ('SIP;cause=200;text="Call completed elsewhere"', 26), ("Q.850;cause=26", 26), ("SIP;cause=2000", None),
    ],
)  # fmt: skip
def test_the_cause_in_a_reason_header(reason: str, cause: int | None) -> None:
    response = Response(403, "Forbidden", headers=Headers((("Reason", reason),)))
    assert cause_of(response) == cause


def test_a_call_that_is_sent_late_moves_the_ones_behind_it() -> None:
    one = trunk("slow", calls_per_second=1)
    slow = RouteSelector([one], Counter())
    assert [slow.turn(one, 0.0) for _ in range(3)] == [0.0, 1.0, 2.0]
    assert slow.sends(one, 0.7) == 0.0, "a busy machine"
    assert slow.sends(one, 1.0) == pytest.approx(0.7)
    assert slow.sends(one, 1.7) == 0.0
    assert slow.sends(one, 2.7) == 0.0
    assert slow.sends(one, 9.0) == 0.0


def test_calls_wait_for_their_turn_and_then_go_elsewhere() -> None:
    """Twilio: one call a second; what is more is not queued there but refused, so it is queued here."""
    slow = RouteSelector([trunk("slow", calls_per_second=1)], Counter())
    waits = []
    for _ in range(6):
        (attempt,) = slow.attempts(NUMBER, at(100.0))
        waits.append(attempt.wait)
    assert waits == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert waits[-1] <= LONGEST_WAIT
    with pytest.raises(NotDialled, match="slow: more than 1 calls a second"):
        list(slow.attempts(NUMBER, at(100.0)))
    (attempt,) = slow.attempts(NUMBER, at(110.0))
    assert attempt.wait == 0.0


def test_no_second_has_more_calls_than_the_trunk_allows() -> None:
    dialling = RouteSelector([trunk("fast", calls_per_second=20)], Counter())
    sent = []
    for tenth in range(100):
        for _ in range(3):  # 30 a second
            try:
                sent += [tenth / 10 + attempt.wait for attempt in dialling.attempts(NUMBER, at(tenth / 10))]
            except NotDialled:
                continue
    for one in sent:
        assert sum(one <= other < one + 1 for other in sent) <= 40, "a burst and the rate"
    late = [one for one in sent if one > 5]
    assert all(sum(one <= other < one + 1 for other in late) <= 21 for one in late)


def test_the_next_trunk_has_its_turn_when_it_is_tried() -> None:
    """A minute of silence on the first trunk is not counted as waiting on the second."""
    clock = [0.0]
    dialling = RouteSelector([trunk("one"), trunk("two", calls_per_second=1)], Counter())
    for _ in range(3):
        list(dialling.attempts(NUMBER, lambda: 0.0, only="two"))
    ways = dialling.attempts(NUMBER, lambda: clock[0])
    next(ways)
    clock[0] = 60.0
    assert next(ways).wait == 0.0


def test_a_full_trunk_is_passed_over() -> None:
    calls = Counter({"one": 2})
    assert order(RouteSelector([trunk("one", max_calls=2), trunk("two")], calls)) == ["two"]
    with pytest.raises(NotDialled, match="one: it has 2 calls, its max_calls"):
        order(RouteSelector([trunk("one", max_calls=2)], calls))


def test_without_a_way_out_that_is_told() -> None:
    with pytest.raises(NotDialled, match="no trunk has a registrar or a domain"):
        order(RouteSelector([TrunkOptions("in", "peer", networks=("192.0.2.1/32",))], Counter()))
    with pytest.raises(NotDialled, match="country"):
        order(RouteSelector([trunk("one")], Counter()), number="4155550100")


@pytest.mark.parametrize(
    ("more", "uri"),
    [
        ({}, "sip:+14155550100@one.example"),
        ({"number_format": "e164"}, "sip:14155550100@one.example"),
        ({"number_format": "national"}, "sip:4155550100@one.example"),
        ({"domain": "sip:one.example:5080;transport=tcp"}, "sip:+14155550100@one.example:5080;transport=tcp"),
    ],
)
def test_the_request_uri(more: dict[str, object], uri: str) -> None:
    (attempt,) = RouteSelector([trunk("one", **more)], Counter()).attempts("+1 415 555 0100", at(0.0))
    assert str(attempt.target) == uri


def test_the_request_uri_stays_when_everything_goes_through_a_proxy() -> None:
    (attempt,) = RouteSelector([trunk("one", outbound_proxy="10.0.0.9:5070")], Counter()).attempts(NUMBER, at(0.0))
    assert str(attempt.target) == "sip:+14155550100@one.example"
    assert str(attempt.proxy) == "sip:10.0.0.9:5070"


def test_the_caller_id_is_one_of_ours_whatever_is_asked_for() -> None:
    ours = trunk("one", caller_id="+14155550111", caller_ids=("(415) 555-0122",), country="US", caller_name="Acme")
    dialling = RouteSelector([ours], Counter())

    def shown(caller_id: str = "") -> tuple[str, dict[str, str]]:
        (attempt,) = dialling.attempts(NUMBER, at(0.0), caller_id=caller_id)
        return attempt.from_, dict(attempt.fields)

    first = '"Acme" <sip:+14155550111@one.example>'
    assert shown() == (first, {"P-Asserted-Identity": first})
    assert shown("+1 415 555 0122")[0] == '"Acme" <sip:+14155550122@one.example>'
    assert shown("+49 30 901820")[0] == first, "somebody else's number is refused by every carrier"
    assert shown("nonsense")[0] == first


def test_without_a_caller_id_the_account_calls() -> None:
    registered = TrunkOptions("pbx", "register", registrar="10.0.0.5", user="agent", number_format="as_dialled")
    (attempt,) = RouteSelector([registered], Counter()).attempts("200", at(0.0))
    assert (attempt.from_, attempt.fields) == ("<sip:agent@10.0.0.5>", ())
    assert str(attempt.target) == "sip:200@10.0.0.5"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"options_every": 5}, "at least 15"),
        ({"caller_name": 'x" <sip:evil>'}, "caller_name"),
        ({"country": "XX"}, "country"),
        ({"caller_id": "555"}, "no telephone number"),
    ],
)
def test_wrong_options_are_told(more: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trunk("one", **more)


def test_a_transfer_target_is_completed_by_the_trunk() -> None:
    assert str(trunk("one", transfer_to="+1 415 555 0100").transfer_uri) == "sip:+14155550100@one.example"
    assert str(trunk("one", transfer_to="sip:200@10.0.0.5").transfer_uri) == "sip:200@10.0.0.5"
    assert str(trunk("one", transfer_to="tel:+14155550100").transfer_uri) == "sip:+14155550100@one.example"


@pytest.mark.faults("G9")
def test_a_trunk_without_a_number_calls_by_a_name_that_reaches_an_agent() -> None:
    pbx = TrunkOptions("pbx", "peer", networks=("10.0.0.0/8",), domain="pbx.local", number_format="as_dialled")
    (attempt,) = RouteSelector((pbx,), Counter()).attempts("201", lambda: 0.0)
    assert attempt.from_ == "<sip:agent@pbx.local>"
