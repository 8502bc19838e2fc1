"""Outcomes of calls out. They are kept in a file while the database is down, so that nobody is called twice."""

import asyncio
import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.jobs import JobOutcome, Jobs
from sipgw.records.store.engine import refused

log = structlog.get_logger()

LAST = 5.0
"""Seconds for writing when the process stops. What is not written then is written at the next start."""


class Outcomes:
    """The outcomes of one process, and the outcomes that earlier processes have left in the folder."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._file = jobs.folder / f"{jobs.holder}.json"
        self._left: dict[tuple[str, int], JobOutcome] = {}
        self._files: list[Path] = []
        """Files of earlier processes; their outcomes are among `_left`."""
        self._turns = asyncio.Lock()

    def take_up(self) -> None:
        """Read the outcomes that earlier processes have left; `write` writes them, too."""
        for file in sorted(self._jobs.folder.glob("*.json")):
            try:
                found = [JobOutcome(**one) for one in json.loads(file.read_bytes())]
            except (OSError, ValueError, TypeError) as error:
                log.warning("outcomes of calls out cannot be read", file=str(file), cause=str(error)[:200])
                continue
            self._left |= {(one.holder, one.job): one for one in found}
            self._files.append(file)

    def keep(self, outcome: JobOutcome) -> None:
        """Have `write` write this outcome. It replaces an earlier outcome of the same job."""
        self._left[outcome.holder, outcome.job] = outcome

    async def write(self) -> None:
        """Write all outcomes to the database. Raises `SQLAlchemyError`; then they wait in the file."""
        async with self._turns:
            try:
                for key, outcome in list(self._left.items()):
                    await self._put_down(outcome)
                    if self._left[key] is outcome:
                        del self._left[key]
            except BaseException:
                self._save()
                raise
            if not self._left:
                self._tidy()

    async def close(self) -> None:
        """Write what is left, for `LAST` seconds at most."""
        try:
            async with asyncio.timeout(LAST):
                await self.write()
        except (TimeoutError, SQLAlchemyError):
            log.error("outcomes of calls out wait for the next start", jobs=len(self._left), file=str(self._file))  # noqa: TRY400

    async def _put_down(self, outcome: JobOutcome) -> None:
        try:
            await self._jobs.put_down(outcome)
        except SQLAlchemyError as error:
            if not refused(error):
                raise
            log.error("the outcome of a call out is not taken", job=outcome.job, cause=str(error)[:200])  # noqa: TRY400

    def _save(self) -> None:
        """Write the file. If that fails the outcomes are still in memory."""
        new = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump([asdict(one) for one in self._left.values()], out)
            new.replace(self._file)
        except OSError as error:
            log.warning("outcomes of calls out wait in memory", cause=error.strerror)

    def _tidy(self) -> None:
        for file in (self._file, *self._files):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        self._files = []
