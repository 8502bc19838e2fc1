"""Marks of the folders with files of calls: they distinguish a deleted file from an unmounted disk.

A missing file counts as deleted only in its original folder. Without the mounted disk the folder is empty or absent,
and the file comes back with the disk. So each folder has a file `MARK` with a random id, which is written once and
known to this machine. A folder without its mark, or with another mark, is another folder. If two folders with files
were seen at one path, one of them may be the mount point, marked while its disk was away. From then on no missing file
there counts as deleted, until somebody has checked the folders and deleted the line of this path.
"""

import contextlib
import errno
import os
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

log = structlog.get_logger()

MARK = ".sipgw"
"""Name of the file that identifies a folder with files of calls."""
SEVERAL = "several"
"""Stored instead of an id if more than one folder was seen at the path."""
_KNOWN = threading.Lock()
"""Protects the file of known folders: several threads may mark folders."""
ABSENT = f"its folder is not there, or its file {MARK} is missing or another: is its disk mounted?"


class Folders:
    """The marked folders, stored in a file of this machine."""

    def __init__(self, known: Path) -> None:
        """`known` is that file; its folder is created if needed."""
        self._known = known

    def mark(self, folders: Iterable[str | Path]) -> None:
        """Mark folders that were never marked; log folders whose mark is missing or differs. Never raises."""
        for folder in {Path(one).absolute() for one in folders if str(one)}:
            try:
                self._mark(folder)
            except OSError as error:
                cause = error.strerror or str(error)
                log.error("folder not marked", folder=str(folder), cause=cause)  # noqa: TRY400

    def _mark(self, folder: Path) -> None:
        known = self._read()
        if not folder.is_dir():
            return
        here, wanted = mark_of(folder), known.get(str(folder))
        if wanted is None:
            self._know(folder, here or _marked(folder))  # another gateway may have marked the folder
        elif here != wanted:
            log.error("folder without its mark", folder=str(folder), cause=ABSENT)
            if here or any(folder.iterdir()):
                self._know(folder, SEVERAL)

    def certain(self, folder: Path) -> bool:
        """Whether a file that is missing in this folder certainly is deleted. Never raises."""
        folder = folder.absolute()
        try:
            here, wanted = mark_of(folder), self._read().get(str(folder))
            if wanted is None:  # not marked by us: a folder with files is no empty mount point
                return here is not None or any(folder.iterdir())
        except OSError:
            return False
        return here == wanted

    def _know(self, folder: Path, mark: str) -> None:
        with _KNOWN:
            known = self._read() | {str(folder): mark}
            self._known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._known.with_name(f"{self._known.name}.new")
            new.write_text("".join(f"{of} {one}\n" for one, of in sorted(known.items())), "utf-8", "surrogateescape")
            new.replace(self._known)

    def _read(self) -> dict[str, str]:
        """The id of each folder. Raises OSError."""
        try:
            lines = self._known.read_text("utf-8", "surrogateescape").splitlines()
        except FileNotFoundError:
            return {}
        pairs = (line.partition(" ") for line in lines)
        return {folder: mark for mark, _, folder in pairs if folder}


def mark_of(folder: Path) -> str | None:
    """The content of the mark of a folder; None without one. Raises OSError."""
    try:
        return (folder / MARK).read_text("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _marked(folder: Path) -> str:
    """Mark a folder atomically; returns its mark, which may be that of a faster gateway.

    Raises OSError.
    """
    mine = secrets.token_hex(8)
    new = folder / f"{MARK}.{mine}"
    try:
        new.write_text(f"{mine}\n", "ascii")
        os.link(new, folder / MARK)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links, such as FAT and some network shares
        with contextlib.suppress(FileExistsError), (folder / MARK).open("x", encoding="ascii") as file:
            file.write(f"{mine}\n")
    finally:
        new.unlink(missing_ok=True)
    if here := mark_of(folder):
        return here
    raise OSError(errno.EINVAL, f"its file {MARK} is empty: delete it")
