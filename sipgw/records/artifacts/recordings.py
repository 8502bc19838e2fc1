"""Recordings of calls: which are made, where they are kept, and what became of each."""

import asyncio
import contextlib
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import structlog

from media.process.channel import Channel, MediaDown, Recorded
from sipgw.records.artifacts.artifact import Artifact, Artifacts
from sipgw.records.store.artifact_states import ArtifactKind

log = structlog.get_logger()

AGREE = "1"
"""The key of who agrees to being recorded."""
KEYS_PAUSE = 4.0
"""Seconds after a key in which nothing is kept."""
Consent = Literal["off", "announce", "key"]
NOT_AGREED = "the caller did not agree to be recorded"
NOT_YET = "the caller has not agreed yet"


class CallRecording:
    """What may be kept of the sound of one call, and its recording if there is a path.

    `keeps` decides it for all that keeps or tells sound: the media process keeps nothing in recordings, captures and
    bundles and lets nobody listen until it is told here that it may.
    """

    def __init__(
        self,
        path: str = "",
        consent: Consent = "off",
        call: str = "",
        *,
        redact: bool = False,
        artifacts: Artifacts | None = None,
    ) -> None:
        """With `consent` by ``key`` nothing is kept until `AGREE` is pressed; `call` is whose it is.

        `redact` tells whether what is private in it is to be covered, `artifacts` begins its row.
        """
        self.path = path
        self.artifact: Artifact | None = None
        """The row of its file, once that was begun."""
        self._row = partial(
            (artifacts or Artifacts()).begin, ArtifactKind.RECORDING, call, path,
            consent="" if consent == "off" else consent, redact=redact and path.endswith(".wav"),
        )  # fmt: skip
        """Makes the row."""
        self.problem = ""
        self.consent: Consent = consent
        self.began: datetime | None = None
        """When the file began."""
        self.agreed = consent != "key"
        """Whether the caller has agreed, as far as they were to be asked."""
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

    def pressed(self, key: str, *, asked: bool = False) -> None:
        """The caller presses keys: that may be consent, or a number that nobody should hear in the recording.

        Only a key that the agent `asked` for is consent: others with whom they speak ask for keys, too.
        """
        if not self.agreed and asked and key == AGREE:
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
        """Record, if a row of the file can be kept: a kill would leave what is recorded without one."""
        if not (self.path and self.agreed and self._channel and self._answered) or self.artifact or self.problem:
            return
        try:
            self.artifact = self._row()
            self._channel.record(self.path)
        except (OSError, MediaDown) as error:
            self._fail(getattr(error, "strerror", None) or str(error))
        else:
            self.began = datetime.now(UTC)

    def _fail(self, problem: str) -> None:
        self.problem = problem
        log.error("recording not begun", file=self.path, cause=problem)

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
        if self.artifact:
            self.artifact.end()

    def as_dict(self) -> dict[str, dict[str, str]]:
        """What stands in the record of the call, which is over."""
        if self._timer:
            self._timer.cancel()
        if self.artifact is None and not self.problem:
            return {} if self.agreed or not self._answered else {"sound": {"withheld": NOT_AGREED}}
        agreed = {} if self.consent == "off" else {"consent": self.consent}
        return {"recording": agreed | {"file": self.path} | ({"problem": self.problem} if self.problem else {})}
