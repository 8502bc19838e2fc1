"""Dialogs (RFC 3261 §12), and the addresses of peers."""

import ipaddress
from dataclasses import dataclass
from typing import NamedTuple

from sipgw.sip.fields import FieldError, NameAddr
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.uri import Uri, is_address


class Peer(NamedTuple):
    """Where a message goes or came from. Fields that are left open are found before sending (RFC 3263 §4)."""

    transport: str
    """``udp``, ``tcp`` or ``tls``; empty: whichever the domain prefers."""
    host: str
    """An address, or a name that has addresses."""
    port: int
    """0: the port that the domain names."""
    connection: int = 0
    """The number of an open stream; 0 for none."""
    name: str = ""
    """The name that `host` was found for; a TLS certificate must be for it."""

    @property
    def secure(self) -> bool:
        """Whether messages to the peer are encrypted on their way."""
        return self.transport == "tls"

    @property
    def completed(self) -> "Peer":
        """This peer with the defaults of RFC 3263 §4.1 and §4.2 for a transport or port that is left open."""
        transport = self.transport or "udp"
        return self._replace(transport=transport, port=self.port or DEFAULT_PORT.get(transport, 5060))


DEFAULT_PORT = {"udp": 5060, "tcp": 5060, "tls": 5061}


class DialogId(NamedTuple):
    """The identifier of a dialog on our side."""

    call_id: str
    local_tag: str
    remote_tag: str


@dataclass
class Dialog:
    """The state of one dialog; `local` and `remote` carry the tags."""

    call_id: str
    local: NameAddr
    remote: NameAddr
    target: Uri
    routes: tuple[NameAddr, ...]
    source: Peer
    """Where the first message of the other side came from, or its last one that may change the session (`follow`)."""
    local_number: int
    remote_number: int | None = None
    translated: bool = False
    """Whether the other side's messages come from another address than they state: it is behind a NAT."""
    told: str = ""
    """The host of our Contact, as the other side knows it."""
    flow: bool = False
    """Whether the other side wants our requests where its own came from (``ob`` in its Contact, RFC 5626 §4.3)."""

    @classmethod
    def of_server(cls, invite: Request, local_tag: str, source: Peer, number: int) -> "Dialog":
        """The dialog that our response to `invite` makes (§12.1.1): the route set is the Record-Route as it stands."""
        target = invite.contact.uri if invite.contact else _seen(invite, source)
        sender = invite.via.host
        named = invite.direct or bool(invite.record_routes)  # else the target is not the sender
        return cls(
            invite.call_id,
            invite.to.with_tag(local_tag),
            invite.from_,
            target,
            invite.record_routes,
            source,
            number,
            invite.cseq.number,
            translated=named and is_address(sender) and sender != source.host,
            flow=invite.direct and target.param("ob") is not None,
        )

    @classmethod
    def of_client(cls, invite: Request, response: Response, source: Peer) -> "Dialog":
        """The dialog that a response to our INVITE makes (§12.1.2): the Record-Route is turned round."""
        target = response.contact.uri if response.contact else invite.uri
        routes = tuple(reversed(response.record_routes))
        number, called = invite.cseq.number, invite.uri.host
        translated = not invite.routes and is_address(called) and called != source.host
        return cls(invite.call_id, invite.from_, response.to, target, routes, source, number, translated=translated)

    @property
    def id(self) -> DialogId:
        """The identifier of this dialog on our side."""
        return DialogId(self.call_id, self.local.tag, self.remote.tag)

    def request(self, method: str, contact: str, *, number: int | None = None) -> Request:
        """A request inside the dialog (§12.2.1.1), without Via; ACK takes the INVITE's `number`."""
        if number is None:
            self.local_number += 1
            number = self.local_number
        uri, routes = self.target, [str(route) for route in self.routes]
        if self.routes and self.routes[0].uri.param("lr") is None:
            # For a strict router (RFC 2543) the Request-URI is the router, and the target is the last Route.
            uri, routes = self.routes[0].uri, [*routes[1:], f"<{self.target}>"]
        fields = [
            *(("Route", route) for route in routes),
            ("Max-Forwards", "70"),
            ("From", str(self.local)),
            ("To", str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
            ("Contact", contact),
        ]
        return Request(method, uri, headers=Headers(tuple(fields)))

    @property
    def next_hop(self) -> Peer:
        """Where requests inside the dialog go: to the first route, else to the target. They go to `source` if the other
        side wants that (`flow`), or if it is behind NATs and the address that it names cannot be reached."""
        uri = self.routes[0].uri if self.routes else self.target
        out_of_reach = is_private(uri.host) and (self.translated or not is_private(self.source.host))
        if not uri.host or (out_of_reach and uri.host != self.source.host) or (self.flow and not self.routes):
            return self.source
        return peer_of(uri, self.source)

    def follow(self, source: Peer) -> None:
        """Note the `source` of a request of the other side that may change the session: perhaps a new connection, or
        another port of its NAT (RFC 5626 §4.3)."""
        before = self.source
        if before.name and source.transport == before.transport == "tls":
            source = source._replace(port=before.port, name=before.name)
        self.source = source._replace(name=before.name) if source.host == before.host else source

    @property
    def others(self) -> Peer | None:
        """The domain of the server `next_hop`, or None. If that server fails, the domain's others are tried (RFC 3263
        §4.3)."""
        uri = self.routes[0].uri if self.routes else self.target
        named = self.source.name and uri.host.lower() == self.source.name
        return peer_of(uri) if named else None

    def in_order(self, request: Request) -> bool:
        """Whether a request of the other side is newer than all before (§12.2.2); if so, its CSeq is noted."""
        number = request.cseq.number
        if self.remote_number is not None and number <= self.remote_number:
            return False
        self.remote_number = number
        return True


def peer_of(uri: Uri, known: Peer | None = None) -> Peer:
    """Where requests to `uri` are sent. An open connection or a known address of the same host is used again."""
    host = uri.param("maddr") or uri.host
    asked = "tls" if uri.scheme == "sips" else (uri.param("transport") or "").lower()
    if known is not None:
        if known.connection and known.host == host:
            # If it is lost by then, another is opened to the port of the URI, not to the source port.
            return known._replace(port=uri.port or DEFAULT_PORT.get(known.transport, 5060))
        same = asked in ("", known.transport) and uri.port in (None, known.port)
        if same and known.name and host.lower() in (known.name, known.host):
            return known  # one of several servers: perhaps it alone knows the dialog
    if not is_address(host):
        return Peer(asked if asked or not uri.port else "udp", host, uri.port or 0)
    asked = asked or "udp"
    # Certificates are not issued for addresses, so the certificate must be for the domain that led to the dialog.
    name = known.name if known is not None and asked == known.transport == "tls" else ""
    return Peer(asked, host, uri.port or DEFAULT_PORT.get(asked, 5060), name=name)


def reply_peer(request: Request, source: Peer) -> Peer:
    """Where a response goes (RFC 3261 §18.2.2, RFC 3581 §4): back where the request came from.

    On TCP and TLS the response takes the connection of the request. The port is used if that connection is closed, and
    another must be opened. A request whose Via cannot be read is answered at the port that it came from.
    """
    try:
        via = request.via
    except FieldError:
        return source
    by_source = source.transport == "udp" and via.rport is not None
    return source._replace(port=source.port if by_source else via.port or DEFAULT_PORT[source.transport])


def sender_of(request: Request) -> Peer:
    """Where `request` came from, as noted in its Via."""
    via = request.via
    transport = via.transport.lower()
    return Peer(transport, via.received or via.host, via.rport or via.port or DEFAULT_PORT.get(transport, 5060))


def _seen(invite: Request, source: Peer) -> Uri:
    """The target of a call whose INVITE has no usable Contact: the source of the INVITE."""
    back, who = reply_peer(invite, source), invite.from_.uri
    params = () if back.transport == "udp" else (("transport", back.transport),)
    return Uri("sip", who.user if who.host else "", back.host, back.port, params)


INNER = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),  # private (RFC 1918, RFC 4193)
    *("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10"),  # loopback and link
    "100.64.0.0/10",  # behind a carrier's NAT (RFC 6598)
)
_INNER = [ipaddress.ip_network(text) for text in INNER]


def is_private(host: str) -> bool:
    """Whether `host` is an address that can be reached only inside its own network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _INNER)
