"""Refused packets of one call, by source and reason; bounded, because strangers send packets, too. Sans-IO."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from media.rtp.source import Address

MOST = 8
"""Sources and reasons that are remembered; packets of further ones are only counted."""
ANNOUNCED = 8
"""Remembered addresses that signalling has named: the latest ones."""
Sound = Literal["foreign", "wrong_ssrc", "wrong_type", "unauthentic"]
"""Reasons for which a packet was refused that may have been sound."""
Reason = Literal[Sound, "unexpected", "malformed", "rtcp_foreign", "rtcp_unauthentic", "rtcp_malformed", "ice_refused"]
"""The counter that such a packet increases: see `media.session.inbound.Counts`, `media.rtp.srtp.SrtpCounts`,
`media.session.rtcp_reports.RtcpCounts` and `media.rtp.ice.IceLite`."""
SOUND = get_args(Sound)


@dataclass(slots=True)
class _Refused:
    packets: int
    first: float
    last: float


@dataclass(slots=True)
class _Announced:
    since: float
    left: float | None = None


class RefusedSources:
    """The refused packets of one call. Times that come in are on the owner's clock."""

    __slots__ = ("_announced", "_epoch", "_others", "_sources", "sound")

    def __init__(self, epoch: float = 0.0) -> None:
        """`epoch` is the Unix time at which the owner's clock was 0."""
        self._epoch = epoch
        self._sources: dict[tuple[Address, Reason], _Refused] = {}
        self._announced: dict[Address, _Announced] = {}
        self._others = 0
        self.sound = 0
        """Packets that might have been sound that was meant for the call."""

    def announce(self, address: Address, now: float) -> None:
        """Signalling names `address` as the one that sound comes from now."""
        for one, place in self._announced.items():
            if one != address and place.left is None:
                place.left = now
        place = self._announced.pop(address, _Announced(now))
        place.left = None
        self._announced[address] = place
        if len(self._announced) > ANNOUNCED:
            del self._announced[next(iter(self._announced))]

    def note(self, sender: Address, reason: Reason, now: float) -> None:
        """A packet from `sender` was refused. A source with a single packet makes room for another source, so that
        a scan fills no table. Packets that cannot have been sound make room for packets that may have been.
        """
        sound = reason in SOUND
        self.sound += sound
        refused = self._sources.get((sender, reason))
        if refused is not None:
            refused.packets += 1
            refused.last = now
            return
        if len(self._sources) >= MOST:
            held = self._sources.items()
            room = next((key for key, one in held if one.packets == 1 or (sound and key[1] not in SOUND)), None)
            if room is None:
                self._others += 1
                return
            self._others += self._sources.pop(room).packets
        self._sources[sender, reason] = _Refused(1, now, now)

    def stats(self) -> dict[str, Any]:
        """``refused_sources``: the sources, most packets first, with Unix times of the first and the last packet. If
        signalling has named the address: ``announced``, the time, and ``left``, the time when it named another one. If
        signalling has named another port of the host: ``announced_port``. ``refused_others``: packets of sources that
        found no room. Empty if nothing was refused.
        """
        if not self._sources:
            return {}
        ordered = sorted(self._sources.items(), key=lambda item: -item[1].packets)
        refused = [
            {"host": host, "port": port, "reason": reason, "packets": one.packets}
            | {"first": self._unix(one.first), "last": self._unix(one.last)}
            | self._known((host, port))
            for ((host, port), reason), one in ordered
        ]
        return {"refused_sources": refused} | ({"refused_others": self._others} if self._others else {})

    def _known(self, address: Address) -> dict[str, float]:
        place = self._announced.get(address)
        if place is None:
            port = next((port for host, port in reversed(self._announced) if host == address[0]), None)
            return {} if port is None else {"announced_port": port}
        left = {} if place.left is None else {"left": self._unix(place.left)}
        return {"announced": self._unix(place.since)} | left

    def _unix(self, at: float) -> float:
        return round(at + self._epoch, 3)
