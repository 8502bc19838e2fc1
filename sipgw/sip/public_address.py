"""Our public address as others see it: reports of registrars (RFC 3581) and of a STUN server. Sans-IO."""

import ipaddress
from typing import NamedTuple

from sipgw.sip.dialog import Peer, is_private

MAX_KEPT = 1000
"""Most reports of observers that are kept; an observer has one for each transport, and one for all of them together."""

MAX_UPLINKS = 16
"""Addresses of ours for which a report for all of the Internet is kept. If there are more, the oldest is forgotten."""

DOUBTS = 4
"""Reports of other observers that do not change the address that counts for all of the Internet. With two uplinks it
would otherwise change with each registration, and so would the calls."""

Seen = tuple[str, int]
"""An address and a port; port 0 where only the address is known to hold."""


class _Report(NamedTuple):
    seen: Seen
    local: str
    """Our own address at that time. If it has changed, another NAT may be on the way, and the report does not count."""

    def now(self, local: str) -> Seen | None:
        return self.seen if local in ("", self.local) else None


class _Shared(NamedTuple):
    """The report that counts for all of the Internet."""

    report: _Report
    by: str
    """The host of its observer; empty for a STUN server."""
    doubts: int
    """How many reports of other observers have told another address since."""


class PublicAddress:
    """Reports of our public address. Each counts for its observer, and a report from the Internet counts for all of the
    Internet, as long as our own address stays the same."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str], _Report] = {}
        self._public: dict[tuple[bool, str], _Shared] = {}
        """By whether the report is of IPv6, and by our own address: each of several uplinks has a report of its own."""
        self.full = 0
        """How often a report found no place, or took the place of an older one."""

    def learn(self, observer: Peer | None, host: str, port: int, local: str = "") -> None:
        """Note that `observer`, or a STUN server (None), sees us at this address. A private address is ignored if it
        comes from the Internet, and so is an address that no machine can have.

        `local` is our own address on the way there; empty if it is not known.
        """
        if not _may_be_ours(host) or (is_private(host) and (observer is None or not is_private(observer.host))):
            return
        # The port of a TCP or TLS connection counts for this connection alone.
        elsewhere = _Report((host, port if observer is None or observer.transport == "udp" else 0), local)
        if observer is not None:
            self._keep(("", observer.host), elsewhere)
            self._keep((observer.transport, observer.host), _Report((host, port), local))
        if observer is None or not is_private(observer.host):
            self._share(elsewhere, observer.host if observer else "")

    def _keep(self, observer: tuple[str, str], report: _Report) -> None:
        if observer in self._by or len(self._by) < MAX_KEPT:
            self._by[observer] = report
        else:
            self.full += 1

    def _share(self, report: _Report, by: str) -> None:
        key = (":" in report.seen[0], report.local)
        shared = self._public.get(key)
        if shared is not None and by not in ("", shared.by):
            if report.seen[0] == shared.report.seen[0]:
                return
            if shared.doubts < DOUBTS:
                self._public[key] = shared._replace(doubts=shared.doubts + 1)
                return
        self._public.pop(key, None)  # the newest stands last
        self._public[key] = _Shared(report, by, 0)
        if len(self._public) > MAX_UPLINKS:
            self.full += 1
            del self._public[next(iter(self._public))]

    def address(self, peer: Peer, local: str = "") -> Seen | None:
        """The address at which `peer` sees us, or None; for a host name the IPv4 address. `local` as for `learn`."""
        reports = [self._by.get((peer.transport, peer.host)), self._by.get(("", peer.host))]
        if not is_private(peer.host):
            six = ":" in peer.host
            reports += reversed([shared.report for key, shared in self._public.items() if key[0] == six])
        return next((seen for report in reports if report and (seen := report.now(local))), None)


def _may_be_ours(host: str) -> bool:
    """Whether a machine can have this address: broken servers report ``0.0.0.0`` or ``::ffff:192.0.2.7``."""
    address = ipaddress.ip_address(host)
    nobody = address.is_unspecified or address.is_multicast or host == "255.255.255.255"
    return not nobody and (address.version == 4 or address.ipv4_mapped is None)
