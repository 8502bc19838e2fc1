"""Passages of documents: how often the right one is found, and how long that takes among 10,000.

The questions are those of `tests/data/knowledge`, with its folder among pages of our own documentation. For the
time the passages have random vectors, which takes as long as real ones; the questions are real and have not been asked
before.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, thread_time

import numpy as np

from agent.providers.local.brain.intents import load_encoder
from sipgw.agents.knowledge.documents import chunks_of
from sipgw.agents.knowledge.index import Index, IndexEntry
from sipgw.config.knowledge import KnowledgeOptions
from tests.bench.gate import Gate

DATA = Path(__file__).parents[1] / "data" / "knowledge"
PAGES = Path(__file__).parents[2] / "docs"
AROUND = 20
"""Passages of each page of the documentation."""
CHUNKS, QUICK, RECALL = 10_000, 0.03, 0.9


def gates() -> Iterator[Gate]:
    """Measure; a minute."""
    encode, options = load_encoder(), KnowledgeOptions()
    asked = tomllib.loads((DATA / "questions.toml").read_text("utf-8"))["questions"]
    entries = [
        IndexEntry(path.relative_to(folder).as_posix(), chunk.heading, number, chunk.text)
        for folder, most in ((DATA / "folder", 1000), (PAGES, AROUND))
        for path in sorted(folder.rglob("*.*"))
        if folder == DATA / "folder" or (path.suffix == ".md" and path.parent == PAGES)
        for number, chunk in enumerate(chunks_of(path.name, path.read_bytes())[:most], 1)
    ]
    index, found = Index(entries, encode([one.words for one in entries])), 0
    for one in asked:
        passages = index.find(one["ask"], encode([one["ask"]]), options.passages, options.least)
        found += any(each.file == one["file"] and one.get("heading", "") in each.heading for each, _ in passages)
    share = f"{100 * found / len(asked):.0f} % of {len(asked)} among {len(entries)}"
    yield Gate("calls", f"knowledge_recall_{options.passages}", share, ">= 90 %", found >= RECALL * len(asked))
    yield time_gate([one["ask"] for one in asked], entries, options)


def time_gate(asked: list[str], entries: list[IndexEntry], options: KnowledgeOptions) -> Gate:
    """How long a question takes, with its vector; of the CPU's time, how much the vector takes."""
    encode, random = load_encoder(), np.random.default_rng(20)
    many = [entries[at % len(entries)]._replace(chunk=at) for at in range(CHUNKS)]
    vectors = random.normal(size=(CHUNKS, 512)).astype(np.float32)
    index = Index(many, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    times, worked, encoded = [], [], []
    for one in asked:
        began, busy = perf_counter(), thread_time()
        vector = encode([f"{one} Please."])
        encoded.append(thread_time() - busy)
        index.find(one, vector, options.passages, options.least)
        times.append(perf_counter() - began)
        worked.append(thread_time() - busy)
    slow, work, encoding = (1000 * sorted(some)[int(0.95 * len(some))] for some in (times, worked, encoded))
    value = f"{slow:.1f} ms (95 %; CPU {work:.1f} ms, {encoding:.1f} ms of it for the vector)"
    return Gate("calls", f"knowledge_find_{CHUNKS}", value, "<= 30 ms", slow <= 1000 * QUICK)
