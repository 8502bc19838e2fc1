"""Sends one small real request to each configured provider: checks the key, the latency, and the mu-law sound."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path

from agent.errors import ProviderError
from agent.llm import LanguageModel, Text, ToolSchema
from agent.realtime import Brief, RealtimeModel, ReplyAudio, ReplyEnded
from agent.relay.session import Relay
from agent.stt import SpeechToText, Transcript
from agent.tts import TextToSpeech, sound_alone
from agent.ulaw import to_linear
from sipgw.agents.agents import call_variables
from sipgw.agents.languages import ENGLISH, speaking
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.agents.providers import choose, made, with_vocabulary
from sipgw.calls.relay_call import relay_call
from sipgw.config import registry
from sipgw.config.config import AgentConfig
from sipgw.config.errors import ConfigError
from sipgw.records.artifacts.wav import read_ulaw
from sipgw.sip.identity import Identity
from sipgw.tools.doctor.finding import Finding, bad, good
from sipgw.tools.doctor.live import taken_down

SENTENCE = "Hello, this is a test of the telephone line."
MOST_SOUND = 5 * 8000
"""Maximum bytes of speech that a voice is asked for (5 s)."""
CHUNK = 800
"""Bytes of sound that STT is given at a time: 100 ms."""
AFTER = 2.0
"""Seconds of silence after the test sentence, which end its turn."""
STAYS = 1.0
"""Seconds for which the server of `[agent] brain` should keep a session open."""
LIMIT = 20.0
"""Seconds that one request may take."""
SLOW = {"stt": 2.0, "llm": 1.5, "tts": 1.0, "realtime": 2.0}
"""Seconds until the first answer (for STT: after the sentence) from which on a caller notices the delay."""
SPEECH_LIKE = 0.35
"""Correlation of neighbouring samples that 8 kHz speech exceeds and misread formats do not (measured, see tests)."""
HEADS = (b"RIFF", b"ID3", b"OggS", b"\xff\xfb", b"\xff\xf3", b"fLaC", b"{")
"""First bytes of containers and of other codecs than mu-law."""


async def examine(config: AgentConfig, live: Path | None = None) -> AsyncIterator[Finding]:
    """Give a finding for each configured provider, except the embedded ones. With `live`, the messages between provider
    and service are recorded into this folder.
    """
    try:
        choice = choose(config)
    except ConfigError as error:
        yield bad("provider.missing", "providers", str(error), section=error)
        return
    config = with_vocabulary(config, choice)  # with the key terms of calls: services refuse some terms
    for part in choice.parts:
        if part == "llm" and choice.brain:
            yield await _brain(config)
            continue
        for name, used in _used(config, choice, part).items():
            if not registry.provider(part, name).embedded:
                yield await (_recorded(used, part, name, live) if live else examined(used, part, name))


def _used(config: AgentConfig, choice: ProviderChoice, part: str) -> dict[str, AgentConfig]:
    """The providers of a part, each with the configuration for the first language in which calls use it."""
    if part != "tts":
        return dict.fromkeys(getattr(choice, part), config)
    found: dict[str, AgentConfig] = {}
    for one in config.languages or ENGLISH:
        names = one.voices(choice.tts)
        for name in names:
            found.setdefault(name, speaking(config, one.code, names))
    return found


async def _recorded(config: AgentConfig, part: str, name: str, folder: Path) -> Finding:
    record = registry.provider(part, name)
    options = config.table(record.section)
    if not getattr(options, "endpoint", ""):  # another package's provider without an address
        return await examined(config, part, name)
    async with taken_down(record, options, folder) as tapped:
        return await examined(config.having(**{record.section: tapped}), part, name, tools=TOOLS)


async def examined(config: AgentConfig, part: str, name: str, tools: Sequence[ToolSchema] = ()) -> Finding:
    """The finding on the provider `name` of a part, from one small request. A language model is offered `tools`."""
    about, section = f"{name} ({part})", f"[{registry.provider(part, name).section}]"
    provider = made(config, part, name)
    if part == "realtime":
        provider = provider(Brief("You are tested. Answer in one short sentence.", SENTENCE))
    try:
        async with asyncio.timeout(LIMIT):
            match part:
                case "stt":
                    return await _stt(provider, about, section)
                case "realtime":
                    return await _realtime(provider, about, section)
                case "llm":
                    return await _llm(provider, about, section, tools)
                case _:
                    return await _tts(provider, about, section)
    except TimeoutError:
        return bad("provider.unreachable", about, f"no answer within {LIMIT:g} s", section=section)
    except ProviderError as error:
        return bad(_of_error(error), about, error.problem, section=section)
    except ExceptionGroup as group:  # they listen in a task
        for refused in group.exceptions:
            if isinstance(refused, ProviderError):
                return bad(_of_error(refused), about, refused.problem, section=section)
        raise
    finally:
        with contextlib.suppress(ProviderError, OSError, TimeoutError):
            async with asyncio.timeout(2.0):
                await provider.close()


async def _brain(config: AgentConfig) -> Finding:
    """The finding on the server of `[agent] brain`. It is told of a call in which nobody speaks; a server that does not
    accept such a session closes it."""
    options, about, section = config.agent, f"{config.agent.brain_host} (brain)", "[agent] brain"
    now = asyncio.get_running_loop().time
    values = call_variables(options, Identity(), "doctor", datetime.now(UTC))
    relay, start = Relay(relay_call("doctor", Identity(), "in", options, values)), now()
    try:
        await relay.open()
        took = now() - start
        await asyncio.sleep(STAYS)
        if not relay.is_open:
            return bad("provider.refused", about, f"it closed the session within {STAYS:g} s", section=section)
        return _timed("llm", about, section, took, f"took a session after {took * 1000:.0f} ms, and kept it open")
    except ProviderError as error:
        return bad(_of_error(error), about, error.problem, section=section)
    finally:
        await relay.close()


TOOLS: tuple[ToolSchema, ...] = (
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Look an order up.",
            "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
        },
    },
)
"""Tools for the LLM when its messages are recorded."""
REFUSALS = (
    ("provider.key", r"key|http 40[13]|unauthori[sz]ed|authentication|credentials?|does not permit|token|signature"),
    ("provider.payment", r"payment|http 402|quota|balance|credits?"),
    ("provider.limit", r"rate|http 429|concurren\w+|capacity|too many"),
    ("provider.name", r"does not know|http 404"),
)
"""Words in an error message (also those of `agent.providers.faults`) that mean a finding. Only whole words count,
because an address may contain any digits."""


def _of_error(error: ProviderError) -> str:
    """The id of the finding for the error of a provider."""
    for id_, words in REFUSALS:
        if re.search(rf"\b({words})\b", error.problem, re.IGNORECASE):
            return id_
    return "provider.unreachable" if error.temporary else "provider.refused"


def _timed(part: str, about: str, section: str, seconds: float, evidence: str) -> Finding:
    if seconds > SLOW[part]:
        return bad("provider.slow", about, evidence, section=section)
    return good("provider.ok", about, evidence)


async def _tts(tts: TextToSpeech, about: str, section: str) -> Finding:
    loop = asyncio.get_running_loop()
    await tts.open()
    start, first, sound = loop.time(), 0.0, b""
    stream = sound_alone(tts.speak(SENTENCE))
    async for piece in stream:
        first = first or loop.time() - start
        sound += piece
        if len(sound) >= MOST_SOUND:
            break
    await stream.aclose()
    return _spoken("tts", about, section, first, sound)


async def _realtime(realtime: RealtimeModel, about: str, section: str) -> Finding:
    """The finding on a speech-to-speech provider: it is asked to say a sentence as a greeting."""
    loop = asyncio.get_running_loop()
    start, first, sound = loop.time(), 0.0, b""
    await realtime.open()
    quiet = loop.create_task(_be_quiet(realtime))
    try:
        async for event in realtime.events():
            if isinstance(event, ReplyAudio):
                first = first or loop.time() - start
                sound += event.ulaw
            if isinstance(event, ReplyEnded) or len(sound) >= MOST_SOUND:
                break
    finally:
        quiet.cancel()
    return _spoken("realtime", about, section, first, sound)


async def _be_quiet(realtime: RealtimeModel) -> None:
    """Send silence for ever, because a full-duplex model speaks only while it gets sound."""
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    while getattr(realtime, "full_duplex", False):
        realtime.send_audio(b"\xff" * CHUNK)
        sent += CHUNK
        await asyncio.sleep(max(0.0, start + sent / 8000 - loop.time()))


def _spoken(part: str, about: str, section: str, first: float, sound: bytes) -> Finding:
    if not sound:
        return bad("provider.silent", about, "no sound came", section=section)
    fault = misread(sound)
    evidence = f"first sound after {first * 1000:.0f} ms, {len(sound) / 8000:.1f} s of it"
    if fault:
        return bad("provider.format", about, f"{evidence}; {fault}", section=section)
    return _timed(part, about, section, first, evidence)


def misread(ulaw: bytes) -> str:
    """The reason why `ulaw` is not mu-law speech at 8 kHz, or an empty string. Sans-IO."""
    head = next((head for head in HEADS if ulaw.startswith(head)), None)
    if head is not None:
        return f"it begins with {head!r}"
    loudest = [ulaw[at : at + 1600] for at in range(0, len(ulaw), 1600)]
    values = [memoryview(to_linear(piece)).cast("h").tolist() for piece in loudest]
    powers = [sum(value * value for value in piece) for piece in values]
    voiced = [piece for piece, power in zip(values, powers, strict=True) if power >= max(powers) / 4 and power]
    if not voiced:
        return "it is silence"
    near = sum(one * two for piece in voiced for one, two in pairwise(piece))
    own = sum(value * value for piece in voiced for value in piece)
    return "" if near / own > SPEECH_LIKE else f"neighbouring samples correlate {near / own:.2f}: noise, not speech"


async def _llm(llm: LanguageModel, about: str, section: str, tools: Sequence[ToolSchema] = ()) -> Finding:
    loop = asyncio.get_running_loop()
    start, first, text = loop.time(), 0.0, ""
    messages = [{"role": "user", "content": "Reply with the single word OK."}]
    stream = llm.reply(messages, [])
    async for piece in stream:
        if isinstance(piece, Text):
            first = first or loop.time() - start
            text += piece.delta
        if len(text) > 100:
            break
    await stream.aclose()
    if tools:
        ask = [{"role": "user", "content": "Call the tool with order 7, and again with order 8."}]
        async with aclosing(llm.reply(ask, tools)) as called:
            async for _ in called:
                pass
    if not text:
        return bad("provider.silent", about, "no words came", section=section)
    return _timed("llm", about, section, first, f"first words after {first * 1000:.0f} ms")


async def _stt(stt: SpeechToText, about: str, section: str) -> Finding:
    loop = asyncio.get_running_loop()
    with as_file(files("sipgw") / "demo_voice" / "ask_order.wav") as path:
        sound = read_ulaw(path)
    await stt.open()
    words, spoken_at, heard_at = "", 0.0, 0.0
    async with asyncio.TaskGroup() as group:

        async def speak() -> None:
            nonlocal spoken_at
            start, padded = loop.time(), sound + b"\xff" * int(AFTER * 8000)
            for at in range(0, len(padded), CHUNK):
                await asyncio.sleep(max(0.0, start + at / 8000 - loop.time()))  # faster is refused by some
                stt.send_audio(padded[at : at + CHUNK])
                if at <= len(sound):
                    spoken_at = loop.time()

        speaking = group.create_task(speak())
        listening = group.create_task(_first_words(stt))
        await asyncio.wait((speaking,), timeout=LIMIT)
        done, _ = await asyncio.wait((listening,), timeout=3.0)
        if done:
            words, heard_at = listening.result()
        listening.cancel()
        speaking.cancel()
    if not words:
        return bad("provider.deaf", about, f"{len(sound) / 8000:.1f} s of speech, no words", section=section)
    late = max(0.0, heard_at - spoken_at)
    return _timed("stt", about, section, late, f"heard {words[:60]!r}, final {late * 1000:.0f} ms after the last sound")


async def _first_words(stt: SpeechToText) -> tuple[str, float]:
    async for event in stt.events():
        if isinstance(event, Transcript) and event.final and event.text.strip():
            return event.text, asyncio.get_running_loop().time()
    return "", 0.0
