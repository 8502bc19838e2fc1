"""Comparisons of two prompts of an agent by ``sipgw eval``, one at a time, in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from agent.pool import Pool

log = structlog.get_logger()

LIMIT = 1800.0
"""Seconds of a comparison."""
OUTPUT = 8 << 20
"""Bytes that are read of its result."""
NICE = 19
"""It yields to the calls of the gateway."""
SHIPPED = "ear"
"""The set where an agent has none of its own; it comes with the package."""
RUNNING = Pool("comparisons of prompts", workers=1, waiting=1)
EVAL = (sys.executable, "-P", "-m", "sipgw", "eval")


class ComparisonBusyError(Exception):
    """Another comparison goes on."""


@dataclass
class Comparison:
    """One comparison, and what came of it."""

    version: int
    """The version that is compared."""
    evaluated: str
    """The name of the set."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: Literal["running", "done", "failed"] = "running"
    problem: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    """See `sipgw.tools.evaluation.report.as_dict`."""


class Comparisons:
    """The latest comparison of each agent."""

    def __init__(self, command: Sequence[str] = EVAL, limit: float = LIMIT) -> None:
        self._command = command
        self._limit = limit
        self._latest: dict[str, Comparison] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def latest(self, agent: str) -> Comparison | None:
        """That of `agent`."""
        return self._latest.get(agent)

    def begin(self, config: Path, agent: str, version: int, prompts: Mapping[str, str]) -> Comparison:
        """Compare `prompts`, by their names, with the set of `agent`. Raises `ComparisonBusyError`."""
        if any(one.state == "running" for one in self._latest.values()):
            raise ComparisonBusyError("another comparison goes on; wait for its end")
        own = config.parent / "evals" / f"{agent}.toml"
        evaluated = str(own) if own.is_file() else SHIPPED
        made = Comparison(version, own.name if own.is_file() else SHIPPED)
        command = [*self._command, evaluated, "--json", "--agent", agent]
        command += ["-c", str(config)] if config.exists() else []
        RUNNING.submit(self._run, made, command, prompts)
        self._latest[agent] = made
        return made

    def close(self) -> None:
        """End what goes on."""
        self._closed = True
        if self._process is not None:
            _kill(self._process)

    def _run(self, made: Comparison, command: Sequence[str], prompts: Mapping[str, str]) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="sipgw-prompts-") as name:
                folder, named = Path(name), list[str]()
                for title, text in prompts.items():
                    file = folder / f"{title}.md"
                    file.write_text(text, encoding="utf-8")
                    named += ["--prompt", str(file)]
                status, out, err = self._output([*command, *named], folder)
            if status in (0, 1):
                made.result = json.loads(out)
            else:
                made.problem = _last_line(err) or f"sipgw eval: exit status {status}"
        except subprocess.TimeoutExpired:
            made.problem = f"it was not over after {self._limit:g} s; use a smaller set"
        except (OSError, ValueError) as error:
            made.problem = f"sipgw eval: {error}"
        finally:
            made.problem = "the gateway was stopped" if self._closed else made.problem
            made.state = "failed" if made.problem or not made.result else "done"
            log.info("prompts compared", version=made.version, state=made.state, problem=made.problem)

    def _output(self, command: Sequence[str], folder: Path) -> tuple[int, bytes, bytes]:
        """Exit status and what a command prints. The command and its children do not outlive this function."""
        out, err = folder / "out", folder / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = self._process = subprocess.Popen(  # noqa: S603  our own command
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
            )
        try:
            if self._closed:
                _kill(process)
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
            return process.wait(self._limit), _bounded(out), _bounded(err)
        finally:
            self._process = None
            _kill(process)
            process.wait()


def _bounded(file: Path) -> bytes:
    """All of a file. Raises `ValueError` if it is too much."""
    if file.stat().st_size > OUTPUT:
        raise ValueError("its result is too long; use a smaller set")
    return file.read_bytes()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:500] if lines else ""
