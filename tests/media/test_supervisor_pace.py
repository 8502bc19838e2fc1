"""A supervisor comes, whispers, speaks and leaves: every other call sends each packet at its moment, on virtual time.

The media process is the real one, with its loop, its pipe and its sockets. Its clock stands still while it works, so a
packet that is late, missing or one too many is so by our doing, and not by that of a busy machine. How long the work
takes in real time is for `make bench AREA=conference`.
"""

import asyncio
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest

from media.g711 import FRAME
from media.process import schedule
from media.process.channel import Channel
from media.process.schedule import PHASES, TICK
from sipgw.calls.conference import MODES, Mode
from tests.media.one_process import GatewayAndWorker, paired
from tests.media.tones import heard, tone

CALLS = 12
"""Legs: those of a caller and of the supervisor, and ten others, on all phases of the schedule."""
SLOTS = 300
STAY = 7
"""Ticks of 5 ms that the supervisor stays in a mode: it ends at another moment of the frame each time."""
Sent = list[tuple[int, int, int, bytes]]
"""Ticks of the schedule, sequence numbers, timestamps and sounds of the packets of a leg."""


class Hour:
    """The time of a media process, which goes by only while it sleeps."""

    def __init__(self, pair: GatewayAndWorker, *, supervised: bool) -> None:
        self.ticks = 0
        self.sent: list[Sent] = [[] for _ in pair.remotes]
        self._pair, self._began = pair, pair.now
        self._visits = self._visiting(*pair.channels[:2]) if supervised else iter(())

    def sleep(self, seconds: float) -> None:
        """Take what was sent, let it be later, and let the others do what they do then."""
        pair = self._pair
        for remote, sent in zip(pair.remotes, self.sent, strict=True):
            remote.read()
            sent += [(self.ticks, one.sequence, one.timestamp, one.payload) for one in remote.got]
            remote.got.clear()
        pair.read()
        pair.now += seconds
        ticks = round((pair.now - self._began) / TICK)
        for tick in range(self.ticks + 1, ticks + 1):
            if tick % STAY == 0:
                next(self._visits, None)
            if tick % PHASES == 1:
                self._speak()
        self.ticks = ticks
        if ticks >= SLOTS * PHASES:
            pair.sockets[0].shutdown(socket.SHUT_WR)

    def _speak(self) -> None:
        for remote, channel in zip(self._pair.remotes, self._pair.channels, strict=True):
            remote.speak(channel.port)

    @staticmethod
    def _visiting(caller: Channel, third: Channel) -> Iterator[None]:
        while True:
            for mode in Mode:
                caller.confer(third, MODES[mode].routes, bytes(FRAME) if mode is Mode.CONSULT else b"")
                yield
            caller.unbridge()
            yield


def hour(monkeypatch: pytest.MonkeyPatch, *, supervised: bool) -> list[Sent]:
    """What each leg sent in `SLOTS` frames."""
    monkeypatch.setattr(schedule, "SHARE", CALLS // PHASES)

    async def opened(pair: GatewayAndWorker) -> None:
        for _ in range(CALLS):
            await pair.call()

    with paired(monkeypatch) as pair:
        asyncio.run(opened(pair))
        for channel in pair.channels:
            channel.say(1, tone("agent") * (SLOTS + PHASES))
            pair.exchange()
        going = Hour(pair, supervised=supervised)
        monkeypatch.setattr("media.process.worker.time.sleep", going.sleep)  # on the clock of `paired`
        pair.worker._path.epoll.unregister(pair.sockets[1])
        pair.worker.run()
        assert pair.worker._counts.lateness.quantile(1.0) <= pair.worker._counts.lateness.LEAST
        assert pair.worker._counts.failed == 0
    return going.sent


def since_first(sent: Sent) -> Sent:
    """The same, counted from the first packet: where numbers begin is by chance."""
    _, sequence, timestamp, _ = sent[0]
    return [(tick, (one - sequence) & 0xFFFF, (at - timestamp) & 0xFFFFFFFF, sound) for tick, one, at, sound in sent]


def test_no_other_call_sends_a_packet_late_twice_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packet by packet it is what they send without a supervisor."""
    alone, beside = (hour(monkeypatch, supervised=supervised) for supervised in (False, True))
    others = [since_first(sent) for sent in beside[2:]]
    assert others == [since_first(sent) for sent in alone[2:]]
    assert {len(sent) for sent in others} == {SLOTS}
    assert {tick % PHASES for sent in others for tick, *_ in sent} == set(range(PHASES))


def test_caller_and_supervisor_get_a_packet_in_each_slot_whatever_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    caller, third, *_ = hour(monkeypatch, supervised=True)
    for sent in caller, third:
        ticks, numbers, times, sounds = zip(*since_first(sent), strict=True)
        assert {later - earlier for earlier, later in pairwise(ticks)} == {PHASES}
        assert numbers == tuple(range(len(sent)))
        assert times == tuple(range(0, len(sent) * FRAME, FRAME))
        assert len({heard(sound) for sound in sounds}) > 1, "they are in several modes"
