"""The common part of the protocols of streaming voices. Sans-IO."""

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
    the languages of `[[languages]]` too; a voice of `[[languages]]` speaks the language of its entry."""
    open_limit: float = field(default=3.0, metadata=FIXED)
    """Seconds within which the connection must be open."""
    first_sound_limit: float = field(default=3.8, metadata=FIXED)
    """Seconds from the text to its first sound, all tries included. It is less than a call waits
    (`agent.limits.FIRST_SOUND`), so that a silent connection is replaced before the call gives the sentence up."""
    gap_limit: float = field(default=4.0, metadata=FIXED)
    """Maximum seconds between two pieces of a sentence."""

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "open_limit", "first_sound_limit", "gap_limit")


class TtsSound(NamedTuple):
    """A piece of mu-law sound of a sentence."""

    sentence: str
    ulaw: bytes


class TtsWord(NamedTuple):
    """The place in a sentence's sound at which one of its words ends: see `agent.tts.WordTime`."""

    sentence: str
    letters: int
    samples: int


class Final(NamedTuple):
    """The end of a sentence: nothing more follows for it."""

    sentence: str


class TtsFault(NamedTuple):
    """A sentence has failed; with the sentence "" the whole connection. `code` is the server's own, or the websocket's
    close code."""

    code: int | str
    words: str
    sentence: str = ""
    passes: bool | None = None
    """Whether the same request may succeed later; None if the server does not say."""
    retry_after: float = 0.0
    """Seconds for which the server wants no requests; 0 if it does not say."""


class TtsBegun(NamedTuple):
    """The server is ready for text."""


class Answer(NamedTuple):
    """Messages that must be sent to the server now."""

    message: str


SpeechEvent = TtsSound | TtsWord | Final | TtsFault | TtsBegun | Answer


class TtsSession(ABC):
    """One provider's protocol, on one websocket after the other. Messages of the server never make it raise an
    error."""

    name: ClassVar[str]
    """The provider's name in the configuration."""
    parallel: ClassVar[int] = 1
    """Number of sentences that the service speaks at the same time."""
    cancels: ClassVar[bool] = True
    """Whether a stopped sentence ends at once. If not, it counts among the `parallel` sentences until its end."""
    begins: ClassVar[bool] = False
    """Whether the server says when it is ready (`TtsBegun`)."""
    tells_heard: ClassVar[bool] = False
    """Whether the server can tell how much of a sentence was heard (`ask_heard`)."""
    context_life: ClassVar[float] = 0.0
    """Seconds after the server's last message in which a reply may go on in its context; 0: the protocol has no
    contexts."""
    overdue_after: ClassVar[float] = 0.0
    """Seconds without a message within a sentence, after which `overdue` is called; 0: never."""
    keepalive_every: float = 0.0
    """Seconds between the messages of `keep_alive`; 0: none are sent."""
    goodbye: ClassVar[tuple[str, ...]] = ()
    """The messages that end the connection."""
    faults: ClassVar[Mapping[int | str, tuple[str, str, bool]]] = {}
    """For each code of the server: the problem, the advice, and whether the same request may succeed later."""

    def __init__(self, options: SpeakOptions) -> None:
        self.limits = options
        self.ignored = 0
        """Messages that made no sense."""
        self._count = 0

    @property
    def has_room(self) -> bool:
        """Whether one more sentence may be sent now, apart from the limit `parallel`."""
        return True

    @abstractmethod
    def request(self) -> tuple[str, dict[str, str]]:
        """URL and headers of the websocket."""

    def begin(self) -> list[str]:
        """Start on a new websocket. Returns the messages to send at once."""
        return []

    def keep_alive(self) -> list[str]:
        """The messages that keep an idle connection alive."""
        return []

    def worn(self, now: float) -> bool:
        """Whether the websocket should be replaced before the next sentence."""
        return False

    @abstractmethod
    def say(self, sentence: str, text: str, now: float, *, goes_on: bool = False) -> list[str]:
        """The messages that let the service speak `text`. Its sound will have the name `sentence`, which was never used
        before. `goes_on`: the text belongs to the same reply as the sentence before, and may be spoken in the same
        context.
        """

    @abstractmethod
    def cancel(self, sentence: str) -> list[str]:
        """The messages that stop a sentence. Later sound of the sentence is ignored."""

    def ask_heard(self, sentence: str, samples: int, told: Callable[[int], None]) -> list[str]:
        """The messages that stop the service and ask how much of a sentence was heard, of which `samples` samples were
        played. When the server answers, `told` is called with the number of letters."""
        return []

    def overdue(self, sentence: str) -> list[SpeechEvent]:
        """Events for a sentence that has not ended and for which nothing comes any more. Some servers report an end in
        no other way."""
        return []

    def receive(self, message: str | bytes) -> list[SpeechEvent]:
        """The events of one message of the server. A message that makes no sense is counted in `ignored`."""
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
        """The events of a message of type `kind` ("" without a type). Wrong fields may raise errors such as KeyError:
        `receive` catches them."""

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
    """`text` on one line, cut between words into parts of at most `longest` characters. All parts joined are the whole
    line."""
    rest, parts = " ".join(text.split()), list[str]()
    while rest:
        end = len(rest) if len(rest) <= longest else rest.rfind(" ", 0, longest) + 1 or longest
        parts.append(rest[:end])
        rest = rest[end:]
    return parts


class WordFinder:
    """Finds the words whose times a provider reports in the text that the provider was given."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def end_of(self, word: str) -> int | None:
        """The position after the next `word` in the text, with the punctuation after it; None if `word` is not found,
        or stands within another word. A word that the provider has changed is not found: it counts together with the
        next word that is.
        """
        at = self._text.find(word.strip(), self._at) if word.strip() else -1
        if at < 0:
            return None
        self._at = at + len(word.strip())
        end = self._text.find(" ", self._at)
        end = len(self._text) if end < 0 else end
        return None if any(map(str.isalnum, self._text[self._at : end])) else end
