"""Uploads and downloads that meet deletions, other gateways, and the end of a gateway."""

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from s3transfer.download import IOWriteTask

from sipgw.records.artifacts import artifact as artifacts
from sipgw.records.artifacts.call_files import object_of, on_disk
from sipgw.records.artifacts.files import KEEPING
from sipgw.records.artifacts.uploader import Uploader
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.store.artifact_states import ArtifactPlace
from sipgw.records.store.object_store import COPIES, ObjectStore
from sipgw.records.store.tables import ArtifactRecord
from tests.records.bucket import NOW, add, keys, options, row_of, store_of, upload
from tests.waiting import HANG


def test_a_file_that_is_deleted_during_its_upload_leaves_no_object(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process, which does not know of the upload."""
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store, store_of(tmp_path, options(bucket)) as other:
            await add(store, path)
            put = ObjectStore.put

            async def putting(self: ObjectStore, key: str, file: Path, *, again: bool = False) -> None:
                await put(self, key, file, again=again)
                async with other.write() as session:
                    await artifacts.delete(session, NOW, ArtifactRecord.call == "a@1")
                await ArtifactWorker(other).work(NOW)
                await put(self, key, Path(__file__))  # the upload ends after the deletion

            monkeypatch.setattr(ObjectStore, "put", putting)
            await upload(store)
            assert keys(bucket) == [] and await row_of(store, path) is None

    asyncio.run(run())


def test_two_gateways_of_one_machine_upload_a_file_once(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store, store_of(tmp_path, options(bucket)) as other:
            await add(store, path)
            put, puts = ObjectStore.put, list[ObjectStore]()

            async def putting(self: ObjectStore, key: str, file: Path, *, again: bool = False) -> None:
                puts.append(self)
                await put(self, key, file, again=again)
                if self is store.objects:
                    assert await upload(other) == 0

            monkeypatch.setattr(ObjectStore, "put", putting)
            assert await upload(store) == 1
            assert puts == [store.objects]
            row = await row_of(store, path)
            assert row and row.place == ArtifactPlace.OBJECT and keys(bucket) == [row.object]

    asyncio.run(run())


def test_an_upload_that_goes_on_though_nobody_waits_leaves_no_object(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that stops cancels it, and its thread goes on."""
    path, begun, go_on = tmp_path / "call.wav", threading.Event(), threading.Event()
    real = ObjectStore._upload

    def slow(self: ObjectStore, key: str, file: Path, again: bool) -> None:
        begun.set()
        assert go_on.wait(HANG)
        real(self, key, file, again)

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            uploading = asyncio.get_running_loop().create_task(upload(store))
            assert await KEEPING.run(begun.wait, HANG)
            uploading.cancel()
            await asyncio.wait([uploading])
            async with store.write() as session:
                await artifacts.delete(session, NOW, ArtifactRecord.call == "a@1")
            await ArtifactWorker(store).work(NOW)
            assert await row_of(store, path), "it waits for the thread"
            go_on.set()
            assert store.objects
            async with asyncio.timeout(HANG):
                while store.objects.uploading:
                    await asyncio.sleep(0)
            assert keys(bucket)
            await ArtifactWorker(store).work(NOW)
            assert await row_of(store, path) is None and keys(bucket) == []

    monkeypatch.setattr(ObjectStore, "_upload", slow)
    asyncio.run(run())


def test_an_upload_that_was_cancelled_is_the_first_of_the_last(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store, store_of(tmp_path, options(bucket)) as other:
            await add(store, path)
            assert store.objects
            uploader, put, begun = Uploader(store, store.objects), ObjectStore.put, asyncio.Event()

            async def hanging(*_: object, **__: object) -> None:
                begun.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(ObjectStore, "put", hanging)
            task = asyncio.get_running_loop().create_task(uploader.upload(NOW))
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
            monkeypatch.setattr(ObjectStore, "put", put)
            assert await upload(other) == 0, "another gateway leaves it alone for an hour"
            assert await uploader.upload(NOW, last=True) == 1 and not path.exists()

    asyncio.run(run())


def test_many_readers_take_no_more_than_some_copies_of_disk(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copies, most = tmp_path / "call.wav", tmp_path / "copies", list[int]()

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            await upload(store)

            async def read() -> None:
                async with on_disk(store, path) as copy:
                    most.append(len(list(copies.iterdir())))
                    assert await KEEPING.run(copy.read_bytes) == b"sound"

            async with asyncio.TaskGroup() as group:
                for _ in range(COPIES * 3):
                    group.create_task(read())

    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    asyncio.run(run())
    assert max(most) <= COPIES


def test_a_copy_is_deleted_also_if_nobody_waits_for_its_download(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copies, begun, go_on = tmp_path / "call.wav", tmp_path / "copies", threading.Event(), threading.Event()
    ended, fetch, write = threading.Event(), ObjectStore._fetch, IOWriteTask._main

    def half(self: IOWriteTask, fileobj: Any, data: bytes, offset: int) -> None:
        write(self, fileobj, data, offset)
        begun.set()
        assert go_on.wait(HANG)

    def fetching(self: ObjectStore, key: str, file: Path) -> None:
        try:
            fetch(self, key, file)
        finally:
            ended.set()

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            await upload(store)

            async def read() -> None:
                async with on_disk(store, path):
                    pass

            reading = asyncio.get_running_loop().create_task(read())
            assert await KEEPING.run(begun.wait, HANG)
            reading.cancel()
            await asyncio.wait([reading])
            assert reading.cancelled()
            go_on.set()
            assert await KEEPING.run(ended.wait, HANG)

    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    monkeypatch.setattr(IOWriteTask, "_main", half)
    monkeypatch.setattr(ObjectStore, "_fetch", fetching)
    asyncio.run(run())
    assert list(copies.iterdir()) == []


def test_what_is_to_be_deleted_is_not_read_any_more(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            await upload(store)
            async with store.write() as session:
                await artifacts.delete(session, NOW, ArtifactRecord.call == "a@1")
            assert keys(bucket) and await object_of(store, path) == ""

    asyncio.run(run())
