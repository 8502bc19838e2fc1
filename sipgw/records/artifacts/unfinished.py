"""Recordings that are not finished: the note beside each that says so, and what it still waits for.

A note is made before the first sound and deleted when the call has ended in good order and everything private in its
recording is covered. What is to be covered is written down before it is done, so a killed gateway forgets none of it;
until then the sound is not for anybody. Nor is what nobody had judged yet when it was killed: that is covered, too.
Each note is locked by the process that has the call.

A disk may be slow or hang: one thread writes the notes, in order, and whoever has the call knows them by heart.
"""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import structlog

from agent.pool import Pool, PoolFullError
from media.recording.redact import Span
from sipgw.bounds import FULL

log = structlog.get_logger()

UNFINISHED = ".unfinished"
"""Behind the whole name of the recording."""
KILLED = "not finished: the gateway was killed or lost its power"
ENDLESS = 999_999.0
"""Seconds; no recording is as long."""
MOST_NOTES = 2048
"""Notes of this process at a time; what comes on top is not recorded."""
MOST_LINES = 1000
"""Lines of one note that wait for the disk. After a kill a note that missed more has its whole recording covered."""
SETTLED_LIMIT = 5.0
"""Seconds that the disk has for what is to be written when the gateway ends."""
NOTES = Pool("the notes of recordings", workers=1, waiting=2 * MOST_NOTES)
"""One thread keeps the order. Of each note two pieces of work wait at most, so there is always room."""
_PRIVATE = 0o600
_OPEN: dict[str, "Unfinished"] = {}
"""The notes of this process by the path of their recording, from before they are on the disk until they are gone."""


class Noted(NamedTuple):
    """What a note says."""

    call: str
    database: str
    """In which the call is, see `sipgw.records.store.Store.name`; empty in notes of an earlier release."""
    spans: list[Span]
    """What is to be covered yet."""


class Unfinished:
    """The note of one recording; only its owner writes into it, from one thread, and never waits for the disk."""

    def __init__(self, path: str, call: str = "", *, bleeped: bool = False, database: str = "") -> None:
        """Of the recording at `path`, of which what is private is covered if it is to be `bleeped`.

        `database` is the `sipgw.records.store.Store.name` of where the record of the call is.
        """
        self.path = path
        """Of the recording."""
        self._bleeped = bleeped
        self._file = -1
        self._lines = deque[dict[str, object]](
            [{"call": call, "database": database, "judged": {"L": 0.0, "R": 0.0} if bleeped else {}}]
        )
        """What is not on the disk yet."""
        self._queued = False
        """Whether the thread will look at this note again."""
        self._wanted = self._dealt_with = 0
        self._stays = self._over = self._finished = False

    @property
    def waits(self) -> bool:
        """Whether something private in the recording may not be covered yet."""
        return self._stays or self._dealt_with < self._wanted or (self._bleeped and not self._over)

    def begin(self) -> Future[None]:
        """Make the note. Nothing may be recorded before the future is done, nor if it has an OSError."""
        refused = Future[None]()
        if self.path in _OPEN:
            refused.set_exception(FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)))
            return refused
        if len(_OPEN) >= MOST_NOTES:
            FULL["notes of recordings"] += 1
            refused.set_exception(OSError(errno.EBUSY, f"{MOST_NOTES} recordings are not finished yet"))
            return refused
        _OPEN[self.path] = self
        return NOTES.submit(self._make)

    def want(self, spans: Sequence[Span]) -> int:
        """Note, before it is done, what is to be covered; returns its number. From now on nobody may hear the sound."""
        number = self._wanted
        self._wanted += 1
        self._put({"cover": [str(span) for span in spans], "number": number})
        return number

    def covered(self, number: int, *, done: bool) -> None:
        """What was wanted has been covered, or cannot be now: then the note stays for the next start."""
        self._stays = self._stays or not done
        self._dealt_with += 1
        if done:
            self._put({"covered": number})
        self._finish()

    def judged(self, side: str, until: float) -> None:
        """Of what is on that side until then, in seconds, it is known what is private, and it was wanted."""
        self._put({"judged": {side: until}})

    def end(self) -> None:
        """The call has ended in good order. Of a recording that never began, too."""
        self._over = True
        self._put({"ended": True})
        self._finish()

    def _finish(self) -> None:
        if self._over and self._dealt_with == self._wanted:
            self._finished = True
            self._hand_over()

    def _put(self, line: dict[str, object]) -> None:
        if len(self._lines) < MOST_LINES:
            self._lines.append(line)
        else:
            FULL["notes of recordings"] += 1
            if len(self._lines) == MOST_LINES:  # which covers what is not noted any more
                self._lines.append({"cover": [str(Span(side, 0.0, ENDLESS)) for side in "LR"], "number": -1})
        self._hand_over()

    def _hand_over(self) -> None:
        if _OPEN.get(self.path) is self and not self._queued:  # and not if it is gone, or never was
            self._queued = True
            NOTES.submit(self._work)

    # In the thread

    def _make(self) -> None:
        """Raises OSError: then nothing may be recorded."""
        name = self.path + UNFINISHED
        try:
            file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
        except OSError:
            self._forget()
            raise
        self._file = file
        try:
            _lock(file)
            self._write(self._lines[0])
            self._lines.popleft()
        except OSError:
            self._close(delete=True)
            raise

    def _work(self) -> None:
        """Write what waits, and close a note that is done with. What cannot be written now is tried with the next."""
        self._queued = False
        if self._file < 0:
            return
        try:
            while self._lines:
                self._write(self._lines[0])
                self._lines.popleft()
        except OSError as error:
            if not self._finished or self._stays:
                log.error("a kill would leave a recording not bleeped", file=self.path, cause=error.strerror)  # noqa: TRY400
        if self._finished and not (self._stays and self._lines):  # what the disk does not know stays closed by us
            self._close(delete=not self._stays)

    def _close(self, *, delete: bool) -> None:
        file, self._file = self._file, -1
        try:
            if delete:
                Path(self.path + UNFINISHED).unlink(missing_ok=True)
        except OSError as error:  # it is taken up within the hour
            log.error("note of a recording not deleted", file=self.path, cause=error.strerror)  # noqa: TRY400
        finally:
            with contextlib.suppress(OSError):
                os.close(file)
            self._forget()

    def _forget(self) -> None:
        if _OPEN.get(self.path) is self:
            del _OPEN[self.path]

    def _write(self, line: dict[str, object]) -> None:
        """Append a whole line or nothing. Raises OSError."""
        data = json.dumps(line).encode() + b"\n"
        end = os.lseek(self._file, 0, os.SEEK_END)
        if os.write(self._file, data) < len(data):
            os.ftruncate(self._file, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def settled() -> None:
    """Wait until the disk has all that was noted so far, for `SETTLED_LIMIT` at most."""
    try:
        async with asyncio.timeout(SETTLED_LIMIT):
            await NOTES.run(lambda: None)
    except (TimeoutError, PoolFullError):
        log.error("notes of recordings not written in time", limit=SETTLED_LIMIT)  # noqa: TRY400


def _lock(file: int) -> None:
    """Raises OSError that says what to do."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OSError(error.errno, f"files in its folder cannot be locked (flock: {error.strerror})") from None


def waits(path: Path) -> bool:
    """Whether something private in the recording at `path` may not be covered yet: then nobody may hear it.

    Of a call of this process its memory knows; of others, and of killed ones, the disk.
    """
    if note := _OPEN.get(str(path)):
        return note.waits
    try:
        return bool(_read(Path(f"{path}{UNFINISHED}")).spans)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True


@contextlib.contextmanager
def taken_up(note: Path) -> Iterator[Noted | None]:
    """Lock a note that a killed process has left, and read it; None if another process has the call.

    Raises OSError, and ValueError if it cannot be read: its recording stays closed.
    """
    file = os.open(note, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield _read(note)
    finally:
        os.close(file)


def _read(note: Path) -> Noted:
    call, database, wanted, judged = "", "", dict[int, list[Span]](), dict[str, float]()
    covered = set[int]()
    for line in note.read_bytes().splitlines():
        match json.loads(line):
            case {"judged": {**sides}, **more}:
                call, database = str(more.get("call", call)), str(more.get("database", database))
                judged |= {str(side): float(str(until)) for side, until in sides.items()}
            case {"cover": [*spans], "number": int(number)}:
                wanted[number] = [Span.parse(str(span)) for span in spans]
            case {"cover": [*spans]}:  # of an earlier release
                wanted[len(wanted)] = [Span.parse(str(span)) for span in spans]
            case {"covered": int(number)}:
                covered.add(number)
            case {"ended": True}:
                judged = {}
            case other:
                raise ValueError(f"{note} says {other!r:.100}")
    unjudged = [Span(side, until, ENDLESS) for side, until in judged.items()]
    left = [span for number, spans in wanted.items() if number not in covered for span in spans]
    return Noted(call, database, left + unjudged)
