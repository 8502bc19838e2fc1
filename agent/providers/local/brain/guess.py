"""The most probable intent of an utterance."""

from typing import NamedTuple

OUT_OF_SCOPE = "out_of_scope"
"""A sentence that none of the intents covers."""
UNCLEAR = "unclear"
"""A fragment, or no words at all."""


class Guess(NamedTuple):
    """An intent, by its name in `intents.toml`, or `OUT_OF_SCOPE` or `UNCLEAR`."""

    intent: str
    score: float
    """Likeness to the nearest examples, 0..1; 0 when a rule decided."""
