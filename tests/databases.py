"""New databases of tests: copies of one that was brought to the newest schema once in a process."""

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from sipgw.records.store import engine, schema

prepare, on_connect = engine._prepare, engine._on_connect


@functools.cache
def _newest() -> bytes:
    """The file of an empty database."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sipgw.db")
        prepare(str(path))
        made = create_engine(f"sqlite:///{path}")
        with made.begin() as connection:
            schema.upgrade(connection)
        made.dispose()
        return path.read_bytes()


def copy_of_newest(path: Path) -> None:
    """Make the file `path` an empty database, unless it is there."""
    with tempfile.NamedTemporaryFile(dir=path.parent) as new:
        new.write(_newest())
        new.flush()
        with contextlib.suppress(FileExistsError):  # a second one is opened at the same moment
            os.link(new.name, path)


def _copied(path: str) -> None:
    if not Path(path).exists() and Path(path).parent.is_dir():
        copy_of_newest(Path(path))
    prepare(path)


def _hasty(connection: Any, record: object) -> None:
    on_connect(connection, record)
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()


@contextlib.contextmanager
def copied() -> Iterator[None]:
    """Stores that make a new file make a copy: a migration takes a tenth of a second each time.

    Nor do they wait for the disk at each commit: no test takes the power away.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_prepare", _copied)
        patch.setattr(engine, "_on_connect", _hasty)
        yield
