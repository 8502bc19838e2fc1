"""The options of turn-taking."""

from dataclasses import dataclass, field

from agent.rules.rule_error import RuleError, positive

FIXED = {"fixed": True}
"""Metadata of a field that bundles hold and a configuration does not: nobody can know what to write there."""


@dataclass(frozen=True)
class TurnOptions:
    """When the agent speaks, and when it lets the caller speak. Durations are in seconds."""

    confirm_after_quiet: float = field(default=1.0, metadata=FIXED)
    """How long the words of an interruption may take after its sound has ended; without them the agent goes on."""
    confirm_limit: float = field(default=4.0, metadata=FIXED)
    """How long the agent stays silent for a sound without words of which it is not certain that it is a voice."""
    reprompt_after: float = 8.0
    """Silence of the caller after which the agent asks whether somebody is there; before each further question the
    silence may last twice as long, up to a minute."""
    reprompts: int = 2
    """How often it asks before it says goodbye. Behind a PBX that parks callers to music, 5: about four minutes."""
    max_duration: float = 1800.0
    """Longest call; the agent says goodbye at its end."""
    digit_pause: float = field(default=2.5, metadata=FIXED)
    """Pause after which pressed keys are taken as complete; ``#`` completes them at once."""
    max_digits: int = field(default=32, metadata=FIXED)
    """Keys taken at a time."""
    endpointing_delay: float = 0.45
    """Silence that ends a turn whose words are complete, where the recogniser only transcribes."""
    max_endpointing_delay: float = 6.0
    """Silence after which words are answered that the recogniser does not say to be all; 0 waits half a minute. Behind
    one that ends turns itself it is no longer than a second after its own limit, which should be shorter than this."""
    learned_pause_limit: float = field(default=2.0, metadata=FIXED)
    """Longest pause in the middle of a turn that is waited for with callers who have shown that they make such
    pauses; 0 learns none."""
    wait_limit: float = field(default=300.0, metadata=FIXED)
    """How long a caller who has asked for time ("let me get my card") may be silent."""

    model: str = ""
    """An ONNX file with the inputs and outputs of Smart Turn v3. It judges whether a turn is complete, if the
    recogniser only transcribes. A path, or ``package:path`` for a file of an installed package. Empty: none."""

    def __post_init__(self) -> None:
        positive(self, "confirm_after_quiet", "confirm_limit", "reprompt_after", "max_duration")
        for name, value in vars(self).items():
            if isinstance(value, int | float) and value < 0:
                raise RuleError("must be 0 or more", name)
        if 0 < self.max_endpointing_delay < self.endpointing_delay:
            both = ("max_endpointing_delay", "endpointing_delay")
            raise RuleError("max_endpointing_delay must be at least endpointing_delay", *both)
