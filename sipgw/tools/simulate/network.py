"""A simulated bad network, reproducible by its seed: loss in bursts, jitter, reordering. It does no I/O."""

import random
from dataclasses import dataclass, field

from sipgw.tools.simulate.scenario import NetworkOptions

OVERTAKEN = 0.05
"""Seconds that a packet is held so that the next two pass it."""


@dataclass
class Direction:
    """One direction. Loss is a two-state (Gilbert) model: its bursts have the mean length that is asked for."""

    options: NetworkOptions
    chance: random.Random
    passed: int = 0
    lost: int = 0
    overtaken: int = 0
    _losing: bool = False
    _latest: float = field(default=0.0)

    def send(self, now: float) -> float | None:
        """When a packet that is sent now arrives; None if it is lost."""
        options, draw = self.options, self.chance.random
        # Every packet takes the same number of random values, so that the options are independent.
        fate, swap, jitter = draw(), draw(), self.chance.expovariate(1.0)
        if self._losing:
            self._losing = fate >= 1 / options.burst
        else:
            self._losing = fate < options.loss / (options.burst * (1 - options.loss))
        if self._losing:
            self.lost += 1
            return None
        self.passed += 1
        at = now + options.delay + options.jitter * min(jitter, 5.0)
        if swap < options.reorder:
            self.overtaken += 1
            return at + OVERTAKEN
        self._latest = max(self._latest, at)
        return self._latest
