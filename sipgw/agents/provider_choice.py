"""The chosen providers of an agent, and the languages that they lack."""

from dataclasses import dataclass
from typing import Any

from agent.call_languages import NAMES
from agent.providers.provider import Provider
from agent.records import Part
from sipgw.agents.languages import speaking
from sipgw.config.agent import LanguageOptions
from sipgw.config.config import AgentConfig
from sipgw.config.registry import provider, providers


@dataclass(frozen=True)
class ProviderChoice:
    """The chosen providers, and a note on each that was chosen without a key or against it."""

    stt: tuple[str, ...]
    """The STT provider and its backups, in order; like this also the other parts."""
    llm: tuple[str, ...]
    tts: tuple[str, ...]
    notes: tuple[str, ...]
    realtime: tuple[str, ...] = ()
    """The realtime provider and its backups; empty: STT, LLM and TTS hold the conversation."""
    brain: str = ""
    """The host of the agent's own server, which thinks in the place of the LLM; empty for none."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that hold the conversation."""
        return ("realtime",) if self.realtime else ("stt", "llm", "tts")

    def of(self, part: str) -> str:
        """The chosen providers of a part, in words."""
        if part == "llm" and self.brain:
            return f"the server {self.brain}"
        return ", then ".join(getattr(self, part))

    def __str__(self) -> str:
        return ", ".join(f"{part} {self.of(part)}" for part in self.parts)


def without_keyterms(config: AgentConfig, choice: ProviderChoice) -> list[str]:
    """The chosen STT providers that ignore the agent's key terms; each in a sentence."""
    parts: tuple[Part, ...] = ("realtime",) if choice.realtime else ("stt",)
    found = []
    for record in (provider(part, name) for part in parts if config.agent.keyterms for name in getattr(choice, part)):
        options = config.table(record.section)
        if not record.takes_keyterms(options):
            found.append(f"[agent] keyterms: {_titled(record, options)} does not listen for them")
    return found


def _titled(record: Provider, options: Any) -> str:
    if record.embedded:
        return "the embedded STT" if record.part == "stt" else "the embedded voice"
    model = getattr(options, "model", "")
    owner = record.title + ("'" if record.title.endswith("s") else "'s")
    return f"{owner} {model}" if model else record.title


def knowing(part: Part, code: str) -> dict[str, str]:
    """The providers of a part that know the language `code`, each with a voice for it; empty: the default voice
    does."""
    found = {}
    for name, record in providers(part).items():
        if code in (record.languages(record.options()) or (code,)):
            found[name] = ""
        elif code in record.voices:
            found[name] = record.voices[code]
    return found


def _instead(refused: Provider, options: Any, code: str) -> str:
    """Advice on another provider for the language. The refused provider is named only with a voice or a model that
    knows the language."""
    told = []
    for name, voice in knowing(refused.part, code).items():
        values = {refused.voice_key: voice} if voice else {"model": getattr(refused.options(), "model", "")}
        if name != refused.name or _knows(refused, options, code, values):
            value = voice or (values["model"] if name == refused.name else "")
            told.append(f"{name!r}" + (f" with the {'voice' if voice else 'model'} {value}" if value else ""))
    return f": take {refused.part} = {' or '.join(told)}" if told else ""


def _knows(record: Provider, options: Any, code: str, values: dict[str, str]) -> bool:
    try:
        return code in (record.languages(record.having(options, **values)) or (code,))
    except ValueError:  # the options do not go together
        return False


def unspoken(config: AgentConfig, choice: ProviderChoice) -> list[str]:
    """The languages of the agent that a chosen part or a backup does not support; each in a sentence."""
    found = []
    for code in config.codes if not choice.realtime else ():
        own = next((one for one in config.languages if one.code == code), LanguageOptions(code))
        names = own.voices(choice.tts)
        wanted = f"the agent is to speak {NAMES[code]}, which"
        spoken = speaking(config, code, names)
        for record in (provider("tts", name) for name in names):
            options = spoken.table(record.section)
            if code not in (record.languages(options) or (code,)):
                found.append(f"{wanted} {_titled(record, options)} does not{_instead(record, options, code)}")
        for record in (provider("stt", name) for name in choice.stt):
            options = config.table(record.section)
            if code not in (record.languages(options) or (code,)):
                found.append(
                    f"{wanted} {_titled(record, options)} does not understand{_instead(record, options, code)}"
                )
    return found
