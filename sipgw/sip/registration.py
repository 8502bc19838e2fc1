"""Registering with a carrier or PBX (RFC 3261 §10.2): refresh, challenges, back-off, unregistering. Sans-IO."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sipgw.sip.auth import Authenticator, renumber
from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.digest import Credentials
from sipgw.sip.failover import Failover
from sipgw.sip.fields import delta_seconds, param
from sipgw.sip.flow import Flow
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.timers import Timer
from sipgw.sip.uri import Uri

BACKOFF = (2.0, 300.0)
"""Seconds before the second try; doubled before each further try, up to the second number."""
REFRESH = (0.50, 0.85)
"""The part of the granted time after which a registration is renewed, at random between these."""
SOONEST = 4.0
"""The least number of seconds until a renewal; a registrar that grants less has not registered us."""
LONGEST = 86_400
INSTANCE = "+sip.instance"
"""The parameter of a Contact that names the user agent (RFC 5626 §4.1)."""


class RegistrationState(Enum):
    """Where a registration stands."""

    TRYING = "trying"
    REGISTERED = "registered"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True)
class RegistrationOptions:
    """The registrar, and our account there."""

    registrar: Uri
    """The registrar; also the Request-URI."""
    user: str
    """User part of our address of record and of our Contact."""
    credentials: Credentials | None = None
    proxy: Uri | None = None
    """Where REGISTER is sent, if not to the registrar."""
    expires: int = 3600
    """Seconds asked for."""
    instance: str = ""
    """Our ``urn:uuid:``, the same after a restart, so that the registrar can replace our old registration and keep the
    flow (RFC 5626 §4.1). Empty: the registrar is not asked to."""


class _Pauses:
    """The pauses after failures: each one longer, and never shorter than the registrar asks."""

    def __init__(self) -> None:
        self.not_before = 0.0
        """No request is sent before this time: the registrar has asked for it."""
        self._failures = 0

    def over(self) -> None:
        """Note that the registration succeeded: the next pause is short again."""
        self._failures = 0

    def failed(self, now: float, at_least: float, fraction: float) -> float:
        """Note that the registration failed; returns the time of the next try, at least `at_least` seconds from now."""
        first, most = BACKOFF
        pause = min(first * 2.0**self._failures, most) * (0.75 + 0.5 * fraction)
        self._failures = min(self._failures + 1, 20)
        self.not_before = now + at_least
        return now + max(pause, at_least)


class Registration:
    """One address of record that points to us."""

    def __init__(self, clients: ClientTransactions, options: RegistrationOptions) -> None:
        self.options = options
        self.state = RegistrationState.TRYING
        self.reason = "not tried yet"
        self.changed: Callable[[], None] = lambda: None
        self._clients = clients
        self._auth = Authenticator(options.credentials, clients.environment.token)
        clients.registrars[options.credentials, options.registrar] = self._auth
        self._expires = options.expires
        self._pauses = _Pauses()
        self._timer: Timer | None = None
        self._failover: Failover | None = None
        self._flow = Flow(clients, self.moved, options.instance)
        self._request = self._first_request()

    @property
    def peer(self) -> Peer:
        """Where REGISTER goes."""
        return peer_of(self.options.proxy or self.options.registrar)

    def _first_request(self) -> Request:
        registrar = self.options.registrar
        address = f"<{Uri('sip', self.options.user, registrar.host)}>"
        fields = (
            ("Max-Forwards", "70"),
            ("From", f"{address};tag={self._clients.environment.token()}"),
            ("To", address),
            ("Call-ID", self._clients.environment.token()),
            ("CSeq", "0 REGISTER"),
        )
        target = Uri(registrar.scheme, host=registrar.host, port=registrar.port, params=registrar.params)
        return Request("REGISTER", target, headers=Headers(fields))

    def register(self, now: float) -> None:
        """Register or renew."""
        if self.state is not RegistrationState.CLOSED:
            self._wait_no_more()
            self._auth.forget_attempts()
            self._send(self._fresh(self._expires), now)

    def forgotten(self, now: float) -> None:
        """Register, because the registrar may have lost our registration, unless it asked for a pause that goes on."""
        if now >= self._pauses.not_before:
            self.register(now)

    def moved(self, now: float) -> None:
        """Register soon, because our address has changed. A registration that has failed is tried again, too."""
        if self.state in (RegistrationState.REGISTERED, RegistrationState.FAILED):
            soon = max(self._flow.renewal(now), self._pauses.not_before)
            if self._timer is None or soon < self._timer.when:
                self._wait_until(soon)

    @property
    def reached_over(self) -> Peer | None:
        """The peer over whose connection calls come."""
        return self._flow.peer

    @property
    def asked(self) -> Peer | None:
        """Where the last REGISTER went; this has a host name as long as no address of the registrar was found."""
        return self._failover.peer if self._failover else None

    @property
    def told(self) -> tuple[str, int] | None:
        """The host and port of our Contact in the last REGISTER."""
        contact = self._failover.request.contact if self._failover else None
        return (contact.uri.host, contact.uri.port or 5060) if contact else None

    def lost(self, peer: Peer, now: float) -> None:
        """Note that the connection to `peer` is gone; register soon if calls would have come over it."""
        if self._flow.leads_to(peer) and self.state is RegistrationState.REGISTERED:
            self.moved(now)

    def close(self, now: float) -> None:
        """Unregister (Expires: 0), also if a REGISTER is still waiting for its response."""
        if self.state is RegistrationState.CLOSED:
            return
        asking = self._failover is not None and self._failover.running
        was, self.state = self.state, RegistrationState.CLOSED
        self._stop()
        if was is RegistrationState.REGISTERED or asking:
            self._auth.forget_attempts()
            self._send(self._fresh(0), now)
        else:
            self._change(RegistrationState.CLOSED, "closed")

    def leave(self) -> None:
        """Leave the registration to another process at the same address."""
        self._stop()
        self._change(RegistrationState.CLOSED, "left to the next process")

    def _fresh(self, expires: int) -> Request:
        gone = ("contact", "expires", "supported", "authorization", "proxy-authorization")
        headers = self._request.headers.without(*gone)
        contact = f"<{self._clients.contact(self.peer, self.options.user)}>"
        fields = [("Contact", contact + self._flow.params), ("Expires", str(expires))]
        fields += [("Supported", "path, outbound")] if self._flow.params else []
        return Request("REGISTER", self._request.uri, headers=headers.with_(*fields))

    def _send(self, request: Request, now: float) -> None:
        sent = self._request = renumber(request)

        def answered(response: Request | Response | None, at: float) -> None:
            if self._request is sent:  # else another was sent meanwhile, and only the last one counts
                self._answered(response, at)

        self._failover = Failover.start(self._clients, sent, self.peer, answered, now, prefer=self._flow.peer)

    def _answered(self, response: Request | Response | None, now: float) -> None:
        if response is None:
            self._fail((self._failover and self._failover.failure) or "no answer from the registrar", now)
        elif isinstance(response, Response) and response.status >= 200:
            self._final(response, now)

    def _final(self, response: Response, now: float) -> None:
        moved = self._failover is not None and self._flow.answered(self._failover.peer, response)
        if response.status < 300:
            self._granted(response, now)
            if moved:  # else the registration leads to an address that is not ours any more
                self.moved(now)
            return
        retry = self._auth.retry(self._request, response, self._failover.peer.host if self._failover else "")
        if retry is not None:
            self._send(retry, now)
            return
        if self.state is not RegistrationState.CLOSED and self._flow.unwanted(response):
            self._send(self._auth.sign(self._fresh(self._expires)), now)
            return
        minimum = delta_seconds(response.headers.get("min-expires")) or 0
        if response.status == 423 and self._expires < minimum <= LONGEST:
            self._expires = minimum
            self._send(self._auth.sign(self._fresh(self._expires)), now)
            return
        reason = f"{response.status} {response.reason}"
        if response.status in (401, 407):
            reason += ": wrong user or password" if self.options.credentials else ": it wants a user and a password"
        asked = response.headers.get("retry-after") or ""
        patience = re.match(r"\d{1,6}", asked)  # it may go on with a comment (§20.33)
        self._fail(reason, now, min(float(patience[0]), BACKOFF[1]) if patience else 0.0)

    def _granted(self, response: Response, now: float) -> None:
        if self.state is RegistrationState.CLOSED:
            self._change(RegistrationState.CLOSED, "unregistered")
            return
        seconds = self._granted_seconds(response)
        if seconds < SOONEST:  # 0 removes a binding (§10.2.2); other short ones end before they are renewed
            self._fail(f"the registrar granted {seconds} s", now)
            return
        self._pauses.over()
        self._flow.granted(response, now)
        low, high = REFRESH
        if self._timer is None:  # else an early renewal was planned meanwhile
            self._wait_until(now + max(SOONEST, seconds * (low + (high - low) * self._clients.environment.fraction())))
        self._change(RegistrationState.REGISTERED, f"registered for {seconds} s")

    def _granted_seconds(self, response: Response) -> int:
        """Seconds that the registrar granted to our Contact (§10.2.4), perhaps fewer than we asked for, even none.

        Behind a NAT the registrar may list our Contact under the address that it sees. Then ours is the one with our
        instance, or else the one that was granted last, and so has the most time left.
        """
        ours = self._failover.request.contact if self._failover else None
        most, mine = LONGEST, [one for one in response.contacts if ours and _place(one.uri) == _place(ours.uri)]
        if not mine:
            instance = param(ours.params, INSTANCE) if ours else None
            named = [one for one in response.contacts if instance and param(one.params, INSTANCE) == instance]
            most, mine = self._expires, named or list(response.contacts)
        told = [seconds for one in mine if (seconds := delta_seconds(param(one.params, "expires"))) is not None]
        granted = max(told, default=response.expires)
        return min(self._expires if granted is None else granted, most)

    def _fail(self, reason: str, now: float, at_least: float = 0.0) -> None:
        if self.state is RegistrationState.CLOSED:
            self._change(RegistrationState.CLOSED, reason)
            return
        self._flow.stop()
        self._wait_until(self._pauses.failed(now, at_least, self._clients.environment.fraction()))
        self._change(RegistrationState.FAILED, reason)

    def _change(self, state: RegistrationState, reason: str) -> None:
        self.state, self.reason = state, reason
        self.changed()

    def _wait_until(self, when: float) -> None:
        """Register at `when`. The flow is kept open until then, because calls come over it."""
        self._wait_no_more()
        self._timer = self._clients.timers.at(when, self.register)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop(self) -> None:
        self._flow.stop()
        self._wait_no_more()


def _place(uri: Uri) -> tuple[str, str, int]:
    return uri.user, uri.host.lower(), uri.port or 5060
