"""Reads files of calls, on the disk or in object storage."""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import select

from sipgw.records.artifacts.files import KEEPING
from sipgw.records.store.artifact_states import DONE, ArtifactPlace
from sipgw.records.store.object_store import ObjectError
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord


async def object_of(store: Store, path: str | Path) -> str:
    """The key of the object with the file of `path`. Empty if the file is on the disk, does not exist, or will be
    deleted."""
    if store.objects is None or await KEEPING.run(Path(path).is_file):
        return ""
    row = ArtifactRecord
    stored = row.path == str(path), row.place.in_([ArtifactPlace.BOTH, ArtifactPlace.OBJECT]), row.state.in_(DONE)
    async with store.read() as session:
        return await session.scalar(select(row.object).where(*stored).limit(1)) or ""


async def is_kept(store: Store, path: str | Path, call: str) -> bool:
    """Whether the file of `path` is complete, is on this disk or in object storage, and belongs to the call whose
    record has the identity `call`. Raises `SQLAlchemyError`.
    """
    row = ArtifactRecord
    whole = [row.path == str(path), row.call == call, row.state.in_(DONE)]
    if not await KEEPING.run(Path(path).is_file):
        whole.append(row.place.in_([ArtifactPlace.BOTH, ArtifactPlace.OBJECT]))
    async with store.read() as session:
        return await session.scalar(select(row.path).where(*whole).limit(1)) is not None


@contextlib.asynccontextmanager
async def on_disk(store: Store, path: str | Path) -> AsyncIterator[Path]:
    """The file of `path`, to be read within the block: the file itself, or a copy of its object, deleted afterwards.
    Raises OSError.
    """
    key = await object_of(store, path)
    if not key or store.objects is None:
        yield Path(path)
        return
    async with store.objects.copies:
        copy = await KEEPING.run(_empty, Path(path).suffix)
        try:
            try:
                await store.objects.fetch(key, copy)
            except ObjectError as error:
                raise OSError(f"object storage: {error}") from None
            yield copy
        finally:
            await KEEPING.run(copy.unlink, missing_ok=True)


def _empty(suffix: str) -> Path:
    """An empty file that we alone can read."""
    descriptor, name = tempfile.mkstemp(suffix, "sipgw-")
    os.close(descriptor)
    return Path(name)
