"""Limits on tries to sign in. Strangers who try all day must not keep others out, and only failed tries count."""

import secrets
from collections.abc import Callable, Iterable

from sipgw.bounds import FULL, BoundedTable
from sipgw.config.networks import site
from sipgw.sip.buckets import Bucket, Buckets

TRIES = 5
"""Tries at once from one address; then one every `PAUSE` seconds."""
PAUSE = 12.0
TRIES_OF_ALL = 30
"""Tries at once of all unknown addresses (without an earlier sign-in) together; then one every `PAUSE_OF_ALL` seconds.
The first try of an address within a minute does not count."""
PAUSE_OF_ALL = 2.0
CELLS = 1 << 16
"""Cells of the table. Few addresses share a cell with a stranger: one in a thousand while 60 strangers try."""
KNOWN = 1000
"""Known addresses (with an earlier sign-in); beyond this number the least recently used one is forgotten."""


class TooManyAttempts(Exception):  # noqa: N818  a state, not a fault
    """Too many sign-in attempts; later attempts may succeed."""


class SignInThrottle:
    """The tries of one way to sign in, by address."""

    def __init__(self, busy: Callable[[], bool] = lambda: False, key: bytes = b"") -> None:
        self._busy = busy
        """Returns whether so many passwords are being checked that only known addresses may try."""
        self._tries = Buckets(1 / PAUSE, TRIES, key or secrets.token_bytes(32), CELLS)
        self._tries_of_all = Bucket(1 / PAUSE_OF_ALL, TRIES_OF_ALL)
        self._known = BoundedTable[str, None]("addresses that have signed in", KNOWN)

    def know(self, addresses: Iterable[str]) -> None:
        """Note addresses from which somebody has signed in, the latest last."""
        for address in addresses:
            self._known[_source(address)] = None
            self._known.move_to_end(_source(address))

    def take(self, address: str, now: float) -> None:
        """Count a try from `address`. Raises `TooManyAttempts`."""
        source = _source(address)
        known, first = source in self._known, self._tries.full(source, now)
        allowed = self._tries.take(source, now)
        if allowed and not known:
            allowed = not self._busy() and (first or self._tries_of_all.take(now))
        if not allowed:
            FULL["tries to sign in"] += 1
            raise TooManyAttempts

    def succeeded(self, address: str, now: float) -> None:
        """Note that the last try from `address` was right, so that it does not count."""
        self._tries.give_back(_source(address), now)
        self.know([address])


def _source(address: str) -> str:
    try:
        return site(address)
    except ValueError:
        return address
