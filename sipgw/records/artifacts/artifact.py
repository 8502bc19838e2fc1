"""Artifacts: the files of calls. Each has a row in the table `artifacts` before its first byte is written.

The writing process sends the state of a file through the spool, which survives a kill and a database outage. Retention,
forgetting and redaction only change the states of rows; `sipgw.records.artifacts.work` acts on them.
"""

import asyncio
import contextlib
import errno
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from media.recording.redact import Span
from sipgw.bounds import FULL
from sipgw.records.artifacts.files import SLOW
from sipgw.records.store.artifact_states import FILES, MOVES, ArtifactKind, ArtifactState, before
from sipgw.records.store.spool import Entry
from sipgw.records.store.tables import PATH, ArtifactRecord

MOST_OPEN = 4096
"""Artifacts that this process writes at a time; beyond that nothing more is recorded or captured."""
MOST_SPANS = 1000
"""Spans of one recording that may wait to be redacted; with any more the whole recording is redacted."""
MOST_UNDELETED = 100_000
"""Files that could not be deleted. Beyond that no further call is deleted."""
ENDLESS = 999_999.0
"""Seconds that are longer than any recording."""
SETTLED = timedelta(seconds=4)
"""Seconds until the end of a recording is in its file: the recorder buffers a second, and writes once a second."""
UNSEEN = "its folder was not looked at since the upgrade"
"""The problem of a recording that is older than the table of artifacts and was not on this disk at the upgrade. Nobody
gets this recording."""
KILLED = "not finished: the gateway was killed or lost its power"


def known(problem: str = "") -> Future[str]:
    """A future with the result `problem`, for a `keep` that keeps an entry at once."""
    future = Future[str]()
    future.set_result(problem)
    return future


class Artifacts:
    """Begins the artifacts of this process, and keeps the list of open ones."""

    def __init__(self, keep: Callable[[Entry], Future[str]] = lambda _: known()) -> None:
        """`keep` appends an entry to the spool: see `sipgw.records.cdr.writer.CdrWriter.keep`."""
        self.keep = keep
        self.open: dict[str, Artifact] = {}
        """Open artifacts by their paths."""
        self._ended: dict[str, float] = {}
        """End times, by the monotonic clock, of artifacts whose file may be incomplete; oldest first."""

    def begin(self, kind: ArtifactKind, call: str, path: str, *, consent: str = "", redact: bool = False) -> "Artifact":
        """Create a row for the file at the absolute `path`; `redact` if private words in it must be covered. Raises
        OSError. Nothing may be written before the row is kept: see `Artifact.when_kept`.
        """
        if path in self.open:
            raise FileExistsError(errno.EEXIST, "another call writes this file")
        if len(path) > PATH:
            raise OSError(errno.ENAMETOOLONG, f"the path of a file of calls has {PATH} characters at most")
        if len(self.open) >= MOST_OPEN:
            FULL["artifacts"] += 1
            raise OSError(errno.EBUSY, f"{MOST_OPEN} files of calls are being written")
        begun = self.open[path] = Artifact(self, kind, call, path, consent, redact=redact)
        return begun

    def close(self, path: str) -> None:
        """Note that the file at `path` is not written any more."""
        self.open.pop(path, None)
        self._ended.pop(path, None)
        self._ended[path] = time.monotonic()
        self.just_ended()

    def just_ended(self) -> list[str]:
        """The paths of artifacts that ended less than `SETTLED` ago."""
        since = time.monotonic() - SETTLED.total_seconds()
        while self._ended and next(iter(self._ended.values())) < since:
            del self._ended[next(iter(self._ended))]
        return list(self._ended)

    @contextlib.asynccontextmanager
    async def writing(self, kind: ArtifactKind, call: str, path: str) -> AsyncIterator[None]:
        """Write a file in the block; an unfinished file is deleted. Raises OSError like `begin`, and if its row cannot
        be kept."""
        begun, state = self.begin(kind, call, path), ArtifactState.TO_DELETE
        kept = asyncio.get_running_loop().create_future()
        try:
            begun.when_kept(lambda problem: None if kept.done() else kept.set_result(problem))
            async with asyncio.timeout(SLOW):
                if problem := await kept:
                    raise OSError(errno.EIO, f"its row cannot be kept: {problem}")
            yield
            state = ArtifactState.FINISHED
        finally:
            begun.end(state)


class Artifact:
    """A file that is being written."""

    def __init__(
        self, held: Artifacts, kind: ArtifactKind, call: str, path: str, consent: str, *, redact: bool
    ) -> None:
        """See `Artifacts.begin`."""
        self.path = path
        self.state = ArtifactState.WRITING
        self.spans: list[Span] = []
        """The spans to cover, in seconds of the recording."""
        self._held = held
        self._judged = {"L": 0.0, "R": 0.0} if redact else {}
        """For each side, the seconds of the recording up to which private words are known; after a kill the rest is
        covered."""
        created = datetime.now(UTC).isoformat()
        self._row = {"path": path, "kind": kind.value, "created": created, "consent": consent}
        self._call = call
        self._kept = self.tell(new=True)

    def when_kept(self, then: Callable[[str], None]) -> None:
        """Call `then` when the row of this file is on the disk, with "", or with the reason why the row is not
        there."""
        if self._kept.done():
            then(self._kept.result())
        else:
            loop = asyncio.get_running_loop()
            self._kept.add_done_callback(lambda kept: loop.call_soon_threadsafe(then, kept.result()))

    def want(self, spans: Sequence[Span]) -> None:
        """Note `spans` before they are covered."""
        if self.state is not ArtifactState.WRITING:
            raise RuntimeError(f"nothing can be found in an artifact that is {self.state}")
        self.spans += spans
        if len(self.spans) > MOST_SPANS:
            FULL["spans of recordings"] += 1
            self.spans = [Span(side, 0.0, ENDLESS) for side in "LR"]
        self.tell()

    def covered(self, spans: Sequence[Span]) -> None:
        """Note that the spans were covered. Does nothing after the end: the row has the state `to redact` already."""
        if self.state is ArtifactState.WRITING:
            self.spans = [one for one in self.spans if one not in spans]
            self.tell()

    def judged(self, side: str, until: float) -> None:
        """Note that the private words of `side` up to `until` seconds are known, and were noted by `want`."""
        if self.state is ArtifactState.WRITING and self._judged:
            self._judged[side] = until
            self.tell()

    def end(self, state: ArtifactState | None = None) -> None:
        """End the file; without a `state` it is redacted if spans are left to cover."""
        state = state or (ArtifactState.TO_REDACT if self.spans else ArtifactState.FINISHED)
        if state not in MOVES[self.state]:
            raise RuntimeError(f"an artifact cannot go from {self.state} to {state}")
        self.state, self._judged = state, {}
        self.tell()
        self._held.close(self.path)

    def tell(self, *, new: bool = False) -> Future[str]:
        """Send the whole row to the spool. The result of the future is the reason why the row is not on the disk, or
        ""."""
        redact = {"spans": [str(span) for span in self.spans], "judged": self._judged}
        ended = self.state in (ArtifactState.TO_REDACT, ArtifactState.FINISHED)
        waits = (datetime.now(UTC) + SETTLED).isoformat() if ended else None
        row = {**self._row, "state": self.state.value, "redact": redact, "next_try": waits, "new": new}
        return self._held.keep({"call": self._call, "artifact": row})


def left(redact: dict[str, Any]) -> list[Span]:
    """The spans that are left to cover after the call, read from the column `redact`. Raises ValueError."""
    unjudged = [Span(side, until, ENDLESS) for side, until in redact.get("judged", {}).items()]
    return [*map(Span.parse, redact.get("spans", ())), *unjudged]


async def is_open(session: AsyncSession, path: str, call: str) -> bool | None:
    """Whether the file at `path` may be handed out as a file of the row `call`: it contains no private words that wait
    for redaction. None if unknown, because the file is being written, or its row is still in the spool. Raises
    `FileNotFoundError` if only other calls have the file.
    """
    found = list(await session.scalars(select(ArtifactRecord).where(ArtifactRecord.path == path)))
    rows = [row for row in found if row.call == call]
    if found and not rows:
        raise FileNotFoundError(path)
    if not rows or any(row.state == ArtifactState.WRITING and left(row.redact) for row in rows):
        return None
    return all(row.state in (ArtifactState.WRITING, ArtifactState.FINISHED, ArtifactState.REDACTED) for row in rows)


async def delete(session: AsyncSession, now: datetime, *which: Any, kinds: Sequence[ArtifactKind] = FILES) -> None:
    """Mark these artifacts for deletion; an open one is deleted as soon as it is finished."""
    row = ArtifactRecord
    for state, due in ((ArtifactState.WRITING, now + SETTLED), (None, now)):
        of_state = row.state == state if state else row.state.in_(before(ArtifactState.TO_DELETE))
        values = {"state": ArtifactState.TO_DELETE.value, "next_try": due, "attempts": 0, "problem": ""}
        await session.execute(update(row).where(of_state, row.kind.in_(kinds), *which).values(**values))


async def recover(session: AsyncSession, gateway: str, now: datetime) -> dict[str, str]:
    """Change the state of artifacts that a killed gateway was writing; returns the paths of its recordings by call."""
    row = ArtifactRecord
    cut = row.gateway == gateway, row.state == ArtifactState.WRITING
    recordings = dict[str, str]()
    for one in list(await session.scalars(select(row).where(*cut, row.kind == ArtifactKind.RECORDING))):
        recordings[one.call] = one.path
        one.state = ArtifactState.TO_REDACT if left(one.redact) else ArtifactState.FINISHED
        one.next_try = now + SETTLED  # the recorder process of a killed gateway still writes its buffer
    await session.flush()
    await delete(session, now, *cut)  # an incomplete file of another kind is useless
    return recordings


async def undeleted(session: AsyncSession, most: int) -> list[ArtifactRecord]:
    """Artifacts that could not be deleted, `most` at most, the least tried first."""
    row = ArtifactRecord
    tried = row.state == ArtifactState.TO_DELETE, row.attempts > 0
    return list(await session.scalars(select(row).where(*tried).order_by(row.attempts, row.created).limit(most)))


async def count_undeleted(session: AsyncSession, *which: Any) -> int:
    """Number of artifacts that could not be deleted."""
    row = ArtifactRecord
    query = select(func.count()).select_from(row).where(row.state == ArtifactState.TO_DELETE, row.attempts > 0, *which)
    return await session.scalar(query) or 0
