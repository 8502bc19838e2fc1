"""Files that are written as a whole or not at all."""

import shutil
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write a file, or replace one as a whole: a full disk costs nothing of what there was, and leaves no part of what
    is new. Raises `OSError`."""
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
