"""Finds passages by meaning and by shared words. Sans-IO."""

import re
from collections import defaultdict
from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from agent.blas import use_one_thread

if TYPE_CHECKING:  # a gateway without documents does not load numpy
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"
"""Unit vectors, one a row."""
SHARED = 0.15
"""What all of the question's words in a passage add to its likeness."""
STEM = 6
"""Letters by which words are compared, so that "refund" finds "refunds"."""
WORDS = 40
"""Words of a question that are looked up."""

_WORD = re.compile(r"\w{2,}")


class IndexEntry(NamedTuple):
    """A passage of the folder."""

    file: str
    heading: str
    chunk: int
    """Its number within the file, from 1."""
    text: str

    @property
    def words(self) -> str:
        """What its vector stands for."""
        return f"{self.heading.replace(' › ', ', ')}: {self.text}" if self.heading else self.text


class Index:
    """The passages of a folder, as they were read at one time."""

    def __init__(self, entries: Sequence[IndexEntry], vectors: Vectors) -> None:
        import numpy as np

        use_one_thread()
        self.entries = entries
        self._vectors = vectors
        found = defaultdict[str, list[int]](list)
        for at, entry in enumerate(entries):
            for word in _words(f"{entry.file} {entry.words}"):
                found[word].append(at)
        self._places = {word: np.array(places, np.int32) for word, places in found.items()}

    def find(self, question: str, vectors: Vectors, most: int, least: float) -> list[tuple[IndexEntry, float]]:
        """Up to `most` passages that are at least as like the question as `least`, the most like first.

        `vectors` are those of the question; where it has several readings, the one that fits best counts.
        """
        import numpy as np

        if not self.entries:
            return []
        likeness = (self._vectors @ vectors.T).max(axis=1) + SHARED * self._shared(question)
        some = np.argpartition(likeness, -most)[-most:] if len(likeness) > most else np.arange(len(likeness))
        best = some[np.argsort(likeness[some])[::-1]]
        return [(self.entries[at], float(likeness[at])) for at in best if likeness[at] >= least]

    def _shared(self, question: str) -> Vectors:
        """How much of the question's words each passage has, from 0 to 1; rare words weigh more."""
        import numpy as np

        shared, total = np.zeros(len(self.entries), np.float32), 0.0
        for word in list(_words(question))[:WORDS]:
            places = self._places.get(word)
            weight = log(1 + len(self.entries) / (1 + (0 if places is None else len(places))))
            total += weight
            if places is not None:
                shared[places] += weight
        return shared / total if total else shared


def _words(text: str) -> dict[str, None]:
    return dict.fromkeys(word[:STEM] for word in _WORD.findall(text.casefold()))
