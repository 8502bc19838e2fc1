"""Files that are written as a whole or not at all."""

import shutil
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write a file, or replace it as a whole: if the disk is full, the old file stays, and no part of the new one is
    left. Raises `OSError`."""
    file = file.resolve()
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.touch(0o600 if file.exists() else 0o666)
        if file.exists():
            shutil.copymode(file, beside)
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
