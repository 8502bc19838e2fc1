"""The common part of the protocols of streaming voices, without input and output."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from agent.errors import ProviderError
from agent.providers.extra import FIXED, ProviderOptions
from agent.providers.faults import CLOSES, coded_fault, http_fault, quoted
from agent.rules.rule_error import positive


@dataclass(frozen=True)
class SpeakOptions(ProviderOptions):
    """The common options of all voices."""

    voice_id: str = ""
    """The voice, by the provider's name or number."""
    language: str = ""
    """The language, as the provider writes it: ``en``, ``multi``; empty for that of the model or the voice. STT expects
    those of `[[languages]]` beside it; a voice of `[[languages]]` speaks its own."""
    open_limit: float = field(default=3.0, metadata=FIXED)
    """Seconds until the connection must stand."""
    first_sound_limit: float = field(default=3.8, metadata=FIXED)
    """Seconds from the text to its first sound, with all tries: less than a call waits (`agent.limits.FIRST_SOUND`), so
    that a connection on which nothing came is replaced before the call gives the sentence up."""
    gap_limit: float = field(default=4.0, metadata=FIXED)
    """Seconds between two pieces of a sentence."""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "open_limit", "first_sound_limit", "gap_limit")


class TtsSound(NamedTuple):
    """A piece of mu-law sound of a sentence."""

    sentence: str
    ulaw: bytes


class TtsWord(NamedTuple):
    """Where a word of a sentence ends: see `agent.tts.WordTime`."""

    sentence: str
    letters: int
    samples: int


class Final(NamedTuple):
    """Nothing more follows for a sentence."""

    sentence: str


class TtsFault(NamedTuple):
    """A sentence, or with "" the whole connection, has failed: the server's own code, or the websocket's close code."""

    code: int | str
    words: str
    sentence: str = ""
    passes: bool | None = None
    """Whether the same may go well later, if the server says so."""
    retry_after: float = 0.0
    """Seconds that it wants to be left alone; 0 if it does not say."""


class TtsBegun(NamedTuple):
    """The server is ready for text."""


class Answer(NamedTuple):
    """The messages for the server now."""

    message: str


SpeechEvent = TtsSound | TtsWord | Final | TtsFault | TtsBegun | Answer


class TtsSession(ABC):
    """One provider's protocol on one websocket after the other. Never raises for what the server sends."""

    name: ClassVar[str]
    """The provider's name in the configuration."""
    parallel: ClassVar[int] = 1
    """Sentences that may be spoken at a time."""
    cancels: ClassVar[bool] = True
    """Whether a sentence that was stopped is over at once; where not, it holds its place until its end."""
    begins: ClassVar[bool] = False
    """Whether the server says when it is ready (`TtsBegun`)."""
    tells_heard: ClassVar[bool] = False
    """Whether the server may know what was heard of a sentence (`ask_heard`)."""
    context_life: ClassVar[float] = 0.0
    """Seconds after the last message of the server in which a reply may go on in its context; 0: there are none."""
    overdue_after: ClassVar[float] = 0.0
    """Seconds of nothing within a sentence after which `overdue` is asked; 0 for never."""
    keepalive_every: float = 0.0
    """Seconds between signs of life; 0 for none."""
    goodbye: ClassVar[tuple[str, ...]] = ()
    """The messages that end the connection."""
    faults: ClassVar[Mapping[int | str, tuple[str, str, bool]]] = {}
    """The server's codes: what it is, what to do about it, whether the same may go well later."""

    def __init__(self, options: SpeakOptions) -> None:
        self.limits = options
        self.ignored = 0
        """Messages that made no sense."""
        self._count = 0

    @property
    def has_room(self) -> bool:
        """Whether one more sentence may be said now, `parallel` apart."""
        return True

    @abstractmethod
    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers of the websocket."""

    def begin(self) -> list[str]:
        """Start on a new websocket; what is sent at once."""
        return []

    def keep_alive(self) -> list[str]:
        """The messages that keep an idle connection alive."""
        return []

    def worn(self, now: float) -> bool:
        """Whether the websocket should be replaced before the next sentence."""
        return False

    @abstractmethod
    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """The messages that have `text` spoken; its sound will be that of `sentence`, a name never used before.

        `goes_on`: it belongs to the reply of the sentence before, and may be said in the context of that one.
        """

    @abstractmethod
    def cancel(self, sentence: str) -> list[str]:
        """The messages that stop a sentence. What still comes of it is not reported, or nobody listens to it."""

    def ask_heard(self, sentence: str, samples: int, told: Callable[[int], None]) -> list[str]:
        """The messages that stop what is said and ask what was heard of a sentence, of which so many samples were
        played. `told` is called with its letters when the server says it."""
        return []

    def overdue(self, sentence: str) -> list[SpeechEvent]:
        """Events for a sentence that is not over and brings nothing more: its end may be told in no other way."""
        return []

    def receive(self, message: str | bytes) -> list[SpeechEvent]:
        """The events of one message of the server. Nonsense is counted in `ignored`."""
        try:
            if isinstance(message, bytes):
                return self.sound(message)
            fields = json.loads(message)
            return self.read(fields.get("type", ""), fields)
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError):
            self.ignored += 1
            return []

    def sound(self, ulaw: bytes) -> list[SpeechEvent]:
        """The events of a binary message."""
        raise ValueError("no binary messages here")

    @abstractmethod
    def read(self, kind: str, fields: dict[str, Any]) -> list[SpeechEvent]:
        """The events of a message of type `kind` ("" without one). May raise what wrong types raise."""

    def fault(self, fault: TtsFault) -> ProviderError:
        """The error for a `TtsFault`."""
        code, words = fault.code, quoted(fault.words, self.limits.api_key)
        known = self.faults.get(code) or _CODES.get(code)
        if known is None and isinstance(code, int) and 400 <= code < 600:
            return http_fault(self.name, code, words, fault.retry_after)
        known = known or (f"error {quoted(code, self.limits.api_key)}", "", True)
        error = coded_fault(self.name, known, words if code != 1006 else "")
        error.refused = error.refused and not (isinstance(code, int) and 1000 <= code < 1008)  # it may have spoken
        error.temporary = error.temporary if fault.passes is None else fault.passes
        error.retry_after = fault.retry_after
        return error


_CODES: dict[int | str, tuple[str, str, bool]] = {
    **CLOSES,
    1008: ("refused a message or the account", "check the key, the plan and the options", False),
    "nonsense": ("sent sound that cannot be decoded", "", True),
}


def parts_of(text: str, longest: int) -> list[str]:
    """`text` on one line, cut between words into parts of at most `longest` characters. Joined they are the whole."""
    rest, parts = " ".join(text.split()), list[str]()
    while rest:
        end = len(rest) if len(rest) <= longest else rest.rfind(" ", 0, longest) + 1 or longest
        parts.append(rest[:end])
        rest = rest[end:]
    return parts


class WordFinder:
    """Finds the words that a provider tells the times of in the text that it was given."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def end_of(self, word: str) -> int | None:
        """The end of the next `word` in the text, signs after it included; None for one in the middle of another.

        A word that the provider has changed is not found: it counts with the next one that is.
        """
        at = self._text.find(word.strip(), self._at) if word.strip() else -1
        if at < 0:
            return None
        self._at = at + len(word.strip())
        end = self._text.find(" ", self._at)
        end = len(self._text) if end < 0 else end
        return None if any(map(str.isalnum, self._text[self._at : end])) else end
