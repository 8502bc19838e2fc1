"""Registers at the trunk, or names the reason of the failure."""

from dataclasses import replace
from typing import NamedTuple

from sipgw.config.trunks import TrunkOptions
from sipgw.sip.auth import Authenticator, renumber
from sipgw.sip.dialog import Peer
from sipgw.sip.digest import Challenge, choose
from sipgw.sip.fields import FieldError, param
from sipgw.sip.message import Headers, Request, Response
from sipgw.tools.doctor.doctor_endpoint import DoctorEndpoint, DoctorTimeouts, SipExchange
from sipgw.tools.doctor.finding import Finding, bad, good

MAX_ROUNDS = 6
"""Maximum REGISTER requests of one examination; more would not help."""
SHORT = 60
"""Seconds. A registration for a shorter time is a finding."""


class Round(NamedTuple):
    """One REGISTER request for `expires` seconds, and its answer."""

    exchange: SipExchange
    expires: int
    challenge: Challenge | None


async def register(
    asker: DoctorEndpoint, trunk: TrunkOptions, peer: Peer, patience: DoctorTimeouts
) -> tuple[list[SipExchange], list[Finding]]:
    """Register a separate Contact at `peer`, and remove it again. Returns the exchanges and the findings."""
    assert trunk.registrar_uri is not None  # noqa: S101  the caller looked
    auth = Authenticator(trunk.credentials if trunk.password else None, asker.endpoint.agent.clients.environment.token)
    expires, rounds, found = int(trunk.expires), list[Round](), list[Finding]()
    request = asker.request("REGISTER", replace(trunk.registrar_uri, user=""), trunk.user, (("Expires", str(expires)),))
    while len(rounds) < MAX_ROUNDS:
        exchange = await asker.ask(request, peer, patience.answer)
        response = exchange.response
        asked = _challenge(response)
        rounds.append(Round(exchange, expires, asked))
        if response is None:
            break
        again = auth.retry(request, response)
        least = response.headers.get("min-expires") or ""
        if again is None and response.status == 423 and least.isdigit() and expires < int(least) <= 86_400:
            evidence = f"423: asked for {expires} s, it wants at least {least} s"
            found.append(bad("register.interval", trunk.name, evidence, least=least))
            expires = int(least)
            again = auth.sign(_with_expires(request, expires))
        if again is None:
            break
        request = renumber(again)
    if rounds[-1].exchange.response is not None and rounds[-1].exchange.response.status < 300:
        await asker.ask(renumber(auth.sign(_with_expires(request, 0))), peer, patience.answer)
    return [one.exchange for one in rounds], [*found, *judge(rounds, trunk)]


def _with_expires(request: Request, seconds: int) -> Request:
    headers = request.headers.without("expires", "authorization", "proxy-authorization")
    return replace(request, headers=Headers((*headers, ("Expires", str(seconds)))))


def _challenge(response: Response | None) -> Challenge | None:
    if response is None:
        return None
    return choose([*response.headers.lines("www-authenticate"), *response.headers.lines("proxy-authenticate")])


def judge(rounds: list[Round], trunk: TrunkOptions) -> list[Finding]:
    """Findings on the answers to our REGISTER requests. Sans-IO."""
    about, last = trunk.name, rounds[-1]
    response, evidence = last.exchange.response, f"REGISTER as {trunk.user}: {last.exchange.shown}"
    if response is None:
        return [bad("register.silent", about, evidence)]
    if response.status < 300:
        return _granted(last, response, trunk)
    if response.status in (401, 407):
        return [_challenged(rounds, evidence, response, trunk)]
    proved = any(one.challenge for one in rounds[:-1])
    match response.status:
        case 403:
            return [bad("register.refused" if proved else "register.forbidden", about, evidence)]
        case 404 | 604 | 410:
            return [bad("register.unknown-user", about, evidence)]
        case 405 | 501:
            return [bad("register.unsupported", about, evidence)]
        case 423:
            return [bad("register.interval-loop", about, evidence)]
        case status if status >= 500 or status in (408, 480):
            return [bad("register.unavailable", about, evidence)]
        case _:
            return [bad("register.odd", about, evidence)]


def _challenged(rounds: list[Round], evidence: str, response: Response, trunk: TrunkOptions) -> Finding:
    """The finding on an answer that asks for a password (again): no digest that we know, no password, or a wrong
    one."""
    about, last = trunk.name, rounds[-1]
    if last.challenge is None:
        asked = ", ".join([*response.headers.lines("www-authenticate"), *response.headers.lines("proxy-authenticate")])
        return bad("register.digest", about, f"{evidence}; it asks: {_scheme(asked)}")
    if not trunk.password:
        return bad("register.no-password", about, f"{evidence}; realm {last.challenge.realm!r}")
    asked_before = [one.challenge for one in rounds if one.challenge]
    realms = list(dict.fromkeys(one.realm for one in asked_before))
    if len(realms) > 1:
        return bad("register.realm", about, f"{evidence}; realms asked for: {', '.join(realms)}")
    if len(asked_before) > 2 and all(one.stale for one in asked_before[1:]):
        return bad("register.stale-loop", about, f"{evidence}; {len(asked_before) - 1} nonces in a row called stale")
    return bad("register.wrong-password", about, f"{evidence} to the digest for realm {realms[0]!r}")


def _scheme(asked: str) -> str:
    """The challenge `asked` without its nonce."""
    pieces = [piece.strip() for piece in asked.split(",")]
    return ", ".join(piece for piece in pieces if "nonce" not in piece.lower() or " " in piece)[:120]


def _granted(last: Round, response: Response, trunk: TrunkOptions) -> list[Finding]:
    about, sent = trunk.name, last.exchange.sent
    try:
        ours, theirs = sent.contacts[0].uri, response.contacts
    except (FieldError, IndexError):
        return [bad("register.not-bound", about, "200 with a Contact that cannot be read")]
    shown = ", ".join(str(contact.uri) for contact in theirs) or "none"
    bound = [one for one in theirs if (one.uri.host.lower(), one.uri.port or 5060) == (ours.host, ours.port or 5060)]
    if not bound:
        seen = response.via.received or response.via.host
        of_user = [one for one in theirs if one.uri.user == ours.user]
        if any(one.uri.host == seen for one in of_user):
            return [
                good("register.ok", about, f"200; the registrar put the address that it sees into Contact: {shown}")
            ]
        evidence = f"200, but the gateway's Contact {ours} is not among its bindings: {shown}"
        return [bad("alg.contact" if len(of_user) == 1 else "register.not-bound", about, evidence)]
    seconds = param(bound[0].params, "expires") or response.headers.get("expires") or str(last.expires)
    found = [good("register.ok", about, f"200; bound for {seconds} s, bindings there: {len(theirs)}")]
    if seconds.isdigit() and int(seconds) < SHORT:
        found.append(bad("register.short", about, f"granted {seconds} s of {last.expires} s asked"))
    return found
