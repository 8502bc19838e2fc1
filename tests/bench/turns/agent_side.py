"""All that this bench knows of the agent: how a conversation is made, what its line hands it, what it remembers."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from agent import turn_model
from agent.active_agent import CascadeRole
from agent.conversation import Conversation
from agent.line import Audio, Finished, Gone, Heard, Line, LineEvent, Started
from agent.llm import Message, Piece, Text, ToolCall
from agent.persona import Persona
from agent.stt import Onset, Transcript
from agent.turn_taking.expect import IN_PARTS, Expected
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.words import words_of

__all__ = ["Finished", "Gone", "Heard", "Model", "Onset", "Started", "Transcript", "words_of"]


def conversation(line: Line, recogniser: Any, model: "Model", voice: Any, greeting: str) -> Conversation:
    """The whole conversation of one call, with the defaults of a gateway."""
    role = CascadeRole(
        persona=Persona(prompt="You are a test.", greeting=greeting), llm=model, tts=lambda language: voice, paces=True
    )
    options = TurnOptions(model=getattr(recogniser, "turn_model", ""))
    if options.model:
        judge_on_virtual_time()
    return Conversation(line, recogniser, role, options=options)


def judge_on_virtual_time() -> None:
    """The model of turns has a core of its own, too: its CPU time is charged to the virtual clock."""

    async def run(work: Callable[[], float]) -> float:
        began = time.process_time()
        found = work()
        await asyncio.sleep(time.process_time() - began)
        return found

    turn_model.JUDGES = SimpleNamespace(run=run)  # type: ignore[assignment]


def judges_turns(model: str) -> bool:
    """Whether that model of turns is installed."""
    try:
        return turn_model.located(model).is_file()
    except FileNotFoundError:
        return False


def remembered(held: Conversation) -> list[str]:
    """What the model is told that the caller said, turn by turn."""
    return [str(message["content"]) for message in held.call_control.messages if message["role"] == "user"]


def heard(ulaw: bytes, at: float, played: bytes) -> LineEvent:
    """Sound of the caller. `played` is what the agent played meanwhile: one byte of -dBm0 for each 20 ms."""
    fields: dict[str, Any] = {"played": played} if "played" in Audio._fields else {}
    return Audio(ulaw, at, **fields)


def transcript(text: str, end: float, *, final: bool, eager: bool = False) -> Transcript:
    """Words of the caller's turn so far."""
    return Transcript(text, final=final, eager=final or eager, end=end)


def is_dictation(wanted: Any) -> bool:
    """Whether the agent tells its recogniser that something is about to be dictated."""
    return isinstance(wanted, Expected) and wanted.kind in IN_PARTS


_CALLED = re.compile(r"(\w+)\((?:(\w+), (\d+))?\)")


def piece(part: str) -> Piece:
    """What a script writes as ``wait()`` or ``expect(digits, 10)`` is a call of the tool; all else is said."""
    if (called := _CALLED.fullmatch(part)) is None:
        return Text(part + " ")
    name, kind, length = called.groups()
    return ToolCall("call", name, json.dumps({"kind": kind, "length": int(length)}) if kind else "{}")


class Model:
    """Answers with what the call's script wants, after `delay` seconds."""

    name = "bench-model"

    def __init__(self, answer: Callable[[], str], delay: Callable[[], Any]) -> None:
        self._answer, self._delay = answer, delay

    async def reply(self, messages: Sequence[Message], tools: Sequence[Any]) -> AsyncGenerator[Piece, None]:
        """One reply, in a piece for each sentence or tool."""
        await self._delay()
        for part in self._answer().split("|"):
            yield piece(part)

    async def close(self) -> None:
        """Nothing is open."""


def embedded() -> tuple[Any, Any, Any]:
    """The parts of the embedded recogniser without its process: listener, decoder, and the acts of its steps."""
    from agent.hearing.silero import Silero
    from agent.providers.local.endpoint import Act, Pauses
    from agent.providers.local.listener import Listener
    from agent.providers.local.whisper import Whisper

    return Listener(Silero(), Pauses()), Whisper(1), Act


def embedded_voice() -> Callable[[str], Iterable[bytes]] | None:
    """What speaks a text as mu-law with the embedded voice; None where that is not installed."""
    from agent.providers.local.models import missing

    if missing() is not None:
        return None
    from agent.providers.local.hibari_tts import HibariTts

    return HibariTts(1).speak
