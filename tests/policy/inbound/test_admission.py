"""Who may come in: the door of the gateway on virtual time, with real messages."""

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipgw.config.inbound import AccountOptions, AdmissionOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import ACCOUNTS_TRUNK, Admission
from sipgw.sip.checks import Refusal
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Credentials, authorize, choose
from sipgw.sip.message import Request
from sipgw.sip.parse import ParseError, parse_message
from sipgw.trunks.trunks import LOCAL_TRUNK

CARRIER, PHONE, PBX, STRANGER = "198.51.100.1", "192.168.1.20", "10.0.0.5", "203.0.113.66"
TRUNK = TrunkOptions("carrier", "peer", networks=("198.51.100.0/24",), max_calls=3)
OFFICE = TrunkOptions("office", "peer", networks=("10.0.0.5/32",), proof="digest")
ANNA = AccountOptions("anna", "annas password")
BUREAU = AccountOptions("bureau", "bureaus password", trunk="office", networks=("10.9.9.9/32",))


def door(*trunks: TrunkOptions, accounts: tuple[AccountOptions, ...] = (), **limits: float | str) -> Admission:
    tokens = count(1)
    return Admission(AdmissionOptions(**limits), trunks, accounts, b"k" * 32, lambda: f"t{next(tokens)}")  # type: ignore[arg-type]


def message(method: str = "INVITE", more: tuple[tuple[str, str], ...] = ()) -> Request:
    lines = "".join(f"{name}: {value}\r\n" for name, value in more)
    text = (
        f"{method} sip:agent@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKx\r\nFrom: <sip:anna@x>;tag=1\r\n"
        f"To: <sip:anna@x>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{lines}Content-Length: 0\r\n\r\n"
    )
    parsed = parse_message(text.encode())
    assert isinstance(parsed, Request)
    return parsed


def ask(
    admission: Admission, host: str, method: str = "INVITE", now: float = 0.0, request: Request | None = None
) -> int | None:
    """What a request is answered with: None for welcome, 0 for nothing at all."""
    refusal = admission.judge(request or message(method), Peer("udp", host, 5060), now)
    return refusal.status if refusal else None


def with_password(
    admission: Admission, host: str, user: str, password: str, method: str = "INVITE", now: float = 0.0
) -> tuple[int | None, Request]:
    """Be challenged and answer."""
    challenged = admission.judge(message(method), Peer("udp", host, 5060), now)
    assert challenged == Refusal(401, headers=challenged.headers if challenged else ())
    best = choose(value for name, value in challenged.headers if name == "WWW-Authenticate")
    assert best is not None
    value = authorize(best, Credentials(user, password), method, "sip:agent@10.0.0.2", cnonce="c")
    request = message(method, (("Authorization", value),))
    return ask(admission, host, method, now, request), request


def test_without_configuration_private_networks_come_in_and_nobody_else_gets_an_answer() -> None:
    admission = door()
    assert ask(admission, PHONE) is None
    assert ask(admission, STRANGER) == 0
    assert admission.trunk_of(message(), Peer("udp", PHONE, 5060)) is LOCAL_TRUNK


def test_a_carrier_comes_in_by_its_network() -> None:
    admission = door(TRUNK, accounts=(ANNA,))
    assert ask(admission, CARRIER) is None
    assert admission.trunk_of(message(), Peer("udp", CARRIER, 5060)) is TRUNK


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE", "MESSAGE", "FROB"])
def test_a_phone_is_challenged_and_a_stranger_is_not_even_that(method: str) -> None:
    admission = door(TRUNK, accounts=(ANNA,))
    assert ask(admission, PHONE, method) == 401
    assert ask(admission, STRANGER, method) == 0


def test_what_cannot_be_challenged_is_dropped() -> None:
    assert ask(door(TRUNK, accounts=(ANNA,)), PHONE, "CANCEL") == 0


def test_with_accounts_and_no_trunks_private_networks_are_not_open_any_more() -> None:
    assert ask(door(accounts=(ANNA,)), PHONE) == 401


def test_the_right_password_opens_for_calls_and_registering() -> None:
    admission = door(TRUNK, accounts=(ANNA,))
    for method in ("INVITE", "REGISTER"):
        status, request = with_password(admission, PHONE, "anna", ANNA.password, method)
        assert status is None
        assert admission.user(request) == "anna"
        assert admission.trunk_of(request, Peer("udp", PHONE, 5060)) is ACCOUNTS_TRUNK


@pytest.mark.parametrize(("user", "password"), [("anna", "wrong password"), ("nobody", "annas password")])
def test_wrong_and_unknown_are_challenged_again_alike(user: str, password: str) -> None:
    status, _ = with_password(door(accounts=(ANNA,)), PHONE, user, password)
    assert status == 401


def test_both_network_and_password() -> None:
    """`proof = "digest"` on a trunk: its address alone is not enough, and its password elsewhere neither."""
    admission = door(OFFICE, accounts=(ANNA, BUREAU))
    status, request = with_password(admission, PBX, "bureau", BUREAU.password)
    assert status is None
    assert admission.trunk_of(request, Peer("udp", PBX, 5060)) is OFFICE
    status, _ = with_password(admission, PHONE, "bureau", BUREAU.password)
    assert status == 401, "right password, wrong place: told like a wrong password"


def test_registering_always_takes_a_password() -> None:
    """A binding diverts somebody's calls; coming from a trusted network is not enough for that."""
    wide = TrunkOptions("lan", "peer", networks=("192.168.0.0/16",))
    admission = door(wide, accounts=(ANNA,))
    assert ask(admission, PHONE) is None
    assert ask(admission, PHONE, "REGISTER") == 401
    assert ask(door(TRUNK, accounts=(ANNA,)), CARRIER, "REGISTER") == 403, (
        "a trunk without accounts has nothing to register"
    )


def test_guessing_passwords_ends_in_silence_and_not_for_the_neighbour() -> None:
    admission = door(accounts=(ANNA,), failures_per_minute=5)
    for _ in range(5):
        assert with_password(admission, PHONE, "anna", "wrong password")[0] == 401
    assert ask(admission, PHONE) == 0, "not even a challenge"
    assert ask(admission, "192.168.1.21") == 401
    assert ask(admission, PHONE, now=12.0) == 401, "one more try after its time"


def test_nobody_is_locked_out_by_somebody_who_pretends_to_be_them() -> None:
    """Datagrams with a false source address: who sends them never sees a nonce, so their failures do not count."""
    admission = door(accounts=(ANNA,), failures_per_minute=5)
    elsewhere = admission.judge(message(), Peer("udp", "192.168.1.66", 5060), 0.0)
    assert elsewhere is not None
    theirs = choose(value for _, value in elsewhere.headers)
    assert theirs is not None
    value = authorize(theirs, Credentials("anna", "guess"), "INVITE", "sip:agent@10.0.0.2", cnonce="c")
    for _ in range(50):
        assert ask(admission, PHONE, request=message(more=(("Authorization", value),))) == 401
    assert with_password(admission, PHONE, "anna", ANNA.password)[0] is None


def test_guessing_with_right_answers_between_is_not_faster() -> None:
    """From behind one address: who knows one password may not guess another one more quickly."""
    admission = door(accounts=(ANNA, AccountOptions("bob", "bobs password")), failures_per_minute=5)
    assert with_password(admission, PHONE, "anna", ANNA.password)[0] is None
    statuses = []
    for _ in range(8):
        challenged = admission.judge(message(), Peer("udp", PHONE, 5060), 0.0)
        assert challenged is not None
        best = choose(value for _, value in challenged.headers)
        assert best is not None
        value = authorize(best, Credentials("bob", "guess"), "INVITE", "sip:agent@10.0.0.2", cnonce="c")
        statuses.append(ask(admission, PHONE, request=message(more=(("Authorization", value),))))
    assert statuses == [401] * 5 + [0] * 3
    assert with_password(admission, PHONE, "anna", ANNA.password)[0] is None, "her phone goes on ringing"


def test_overload_and_draining_are_told_with_503_and_a_time() -> None:
    admission = door(TRUNK)
    admission.capacity.calls["carrier"] = 3
    refusal = admission.judge(message(), Peer("udp", CARRIER, 5060), 0.0)
    assert refusal is not None
    assert (refusal.status, dict(refusal.headers)) == (503, {"Retry-After": "5"})
    admission.capacity.calls["carrier"] = 0
    assert ask(admission, CARRIER) is None
    admission.capacity.draining = True
    assert ask(admission, CARRIER) == 503
    assert ask(admission, CARRIER, "OPTIONS") == 503, "a carrier that asks for our health sends its calls elsewhere"
    assert ask(admission, CARRIER, "NOTIFY") is None


def test_the_whole_gateway_has_a_limit_too() -> None:
    admission = door(TRUNK, OFFICE, accounts=(BUREAU,), max_calls=2)
    admission.capacity.calls.update({"office": 2})
    assert ask(admission, CARRIER) == 503


def test_a_trunk_that_runs_wild_is_told_503() -> None:
    admission = door(TRUNK, calls_per_second=10)
    statuses = [ask(admission, CARRIER) for _ in range(50)]
    assert statuses == [None] * 40 + [503] * 10
    assert ask(admission, CARRIER, now=1.0) is None


def test_calls_that_replace_others_need_no_place_but_keep_to_the_rate() -> None:
    """Each takes a transaction, whether or not what it names is there."""
    admission = door(TRUNK, calls_per_second=10, max_calls=1)
    admission.capacity.calls.update({TRUNK.name: 1})
    replacing = message(more=(("Replaces", "other;to-tag=1;from-tag=2"),))
    statuses = [ask(admission, CARRIER, request=replacing) for _ in range(50)]
    assert statuses == [None] * 40 + [503] * 10


@pytest.mark.slow
def test_a_flood_of_strangers_is_not_read_and_touches_no_trunk() -> None:
    """5,000 datagrams a second from one address, then from everywhere: a hundred seconds of it."""
    admission = door(TRUNK, accounts=(AccountOptions("anna", "annas password", networks=("0.0.0.0/0",)),))
    for second in range(50):
        read = sum(admission.screen(STRANGER, second + n / 5000) for n in range(5000))
        assert read <= 120
        assert admission.screen(CARRIER, second + 1.0)
    for second in range(50, 100):
        hosts = (f"203.{n % 200}.{n // 200}.{second}" for n in range(5000))
        read = sum(admission.screen(host, second + n / 5000) for n, host in enumerate(hosts))
        assert read <= 400
        assert admission.screen(CARRIER, second + 1.0)
        assert ask(admission, CARRIER, now=second + 1.0) is None


def test_a_phone_that_has_proven_itself_is_not_a_stranger_in_a_flood() -> None:
    anywhere = AccountOptions("anna", "annas password", networks=("0.0.0.0/0",))
    admission = door(accounts=(anywhere,), strangers_per_second=10)
    assert with_password(admission, "203.0.113.9", "anna", ANNA.password)[0] is None
    for n in range(1000):
        admission.screen(f"198.18.{n // 250}.{n % 250}", 0.0)
    assert not admission.screen("203.0.113.10", 0.0)
    assert admission.screen("203.0.113.9", 0.0)


def test_whom_we_have_asked_is_heard_in_a_flood() -> None:
    """The answers to our calls may come from addresses that no trunk names."""
    admission = door(TRUNK, strangers_per_second=10)
    admission.met("203.0.113.9")
    admission.met("proxy.example")  # a name is none
    for n in range(1000):
        admission.screen(f"198.18.{n // 250}.{n % 250}", 0.0)
    assert admission.screen("203.0.113.9", 0.0)
    assert not admission.screen("203.0.113.10", 0.0)
    assert ask(admission, "203.0.113.9") == 0, "heard, but it may not call"
    for n in range(5000):
        admission.met(f"198.18.{n // 250}.{n % 250}")
    assert len(admission._met) <= 1000


@pytest.mark.slow
def test_nothing_grows_with_what_strangers_send() -> None:
    admission = door(TRUNK, accounts=(AccountOptions("anna", "annas password", networks=("203.0.0.0/16",)),))
    for n in range(20_000):
        host = f"{200 + n % 5}.0.{n // 250 % 250}.{n % 250}"
        admission.screen(host, n / 1000)
        ask(admission, host, now=n / 1000)
    assert len(admission._told._strangers) <= 100
    assert len(admission.refusals.strangers) <= 20
    assert not admission._proven
    assert not admission._challenger._counts
    assert len(admission._phones._found) <= 4096
    assert len(admission.trunks._networks._found) <= 4096


def test_an_ipv6_source_is_its_network() -> None:
    """Whoever has one /64 has 2^64 addresses to guess from."""
    anywhere = AccountOptions("anna", "annas password", networks=("::/0",))
    admission = door(accounts=(anywhere,), failures_per_minute=2)
    for last in ("1", "2"):
        assert with_password(admission, f"2001:db8::{last}", "anna", "wrong password")[0] == 401
    assert ask(admission, "2001:db8::3") == 0
    assert ask(admission, "2001:db8:0:1::3") == 401


TORTURE = sorted((Path(__file__).parents[2] / "data" / "rfc4475").glob("*.dat"))


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_no_message_breaks_the_door(path: Path) -> None:
    """What can be read of broken ones is judged too, because it may be answered."""
    admission = door(accounts=(ANNA,))
    try:
        read = parse_message(path.read_bytes())
    except ParseError as error:
        read = error.message  # type: ignore[assignment]
    if isinstance(read, Request):
        assert ask(admission, PHONE, request=read) in (0, 401)
        assert ask(admission, STRANGER, request=read) == 0


@given(st.text(max_size=300), st.sampled_from(["INVITE", "REGISTER", "CANCEL"]))
def test_no_authorization_breaks_it(value: str, method: str) -> None:
    admission = door(accounts=(ANNA,))
    cleaned = "".join(char for char in value if char not in "\r\n")
    for text in (f"Digest {cleaned}", f'Digest realm="sipgw", {cleaned}', cleaned):
        try:
            request = message(method, (("Authorization", text),))
        except ParseError:
            continue
        assert ask(admission, PHONE, request=request) in (0, 401)


def test_a_gateway_that_is_late_takes_no_other_call_until_it_has_recovered() -> None:
    admission, delays = door(TRUNK, delay_limit=0.2), [0.0]
    admission.capacity.delay = lambda: delays[0]
    admission.capacity.calls[TRUNK.name] = 1
    assert ask(admission, CARRIER) is None
    delays[0] = 0.3
    assert ask(admission, CARRIER, now=1.0) == 503
    assert "overloaded: sound was 0.3 s late, [admission] delay_limit" in admission.refusals.last[TRUNK.name].why
    assert ask(admission, CARRIER, "OPTIONS", now=1.0) is None, "it is there; whoever asks must not give it up"
    delays[0] = 0.1
    assert ask(admission, CARRIER, now=5.9) == 503, "calls that came in at once are heard a moment after"
    assert ask(admission, CARRIER, now=6.1) is None
    delays[0] = 0.3
    assert ask(admission, CARRIER, now=7.0) == 503
    admission.capacity.calls[TRUNK.name] = 0
    assert ask(admission, CARRIER, now=8.0) is None, "one who is served slowly is better off than one who is not"


def test_a_gateway_without_headroom_takes_no_other_call() -> None:
    admission = door(TRUNK, max_calls="auto")
    admission.capacity.calls[TRUNK.name] = 2
    for _ in range(60):
        admission.capacity.headroom.take(2, {"gateway": 0.5, "media 1": 0.94}, 1.0)
    assert ask(admission, CARRIER) == 503
    why = "the gateway has no headroom for another call: media 1 is busy 94% of the time"
    assert admission.refusals.last[TRUNK.name].why == why
    assert ask(admission, CARRIER, "OPTIONS") is None, "it is there; whoever asks must not give it up"
    for _ in range(60):
        admission.capacity.headroom.take(2, {"gateway": 0.2, "media 1": 0.2}, 1.0)
    assert ask(admission, CARRIER) is None


def test_a_number_in_the_configuration_is_in_the_place_of_the_headroom() -> None:
    admission = door(TRUNK, max_calls=3)
    admission.capacity.calls[TRUNK.name] = 2
    for _ in range(60):
        admission.capacity.headroom.take(2, {"gateway": 1.0}, 1.0)
    assert ask(admission, CARRIER) is None
    admission = door(TRUNK, max_calls="auto")
    for _ in range(60):
        admission.capacity.headroom.take(2, {"gateway": 1.0}, 1.0)
    assert ask(admission, CARRIER) is None, "one who is served slowly is better off than one who is not"


def test_no_password_shows() -> None:
    assert "annas" not in repr(ANNA)


def test_who_was_turned_away_is_remembered_with_the_reason() -> None:
    admission = door(TRUNK, max_calls=1)
    admission.capacity.calls[TRUNK.name] = 1
    assert ask(admission, CARRIER, now=5.0) == 503
    assert ask(admission, STRANGER, now=6.0) == 0
    assert admission.refusals.last[TRUNK.name] == (
        5.0, CARRIER, "INVITE", 503, "the gateway has 1 calls, [admission] max_calls", "1",
    )  # fmt: skip
    assert list(admission.refusals.calls) == ["1"], "its page tells why; those of strangers need no memory"
    assert [refused.address for refused in admission.refusals.strangers] == [STRANGER]
