"""The steps of random calls, and the parts of those."""

from typing import NamedTuple

from agent.hearing.echo_path import Path

STEPS = (
    "voice", "faint voice", "clearer", "quiet", "quiet behind", "background", "short", "noise", "notice", "measured",
    "interim", "eager", "final", "unreported", "empty", "um", "hello", "revised", "same", "fewer", "behind", "complete",
    "incomplete", "key", "#", "key apart", "hold", "taken", "back", "recording", "queue", "person", "menu",
    "says", "done", "tool", "returned", "late", "wait", "digits", "yes or no", "open", "announce", "transfer", "nobody",
    "close",
)  # fmt: skip
USUAL = ("final", "interim", "says", "done")
"""What calls consist of: most of the steps, or hardly a reply is ever heard to its end."""
SEAMS = ("unreported", "same", "taken", "back", "hold", "queue", "menu", "person")
"""What happens where somebody else begins to be there, or has been there."""
SECONDS = (0.02, 0.2, 0.5, 1.5, 6.0, 40.0)
TIMES = ("none", "ends", "sent", "touching", "apart")
"""What the recogniser tells of when its words sounded: nothing, the end of the last one, how much sound it had been
sent, or also when each word of a final text began, where one word touches the next or not."""
Steps = list[tuple[str, float]]
"""Each with the seconds that pass after it."""


class Setting(NamedTuple):
    """The parts of a call."""

    ends_turns: bool
    """Whether the recogniser ends turns itself."""
    path: Path | None = None
    times: str = "none"
    """One of `TIMES`."""
    lasts: float = 100_000.0
    """Seconds of the longest call."""
