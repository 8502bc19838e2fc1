"""A peer whose packets are longer or shorter than ours, although our answer asks for `a=ptime:20`: in virtual time."""

import random

import pytest

from media.g711 import FRAME
from media.process.worker_channel import WorkerChannel
from media.rtp import packet as rtp
from media.session.format import Format
from media.session.session import RtpSession
from tests.media.networks import START, STEP, loud

PCMU = Format("PCMU", 0, 101)
THERE = {1: ("192.0.2.1", 4000), 2: ("192.0.2.2", 6000)}
SPOKEN = b"".join(loud(number) for number in range(120))
"""It can be sent in packets of 10, 20, 30, 40 and 60 ms."""
MARGIN = 10 * FRAME
"""What the buffer of a person may add before the first sound."""


class Call:
    """A caller whose packets are `samples` long, and a person; `heard` is what the agent, or the person, gets."""

    def __init__(self, samples: int, *, bridged: bool) -> None:
        self.channels = {number: WorkerChannel(number) for number in THERE}
        for number, channel in self.channels.items():
            channel.session = RtpSession(random.Random(number).getrandbits)
            channel.session.connect(PCMU, THERE[number], START)
        self.caller, self.person = (channel.session for channel in self.channels.values())
        if bridged:
            self.channels[1].bridge(self.channels[2])
        self.to_agent, self.to_person = bytearray(), bytearray()
        self._samples, self._sent, self._slot = samples, 0, 0

    def speak(self) -> None:
        """Send all of it, each packet when its last sample was spoken."""
        while self._sent < len(SPOKEN):
            self._sent += self._samples
            self._pass(START + self._sent / FRAME * STEP)
            sound = SPOKEN[self._sent - self._samples : self._sent]
            number = self._sent // self._samples
            data = rtp.build(0, number == 1, number, self._sent - self._samples, 7, sound)
            self.to_agent += self.caller.receive(data, THERE[1], START + self._sent / FRAME * STEP)[0]
        self._pass(START + self._sent / FRAME * STEP + 0.5)

    def _pass(self, until: float) -> None:
        while (now := START + 0.003 + self._slot * STEP) <= until:
            self.to_agent += self.caller.poll(now)
            for data in self.person.transmit(self._slot, now)[0]:
                packet = rtp.parse(data)
                assert packet is not None
                self.to_person += packet.payload
            self._slot += 1


@pytest.mark.parametrize("milliseconds", [10, 20, 30, 40, 60])
def test_the_agent_gets_each_sample_once(milliseconds: int) -> None:
    call = Call(milliseconds * 8, bridged=False)
    call.speak()
    assert call.to_agent.startswith(SPOKEN)
    stats = call.caller.stats()
    assert stats["lost"] == 0
    assert stats["mos"] > 4


@pytest.mark.parametrize("milliseconds", [10, 20, 30, 40, 60])
def test_a_person_gets_it_in_our_own_packets(milliseconds: int) -> None:
    call = Call(milliseconds * 8, bridged=True)
    call.speak()
    assert SPOKEN[MARGIN:] in call.to_person
