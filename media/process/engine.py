"""Opens channels in the media processes and keeps the processes running. The gateway's entry to `media`."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from media.fast import Wanted, why_not
from media.process.channel import Channel, MediaDown, PortsExhausted, Sink
from media.process.cores import cores
from media.process.ports import EF
from media.process.supervisor import MediaProcess, ProcessState
from media.recording.tap import TapOptions, Tapped

START_LIMIT = 10.0
"""Seconds that the media processes have to start."""
PROCESSES_MAX = 64
MANY_CORES = 4
"""Number of cores from which on two media processes get cores of their own."""


class RuleError(ValueError):
    """A value of an option, or options together, that a rule refuses; `agent.rules` has the same for its floor.

    Parameters
    ----------
    problem
        What is wrong, in one clause. The key stands before it in messages.
    key, others
        The options that the rule is about. A message names the first that the file has, with its line.
    """

    def __init__(self, problem: str, key: str, *others: str) -> None:
        self.problem = problem
        self.keys = tuple((one,) for one in (key, *others))
        super().__init__(f"{key}: {problem}")


@dataclass(frozen=True)
class MediaOptions:
    """The addresses that sound is received on, and the number of media processes."""

    bind_host: str = "0.0.0.0"
    """Local address of the RTP sockets; ``0.0.0.0`` also takes calls whose sound comes over IPv6."""
    port_range: tuple[int, int] = (16384, 32766)
    """First and last UDP port; each call takes two."""
    processes: int | Literal["auto"] = "auto"
    """Media processes that share the calls and the ports; ``"auto"``: two where there are four processor cores or more,
    otherwise one. More help nobody: the gateway's own process is full before two of them are."""
    dscp: int = field(default=EF, metadata={"fixed": True})
    """Mark on outgoing RTP and RTCP for routers that give sound precedence (RFC 2474); 46 is EF, 0 is none."""
    fast: Wanted = "auto"
    """The packet path in C: ``"auto"`` where it was built, and Python elsewhere; ``true``: the gateway does not start
    without it; ``false``: Python. After two crashes with it a media process goes on in Python."""

    def __post_init__(self) -> None:
        first, last = self.port_range
        if not 1024 <= first < last <= 65535:
            raise RuleError("must be two ports between 1024 and 65535, the lower first", "port_range")
        if self.fast is True and (why := why_not()):
            raise RuleError(f"is true, but the packet path in C cannot be used: {why}", "fast")
        if self.processes != "auto" and not 1 <= self.processes <= PROCESSES_MAX:
            raise RuleError(f"must be 'auto' or a number from 1 to {PROCESSES_MAX}", "processes")
        if self.processes != "auto" and self.processes > max(1, len(self._pairs)):
            why = f"port_range has no pair of ports for each of {self.processes} processes"
            raise RuleError(why, "port_range", "processes")

    @property
    def _pairs(self) -> range:
        first, last = self.port_range
        return range(first + first % 2, last, 2)

    def split(self) -> list[tuple[int, int]]:
        """The first and the last port of each media process; no port is in two ranges."""
        wanted = (2 if cores() >= MANY_CORES else 1) if self.processes == "auto" else self.processes
        return self.parts(max(1, min(wanted, len(self._pairs), PROCESSES_MAX)))

    def parts(self, count: int) -> list[tuple[int, int]]:
        """The ports in `count` ranges with about as many pairs each. Raises `ValueError` for less than a pair each."""
        pairs = self._pairs
        if count == 1:
            return [self.port_range]
        if count > len(pairs):
            raise ValueError(f"port_range has {len(pairs)} pairs of ports, for {count} processes")
        ranges = [pairs[len(pairs) * at // count : len(pairs) * (at + 1) // count] for at in range(count)]
        return [(part[0], part[-1] + 1) for part in ranges]


class MediaEngine:
    """The media processes and their channels. Use it as an async context manager.

    Each process has calls and ports of its own; when it dies, only those calls end.
    """

    def __init__(self, options: MediaOptions, tap: TapOptions | None = None, *, both: bool = False) -> None:
        """`tap`: which packets of each call are kept, for `packets`; `both`: calls may go out over IPv6, too."""
        self._both = both
        self.host = options.bind_host
        """The local address that sound is received on."""
        parts, tap = options.split(), tap or TapOptions("off")
        tap = replace(tap, limit=tap.limit // len(parts))
        in_c = bool(options.fast) and not why_not()
        self._processes = [
            MediaProcess(options.bind_host, ports, tap, number, len(parts), dscp=options.dscp, in_c=in_c)
            for number, ports in enumerate(parts)
        ]
        self._group = asyncio.TaskGroup()
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.begin()
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def begin(self) -> None:
        """Start the processes without waiting for them; only `__aexit__` ends them then."""
        await self._group.__aenter__()
        for process in self._processes:
            self._keepers.append(self._group.create_task(process.keep_alive(), name="media-process"))

    async def ready(self) -> None:
        """Wait until all media processes can take calls. Raises `MediaDown`."""
        try:
            async with asyncio.timeout(START_LIMIT):
                for process in self._processes:
                    await process.ready.wait()
        except TimeoutError:
            raise MediaDown("the media process did not start") from None

    async def __aexit__(self, *_: object) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await self._group.__aexit__(None, None, None)  # an error of the body is raised as it is

    @property
    def alive(self) -> bool:
        """Whether a media process is running."""
        return any(process.alive for process in self._processes)

    @property
    def processes(self) -> list[ProcessState]:
        """The state of each of them."""
        return [process.state for process in self._processes]

    @property
    def delay(self) -> float:
        """Seconds by which events and orders are late at the slowest media process that takes calls now. A process that
        hangs does not count, because the others take the calls."""
        taking = [process for process in self._processes if process.answers] or self._processes
        return max(process.state.delay for process in taking)

    async def open(self, sink: Sink, *, ipv6: bool = False, beside: int = 0) -> Channel:
        """Bind ports for a call whose events go to `sink`. Raises `PortsExhausted` or `MediaDown`.

        `beside` is the number of the channel that it will be bridged with: both sides of a bridge are in one process.
        Other calls go to the process with the fewest calls. A process that hangs or starts gets a call only if no other
        process takes it.
        """
        ipv6 = ipv6 or self._both
        if beside:
            return await self._of(beside).open(sink, ipv6=ipv6)
        refused: PortsExhausted | MediaDown = MediaDown("the media process is being restarted")
        for process in sorted(self._processes, key=lambda process: (not process.answers, len(process.channels))):
            if process.alive:
                try:
                    return await process.open(sink, ipv6=ipv6)
                except (PortsExhausted, MediaDown) as failed:  # another process may have free ports, or answer
                    refused = failed
        raise refused

    def packets(self, number: int) -> AsyncGenerator[Tapped, None]:
        """See `media.process.supervisor.MediaProcess.packets`."""
        return self._of(number).packets(number)

    def _of(self, number: int) -> MediaProcess:
        return self._processes[number % len(self._processes)]
