"""What the fakes of speech-to-speech providers share: a script, and a reply that can be held and cancelled.

What they hear is keyed to the milliseconds of sound received, never to a clock.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.websocket import Session, SocketServer

SILENCE = 500
"""Milliseconds of silence that end a turn."""
STALE = b"\x00" * 300


@dataclass(frozen=True)
class Say:
    """One reply: words, or a tool call (id, name, arguments)."""

    text: str = ""
    calls: Sequence[tuple[str, str, str]] = ()
    hold: bool = False
    """Only half of the sound comes, until the reply is interrupted."""
    late: str = ""
    """Words that are told when all of the sound has come."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong, in the first `sessions` sessions."""

    sessions: int = 1
    refuse_status: int | None = None
    silent: bool = False
    error: tuple[str, str] | None = None
    """An error message and close, when `after_ms` of sound have come; with 0 instead of the session's begin."""
    drop: bool = False
    after_ms: int = 0
    noise: tuple[str, ...] = ()


class EndError(Exception):
    def __init__(self, code: str, words: str) -> None:
        self.code, self.words = code, words


class RealtimeServer(SocketServer):
    """`said` is what the caller says, `replies` what is answered: to each turn, each result of tools, each prompt."""

    def __init__(
        self, said: Sequence[Said] = (), replies: Sequence[Say] = (), *, faults: Faults | None = None, key: str = "k"
    ) -> None:
        self.faults = faults or Faults(sessions=0)
        super().__init__(key, self.faults.refuse_status)
        self.said, self.replies = list(said), list(replies)
        self.cuts: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.told: list[str] = []
        """Texts and changed instructions."""

    async def serve(self, session: Session) -> None:
        faulty = len(self.sessions) <= self.faults.sessions
        async with asyncio.TaskGroup() as speaking:
            talk = self.talk(session, speaking)
            try:
                if faulty and self.faults.silent:
                    async for message in session.connection:
                        session.messages.append(json.loads(message))
                        await self.note()
                if faulty and self.faults.error and not self.faults.after_ms:
                    await talk.refuse(*self.faults.error)
                await talk.begin()
                for noise in self.faults.noise if faulty else ():
                    await session.connection.send(noise)
                async for message in session.connection:
                    session.messages.append(json.loads(message))
                    if not await talk.obey(session.messages[-1]):
                        break
                    await self.note()
                    if faulty and self.faults.after_ms and len(session.audio) / 8 >= self.faults.after_ms:
                        if self.faults.drop:
                            session.cut()
                        if self.faults.error:
                            await talk.refuse(*self.faults.error)
            except EndError as end:
                await talk.refuse(end.code, end.words)
            except ConnectionClosed:
                pass
            finally:
                talk.stop()

    def talk(self, session: Session, speaking: asyncio.TaskGroup) -> "Talk":
        raise NotImplementedError


class Talk:
    """One session."""

    def __init__(self, server: RealtimeServer, session: Session, speaking: asyncio.TaskGroup) -> None:
        self.server, self.session = server, session
        self.count = 0
        self._speaking = speaking
        self._task: asyncio.Task[None] | None = None
        self._heard: Said | None = None

    async def send(self, kind: str, **fields: Any) -> None:
        self.session.sent.append({"type": kind, **fields})
        await self.session.connection.send(json.dumps({"type": kind, **fields}))

    async def hear(self, audio: str) -> None:
        self.session.audio += base64.b64decode(audio, validate=True)
        ms = len(self.session.audio) / 8
        said = self.server.said
        if self._heard is None and said and said[0].start_ms < ms:
            self._heard = said.pop(0)
            await self.onset(self._heard)
            if self.speaking:
                self.stop()
                await self.interrupted()
        if self._heard is not None and ms >= self._heard.end_ms + SILENCE:
            heard, self._heard = self._heard, None
            await self.turn(heard)
            await self.reply()

    @property
    def speaking(self) -> bool:
        return self._task is not None and not self._task.done()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def reply(self, text: str = "") -> None:
        """Begin the next reply of the script, or say `text`."""
        say = Say(text) if text else self.server.replies.pop(0)
        self.count += 1
        self._task = self._speaking.create_task(self._quiet(say))

    async def _quiet(self, say: Say) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.speak(say)

    async def pieces(self, say: Say, send: Any) -> None:
        """Give the sound of a reply to `send`, in pieces of 300 bytes; half of it if the reply is held."""
        ulaw = sound_of(say.text)
        for at in range(0, len(ulaw) // 2 if say.hold else len(ulaw), 300):
            await send(ulaw[at : min(at + 300, len(ulaw) // 2 if say.hold else len(ulaw))])
        if say.hold:
            await self.server.note()
            await asyncio.Event().wait()

    async def begin(self) -> None:
        raise NotImplementedError

    async def obey(self, fields: dict[str, Any]) -> bool:
        raise NotImplementedError

    async def onset(self, said: Said) -> None:
        raise NotImplementedError

    async def interrupted(self) -> None:
        raise NotImplementedError

    async def turn(self, said: Said) -> None:
        raise NotImplementedError

    async def speak(self, say: Say) -> None:
        raise NotImplementedError

    async def refuse(self, code: str, words: str) -> None:
        raise NotImplementedError
