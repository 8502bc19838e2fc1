"""Finds passages by meaning and by shared words. Sans-IO."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from agent.blas import use_one_thread

if TYPE_CHECKING:  # a gateway without documents does not load numpy
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"
"""Unit vectors, one a row."""
SHARED = 0.5
"""The most that shared words add to the likeness of a passage."""
OFTEN, LENGTH = 1.2, 0.75
"""The parameters k1 (weight of repeated words) and b (discount for long passages) of BM25."""
STEM = 6
"""First letters of words that are compared, so that "refund" finds "refunds"."""
WORDS = 40
"""Words of a question that are looked up."""

_WORD = re.compile(r"\w{2,}")


class IndexEntry(NamedTuple):
    """A passage of the folder."""

    file: str
    heading: str
    chunk: int
    """The number of the passage within the file, from 1."""
    text: str

    @property
    def words(self) -> str:
        """The text that the passage's vector is made of."""
        return f"{self.heading.replace(' › ', ', ')}: {self.text}" if self.heading else self.text


class Index:
    """The passages of a folder, as they were read at one time."""

    def __init__(self, entries: Sequence[IndexEntry], vectors: Vectors) -> None:
        import numpy as np

        use_one_thread()
        self.entries = entries
        self._vectors = vectors
        found = defaultdict[str, list[tuple[int, float]]](list)
        counts = [Counter(_words(f"{entry.file} {entry.words}")) for entry in entries]
        usual = sum(count.total() for count in counts) / max(1, len(counts))
        for at, count in enumerate(counts):
            least = OFTEN * (1 - LENGTH + LENGTH * count.total() / usual) if count else 0.0
            for word, many in count.items():
                found[word].append((at, many / (many + least)))
        self._places = {
            word: (np.array([at for at, _ in places], np.int32), np.array([much for _, much in places], np.float32))
            for word, places in found.items()
        }

    def find(self, question: str, vectors: Vectors, most: int, least: float) -> list[tuple[IndexEntry, float]]:
        """Up to `most` passages whose likeness to the question is at least `least`, the best first, with their
        likeness.

        `vectors` are those of the readings of the question; for each passage the best reading counts.
        """
        import numpy as np

        if not self.entries:
            return []
        likeness = (self._vectors @ vectors.T).max(axis=1) + SHARED * self._shared(question)
        some = np.argpartition(likeness, -most)[-most:] if len(likeness) > most else np.arange(len(likeness))
        best = some[np.argsort(likeness[some])[::-1]]
        return [(self.entries[at], float(likeness[at])) for at in best if likeness[at] >= least]

    def _shared(self, question: str) -> Vectors:
        """For each passage the weight of the question's words that it contains, by BM25, from 0 to 1."""
        import numpy as np

        shared, total = np.zeros(len(self.entries), np.float32), 0.0
        for word in list(dict.fromkeys(_words(question)))[:WORDS]:
            found = self._places.get(word)
            many = len(found[0]) if found else 0
            weight = log(1 + (len(self.entries) - many + 0.5) / (many + 0.5))
            total += weight
            if found:
                places, much = found
                shared[places] += weight * much
        return shared / total if total else shared


def _words(text: str) -> list[str]:
    return [word[:STEM] for word in _WORD.findall(text.casefold())]
