"""Writes an object into the object storage, reads it and deletes it."""

import secrets
import tempfile
from pathlib import Path

from agent.pool import PoolFullError
from sipgw.config.storage import StorageOptions
from sipgw.records.artifacts.files import KEEPING
from sipgw.tools.doctor.finding import Finding, bad, good

CONTENT = b"sipgw doctor"


async def examine(options: StorageOptions) -> Finding:
    """The finding on the object storage, in which a small file is written, read and deleted."""
    from sipgw.records.store.object_store import ObjectError, ObjectStore

    objects, key = ObjectStore(options), f"{options.prefix}doctor-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory() as folder:
        written, read = Path(folder, "written"), Path(folder, "read")
        await KEEPING.run(written.write_bytes, CONTENT)
        await KEEPING.run(read.touch)
        try:
            try:
                await objects.put(key, written, again=True)  # needs the most rights
                await objects.fetch(key, read)
            finally:
                problem = (await objects.delete([key])).get(key, "")
        except (ObjectError, PoolFullError) as error:
            problem = str(error)
        else:
            if await KEEPING.run(read.read_bytes) != CONTENT:
                problem = "it gives other bytes than it was given"
    if problem:
        return bad("storage.unusable", "object storage", f"{options.url}: {problem}")
    return good("storage.ok", "object storage", f"{options.url} keeps, gives and deletes files")
