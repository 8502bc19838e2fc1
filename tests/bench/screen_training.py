"""Makes the weights of `sipgw.calls.screen_classifier`: ``python -m tests.bench.screen_training`` writes them.

They are those of a logistic regression over what is in `tests/data/screening`; what is kept back has no part in it. To
tell what they are worth, the sentences are split into five parts; each is judged by weights of the others.
"""

from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from sipgw.calls import screen_classifier
from sipgw.calls.machine_detection import AnsweredParty
from tests.bench.screening import DATA, Said, corpus

Floats = npt.NDArray[np.float64]
FILE = Path(screen_classifier.__file__).with_name(screen_classifier.WEIGHTS)
RIDGE = 0.03
"""What keeps the weights small."""
PARTS, STEPS, STEEP = 5, 15, 30.0
FREE = 1e3
"""What keeps the bias small: hardly anything."""


class Weights(NamedTuple):
    """What is written, and what it has been found to be worth."""

    weights: Floats
    bias: float
    right: float
    """The share of the screens that were right among the five parts."""
    taken: float
    """The share of the people that were taken for screens there."""


def training() -> list[Said]:
    """All that the weights are made of. A recogniser may write a person's question without its mark."""
    lines = (DATA / "training.tsv").read_text("utf-8").splitlines()
    more = [Said(row[0], AnsweredParty(row[1]), row[2]) for row in (line.split("\t") for line in lines)]
    said = [*corpus(), *more]
    asked = [one for one in said if one.who is AnsweredParty.HUMAN and one.text.endswith("?")]
    return [*said, *(one._replace(text=f"{_bare(one.text)}.") for one in asked)]


def _bare(text: str) -> str:
    return text.rstrip(" ?.")


def fitted(features: Floats, screens: Floats) -> tuple[Floats, float]:
    """Weights and bias of a logistic regression with a ridge, by Newton's method on its dual, which is smaller."""
    alike, dual = features @ features.T / RIDGE + FREE, np.zeros(len(features))
    for _ in range(STEPS):
        sums = alike @ dual
        likely = 1 / (1 + np.exp(-np.clip(sums, -STEEP, STEEP)))
        bend = np.maximum(likely * (1 - likely), 1e-6)
        dual = np.linalg.solve(alike + np.diag(1 / bend), sums - (likely - screens) / bend)  # type: ignore[assignment]
    return features.T @ dual / RIDGE, FREE * float(dual.sum())


def made(said: list[Said]) -> Weights:
    """The weights of these."""
    features = np.stack([screen_classifier.features(one.text) for one in said]).astype(np.float64)
    screens = np.array([one.who is AnsweredParty.SCREEN for one in said])
    people = np.array([one.who is AnsweredParty.HUMAN for one in said])
    part = np.array([crc32(_bare(one.text).encode()) % PARTS for one in said])
    scores = np.zeros(len(said))
    for one in range(PARTS):
        weights, bias = fitted(features[part != one], screens[part != one].astype(np.float64))
        scores[part == one] = features[part == one] @ weights + bias
    weights, bias = fitted(features, screens.astype(np.float64))
    taken = scores > screen_classifier.LEAST
    return Weights(weights, bias, float(taken[screens].mean()), float(taken[people].mean()))


if __name__ == "__main__":
    corpora = training()
    found = made(corpora)
    np.savez_compressed(FILE, weights=found.weights.astype(np.float16), bias=np.float32(found.bias))
    right, taken = 100 * found.right, 100 * found.taken
    print(f"{len(corpora)} sentences, in parts: {right:.1f} % of the screens right, {taken:.1f} % of the people taken")
