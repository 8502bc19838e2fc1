"""Which providers an agent has, in words and for a look at what they can do."""

from dataclasses import dataclass

from agent.records import Part
from agent.tongues import NAMES
from sipgw.config import Config


@dataclass(frozen=True)
class Choice:
    """Which providers were chosen, and a sentence on each that is not what a key would have brought."""

    ears: tuple[str, ...]
    """The one that is asked first, and those who stand in for it, in order; so with the others."""
    model: tuple[str, ...]
    voice: tuple[str, ...]
    notes: tuple[str, ...]
    duplex: tuple[str, ...] = ()
    """Empty: ears, model and voice hold the conversation."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """What holds the conversation."""
        return ("duplex",) if self.duplex else ("ears", "model", "voice")

    def of(self, part: str) -> str:
        """Who was chosen for a part, in words."""
        return ", then ".join(getattr(self, part))

    def __str__(self) -> str:
        return ", ".join(f"{part} {self.of(part)}" for part in self.parts)


def unspoken(config: Config, choice: Choice) -> list[str]:
    """The languages of the agent that a part which was chosen does not know at all, each in a sentence."""
    found = []
    for code in config.codes if not choice.duplex else ():
        own = next((one.voice for one in config.languages if one.code == code), "")
        if code != "en" and (own or choice.voice[0]) == "local":
            found.append(f"the agent is to speak {NAMES[code]}, which the embedded voice does not: name another voice")
        if code != "en" and choice.ears[0] == "local":
            found.append(f"the agent is to speak {NAMES[code]}, which the embedded ears do not understand: name others")
    return found
