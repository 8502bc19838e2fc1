"""The chosen providers of an agent, and the languages that they lack."""

import re
from dataclasses import dataclass

from agent.call_languages import NAMES
from agent.providers.assemblyai_speak import LANGUAGES
from agent.records import Part
from sipgw.config.agent import LanguageOptions
from sipgw.config.config import AgentConfig


@dataclass(frozen=True)
class ProviderChoice:
    """The chosen providers, and a note on each that was chosen without a key or against it."""

    stt: tuple[str, ...]
    """The STT provider and its backups, in order. The other fields are alike."""
    llm: tuple[str, ...]
    tts: tuple[str, ...]
    notes: tuple[str, ...]
    realtime: tuple[str, ...] = ()
    """Empty: STT, LLM and TTS hold the conversation."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that hold the conversation."""
        return ("realtime",) if self.realtime else ("stt", "llm", "tts")

    def of(self, part: str) -> str:
        """The chosen providers of a part, in words."""
        return ", then ".join(getattr(self, part))

    def __str__(self) -> str:
        return ", ".join(f"{part} {self.of(part)}" for part in self.parts)


def without_keyterms(config: AgentConfig, choice: ProviderChoice) -> list[str]:
    """The chosen providers that do not listen for the agent's key terms; each in a sentence."""
    deaf = {
        "local": "the embedded STT",
        "deepgram": "" if config.deepgram.takes_keyterms else f"Deepgram's {config.deepgram.model}",
        "openai": "OpenAI Realtime",
    }
    names = choice.realtime or choice.stt
    told = [deaf[name] for name in names if deaf.get(name)] if config.agent.keyterms else []
    return [f"[agent] keyterms: {one} does not listen for them" for one in told]


_ENGLISH_STT = {"local": "the embedded STT", "cartesia": "cartesia's STT"}
"""STT that understands nothing else."""
_ENGLISH_ELEVENLABS = re.compile(r"eleven_(flash|turbo)_v2|eleven_monolingual_v1")
"""ElevenLabs' models that speak nothing else."""
_AURA = re.compile(r"aura.*-([a-z]{2})")
"""Deepgram's voices end with the language that they speak."""


def unspoken(config: AgentConfig, choice: ProviderChoice) -> list[str]:
    """The languages of the agent that a chosen part or a backup does not support; each in a sentence."""
    found = []
    for code in config.codes if not choice.realtime else ():
        own = next((one for one in config.languages if one.code == code), LanguageOptions(code))
        names = tuple(dict.fromkeys((own.tts, *choice.tts) if own.tts else choice.tts))
        wanted = f"the agent is to speak {NAMES[code]}, which"
        if code != "en" and "local" in names:
            found.append(f"{wanted} the embedded voice does not: name another voice")
        aura = own.voice_id if own.voice_id and names[0] == "deepgram" else config.deepgram_tts.model
        speaks = _AURA.fullmatch(aura)
        if "elevenlabs" in names and code != "en" and _ENGLISH_ELEVENLABS.fullmatch(config.elevenlabs.model):
            found.append(f"{wanted} elevenlabs' {config.elevenlabs.model} does not: name another model")
        if "assemblyai" in names and code not in LANGUAGES:
            found.append(f"{wanted} assemblyai's voice does not: name another voice")
        if "deepgram" in names and speaks and speaks[1] != code:
            found.append(f"{wanted} deepgram's voice {aura} does not: name another voice")
        if "assemblyai" in choice.stt and not config.assemblyai.is_u3 and code not in LANGUAGES:
            found.append(f"{wanted} {config.assemblyai.model} does not understand: name a Universal-3 model")
        if code != "en":
            deaf = [stt for name, stt in _ENGLISH_STT.items() if name in choice.stt]
            found += [f"{wanted} {stt} does not understand: name others" for stt in deaf]
    return found
