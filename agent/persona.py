"""The persona of an agent: its prompt, and the sentences that it says without the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.stock import STOCK

_EN = STOCK["en"]


@dataclass(frozen=True)
class Persona:
    """The prompt, and the sentences that the agent says without the model."""

    prompt: str
    """The system prompt."""
    greeting: str
    notice: str = ""
    """Said before the greeting and not to be interrupted, e.g. that calls are recorded."""
    filler: str = _EN["filler"]
    """Said when a tool takes long."""
    reprompt: str = _EN["reprompt"]
    again: str = _EN["again"]
    """Said when the caller spoke, and nothing was understood."""
    hardly: str = _EN["hardly"]
    """Said when the caller is not understood a second time: there is too much noise, or the caller is too far from the
    telephone."""
    goodbye: str = _EN["goodbye"]
    """Said when the model hangs up without a word."""
    goodbye_silence: str = _EN["goodbye_silence"]
    goodbye_overtime: str = _EN["goodbye_overtime"]
    apology: str = _EN["apology"]
    """Said when a provider fails, before the call ends."""
    connecting: str = _EN["connecting"]
    """Said instead of the apology when somebody else is to take the caller. The apology follows only if nobody can."""
    not_connected: str = _EN["not_connected"]
    """Said when a transfer failed; then the conversation goes on."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Tools without arguments, by the key that runs each of them; the agent says the ``say`` of the result."""
    not_done: str = _EN["not_done"]
    """Said when a tool that was run by a key fails."""
    emergency: str = ""
    """Result of the tool `emergency`: the agent cannot call the emergency services. Empty: there is no such tool."""
    opening: str = ""
    """Said when the agent takes a call over from another agent; empty: it goes on without such words."""
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Translations of these sentences, by ISO 639-1 code and by name."""

    def speaking(self, language: str) -> "Persona":
        """The same agent in `language`, as far as there are translations."""
        changes: dict[str, Any] = {**self.translations.get(language, {})}
        return replace(self, **changes)
