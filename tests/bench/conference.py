"""Gates of conferences: what mixing costs, and whether others notice that supervisors come, whisper and leave."""

import asyncio
import random
import time
from collections.abc import Iterator

from media.fast import why_not
from media.g711 import FRAME
from media.process.channel import Channel
from media.process.worker_channel import WorkerChannel
from media.rtp import packet as rtp
from media.session.mixer import PARTIES
from media.session.routing import Route
from media.session.session import RtpSession
from sipgw.calls.conference import MODES, Mode
from tests.bench.gate import Gate, percentile
from tests.bench.media import CALLS, FORMAT, floor, run_calls, whole
from tests.media.networks import STEP
from tests.media.tones import tone

AREA = "conference"
GOAL = 0.5
"""Milliseconds of CPU per call-second and party."""
SLOTS = 500
ROUNDS = 40
SUPERVISED = 5
"""Calls of the hundred in which somebody comes and goes all the time: each takes two channels."""
SPARED = 2 * SUPERVISED
LATER = 0.5
"""Milliseconds by which the p99 of the send-time error of other calls may grow meanwhile."""
STAY = 0.4
"""Seconds that a supervisor stays in a mode."""


def spent(mode: Mode | None, *, silent_third: bool = False) -> float:
    """Milliseconds of CPU per second of one call with a third: receive, mix and send of both legs, without sockets.

    None for the mode: the same two legs without a conference, the agent on the first.
    """
    caller, third = WorkerChannel(1), WorkerChannel(2)
    sounds = {caller: tone("caller", 3000.0), third: tone("third", 3000.0)}
    for seed, channel in enumerate(sounds):
        channel.session = RtpSession(random.Random(seed).getrandbits)
        channel.session.connect(FORMAT, ("127.0.0.1", 4000), 0.0)
    if mode is not None:
        caller.confer(third, MODES[mode].routes)
        caller.pause(on=False)
    agent = tone("agent", 3000.0) * 50
    data = {
        channel: [rtp.build(0, False, slot, slot * FRAME, 7, sound) for slot in range(SLOTS)]
        for channel, sound in sounds.items()
    }
    began = time.process_time()
    for slot in range(SLOTS):
        now = slot * STEP
        if slot % 50 == 0:
            caller.session.playout.say(1, agent)
        for channel in sounds:
            if not (silent_third and channel is third):
                sound, _ = channel.session.receive(data[channel][slot], ("127.0.0.1", 4000), now)
                if sound and (mixer := channel.session.mixer):
                    mixer.to_agent(sound)
            channel.session.transmit(slot, now)
    return (time.process_time() - began) * 1000 / (SLOTS * STEP)


def best(mode: Mode | None, *, silent_third: bool = False) -> float:
    """The least of several measurements: others use the machine, too."""
    return min(spent(mode, silent_third=silent_third) for _ in range(ROUNDS))


def cost_gates() -> Iterator[Gate]:
    """The CPU of a conference, and how much of it is mixing."""
    apart = best(None)
    for mode in Mode:
        taken = best(mode)
        figures = f"{taken / PARTIES:.3f} ms per call-second and party (mixing alone {(taken - apart) / PARTIES:.3f})"
        yield Gate(AREA, f"{mode.value}: CPU in a tight loop", figures, f"<= {GOAL}", taken / PARTIES <= GOAL)
    taken = best(Mode.CONFERENCE, silent_third=True)
    figures = f"{taken / PARTIES:.3f} ms per call-second and party"
    yield Gate(AREA, "a third who sends nothing: CPU in a tight loop", figures, f"<= {GOAL}", taken / PARTIES <= GOAL)


async def coming_and_going(channels: list[Channel]) -> None:
    """In some calls a supervisor joins, whispers, speaks with both, takes over and leaves, again and again."""
    pairs = list(zip(channels[0 : 2 * SUPERVISED : 2], channels[1 : 2 * SUPERVISED : 2], strict=True))
    while True:
        for mode in (*Mode, None):
            for caller, third in pairs:
                if mode is None:
                    caller.unbridge()
                else:
                    caller.confer(third, MODES[mode].routes, bytes(FRAME) if mode is Mode.CONSULT else b"")
            await asyncio.sleep(STAY)


async def all_the_time(channels: list[Channel]) -> None:
    """Every two channels are one call in which all three speak."""
    routes = MODES[Mode.CONFERENCE].routes & ~Route.THIRD_APART
    for caller, third in zip(channels[::2], channels[1::2], strict=True):
        caller.confer(third, routes)
    await asyncio.Event().wait()


def beside_gates() -> Iterator[Gate]:
    """The calls beside those whose supervisors come and go, and the same calls while nobody does, in turn."""
    name = f"{CALLS - SPARED} calls beside {SUPERVISED} whose supervisors come, whisper and leave"
    with_them, without = [], []
    for _ in range(2):
        load = asyncio.run(run_calls(CALLS, meddle=coming_and_going, spared=SPARED))
        yield whole(name, load)
        with_them.append(percentile(load.errors, 0.99))
        without.append(percentile(asyncio.run(run_calls(CALLS, spared=SPARED)).errors, 0.99))
    later, usual = min(with_them), min(without)
    figures = f"p99 {later:.2f} ms, {usual:.2f} while nobody comes (the better of two runs each)"
    yield Gate(AREA, f"{name}: send-time error", figures, f"<= {LATER} ms more", later <= usual + LATER)


def added_gate(goal: float, *, native: bool) -> Gate:
    """What mixing adds to the process, between two measurements of the bare system calls."""
    before = floor(CALLS)
    alone, leg = (
        asyncio.run(run_calls(CALLS, kept=False, meddle=meddle, spared=CALLS, fast=native)).cpu
        for meddle in (None, all_the_time)
    )
    bare = (before + floor(CALLS)) / 2
    more = (leg - alone) * 2 / PARTIES
    figures = f"{more / bare:.1f} times the bare system calls of a call: {more:.2f} ms per call-second and party"
    figures += f" ({leg:.2f} a leg, {alone:.2f} without, bare {bare:.2f})"
    name = f"{CALLS // 2} conferences, what mixing adds to the process with the path in {'C' if native else 'Python'}"
    return Gate(AREA, name, figures, f"<= {goal} times", more <= goal * bare)


def gates() -> Iterator[Gate]:
    """All of them."""
    yield from cost_gates()
    yield from beside_gates()
    yield added_gate(1.5, native=False)
    if not why_not():
        yield added_gate(1.5, native=True)
