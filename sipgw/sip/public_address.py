"""Our public address as others see it: reports of registrars (RFC 3581) and of a STUN server. Sans-IO."""

from sipgw.sip.dialog import Peer, is_private

MAX_KEPT = 1000
"""What observers told, each also by transport; of others on the Internet it still counts for all of it."""

Seen = tuple[str, int]
"""An address and a port; port 0 where only the address is known to hold."""


class PublicAddress:
    """A report counts for its observer; one from the Internet counts for all of the Internet."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], Seen] = {}
        self._public: dict[bool, Seen] = {}
        self.full = 0
        """How often an observer found no place."""

    def learn(self, observer: Peer | None, host: str, port: int) -> None:
        """`observer`, or a STUN server (None), sees us at this address. From the Internet a private one is ignored."""
        if is_private(host) and (observer is None or not is_private(observer.host)):
            return
        # The port of a connection holds for that connection alone.
        elsewhere = (host, port if observer is None or observer.transport == "udp" else 0)
        if observer is not None:
            self._keep(("", observer.host), elsewhere)
            self._keep((observer.transport, observer.host), (host, port))
        if observer is None or not is_private(observer.host):
            self._public[":" in host] = elsewhere

    def _keep(self, observer: tuple[str, str], seen: Seen) -> None:
        if observer in self._by or len(self._by) < MAX_KEPT:
            self._by[observer] = seen
        else:
            self.full += 1

    def address(self, peer: Peer) -> Seen | None:
        """The address at which `peer` sees us, or None; for a host name the IPv4 address."""
        seen = self._by.get((peer.transport, peer.host)) or self._by.get(("", peer.host))
        return seen if seen or is_private(peer.host) else self._public.get(":" in peer.host)
