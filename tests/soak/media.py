"""An hour of calls, each of a minute or so, one after the other on every line: what leaks, and what gets lost.

One line is printed per minute. The exit status is 1 if a packet was lost, doubled or misnumbered in either direction,
if a port or a descriptor is left when all calls have ended, or if the memory of the media process grew after its first
minutes (in which the store of recent packets fills up to its limit). Slots that were skipped count unless the machine
itself stood still for as long (`tests.soak.witness`).
"""

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from media.g711 import RATE
from media.process.channel import MediaDown
from media.process.engine import MediaEngine, MediaOptions
from media.process.ports import REST
from media.recording.tap import TapOptions
from media.session.format import Format
from tests.soak import witness

PORTS = (20_000, 26_000)
CALL = (40.0, 80.0)
"""Seconds that a call lasts."""
WARM = 5
"""Minutes until memory is compared: the store of recent packets, 64 MiB, has been filled and turned over by then."""
GROWTH = 0.03
"""By how much memory may have grown since."""
SPEECH = bytes(range(200)) * (RATE // 200)
FORMAT = Format("PCMU", 0, 101)


@dataclass
class Totals:
    """Of all calls that have ended."""

    calls: int = 0
    sent: int = 0
    """By us."""
    theirs: int = 0
    """Packets sent by the far end."""
    taken: int = 0
    """Packets of the far end that we received."""
    lost: int = 0
    skipped: int = 0
    """Slots that the media process was too late for: time that passed without a packet."""
    underruns: int = 0
    """Times that the gateway was too late with more speech."""
    late_max: float = 0.0
    uncounted: int = 0
    """Calls whose counters did not come in time."""
    memory: list[int] = field(default_factory=list)
    """Bytes of the media process, minute by minute."""

    def add(self, counts: dict[str, Any], theirs: int) -> None:
        """Count a call that has ended."""
        self.calls += 1
        self.sent += counts["sent"]
        self.theirs += theirs
        self.taken += counts["received"]
        self.lost += counts["lost"]
        self.skipped += counts["skipped"]
        self.underruns += counts["underruns"]
        self.late_max = max(self.late_max, counts["late_max"])


class Far:
    """The far end's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout
        self._process, self._in, self._out = process, process.stdin, process.stdout
        self._asking = asyncio.Lock()

    async def line(self) -> Any:
        """What it prints next."""
        return json.loads(await self._out.readline())

    def begin(self, line: int, port: int) -> None:
        """Have it call."""
        self._in.write(json.dumps([line, port]).encode() + b"\n")

    async def end(self, line: int) -> int:
        """Have it hang up; how many packets it sent."""
        async with self._asking:
            self.begin(line, 0)
            return int(await self.line())

    async def totals(self) -> dict[str, int]:
        """End it; what it counted."""
        self._in.close()
        found: dict[str, int] = await self.line()
        await self._process.wait()
        return found


async def call(engine: MediaEngine, far: Far, line: int, port: int, seconds: float, totals: Totals) -> None:
    """One call from its ports to its record."""
    channel = await engine.open(lambda event: None)
    with contextlib.closing(channel):
        channel.connect(FORMAT, ("127.0.0.1", port))
        far.begin(line, channel.port)
        until = time.monotonic() + seconds
        channel.say(1, SPEECH + SPEECH)
        while time.monotonic() < until:
            channel.say(1, SPEECH)
            await asyncio.sleep(1.0)
        channel.finish(1)
        sent = await far.end(line)
        await asyncio.sleep(0.1)  # its last packet is on its way
        try:
            totals.add(await channel.stats(), sent)
        except MediaDown as error:
            totals.uncounted += 1
            print(f"no counters: {error!r}", flush=True)


async def keep_calling(engine: MediaEngine, far: Far, line: int, port: int, until: float, totals: Totals) -> None:
    """Call after call on one line."""
    await asyncio.sleep(line * 0.02)
    while (left := until - time.monotonic()) > 2.0:
        await call(engine, far, line, port, min(left, random.uniform(*CALL)), totals)


class Witnesses:
    """Who tells when the machine stood still: a process for each CPU."""

    def __init__(self, processes: list[asyncio.subprocess.Process], granted: str) -> None:
        self.processes, self.granted = processes, granted

    @classmethod
    async def call(cls) -> "Witnesses":
        """Start them."""
        processes = [await child("tests.soak.witness", str(cpu)) for cpu in sorted(os.sched_getaffinity(0))]
        granted = [await process.stdout.readline() for process in processes if process.stdout]
        return cls(processes, granted[0].decode().strip())

    async def stops(self) -> list[tuple[float, float]]:
        """End them; all that they noticed, in seconds of the monotonic clock."""
        said = [(await process.communicate(b""))[0] for process in self.processes]
        return [(begin, end) for found in said for begin, end in json.loads(found)]


async def child(module: str, *arguments: str) -> asyncio.subprocess.Process:
    """A process that runs a module and is spoken with over its pipes."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe)


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    """Files and sockets that a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def ports(pid: int) -> int:
    """UDP ports that a process is bound to."""
    bound = {row.split()[9] for row in Path("/proc/net/udp").read_text().splitlines()[1:]}
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += Path(f"/proc/{pid}/fd/{name}").readlink().name[8:-1] in bound
    return found


async def watch(engine: MediaEngine, totals: Totals) -> None:
    """A line per minute."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(began + 60 * (len(totals.memory) + 1) - time.monotonic())
        pid = engine.processes[0].pid
        totals.memory.append(memory(pid))
        ours = os.getpid()
        print(
            f"{len(totals.memory):3} min  {totals.calls:5} calls ended  media process {totals.memory[-1] >> 10} KiB, "
            f"{descriptors(pid)} descriptors, {ports(pid)} ports; this process {memory(ours) >> 10} KiB, "
            f"{descriptors(ours)} descriptors; lost in {totals.lost}, slots skipped {totals.skipped}, "
            f"latest tick {totals.late_max * 1000:.1f} ms; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )


async def run(minutes: float, calls: int) -> int:
    """Hold `calls` at a time; the exit status."""
    totals = Totals()
    far = Far(await child("tests.soak.far", str(calls)))
    witnesses = await Witnesses.call()
    remotes = await far.line()
    async with MediaEngine(MediaOptions("127.0.0.1", PORTS), TapOptions()) as engine:
        pid = engine.processes[0].pid
        before = descriptors(pid), ports(pid)
        until = time.monotonic() + minutes * 60
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch(engine, totals))
            async with asyncio.TaskGroup() as lines:
                for line, port in enumerate(remotes):
                    lines.create_task(keep_calling(engine, far, line, port, until, totals))
            watching.cancel()
        await asyncio.sleep(REST + 1)
        after = descriptors(pid), ports(pid)
        same = engine.processes[0].pid == pid
    stops = await witnesses.stops()
    longest = max((end - begin for begin, end in stops), default=0.0)
    print(f"the machine itself stood still: {len(stops)} times noticed by a CPU, at most {longest * 1000:.0f} ms")
    excused = calls * witness.slots(stops)
    return judge(totals, await far.totals(), before, after, excused=excused, survived=same)


def judge(
    totals: Totals,
    far: dict[str, int],
    before: tuple[int, int],
    after: tuple[int, int],
    *,
    excused: int,
    survived: bool,
) -> int:
    """Print what came out; 1 if any of it is a fault. `excused` slots were the machine's fault."""
    warm = totals.memory[min(WARM, len(totals.memory)) - 1 :]
    grown = max(warm) / warm[0] - 1 if warm else 0.0
    # Between the counters and the hang-up each call may send one packet more.
    unseen = max(0, totals.sent - far["received"]) + max(0, far["received"] - totals.sent - 5 * totals.calls)
    faults = {
        "packets of ours lost": far["lost"],
        "doubled": far["doubled"],
        "misnumbered": far["misnumbered"],
        "not accounted for at the far end": unseen,
        "packets of theirs lost": totals.theirs - totals.taken + totals.lost,
        "slots skipped of which the timestamp does not tell": max(0, totals.skipped - far["jumped"]),
        "slots that the timestamp skips and we do not know of": max(0, far["jumped"] - totals.skipped),
        f"slots skipped, of {totals.skipped}, that are not the machine's": max(0, totals.skipped - excused),
        "calls without counters": totals.uncounted,
        "descriptors left": after[0] - before[0],
        "ports left": after[1] - before[1],
        "restarts of the media process": int(not survived),
        f"growth above {GROWTH:.0%} since minute {WARM}": int(grown > GROWTH),
    }
    print(
        f"{totals.calls} calls, {totals.sent} packets out, {totals.theirs} in; "
        f"memory {grown:+.1%} since minute {WARM}; latest tick {totals.late_max * 1000:.1f} ms, "
        f"{totals.underruns} times no speech in time from the gateway"
    )
    for name, number in faults.items():
        print(f"{name}: {number}")
    return int(any(faults.values()))
