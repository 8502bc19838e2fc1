"""One process of callers: ``python -m sipgw.tools.load.worker JOB``, where JOB is a `WorkerJob` as JSON.

Reads how many calls to hold from standard input, a number a line, and prints a `Window` as JSON, at once and then every
second.
"""

import asyncio
import json
import random
import resource
import sys
from collections import deque
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files

from agent.lookups import run_main
from media.g711 import FRAME
from sipgw.config.log import LogOptions
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.sip.checks import DROP
from sipgw.sip.endpoint import CallFailed, Endpoint
from sipgw.sip.endpoint_options import EndpointOptions
from sipgw.sip.events import Ended
from sipgw.sip.leg import Leg
from sipgw.sip.offer_answer import NotAcceptable
from sipgw.sip.tls import TlsOptions
from sipgw.sip.uri import Uri
from sipgw.telemetry import log
from sipgw.tools.caller import Call, placed
from sipgw.tools.load.distribution import Distribution
from sipgw.tools.load.process import open_files
from sipgw.tools.load.stream import LoadStream, StreamCounts

PHASES = 4
"""Number of groups of calls whose packets leave one after the other within 20 ms; more groups mean more wake-ups of
asyncio."""
SPEECH = ("ask_order.wav", "order_number.wav", "interrupt.wav")
"""Speech whose pauses are too short to be an end of turn for the parrot."""


@dataclass(frozen=True)
class WorkerJob:
    """The job of one process of callers."""

    target: str
    host: str
    """The local address of the callers."""
    rate: float
    """New calls per second."""
    seed: int
    ca: str = ""
    """PEM file with the authorities that sign a TLS target's certificate."""


@dataclass
class Window:
    """Measurements of one second."""

    held: int = 0
    setups: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unanswered: int = 0
    sent: int = 0
    received: int = 0
    lost: int = 0
    gap: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    """See `distribution.Distribution`."""
    cpu: float = 0.0
    """CPU seconds of this process so far."""


class Callers:
    """All calls of this process."""

    def __init__(self, job: WorkerJob, endpoint: Endpoint) -> None:
        self.wanted = 0
        self._job = job
        self._endpoint = endpoint
        self._target = Uri.parse(job.target)
        self._speech = [_frames(name) for name in SPEECH]
        self._chance = random.Random(job.seed)
        self._streams: list[list[LoadStream]] = [[] for _ in range(PHASES)]
        self._calls: deque[asyncio.Task[None]] = deque()
        self._window = Window()
        self._tally = StreamCounts()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Keep `wanted` calls running: begin and end calls until the numbers are equal. Runs for ever."""
        while True:
            while self._calls and self._calls[0].done():
                self._calls.popleft()
            alive = [one for one in self._calls if not one.done()]
            if len(alive) < self.wanted:
                self._calls.append(group.create_task(self._call()))
            for one in alive[self.wanted :]:
                one.cancel()
            await asyncio.sleep(1 / self._job.rate)

    async def beat(self) -> None:
        """Send and read on a grid of 5 ms for ever."""
        now = asyncio.get_running_loop().time
        start, tick = now(), 0
        while True:
            for stream in self._streams[tick % PHASES]:
                stream.beat()
            tick += 1
            await asyncio.sleep(max(0.0, start + tick * 0.02 / PHASES - now()))

    async def _call(self) -> None:
        speech = self._chance.choice(self._speech)
        stream, call = LoadStream(self._job.host, speech, self._tally), Call()
        phase = min(self._streams, key=len)
        try:
            async with placed(self._endpoint, self._target, stream.port, call) as (leg, agreed):
                self._window.setups.append(call.answered - call.dialled)
                stream.connect((agreed.remote_address, agreed.remote_port), agreed.encoding, agreed.payload_type)
                phase.append(stream)
                self._window.held += 1
                try:
                    async for event in leg.events():
                        if isinstance(event, Ended):
                            self._window.failures.append(f"ended by the other side: {event.how}")
                finally:
                    phase.remove(stream)
                    self._window.held -= 1
        except (CallFailed, NotAcceptable, OSError) as error:
            self._window.failures.append(str(error)[:100])
        finally:
            stream.close()

    def window(self) -> Window:
        """The measurements since the last window."""
        window, tally = self._window, self._tally
        window.latencies, window.unanswered = tally.latencies, tally.unanswered
        window.sent, window.received, window.lost, window.gap = tally.sent, tally.received, tally.lost, tally.gap
        window.errors = Distribution.of(tally.errors).counts
        usage = resource.getrusage(resource.RUSAGE_SELF)
        window.cpu = usage.ru_utime + usage.ru_stime
        self._window = Window(held=window.held)
        fresh = StreamCounts()
        tally.__dict__.update(fresh.__dict__)
        return window


def _frames(name: str) -> list[bytes]:
    with as_file(files("sipgw") / "demo_voice" / name) as path:
        sound = read_ulaw(path)
    sound += b"\xff" * (-len(sound) % FRAME)
    return [sound[at : at + FRAME] for at in range(0, len(sound), FRAME)]


async def _run(job: WorkerJob) -> None:
    tls = TlsOptions(ca=job.ca)
    options = EndpointOptions(host=job.host, port=0, tcp=False, tls=tls)
    orders: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def ordered() -> None:
        line = sys.stdin.buffer.readline()
        orders.put_nowait(line)
        if not line:
            loop.remove_reader(sys.stdin)

    loop.add_reader(sys.stdin, ordered)
    async with Endpoint(options, _refuse, lambda *_: DROP) as endpoint, asyncio.TaskGroup() as group:
        callers = Callers(job, endpoint)
        tasks = [group.create_task(callers.run(group)), group.create_task(callers.beat())]
        tasks.append(group.create_task(_tell(callers)))
        while order := await orders.get():
            callers.wanted = int(order)
        callers.wanted = 0
        await asyncio.sleep(0.2)
        for task in [*tasks, *callers._calls]:  # noqa: SLF001
            task.cancel()


async def _tell(callers: Callers) -> None:
    while True:
        print(json.dumps(asdict(callers.window())), flush=True)  # noqa: T201  the answer to our parent
        await asyncio.sleep(1.0)


def _refuse(leg: Leg) -> None:
    leg.reject(403)


def main() -> None:
    """Hold the calls that standard input asks for, until it ends."""
    open_files()
    log.configure(LogOptions(level="error"))
    run_main(_run(WorkerJob(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
