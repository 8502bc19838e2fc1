"""Speech to text: turns the caller's sound into words. One object per call."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from agent.turn_taking.expect import OPEN, Expected


class Onset(NamedTuple):
    """The provider noticed that the caller began to speak, `at` seconds into the audio given to `send_audio`."""

    at: float


class Word(NamedTuple):
    """A word and where it stands, in seconds of the audio given to `send_audio` since `open`."""

    text: str
    start: float
    end: float


class Transcript(NamedTuple):
    """Words of the current turn so far; each transcript replaces the one before.

    `final` ends the turn. `eager` marks a text that will probably become the final one unchanged (eager end of turn). A
    reply may be prepared on it, but nothing with a side effect may happen yet. If the next transcript is not eager, the
    caller goes on after all, even if its text is the same.
    """

    text: str
    final: bool
    eager: bool
    end: float
    """Where the last word ends, in seconds of the audio given to `send_audio` since `open`."""
    words: tuple[Word, ...] = ()
    """The words with their times; only for a final text, and only if the provider tells them."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the spoken languages, the most spoken one first; empty if the provider does not tell."""
    confidence: float = 1.0
    """How sure the provider is of these languages, 0 to 1."""


SttEvent = Onset | Transcript


class AudioInput(Protocol):
    """Takes the caller's sound."""

    @property
    def name(self) -> str:
        """Name of provider and model, for logs and bills."""
        ...

    def send_audio(self, ulaw: bytes) -> None:
        """Take mu-law sound of any length, in order and without gaps; never blocks. The queue behind it holds 5 s."""
        ...


class SpeechToText(AudioInput, Protocol):
    """A live speech-to-text session."""

    @property
    def ends_turns(self) -> bool:
        """Whether a final transcript ends a turn; otherwise it only ends a piece of speech."""
        ...

    @property
    def longest_silence(self) -> float:
        """Seconds of silence after which it ends any turn, with its present settings; infinite if it has no limit."""
        ...

    async def open(self) -> None:
        """Get ready to hear. Raises `agent.errors.ProviderError` when refused or too slow."""
        ...

    def send_audio(self, ulaw: bytes) -> None:
        """See `AudioInput.send_audio`; if more than 5 s wait, the oldest sound is dropped and counted.

        A piece of more than a second is not live: it is heard again after another STT has failed. It may wait beside
        the 5 s.
        """
        ...

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        """Give the agent's last sentence and the answer that it asks for (`wanted`): hints at the
        caller's next words."""
        ...

    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None:
        """Expect `language` (ISO 639-1) from now on, and listen for the words `keyterms`.

        STT that knows only one language at a time changes to it without losing words. The keyterms are used if they can
        be changed within a session; otherwise the words of its options stay.
        """
        ...

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """Tell whether the caller speaks, on a line where others are heard too (a television, an echo).

        It holds from `ago` seconds before the end of the sound that was sent so far. None: nobody else is heard any
        more. STT that finds the ends of speech itself may need this.
        """
        ...

    def events(self) -> AsyncIterator[SttEvent]:
        """Yield onsets and transcripts until `close`. Raises `ProviderError` when the session is lost for good."""
        ...

    async def close(self) -> None:
        """End the session politely; safe to call twice and after a failure."""
        ...
