"""The languages of an agent, and the texts and voices of each."""

from collections.abc import Mapping, Sequence

from agent.rules.rule_error import RuleError
from sipgw.config.agent import LanguageOptions
from sipgw.config.config import AgentConfig
from sipgw.config.registry import provider

ENGLISH = (LanguageOptions("en"),)


def translations(languages: Sequence[LanguageOptions]) -> Mapping[str, Mapping[str, str]]:
    """The sentences of all `languages` by code."""
    return {one.code: one.said for one in languages or ENGLISH}


def speaking(config: AgentConfig, code: str, names: Sequence[str]) -> AgentConfig:
    """`config` with voices of the providers `names` that speak the language `code`. A configured voice is one of the
    first provider.

    Raises `RuleError` for a voice that a provider cannot have.
    """
    at, one = next(((at, one) for at, one in enumerate(config.languages) if one.code == code), (0, None))
    if one is None:
        return config
    place = ("languages", at)
    tables = {}
    for record in (provider("tts", name) for name in names):
        values = {record.language_key: code} if record.language_key else {}
        if one.voice_id and record.name == names[0]:
            values |= {"language": "", record.voice_key: one.voice_id} | values  # `language` belongs to another voice
        try:
            tables[record.section] = record.having(config.table(record.section), **values)
        except ValueError as error:
            raise RuleError(f"{code}: {error}", (*place, "voice_id"), (*place, "tts"), place) from None
    return config.having(**tables)
