"""Covers private words in the recording with a tone, soon after they were said. If the STT reports word positions
(AssemblyAI, Deepgram Nova), only the caller's private words are covered; otherwise everything that the caller said
without a break. In the agent's speech it covers from the sentence to the end of the turn. While a third speaks with the
caller and notes are taken for the agent, the words of both are covered in the same way as the caller's.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Self

import structlog

from agent.records import AgentSays, CallerSaid, TurnEnded
from media.recording.redact import Span
from sipgw.config.records import PrivacyOptions
from sipgw.events import (
    OTHER_SIDE,
    CallAnswered,
    CallEnded,
    CallReported,
    Event,
    PartyChanged,
    PartySaid,
    SoundWithheld,
    Watchers,
)
from sipgw.records.artifacts.artifact import SETTLED, Artifact
from sipgw.records.artifacts.recordings import CallRecording
from sipgw.records.privacy.redaction import Found, find
from sipgw.records.store.artifact_states import ArtifactState
from sipgw.sip.boundaries import bounded, contained, lasting

log = structlog.get_logger()

AFTER = SETTLED.total_seconds()
"""Seconds after which spoken words are in the file."""
MARGIN = timedelta(seconds=0.5)
"""Seconds that are covered before and after private words, because the clocks of speech, events and recording
differ."""
WORD_MARGIN = timedelta(seconds=0.25)
"""Like `MARGIN`, for a word with a known position."""
TOGETHER = 3
"""Number of utterances over which one number may be spread."""
WAITING = 1000
LIMIT = 60.0
"""Seconds that covering one file may take."""
TOO_LONG = f"not done within {LIMIT:g} s"


class RecordedCall(NamedTuple):
    """The recording of a running call."""

    agent: str
    """Name of the agent whose rules hold now."""
    call_recording: CallRecording | None
    """The recording of the call."""


class _Piece(NamedTuple):
    """A piece of speech: a word, or everything between two times."""

    text: str
    since: datetime
    until: datetime


@dataclass
class _Words:
    """The last words of one person."""

    side: Literal["L", "R"]
    """The side of the recording with this person."""
    since: datetime
    """The end of this person's earlier speech."""
    before: tuple[list[_Piece], ...] = ()


@dataclass
class _Heard:
    """The words of a call."""

    caller: _Words
    third: _Words
    """Words of the third while notes are taken for the agent."""
    first_private: datetime | None = None
    """The time of the agent's first private sentence in the present turn."""


class _Job(NamedTuple):
    due: float
    artifact: Artifact
    spans: list[Span]


class AudioRedactor:
    """Covers private words in recordings of running calls. An async context manager. After the end of a call
    `sipgw.records.artifacts.work` covers the rest.
    """

    def __init__(
        self,
        watchers: Watchers[Event],
        live: Callable[[str], RecordedCall | None],
        policy: Callable[[str], PrivacyOptions],
    ) -> None:
        """`live` finds a call, `policy` the privacy options of an agent."""
        self._watchers = watchers
        self._live = live
        self._policy = policy
        self._heard: dict[str, _Heard] = {}
        self._withheld: set[str] = set()
        """Calls whose captured sound is withheld, because packets cannot be covered by a tone."""
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(WAITING)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._stack.callback(group.create_task(lasting(self._work, "recordings not redacted")).cancel)
        self._stack.callback(self._watchers.add(self._note))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _note(self, event: Event) -> None:
        if isinstance(event, CallAnswered):
            self._heard[event.call] = _Heard(_Words("L", event.at), _Words("R", event.at))
        elif isinstance(event, CallEnded):
            heard = self._heard.pop(event.call, None)
            if heard and heard.first_private is not None:
                self._cover(event.call, [("R", heard.first_private - MARGIN, event.at + MARGIN)])
            self._withheld.discard(event.call)
        elif heard := self._heard.get(event.call):
            match event:
                case CallReported():
                    self._reported(event, heard)
                case PartyChanged():
                    heard.third.since = event.at
                case PartySaid(to="caller"):
                    words = heard.caller if event.party == OTHER_SIDE else heard.third
                    self._said(event.call, event.at, CallerSaid(event.words, True), words)

    def _reported(self, event: CallReported, heard: _Heard) -> None:
        match event.report:
            case CallerSaid(_, True):
                self._said(event.call, event.at, event.report, heard.caller)
            case AgentSays(text) if heard.first_private is None and self._private(event.call, text):
                heard.first_private = event.at
            case TurnEnded():
                if heard.first_private is not None:
                    self._cover(event.call, [("R", heard.first_private - MARGIN, event.at + MARGIN)])
                heard.caller.since, heard.first_private = event.at, None
                self._judged(event.call, "R", event.at)

    def _said(self, call: str, at: datetime, said: CallerSaid, words: _Words) -> None:
        placed = [
            _Piece(one.text, at - timedelta(seconds=one.began) - WORD_MARGIN,
                   at - timedelta(seconds=one.ended) + WORD_MARGIN)
            for one in said.words
        ]  # fmt: skip
        if not placed or (self._private(call, said.text) and not self._private(call, _text(placed))):
            placed = [_Piece(said.text, words.since - MARGIN, at + MARGIN)]
        words.since, words.before = at, (*words.before[1 - TOGETHER :], placed)
        for count in range(1, len(words.before) + 1):
            earlier = [piece for some in words.before[-count:-1] for piece in some]
            if private := self._private_pieces(call, earlier, placed):
                self._cover(call, [(words.side, piece.since, piece.until) for piece in private])
                break
        self._judged(call, words.side, at)

    def _private_pieces(self, call: str, earlier: list[_Piece], latest: list[_Piece]) -> list[_Piece]:
        """The private words in `earlier` and `latest` together that reach into `latest`."""
        pieces = [*earlier, *latest]
        known = len(_text(earlier))
        found = [one for one in self._found(call, _text(pieces)) if one.end > known]
        private, start = [], 0
        for piece in pieces:
            end = start + len(piece.text)
            if any(one.start < end and start < one.end for one in found):
                private.append(piece)
            start = end + 1
        return private

    def _found(self, call: str, text: str) -> Sequence[Found]:
        live = self._live(call)
        policy = self._policy(live.agent if live else "")
        return find(text, policy.redact, policy.country) if policy.redact_audio else ()

    def _private(self, call: str, text: str) -> bool:
        return bool(self._found(call, text))

    def _judged(self, call: str, side: str, until: datetime) -> None:
        """Note that the private words of `side` are known up to `until`; after a kill the rest is covered."""
        live = self._live(call)
        if live and (call_recording := live.call_recording) and call_recording.artifact and call_recording.began:
            call_recording.artifact.judged(side, (until - call_recording.began - MARGIN).total_seconds())

    def _cover(self, call: str, spans: list[tuple[str, datetime, datetime]]) -> None:
        if call not in self._withheld:
            self._withheld.add(call)
            self._watchers.tell(SoundWithheld(call, datetime.now(UTC)))
        live = self._live(call)
        call_recording = live.call_recording if live else None
        if call_recording is None or call_recording.artifact is None or call_recording.began is None:
            return
        zero = call_recording.began
        places = [
            Span(side, (since - zero).total_seconds(), (until - zero).total_seconds()) for side, since, until in spans
        ]
        if not call_recording.path.endswith(".wav"):
            log.error("recording not redacted", file=call_recording.path, cause="only WAV can be")
            return
        if not (ahead := [span for span in places if span.end > 0]):
            return
        call_recording.artifact.want(ahead)
        with contextlib.suppress(asyncio.QueueFull):  # the words are covered when the call is over
            self._jobs.put_nowait(_Job(asyncio.get_running_loop().time() + AFTER, call_recording.artifact, ahead))

    async def _work(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            job = await self._jobs.get()
            await asyncio.sleep(max(0.0, job.due - now()))
            if job.artifact.state is ArtifactState.WRITING:
                with contained("recording not redacted"):
                    if problem := await cover(job.artifact.path, job.spans, growing=True):
                        log.error("recording not redacted", file=job.artifact.path, cause=problem)
                    else:
                        job.artifact.covered(job.spans)


def _text(pieces: list[_Piece]) -> str:
    return " ".join(piece.text for piece in pieces)


async def cover(path: str, spans: list[Span], *, growing: bool = False) -> str:
    """Cover `spans` of a recording, `growing` while its call goes on; returns the error, or "". Takes `LIMIT` seconds
    at most, and never raises.
    """
    options = ["--growing"] if growing else []
    return await bounded(
        _run(path, [*options, *map(str, spans)]), "a fault that stands in the log", "redaction of a recording failed"
    )


async def _run(path: str, arguments: list[str]) -> str:
    """Run the redaction in a separate process; returns the error, or ""."""
    command = sys.executable, "-P", "-m", "media.recording.redact", path, *arguments
    try:
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, start_new_session=True)
    except OSError as error:
        return error.strerror or str(error)
    try:
        async with asyncio.timeout(LIMIT):
            _, told = await process.communicate()
    except TimeoutError:
        return TOO_LONG
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    lines = told.decode("utf-8", "replace").splitlines()
    return "" if process.returncode == 0 else lines[-1][:300] if lines else f"status {process.returncode}"
