"""Recordings of calls: which are made, where they are kept, and what became of each."""

import asyncio
import contextlib
import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import structlog

from media.process.channel import Channel, MediaDown, Recorded
from sipgw.records.unfinished import Unfinished

log = structlog.get_logger()

PLACES = ("call", "began", "trunk", "caller")
"""What may stand in braces in the name of a file."""
LONGEST = 120
"""Characters of a file's name without its ending."""
AGREE = "1"
"""The key of who agrees to being recorded."""
KEYS_PAUSE = 4.0
"""Seconds after a key in which nothing is kept."""
Consent = Literal["off", "announce", "key"]
NOT_AGREED = "the caller did not agree to be recorded"
NOT_YET = "the caller has not agreed yet"
_UNSAFE = re.compile(r"[^A-Za-z0-9@+_-]+")


@dataclass(frozen=True)
class RecordingOptions:
    """Whether calls are recorded. Ask your callers first: in many places the law wants that."""

    folder: str = ""
    """Where recordings are kept, made when it does not exist; empty: no call is recorded."""
    name: str = "{began}-{call}"
    """Name of a file; {call} is its Call-ID, {began} its start in UTC, {trunk} and {caller} as in its record."""
    format: Literal["wav", "opus"] = "wav"
    """`wav` is G.711 as it was, 58 MB per hour; `opus` is 14 MB and costs 10 ms of CPU per second (pip install av)."""

    consent: Literal["off", "announce", "key", "country"] = "off"
    """`announce` says so first; `key` records only after the caller has pressed 1; `country` announces where the law of
    the other side's number wants it, and where that cannot be told."""
    announcement: str = "This call is recorded."
    """Said for `announce`."""
    question: str = "If this call may be recorded, please press 1."
    """Said for `key`."""

    def __post_init__(self) -> None:
        if self.format == "opus" and find_spec("av") is None:
            raise ValueError("format 'opus' needs PyAV: pip install 'sipgw[opus]'")
        try:
            places = [place for _, place, _, _ in string.Formatter().parse(self.name) if place is not None]
        except ValueError as error:
            raise ValueError(f"name {self.name!r} cannot be read: {error}") from None
        if unknown := [place for place in places if place not in PLACES]:
            raise ValueError(f"name has {{{unknown[0]}}}; known: {', '.join(PLACES)}")
        if "call" not in places:
            raise ValueError("name needs {call}, or one call would take the file of another")

    def path(self, call: str, began: datetime, trunk: str, caller: str) -> str:
        """The file of a call, always inside the folder whatever the other side chose as Call-ID; "" for none."""
        if not self.folder:
            return ""
        start = began.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
        name = self.name.format(call=call, began=start, trunk=trunk, caller=caller)
        return str(Path(self.folder).resolve() / f"{_UNSAFE.sub('_', name)[:LONGEST]}.{self.format}")

    def prepare(self) -> None:
        """Make the folder, readable by us alone. Raises OSError."""
        if self.folder:
            Path(self.folder).mkdir(mode=0o700, parents=True, exist_ok=True)


class Tape:
    """What may be kept of the sound of one call, and its recording if there is a path.

    `keeps` decides it for all that keeps or tells sound: the media process keeps nothing in recordings, captures and
    bundles and lets nobody listen until it is told here that it may.
    """

    def __init__(
        self, path: str = "", consent: Consent = "off", call: str = "", *, bleeped: bool = False, database: str = ""
    ) -> None:
        """With `consent` by ``key`` nothing is kept until `AGREE` is pressed; `call` is whose it is.

        What is private in it is to be covered if it is to be `bleeped`; `database` as for `Unfinished.begin`.
        """
        self.path = path
        self.note: Unfinished | None = None
        """Says beside the file that it is not finished, while that is so."""
        self.problem = ""
        self.consent: Consent = consent
        self.began: datetime | None = None
        """When the file began."""
        self.agreed = consent != "key"
        """Whether the caller has agreed, as far as they were to be asked."""
        covered = bleeped and path.endswith(".wav")
        self._begin_note = partial(Unfinished.begin, path, call, bleeped=covered, database=database)
        self._answered = False
        self._told = False
        """What the media process was told last; it begins by keeping nothing."""
        self._channel: Channel | None = None
        self._paused: set[str] = set()
        """Who wants nothing to be kept now: somebody ``by hand``, or the call itself (``secluded``)."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def keeps(self) -> bool:
        """Whether sound may be kept now, in whatever form, and heard by others."""
        return self.agreed and not (self._paused or self._timer)

    def attach(self, channel: Channel) -> None:
        """Decide from now on over the sound of `channel`, which has just been opened."""
        self._channel = channel
        self._tell()

    def begin(self) -> None:
        """Record what the channel exchanges from now on, or from the caller's consent on."""
        self._answered = True
        self._start()

    def pressed(self, key: str) -> None:
        """The caller presses keys: that may be consent, or a number that nobody should hear in the recording."""
        if not self.agreed and key == AGREE:
            self.agreed = True
            self._tell()
            self._start()
        elif self._answered:
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(KEYS_PAUSE, self._keys_done)
            self._tell()

    def pause(self) -> None:
        """Keep silence in place of what follows: card numbers, and what the caller does not want kept."""
        self._paused.add("by hand")
        self._tell()

    def resume(self) -> None:
        """Keep sound again."""
        self._paused.discard("by hand")
        self._tell()

    def seclude(self, on: bool) -> None:
        """Keep nothing at all of what follows, or go on."""
        (self._paused.add if on else self._paused.discard)("secluded")
        self._tell()

    def _tell(self) -> None:
        if self._channel and self._told != self.keeps:
            self._told = self.keeps
            with contextlib.suppress(MediaDown):  # the call is over
                (self._channel.resume_recording if self._told else self._channel.pause_recording)()

    def _start(self) -> None:
        if self.path and self.agreed and self._channel and self._answered and self.began is None:
            self.began = datetime.now(UTC)
            try:
                self.note = self._begin_note()
            except OSError as error:  # nothing is kept that a kill would leave without a mark
                self.problem = error.strerror or str(error)
                log.error("recording not begun", file=self.path, cause=self.problem)  # noqa: TRY400
                return
            self._channel.record(self.path)

    def _keys_done(self) -> None:
        self._timer = None
        self._tell()

    def on_recorded(self, event: Recorded) -> None:
        """The media process told the end."""
        if event.problem:
            self.problem = event.problem
            log.error("recording ended", file=self.path, seconds=round(event.seconds), cause=event.problem)

    def on_dead(self, cause: str) -> None:
        """The media process could not go on: the last second or two are missing."""
        if self.began is not None and not self.problem:
            self.problem = f"not finished: {cause}"

    def end(self) -> None:
        """The call is over, and everybody has been told: from now on nothing more is found that is to be covered."""
        if self.note:
            self.note.end()

    def as_dict(self) -> dict[str, dict[str, str]]:
        """What stands in the record of the call, which is over."""
        if self._timer:
            self._timer.cancel()
        if self.began is None:
            return {} if self.agreed or not self._answered else {"sound": {"withheld": NOT_AGREED}}
        agreed = {} if self.consent == "off" else {"consent": self.consent}
        return {"recording": agreed | {"file": self.path} | ({"problem": self.problem} if self.problem else {})}
