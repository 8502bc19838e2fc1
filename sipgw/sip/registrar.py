"""A small registrar (RFC 3261 §10.3, RFC 5626 §6): the addresses of the phones of our accounts. Sans-IO.

Each request that comes here is already authenticated, and comes with its proven user.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote

from sipgw.sip.checks import ALLOW, unsupported
from sipgw.sip.dialog import Peer, is_private
from sipgw.sip.fields import FieldError, NameAddr, param
from sipgw.sip.message import Request
from sipgw.sip.uri import Uri, is_address

SHORTEST = 60
"""The shortest registration, seconds; a phone that asks for less gets this in a 423."""
LONGEST = 3600
"""The longest registration, seconds; also the default."""
MAX_BINDINGS = 10
"""Phones of one account; one more replaces the phone that expires first."""
LONGEST_CONTACT = 512
FLOW_TIMER = 30
"""Seconds in which a phone that supports flows must send a keepalive (RFC 5626 §5.4), so that NAT keeps its binding."""


class RegisterResponse(NamedTuple):
    """The response to a REGISTER."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()


Register = Callable[[Request, Peer, float], RegisterResponse]


def no_registrar(request: Request, source: Peer, now: float) -> RegisterResponse:
    """The response of an endpoint that has no accounts."""
    return RegisterResponse(405, headers=ALLOW)


@dataclass(frozen=True)
class Binding:
    """One phone of an account."""

    contact: Uri
    """The Contact of the phone."""
    peer: Peer
    """Where the phone was seen: behind NAT, or on a TCP or TLS connection, requests reach the phone only there."""
    expires: float
    """When the binding ends, in seconds on the clock of the endpoint."""
    call_id: str
    number: int
    """Call-ID and CSeq of the REGISTER that made the binding."""
    preference: float = 1.0
    """The `q` of the Contact (§20.10): higher is tried first."""
    flow: str = ""
    """The instance of the phone and the number of its flow (RFC 5626 §4.2): a later REGISTER with the same flow
    replaces this binding, even if it names another address. Empty if the phone names no flow."""

    @property
    def phone(self) -> str:
        """The name of the phone for all its flows: its instance, or the Contact of a phone that names none."""
        return self.flow.rpartition(";reg-id=")[0] or str(self.contact)

    def same(self, contact: NameAddr, flow: str) -> bool:
        """Whether a REGISTER for `contact` is about this phone."""
        return self.flow == flow if self.flow and flow else self.contact.equivalent(contact.uri)


Bindings = tuple[Binding, ...]


class Registrar:
    """The bindings of all accounts."""

    def __init__(self, foreign: Callable[[str, str], bool] = lambda user, host: False) -> None:
        """`foreign` takes a user and a host, and says whether it is a server that no Contact of the user's phones may
        name."""
        self._foreign = foreign
        self.changes = 0
        """How often the bindings have changed."""
        self._bindings: dict[str, Bindings] = {}

    def bindings(self, user: str, now: float) -> Bindings:
        """The phones of `user`, the preferred first, among equals the one that registered last."""
        live = tuple(binding for binding in self._bindings.get(user, ()) if binding.expires > now)
        return tuple(sorted(live, key=lambda one: (-one.preference, -one.expires)))

    def restore(self, user: str, binding: Binding) -> None:
        """Take back a binding of an earlier run."""
        self._bindings[user] = (*self._bindings.get(user, ()), binding)[-MAX_BINDINGS:]

    def bound(self, now: float) -> set[int]:
        """The numbers of the connections over which phones are reached."""
        return {one.peer.connection for one in self._live(now)}

    def seen_at(self, contact: Uri, now: float) -> Peer | None:
        """The address of the phone that is registered with this Contact; None if there is none."""
        return next((one.peer for one in self._live(now) if one.contact == contact), None)

    def _live(self, now: float) -> Iterator[Binding]:
        every = (one for bindings in self._bindings.values() for one in bindings)
        return (one for one in every if one.expires > now)

    def register(self, user: str, request: Request, source: Peer, now: float) -> RegisterResponse:
        """Take a REGISTER that `user` has sent from `source`; all of it is done, or nothing (§10.3)."""
        refusal = unsupported(request)
        if refusal is not None:
            return RegisterResponse(refusal.status, headers=refusal.headers)
        if not user or request.to.uri.user != user:
            return RegisterResponse(403)
        try:
            bindings = _changed(self.bindings(user, now), request, source, now)
            if any(self._leads_away(user, one) for one in bindings if one.peer == source):
                return RegisterResponse(403, "Forbidden (a Contact that is not the phone's)")
        except _Refused as refused:
            return refused.answer
        except FieldError as error:
            return RegisterResponse(400, f"Bad Request ({error})"[:80])
        self.changes += 1
        if bindings:
            self._bindings[user] = bindings
        else:
            self._bindings.pop(user, None)
        listed = (
            ("Contact", f"<{one.contact}>;expires={max(1, round(one.expires - now))};q={one.preference:g}{one.flow}")
            for one in self.bindings(user, now)
        )
        flows = (("Require", "outbound"), ("Flow-Timer", str(FLOW_TIMER)))
        kept = any(_flow(request, contact) for contact in request.contacts)
        return RegisterResponse(200, headers=(*listed, *(flows if kept else ())))

    def _leads_away(self, user: str, binding: Binding) -> bool:
        """Whether the Contact names a server, or may name one, and not the phone. A call that is sent there, e.g. by
        REFER, would reach any number that the phone has put into its Contact."""
        contact = binding.contact
        places = {_canonical(host) for host in (contact.host, contact.param("maddr")) if host}
        elsewhere = places - {_canonical(binding.peer.host)}
        called = unquote(contact.user).partition("-0x")[0]  # baresip appends its own mark: 1001-0x55da4b5b8d00
        number = called and called != user and not called[:1].isalpha()
        if number and not all(map(is_private, elsewhere)):
            return True  # the address, or a host name, may lead to a carrier
        return any(self._foreign(user, place) for place in elsewhere)


def _canonical(host: str) -> str:
    """One spelling of a host: an IPv6 address has many, and brackets in ``maddr``; a name may end by a dot."""
    host = host.lower().strip("[]").rstrip(".")
    return str(ip_address(host)) if is_address(host) else host


class _Refused(Exception):  # noqa: N818  an answer, not an error
    def __init__(self, answer: RegisterResponse) -> None:
        super().__init__(answer.status)
        self.answer = answer


def _changed(bindings: Bindings, request: Request, source: Peer, now: float) -> Bindings:
    """The bindings as `request` wants them. Raises `_Refused` and `FieldError`."""
    values = request.headers.all("contact")
    if "*" in values:
        if values != ["*"] or request.headers.get("expires") != "0":
            raise FieldError("Contact: * stands alone, with Expires: 0")
        for binding in bindings:
            _in_order(binding, request)
        return ()
    if request.contacts.malformed:
        raise FieldError(request.contacts.malformed.why)
    for contact in request.contacts:
        if contact.uri.scheme not in ("sip", "sips") or len(str(contact.uri)) > LONGEST_CONTACT:
            raise FieldError("a Contact that cannot be used")
        seconds = _seconds(contact, request)
        flow = _flow(request, contact)
        for binding in bindings:
            if binding.same(contact, flow):
                _in_order(binding, request)
        bindings = tuple(one for one in bindings if not one.same(contact, flow))
        if seconds:
            call = request.call_id, request.cseq.number
            bindings = (*bindings, Binding(contact.uri, source, now + seconds, *call, contact.preference, flow))
    # The binding that ends first is removed: phones that do not unregister leave such bindings behind.
    return tuple(sorted(bindings, key=lambda one: one.expires)[-MAX_BINDINGS:])


def _flow(request: Request, contact: NameAddr) -> str:
    """The flow that a phone names by the parameters of its Contact, as they are listed; empty if it asks for none.

    A flow leads from the phone directly to us. A proxy on the way would have to keep the flow itself (RFC 5626 §5).
    """
    instance, number = param(contact.params, "+sip.instance"), param(contact.params, "reg-id")
    usable = instance and len(instance) <= LONGEST_CONTACT
    numbered = number and number.isascii() and number.isdigit() and len(number) <= 10
    if not (usable and numbered) or "outbound" not in request.supported or not request.direct:
        return ""
    return f";+sip.instance={instance};reg-id={int(number or 0)}"


def _in_order(binding: Binding, request: Request) -> None:
    """Refuse an older REGISTER of the same phone that comes late (§10.3, step 7). Raises `_Refused`."""
    if binding.call_id == request.call_id and request.cseq.number <= binding.number:
        raise _Refused(RegisterResponse(500, "Server Internal Error (out of order)"))


def _seconds(contact: NameAddr, request: Request) -> int:
    """The seconds that are granted to a Contact; 0 removes it."""
    asked = param(contact.params, "expires") or request.headers.get("expires") or ""
    # §10.2.1.1: what cannot be read counts as the default
    seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 10 else LONGEST
    if 0 < seconds < SHORTEST:
        raise _Refused(RegisterResponse(423, headers=(("Min-Expires", str(SHORTEST)),)))
    return min(seconds, LONGEST)
