"""Endpointing: the length of the silence that ends the caller's turn.

If the recogniser ends turns itself, its end of turn is taken without a delay. There are two exceptions: a part of the
answer is known to be missing, or the caller has shown that they go on after a pause.

If the recogniser only transcribes, four things decide: the words, what the agent has asked for, the caller's own
pauses, and a model of the sound. Sans-IO.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from agent.turn_taking.expect import (
    IN_PARTS,
    NO_WORDS,
    OPEN,
    AnswerProgress,
    Expected,
    Kind,
    characters,
    kind_of,
    progress,
)
from agent.turn_taking.lexicon import Lexicon
from agent.turn_taking.options import TurnOptions
from agent.turn_taking.words import SENTENCE_ENDS

WHOLE = 0.3
"""Seconds of silence after an answer that is known to be whole."""
COUNTED = 0.7
"""Seconds of silence after as many digits or letters as were asked for, if the recogniser would wait some seconds for
more of them."""
UNPUNCTUATED = 0.7
"""Seconds of silence after words, if the recogniser has not punctuated anything yet."""
UNFINISHED = 1.6
"""Seconds of silence after words without the end of a sentence, if the recogniser punctuates."""
DATE = 0.9
PARTS = 1.7
"""Seconds of silence after a part of digits, letters or an address: pauses between groups are 0.6 to 1.2 s."""
OVERDUE = 2.0
"""Seconds of silence after a complete sentence, if the recogniser ends turns itself, but has not ended this one. Also
after any words, if the recogniser has no time limit of its own and has never ended a turn."""
LATE = 1.0
"""Seconds of silence beyond the longest silence after which the recogniser itself ends any turn."""
GUESSED = 1.0
"""Seconds of silence after words that look like a part of digits, letters or an address, if they answer a question and
the recogniser has ended the turn."""
MORE = 1.5
"""Factor for a pause inside a turn: from then on the caller is given so many times as long."""
KEPT = 0.8
"""Share of a learned pause that is left after each turn that the agent has answered to the end."""
LEAST = 0.3
"""Seconds: a learned pause that becomes shorter than this is forgotten. A pause is learned with at
least this margin."""
SURE, UNSURE = 0.8, 0.3
"""Probabilities of a complete turn that count as a vote of the model: from the first one up, and from the second one
down."""
GOES_ON = (",", ";", ":", "-", "—", "…", "...", "、", "，")


class TurnModel(Protocol):
    """A model that hears whether a turn is complete, such as an ONNX file in `[turns] model`; none by default."""

    def complete(self, ulaw: bytes) -> float:
        """Probability, 0 to 1, that the turn is complete at the end of this sound, up to 8 s of mu-law at 8 kHz. It
        takes up to 150 ms of CPU: call it in a thread and give the result to `TurnMachine.vote`."""
        ...


@dataclass
class Endpointing:
    """Learns how one caller's turns end."""

    options: TurnOptions
    ends_turns: bool = True
    """Whether the recogniser ends turns itself."""
    longest_silence: float = inf
    """Seconds of silence after which such a recogniser ends any turn; infinite if it has no limit."""
    expected: Expected = OPEN
    """Answer that the agent's present or last words ask for."""
    fields: tuple[Expected, ...] = ()
    """Answers that the tools of the agent take. If the caller's words look like one of them, its length is expected."""
    lexicon: Lexicon = NO_WORDS
    """The small words of the languages that the caller may speak."""
    trusted: bool = False
    """Whether the recogniser has ended a turn in this call: then its ends are waited for."""
    asks: bool = False
    """Whether the agent's last sentence was a question."""
    vote: float | None = None
    """Probability of the model of sound that the turn is complete; None without one."""
    pause: float = 0.0
    """Seconds of the longest pause inside a turn that the caller has made lately, with a margin."""
    _punctuates: bool = field(default=False, repr=False)

    def wanted(self, text: str) -> Expected:
        """Expected answer for the words: what was asked for, else what they look like."""
        if self.expected.kind is not Kind.OPEN:
            return self.expected
        kind = kind_of(text, self.lexicon.digits)
        if kind is Kind.OPEN:
            return OPEN
        known = {one for one in self.fields if one.kind is kind and one.has_end}
        have = characters(text, self.lexicon, letters=kind is Kind.SPELLING)
        left = [one for one in known if not one.is_whole(text, have)]  # what it may still become
        if len(left) > 1:
            return Expected(kind)
        return left[0] if left else max(known, key=lambda one: one.length or have, default=Expected(kind))

    def delay(self, text: str, *, ended: bool, others: bool = False) -> tuple[float, str, str]:
        """Seconds of silence after `text` that end the turn, what was expected, and the reason for that delay.

        `ended`: the recogniser has said that the text is the whole turn. `others`: it cannot say so, since somebody
        goes on behind the caller.
        """
        self._punctuates |= text.rstrip().endswith(SENTENCE_ENDS)
        if text.endswith("]") and text.startswith("[pressed"):
            return 0.0, "", "keys"
        wanted = self.wanted(text)
        state, told = progress(wanted, text, self.lexicon)
        if self.ends_turns and not ended and not others:
            longest = min(self.options.max_endpointing_delay, self.longest_silence + LATE)
            if state is AnswerProgress.WHOLE and self.expected.has_end:
                return max(min(COUNTED, longest), self.pause), told, "the answer is whole"
            whole = text.rstrip().endswith(SENTENCE_ENDS) and not text.rstrip().endswith(GOES_ON)
            unknown = not self.trusted and self.longest_silence == inf  # it may never end one
            overdue = (whole or unknown) and state is not AnswerProgress.PART
            return (min(OVERDUE, longest) if overdue else longest), told, "the recogniser has not ended the turn"
        asked = wanted is self.expected
        seconds, why = self._by_words(text, wanted, state, asked=asked, ended=ended)
        if state is not AnswerProgress.WHOLE and self.pause > seconds:
            seconds, why = self.pause, "pauses of this caller"
        longest = self.options.max_endpointing_delay
        return (min(seconds, longest) if longest else seconds), told, why

    def _by_words(
        self, text: str, wanted: Expected, state: AnswerProgress, *, asked: bool, ended: bool
    ) -> tuple[float, str]:
        if state is AnswerProgress.PART and wanted.kind in IN_PARTS:
            if asked or not self.ends_turns:
                return PARTS, "more may follow"
            if self.asks:
                return GUESSED, "more may follow"
        if self.ends_turns and ended:
            return 0.0, "end of turn of the recogniser"
        if state is AnswerProgress.WHOLE:
            return WHOLE, "the answer is whole"
        if wanted.kind is Kind.DATE:
            return DATE, ""
        complete = text.rstrip().endswith(SENTENCE_ENDS) and not text.rstrip().endswith(GOES_ON)
        seconds = self.options.endpointing_delay if complete else UNFINISHED if self._punctuates else UNPUNCTUATED
        why = "complete sentence" if complete else "unfinished sentence" if self._punctuates else ""
        if self.vote is not None and self.vote >= SURE:
            return min(seconds, self.options.endpointing_delay), why
        if self.vote is not None and self.vote <= UNSURE:
            return max(seconds, UNFINISHED), why
        return seconds, why

    def went_on(self, after: float) -> None:
        """Learn that the caller went on, so many seconds after their last sound."""
        limit = self.options.learned_pause_limit
        if 0.0 < after <= limit:
            self.pause = min(limit, max(self.pause, MORE * after, after + LEAST))

    def answered(self) -> None:
        """Note that a turn was answered to the end: make the learned pause shorter."""
        self.pause = self.pause * KEPT if self.pause * KEPT >= LEAST else 0.0
        self.vote = None
