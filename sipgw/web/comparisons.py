"""Comparisons of two prompts of an agent by ``sipgw eval``, one at a time, in a process of its own.

The process reports each use of a provider at once. This use counts like that of calls: against the limits of the day,
which may end the comparison, and as an expense in the database.
"""

import asyncio
import contextlib
import json
import math
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.errors import internal
from agent.pool import PoolFullError
from agent.records import Used
from sipgw.policy.cost.cost import Bill, Cost, paid
from sipgw.policy.cost.prices import PriceTable
from sipgw.records.artifacts.files import DiskPool
from sipgw.records.store.store import Store
from sipgw.sip.boundaries import contained
from sipgw.web.gateway_view import GatewayView

log = structlog.get_logger()

LIMIT = 1800.0
"""Longest comparison in seconds."""
ENDING = 5.0
"""Seconds in which an ended process may still report its use."""
OUTPUT = 8 << 20
"""Bytes that are read of the result."""
PAUSE = 1.0
"""Seconds between two writes of the cost into the database."""
NICE = 19
"""The nice value of the process, so that it yields to the calls of the gateway."""
SHIPPED = "ear"
"""The evaluation set for agents without their own set; it comes with the package."""
FILES = DiskPool("files of comparisons", workers=1, waiting=4)
EVAL = (sys.executable, "-P", "-m", "sipgw", "eval")
ACCOUNT = "comparison of prompts"


class ComparisonRefusedError(Exception):
    """A comparison may not begin or go on; the message says why."""


@dataclass
class Comparison:
    """One comparison and its result."""

    version: int
    """The version of the prompt that is compared with the prompt in use."""
    evaluated: str
    """The name of the evaluation set."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: Literal["running", "done", "failed"] = "running"
    problem: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    """The result: see `sipgw.tools.evaluation.report.as_dict`."""
    cost: float = 0.0
    """Cost so far, in the currency of the prices."""


class _Charge:
    """The paid use of one comparison. It counts at once. During the comparison `write` keeps it in one row of the
    database, so that a kill does not lose it.
    """

    def __init__(self, store: Store, prices: PriceTable, began: datetime) -> None:
        self.bill = Bill(prices, "", "", began, of_call=False)
        self._store = store
        self._row: int | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    def cost(self) -> Cost:
        """The cost so far."""
        return self.bill.cost(datetime.now(UTC))

    def used(self, line: bytes) -> None:
        """Count the use that the process has reported in `line`. Raises ValueError."""
        self.bill.used(_used(line))
        self._news.set()

    def end(self) -> None:
        """Let `write` end, because the comparison is over and costs nothing more."""
        self._over.set()
        self._news.set()

    async def write(self) -> None:
        """Write the cost into the database whenever it has grown, and once more after `end`. Do not cancel this task: a
        cancelled first write may have made a row that the next write does not know.
        """
        over = False
        while not over:
            await self._news.wait()
            self._news.clear()
            over = self._over.is_set()
            with contained("cost of a comparison not written"):
                await self._keep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._over.wait()

    async def _keep(self) -> None:
        cost = self.cost()
        if not cost.used:
            return
        try:
            self._row = await paid(self._store, ACCOUNT, cost, datetime.now(UTC), self._row)
        except (SQLAlchemyError, OSError) as error:
            cause = str(error).partition("\n")[0][:200]
            log.warning("cost of a comparison not written", cost=cost.total, cause=cause)


class Comparisons:
    """The latest comparison of each agent. Use it as an async context manager; its end stops a running comparison."""

    def __init__(self, gateway: GatewayView, command: Sequence[str] = EVAL, limit: float = LIMIT) -> None:
        self._gateway = gateway
        self._command = command
        self._limit = limit
        self._latest: dict[str, Comparison] = {}
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None
        self._time: asyncio.Timeout | None = None
        """The time limit of the running process; None without one."""
        self._closed = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        self._closed = True
        if self._time:
            with contextlib.suppress(RuntimeError):  # the process has ended
                self._time.reschedule(0)
        await self._group.__aexit__(*error)

    def latest(self, agent: str) -> Comparison | None:
        """Latest comparison of `agent`."""
        return self._latest.get(agent)

    def begin(self, config: Path, agent: str, version: int, prompts: Mapping[str, str]) -> Comparison:
        """Compare `prompts`, by their names, with the set of `agent`. Raises `ComparisonRefusedError`."""
        if self._task and not self._task.done():
            raise ComparisonRefusedError("another comparison goes on; wait for its end")
        if over := self._gateway.budget():
            raise ComparisonRefusedError(over.reason)
        own = config.parent / "evals" / f"{agent}.toml"
        evaluated = str(own) if own.is_file() else SHIPPED
        made = Comparison(version, own.name if own.is_file() else SHIPPED)
        command = [*self._command, evaluated, "--json", "--agent", agent]
        command += ["-c", str(config)] if config.exists() else []
        self._task = self._group.create_task(self._run(made, command, prompts), name=ACCOUNT)
        self._latest[agent] = made
        return made

    async def _run(self, made: Comparison, command: Sequence[str], prompts: Mapping[str, str]) -> None:
        """The boundary of one comparison: no error of it, nor of its end, reaches the dashboard."""
        try:
            async with _charged(self._gateway, made) as charge, _files(prompts) as (folder, files):
                named = [word for file in files for word in ("--prompt", str(file))]
                status = await self._evaluated([*command, *named], folder, charge)
                out, err = await FILES.run(_printed, folder)
                if status in (0, 1):
                    made.result = json.loads(out)
                else:
                    made.problem = _last_line(err) or f"sipgw eval: exit status {status}"
        except ComparisonRefusedError as error:
            made.problem = str(error)
        except (OSError, ValueError, PoolFullError) as error:
            made.problem = f"sipgw eval: {error}"
        except Exception as error:  # the boundary of one comparison
            log.exception("comparison failed")
            made.problem = internal(error)
        finally:
            made.state = "failed" if made.problem or not made.result else "done"
            log.info("prompts compared", version=made.version, state=made.state, problem=made.problem, cost=made.cost)

    async def _evaluated(self, command: Sequence[str], folder: Path, charge: _Charge) -> int:
        """Run a command that prints into `folder`; returns its exit status. The command and its children end with this
        function.
        Raises `ComparisonRefusedError`, OSError, ValueError.
        """
        reader, told = asyncio.StreamReader(), os.pipe()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(told[0])
        )
        with contextlib.closing(transport), (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, "--usage", f"/dev/fd/{told[1]}", pass_fds=(told[1],), stdin=asyncio.subprocess.DEVNULL,
                    stdout=out, stderr=err, start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(told[1])
            try:
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
                async with asyncio.timeout(0 if self._closed else self._limit) as self._time:
                    await self._count(reader, charge)
                    return await process.wait()
            except TimeoutError:
                late = f"it was not over after {self._limit:g} s; use a smaller set"
                raise ComparisonRefusedError("the gateway was stopped" if self._closed else late) from None
            finally:
                _signal(process.pid, signal.SIGINT)
                with contextlib.suppress(TimeoutError, ValueError):
                    async with asyncio.timeout(ENDING):
                        async for line in reader:
                            charge.used(line)
                _signal(process.pid, signal.SIGKILL)
                await process.wait()

    async def _count(self, reader: asyncio.StreamReader, charge: _Charge) -> None:
        """Count the use that the process reports, until it ends. Raises `ComparisonRefusedError` if no more may be paid
        for, and ValueError if a report cannot be read.
        """
        async for line in reader:
            charge.used(line)
            if over := self._gateway.budget():
                raise ComparisonRefusedError(f"it was ended: {over.reason}")


@contextlib.asynccontextmanager
async def _charged(gateway: GatewayView, made: Comparison) -> AsyncIterator[_Charge]:
    """Count the use during the block against the limits of the day, and write it into the database."""
    charge = _Charge(gateway.store, gateway.expenses.prices, made.began)
    gateway.expenses.open((ACCOUNT,), charge.bill)
    loop = asyncio.get_running_loop()
    writing = loop.create_task(charge.write(), name=f"cost of a {ACCOUNT}")  # in no group, which could cancel it
    try:
        yield charge
    finally:
        gateway.expenses.close((ACCOUNT,))
        made.cost = charge.cost().total
        charge.end()
        await asyncio.wait((writing,))  # `writing` goes on to its end, also if this task is cancelled


@contextlib.asynccontextmanager
async def _files(prompts: Mapping[str, str]) -> AsyncIterator[tuple[Path, list[Path]]]:
    """A folder that is deleted after the block, and a file in it for each prompt."""
    folder, files = await FILES.run(_written, prompts)
    try:
        yield folder, files
    finally:
        try:
            await FILES.run(shutil.rmtree, folder)
        except (OSError, PoolFullError) as error:
            log.warning("files of a comparison not deleted", folder=str(folder), cause=str(error))


def _used(line: bytes) -> Used:
    """The use in a reported line. Raises ValueError."""
    try:
        told = Used(**json.loads(line))
        amount = float(told.amount)
    except (TypeError, KeyError) as error:
        raise ValueError(f"it does not say what it uses: {error}") from None
    if not (math.isfinite(amount) and amount >= 0 and all(isinstance(one, str) for one in told[:3])):
        raise ValueError("it does not say what it uses")
    return told._replace(amount=amount)


def _written(prompts: Mapping[str, str]) -> tuple[Path, list[Path]]:
    """A folder, and a file in it for each prompt."""
    folder = Path(tempfile.mkdtemp(prefix="sipgw-prompts-"))
    files = [folder / f"{title}.md" for title in prompts]
    for file, text in zip(files, prompts.values(), strict=True):
        file.write_text(text, encoding="utf-8")
    return folder, files


def _printed(folder: Path) -> tuple[bytes, bytes]:
    """All that was printed. Raises `ValueError` if it is too much."""
    files = folder / "out", folder / "err"
    if any(file.stat().st_size > OUTPUT for file in files):
        raise ValueError("its result is too long; use a smaller set")
    return files[0].read_bytes(), files[1].read_bytes()


def _signal(process: int, number: signal.Signals) -> None:
    """Send a signal to the process group of `process`, which may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, number)


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:500] if lines else ""
