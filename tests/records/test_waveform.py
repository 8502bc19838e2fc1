"""A waveform is measured once and kept in the row of its recording, so that no page downloads the recording."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from media.recording.wav import header
from sipgw.config.records import StoreOptions
from sipgw.records.artifacts.waveform import POINTS, waveform
from sipgw.records.store.artifact_states import ArtifactState
from sipgw.records.store.object_store import ObjectStore
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord
from tests.records.bucket import add, options, store_of, upload

QUIET, LOUD = b"\xff\xff", b"\x80\xff"


def wav(*samples: bytes) -> bytes:
    sound = b"".join(samples)
    return header(len(sound)) + sound


async def kept(store: Store, path: Path) -> bytes | None:
    async with store.read() as session:
        return await session.scalar(select(ArtifactRecord.peaks).where(ArtifactRecord.path == str(path)))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the objects that are downloaded."""
    keys, fetch = list[str](), ObjectStore.fetch

    async def noting(self: ObjectStore, key: str, path: Path) -> None:
        keys.append(key)
        await fetch(self, key, path)

    monkeypatch.setattr(ObjectStore, "fetch", noting)
    return keys


def test_a_recording_that_was_uploaded_has_its_waveform_without_a_download(
    tmp_path: Path, bucket: str, fetched: list[str]
) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(wav(QUIET * 16_000, LOUD * 16_000))
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            assert await upload(store) == 1 and not path.exists()
            shape = await waveform(store, path)
            assert shape["seconds"] == 4.0
            left, right = shape["peaks"]
            assert left[:700] == [0.0] * 700 and left[900] > 0.95 and max(right) == 0.0
            assert fetched == []
            peaks = await kept(store, path)
            assert peaks and len(peaks) == 4 + 2 * POINTS

    asyncio.run(run())


@pytest.mark.parametrize("content", [wav(LOUD * 8_000), b"OggS and more"], ids=["wav", "opus"])
def test_a_recording_that_an_older_release_uploaded_is_downloaded_once(
    tmp_path: Path, bucket: str, fetched: list[str], content: bytes
) -> None:
    path = tmp_path / "call.wav"

    async def look(store: Store) -> Any:
        try:
            return await waveform(store, path)
        except ValueError as error:
            return str(error)

    async def run() -> None:
        path.write_bytes(content)
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            await upload(store)
            async with store.write() as session:
                await session.execute(update(ArtifactRecord).values(peaks=None))
            assert [await look(store) for _ in range(3)] == [await look(store)] * 3
            assert len(fetched) == 1

    asyncio.run(run())


RECORDED = {"state": ArtifactState.WRITING.value}
BUFFERED = {"state": ArtifactState.FINISHED.value, "next_try": datetime.now(UTC) + timedelta(hours=1)}
"""The recorder of an ended call still has sound in its buffer."""


@pytest.mark.parametrize("state", [RECORDED, BUFFERED], ids=["recorded", "buffered"])
def test_a_recording_that_still_grows_is_measured_anew(tmp_path: Path, state: dict[str, Any]) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        async with store_of(tmp_path, options("http://127.0.0.1:1")) as store:
            await add(store, path, **state)
            for seconds in (1, 2):
                path.write_bytes(wav(QUIET * 8_000 * seconds))
                assert (await waveform(store, path))["seconds"] == seconds
            assert await kept(store, path) is None
            async with store.write() as session:
                await session.execute(update(ArtifactRecord).values(state=ArtifactState.FINISHED.value, next_try=None))
            await waveform(store, path)
            path.unlink()
            assert (await waveform(store, path))["seconds"] == 2.0, "what is whole is measured once"

    asyncio.run(run())


def test_a_tenant_sees_the_waveform_though_it_may_not_write_it_down(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(wav(QUIET * 8000, LOUD * 8000))
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await add(store, path)
            shape = await waveform(store.of("acme"), path)
            assert shape["seconds"] == 2.0

    asyncio.run(run())
