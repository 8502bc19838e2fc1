"""Reads a folder of documents. It blocks, so it runs in a thread; the parsers run in a child process with limits."""

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from sipgw.agents.knowledge.documents import READERS, Chunk
from sipgw.agents.knowledge.files import content_of
from sipgw.config.errors import OperatorError

FILES = 2000
"""Files of one folder."""
LONGEST = 1000
"""Bytes of the path of a file within the folder."""
SECONDS = 30.0
"""Seconds that reading one file may take."""
QUICK, LONG, PDF = 1, 10, 30
"""Seconds of processor time for one file: in the first round, in a second round after all other files, and in the
second round for a PDF. A megabyte of HTML takes 0.3 s, of Markdown 2 s; hostile markup takes hours."""
EXHAUSTED = "reading it takes too much of the processor"
DYING = 5.0
"""Seconds to wait for the end of a process whose output has ended."""
ANSWER = 64 << 20
"""Bytes of the child process's answer for one file at most."""


class KnowledgeError(OperatorError):
    """A folder of documents cannot be used; the message names it and says what to do."""


class FolderFile(NamedTuple):
    """A file of the folder."""

    name: str
    """The path of the file within the folder."""
    digest: str
    """SHA-256 of the content, in hexadecimal digits."""


class Listing(NamedTuple):
    """Files of a folder."""

    folder: Path
    """The absolute path of the folder."""
    files: list[FolderFile]
    problems: list[str]
    """Files that are left out, each with the reason in one sentence; or that there are none."""


def listing(folder: Path) -> Listing:
    """The documents of `folder`. Raises `KnowledgeError` if it cannot be read."""
    if not folder.is_dir():
        raise KnowledgeError(f"[knowledge] folder: there is no folder {folder}; make it, or write another one")
    files, problems = list[FolderFile](), list[str]()
    paths = sorted(_paths(folder))
    for path in paths[:FILES]:
        name = path.relative_to(folder).as_posix()
        try:
            if len(name.encode()) > LONGEST:
                raise ValueError("its name is too long")
            files.append(FolderFile(name, hashlib.sha256(content_of(folder, name)).hexdigest()))
        except UnicodeEncodeError:
            problems.append(f"{name!a}: its name is not UTF-8")
        except ValueError as error:
            problems.append(f"{name}: {error}")
        except OSError as error:
            problems.append(f"{name}: {error.strerror}")
    if not paths:
        problems.append(
            f"there are no documents in {folder}: put some there ({', '.join(READERS)}), or write another folder"
        )
    if (more := len(paths) - FILES) > 0:
        problems.append(f"{more} files of {folder} are left out, as {FILES} are the most: divide it")
    return Listing(folder.resolve(), files, problems)


def _paths(folder: Path) -> Iterator[Path]:
    """Paths of possible documents; nothing behind symbolic links, which may lead out of the folder."""

    def refuse(error: OSError) -> None:
        raise KnowledgeError(f"[knowledge] folder: {error.filename}: {error.strerror}")

    for at, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in names:
            if not name.startswith(".") and name.rpartition(".")[2].lower() in READERS:
                yield Path(at, name)


def read(
    folder: Path, files: Sequence[FolderFile], seconds: float = SECONDS
) -> Iterator[tuple[str, list[Chunk] | str]]:
    """Each file with its passages, or with a sentence on why it has none.

    A file that takes too long, or ends the child process, needs another child process. Slow files come last, so that a
    few hostile files do not delay the others.
    """
    child: Child | None = None
    slow = list[FolderFile]()
    try:
        for file, patient in chain(((file, False) for file in files), ((file, True) for file in slow)):
            name = file.name
            child = child or Child(str(folder))
            limit = QUICK if not patient else PDF if name.lower().endswith(".pdf") else LONG
            told = child.ask((*file, limit), seconds)
            if isinstance(told, str):
                child.close()
                child = None
                if told is EXHAUSTED and not patient:
                    slow.append(file)
                else:
                    yield name, told
            elif problem := told.get("problem"):
                yield name, str(problem)
            else:
                chunks = [Chunk(str(heading), str(text)) for heading, text in told["chunks"]]
                yield name, chunks or "it has no text"
    finally:
        if child is not None:
            child.close()


class Child:
    """A process of `sipgw.agents.knowledge.worker`."""

    def __init__(self, *arguments: str) -> None:
        # Neither its environment nor the working directory are for a parser of strangers' files.
        places = [str(Path(__file__).parents[3]), *(one for one in sys.path if one.endswith("-packages"))]
        program = f"import sys; sys.path += {places!r}; from sipgw.agents.knowledge.worker import main; main()"
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-I", "-X", "utf8", "-c", program, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, bufsize=0,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101  a pipe
        os.set_blocking(self._process.stdin.fileno(), False)

    def ask(self, asked: object, seconds: float) -> dict[str, Any] | str:
        """The answer of the process; if it must be ended, a sentence with the reason."""
        told, given = self._process.stdout, self._process.stdin
        assert told is not None and given is not None  # noqa: S101  both are pipes
        until, line = time.monotonic() + seconds, bytearray()
        rest = memoryview(json.dumps(asked).encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):  # the process is gone, as its missing answer will show
            while rest:
                if not select.select([], [given], [], max(0.0, until - time.monotonic()))[1]:
                    return f"reading it takes more than {seconds:g} s"
                rest = rest[os.write(given.fileno(), rest) :]
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([told], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return f"reading it takes more than {seconds:g} s"
            piece = os.read(told.fileno(), 1 << 20)
            line += piece
            if not piece and self._is_exhausted():
                return EXHAUSTED
            if not piece or len(line) > ANSWER:
                return "reading it ended the process that reads"
        return dict(json.loads(line))

    def _is_exhausted(self) -> bool:
        """Whether the process ended because it had used its processor time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(DYING) == -signal.SIGXCPU
        return False

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
