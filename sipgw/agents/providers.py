"""Chooses and opens the providers of an agent: those of the configuration, or those with a key."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from agent.llm import LanguageModel
from agent.meter import MeteredLlm, metered_stt, metered_tts
from agent.pool import LOADING
from agent.providers import polly
from agent.providers.assemblyai import AssemblyAIStt
from agent.providers.cartesia import CartesiaStt
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.connections import tls
from agent.providers.deepgram import DeepgramStt
from agent.providers.elevenlabs_http import SDK as ELEVENLABS_SDK
from agent.providers.elevenlabs_http import ElevenLabsHttpTts
from agent.providers.failover import FailoverLlm, FailoverOptions, FailoverTts
from agent.providers.failover_realtime import RealtimeProviders
from agent.providers.failover_stt import FailoverStt
from agent.providers.local import models
from agent.providers.local.brain import LocalLlm
from agent.providers.local.host import LocalSpeech
from agent.providers.openai_chat import OpenAILlm
from agent.providers.openai_client import SDK as OPENAI_SDK
from agent.providers.openai_client import OpenAIOptions
from agent.providers.openai_responses import ResponsesLlm
from agent.providers.socket_realtime import AssemblyAIVoiceAgent, OpenAIRealtime
from agent.providers.tts import (
    AssemblyAITts,
    CartesiaTts,
    DeepgramTts,
    ElevenLabsDialogueTts,
    ElevenLabsTts,
    OpenAITts,
    PollyTts,
)
from agent.stt import SpeechToText
from agent.tts import TextToSpeech
from sipgw.agents.languages import speaking
from sipgw.agents.products import Product, product
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.config.config import AgentConfig, ConfigError
from sipgw.records.bundles.recorder import ObservedLlm, observed_stt, observed_tts
from sipgw.records.privacy.at_provider import at_providers

if TYPE_CHECKING:
    from agent.mcp_tools import McpServer


@dataclass(frozen=True)
class Providers:
    """Creates STT and TTS for each call; all calls share the LLM."""

    stt: Callable[[], SpeechToText]
    llm: LanguageModel
    tts: Callable[[str], TextToSpeech]
    """For a language (ISO 639-1); empty for the one that the agent begins in."""
    speech: LocalSpeech | None
    """The embedded speech, if it is used."""
    realtime: RealtimeProviders | None = None
    """The realtime model that replaces the three, if any."""
    servers: tuple["McpServer", ...] = ()
    """The sources of further tools."""
    distant: OpenAILlm | ResponsesLlm | None = None
    """The first LLM, if its connection can be opened while the call rings."""


@dataclass(frozen=True)
class _CloudProvider:
    """One provider of the cloud: the variable that holds its key, and how to make it."""

    variable: str
    has_key: Callable[[AgentConfig], bool]
    make: Callable[[AgentConfig], Any]
    auto: bool = True
    """Whether the key alone selects it."""


def _elevenlabs(config: AgentConfig) -> TextToSpeech:
    match config.elevenlabs.transport:
        case "http":
            return ElevenLabsHttpTts(config.elevenlabs)
        case "dialogue":
            return ElevenLabsDialogueTts(config.elevenlabs)
        case _:
            return ElevenLabsTts(config.elevenlabs)


def _openai(options: OpenAIOptions) -> LanguageModel:
    return ResponsesLlm(options) if options.api == "responses" else OpenAILlm(options)


def _may_ask(options: OpenAIOptions) -> bool:
    return bool(options.api_key) or "api.openai.com" not in options.url  # servers of one's own need no key


# In the order in which `auto` takes them.
_STT = {
    "assemblyai": _CloudProvider(
        "ASSEMBLYAI_API_KEY", lambda c: bool(c.assemblyai.api_key), lambda c: AssemblyAIStt(c.assemblyai)
    ),
    "deepgram": _CloudProvider(
        "DEEPGRAM_API_KEY", lambda c: bool(c.deepgram.api_key), lambda c: DeepgramStt(c.deepgram)
    ),
    "cartesia": _CloudProvider(
        "CARTESIA_API_KEY", lambda c: bool(c.cartesia.api_key), lambda c: CartesiaStt(c.cartesia)
    ),
}
_LLMS = {
    "openai": _CloudProvider("OPENAI_API_KEY", lambda c: _may_ask(c.openai), lambda c: _openai(c.openai)),
    "openai_backup": _CloudProvider(
        "a key of [openai_backup]", lambda c: _may_ask(c.openai_backup), lambda c: _openai(c.openai_backup), False
    ),
}
_TTS = {
    "elevenlabs": _CloudProvider("ELEVENLABS_API_KEY", lambda c: bool(c.elevenlabs.api_key), _elevenlabs),
    "cartesia": _CloudProvider(
        "CARTESIA_API_KEY", lambda c: bool(c.cartesia_tts.api_key), lambda c: CartesiaTts(c.cartesia_tts)
    ),
    "deepgram": _CloudProvider(
        "DEEPGRAM_API_KEY", lambda c: bool(c.deepgram_tts.api_key), lambda c: DeepgramTts(c.deepgram_tts)
    ),
    "assemblyai": _CloudProvider(
        "ASSEMBLYAI_API_KEY",
        lambda c: bool(c.assemblyai_tts.api_key),
        lambda c: AssemblyAITts(c.assemblyai_tts),
        False,
    ),
    "openai": _CloudProvider(
        "OPENAI_API_KEY", lambda c: bool(c.openai_tts.api_key), lambda c: OpenAITts(c.openai_tts), False
    ),
    "polly": _CloudProvider(
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        lambda c: bool(c.polly.api_key and c.polly.secret_key),
        lambda c: PollyTts(c.polly),
        False,
    ),
}
_REALTIMES: dict[str, _CloudProvider] = {
    "assemblyai": _CloudProvider(
        "ASSEMBLYAI_API_KEY",
        lambda c: bool(c.assemblyai_agent.api_key),
        lambda c: partial(AssemblyAIVoiceAgent, c.assemblyai_agent),
    ),
    "openai": _CloudProvider(
        "OPENAI_API_KEY",
        lambda c: bool(c.openai_realtime.api_key),
        lambda c: partial(OpenAIRealtime, c.openai_realtime),
    ),
}
_PARTS = {
    "stt": (_STT, "hearing with the embedded Whisper tiny.en (English only)"),
    "llm": (_LLMS, "thinking with the embedded demo brain (orders and callbacks only)"),
    "tts": (_TTS, "speaking with the embedded Hibari voice (English only)"),
}


def choose(config: AgentConfig) -> ProviderChoice:
    """Decide from keys and configuration. Raises `ConfigError` when a named provider cannot be used."""
    if config.mcp and find_spec("mcp") is None:
        raise ConfigError('[[mcp]] needs a package that is not installed: pip install "sipgw[mcp]"')
    missing = [
        f"[[mcp]] {one.name}: there is no program {one.command[0]!r} on this machine"
        for one in config.mcp
        if one.command and shutil.which(one.command[0]) is None
    ]
    notes: list[str] = []
    chosen = {part: _pick(config, part, notes) for part in _PARTS}
    for one in config.languages:
        if one.tts and (one.tts not in _TTS or not _TTS[one.tts].has_key(config)):
            known = ", ".join(_TTS)
            raise ConfigError(f"[[languages]] tts = {one.tts!r} is none of {known}, or there is no key for it")
        try:
            speaking(config, one.code, one.tts or chosen["tts"][0])
        except ValueError as error:
            raise ConfigError(f"[[languages]] {one.code}: {error}") from None
    try:
        config.failover.check(len(chosen["llm"]))
    except ValueError as error:
        raise ConfigError(f"failover.{error}") from None
    names = (config.agent.realtime, *config.agent.realtime_backup)
    realtime = _keyed(config, "realtime", names) if config.agent.realtime else ()
    if "local" in (*chosen["stt"], *chosen["tts"]) and (problem := models.missing()):
        notes.append(f"{problem}; until then callers hear an apology")
    choice = ProviderChoice(
        chosen["stt"], chosen["llm"], chosen["tts"], (*missing, *(() if realtime else notes)), realtime
    )
    with_vocabulary(config, choice)
    return choice


def _pick(config: AgentConfig, part: str, notes: list[str]) -> tuple[str, ...]:
    offers, without = _PARTS[part]
    wanted, backup = getattr(config.agent, part), getattr(config.agent, f"{part}_backup")
    if wanted == "auto":
        wanted = next((n for n, o in offers.items() if o.auto and o.has_key(config)), "local")
        if wanted == "local":
            notes.append(f"no {next(iter(offers.values())).variable}: {without}")
    return _keyed(config, part, (wanted, *backup))


def _keyed(config: AgentConfig, part: str, names: Sequence[str]) -> tuple[str, ...]:
    offers = _PARTS[part][0] if part in _PARTS else _REALTIMES
    for name in names:
        if name != "local" and not offers[name].has_key(config):
            raise ConfigError(f"[agent] {part} = {name!r} needs a key: set {offers[name].variable} in .env")
    return tuple(dict.fromkeys(names))


def products(config: AgentConfig, choice: ProviderChoice) -> Iterator[Product]:
    """The paid products of an agent's calls."""
    for part in choice.parts:
        yield from ((part, product(config, part, name)) for name in getattr(choice, part))
    for one in () if choice.realtime else config.languages:
        name = one.tts or choice.tts[0]
        yield "tts", product(speaking(config, one.code, name), "tts", name)


def made(config: AgentConfig, part: str, name: str) -> Any:
    """A single cloud provider: a `SpeechToText`, a `LanguageModel`, a `TextToSpeech`, or a factory of a `RealtimeModel`
    from a `Brief`.

    Raises `KeyError`.
    """
    return (_REALTIMES if part == "realtime" else _PARTS[part][0])[name].make(config)


def _hasty(config: AgentConfig) -> AgentConfig:
    """STT with a backup tries only once."""
    limit = config.failover.open_limit
    return replace(
        config,
        assemblyai=replace(config.assemblyai, attempts=1, open_limit=min(limit, config.assemblyai.open_limit)),
        cartesia=replace(config.cartesia, attempts=1, open_limit=min(limit, config.cartesia.open_limit)),
        deepgram=replace(config.deepgram, attempts=1, open_limit=min(limit, config.deepgram.open_limit)),
    )


@contextlib.asynccontextmanager
async def opened(
    config: AgentConfig, choice: ProviderChoice, speech: LocalSpeech | None = None
) -> AsyncIterator[Providers]:
    """Open the chosen providers; `speech` is the embedded speech if it runs already.

    Raises `agent.errors.ProviderError` when something cannot be started.
    """
    config = at_providers(config)
    async with contextlib.AsyncExitStack() as stack:
        # Without the speech packages the gateway still starts; each call then hears an apology.
        if speech is None and "local" in (*choice.stt, *choice.tts):
            speech = LocalSpeech(config.local)
            if models.missing() is None:
                await stack.enter_async_context(speech)
        local = speech or LocalSpeech(config.local)  # which then is not asked for
        config = with_vocabulary(config, choice)
        patient = config if len(choice.stt) == 1 else _hasty(config)
        hearing = [
            metered_stt(_maker(_STT, name, patient, local.stt), product(patient, "stt", name)) for name in choice.stt
        ]
        voices = {code: _LanguageTts(config, code, choice.tts, local.tts) for code in config.codes}
        first = voices[config.codes[0]]
        # Slow first-time work is done before the first call, in a thread, because calls may be running.
        preparations: list[Callable[[], object]] = [tls, *_preparations(config, choice)]
        for prepare in preparations:
            with contextlib.suppress(ImportError):  # a call will tell
                await LOADING.run(prepare)
        thinking = await _llms(config, choice.llm)
        again = choice.stt != ("local",)
        asked = zip(thinking, choice.llm, strict=True)
        counted = [MeteredLlm(model, by=product(config, "llm", name)) for model, name in asked]
        providers = assembled(hearing, counted, (), config.failover, speech, again=again)
        stack.push_async_callback(providers.llm.close)
        servers: tuple[McpServer, ...] = ()
        if config.mcp:
            # In a thread: the package takes seconds to be imported, and calls may go on.
            mcp_tools = await LOADING.run(import_module, "agent.mcp_tools")
            servers = await stack.enter_async_context(mcp_tools.connected(config.mcp))
        talking = [_REALTIMES[name].make(config) for name in choice.realtime]
        realtime = RealtimeProviders(talking, config.failover) if talking else None

        def tts(language: str) -> TextToSpeech:
            return voices.get(language, first).tts()

        distant = thinking[0] if isinstance(thinking[0], OpenAILlm | ResponsesLlm) else None
        yield replace(providers, tts=tts, realtime=realtime, servers=servers, distant=distant)


def assembled(
    hearing: Sequence[Callable[[], SpeechToText]],
    thinking: Sequence[LanguageModel],
    speaking: Sequence[Callable[[], TextToSpeech]],
    options: FailoverOptions,
    speech: LocalSpeech | None = None,
    *,
    again: bool = False,
) -> Providers:
    """Combine single providers: in each part the next one takes over when one fails. `again` is whether a single STT
    that reports nothing gets another session.
    """
    hearing, speaking = list(map(observed_stt, hearing)), list(map(observed_tts, speaking))
    thinking = list(map(ObservedLlm, thinking))
    stt_health, tts_health = CircuitBreaker(len(hearing)), CircuitBreaker(len(speaking))

    def stt() -> SpeechToText:
        return FailoverStt(hearing, stt_health, options) if again or len(hearing) > 1 else hearing[0]()

    def tts(language: str) -> TextToSpeech:
        return speaking[0]() if len(speaking) == 1 else FailoverTts(speaking, tts_health, options)

    llm = thinking[0] if len(thinking) == 1 else FailoverLlm(thinking, CircuitBreaker(len(thinking)), options)
    return Providers(stt, llm, tts, speech)


class _LanguageTts:
    """The text to speech of one language."""

    def __init__(self, config: AgentConfig, code: str, chosen: tuple[str, ...], local: Callable[[], Any]) -> None:
        own = next((one.tts for one in config.languages if one.code == code), "")
        names = tuple(dict.fromkeys((own, *chosen))) if own else chosen
        config = speaking(config, code, names[0])
        self._makers = [
            observed_tts(metered_tts(_maker(_TTS, name, config, local), product(config, "tts", name))) for name in names
        ]
        self._health = CircuitBreaker(len(names))
        self._failover = config.failover

    def tts(self) -> TextToSpeech:
        """A voice for a call."""
        makers = self._makers
        return makers[0]() if len(makers) == 1 else FailoverTts(makers, self._health, self._failover)


def with_vocabulary(config: AgentConfig, choice: ProviderChoice) -> AgentConfig:
    """With the languages and words that an STT should expect. Raises `ConfigError` for words that it does not take."""
    told: dict[str, Any] = {"keyterms": config.agent.keyterms}
    heard = told | ({"languages": config.codes} if config.languages else {})
    parts = {name: heard for name in choice.stt if name != "local"}
    parts |= {"assemblyai_agent": told} if "assemblyai" in choice.realtime else {}
    try:
        return replace(config, **{name: replace(getattr(config, name), **more) for name, more in parts.items()})
    except ValueError as error:
        raise ConfigError(f"[agent] {error}") from None


def _maker(
    offers: Mapping[str, _CloudProvider], name: str, config: AgentConfig, local: Callable[[], Any]
) -> Callable[[], Any]:
    return local if name == "local" else lambda: offers[name].make(config)


def _preparations(config: AgentConfig, choice: ProviderChoice) -> Iterator[Callable[[], object]]:
    """Functions that load the packages of the chosen providers; each takes up to seconds."""
    voices = {*choice.tts, *(one.tts for one in config.languages)}
    if "polly" in voices:
        yield polly.signing
    modules: list[str] = []
    if "elevenlabs" in voices and config.elevenlabs.transport == "http":
        modules += ELEVENLABS_SDK
    if not {"openai", "openai_backup"}.isdisjoint(choice.llm):
        modules += OPENAI_SDK
    yield from (partial(import_module, one) for one in modules)


async def _llms(config: AgentConfig, names: Sequence[str]) -> list[LanguageModel]:
    found: list[LanguageModel] = []
    for name in names:
        if name == "local":
            local = LocalLlm(business=config.agent.business)
            if models.missing() is None:
                await local.warm()
            found.append(local)
        else:
            found.append(_LLMS[name].make(config))
    return found
