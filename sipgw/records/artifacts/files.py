"""Names of the files that belong to calls."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from agent.pool import Pool
from sipgw.config.errors import ConfigError
from sipgw.events import CallKey

ENDING = ".json.gz"
"""End of the name of a timeline file."""
PACKETS = ".pcap"
"""End of the name of a capture file."""
BUNDLE = ".call.zip"
"""End of the name of a bundle: see `sipgw.tools.replay`."""
SLOW = 30.0
"""Seconds after which work on a file of a call fails because the disk hangs."""
P = ParamSpec("P")
T = TypeVar("T")


class DiskPool(Pool):
    """Threads for work on files. A disk that hangs keeps its threads, but nobody waits for it without end."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Pool.run`. Raises `TimeoutError`, which is an `OSError`, if it takes longer than `SLOW`."""
        try:
            async with asyncio.timeout(SLOW):
                return await super().run(function, *args, **kwargs)
        except TimeoutError as error:
            raise TimeoutError(f"the disk did not answer within {SLOW:g} s") from error


KEEPING = DiskPool("the files of calls", workers=4, waiting=1024)
"""The pool of threads for these files; at the end of a drain it has the files of all calls at once."""


def file_name(call: str) -> str:
    """The file name for an identity or `CallKey.name`, with any Call-ID of the other side. Each name is unique."""
    readable = re.sub(r"[^A-Za-z0-9@+_-]+", "_", call)[:80]
    return f"{readable}-{hashlib.sha256(call.encode('utf-8', 'replace')).hexdigest()[:12]}"


def file_names(call: CallKey) -> tuple[str, str]:
    """The file name of a call, and the name in earlier releases, without the start of the call. Under the earlier name
    another call with the same identity may have put its file."""
    return file_name(call.name), file_name(call.call)


async def make_folder(folder: Path, option: str) -> None:
    """Make a folder for files of calls, readable by us alone. Raises `ConfigError` that names the `option`."""
    try:
        await KEEPING.run(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}; set {option} to another") from None


def absolute(folder: str | Path) -> Path:
    """The absolute path of a folder, because rows of artifacts have absolute paths."""
    return Path(folder).absolute()
