"""Reads a file of a folder of documents. No path or link leads out of the folder."""

import errno
import os
import stat
from pathlib import Path

LARGEST = 20 << 20
"""Bytes of one file."""


def content_of(folder: Path, name: str) -> bytes:
    """The content of the file at the path `name` within `folder`; no part of the path may be a link.

    Raises `ValueError` if the file is no plain file or too large, and `OSError`.
    """
    *within, last = name.split("/")
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for one in within:
            below = os.open(one, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        opened = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise ValueError("it is no plain file; links are not followed") from None
        raise
    finally:
        os.close(at)
    with open(opened, "rb") as file:  # noqa: PTH123  it is open already
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("it is no plain file; links are not followed")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MB")
    return content
