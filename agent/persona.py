"""Who the agent is: what the model is told, and the sentences that are said without it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Persona:
    """What the agent is told, and the sentences that it says by itself."""

    prompt: str
    """The system prompt."""
    greeting: str
    notice: str = ""
    """Said before the greeting and not to be interrupted, e.g. that calls are recorded."""
    filler: str = "One moment, please."
    """Said when a tool takes long."""
    reprompt: str = "Are you still there?"
    goodbye_silence: str = "I cannot hear you, so I will hang up now. Goodbye."
    goodbye_overtime: str = "I am sorry, our time is up. Please call again. Goodbye."
    apology: str = "I am sorry, I have a technical problem."
    """Said when a provider fails; then the caller is transferred, or the call ends."""
    not_connected: str = "I am sorry, nobody can take your call at the moment. Can I help you with anything else?"
    """Said when a transfer failed; then the conversation goes on."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys that stand for a tool without arguments, by its name; the ``say`` of its result is said."""
    not_done: str = "I am sorry, that did not work. Please tell me instead."
    """Said when such a tool fails."""
