"""Answers a question from passages of documents, by the sentence that is most like the question."""

import re
from collections.abc import Sequence

from agent.providers.local.brain.intents import Encode, load_encoder

SENTENCES = 24
"""Maximum sentences that are compared."""
LEAST = 0.25
"""Likeness below which a sentence is no answer."""
LONGEST = 300
"""Maximum characters of an answer."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def answer_of(question: str, texts: Sequence[str], encode: Encode | None = None) -> str:
    """The sentence of `texts` that is most like the question; empty if none is like it. It takes some milliseconds.
    Raises `agent.errors.ProviderError` if the encoder is missing.
    """
    sentences = [one for text in texts for one in _SENTENCE.split(text)][:SENTENCES]
    if not sentences:
        return ""
    rows = (encode or load_encoder())([question[:LONGEST], *(one[:LONGEST] for one in sentences)])
    likeness = (rows[1:] @ rows[0]).tolist()
    best = max(range(len(sentences)), key=likeness.__getitem__)
    return sentences[best][:LONGEST] if likeness[best] >= LEAST else ""
