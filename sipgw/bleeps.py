"""Bleeps: what is private in what was said is covered by a tone in the recording, too, soon after it was said.

Recognisers do not tell where each word stands, so the whole of a turn is covered on the side that said it: the caller's
from the end of the turn before to their last word, the agent's from the sentence to the end of the turn.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Self

import structlog

from agent.records import AgentSays, CallerSaid, TurnEnded
from media.bleep import Span
from sipgw.events import CallAnswered, CallEnded, CallReported, Event, Watchers
from sipgw.live import LiveCall
from sipgw.privacy import PrivacyOptions, find

log = structlog.get_logger()

AFTER = 4.0
"""Seconds until what was said is in the file: the recorder holds back one, and writes by the second."""
MARGIN = timedelta(seconds=0.5)
"""What is covered before and behind: the clocks of speech, events and recording are not the same."""
TOGETHER = 3
"""Turns of the caller that may hold a number together."""
WAITING = 1000
LIMIT = 60.0
"""Seconds for one file."""


@dataclass
class _Words:
    """What is known of the turn that goes on, and where the caller spoke before it."""

    since: datetime
    last_word: datetime | None = None
    first_private: datetime | None = None
    before: tuple[tuple[str, datetime, datetime], ...] = ()


class _Job(NamedTuple):
    due: float
    path: str
    spans: list[Span]


class Bleeps:
    """Covers what is private in recordings as long as it is entered. An async context manager."""

    def __init__(
        self, watchers: Watchers, live: Callable[[str], LiveCall | None], policy: Callable[[str], PrivacyOptions]
    ) -> None:
        """`live` finds a call, `policy` what holds for an agent's name."""
        self._watchers = watchers
        self._live = live
        self._policy = policy
        self._words: dict[str, _Words] = {}
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue(WAITING)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(self._work())
        self._stack.push_async_callback(self._jobs.put, None)  # the rest is done before we leave
        self._stack.callback(self._watchers.add(self._note))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _note(self, event: Event) -> None:
        if isinstance(event, CallAnswered):
            self._words[event.call] = _Words(event.at)
        elif isinstance(event, CallEnded):
            self._words.pop(event.call, None)
        elif isinstance(event, CallReported) and (words := self._words.get(event.call)):
            match event.report:
                case CallerSaid(_, True):
                    words.last_word = event.at
                case AgentSays(text) if words.first_private is None and self._private(event.call, text):
                    words.first_private = event.at
                case TurnEnded(turn):
                    self._turn_ended(event.call, event.at, turn.caller, words)

    def _turn_ended(self, call: str, at: datetime, caller: str, words: _Words) -> None:
        spans: list[tuple[str, datetime, datetime]] = []
        if words.last_word is not None:
            words.before = (*words.before[1 - TOGETHER :], (caller, words.since, words.last_word))
            for count in range(1, len(words.before) + 1):
                some = words.before[-count:]
                if self._private(call, " ".join(text for text, _, _ in some)):
                    spans += [("L", since, until) for _, since, until in some]
                    break
        if words.first_private is not None:
            spans.append(("R", words.first_private, at))
        words.since, words.last_word, words.first_private = at, None, None
        if spans:
            self._cover(call, spans)

    def _private(self, call: str, text: str) -> bool:
        live = self._live(call)
        policy = self._policy(live.agent if live else "")
        return policy.bleep and bool(find(text, policy.redact, policy.country))

    def _cover(self, call: str, spans: list[tuple[str, datetime, datetime]]) -> None:
        live = self._live(call)
        tape = live.tape if live else None
        if tape is None or tape.began is None:
            return
        zero = tape.began
        places = [
            Span(side, (since - MARGIN - zero).total_seconds(), (until + MARGIN - zero).total_seconds())
            for side, since, until in spans
        ]
        if not tape.path.endswith(".wav"):
            log.error("recording not bleeped", file=tape.path, cause="only WAV can be")
            return
        job = _Job(asyncio.get_running_loop().time() + AFTER, tape.path, [span for span in places if span.end > 0])
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            log.error("recording not bleeped", file=tape.path, cause="too many wait")  # noqa: TRY400

    async def _work(self) -> None:
        now = asyncio.get_running_loop().time
        while job := await self._jobs.get():
            await asyncio.sleep(max(0.0, job.due - now()))
            problem = await _run(job)
            if problem:
                log.error("recording not bleeped", file=job.path, cause=problem)


async def _run(job: _Job) -> str:
    """Do it in a process of its own; returns what went wrong."""
    try:
        async with asyncio.timeout(LIMIT):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "media.bleep", job.path, *map(str, job.spans), stderr=asyncio.subprocess.PIPE
            )
            _, told = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"not done within {LIMIT:g} s"
    except OSError as error:
        return error.strerror or str(error)
    lines = told.decode("utf-8", "replace").splitlines()
    return "" if process.returncode == 0 else lines[-1][:300] if lines else f"status {process.returncode}"
