"""Rows for files of earlier releases, which had no table of artifacts: once for each folder of a machine."""

import contextlib
import re
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, or_, select, true

from sipgw.records.artifacts import hosts
from sipgw.records.artifacts.artifact import ENDLESS, UNSEEN
from sipgw.records.artifacts.files import BUNDLE, ENDING, PACKETS, absolute, file_name
from sipgw.records.artifacts.folders import mark_of
from sipgw.records.artifacts.work import on_disk
from sipgw.records.store import Store
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactState
from sipgw.records.store.tables import ArtifactRecord, CallRecord

log = structlog.get_logger()

NOTE = ".unfinished"
"""Suffix of a recording's name: a note of an earlier release that the recording was not finished, or not redacted."""
KINDS = {
    ".gz": ArtifactKind.TIMELINE,
    ".pcap": ArtifactKind.CAPTURE,
    ".zip": ArtifactKind.BUNDLE,
    NOTE: ArtifactKind.RECORDING,
}
_NAME = re.compile(rf"-[0-9a-f]{{12}}(?:{'|'.join(map(re.escape, (ENDING, PACKETS, BUNDLE)))})$")


async def folders_of(store: Store) -> set[str]:
    """The folders with recordings of earlier releases that were not seen since the upgrade, configured or not."""
    async with store.read() as session:
        return {
            str(absolute(one).parent)
            for one in await session.scalars(select(ArtifactRecord.path).where(*_unseen(store)))
        }


async def adopt(store: Store, folder: str) -> None:
    """Make a row for each file in `folder` that has none; recordings without a note may be played. An absent or foreign
    folder is tried again the next time. Raises OSError, `PoolFullError`, and the errors of the database.
    """
    row, path = ArtifactRecord, absolute(folder)
    if not (here := sorted(hosts.here(store))):
        return
    async with store.read() as session:
        unseen = {str(absolute(one)) for one in await session.scalars(select(row.path).where(*_unseen(store)))}
    done = store.options.spool_folder / "adopted"
    mark, files = await on_disk("look", str(path), _look, path, done, unseen)
    async with store.write() as session:
        calls = {file_name(call): call for call in await session.scalars(select(CallRecord.id))} if files else {}
        inside = or_(row.path.startswith(f"{path}/", autoescape=True), row.problem == UNSEEN)
        known = {str(absolute(one.path)): one for one in await session.scalars(select(row).where(_mine(store), inside))}
        for one, made in files.items():
            name, noted = str(one).removesuffix(NOTE), one.suffix == NOTE
            kept = known.get(name)
            if kept is None and one.suffix in KINDS:
                kept = known[name] = row(
                    path=name, gateway=here[0], call=calls.get(one.name.partition(".")[0], ""), kind=KINDS[one.suffix],
                    created=made, state=ArtifactState.FINISHED, problem="",
                )  # fmt: skip
                session.add(kept)
            waits = kept is not None and (kept.state, kept.problem) == (ArtifactState.TO_REDACT, UNSEEN)
            if (
                kept and noted and (waits or kept.state == ArtifactState.FINISHED)
            ):  # all of it: what it says is not read
                everything = {"spans": [f"{side}:0-{ENDLESS:.0f}" for side in "LR"]}
                kept.state, kept.redact, kept.problem = ArtifactState.TO_REDACT, everything, ""
            elif kept and waits and Path(f"{name}{NOTE}") not in files:
                kept.state, kept.problem = ArtifactState.FINISHED, ""
    await on_disk("adopt", str(path), _adopted, done, mark, [one for one in files if one.suffix == NOTE])
    if files:
        log.info("files of earlier releases have rows now", folder=str(path), files=len(files))


def _mine(store: Store) -> ColumnElement[bool]:
    """Whether a row belongs to a gateway of this machine; the first releases did not store the gateway of a
    recording."""
    return ArtifactRecord.gateway.in_([*hosts.here(store), ""]) if store.options.url else true()


def _unseen(store: Store) -> tuple[ColumnElement[bool], ...]:
    return _mine(store), ArtifactRecord.state == ArtifactState.TO_REDACT, ArtifactRecord.problem == UNSEEN


def _look(folder: Path, done: Path, unseen: Collection[str]) -> tuple[str, dict[Path, datetime]]:
    """The line that marks this folder as adopted, and our files in it with their creation times. In an adopted folder
    only `unseen` recordings and their notes count. The line is empty without a mark.
    """
    if not folder.is_dir():
        return "", {}
    mark = f"{mark} {folder}" if (mark := mark_of(folder)) else ""
    seen = bool(mark) and done.exists() and mark in done.read_text("utf-8", "surrogateescape").splitlines()
    if seen and not any(Path(one).parent == folder for one in unseen):
        return "", {}
    ours = dict[Path, datetime]()
    for path in folder.iterdir():
        if path.suffix == NOTE or str(path) in unseen or (not seen and _NAME.search(path.name)):
            with contextlib.suppress(FileNotFoundError):  # it was deleted just now
                ours[path] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return "" if seen else mark, ours


def _adopted(done: Path, mark: str, notes: Collection[Path]) -> None:
    """Delete the notes, because each has a row now, and remember the folder."""
    for note in notes:
        note.unlink(missing_ok=True)
    if mark:
        with done.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{mark}\n")
