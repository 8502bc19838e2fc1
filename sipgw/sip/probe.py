"""Health checks by OPTIONS (RFC 3261 §11). Sans-IO."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.failover import Failover
from sipgw.sip.message import Headers, Request, Response
from sipgw.sip.timers import Timer
from sipgw.sip.uri import Uri

SHORTEST = 15.0
"""The shortest interval, seconds; carriers ban clients that ask more often."""
AWAY = 1.0
"""Seconds without an answer after which the other side may have been restarted: two of our requests were lost."""


class Reach(Enum):
    """Whether the other side answers."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class ProbeOptions:
    """The target of the checks, and their interval."""

    target: Uri
    proxy: Uri | None = None
    """Where OPTIONS is sent, if not to the target."""
    every: float = 30.0
    """Seconds between the answer and the next request."""

    def __post_init__(self) -> None:
        if self.every < SHORTEST:
            raise ValueError(f"carriers ban clients that ask more often than every {SHORTEST:.0f} s")


class Probe:
    """Sends OPTIONS until it is closed. Any response shows that the server is there; only 503 means that it takes no
    calls."""

    def __init__(self, clients: ClientTransactions, options: ProbeOptions) -> None:
        self.options = options
        self.reach = Reach.UNKNOWN
        self.reason = "not asked yet"
        self.changed: Callable[[], None] = lambda: None
        self.returned: Callable[[float], None] = lambda now: None
        """Called when the other side answers again after it was away, perhaps too briefly to be `Reach.DOWN`; takes the
        time."""
        self._clients = clients
        self._number = 0
        self._asked = 0.0
        """When the last request was sent."""
        self._call_id = clients.environment.token()
        self._timer: Timer | None = None
        self._closed = False

    @property
    def peer(self) -> Peer:
        """Where OPTIONS goes."""
        return peer_of(self.options.proxy or self.options.target)

    def ask(self, now: float) -> None:
        """Send OPTIONS; the response decides the state, and the next request follows by itself."""
        self._timer = None
        if self._closed:
            return
        self._number += 1
        self._asked = now
        target = self.options.target
        fields = (
            *((("Route", f"<{self.options.proxy};lr>"),) if self.options.proxy else ()),
            ("Max-Forwards", "70"),
            ("From", f"<{Uri('sip', 'sipgw', target.host)}>;tag={self._clients.environment.token()}"),
            ("To", f"<{target.address}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._number} OPTIONS"),
            ("Contact", f"<{self._clients.contact(self.peer)}>"),
            ("Accept", "application/sdp"),
        )
        request = Request("OPTIONS", target, headers=Headers(fields))
        Failover.start(self._clients, request, self.peer, self._answered, now)

    def close(self, now: float) -> None:
        """Send no more requests."""
        del now
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _answered(self, response: Request | Response | None, now: float) -> None:
        if isinstance(response, Request) or (response is not None and response.status < 200):
            return
        was = self.reach
        if response is None:
            self._settle(Reach.DOWN, "no answer to OPTIONS")
        elif response.status == 503:
            self._settle(Reach.DOWN, f"503 {response.reason}"[:100])
        else:
            self._settle(Reach.UP, f"{response.status} {response.reason}"[:100])
        if self.reach is Reach.UP and (was is Reach.DOWN or now - self._asked >= AWAY):
            self.returned(now)
        if not self._closed:
            # At random, so that many gateways do not ask at once after an outage; never before the interval is over.
            self._timer = self._clients.timers.at(
                now + self.options.every * (1 + 0.1 * self._clients.environment.fraction()), self.ask
            )

    def _settle(self, reach: Reach, reason: str) -> None:
        news = reach is not self.reach
        self.reach, self.reason = reach, reason
        if news:
            self.changed()
