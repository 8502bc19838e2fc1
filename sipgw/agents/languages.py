"""The languages of an agent, and the texts and voices of each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sipgw.config.agent import LanguageOptions
from sipgw.config.config import AgentConfig

ENGLISH = (LanguageOptions("en"),)


def translations(languages: Sequence[LanguageOptions], apology: str) -> Mapping[str, Mapping[str, str]]:
    """The sentences of all `languages` by code; `apology` is the agent's own, in the first of them."""
    found = {one.code: one.said for one in languages or ENGLISH}
    first = (languages or ENGLISH)[0]
    if apology and not first.sentences.get("apology"):
        found[first.code]["apology"] = apology
    return found


def speaking(config: AgentConfig, code: str, first: str) -> AgentConfig:
    """`config` with voices that speak the language of that code; its own voice is one of the provider `first`."""
    one = next((one for one in config.languages if one.code == code), None)
    if one is None:
        return config
    changed = {name: {"language": code} for name in ("elevenlabs", "cartesia_tts", "assemblyai_tts")}
    if one.voice_id and first in VOICE_KEYS:
        section, key = VOICE_KEYS[first]
        changed.setdefault(section, {})[key] = one.voice_id
        if first == "polly":
            changed[section]["language"] = ""  # which belongs to another voice
    return replace(config, **{name: replace(getattr(config, name), **values) for name, values in changed.items()})


VOICE_KEYS = {
    "elevenlabs": ("elevenlabs", "voice_id"),
    "cartesia": ("cartesia_tts", "voice_id"),
    "assemblyai": ("assemblyai_tts", "voice_id"),
    "deepgram": ("deepgram_tts", "model"),
    "polly": ("polly", "voice_id"),
    "openai": ("openai_tts", "voice_id"),
}
"""The configuration key of each provider's voice."""
