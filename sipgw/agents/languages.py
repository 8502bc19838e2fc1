"""The languages of an agent: which it speaks, and what is different in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.phrases import PHRASES
from agent.stock import STOCK


@dataclass(frozen=True)
class LanguageOptions:
    """A language that an agent speaks; it begins in the first."""

    code: str
    """ISO 639-1: en, es, fr, de, hi, pt or it."""
    voice_id: str = ""
    """The voice for it, as its provider calls it; empty for the agent's own, which then has to know the language."""
    voice: str = ""
    """Another provider for the voice, such as ``cartesia``; empty for the agent's own."""
    filler: str = ""
    """Said when a tool takes long; this and all below have a default in every language."""
    reprompt: str = ""
    """Asks whether somebody is there."""
    again: str = ""
    """Asks the caller to say something once more."""
    goodbye: str = ""
    """Said when the model hangs up without a word."""
    goodbye_silence: str = ""
    """Said to nobody before hanging up."""
    goodbye_overtime: str = ""
    """Said when the call has lasted long enough."""
    apology: str = ""
    """Said when a provider fails, before the call ends."""
    connecting: str = ""
    """Said instead when there is somebody to transfer the caller to."""
    not_connected: str = ""
    """Said when a transfer failed."""
    not_done: str = ""
    """Said when what a key stands for failed."""

    def __post_init__(self) -> None:
        if self.code not in PHRASES:
            raise ValueError(f"code: {self.code!r} is not one of {', '.join(sorted(PHRASES))}")

    @property
    def sentences(self) -> dict[str, str]:
        """The stock sentences, as far as they are not changed here."""
        return {name: getattr(self, name) or text for name, text in STOCK[self.code].items()}


ENGLISH = (LanguageOptions("en"),)


def translations(languages: Sequence[LanguageOptions], apology: str) -> Mapping[str, Mapping[str, str]]:
    """The sentences of all `languages` by code; `apology` is the agent's own, in the first of them."""
    found = {one.code: one.sentences for one in languages or ENGLISH}
    first = (languages or ENGLISH)[0]
    if apology and not first.apology:
        found[first.code]["apology"] = apology
    return found
