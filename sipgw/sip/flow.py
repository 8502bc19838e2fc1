"""The flow between a registrar and us (RFC 5626): one address, kept open by keepalives. Sans-IO."""

from collections.abc import Callable

from sipgw.sip.client_transactions import ClientTransactions
from sipgw.sip.dialog import Peer
from sipgw.sip.fields import delta_seconds
from sipgw.sip.message import Response
from sipgw.sip.stun import Check
from sipgw.sip.timers import Timer

KEEPALIVE = (30.0, 35.0)
"""Seconds between keepalives over UDP, at random between these: a NAT keeps its binding, and no carrier objects."""
OUTBOUND = (24.0, 29.0)
"""Like `KEEPALIVE`, if the registrar supports flows (§4.4.2): it answers these keepalives by STUN."""
OBJECTIONS = frozenset({400, 403, 420, 500, 513, 606})
"""Statuses with which a registrar refuses parameters that it does not know."""
SHORTEST = 5.0
"""The shortest Flow-Timer that is obeyed, seconds."""
EARLY = (15.0, 300.0)
"""The least number of seconds between two early renewals; doubled, up to the second number, while each renewal brings
another address. After the first such renewal the next follows at once: behind a NAT, a change of our own address also
changes the public one, which the registrar's answer tells."""
PAUSE = 2.0
"""The longest random delay, in seconds, before a lost flow is opened again: it spares a restarted registrar."""


class Flow:
    """The flow to one registrar. `failed` is called when the flow no longer leads to us, and we must register again."""

    def __init__(self, clients: ClientTransactions, failed: Callable[[float], None], instance: str) -> None:
        self.params = f';reg-id=1;+sip.instance="<{instance}>"' if instance else ""
        """The parameters of our Contact that name the flow (§4.2); empty if the registrar is not asked to know it."""
        self.peer: Peer | None = None
        """The address of the registrar that answered last. It is used again: it knows our nonce and our NAT binding."""
        self._clients = clients
        self._failed = failed
        self._timer: Timer | None = None
        self._soonest = 0.0
        self._moves = 0
        """How many answers have brought another address of ours since the last renewal that brought none."""
        self._pause: tuple[float, float] | None = KEEPALIVE
        """Seconds between keepalives; None: the keepalives of the TCP or TLS connection are enough."""
        self._stun = False
        """Whether keepalives are STUN requests, whose answers show that the flow is alive."""
        self._proven = False
        """Whether a STUN keepalive was ever answered: only then a missing answer means that the flow is dead."""
        self._check: Check | None = None
        self._known = False
        """Whether the registrar has accepted `params` before."""

    def answered(self, peer: Peer, response: Response) -> bool:
        """A registrar answered from `peer`; returns whether it sees us at a new address."""
        if not self.leads_to(peer):
            self._proven = False
        self.peer = None if response.status in (430, 503) else peer
        via = response.via
        moved = self._clients.environment.observed(peer, via.received or via.host, via.rport or via.port or 0)
        if moved:
            self._moves += 1
        elif response.status < 300:
            self._moves = 0
        return moved

    def unwanted(self, response: Response) -> bool:
        """Whether `response` may have refused `params`, which are then left out. A proxy on the way does not know flows
        (§11.6), or the registrar refuses parameters that it does not know. If the registrar has accepted them before,
        only the answer about such a proxy (439) counts.
        """
        refused = bool(self.params) and (response.status == 439 or (not self._known and response.status in OBJECTIONS))
        if refused:
            self.params = ""
        return refused

    def leads_to(self, peer: Peer) -> bool:
        """Whether the flow leads to `peer`."""
        return self.peer is not None and self.peer[:3] == peer[:3]

    def renewal(self, now: float) -> float:
        """When to register again early, because the flow has changed or is lost."""
        if self._soonest <= now:  # else a renewal is planned already
            least, most = EARLY
            gap = 0.0 if self._moves == 1 else min(least * 2.0 ** min(self._moves, 20), most)
            self._soonest = max(now + PAUSE * self._clients.environment.fraction(), self._soonest + gap)
        return self._soonest

    def granted(self, response: Response, now: float) -> None:
        """The registrar has registered us: keep the flow open as it asks for (§4.4)."""
        self._known = True
        udp = self.peer is not None and self.peer.transport == "udp"
        outbound = "outbound" in response.require
        self._stun = udp and outbound
        self._pause = (OUTBOUND if outbound else KEEPALIVE) if udp else None
        asked = delta_seconds(response.headers.get("flow-timer"))
        if asked is not None and (udp or asked <= KEEPALIVE[1]):
            longest = min(max(SHORTEST, float(asked)), KEEPALIVE[1])  # a NAT closes a binding after half a minute
            self._pause = 0.8 * longest, longest
        self._keep_up(now)

    def _keep_up(self, now: float) -> None:
        self.stop()
        if self._pause is not None:
            low, high = self._pause
            at = now + low + (high - low) * self._clients.environment.fraction()
            self._timer = self._clients.timers.at(at, self._ping)

    def _ping(self, now: float) -> None:
        if self.peer is None:
            return
        self._keep_up(now)
        if self._stun:
            self._check = Check(self._clients, self.peer, self._checked, now)
        else:
            self._clients.ping(self.peer)

    def _checked(self, seen: tuple[str, int] | None, now: float) -> None:
        """The registrar sees us at `seen`; None: it did not answer, and if it ever has, the flow is dead."""
        if self.peer is None:
            return
        if seen is not None:
            self._proven = True
            if self._clients.environment.observed(self.peer, *seen):
                self._failed(now)
        elif self._proven:
            self.peer, self._proven = None, False  # any server of the domain may take its place
            self._failed(now)
        else:  # not all registrars that say `outbound` keep that promise (§5.4)
            self._stun = False
            self._clients.ping(self.peer)

    def stop(self) -> None:
        """Send no more keepalives."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._check is not None:
            self._check.stop()
            self._check = None
