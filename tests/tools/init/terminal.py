"""A person at a terminal: a command on a pseudo-terminal, whose questions are read and answered."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.waiting import HANG

ROOT = Path(__file__).parents[3]


class Terminal:
    """``sipgw`` with these words in a terminal of its own. Use it as a context manager."""

    def __init__(self, words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
        self.shown = ""
        """All that stands on the terminal, what was typed included as far as it is echoed."""
        self._seen = 0
        self._own, other = pty.openpty()
        kept = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "TERM": "dumb",
            "COLUMNS": "200",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sipgw", *words],
            cwd=folder, env=kept | dict(variables), stdin=other, stdout=other, stderr=other, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(other, termios.TIOCSCTTY, 0),  # it is theirs, so that Ctrl-C reaches them
        )  # fmt: skip
        os.close(other)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait(HANG)
        os.close(self._own)

    def reads(self, text: str) -> str:
        """Wait until `text` is shown after what was read before; all up to its end."""
        until = time.monotonic() + HANG
        while text not in self.shown[self._seen :]:
            more = self._more(until)
            assert more, f"{text!r} is not shown: {self.shown}"
            self.shown += more
        begin, self._seen = self._seen, self.shown.index(text, self._seen) + len(text)
        return self.shown[begin : self._seen]

    def types(self, line: str = "") -> None:
        """Type a line."""
        os.write(self._own, f"{line}\n".encode())

    def interrupts(self, says: str) -> None:
        """Press Ctrl-C until the command says this: Python may drop one between a prompt and its answer."""
        for _ in range(10):
            os.write(self._own, b"\x03")
            while says not in self.shown[self._seen :] and select.select([self._own], [], [], 3.0)[0]:
                if not (more := self._more(time.monotonic() + HANG)):
                    break
                self.shown += more
            if says in self.shown[self._seen :]:
                break
        self.reads(says)

    def answers(self, question: str, line: str = "") -> None:
        """Wait for a question and answer it."""
        self.reads(question)
        self.types(line)

    def ends(self) -> int:
        """Wait for the end of the command; its exit code."""
        until = time.monotonic() + HANG
        while more := self._more(until):
            self.shown += more
        return self._process.wait(HANG)

    def _more(self, until: float) -> str:
        """What is shown next; empty at the end of the command."""
        ready, _, _ = select.select([self._own], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"it hangs: {self.shown}"
        try:
            return os.read(self._own, 65536).decode(errors="replace").replace("\r", "")
        except OSError:  # Linux says so when nobody has the other side any more
            return ""
