"""Rows for files of earlier releases, which had no table of artifacts: once on each machine."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import select

from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import ENDLESS
from sipgw.records.artifacts.files import BUNDLE, ENDING, KEEPING, PACKETS, absolute, file_name
from sipgw.records.store import Store
from sipgw.records.store.artifact_states import Kind, State
from sipgw.records.store.tables import ArtifactRecord, CallRecord

log = structlog.get_logger()

NOTE = ".unfinished"
"""Behind the name of a recording: a note of an earlier release that it was not finished, or not redacted."""
KINDS = {".gz": Kind.TIMELINE, ".pcap": Kind.CAPTURE, ".zip": Kind.BUNDLE, NOTE: Kind.RECORDING}
_NAME = re.compile(rf"-[0-9a-f]{{12}}(?:{'|'.join(map(re.escape, (ENDING, PACKETS, BUNDLE)))})$")


async def adopt(store: Store, folders: Iterable[str]) -> None:
    """Make a row for each file in `folders` that has none. Raises OSError, and what the database raises."""
    done, row = store.options.spool_folder / "adopted", ArtifactRecord
    here = sorted(hosts.here(store))
    if not here or await KEEPING.run(done.exists):
        return
    paths = await KEEPING.run(_look, [absolute(one) for one in folders])
    async with store.write() as session:
        calls = {file_name(call): call for call in await session.scalars(select(CallRecord.id))}
        known = {one.path: one for one in await session.scalars(select(row))}
        for path, made in paths.items():
            kind, name = KINDS[path.suffix], path.name.partition(".")[0]
            kept = known.get(str(path).removesuffix(NOTE))
            if kept is None:
                kept = row(path=str(path).removesuffix(NOTE), gateway=here[0], call=calls.get(name, ""), kind=kind,
                           created=made, state=State.FINISHED)  # fmt: skip
                session.add(kept)
            if path.suffix == NOTE and kept.state == State.FINISHED:  # all of it: what it says is not read
                kept.state, kept.redact = State.TO_REDACT, {"spans": [f"{side}:0-{ENDLESS:.0f}" for side in "LR"]}
    for path in paths:
        if path.suffix == NOTE:
            await KEEPING.run(path.unlink, missing_ok=True)
    await KEEPING.run(done.touch)
    if paths:
        log.info("files of earlier releases have rows now", files=len(paths))


def _look(folders: Iterable[Path]) -> dict[Path, datetime]:
    """Our files in those folders, and when they were made."""
    inside = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    ours = (path for path in inside if path.suffix == NOTE or _NAME.search(path.name))
    return {path: datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in ours}
