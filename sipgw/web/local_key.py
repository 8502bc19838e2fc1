"""The key with which commands on this machine use the running gateway.

The gateway creates the key when it starts, keeps it in memory, and writes it with its address into a file that only its
user may read. Read access to the file gives access to the gateway. The key ends with the process, so a key of a former
process is worthless.
"""

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import structlog

log = structlog.get_logger()

LARGEST = 4096
"""Bytes of the file that are read at most."""


class LocalKey(NamedTuple):
    """The address of a gateway, and the key of its local commands."""

    url: str
    key: str


def key_file(database: str) -> Path:
    """The file of the gateway with the database at that path."""
    return Path(f"{database}.local-key")


@contextlib.contextmanager
def published(file: Path, url: str) -> Iterator[str]:
    """Let commands find the gateway at `url` until the block ends; yields the key."""
    key = secrets.token_urlsafe(32)
    told = json.dumps(LocalKey(url, key)._asdict())
    try:
        _write(file, told)
    except OSError as error:
        log.warning("commands cannot find this gateway", file=str(file), cause=error.strerror)
    try:
        yield key
    finally:
        with contextlib.suppress(OSError):
            if file.read_text() == told:  # not the file of another process that has taken over
                file.unlink()


def _write(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)


def found_at(file: Path) -> LocalKey | None:
    """The content of the file; None if it is missing, or if another user could have written it."""
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as text:
            about = os.fstat(text.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077 or os.geteuid() not in (about.st_uid, 0):
                log.warning("not used: others may read or write it", file=str(file))
                return None
            told = json.loads(text.read(LARGEST))
        return LocalKey(str(told["url"]), str(told["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
