"""Notices that an address of ours has changed: by DHCP, another uplink, or a NAT that was restarted. Sans-IO.

No message reports such a change. So every `INTERVAL` seconds the watch looks up our address towards each registrar and
towards the other side of each call. Registrations are renewed at once: the registrar's answer may tell the public
address that belongs to the new one. When `SETTLED` looks have found the same new address, each call gets a re-INVITE.
"""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple

from sipgw.sip.boundaries import contained
from sipgw.sip.core import Core
from sipgw.sip.dialog import Peer
from sipgw.sip.registration import Registration
from sipgw.sip.stun import Stun
from sipgw.sip.uri import is_address

INTERVAL = 2.0
"""Seconds between two looks."""
SETTLED = 3
"""Looks in a row that must find the same new address before calls get a re-INVITE."""

Place = tuple[str, str]
"""Transport and host of a peer: our address towards the peer depends on these two."""


class _Seen(NamedTuple):
    address: tuple[str, int]
    """The host and port under which the peer reaches us, by the last look."""
    looks: int
    """How many looks in a row have found `address`."""


class AddressWatch:
    """Looks for changes of our addresses until the endpoint is closed."""

    def __init__(self, core: Core, registrations: Sequence[Registration], stun: Stun | None) -> None:
        self._core = core
        self._registrations = registrations
        self._stun = stun
        self._seen: dict[Place, _Seen] = {}

    def look(self, now: float) -> None:
        """Look now, tell registrations and calls of changed addresses, and look again after `INTERVAL` seconds."""
        self._core.timers.at(now + INTERVAL, self.look)
        registrars = {peer[:2]: peer for one in self._registrations if (peer := one.asked)}
        others = {usage.dialog.source[:2]: usage.dialog.source for usage in self._core.dialogs.usages if usage.dialog}
        before = self._seen
        looked = ((place, self._look(before.get(place), peer)) for place, peer in (others | registrars).items())
        self._seen = {place: seen for place, seen in looked if seen is not None}
        if self._stun is not None and any(seen.looks == 1 and place in before for place, seen in self._seen.items()):
            self._stun.ask(now)
        for registration in self._registrations:
            seen = self._seen.get(registration.asked[:2]) if registration.asked else None
            if seen is not None and registration.told not in (None, seen.address):
                with contained("registration not told of a new address"):
                    registration.moved(now)
        for usage in dict.fromkeys(self._core.dialogs.usages):
            seen = self._seen.get(usage.dialog.source[:2]) if usage.dialog else None
            if seen is not None and seen.looks >= SETTLED and usage.dialog and usage.dialog.told:
                with contained("call not told of a new address"):
                    usage.moved(seen.address[0], now)

    def _look(self, before: _Seen | None, peer: Peer) -> _Seen | None:
        """The state after one more look; it stays `before` while this machine has no route to `peer`."""
        address, there = self._core.environment.address(peer), peer.host.partition("%")[0]
        if ip_address(address[0]).is_loopback and not (is_address(there) and ip_address(there).is_loopback):
            return before
        return _Seen(address, before.looks + 1 if before and before.address == address else 1)
