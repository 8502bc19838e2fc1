"""Selects the trunk of an outgoing call and its caller ID: order, health, limits, numbers. Sans-IO."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from sipgw.config.numbers import NumberError
from sipgw.config.trunks import TrunkOptions
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.digest import Credentials
from sipgw.sip.events import Ended
from sipgw.sip.uri import Uri
from sipgw.trunks.causes import elsewhere

LONGEST_WAIT = 5.0
"""Seconds that a call may wait for its turn under the trunk's calls per second; then the next trunk is tried."""
PENALTY = 10.0
"""Seconds in which a trunk that answered 503 is tried last, unless it named another time."""
NO_TRUNK = "no trunk could take the call"
"""The reason that a tenant is told: the full reasons name trunks, and count the calls of all tenants."""
NO_ROOM = "the gateway makes no more calls at this moment"
"""The reason that a tenant is told: the full reasons tell the load and the costs of all tenants."""


class NotDialled(Exception):  # noqa: N818  an outcome
    """The call was not made; the message says why to the operator. A tenant gets the reason of `told`."""

    for_tenants = NO_TRUNK

    def told(self, tenant: str) -> str:
        """The reason as `tenant` may know it; an empty `tenant` is the installation itself."""
        return self.for_tenants if tenant else str(self)

    @classmethod
    def own(cls, reason: str, for_tenants: str = "") -> Self:
        """A refusal that concerns only the tenant who asked: it is told the whole `reason`, or `for_tenants`."""
        refusal = cls(reason)
        refusal.for_tenants = for_tenants or reason
        return refusal


class NoRoom(NotDialled):
    """The gateway is full, stops, or has spent its budget of the day: the same call may be tried later."""

    for_tenants = NO_ROOM


@dataclass(frozen=True)
class Attempt:
    """One call on one trunk, ready to be sent."""

    trunk: TrunkOptions
    target: Uri
    from_: str
    """The From header: a name-addr."""
    fields: tuple[tuple[str, str], ...]
    """Further headers of the INVITE."""
    credentials: Credentials | None
    proxy: Uri | None
    wait: float
    """Seconds to wait before sending, so as to keep to the trunk's calls per second."""

    def to(self, number: str) -> "Attempt":
        """This attempt with the target `number`. Raises `NotDialled`."""
        try:
            return replace(self, target=self.trunk.number_uri(number))
        except NumberError as error:
            raise NotDialled(f"{self.trunk.name}: {error}") from None

    @property
    def there(self) -> Peer:
        """Where the INVITE is sent."""
        return peer_of(self.proxy or self.target)


class RouteSelector:
    """The trunks for calls out, in the order of the configuration."""

    def __init__(
        self, trunks: Sequence[TrunkOptions], calls: Counter[str], reachable: Callable[[str], bool] = lambda name: True
    ) -> None:
        self._trunks = [trunk for trunk in trunks if trunk.domain_uri is not None]
        self._calls = calls
        self._reachable = reachable
        self._resting: dict[str, float] = {}
        self._due: dict[str, float] = {}
        """When the next call of each trunk may be sent, if all calls before it are sent in time."""
        self._sent: dict[str, float] = {}
        """When the next call of each trunk may be sent after those that were sent: a late call moves those after it."""

    def attempts(
        self, number: str, clock: Callable[[], float], *, only: str = "", caller_id: str = ""
    ) -> Iterator[Attempt]:
        """The attempts to call `number`, in their order. Raises `NotDialled` if no trunk can try.

        `only` names one trunk; `caller_id` is shown instead of the trunk's own if the trunk may show it. Each attempt
        that is used counts in the trunk's calls per second, at the time of `clock`.
        """
        reasons = []
        found = False
        candidates = [trunk for trunk in self._trunks if only in ("", trunk.name)]
        for trunk in sorted(candidates, key=lambda one: self._doubtful(one, clock())):
            try:
                target = trunk.number_uri(number)
                fields = _identity(trunk, caller_id)
                wait = self.turn(trunk, clock())
            except NumberError as error:
                reasons.append(f"{trunk.name}: {error}")
                continue
            except NotDialled as full:
                reasons.append(str(full))
                continue
            found = True
            yield Attempt(trunk, target, *fields, trunk.credentials, trunk.proxy_uri, wait)
        if not found:
            raise NotDialled("; ".join(reasons) or "no trunk has a registrar or a domain to call through")

    def first(self, only: str = "") -> str:
        """The name of the trunk that stands first among those that `attempts` would try; empty if there is none."""
        return next((trunk.name for trunk in self._trunks if only in ("", trunk.name)), "")

    def turn(self, trunk: TrunkOptions, now: float) -> float:
        """Seconds until one more call may be sent on a trunk. Raises `NotDialled`."""
        if self._calls[trunk.name] >= trunk.max_calls:
            raise NotDialled(f"{trunk.name}: it has {trunk.max_calls} calls, its max_calls")
        wait = self._turn(trunk, now)
        if wait is None:
            raise NotDialled(f"{trunk.name}: more than {trunk.calls_per_second:g} calls a second")
        return wait

    def onward(self, attempt: Attempt, target: Uri, now: float) -> Attempt:
        """`attempt` again, at the target of the trunk's redirect. Raises `NotDialled`."""
        wait = self._turn(attempt.trunk, now)
        if wait is None:
            raise NotDialled(f"more than {attempt.trunk.calls_per_second:g} calls a second")
        return replace(attempt, target=target, wait=wait)

    def failed(self, attempt: Attempt, ended: Ended, now: float, retry_after: float = PENALTY) -> bool:
        """Note the result of an attempt; returns whether the next trunk is to be tried."""
        following = elsewhere(ended)
        if following and ended.status == 503:
            self._resting[attempt.trunk.name] = now + min(retry_after, 300.0)
        return following

    def _doubtful(self, trunk: TrunkOptions, now: float) -> bool:
        """Whether `trunk` is tried last. It is not left out, because its state may be outdated."""
        return not self._reachable(trunk.name) or self._resting.get(trunk.name, 0.0) > now

    def sends(self, trunk: TrunkOptions, now: float) -> float:
        """Count a call whose turn has come, and return 0; otherwise return the seconds that it still has to wait."""
        wait, after = _paced(trunk, self._sent, now)
        if not wait:
            self._sent[trunk.name] = after
        return wait

    def _turn(self, trunk: TrunkOptions, now: float) -> float | None:
        """Seconds until this call may be sent, None if that is too long. Waiting calls are served in their order."""
        wait, after = _paced(trunk, self._due, now)
        if wait > LONGEST_WAIT:
            return None
        self._due[trunk.name] = after
        return wait


def _paced(trunk: TrunkOptions, due: Mapping[str, float], now: float) -> tuple[float, float]:
    """Seconds that a call waits at `trunk.calls_per_second`, and the new time of the trunk in `due` after it."""
    gap, burst = 1 / trunk.calls_per_second, max(1.0, trunk.calls_per_second)
    at = max(due.get(trunk.name, now), now)
    return max(0.0, at - now - (burst - 1) * gap), at + gap


def _identity(trunk: TrunkOptions, caller_id: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """From, and the headers from which carriers read the caller. Raises `NumberError`."""
    user = trunk.shows(caller_id)
    domain = trunk.domain_uri
    assert domain is not None  # noqa: S101  `RouteSelector` keeps only trunks with one
    if not user:  # a call back to this name reaches an agent
        return f"<{Uri('sip', trunk.user or 'agent', domain.host)}>", ()
    address = f"<{Uri('sip', user, domain.host)}>"
    name = f'"{trunk.caller_name}" ' if trunk.caller_name else ""
    # Carriers read the caller from one or the other (trunk documents of Telnyx, Twilio, Plivo): both have the same
    # value.
    return f"{name}{address}", (("P-Asserted-Identity", f"{name}{address}"),)
