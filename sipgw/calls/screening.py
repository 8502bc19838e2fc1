"""One call screen: when and how often the agent answers it, and how long it then waits for the person."""

import asyncio
from collections.abc import Callable

from sipgw.calls.screen_phrases import TONE

PAUSE = 0.8
"""Seconds without speech after which a screen's prompt is over, if it announces no tone."""
TONELESS = 3.0
"""Seconds without speech after which a prompt is over that announces a tone: some tones never come or are not
detected."""
LONGEST_PROMPT = 20.0
"""Seconds after which a request is answered, although the prompt goes on, or no sound comes."""
TIMES = 2
"""How often a screen that asks again is answered."""
LONGEST_SCREENING = 60.0
"""Seconds for which a person may think about a call that is screened; then it is given up, without a message. Neither
these nor `LAST_WORDS` pass while the screen does not hear the agent."""
LAST_WORDS = 10.0
"""Seconds in which a screen that refused the call may go on as voice mail; then the call is given up."""
STEP = 1.0
"""Seconds between two checks whether the screen hears the agent."""


class Screening:
    """The answers to one call screen. A request is answered when its prompt is over: a screen that records names hears
    nothing before."""

    def __init__(
        self,
        purpose: str,
        tell: Callable[[str], bool],
        heard: Callable[[], bool],
        give_up: Callable[[str], None],
    ) -> None:
        """`tell` says `purpose`, which may be empty. If the screen does not hear it now, `tell` returns False, and the
        answer stays due.
        `heard` tells whether the screen hears the agent. `give_up` ends the call; its argument is the reason."""
        self.told = True
        """Whether the screen has heard who calls, so that the next voice may be the person's."""
        self._purpose = purpose
        self._tell = tell
        self._heard = heard
        self._give_up = give_up
        self._times = 0
        self._due = self._names_tone = False
        self._prompt: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Note that a call screen has answered."""
        self._times = 0
        self._wait(LONGEST_SCREENING, f"nobody came within {LONGEST_SCREENING:g} s")

    def ask(self) -> None:
        """Note that the screen asks who calls."""
        if not self._purpose or self._due or self._times >= TIMES:
            return
        self._due, self.told, self._names_tone = True, False, False
        self._answer_later()

    def read(self, text: str) -> None:
        """Take words of the prompt."""
        self._names_tone |= TONE.search(text.lower()) is not None

    def hear(self, quiet: float, *, toned: bool) -> None:
        """Note that nobody has spoken for `quiet` seconds; `toned`: a tone has ended since the last speech."""
        if self._due and (toned or quiet >= (TONELESS if self._names_tone else PAUSE)):
            self._answer()

    def answered(self) -> None:
        """Note that the agent has finished an utterance."""
        self.told |= not self._due

    def refuse(self) -> None:
        """Note that the screen says that nobody takes the call."""
        self._due = False
        self._wait(LAST_WORDS, "it said that nobody takes the call")

    def end(self) -> None:
        """End the screening: a person or voice mail has come, or the call is over."""
        self._due = False
        self._stop(self._prompt)
        self._stop(self._end)

    def _answer(self) -> None:
        if self._due and self._tell(self._purpose):
            self._due = False
            self._times += 1
            self._stop(self._prompt)

    def _answer_later(self) -> None:
        """Answer after `LONGEST_PROMPT` seconds, unless the prompt ends earlier; repeat if the screen does not hear."""
        self._stop(self._prompt)
        self._prompt = asyncio.get_running_loop().call_later(LONGEST_PROMPT, self._answer_late)

    def _answer_late(self) -> None:
        self._answer()
        if self._due:
            self._answer_later()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()

    def _wait(self, seconds: float, why: str) -> None:
        self._stop(self._end)
        self._end = asyncio.get_running_loop().call_later(min(STEP, seconds), self._pass, seconds, why)

    def _pass(self, seconds: float, why: str) -> None:
        """Count down a step of `seconds`, if the screen hears the agent; at the end give up with the reason `why`."""
        left = seconds - min(STEP, seconds) if self._heard() else seconds
        if left:
            self._wait(left, why)
        else:
            self._give_up(why)
