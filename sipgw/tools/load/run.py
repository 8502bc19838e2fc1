"""A load test: starts the callers and, if needed, the gateway; runs the steps; measures both."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.lookups import run_main
from sipgw.config.networks import PRIVATE_NETWORKS, Networks
from sipgw.sip.dialog import Peer, peer_of
from sipgw.sip.resolver import Resolver
from sipgw.sip.uri import Uri
from sipgw.tools.load.distribution import milliseconds
from sipgw.tools.load.plan import SETTLING, Level, LoadStep, ramp, shared
from sipgw.tools.load.process import ProcessUsage, usage
from sipgw.tools.load.worker import Window, WorkerJob

START_LIMIT = 60.0
"""Seconds within which a process must have started."""
RECOVERY = 10.0
"""Seconds of recovery between a broken step and the next."""
ANSWER_LIMIT = 30.0
"""Seconds for which a process of callers may print nothing; it should print a window every second."""
LINE_LIMIT = 1 << 24
"""Maximum bytes of a line that a worker prints."""


class LoadError(Exception):
    """The test is impossible; the message is one line with the reason."""


@dataclass(frozen=True)
class LoadPlan:
    """The plan of a load test."""

    steps: tuple[int, ...] = ()
    """Number of calls in each step; the test ends at a broken step. Empty: a ramp up to `most`."""
    seconds: float = 20.0
    """Seconds for which each step is held after its calls have begun."""
    target: str = ""
    """The SIP URI to call; empty: a gateway is started here."""
    config: Path | None = None
    """Configuration of the gateway that is started here; None: its agent is the parrot."""
    rate: float = 20.0
    """New calls a second."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    level: Level = field(default_factory=Level)
    seed: int = 1
    ca: str = ""
    media: int = 0
    """Number of media processes of a gateway that is started here; 0: the configured number."""
    most: int = 0
    """The number of calls at which a ramp ends."""


@dataclass
class LoadOutcome:
    """The outcome of a load test."""

    steps: list[LoadStep] = field(default_factory=list)
    before: ProcessUsage | None = None
    """The resources of the gateway before the first call."""
    seconds: list[dict[str, Any]] = field(default_factory=list)
    """The course of the test, one entry for each second."""

    @property
    def held(self) -> int:
        """The highest number of calls at which the service level held."""
        return max((step.wanted for step in self.steps if not step.broken), default=0)

    @property
    def broken(self) -> list[str]:
        """The broken limits of the step with the fewest calls that broke some."""
        return min(
            (step for step in self.steps if step.broken), key=lambda step: step.wanted, default=LoadStep(0)
        ).broken

    @property
    def per_core(self) -> float | None:
        """Held calls per core of the gateway; None if it was not started here, or if it held no calls."""
        held = [step for step in self.steps if step.wanted == self.held]
        return held[-1].held / held[-1].cpu if held and held[-1].cpu else None


Progress = Callable[[LoadStep, float], None]


@dataclass
class StartedGateway:
    """The gateway process that the load test has started."""

    pid: int
    port: int
    headroom: int | None = None
    """Further calls that the gateway could take, by its last report."""

    async def listen(self, stream: asyncio.StreamReader) -> None:
        """Read the gateway's reports from `stream` until it ends."""
        while line := await stream.readline():
            self.headroom = json.loads(line)["headroom"]


def check_target(target: str, *, own: bool) -> str:
    """The local address from which to call `target`. Raises `LoadError` for a public address, unless it is the user's
    `own`."""
    uri = Uri.parse(target)
    if uri.scheme not in ("sip", "sips"):
        raise LoadError(f"{target} is not a SIP address")
    hops = run_main(_located(uri))
    if not hops:
        raise LoadError(f"{uri.host}: no address was found")
    private = Networks[bool]()
    for network in PRIVATE_NETWORKS:
        private.add(network, True)
    for hop in hops:
        if not own and not private.match(hop.host):
            raise LoadError(f"{hop.host} is a public address; with --i-own-this-host it is called all the same")
    with socket.socket(socket.AF_INET6 if ":" in hops[0].host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((hops[0].host, hops[0].port))
        return str(probe.getsockname()[0])


async def _located(uri: Uri) -> tuple[Peer, ...]:
    """All addresses to which calls to `uri` may go, found as the callers find them (RFC 3263)."""
    async with asyncio.TaskGroup() as group:

        def spawn(work: Coroutine[Any, Any, None]) -> None:
            group.create_task(work)

        resolver = Resolver((), lambda address: True, spawn, lambda located, hops: located(hops, 0.0))
        return await resolver.find(peer_of(uri))


async def run(plan: LoadPlan, host: str, progress: Progress) -> LoadOutcome:
    """Run `plan`, calling from the local address `host`. Raises `LoadError`."""
    async with contextlib.AsyncExitStack() as stack:
        target, gateway = plan.target, None
        if not target:
            gateway = await stack.enter_async_context(_gateway(plan))
            target = f"sip:agent@127.0.0.1:{gateway.port}"
        workers = [
            await stack.enter_async_context(
                _process(
                    "sipgw.tools.load.worker",
                    json.dumps(asdict(WorkerJob(target, host, plan.rate / plan.workers, seed, plan.ca))),
                )
            )
            for seed in range(plan.seed, plan.seed + plan.workers)
        ]
        for worker in workers:
            await _window(worker, START_LIMIT)
        outcome = LoadOutcome(before=usage(gateway.pid) if gateway else None)
        for calls in plan.steps or ramp(plan.most, outcome.steps):
            if outcome.broken:
                if plan.steps:
                    break
                await _recover(workers, outcome)
            outcome.steps.append(step := LoadStep(calls))
            try:
                await _step(step, plan, workers, gateway, outcome, progress)
            except LoadError as error:
                if len(outcome.steps) == 1:
                    raise
                step.broken = [str(error)]  # the results of earlier steps are still reported
                break
            if plan.target and not any(one.setups for one in outcome.steps):
                why = step.failures[0] if step.failures else f"no answer within {plan.seconds:g} s"
                raise LoadError(f"{plan.target}: no call was answered: {why}")
            step.broken = plan.level.broken(step)
    return outcome


async def _recover(workers: list[asyncio.subprocess.Process], outcome: LoadOutcome) -> None:
    """Return to the held number of calls until the gateway has recovered from the last step."""
    _want(outcome.held, workers)
    until = asyncio.get_running_loop().time() + RECOVERY
    while asyncio.get_running_loop().time() < until:
        for worker in workers:
            await _window(worker)


def _want(calls: int, workers: list[asyncio.subprocess.Process]) -> None:
    for worker, part in zip(workers, shared(calls, len(workers)), strict=True):
        assert worker.stdin is not None  # noqa: S101  it was asked for
        worker.stdin.write(f"{part}\n".encode())


async def _step(
    step: LoadStep,
    plan: LoadPlan,
    workers: list[asyncio.subprocess.Process],
    gateway: StartedGateway | None,
    outcome: LoadOutcome,
    progress: Progress,
) -> None:
    loop, calls = asyncio.get_running_loop(), step.wanted
    up = max((one.wanted for one in outcome.steps[:-1] if not one.broken), default=0)
    _want(calls, workers)
    settle = loop.time() + SETTLING + max(0, calls - up) / plan.rate
    end, began = settle + plan.seconds, None
    while (now := loop.time()) < end:
        windows = [await _window(worker) for worker in workers]
        settled = now >= settle
        for window in windows:
            step.add(window, settled=settled)
        step.held = sum(window.held for window in windows)
        step.headroom = gateway.headroom if gateway else None
        used = usage(gateway.pid) if gateway else None
        spent = sum(window.cpu for window in windows)
        if settled and began is None:
            began = (loop.time(), used, spent)
        elif began is not None:
            step.seconds = loop.time() - began[0]
            step.generator = (spent - began[2]) / step.seconds
            if used and began[1]:
                step.cpu, step.memory = (used.cpu - began[1].cpu) / step.seconds, used.memory
                step.media, step.media_memory = (used.media_cpu - began[1].media_cpu) / step.seconds, used.media_memory
        outcome.seconds.append(_point(step, windows))
        progress(step, max(0.0, end - loop.time()))
        if step.failures and not any(one.setups for one in outcome.steps):
            break


def _point(step: LoadStep, windows: list[Window]) -> dict[str, Any]:
    return {
        "held": step.held,
        "turn": milliseconds([value for window in windows for value in window.latencies], 0.95),
        "setup": milliseconds([value for window in windows for value in window.setups], 0.95),
        "cpu": step.cpu,
        "generator": step.generator,
        "lost": sum(window.lost for window in windows),
    }


async def _window(worker: asyncio.subprocess.Process, limit: float = ANSWER_LIMIT) -> Window:
    assert worker.stdout is not None  # noqa: S101  it was asked for
    try:
        async with asyncio.timeout(limit):
            line = await worker.stdout.readline()
    except TimeoutError:
        raise LoadError("a process of callers does not answer: this machine is overloaded") from None
    if not line:
        raise LoadError("a process of callers has ended; its last words stand above")
    return Window(**json.loads(line))


@contextlib.asynccontextmanager
async def _process(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments,
        stdin=pipe, stdout=pipe, limit=LINE_LIMIT, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        assert process.stdin is not None  # noqa: S101  it was asked for
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.communicate()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _gateway(plan: LoadPlan) -> AsyncIterator[StartedGateway]:
    async with _process(
        "sipgw.tools.load.host", str(plan.media), *([str(plan.config)] if plan.config else [])
    ) as process:
        assert process.stdout is not None  # noqa: S101  it was asked for
        try:
            async with asyncio.timeout(START_LIMIT):
                line = await process.stdout.readline()
        except TimeoutError:
            raise LoadError("the gateway did not start") from None
        if not line:
            raise LoadError("the gateway could not be started; its words stand above")
        started = StartedGateway(process.pid, int(json.loads(line)["port"]))
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(started.listen(process.stdout), name="gateway")
            yield started
            listening.cancel()
