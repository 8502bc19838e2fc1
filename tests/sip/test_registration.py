"""Registering (RFC 3261 §10.2) with a registrar that checks every digest, in the ways real ones are different."""

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sipgw.sip.digest import Challenge, Credentials, verify
from sipgw.sip.message import Request, response_to
from sipgw.sip.registration import SOONEST, Registration, RegistrationOptions, RegistrationState
from sipgw.sip.uri import Uri
from tests.sip.wire import Wire

US, REGISTRAR = "10.0.0.1", "10.0.0.5"
CREDENTIALS = Credentials("agent", "s3cret")


@dataclass
class StrictRegistrar:
    """A registrar played on the wire; `opaque` names the node that issued the nonce, as Telnyx does."""

    wire: Wire
    algorithms: tuple[str, ...] = ("MD5",)
    qop: tuple[str, ...] = ("auth",)
    status: int = 401
    grant: int = 3600
    minimum: int = 0
    stale_once: bool = False
    silent_for: int = 0
    password: str = "s3cret"
    requests: list[Request] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)
    accepted: list[tuple[float, str]] = field(default_factory=list)
    nonces: int = 0

    def __post_init__(self) -> None:
        agent = self.wire.parties[REGISTRAR].agent
        agent.receive = self.receive  # type: ignore[method-assign]

    def receive(self, data: bytes, source, now: float) -> None:
        from sipgw.sip.parse import parse_message

        request = parse_message(data)
        assert isinstance(request, Request)
        self.requests.append(request)
        if len(self.requests) <= self.silent_for:
            return
        assert request.method == "REGISTER"
        assert request.from_.uri == request.to.uri
        assert len(request.contacts) == 1
        status, headers = self.judge(request)
        self.wire.send(response_to(request, status, to_tag="r", headers=headers).to_bytes(), REGISTRAR, US)

    def judge(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        asked, given = (
            ("WWW-Authenticate", "authorization")
            if self.status == 401
            else ("Proxy-Authenticate", "proxy-authorization")
        )
        for value in request.headers.lines(given):
            for challenge in self.challenges():
                if verify(value, challenge, Credentials("agent", self.password), "REGISTER"):
                    count = re.findall(r"nc=(\w+)", value) or [value if challenge.qop else str(len(self.used))]
                    assert (challenge.nonce, count[0]) not in self.used, "nonce count replayed"
                    self.used.add((challenge.nonce, count[0]))
                    return self.register(request)
        if request.headers.lines(given) and self.stale_once:
            self.stale_once = False
            self.nonces += 1
            return self.status, [(asked, self.header(challenge, stale=True)) for challenge in self.challenges()]
        return self.status, [(asked, self.header(challenge)) for challenge in self.challenges()]

    def challenges(self) -> list[Challenge]:
        nonce = hashlib.sha256(str(self.nonces).encode()).hexdigest()
        return [Challenge("example", nonce, algorithm, self.qop, "node-7") for algorithm in self.algorithms]

    def header(self, challenge: Challenge, *, stale: bool = False) -> str:
        qop = f', qop="{",".join(challenge.qop)}"' if challenge.qop else ""
        return (
            f'Digest realm="{challenge.realm}", nonce="{challenge.nonce}", algorithm={challenge.algorithm}, '
            f'opaque="{challenge.opaque}"{qop}{", stale=true" if stale else ""}'
        )

    def register(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        wanted = int(request.headers.get("expires") or 0)
        if 0 < wanted < self.minimum:
            return 423, [("Min-Expires", str(self.minimum))]
        granted = min(wanted, max(self.grant, self.minimum))
        self.accepted.append((self.wire.now - 1000, str(granted)))
        return 200, [("Contact", f"{request.contact};expires={granted}")]


def register(
    change: Callable[[StrictRegistrar], None] = lambda one: None,
    seconds: float = 5,
    expires: int = 3600,
    instance: str = "",
):
    wire = Wire(US, REGISTRAR)
    registrar = StrictRegistrar(wire)
    change(registrar)
    options = RegistrationOptions(
        Uri.parse(f"sip:{REGISTRAR}"), "agent", CREDENTIALS, expires=expires, instance=instance
    )
    registration = Registration(wire.parties[US].agent.clients, options)
    registration.register(wire.now)
    wire.run(seconds)
    return wire, registrar, registration


def setting(**values: object) -> Callable[[StrictRegistrar], None]:
    def change(registrar: StrictRegistrar) -> None:
        for name, value in values.items():
            setattr(registrar, name, value)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(setting(qop=()), id="MD5 without qop"),
        pytest.param(setting(), id="MD5 qop=auth"),
        pytest.param(setting(qop=("auth", "auth-int")), id="auth and auth-int"),
        pytest.param(setting(qop=("auth-int",)), id="auth-int only"),
        pytest.param(setting(algorithms=("SHA-256",)), id="SHA-256 only"),
        pytest.param(setting(algorithms=("MD5", "SHA-256")), id="SHA-256 and MD5"),
        pytest.param(setting(algorithms=("MD5-sess",)), id="MD5-sess"),
        pytest.param(setting(status=407), id="407"),
        pytest.param(setting(stale_once=True), id="stale"),
        pytest.param(setting(minimum=7200), id="423"),
        pytest.param(setting(silent_for=2), id="two lost"),
    ],
)
def test_every_way_of_registering_succeeds(change: Callable[[StrictRegistrar], None]) -> None:
    _, registrar, registration = register(change)
    assert registration.state is RegistrationState.REGISTERED
    assert len({request.call_id for request in registrar.requests}) == 1
    numbers = [request.cseq.number for request in registrar.requests]
    assert numbers == sorted(numbers)


def test_the_stronger_algorithm_is_chosen() -> None:
    _, registrar, _ = register(setting(algorithms=("MD5", "SHA-256")))
    assert "algorithm=SHA-256" in (registrar.requests[-1].headers.get("authorization") or "")


def test_lost_requests_are_resent_by_timer_e() -> None:
    _, registrar, _ = register(setting(silent_for=2))
    branches = [request.via.branch for request in registrar.requests[:3]]
    assert len(set(branches)) == 1


def test_a_short_grant_is_renewed_in_time_for_ever() -> None:
    wire, registrar, registration = register(setting(grant=8), seconds=60)
    times = [at for at, _ in registrar.accepted]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(gaps) >= 7
    assert all(4.0 <= gap <= 6.9 for gap in gaps), gaps
    assert registration.state is RegistrationState.REGISTERED
    del wire


@pytest.mark.faults("B5")
@pytest.mark.parametrize("seconds", [0, 1, 3])
def test_a_registrar_that_grants_next_to_nothing_has_not_registered_us(seconds: int) -> None:
    """What it grants would have lapsed before it is renewed."""
    wire, registrar, registration = register(setting(grant=seconds), seconds=60)
    assert registration.state is RegistrationState.FAILED
    assert registration.reason == f"the registrar granted {seconds} s"
    assert 2 <= len(registrar.accepted) <= 7, "asked ever more slowly"
    registrar.grant = 600
    wire.run(300)
    assert registration.state is RegistrationState.REGISTERED  # type: ignore[comparison-overlap]


@pytest.mark.faults("B5")
@pytest.mark.parametrize("header", ["0", "1"])
def test_a_registrar_that_grants_next_to_nothing_is_not_asked_all_the_time(header: str) -> None:
    def change(registrar: StrictRegistrar) -> None:
        registrar.register = lambda request: (200, [("Expires", header)])  # type: ignore[method-assign]

    _, registrar, registration = register(change, seconds=60)
    assert len(registrar.requests) / 2 <= 60 / SOONEST + 1, "each is challenged"
    assert registration.state is RegistrationState.FAILED


def test_a_wrong_password_is_told_and_retried_ever_more_slowly() -> None:
    _, registrar, registration = register(setting(password="other"), seconds=600)
    assert registration.state is RegistrationState.FAILED
    assert "wrong user or password" in registration.reason
    assert "s3cret" not in registration.reason
    assert 6 <= len(registrar.requests) / 2 <= 14, "each attempt answers one challenge, then backs off"


@pytest.mark.parametrize(("asked", "gap"), [("120", 120), ("90 (maintenance)", 90), ("999999", 300), ("soon", 1.5)])
def test_a_registrar_that_asks_for_patience_gets_it(asked: str, gap: float) -> None:
    def change(registrar: StrictRegistrar) -> None:
        registrar.judge = lambda request: (503, [("Retry-After", asked)])  # type: ignore[method-assign]

    _, registrar, registration = register(change, seconds=gap - 0.5)
    assert len(registrar.requests) == 1
    assert registration.state is RegistrationState.FAILED
    _, registrar, _ = register(change, seconds=gap + 5)
    assert len(registrar.requests) >= 2


@pytest.mark.faults("G8")
def test_a_registrar_that_is_back_is_not_asked_before_the_time_that_it_has_named() -> None:
    def change(registrar: StrictRegistrar) -> None:
        registrar.judge = lambda request: (503, [("Retry-After", "120")])  # type: ignore[method-assign]

    wire, registrar, registration = register(change, seconds=60)
    registration.forgotten(wire.now)
    wire.run(50)
    assert len(registrar.requests) == 1
    wire.run(20)
    assert len(registrar.requests) == 2, "its own time has come"
    del registrar.judge
    wire.run(130)
    assert registration.state is RegistrationState.REGISTERED
    before = len(registrar.requests)
    registration.forgotten(wire.now)
    wire.run(2)
    assert len(registrar.requests) > before, "one that named no time is asked at once"


def test_a_dead_registrar_is_told() -> None:
    _, _, registration = register(setting(silent_for=10_000), seconds=40)
    assert registration.state is RegistrationState.FAILED
    assert "no answer" in registration.reason


def test_it_recovers_when_the_registrar_comes_back() -> None:
    _, _, registration = register(setting(silent_for=12), seconds=200)
    assert registration.state is RegistrationState.REGISTERED


def test_closing_takes_the_registration_back() -> None:
    wire, registrar, registration = register()
    registration.close(wire.now)
    wire.run(2)
    assert registration.state is RegistrationState.CLOSED
    assert registrar.requests[-1].headers.get("expires") == "0"
    assert registrar.accepted[-1][1] == "0"
    sent = len(registrar.requests)
    wire.run(5000)
    assert len(registrar.requests) == sent
    assert wire.parties[US].agent.open == 0


def test_closing_while_the_registrar_thinks_takes_back_what_it_may_grant() -> None:
    wire, registrar, registration = register(seconds=0.025)  # the challenge was answered, the grant is on its way
    assert registration.state is RegistrationState.TRYING
    registration.close(wire.now)
    wire.run(2)
    assert registrar.accepted[-1][1] == "0"
    assert (registration.state, registration.reason) == (RegistrationState.CLOSED, "unregistered")


def test_a_registrar_that_lists_other_phones_too_grants_ours() -> None:
    """§10.2.4: every binding of the address of record is listed, each with its own time."""

    def change(registrar: StrictRegistrar) -> None:
        grant = registrar.register

        def listing(request: Request) -> tuple[int, list[tuple[str, str]]]:
            status, headers = grant(request)
            others = ("Contact", "<sip:agent@10.0.0.77>;expires=20")
            return status, [others, *headers, ("Expires", "77")]

        registrar.register = listing  # type: ignore[method-assign]
        registrar.grant = 600

    _, _, registration = register(change)
    assert registration.reason == "registered for 600 s"


@pytest.mark.parametrize(
    ("instance", "listed"),
    [
        pytest.param("", ["<sip:agent@203.0.113.9:41234;transport=tcp>;expires=60"], id="alone"),
        pytest.param("", ["<sip:agent@203.0.113.7>;expires=20", "<sip:agent@203.0.113.9>;expires=60"], id="the newest"),
        pytest.param(
            "urn:uuid:1",
            ['<sip:agent@203.0.113.9>;+sip.instance="<urn:uuid:1>";expires=60', "<sip:agent@203.0.113.7>;expires=900"],
            id="by its instance",
        ),
    ],
)
def test_a_registrar_that_lists_us_at_our_public_address_is_asked_again_in_time(
    instance: str, listed: list[str]
) -> None:
    """A PBX keeps the address that it sees behind a NAT; what it grants there is what it has granted to us."""

    def change(registrar: StrictRegistrar) -> None:
        registrar.register = lambda request: (200, [("Contact", one) for one in listed])  # type: ignore[method-assign]

    _, _, registration = register(change, instance=instance)
    assert registration.reason == "registered for 60 s"
