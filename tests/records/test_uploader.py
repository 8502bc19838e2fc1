"""Files of calls go to object storage, are played from there, and are deleted there with their rows."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from agent.authorities import tls
from sipgw.config.storage import StorageOptions
from sipgw.records.artifacts import artifact as artifacts
from sipgw.records.artifacts.call_files import object_of, on_disk
from sipgw.records.artifacts.uploader import TOGETHER, Uploader
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.store import object_store
from sipgw.records.store.artifact_states import ArtifactKind, ArtifactPlace, ArtifactState
from sipgw.records.store.object_store import PART, STORAGE, ObjectError, ObjectStore
from sipgw.records.store.tables import ArtifactRecord
from tests.records.bucket import NOW, add, client, keys, options, row_of, store_of, upload
from tests.waiting import HANG


@pytest.mark.parametrize("size", [100, PART * 2 + 17])
def test_a_finished_recording_is_uploaded_and_leaves_the_disk(tmp_path: Path, bucket: str, size: int) -> None:
    path, content = tmp_path / "call.wav", bytes(range(256)) * (size // 256 + 1)

    async def run() -> None:
        path.write_bytes(content)
        async with store_of(tmp_path, options(bucket, encryption="AES256")) as store:
            await add(store, path)
            assert await upload(store) == 1
            assert not path.exists()
            row = await row_of(store, path)
            assert row and row.place == ArtifactPlace.OBJECT and keys(bucket) == [row.object]
            assert row.object.startswith(f"gateway/recording/{row.created:%Y/%m/%d}/")
            told = client(bucket).head_object(Bucket="calls", Key=row.object)
            assert told["ServerSideEncryption"] == "AES256"
            assert await object_of(store, path) == row.object
            async with on_disk(store, path) as copy:
                assert copy.read_bytes() == content
            assert not copy.exists()
            assert await upload(store) == 0, "it is not uploaded twice"

    asyncio.run(run())


def test_files_of_one_folder_leave_it_together(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is slow, and every upload ends before the first file is deleted."""
    ended, wait, unlink = list[str](), threading.Event(), Path.unlink

    async def ends(_: ObjectStore, key: str, _path: Path, *, again: bool = False) -> None:
        assert not again
        ended.append(key)
        if len(ended) == TOGETHER:
            wait.set()

    def slowly(path: Path, missing_ok: bool = False) -> None:
        assert wait.wait(HANG)
        unlink(path, missing_ok=missing_ok)

    async def run() -> None:
        paths = [tmp_path / f"{number}.wav" for number in range(TOGETHER)]
        async with store_of(tmp_path, options(bucket)) as store:
            for path in paths:
                path.write_bytes(b"sound")
                await add(store, path)
            monkeypatch.setattr(ObjectStore, "put", ends)
            monkeypatch.setattr(Path, "unlink", slowly)
            assert await upload(store) == TOGETHER
            assert not any(path.exists() for path in paths)

    asyncio.run(run())


def test_what_changes_still_stays_on_the_disk(tmp_path: Path, bucket: str) -> None:
    async def run() -> None:
        async with store_of(tmp_path, options(bucket)) as store:
            for state in ArtifactState:
                path = tmp_path / f"{state}.wav"
                path.write_bytes(b"sound")
                await add(store, path, state=state.value)
            ends = tmp_path / "ends.wav"
            ends.write_bytes(b"sound")
            await add(store, ends, next_try=NOW + timedelta(seconds=3))
            await add(store, tmp_path / "words.json.gz", kind=ArtifactKind.TIMELINE)
            assert await upload(store) == 2
            there = sorted(one.name for one in tmp_path.glob("*.wav"))
            assert there == ["deleted.wav", "ends.wav", "to delete.wav", "to redact.wav", "writing.wav"]
            assert await upload(store, NOW + timedelta(seconds=5)) == 1 and not ends.exists()

    asyncio.run(run())


def test_the_file_may_stay_as_well(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket, local="keep")) as store:
            await add(store, path)
            assert (await upload(store), await upload(store)) == (1, 0)
            assert path.exists() and len(keys(bucket)) == 1
            assert await object_of(store, path) == "", "it is read from the disk"

    asyncio.run(run())


def test_retention_deletes_the_object_and_says_so_if_it_cannot(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            await upload(store)
            async with store.write() as session:
                await artifacts.delete(session, NOW, ArtifactRecord.call == "a@1")
            async with store_of(tmp_path, StorageOptions()) as elsewhere:
                await ArtifactWorker(elsewhere).work(NOW)
            row = await row_of(store, path)
            assert row and "[storage] is not configured" in row.problem and keys(bucket)
            await ArtifactWorker(store).work(NOW, again=True)
            assert await row_of(store, path) is None and keys(bucket) == []

    asyncio.run(run())


def test_an_absent_bucket_loses_nothing_and_is_tried_again(tmp_path: Path, url: str) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(url, "absent")) as store:
            await add(store, path)
            assert store.objects
            uploader = Uploader(store, store.objects)
            assert await uploader.upload(NOW) == 0 and uploader.away
            row = await row_of(store, path)
            assert row and row.attempts == 1 and "NoSuchBucket" in row.problem and path.exists()
            assert await upload(store, NOW + timedelta(seconds=30)) == 0, "not before its time"
            assert (await row_of(store, path)).attempts == 1  # type: ignore[union-attr]
            client(url).create_bucket(Bucket="absent")
            assert await upload(store, NOW + timedelta(seconds=61)) == 1

    asyncio.run(run())


def test_a_kill_in_the_middle_of_an_upload_leaves_no_parts(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "call.wav"
    begun = client(bucket).create_multipart_upload(Bucket="calls", Key="gateway/recording/x")
    client(bucket).upload_part(
        Bucket="calls", Key="gateway/recording/x", UploadId=begun["UploadId"], PartNumber=1, Body=b"half of it"
    )

    async def run(*, delete: bool) -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path, place=ArtifactPlace.BEGUN.value, object="gateway/recording/x")
            if delete:
                async with store.write() as session:
                    await artifacts.delete(session, NOW, ArtifactRecord.call == "a@1")
                await ArtifactWorker(store).work(NOW)
            else:
                await upload(store)
            assert not path.exists()
            assert "Uploads" not in client(bucket).list_multipart_uploads(Bucket="calls")
            assert keys(bucket) == ([] if delete else ["gateway/recording/x"])

    asyncio.run(run(delete=True))
    asyncio.run(run(delete=False))


def test_parts_of_several_uploads_are_deleted_from_a_server_that_lists_those_of_one_whole_key(bucket: str) -> None:
    """As MinIO does (https://github.com/minio/minio/issues/20989)."""

    asked = list[str]()

    def exact(parsed: dict[str, Any], **_: object) -> None:
        parsed["Uploads"] = [one for one in parsed.get("Uploads", ()) if one["Key"] == asked[-1]]

    begun = ["gateway/recording/x", "gateway/recording/y"]
    for key in begun:
        client(bucket).create_multipart_upload(Bucket="calls", Key=key)
    objects = ObjectStore(options(bucket))
    events = objects._client().meta.events
    events.register("provide-client-params.s3.ListMultipartUploads", lambda params, **_: asked.append(params["Prefix"]))
    events.register("after-call.s3.ListMultipartUploads", exact)
    assert asyncio.run(objects.delete(begun, begun)) == {}
    assert "Uploads" not in client(bucket).list_multipart_uploads(Bucket="calls")


def test_errors_of_the_database_are_raised_as_such(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"sound")
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            async with store.write() as session:
                await session.execute(
                    sql("CREATE TRIGGER x BEFORE UPDATE ON artifacts BEGIN SELECT RAISE(ABORT, 'x'); END")
                )
            with pytest.raises(SQLAlchemyError):
                await upload(store)

    asyncio.run(run())


def test_a_look_for_files_to_upload_reads_no_more_than_those(tmp_path: Path, bucket: str) -> None:
    """It comes every five seconds, and the table has the files of all calls."""

    async def run() -> None:
        async with store_of(tmp_path, options(bucket)) as store:
            assert store.objects
            plans = list[str]()

            def explain(connection: Any, _cursor: object, statement: str, values: Any, *_: object) -> None:
                if statement.startswith("SELECT"):
                    told = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                    plans.extend(row[3] for row in told)

            event.listen(store._engine.sync_engine, "before_cursor_execute", explain)
            await Uploader(store, store.objects).upload(NOW)
            event.remove(store._engine.sync_engine, "before_cursor_execute", explain)
            assert any("artifacts_to_upload (kind=? AND place=? AND state=?)" in one for one in plans), plans

    asyncio.run(run())


def test_a_link_gives_the_recording_in_parts_and_ends(tmp_path: Path, bucket: str) -> None:
    path = tmp_path / "call.wav"

    async def run() -> None:
        path.write_bytes(b"RIFF and more")
        async with store_of(tmp_path, options(bucket, link_life=60)) as store:
            await add(store, path)
            await upload(store)
            assert store.objects
            link = await store.objects.link(await object_of(store, path), "call.wav")
            assert "very-secret" not in link and "X-Amz-Expires=60" in link
            async with httpx.AsyncClient(verify=tls()) as browser:
                part = await browser.get(link, headers={"Range": "bytes=0-3"})
            assert (part.status_code, part.content) == (206, b"RIFF")
            assert part.headers["content-disposition"] == 'attachment; filename="call.wav"'

    asyncio.run(run())


def test_a_link_waits_for_no_request() -> None:
    """Where the storage hangs, its pool is soon busy."""
    go_on, there = threading.Event(), ObjectStore(options("http://127.0.0.1:9"))

    async def run() -> None:
        hanging = [STORAGE.submit(go_on.wait, HANG) for _ in range(STORAGE.workers)]
        try:
            assert "X-Amz-Signature" in await there.link("x")
        finally:
            go_on.set()
        assert all(one.result(HANG) for one in hanging)

    asyncio.run(run())


def test_errors_tell_the_cause_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "TRIES", 1)
    there = ObjectStore(options("http://127.0.0.1:9", "calls"))
    (tmp_path / "x").touch()
    with pytest.raises(ObjectError, match="Could not connect") as told:
        asyncio.run(there.fetch("x", tmp_path / "x"))
    assert "very-secret" not in str(told.value)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"url": "https://calls"}, "is not like s3://bucket/prefix"),
        ({"url": "s3://calls/a/../b"}, 'has a part "." or ".."'),
        ({"url": "s3://calls/./b"}, 'has a part "." or ".."'),
        ({"url": "s3://calls", "access_key": "x"}, "belong together"),
        ({"url": "s3://calls", "kms_key": "x"}, "kms_key needs"),
        ({"url": "s3://calls", "endpoint": "minio:9000"}, "^endpoint: it is not like https"),
        ({"url": "s3://calls", "endpoint": "http://my_minio:9000"}, "a host name has no underscore"),
        ({"url": "s3://calls", "endpoint": "http://-minio"}, "^endpoint: it is not like https"),
        ({"url": "s3://calls", "endpoint": "https://minio;script-src *"}, "^endpoint: it is not like https"),
        ({"url": "s3://calls", "endpoint": "https://minio?x=y"}, "^endpoint: it is not like https"),
        ({"url": "s3://calls", "endpoint": "https://ann:very-secret@minio"}, "^endpoint: it is not like https"),
    ],
)
def test_wrong_options_say_why(wrong: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        StorageOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "endpoint", ["http://minio", "https://a-b.example.com.:9000/", "http://10.0.0.1", "http://[::1]:9"]
)
def test_boto3_takes_the_endpoints_that_the_options_take(endpoint: str) -> None:
    assert ObjectStore(options(endpoint))._client()
