"""ElevenLabs' multi-stream-input websockets as local servers, as strict as the real ones."""

import asyncio
import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.fakes.websocket import Session, SocketServer

SIZES = (1, 333, 4097)
"""Bytes of the pieces of sound, in turn."""


def sound_of(text: str) -> bytes:
    """What the fakes say for `text`: mu-law bytes of all values, 60 ms per letter, different for every text."""
    text = text.strip()
    blocks = (hashlib.sha256(f"{text}{block}".encode()).digest() for block in itertools.count())
    return b"".join(itertools.islice(blocks, 15 * len(text)))


def pieces(ulaw: bytes) -> Iterator[bytes]:
    sizes = itertools.cycle(SIZES)
    while ulaw:
        size = next(sizes)
        yield ulaw[:size]
        ulaw = ulaw[size:]


def ends_in(text: str, samples: int) -> list[int]:
    """Where each character of `text` ends in its sound. All its words last equally long, whatever their letters."""
    parts = re.findall(r"\s*\S+\s*$|\s*\S+", text)
    begins = [samples * at // len(parts) for at in range(len(parts) + 1)]
    return [
        begins[at] + (begins[at + 1] - begins[at]) * letter // len(part)
        for at, part in enumerate(parts)
        for letter in range(1, len(part) + 1)
    ]


def alignment(text: str, samples: int, begin: int, end: int) -> dict[str, Any]:
    """The characters of `text`, which lasts so many samples, that end in a piece of it; times from the piece on.

    The space after a sentence has no sound.
    """
    said = text.strip()
    until = ends_in(said, samples) + [samples] * (len(text) - len(said))
    from_ms = [max(0, since - begin) // 8 for since in (0, *until[:-1])]
    inside = [at for at, one in enumerate(until) if begin < one <= end]
    return {
        "chars": [text[at] for at in inside],
        "charStartTimesMs": [from_ms[at] for at in inside],
        "charDurationsMs": [(until[at] - begin) // 8 - from_ms[at] for at in inside],
    }


@dataclass(frozen=True)
class TtsFaults:
    """What goes wrong, with sentence number `sentence` (from 1, over all sockets)."""

    sentence: int = 1
    refuse_status: int | None = None
    """The websocket's upgrade, or the HTTP request, is refused."""
    error: tuple[str, str] | None = None
    """Error code and words: a message before the first sound, or the body's detail."""
    body: Any = None
    """The HTTP refusal's body, if not `error`."""
    cut_after: int | None = None
    """The connection breaks off after so many pieces."""
    cut_at_end: bool = False
    """The websocket breaks off when the sentence is complete."""
    hold_after: int | None = None
    """Nothing more after so many pieces, until `release`."""
    nonsense: bool = False
    """The first piece is not base64."""
    no_sound: bool = False
    times: int = 1
    """So many sentences in a row."""

    def of(self, sentence: int) -> "TtsFaults":
        """What goes wrong with this one."""
        return self if 0 <= sentence - self.sentence < self.times and self.sentence else TtsFaults()


class InputError(Exception):
    def __init__(self, error: str, words: str) -> None:
        self.error, self.words = error, words


@dataclass
class Context:
    """One context of a socket."""

    text: str = ""
    flushed: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """What is to be said, flush by flush; "" for the end."""
    closed: bool = False


class FakeElevenLabs(SocketServer):
    """The websocket. `texts` are the sentences in the order in which they came."""

    scheme = "http"

    def __init__(
        self,
        faults: TtsFaults | None = None,
        *,
        key: str = "xi-key",
        snake_case: bool = False,
        delay: float = 0.0,
        sound: Callable[[str], bytes] = sound_of,
        aligned: bool = True,
    ) -> None:
        """Without `aligned` it tells no times, as it does under load."""
        self.faults = faults or TtsFaults(sentence=0)
        super().__init__(key, self.faults.refuse_status)
        self.texts: list[str] = []
        self.most_contexts = 0
        self._snake_case, self._delay, self._sound, self._aligned = snake_case, delay, sound, aligned
        self._released = asyncio.Event()

    def release(self) -> None:
        """Go on with what `hold_after` holds."""
        self._released.set()

    async def serve(self, session: Session) -> None:
        async with asyncio.TaskGroup() as speaking:
            tasks: list[asyncio.Task[None]] = []
            try:
                await self._read(session, lambda job: tasks.append(speaking.create_task(job)))
                await session.connection.close(1000)
            except TimeoutError:
                await self._end(session, InputError("input_timeout_exceeded", "No input for too long"))
            except InputError as error:
                await self._end(session, error)
            except ConnectionClosed:
                pass
            for task in tasks:
                task.cancel()

    async def _read(self, session: Session, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Obey messages until `close_socket`."""
        self._check_session(session)
        contexts: dict[str, Context] = {}
        while True:
            async with asyncio.timeout(float(session.query.get("inactivity_timeout", 20))):
                message = await session.connection.recv()
            try:
                fields = json.loads(message)
            except ValueError:
                raise InputError("invalid_input_message", "not JSON") from None
            session.messages.append(fields)
            if fields.get("close_socket"):
                return
            name = fields.get("context_id", "default")
            if name not in contexts:
                self._open_context(contexts, name, fields)
                start(self._speak(session, contexts, name))
            else:
                self._continue(contexts[name], fields)
            await self.note()

    def _open_context(self, contexts: dict[str, Context], name: str, fields: dict[str, Any]) -> None:
        if fields.get("text") != " ":
            raise InputError("invalid_input_message", "the first message of a context must be a single space")
        if len(contexts) >= 5:
            raise InputError("max_active_conversations", "Maximum simultaneous contexts exceeded")
        contexts[name] = Context()
        self.most_contexts = max(self.most_contexts, len(contexts))

    @staticmethod
    def _continue(context: Context, fields: dict[str, Any]) -> None:
        if "voice_settings" in fields:
            raise InputError(
                "invalid_input_message",
                "voice_settings field must be provided in the first message and not be updated afterwards",
            )
        if context.closed:
            raise InputError("invalid_input_message", "the context is closed")
        text = fields.get("text", "")
        if not isinstance(text, str):
            raise InputError("invalid_input_message", "text must be a string")
        context.text += text
        if (fields.get("flush") or fields.get("close_context")) and context.text.strip():
            context.flushed.put_nowait(context.text)
            context.text = ""
        if fields.get("close_context"):
            context.closed = True
            context.flushed.put_nowait("")

    async def _speak(self, session: Session, contexts: dict[str, Context], name: str) -> None:
        """Say a context's text whenever it is flushed; the context ends when it is closed, and its sound is out.

        One that is closed before its sound has begun ends without it, as the real one does under load.
        """
        context = contexts[name]
        try:
            while text := await context.flushed.get():
                self.texts.append(text.strip())
                await self.note()
                await asyncio.sleep(self._delay)
                faults = self.faults.of(len(self.texts))
                if faults.error is not None:
                    await self._end(session, InputError(*faults.error))
                    return
                silent = faults.no_sound or context.closed
                await self._send_sound(session, name, "" if silent else text, faults)
                await self._end_turn(session, name)
                if faults.cut_at_end:
                    session.cut()
                if faults.no_sound:
                    break
            del contexts[name]
            await self._send(session, name, None, final=True)
        except ConnectionClosed:
            pass

    async def _send_sound(self, session: Session, name: str, text: str, faults: TtsFaults) -> None:
        ulaw, sent = self._sound(text.strip()) if text else b"", 0
        for count, piece in enumerate(pieces(ulaw)):
            if count == faults.cut_after:
                session.cut()
            if count == faults.hold_after:
                await self._released.wait()
            data = base64.b64encode(piece).decode()
            times = alignment(text, len(ulaw), sent, sent + len(piece))
            timed = self._aligned and session.query.get("sync_alignment") == "true"
            await self._send(session, name, "%%%" if faults.nonsense else data, times if timed else None)
            sent += len(piece)

    async def _send(
        self,
        session: Session,
        name: str,
        audio: str | None,
        times: dict[str, Any] | None = None,
        *,
        final: bool = False,
    ) -> None:
        keys = ("is_final", "context_id", "normalized_alignment") if self._snake_case else ()
        is_final, context_id, normalized = keys or ("isFinal", "contextId", "normalizedAlignment")
        message = {is_final: True} if final else {"audio": audio, normalized: times, "alignment": times}
        message[context_id] = name  # type: ignore[assignment]
        session.sent.append(message)
        await session.connection.send(json.dumps(message))

    async def _end_turn(self, session: Session, name: str) -> None:
        """All sound of a flush is out."""

    async def _end(self, session: Session, error: InputError) -> None:
        try:
            await session.connection.send(json.dumps({"message": error.words, "error": error.error, "code": 1008}))
            await session.connection.close(1008, error.words[:100])
        except ConnectionClosed:
            pass

    def _check_session(self, session: Session) -> None:
        if session.headers.get("xi-api-key") != self.key:
            raise InputError("invalid_api_key", f"Invalid API key {session.headers.get('xi-api-key')}")
        if not session.path.endswith("/multi-stream-input"):
            raise InputError("invalid_input_message", f"no such path: {session.path}")
        if session.query.get("output_format") != "ulaw_8000":
            raise InputError("invalid_input_message", "this fake speaks ulaw_8000 only")
        if session.query.get("model_id", "").startswith(("eleven_v3", "eleven_v4")):
            raise InputError("invalid_input_message", "model not supported here")
        if "multilingual" in session.query.get("model_id", "") and "language_code" in session.query:
            raise InputError("invalid_input_message", "the model takes no language_code")


class FakeDialogue(FakeElevenLabs):
    """The dialogue websocket, for v3 and v4."""

    KNOWN = frozenset(
        {
            *("model_id", "output_format", "sync_alignment", "language_code", "seed", "enable_logging"),
            *("apply_text_normalization", "single_use_token"),
        }
    )
    """Parameters of its URL."""

    def _open_context(self, contexts: dict[str, Context], name: str, fields: dict[str, Any]) -> None:
        if "context_id" not in fields or len(fields.get("voices") or ()) != 1:
            raise InputError("invalid_message", "the first message of a context must name its voice")
        if set(fields) - {"context_id", "voices", "voice_settings", "pronunciation_dictionary_locators"}:
            raise InputError("invalid_message", "the first message of a context has no text")
        if set(fields.get("voice_settings", {})) - {"stability", "clone_strength"}:
            raise InputError("invalid_message", "the model does not take these settings")
        if len(contexts) >= 5:
            raise InputError("too_many_contexts", "at most 5 contexts")
        contexts[name] = Context()
        self.most_contexts = max(self.most_contexts, len(contexts))

    @staticmethod
    def _continue(context: Context, fields: dict[str, Any]) -> None:
        if set(fields) - {"context_id", "inputs", "flush", "close_context", "keep_alive"}:
            raise InputError("invalid_message", "is for the first message of a context, or unknown")
        inputs = fields.get("inputs", [])
        if any(set(one) - {"new_turn"} != {"text", "voice_id"} for one in inputs):
            raise InputError("invalid_message", "an input has a text and a voice")
        text = "".join(one["text"] for one in inputs)
        more = {name: fields[name] for name in ("flush", "close_context") if name in fields}
        FakeElevenLabs._continue(context, {"text": text, **more})  # type: ignore[dict-item]

    async def _send(
        self,
        session: Session,
        name: str,
        audio: str | None,
        times: dict[str, Any] | None = None,
        *,
        final: bool = False,
    ) -> None:
        message: dict[str, Any] = {"is_final": True} if final else {"audio": audio}
        if times is not None:
            keys = {"chars": "chars", "charStartTimesMs": "char_start_times_ms", "charDurationsMs": "char_durations_ms"}
            message["alignment"] = {keys[key]: value for key, value in times.items()}
        await self._tell(session, {**message, "context_id": name})

    async def _end_turn(self, session: Session, name: str) -> None:
        await self._tell(session, {"is_final_audio_for_turn": True, "context_id": name})

    @staticmethod
    async def _tell(session: Session, message: dict[str, Any]) -> None:
        session.sent.append(message)
        await session.connection.send(json.dumps(message))

    def _check_session(self, session: Session) -> None:
        if session.headers.get("xi-api-key") != self.key:
            raise InputError("authentication_required", f"not by {session.headers.get('xi-api-key')}")
        if session.path != "/v1/text-to-dialogue/multi-stream-input" or set(session.query) - self.KNOWN:
            raise InputError("invalid_message", f"no such path or parameter: {session.path} {set(session.query)}")
        if session.query.get("output_format") != "ulaw_8000":
            raise InputError("invalid_message", "this fake speaks ulaw_8000 only")
        if not session.query.get("model_id", "").startswith(("eleven_v3", "eleven_v4")):
            raise InputError("invalid_message", "the model must be a v3 or v4")
