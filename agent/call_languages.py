"""The language of a call: one of the configured languages. It is changed on detection or on request. Sans-IO.

A caller who mixes languages (Hinglish) must not make the agent change to and fro. So evidence for another language is
counted in words. Any turn in the present language removes the evidence, and every change makes the next one harder.
"""

from collections.abc import Sequence

from agent.phrases import PHRASES
from agent.stt import Transcript
from agent.turn_taking.words import words_of

FIRST = 4
"""Words in another language that change the language for the first time."""
HARDEST = 12
"""Words that are needed after several changes, or after the caller has asked for the language."""
A_TURN = 6
"""Words of one turn that count at most: one long misheard sentence is not two."""
SURE = 0.6
"""Least confidence of the provider, 0 to 1, at which a language counts."""

NAMES = {
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "hi": "Hindi",
    "pt": "Portuguese",
    "it": "Italian",
}
"""Names of the languages, as they are told to the model."""


class CallLanguages:
    """The languages of one call. Raises `ValueError` for an unknown language, and for an empty list."""

    def __init__(self, known: Sequence[str] = ("en",)) -> None:
        self.known: tuple[str, ...] = ()
        self.now = ""
        """The one that is spoken, an ISO 639-1 code."""
        self._needed = FIRST
        self._other = ""
        self._words = 0
        self.learn(known)

    def learn(self, known: Sequence[str]) -> None:
        """Set the known languages, the preferred one first. The present language stays if it is among them; else the
        first one is spoken."""
        if not known or (strange := next((code for code in known if code not in PHRASES), "")):
            raise ValueError(f"languages: {strange!r} is not one of {', '.join(sorted(PHRASES))}" if known else "none")
        self.known = tuple(known)
        if self.now not in known:
            self._change(known[0])

    def note_transcript(self, transcript: Transcript) -> bool:
        """Take what the caller said; returns whether the language changes by it."""
        if not transcript.final or not transcript.languages or transcript.confidence < SURE:
            return False
        if self.now in transcript.languages:
            self._words = 0
            return False
        code = next((code for code in transcript.languages if code in self.known), "")
        if not code:
            return False
        if code != self._other:
            self._other, self._words = code, 0
        self._words += min(len(words_of(transcript.text)), A_TURN)
        if self._words < self._needed:
            return False
        self._needed = min(2 * self._needed, HARDEST)
        self._change(code)
        return True

    def ask(self, code: str) -> bool:
        """Change to the language `code`, which the caller wants; returns whether it is known. After that, detection
        changes it only with much evidence."""
        if code not in self.known:
            return False
        self._needed = HARDEST
        self._change(code)
        return True

    @property
    def manner(self) -> str:
        """Instructions for the model about the language of its answers; empty if only one language is known."""
        if self.known == ("en",):
            return ""
        told = f"You are speaking {NAMES[self.now]} with the caller: answer in {NAMES[self.now]}, whatever language "
        told += "these instructions and the results of tools are in."
        if len(self.known) > 1:
            told += " Words that the caller mixes in from another language are understood and may be used as they are."
        return told

    def _change(self, code: str) -> None:
        self.now, self._other, self._words = code, "", 0
