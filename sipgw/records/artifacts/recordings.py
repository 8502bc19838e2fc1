"""Recordings of calls: consent, pauses, files and results."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import structlog

from media.process.channel import Channel, MediaDown, Recorded
from sipgw.records.artifacts.artifact import Artifact, Artifacts
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactState

log = structlog.get_logger()

AGREE = "1"
"""The key that a caller presses to agree to the recording."""
KEYS_PAUSE = 4.0
"""Seconds after a key in which nothing is kept."""
Consent = Literal["off", "announce", "key"]
NOT_AGREED = "the caller did not agree to be recorded"
NO_ROW = "the disk did not keep its row before the call was over"
NOT_YET = "the caller has not agreed yet"


class CallRecording:
    """Controls which sound of one call may be kept, and its recording if there is a path.

    `keeps` decides for every use of sound. Until it is True, the media process writes no recordings, captures and
    bundles, and sends no sound to listeners.
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
        """With `consent` by ``key`` nothing is kept until `AGREE` is pressed; `call` is the identity of the call.
        `redact`: cover private words in the recording; `artifacts` creates its row.
        """
        self.path = path
        self.artifact: Artifact | None = None
        """The artifact of the recording's file; None until the file was begun."""
        self._row = partial(
            (artifacts or Artifacts()).begin, ArtifactKind.RECORDING, call, path,
            consent="" if consent == "off" else consent, redact=redact and path.endswith(".wav"),
        )  # fmt: skip
        """Makes the row of the recording in the table of artifacts."""
        self.problem = ""
        self.consent: Consent = consent
        self.began: datetime | None = None
        """The time at which the file began; None before."""
        self.agreed = consent != "key"
        """Whether the caller has consented, or need not be asked."""
        self._answered = False
        self._told = False
        """Whether the media process was told to keep sound; at its start it keeps none."""
        self._channel: Channel | None = None
        self._paused: set[str] = set()
        """The present reasons to keep nothing: paused ``by hand``, or by the call itself (``private``)."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def keeps(self) -> bool:
        """Whether sound may be kept now, in any form, and heard by listeners."""
        return self.agreed and not (self._paused or self._timer)

    def attach(self, channel: Channel) -> None:
        """Control the sound of `channel`, which has just been opened."""
        self._channel = channel
        self._tell()

    @contextlib.contextmanager
    def attached(self, channel: Channel) -> Iterator[None]:
        """Control the sound of `channel`, which is closed after the block; if the row is kept only later, nothing is
        recorded."""
        self.attach(channel)
        try:
            yield
        finally:
            self._channel = None

    def begin(self) -> None:
        """Record the sound of the channel from now on, or from the caller's consent on."""
        self._answered = True
        self._start()

    def pressed(self, key: str) -> None:
        """Keep nothing for `KEYS_PAUSE` seconds, because the caller presses a key, which may belong to a private
        number. `AGREE` has no such effect before the caller has agreed: as consent it starts the recording at once.
        """
        if self._answered and (self.agreed or key != AGREE):
            if self._timer:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(KEYS_PAUSE, self._keys_done)
            self._tell()

    def agree(self, key: str) -> None:
        """Take a key for the agent that neither a collection of digits nor a tool has used. `AGREE` is consent, unless
        nothing may be kept now.
        """
        if key == AGREE and not self.agreed and not self._paused:
            self.agreed = True
            self._tell()
            self._start()

    def pause(self) -> None:
        """Write silence from now on: for card numbers, and for words that the caller does not want kept."""
        self._paused.add("by hand")
        self._tell()

    def resume(self) -> None:
        """Keep sound again."""
        self._paused.discard("by hand")
        self._tell()

    def set_private(self, on: bool) -> None:
        """Keep nothing from now on (`on`), or keep sound again."""
        (self._paused.add if on else self._paused.discard)("private")
        self._tell()

    def _tell(self) -> None:
        if self._channel and self._told != self.keeps:
            self._told = self.keeps
            with contextlib.suppress(MediaDown):  # the call is over
                (self._channel.resume_recording if self._told else self._channel.pause_recording)()

    def _start(self) -> None:
        """Record as soon as the disk has a row for the file; otherwise a kill would leave a file without a row."""
        if not (self.path and self.agreed and self._channel and self._answered) or self.artifact or self.problem:
            return
        try:
            self.artifact = self._row()
        except OSError as error:
            self._fail(error.strerror or str(error))
        else:
            self.artifact.when_kept(self._record)

    def _record(self, problem: str) -> None:
        """Record, because the row of the file is on the disk now. With a `problem` the row is not there, and nothing is
        recorded."""
        if not (self.artifact and self._channel) or self.artifact.state is not ArtifactState.WRITING:
            return  # the channel has no sound any more
        if problem:
            self.artifact.end(ArtifactState.TO_DELETE)
            self.artifact = None
            self._fail(f"its row cannot be kept: {problem}")
            return
        try:
            self._channel.record(self.path)
        except MediaDown as error:
            self._fail(str(error))
        else:
            self.began = datetime.now(UTC)

    def _fail(self, problem: str) -> None:
        self.problem = problem
        log.error("recording not begun", file=self.path, cause=problem)

    def _keys_done(self) -> None:
        self._timer = None
        self._tell()

    def on_recorded(self, event: Recorded) -> None:
        """Note the end of the recording that the media process has reported."""
        if event.problem:
            self.problem = event.problem
            log.error("recording ended", file=self.path, seconds=round(event.seconds), cause=event.problem)

    def on_dead(self, cause: str) -> None:
        """Note that the media process has failed, so that the last second or two are missing."""
        if self.began is not None and not self.problem:
            self.problem = f"not finished: {cause}"

    def end(self) -> None:
        """End the recording's artifact after the call. All watchers know that the call is over, so no more private
        words will be found."""
        if self.artifact:
            self.artifact.end(None if self.began else ArtifactState.TO_DELETE)

    def as_dict(self) -> dict[str, dict[str, str]]:
        """The fields for the record of the ended call."""
        if self._timer:
            self._timer.cancel()
        if self.artifact and not self.began:
            self.problem = self.problem or NO_ROW
        if self.artifact is None and not self.problem:
            return {} if self.agreed or not self._answered else {"sound": {"withheld": NOT_AGREED}}
        told = {
            "consent": "" if self.consent == "off" else self.consent,
            "file": self.path,
            "began": self.began.isoformat(timespec="milliseconds") if self.began else "",
            "problem": self.problem,
        }
        return {"recording": {name: value for name, value in told.items() if value}}
