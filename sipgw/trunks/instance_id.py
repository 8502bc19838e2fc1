"""The instance id of this gateway (RFC 5626 §4.1): a UUID that is made once and kept in a file."""

import os
import uuid
from pathlib import Path

import structlog

log = structlog.get_logger()


def instance_id(file: Path) -> uuid.UUID:
    """The UUID in `file`, which is made with mode 0600 if it is missing or spoilt.

    If the file cannot be read or written, the UUID is for this run only, which is logged. Then a registrar that
    supports flows keeps the flow of the last run until it expires.
    """
    made = uuid.uuid4()
    try:
        return _kept(file) or _keep(file, made)
    except OSError as error:
        log.warning("the instance id is not kept", file=str(file), cause=error.strerror)
        return made


def _kept(file: Path) -> uuid.UUID | None:
    try:
        with file.open() as text:
            return uuid.UUID(text.read(100).strip())
    except FileNotFoundError:
        return None
    except ValueError:
        log.warning("the instance id is damaged; a new one takes its place", file=str(file))
        return None


def _keep(file: Path, made: uuid.UUID) -> uuid.UUID:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as out:
        out.write(f"{made}\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    return made
