"""Passages by meaning and by the words that they share with a question (BM25)."""

import numpy as np

from sipgw.agents.knowledge.index import SHARED, Index, IndexEntry

BESIDE = "We answer questions about books and much else on every day of the week, also by telephone and by mail. " * 3


def found(question: str, *texts: str, vectors: np.ndarray | None = None) -> list[tuple[int, float]]:
    """The passages in order, by number, and their likeness; without `vectors` all mean the same."""
    entries = [IndexEntry("a.md", "", number, text) for number, text in enumerate(texts)]
    every = np.zeros((len(texts), 2), np.float32) if vectors is None else vectors
    asked = np.array([[1, 0]], np.float32)
    return [(one.chunk, likeness) for one, likeness in Index(entries, every).find(question, asked, 9, -1)]


def test_a_passage_that_is_about_a_word_comes_before_a_long_one_that_mentions_it() -> None:
    order = found("parking", "Parking: no parking here.", f"{BESIDE} Some ask about parking.", BESIDE)
    assert [number for number, _ in order] == [0, 1, 2]
    assert order[2][1] == 0


def test_rare_words_weigh_more() -> None:
    order = found("books on customs", BESIDE, BESIDE, "There are no customs.")
    assert order[0][0] == 2


def test_shared_words_add_to_the_likeness_of_the_meaning_and_never_more_than_all_of_them() -> None:
    vectors = np.array([[0.6, 0.8], [0, 1]], np.float32)
    (first, much), (_, little) = found("parking parking", "There is no car park.", "parking " * 50, vectors=vectors)
    assert (first, round(much, 3)) == (0, 0.6)
    assert SHARED * 0.9 < little <= SHARED


def test_a_question_without_a_word_of_the_passages_and_no_passages_at_all() -> None:
    assert found("?", BESIDE) == [(0, 0.0)]
    assert found("", *()) == []
