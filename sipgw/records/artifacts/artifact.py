"""Artifacts: the files that are kept of calls, each with a row in the table `artifacts` from before its first byte.

The process that writes a file tells its state by way of the spool, which outlives a kill and a database that is away.
Retention, forgetting and redaction only change the states of rows; `sipgw.records.artifacts.work` does what they say.
"""

import contextlib
import errno
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from media.recording.redact import Span
from sipgw.bounds import FULL
from sipgw.records.store.artifact_states import FILES, MOVES, ArtifactKind, ArtifactState, before
from sipgw.records.store.spool import Entry
from sipgw.records.store.tables import PATH, ArtifactRecord

MOST_OPEN = 4096
"""Artifacts that this process writes at a time; beyond that nothing more is recorded or captured."""
MOST_SPANS = 1000
"""Spans of one recording that wait to be redacted; beyond that the whole recording is."""
MOST_UNDELETED = 100_000
"""Files that could not be deleted. Beyond that no further call is deleted."""
ENDLESS = 999_999.0
"""Seconds; no recording is as long."""
SETTLED = timedelta(seconds=4)
"""Until the end of a recording is in its file: the recorder holds back a second, and writes by the second."""
UNSEEN = "its folder was not looked at since the upgrade"
"""The problem of a recording of an earlier release while it is not known whether something private in it is covered."""
KILLED = "not finished: the gateway was killed or lost its power"


class Artifacts:
    """Begins the artifacts of this process, and knows which are being written."""

    def __init__(self, keep: Callable[[Entry], str] = lambda _: "") -> None:
        """`keep` appends an entry to the spool and returns why it is not on the disk, "" if it is."""
        self.keep = keep
        self.open: dict[str, Artifact] = {}
        """By their paths."""
        self._ended: dict[str, float] = {}
        """When those ended of which not all may be in the file yet, by the monotonic clock; oldest first."""

    def begin(self, kind: ArtifactKind, call: str, path: str, *, consent: str = "", redact: bool = False) -> "Artifact":
        """A row for the file at `path`, absolute; `redact` if what is private in it is to be covered.

        Raises OSError: then nothing may be written there.
        """
        if path in self.open:
            raise FileExistsError(errno.EEXIST, "another call writes this file")
        if len(path) > PATH:
            raise OSError(errno.ENAMETOOLONG, f"the path of a file of calls has {PATH} characters at most")
        if len(self.open) >= MOST_OPEN:
            FULL["artifacts"] += 1
            raise OSError(errno.EBUSY, f"{MOST_OPEN} files of calls are being written")
        begun = self.open[path] = Artifact(self, kind, call, path, consent, redact=redact)
        if problem := begun.tell(new=True):
            begun.end(ArtifactState.TO_DELETE)
            raise OSError(errno.EIO, f"its row cannot be kept: {problem}")
        return begun

    def close(self, path: str) -> None:
        """That one is not written any more."""
        self.open.pop(path, None)
        self._ended.pop(path, None)
        self._ended[path] = time.monotonic()
        self.just_ended()

    def just_ended(self) -> list[str]:
        """The paths of those that ended less than `SETTLED` ago."""
        since = time.monotonic() - SETTLED.total_seconds()
        while self._ended and next(iter(self._ended.values())) < since:
            del self._ended[next(iter(self._ended))]
        return list(self._ended)

    @contextlib.contextmanager
    def writing(self, kind: ArtifactKind, call: str, path: str) -> Iterator[None]:
        """Write a file in the block; what is not finished is deleted. Raises OSError as `begin`."""
        begun, state = self.begin(kind, call, path), ArtifactState.TO_DELETE
        try:
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
        """What is to be covered."""
        self._held = held
        self._judged = {"L": 0.0, "R": 0.0} if redact else {}
        """Until when it is known of each side what is private, in seconds; after a kill the rest is covered."""
        created = datetime.now(UTC).isoformat()
        self._row = {"path": path, "kind": kind.value, "created": created, "consent": consent}
        self._call = call

    def want(self, spans: Sequence[Span]) -> None:
        """Note, before it is done, what is to be covered."""
        if self.state is not ArtifactState.WRITING:
            raise RuntimeError(f"nothing can be found in an artifact that is {self.state}")
        self.spans += spans
        if len(self.spans) > MOST_SPANS:
            FULL["spans of recordings"] += 1
            self.spans = [Span(side, 0.0, ENDLESS) for side in "LR"]
        self.tell()

    def covered(self, spans: Sequence[Span]) -> None:
        """That has been done. After the end nothing happens: the row says already that it is to be done."""
        if self.state is ArtifactState.WRITING:
            self.spans = [one for one in self.spans if one not in spans]
            self.tell()

    def judged(self, side: str, until: float) -> None:
        """Of what is on that side until then, in seconds, it is known what is private, and it was wanted."""
        if self.state is ArtifactState.WRITING and self._judged:
            self._judged[side] = until
            self.tell()

    def end(self, state: ArtifactState | None = None) -> None:
        """Nothing more is written; without a `state` it is redacted if anything is left to be covered."""
        state = state or (ArtifactState.TO_REDACT if self.spans else ArtifactState.FINISHED)
        if state not in MOVES[self.state]:
            raise RuntimeError(f"an artifact cannot go from {self.state} to {state}")
        self.state, self._judged = state, {}
        self.tell()
        self._held.close(self.path)

    def tell(self, *, new: bool = False) -> str:
        """Give the spool the whole row; returns why it is not on the disk, "" if it is."""
        redact = {"spans": [str(span) for span in self.spans], "judged": self._judged}
        waits = (datetime.now(UTC) + SETTLED).isoformat() if self.state is ArtifactState.TO_REDACT else None
        row = {**self._row, "state": self.state.value, "redact": redact, "next_try": waits, "new": new}
        return self._held.keep({"call": self._call, "artifact": row})


def left(redact: dict[str, Any]) -> list[Span]:
    """What is to be covered, by the column `redact`, if nobody judges any more. Raises ValueError."""
    unjudged = [Span(side, until, ENDLESS) for side, until in redact.get("judged", {}).items()]
    return [*map(Span.parse, redact.get("spans", ())), *unjudged]


async def is_open(session: AsyncSession, path: str) -> bool | None:
    """Whether people may have the file at `path`: nothing private in it waits to be covered.

    None if that is not known yet, as its row says that it is written, or is on the way through the spool.
    """
    rows = list(await session.scalars(select(ArtifactRecord).where(ArtifactRecord.path == path)))
    if not rows or any(row.state == ArtifactState.WRITING and left(row.redact) for row in rows):
        return None
    return all(row.state in (ArtifactState.WRITING, ArtifactState.FINISHED, ArtifactState.REDACTED) for row in rows)


async def delete(session: AsyncSession, now: datetime, *which: Any, kinds: Sequence[ArtifactKind] = FILES) -> None:
    """Have those artifacts deleted; one that is still being written as soon as it is finished."""
    row = ArtifactRecord
    for state, due in ((ArtifactState.WRITING, now + SETTLED), (None, now)):
        of_state = row.state == state if state else row.state.in_(before(ArtifactState.TO_DELETE))
        values = {"state": ArtifactState.TO_DELETE.value, "next_try": due, "attempts": 0, "problem": ""}
        await session.execute(update(row).where(of_state, row.kind.in_(kinds), *which).values(**values))


async def recover(session: AsyncSession, gateway: str, now: datetime) -> dict[str, str]:
    """Move what a killed gateway was writing; returns the paths of its recordings by their calls."""
    row = ArtifactRecord
    cut = row.gateway == gateway, row.state == ArtifactState.WRITING
    recordings = dict[str, str]()
    for one in list(await session.scalars(select(row).where(*cut, row.kind == ArtifactKind.RECORDING))):
        recordings[one.call] = one.path
        one.state = ArtifactState.TO_REDACT if left(one.redact) else ArtifactState.FINISHED
        one.next_try = now + SETTLED  # the recorder of a gateway that was killed still writes what it has
    await session.flush()
    await delete(session, now, *cut)  # of other kinds half a file is of no use
    return recordings


async def undeleted(session: AsyncSession, most: int) -> list[ArtifactRecord]:
    """What could not be deleted, `most` at most, that first which was tried least."""
    row = ArtifactRecord
    tried = row.state == ArtifactState.TO_DELETE, row.attempts > 0
    return list(await session.scalars(select(row).where(*tried).order_by(row.attempts, row.created).limit(most)))


async def count_undeleted(session: AsyncSession, *which: Any) -> int:
    """How many could not be deleted."""
    row = ArtifactRecord
    query = select(func.count()).select_from(row).where(row.state == ArtifactState.TO_DELETE, row.attempts > 0, *which)
    return await session.scalar(query) or 0
