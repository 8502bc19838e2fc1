"""Outcomes of calls out. They are kept in a file while the database is down, so that nobody is called twice."""

import asyncio
import json
import math
from dataclasses import asdict

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sipgw.outbound.jobs import JobOutcome, Jobs
from sipgw.records.store.engine import refused
from sipgw.state_file import StateFile

log = structlog.get_logger()

LAST = 5.0
"""Seconds for writing when the process stops. What is not written then is written at the next start."""


class Outcomes:
    """The outcomes of one process, and the outcomes that earlier processes have left in the folder."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._file = StateFile(jobs.folder / f"{jobs.holder}.json", "outcomes of calls out wait in memory")
        self._saved = False
        """Whether the file may have outcomes."""
        self._left: dict[tuple[str, int], JobOutcome] = {}
        self._files: list[StateFile] = []
        """Files of earlier processes; their outcomes are among `_left`."""
        self._turns = asyncio.Lock()

    def take_up(self) -> None:
        """Read the outcomes that earlier processes have left; `write` writes them, too. Call this at the start."""
        for path in sorted(self._jobs.folder.glob("*.json")):
            file = StateFile(path, "outcomes that are written are not deleted")
            try:  # however large the file is: people in it would be called again
                found = [JobOutcome(**one) for one in json.loads(file.read(math.inf) or b"[]")]
            except (OSError, ValueError, TypeError) as error:
                log.warning("outcomes of calls out cannot be read", file=str(path), cause=str(error)[:200])
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
            log.error(  # noqa: TRY400
                "outcomes of calls out wait for the next start", jobs=len(self._left), file=str(self._file.path)
            )
        finally:
            await self._file.settled()

    async def _put_down(self, outcome: JobOutcome) -> None:
        try:
            await self._jobs.put_down(outcome)
        except SQLAlchemyError as error:
            if not refused(error):
                raise
            log.error("the database refuses the outcome of a call out", job=outcome.job, cause=str(error)[:200])  # noqa: TRY400

    def _save(self) -> None:
        """Have the file written. If that fails the outcomes are still in memory."""
        self._saved = True
        self._file.put(json.dumps([asdict(one) for one in self._left.values()]))

    def _tidy(self) -> None:
        for file in (*([self._file] if self._saved else []), *self._files):
            file.put("")
        self._saved, self._files = False, []
