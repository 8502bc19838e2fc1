"""Chooses and opens the providers of an agent: those of the configuration, or those with a key."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from agent.authorities import tls
from agent.llm import DistantModel, LanguageModel
from agent.meter import MeteredLlm, metered_stt, metered_tts
from agent.pool import LOADING
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import FailoverLlm, FailoverOptions, FailoverTts
from agent.providers.failover_realtime import RealtimeProviders
from agent.providers.failover_stt import FailoverStt
from agent.providers.local import models
from agent.providers.local.host import NAME as LOCAL
from agent.providers.local.host import LocalSpeech
from agent.providers.provider import Provider
from agent.records import Part
from agent.rules.rule_error import Keys, RuleError
from agent.stt import SpeechToText
from agent.tts import TextToSpeech
from sipgw.agents.knowledge.requirements import check_encoder
from sipgw.agents.languages import speaking
from sipgw.agents.products import Product, charged, product
from sipgw.agents.provider_choice import ProviderChoice
from sipgw.config import registry
from sipgw.config.config import AgentConfig
from sipgw.config.registry import provider
from sipgw.records.bundles.recorder import ObservedLlm, ObservedStt, ObservedTts, observed
from sipgw.records.privacy.at_provider import at_providers

if TYPE_CHECKING:
    from agent.mcp_tools import McpServer


@dataclass(frozen=True)
class Providers:
    """Creates STT and TTS for each call; all calls share the LLM."""

    stt: Callable[[], SpeechToText]
    llm: LanguageModel
    tts: Callable[[str], TextToSpeech]
    """Makes TTS for a language (ISO 639-1); empty: the first language of the agent."""
    speech: LocalSpeech | None
    """The embedded speech models; None if they are not used."""
    realtime: RealtimeProviders | None = None
    """The realtime models that replace STT, LLM and TTS; None if there are none."""
    servers: tuple["McpServer", ...] = ()
    """The MCP servers with further tools."""
    distant: DistantModel | None = None
    """The first LLM; None if it is embedded."""
    paces: bool = False
    """Whether the LLM gets the tools `expect` and `wait`; the embedded LLM knows only its own tools."""


def choose(config: AgentConfig) -> ProviderChoice:
    """Decide from keys and configuration. Raises `ConfigError` when a named provider cannot be used."""
    try:
        return choice_of(config)
    except RuleError as error:
        raise config.explained(error) from None


def choice_of(config: AgentConfig) -> ProviderChoice:
    """Decide from keys and configuration. Raises `RuleError` when a named provider cannot be used."""
    if config.mcp and find_spec("mcp") is None:
        raise RuleError('[[mcp]] needs a package that is not installed: pip install "sipgw[mcp]"', "mcp")
    missing = [
        f"[[mcp]] {one.name}: there is no program {one.command[0]!r} on this machine"
        for one in config.mcp
        if one.command and shutil.which(one.command[0]) is None
    ]
    notes: list[str] = []
    chosen = {
        part: _pick(config, part, [] if part == "llm" and config.agent.brain else notes)
        for part in ("stt", "llm", "tts")
    }
    voices = [name for name, record in registry.providers("tts").items() if not record.embedded]
    for at, one in enumerate(config.languages):
        if one.tts and one.tts not in voices:
            raise RuleError(f"{one.tts!r} is none of {', '.join(voices)}", ("languages", at, "tts"))
        _keyed(config, "tts", {one.tts: ("languages", at, "tts")} if one.tts else {})
        speaking(config, one.code, one.voices(chosen["tts"]))
    try:
        config.failover.check(len(chosen["llm"]))
    except RuleError as error:
        raise RuleError(error.problem, ("failover", *error.keys[0]), ("agent", "llm_backup")) from None
    if config.report.wanted and (embedded := [one for one in chosen["llm"] if provider("llm", one).embedded]):
        why = f"[report] goal needs a language model of a service, not {embedded[0]!r}: see [agent] llm"
        raise RuleError(why, ("report", "goal"), ("agent", "llm"))
    if config.knowledge.folder:
        check_encoder(config)
    realtime = _keyed(config, "realtime", _named(config, "realtime")) if config.agent.realtime else ()
    if LOCAL in (*chosen["stt"], *chosen["tts"]) and (problem := models.missing()):
        notes.append(f"{problem}; until then callers hear an apology")
    told = (*registry.problems(), *missing, *(() if realtime else notes))
    choice = ProviderChoice(chosen["stt"], chosen["llm"], chosen["tts"], told, realtime, config.agent.brain_host)
    with_vocabulary(config, choice)
    return choice


def _usable(config: AgentConfig, record: Provider) -> bool:
    return record.usable(config.table(record.section))


def _pick(config: AgentConfig, part: Part, notes: list[str]) -> tuple[str, ...]:
    offers = registry.providers(part)
    named = _named(config, part)
    if named.pop("auto", None):
        found = next(one for one in offers.values() if one.auto and _usable(config, one))
        named = {found.name: ("agent", part)} | named
        if found.embedded:
            notes.append(f"no {next(iter(offers.values())).needs}: {found.embedded}")
    return _keyed(config, part, named)


def _named(config: AgentConfig, part: Part) -> dict[str, Keys]:
    """The providers that an agent names for a part, in order, each with the key that names it."""
    first, backup = getattr(config.agent, part), getattr(config.agent, f"{part}_backup")
    return dict.fromkeys((first, *backup), ("agent", f"{part}_backup")) | {first: ("agent", part)}


def _keyed(config: AgentConfig, part: str, named: Mapping[str, Keys]) -> tuple[str, ...]:
    for name, key in named.items():
        record = provider(part, name)
        if not _usable(config, record):
            raise RuleError(f"{name!r} needs a key: set {record.needs} in .env", key)
        if record.lacking:
            why = f'needs a package that is not installed: pip install "{record.lacking}"'
            raise RuleError(f"{name!r} {why}", key)
    return tuple(named)


def products(config: AgentConfig, choice: ProviderChoice) -> Iterator[Product]:
    """The paid products of an agent's calls."""
    config = with_vocabulary(config, choice)
    for part in (*choice.parts, *(("llm",) if choice.realtime and config.report.wanted else ())):
        for name in getattr(choice, part):
            yield from charged(config, part, name)
    for one in () if choice.realtime else config.languages:
        name = one.tts or choice.tts[0]
        yield from charged(speaking(config, one.code, [name]), "tts", name)


def made(config: AgentConfig, part: str, name: str) -> Any:
    """A single provider that is not embedded: a `SpeechToText`, a `LanguageModel`, a `TextToSpeech`, or a factory of a
    `RealtimeModel` from a `Brief`.

    Raises `KeyError`.
    """
    record = provider(part, name)
    return record.make(config.table(record.section))


def _one_attempt(config: AgentConfig, names: Sequence[str]) -> AgentConfig:
    """`config` in which the STT providers `names`, which have a backup, try only once."""
    tables = {}
    for record in (provider("stt", name) for name in names):
        options = config.table(record.section)
        limit = min(config.failover.open_limit, getattr(options, "open_limit", config.failover.open_limit))
        tables[record.section] = record.having(options, attempts=1, open_limit=limit)
    return config.having(**tables)


@contextlib.asynccontextmanager
async def opened(
    config: AgentConfig, choice: ProviderChoice, speech: LocalSpeech | None = None
) -> AsyncIterator[Providers]:
    """Open the chosen providers; `speech` is the embedded speech if it runs already.

    Raises `agent.errors.ProviderError` when something cannot be started.
    """
    config = at_providers(config, choice.stt, choice.realtime)
    async with contextlib.AsyncExitStack() as stack:
        # Without the speech packages the gateway still starts; each call then hears an apology.
        if speech is None and LOCAL in (*choice.stt, *choice.tts):
            speech = LocalSpeech(config.table(LOCAL))
            if models.missing() is None:
                await stack.enter_async_context(speech)
        local = speech or LocalSpeech(config.table(LOCAL))  # the model is then not needed
        config = with_vocabulary(config, choice)
        patient = config if len(choice.stt) == 1 else _one_attempt(config, choice.stt)
        hearing = [
            metered_stt(_maker("stt", name, patient, local.stt), product(patient, "stt", name)) for name in choice.stt
        ]
        voices = {code: _LanguageTts(config, code, choice.tts, local.tts) for code in config.codes}
        first = voices[config.codes[0]]
        # Slow first-time work is done before the first call, in a thread, because calls may be running.
        preparations: list[Callable[[], object]] = [tls, *_preparations(config, choice)]
        for prepare in preparations:
            with contextlib.suppress(ImportError):  # the first call will report it
                await LOADING.run(prepare)
        thinking = await _llms(config, choice.llm)
        again = choice.stt != (LOCAL,)
        asked = zip(thinking, choice.llm, strict=True)
        counted = [MeteredLlm(model, by=product(config, "llm", name)) for model, name in asked]
        providers = assembled(hearing, counted, (), config.failover, speech, again=again)
        stack.push_async_callback(providers.llm.close)
        servers: tuple[McpServer, ...] = ()
        if config.mcp:
            # In a thread: the package takes seconds to be imported, and calls may go on.
            mcp_tools = await LOADING.run(import_module, "agent.mcp_tools")
            servers = await stack.enter_async_context(mcp_tools.connected(config.mcp))
        talking = [made(config, "realtime", name) for name in choice.realtime]
        realtime = RealtimeProviders(talking, config.failover) if talking else None

        def tts(language: str) -> TextToSpeech:
            return voices.get(language, first).tts()

        distant = None if choice.llm[0] == LOCAL else cast(DistantModel, thinking[0])
        yield replace(providers, tts=tts, realtime=realtime, servers=servers, distant=distant, paces=bool(distant))


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
    hearing = [observed(make, ObservedStt) for make in hearing]
    speaking = [observed(make, ObservedTts) for make in speaking]
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
        names = next((one.voices(chosen) for one in config.languages if one.code == code), chosen)
        config = speaking(config, code, names)
        self._makers = [
            observed(metered_tts(_maker("tts", name, config, local), product(config, "tts", name)), ObservedTts)
            for name in names
        ]
        self._health = CircuitBreaker(len(names))
        self._failover = config.failover

    def tts(self) -> TextToSpeech:
        """A voice for a call."""
        makers = self._makers
        return makers[0]() if len(makers) == 1 else FailoverTts(makers, self._health, self._failover)


def with_vocabulary(config: AgentConfig, choice: ProviderChoice) -> AgentConfig:
    """`config` with the languages and words that each STT should expect. Raises `RuleError` for words that an STT
    refuses."""
    told: dict[str, Any] = {"keyterms": config.agent.keyterms}
    if config.languages:
        told["languages"] = config.codes
    tables = {}
    for part in ("stt", "realtime"):
        for record in (provider(part, name) for name in getattr(choice, part)):
            try:
                tables[record.section] = record.having(config.table(record.section), **told)
            except RuleError as error:
                keys = [_TOLD.get(key, (record.section, *key)) for key in error.keys]
                raise RuleError(error.problem, *keys, (record.section,)) from None
            except ValueError as error:  # raised by a third-party package
                raise RuleError(str(error), *_TOLD.values(), (record.section,)) from None
    return config.having(**tables)


_TOLD: Mapping[Keys, Keys] = {("keyterms",): ("agent", "keyterms"), ("languages",): ("languages",)}
"""Options of an STT that are taken from the agent's options, each with the key of the agent's option."""


def _maker(part: str, name: str, config: AgentConfig, local: Callable[[], Any]) -> Callable[[], Any]:
    return local if name == LOCAL else partial(made, config, part, name)


def _preparations(config: AgentConfig, choice: ProviderChoice) -> Iterator[Callable[[], object]]:
    """Functions that load the packages of the chosen providers; each takes up to seconds."""
    used = {("tts", one.tts) for one in config.languages if one.tts}
    used |= {(part, name) for part in registry.PARTS for name in getattr(choice, part)}
    for record in (provider(*one) for one in sorted(used)):
        yield partial(record.load, config.table(record.section))


async def _llms(config: AgentConfig, names: Sequence[str]) -> list[LanguageModel]:
    found: list[LanguageModel] = []
    for name in names:
        if name == LOCAL:
            from agent.providers.local.brain.llm import LocalLlm  # no other gateway needs it

            local = LocalLlm(business=config.agent.business)
            if models.missing() is None:
                await local.warm()
            found.append(local)
        else:
            found.append(made(config, "llm", name))
    return found
