"""Files of calls are deleted for certain: one that cannot be is noted in the database and tried again.

A file that is not there counts as deleted only where its folder is the one that it was kept in. Where a disk is not
mounted the folder is empty or absent, and the file comes back with the disk. So the folders have a `MARK`, which is
written once: where it has been and is not, the folder is another.
"""

import contextlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from sipgw.store.tables import UndeletedRecord

log = structlog.get_logger()

MARK = ".sipgw"
"""Name of the file that tells that a folder is the one in which files of calls are kept."""
ABSENT = f"its folder is not there, or without its file {MARK}: is its disk mounted?"


class Doomed(NamedTuple):
    """A file that is to be deleted."""

    path: Path
    gateway: str = ""
    """Which gateway has it, where several share a database."""
    there: bool = True
    """Whether it must be there: False for files that few calls have, in folders beside the database, and for those of a
    machine that does not come back."""


class Folders:
    """Which folders were marked, remembered in a file of this machine."""

    def __init__(self, known: Path) -> None:
        """`known` is that file; its folder is made when it does not exist."""
        self._known = known

    def mark(self, folders: Iterable[str | Path]) -> None:
        """Mark those that never were; one whose mark is missing is told. Never raises."""
        known = self._read()
        for folder in {Path(one).absolute() for one in folders if str(one)}:
            if not folder.is_dir() or (folder / MARK).exists():
                continue
            if str(folder) in known:
                log.error("folder without its mark", folder=str(folder), cause=ABSENT)
                continue
            with contextlib.suppress(OSError):
                self._known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                (folder / MARK).touch()
                known.add(str(folder))
                self._known.write_text("\n".join(sorted(known)) + "\n", "utf-8")

    def certain(self, folder: Path) -> bool:
        """Whether what is not in this folder is nowhere."""
        folder = folder.absolute()
        if (folder / MARK).exists():
            return True
        if str(folder) in self._read():
            return False
        with contextlib.suppress(OSError):  # of an earlier release: what has files in it is no empty mount point
            return any(folder.iterdir())
        return False

    def _read(self) -> set[str]:
        with contextlib.suppress(OSError):
            return set(self._known.read_text("utf-8").splitlines())
        return set()


def remove(files: Iterable[Doomed], folders: Folders) -> tuple[int, list[tuple[Doomed, str]]]:
    """Delete files; returns how many there were, and of which it is not certain that they are gone, and why."""
    count, left = 0, []
    for file in files:
        try:
            file.path.unlink()
            count += 1
        except (FileNotFoundError, NotADirectoryError):
            if file.there and not folders.certain(file.path.parent):
                left.append((file, ABSENT))
        except OSError as error:
            left.append((file, error.strerror or str(error)))
    return count, left


async def note(session: AsyncSession, left: Iterable[tuple[Doomed, str]], now: datetime) -> None:
    """Remember what could not be deleted."""
    for file, cause in left:
        path = str(file.path)
        if await session.get(UndeletedRecord, (path, file.gateway)) is None:
            session.add(UndeletedRecord(path=path, gateway=file.gateway, since=now, tries=1, cause=cause))
            await session.flush()


async def tried(session: AsyncSession, files: Iterable[Doomed], left: Iterable[tuple[Doomed, str]]) -> None:
    """Forget those of `files` that are gone, and count a try of those that are `left`."""
    causes = dict(left)
    for file in files:
        row = UndeletedRecord.path == str(file.path), UndeletedRecord.gateway == file.gateway
        if cause := causes.get(file):
            counted = update(UndeletedRecord).where(*row).values(tries=UndeletedRecord.tries + 1, cause=cause)
            await session.execute(counted)
        else:
            await session.execute(delete(UndeletedRecord).where(*row))


async def undeleted(session: AsyncSession, most: int, *which: object) -> list[UndeletedRecord]:
    """What could not be deleted, `most` at most, that first which was tried least."""
    query = select(UndeletedRecord).where(*which).order_by(UndeletedRecord.tries, UndeletedRecord.since).limit(most)  # type: ignore[arg-type]
    return list(await session.scalars(query))
