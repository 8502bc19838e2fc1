"""The documents of all agents: read at the start and at each reload, looked up in calls."""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from agent.errors import ProviderError
from agent.passages import Find, Passage, nothing
from agent.pool import LOADING
from agent.providers.local.brain.intents import load_encoder
from agent.records import Used
from sipgw.agents.knowledge import rows
from sipgw.agents.knowledge.documents import Chunk
from sipgw.agents.knowledge.encoders import BATCH, QUESTIONS, READING, Encoder, LocalEncoder, Report, encoder_of
from sipgw.agents.knowledge.index import Index, IndexEntry, Vectors
from sipgw.agents.knowledge.reader import FolderFile, KnowledgeError, listing, read
from sipgw.agents.knowledge.rows import DocumentRow
from sipgw.config.config import AgentConfig
from sipgw.config.knowledge import KnowledgeOptions
from sipgw.policy.cost.cost import Bill, Cost, Expenses, paid
from sipgw.records.store.store import Store
from sipgw.sip.boundaries import bounded, contained, lasting

log = structlog.get_logger()

VERSION = 1
"""Version of the code that turns files into passages; a new version reads all files again."""
CHUNKS = 20_000
"""Passages of one folder: 40 MB of vectors by the embedded encoder."""
LIMIT = 0.7
"""Seconds after which the agent answers without documents."""
PATIENCE = 120.0
"""Seconds after which no further file of a folder is begun, because a start or reload waits."""
DAY = 86_400.0
"""Seconds between two checks for rows that nobody uses."""
TOGETHER = 1000
"""Passages that get their vectors in one process of the embedded encoder."""
FOLLOWS = 8
"""Most words of a question that may continue the caller's earlier words."""
WARMING = "What is this about, and where can I find more of it?"
"""A first text for the encoder, which takes a second because the weights are read."""
_WORD = re.compile(r"[^\W\d_]+")
_TELLING = re.compile(r"[^\W\d_]{4,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]{2,}")
"""A meaningful word: four letters, or two letters of a script without spaces or of a syllabic script."""
ASKS = 3
"""Number of words that together count as a question, even if they are short."""


_LATER = "not all of {folder} was read in time; the next reload or `sipgw knowledge add` goes on"


class IndexedFolder(NamedTuple):
    """A folder whose documents were read, with its passages."""

    passages: Index
    where: str
    """A digest of gateway, folder and encoder."""
    files: int
    new: int
    """Number of files that were read now; the others had not changed."""
    problems: list[str]
    """The files that are left out, or the reason why none was read, each in one sentence."""
    cost: Cost | None
    unread: int = 0
    """Number of files without passages yet."""


class AgentDocuments(NamedTuple):
    """The documents of an agent, as they were read."""

    options: KnowledgeOptions
    encoder: Encoder
    folder: IndexedFolder


class _Unread(NamedTuple):
    """Files that were read and have no vectors yet."""

    folder: Path
    where: str
    keys: dict[str, str]
    """The key of the row of each file, by its name."""
    chunks: Mapping[str, list[Chunk]]


@dataclass
class KnowledgeBase:
    """The documents of all agents. Use it as an async context manager."""

    store: Store
    expenses: Expenses
    gateway: Callable[[], str]
    """Returns the name of the gateway that owns these folders. Another gateway may have other folders at the same
    paths."""
    over: Callable[[], str] = lambda: ""
    """Returns why nothing more may be paid for today; empty if more may be paid for."""
    patience: float = PATIENCE
    """Seconds after which no further file of a folder is begun; it is left to the next reading."""
    asked: int = 0
    """Questions that were looked up."""
    failed: int = 0
    """Questions without an answer: a service failed, or the answer took too long."""
    _documents: dict[str, AgentDocuments] = field(default_factory=dict)
    _encoders: dict[tuple[str, str], Encoder] = field(default_factory=dict)
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    _reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._group.__aexit__(None, None, None)
        for one in self._encoders.values():
            await one.close()

    def put(self, by_agent: dict[str, AgentDocuments], *, quietly: bool = False) -> None:
        """Use these documents from now on, close unused encoders, and log left-out files, unless `quietly`."""
        self._documents = by_agent
        used = {id(documents.encoder) for documents in by_agent.values()}
        for key, one in list(self._encoders.items()):
            if id(one) not in used:
                del self._encoders[key]
                self._group.create_task(bounded(one.close(), None, "an encoder is not closed"))
        if not quietly:
            _log_problems(by_agent.values())

    async def load(self, agents: Mapping[str, AgentConfig], *, fresh: bool = True) -> dict[str, AgentDocuments]:
        """Read the changed documents of `agents`; calls use them only after `put`.

        Unless `fresh`, take only documents that are already in the database, which is quick. Raises `KnowledgeError`.
        """
        return {name: documents async for name, documents in self._each(agents, fresh=fresh)}

    async def begin(self, agents: Mapping[str, AgentConfig]) -> None:
        """Use the documents in the database, and begin to read the others. Raises `KnowledgeError`."""
        self.put(await self.load(agents, fresh=False))
        self.read_on(agents)

    def read_on(self, agents: Mapping[str, AgentConfig]) -> None:
        """Read the files that have no passages yet, while calls go on."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self._group.create_task(lasting(partial(self._read_on, dict(agents)), "documents are not read"))

    def unread(self, agent: str) -> int:
        """The number of files of an agent without passages yet."""
        documents = self._documents.get(agent)
        return documents.folder.unread if documents else 0

    async def _read_on(self, agents: Mapping[str, AgentConfig]) -> None:
        with contained("documents are not read"):
            if any(map(self.unread, agents)):
                told = {problem for documents in self._documents.values() for problem in documents.folder.problems}
                async for name, documents in self._each(agents, fresh=True, lenient=True):
                    self._documents = {**self._documents, name: documents}
                    _log_problems([documents], told)
        while True:
            with contained("documents in use are not noted"):
                used = {documents.folder.where for documents in self._documents.values()}
                await rows.tidy(self.store, used, datetime.now(UTC))  # rows outlive some days without it
            await asyncio.sleep(DAY)

    async def _each(
        self, agents: Mapping[str, AgentConfig], *, fresh: bool, lenient: bool = False
    ) -> AsyncGenerator[tuple[str, AgentDocuments], None]:
        """Read the documents of each agent. If `lenient`, an agent whose documents cannot be read is logged and left
        out."""
        done = dict[tuple[str, Encoder, float], IndexedFolder]()
        for name, config in agents.items():
            options = config.knowledge
            if not options.folder:
                continue
            made = encoder_of(config)
            encoder = self._encoders.setdefault((made.name, made.payer), made)
            if encoder is not made:
                await made.close()
            key = (options.folder, encoder, options.cost)
            try:
                if key not in done:
                    done[key] = await self._read(Path(options.folder), encoder, options.cost, fresh=fresh)
            except Exception:  # the boundary of one agent's documents: those of the others are still read
                if not lenient:
                    raise
                log.exception("documents are not read", agent=name)
                continue
            yield name, AgentDocuments(options, encoder, done[key])

    def finder(self, agent: str, report: Report, limit: float = LIMIT) -> Find:
        """Returns a function that looks up an agent's present documents, within `limit` seconds; `report` gets the paid
        use."""
        if agent not in self._documents:
            return nothing

        async def find(words: Sequence[str]) -> Sequence[Passage]:
            try:
                async with asyncio.timeout(limit):
                    return await self.look_up(agent, words, report)
            except Exception as error:  # noqa: BLE001  whatever fails here, the caller gets an answer
                self.failed += 1
                cause = (
                    f"not within {limit:g} s" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
                )
                log.warning("documents not looked up", agent=agent, cause=cause)
                return ()

        return find

    async def look_up(self, agent: str, words: Sequence[str], report: Report) -> Sequence[Passage]:
        """Passages for the last of the caller's `words`; `report` gets the paid use.

        Raises `ProviderError`, `agent.pool.NotBegun`, and other errors of a service.
        """
        documents = self._documents.get(agent)  # a reload closes the encoder of the former documents
        if documents is None or not words or not _asks(words[-1]):
            return ()
        self.asked += 1
        question, options = words[-1], documents.options
        readings = [question]
        if len(words) > 1 and len(question.split()) <= FOLLOWS:
            readings.append(f"{words[-2]} {question}")
        vectors = await documents.encoder.question(readings, report)
        found = await QUESTIONS.run(documents.folder.passages.find, question, vectors, options.passages, options.least)
        return [Passage(one.file, one.heading, one.chunk, one.text, score, agent) for one, score in found]

    async def _read(self, folder: Path, encoder: Encoder, cap: float, *, fresh: bool) -> IndexedFolder:
        folder, files, problems = await READING.run(listing, folder)
        made_by = (encoder.name, str(VERSION))
        where = _digest(self.gateway(), str(folder), *made_by)
        keys = {rows.key_of(where, _digest(one.name, one.digest, *made_by)): one for one in files}
        names = {key: one.name for key, one in keys.items()}
        if isinstance(encoder, LocalEncoder):
            try:
                await LOADING.run(lambda: load_encoder()([WARMING]))
            except ProviderError as error:
                raise KnowledgeError(f"[knowledge] {error}") from None
        found = await rows.rows_of(self.store, where, names, encoder.width, datetime.now(UTC))
        new = [one for key, one in keys.items() if key not in found]
        if not fresh:
            return IndexedFolder(await READING.run(_index, found), where, len(found), 0, problems, None, len(new))
        room = CHUNKS - sum(len(row.chunks) for row in found.values())
        chunks, unusable, left_out = await READING.run(_chunks, folder, new, room, self.patience)
        problems += left_out
        await rows.drop(self.store, where, unusable)
        bill = Bill(self.expenses.prices, "", "", datetime.now(UTC))
        if refusal := self._refusal(encoder, chunks, cap):
            problems.append(refusal)
            chunks = {}
        account = ("documents", where)
        self.expenses.open(account, bill)
        try:
            waiting = _Unread(folder, where, {name: key for key, name in names.items()}, chunks)
            made = await self._encoded(waiting, encoder, bill.used, problems)
        finally:
            cost = self.expenses.close(account)
            if cost and cost.used:
                await paid(self.store, f"documents of {folder}", cost, datetime.now(UTC))
        found |= made
        if encoder.width and any(row.width != encoder.width for row in found.values()):
            former = {row.name for row in found.values() if row.width != encoder.width}
            await rows.drop(self.store, where, former)
            found = {key: row for key, row in found.items() if row.name not in former}
            problems.append(f"{len(former)} files have vectors of a former model; the next reload reads them again")
        index = await READING.run(_index, found)
        many = sum(key in found for key in made)
        unread = len(keys) - len(found) - len(unusable)
        return IndexedFolder(index, where, len(found), many, problems, cost if cost and cost.used else None, unread)

    async def _encoded(
        self, unread: "_Unread", encoder: Encoder, report: Report, problems: list[str]
    ) -> dict[str, DocumentRow]:
        """Make vectors for unread files, and write their rows into the database; returns the rows. Adds problems to
        `problems`."""
        made, until = dict[str, DocumentRow](), time.monotonic() + self.patience
        try:
            for number, part in enumerate(_parts(unread.chunks, BATCH if encoder.product else TOGETHER)):
                if encoder.product and (over := self.over()):
                    problems.append(f"not all was read in: {over}")
                    break
                if number and time.monotonic() > until:
                    problems.append(_LATER.format(folder=unread.folder))
                    break
                texts = [_entry(name, 0, one).words for name, chunks in part.items() for one in chunks]
                vectors, at, new = await encoder.passages(texts, report), 0, list[DocumentRow]()
                for name, chunks in part.items():
                    own = vectors[at : at + len(chunks)].astype("<f4").tobytes()
                    at += len(chunks)
                    new.append(DocumentRow(unread.keys[name], name, chunks, own))
                await rows.keep(self.store, unread.where, new, datetime.now(UTC))  # paid vectors are kept at once
                made |= {row.key: row for row in new}
                log.info("documents read", folder=str(unread.folder), files=len(made), of=len(unread.chunks))
        except ProviderError as error:
            problems.append(f"{len(unread.chunks) - len(made)} files have no vectors: {error}")
        return made

    def _refusal(self, encoder: Encoder, fresh: Mapping[str, list[Chunk]], cap: float) -> str:
        """The reason why the vectors of these passages may not be paid for; empty if they may."""
        if not encoder.product or not fresh:
            return ""
        if over := self.over():
            return f"nothing was read in: {over}"
        bill = Bill(self.expenses.prices, "", "", datetime.now(UTC))
        # Two bytes a token: many a letter beyond ASCII, of two or three bytes, is a token of its own.
        tokens = sum(len("".join(one).encode()) for chunks in fresh.values() for one in chunks) / 2
        bill.used(Used("llm", encoder.product, "tokens_in", tokens))
        most = bill.cost(datetime.now(UTC)).most
        if most <= cap:
            return ""
        return f"nothing was read in: the vectors of {len(fresh)} files may cost {most:.4f}; [knowledge] cost = {cap:g}"


def _asks(words: str) -> bool:
    """Whether `words` may be a question; digits and "yes" are none."""
    return bool(_TELLING.search(words)) or len(_WORD.findall(words)) >= ASKS


def _chunks(
    folder: Path, files: Sequence[FolderFile], room: int, patience: float
) -> tuple[dict[str, list[Chunk]], list[str], list[str]]:
    """The passages of files, `room` at most; the files without passages; and sentences on left-out files. After
    `patience` seconds no further file is begun.
    """
    fresh, unusable, problems = dict[str, list[Chunk]](), list[str](), list[str]()
    until = time.monotonic() + patience
    for many, (name, found) in enumerate(read(folder, files), 1):
        if isinstance(found, str):
            problems.append(f"{name}: {found}")
        elif len(found) > room:
            problems.append(f"{name}: with it {folder} has more than {CHUNKS} passages; divide it")
        else:
            room -= len(found)
            fresh[name] = found
        if name not in fresh:
            unusable.append(name)
        if many < len(files) and time.monotonic() > until:
            problems.append(_LATER.format(folder=folder))
            break
    return fresh, unusable, problems


def _parts(fresh: Mapping[str, list[Chunk]], most: int) -> Iterator[dict[str, list[Chunk]]]:
    """Groups of files with up to `most` passages together; a single file may have more."""
    part, count = dict[str, list[Chunk]](), 0
    for name, chunks in fresh.items():
        if part and count + len(chunks) > most:
            yield part
            part, count = {}, 0
        part[name] = chunks
        count += len(chunks)
    if part:
        yield part


def _index(found: Mapping[str, DocumentRow]) -> Index:
    import numpy as np

    entries, vectors = list[IndexEntry](), list[Vectors]()
    for row in sorted(found.values(), key=lambda row: row.name):
        entries += [_entry(row.name, at, one) for at, one in enumerate(row.chunks, 1)]
        vectors.append(np.frombuffer(row.vectors, "<f4").reshape(len(row.chunks), -1))
    return Index(entries, np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32))


def _entry(name: str, number: int, chunk: Chunk) -> IndexEntry:
    return IndexEntry(name, chunk.heading, number, chunk.text)


def _log_problems(loaded: Iterable[AgentDocuments], told: Collection[str] = ()) -> None:
    for problem in dict.fromkeys(one for documents in loaded for one in documents.folder.problems):
        if problem not in told:
            log.error("document left out", cause=problem)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
