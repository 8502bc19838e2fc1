"""Recordings that are not finished: the note beside each that says so, and what it still waits for.

A note is made before the first sound and deleted when the call has ended in good order and everything private in its
recording is covered. What is to be covered is written down before it is done, so a killed gateway forgets none of it;
until then the sound is not for anybody. Nor is what nobody had judged yet when it was killed: that is covered, too.
Each note is locked by the process that has the call.
"""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from media.recording.redact import Span

log = structlog.get_logger()

UNFINISHED = ".unfinished"
"""Behind the whole name of the recording."""
KILLED = "not finished: the gateway was killed or lost its power"
ENDLESS = 999_999.0
"""Seconds; no recording is as long."""
_PRIVATE = 0o600


class Noted(NamedTuple):
    """What a note says."""

    call: str
    database: str
    """In which the call is, see `sipgw.store.StoreOptions.name`; empty in notes of an earlier release."""
    spans: list[Span]
    """What is to be covered yet."""


class Unfinished:
    """The note of one recording; only its owner writes into it."""

    def __init__(self, path: str, file: int) -> None:
        self.path = path
        """Of the recording."""
        self._file = file
        self._wanted = self._dealt_with = 0
        self._stays = self._over = False

    @classmethod
    def begin(cls, path: str, call: str, *, bleeped: bool = False, database: str = "") -> Self:
        """Note that the recording at `path` begins, of which what is private is covered if it is to be `bleeped`.

        `database` is the `sipgw.store.StoreOptions.name` of where the record of the call is.

        Raises OSError: then nothing may be recorded.
        """
        file = os.open(path + UNFINISHED, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _PRIVATE)
        note = cls(path, file)
        try:
            _lock(file)
            note._write({"call": call, "database": database, "judged": {"L": 0.0, "R": 0.0} if bleeped else {}})
        except OSError:
            note._close(delete=True)
            raise
        return note

    def want(self, spans: Sequence[Span]) -> int:
        """Note, before it is done, what is to be covered; returns its number."""
        self._wanted += 1
        try:
            self._write({"cover": [str(span) for span in spans]})
        except OSError as error:
            log.error("a kill would leave a recording not bleeped", file=self.path, cause=error.strerror)  # noqa: TRY400
        return self._wanted - 1

    def covered(self, number: int, *, done: bool) -> None:
        """What was wanted has been covered, or cannot be now: then the note stays for the next start."""
        self._dealt_with += 1
        self._stays = self._stays or not done
        if done:
            with contextlib.suppress(OSError):  # it is covered again after a kill
                self._write({"covered": number})
        self._finish()

    def judged(self, side: str, until: float) -> None:
        """Of what is on that side until then, in seconds, it is known what is private, and it was wanted."""
        with contextlib.suppress(OSError):  # more is covered after a kill
            self._write({"judged": {side: until}})

    def end(self) -> None:
        """The call has ended in good order."""
        self._over = True
        with contextlib.suppress(OSError):
            self._write({"ended": True})
        self._finish()

    def _finish(self) -> None:
        if self._file >= 0 and self._over and self._dealt_with == self._wanted:
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

    def _write(self, line: dict[str, object]) -> None:
        """Append a whole line or nothing. Raises OSError."""
        data = json.dumps(line).encode() + b"\n"
        end = os.lseek(self._file, 0, os.SEEK_END)
        if os.write(self._file, data) < len(data):
            os.ftruncate(self._file, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _lock(file: int) -> None:
    """Raises OSError that says what to do."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OSError(error.errno, f"files in its folder cannot be locked (flock: {error.strerror})") from None


def waits(path: Path) -> bool:
    """Whether something private in the recording at `path` may not be covered yet: then nobody may hear it."""
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
    call, database, wanted, covered, judged = "", "", list[list[Span]](), set[int](), dict[str, float]()
    for line in note.read_bytes().splitlines():
        match json.loads(line):
            case {"judged": {**sides}, **more}:
                call, database = str(more.get("call", call)), str(more.get("database", database))
                judged |= {str(side): float(str(until)) for side, until in sides.items()}
            case {"cover": [*spans]}:
                wanted.append([Span.parse(str(span)) for span in spans])
            case {"covered": int(number)}:
                covered.add(number)
            case {"ended": True}:
                judged = {}
            case other:
                raise ValueError(f"{note} says {other!r:.100}")
    unjudged = [Span(side, until, ENDLESS) for side, until in judged.items()]
    return Noted(
        call, database, [span for at, spans in enumerate(wanted) if at not in covered for span in spans] + unjudged
    )
