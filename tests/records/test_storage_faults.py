"""Object storage that refuses, breaks off, or has a certificate of an authority of its own."""

import asyncio
import base64
import contextlib
import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest
from botocore.exceptions import ConnectionClosedError
from botocore.retries.standard import ExponentialBackoff

from sipgw.records.artifacts import artifact as artifacts
from sipgw.records.artifacts.call_files import on_disk
from sipgw.records.artifacts.uploader import TOGETHER, Uploader
from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.store.object_store import PART, TRIES, ObjectError, ObjectStore
from sipgw.records.store.tables import ArtifactRecord
from tests.records.bucket import NOW, add, client, keys, options, row_of, server, store_of, upload
from tests.sip.certificates import Authority
from tests.waiting import HANG


def test_the_cause_of_a_refused_upload_is_told_whatever_its_paths(tmp_path: Path, url: str) -> None:
    path = tmp_path / ("n" * 200) / "call.wav"
    path.parent.mkdir()
    path.write_bytes(b"sound")
    with pytest.raises(ObjectError, match=r"^NoSuchBucket: The specified bucket does not exist$"):
        asyncio.run(ObjectStore(options(url, "absent")).put("k" * 500, path))


def test_the_cause_of_a_broken_connection_is_told_whatever_its_key(tmp_path: Path) -> None:
    there = ObjectStore(options("http://127.0.0.1:9"))
    with pytest.raises(ObjectError, match=r'^Could not connect to the endpoint URL: "http://127.0.0.1:9"$'):
        asyncio.run(there.fetch("k" * 500, empty(tmp_path)))


def test_an_object_that_is_always_refused_holds_no_other_up(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, bad = ObjectStore._upload, tmp_path / "0.wav"

    def refusing(self: ObjectStore, key: str, file: Path, again: bool) -> None:
        if file == bad:
            raise ObjectError("EntityTooLarge: it is too large")
        real(self, key, file, again)

    async def run() -> None:
        async with store_of(tmp_path, options(bucket)) as store:
            for number in range(TOGETHER * 2):
                path = tmp_path / f"{number}.wav"
                path.write_bytes(b"sound")
                await add(store, path, created=NOW + timedelta(seconds=number))
            assert await upload(store) == TOGETHER * 2 - 1
            row = await row_of(store, bad)
            assert row and (row.attempts, row.problem) == (1, "EntityTooLarge: it is too large") and bad.exists()

    monkeypatch.setattr(ObjectStore, "_upload", refusing)
    asyncio.run(run())


@pytest.mark.parametrize("size", [100, PART + 17])
def test_a_file_that_grows_during_its_upload_is_uploaded_again(tmp_path: Path, bucket: str, size: int) -> None:
    """Such as by a recorder whose disk was slow."""
    path = tmp_path / "call.wav"
    path.write_bytes(b"x" * size)

    def grow(request: Any, **_: object) -> None:
        if request.method == "HEAD" and path.stat().st_size == size:
            with path.open("ab") as file:
                file.write(b"the end")

    async def run() -> None:
        async with store_of(tmp_path, options(bucket)) as store:
            await add(store, path)
            assert store.objects
            store.objects._client().meta.events.register_first("before-send.s3", grow)
            assert await upload(store) == 0 and path.exists()
            assert await upload(store, NOW + timedelta(minutes=2)) == 1 and not path.exists()
            async with on_disk(store, path) as copy:
                assert copy.read_bytes() == b"x" * size + b"the end"

    asyncio.run(run())


@pytest.mark.parametrize("breaks", [False, True])
def test_an_upload_that_fails_after_its_row_was_deleted_leaves_no_object(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    """Another process deletes row and file before the check of the upload, which finds no file, or breaks off."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    path = tmp_path / "call.wav"
    path.write_bytes(b"sound")

    async def run() -> None:
        async with store_of(tmp_path, options(bucket)) as store, store_of(tmp_path, options(bucket)) as other:
            await add(store, path)
            loop = asyncio.get_running_loop()

            async def forget() -> None:
                async with other.write() as session:
                    await artifacts.delete(session, NOW, ArtifactRecord.call == "a@1")
                await ArtifactWorker(other).work(NOW)
                client(bucket).put_object(Bucket="calls", Key=key, Body=b"sound")  # as if the upload came later

            def check(request: Any, **_: object) -> None:
                if request.method == "HEAD":
                    if path.exists():
                        asyncio.run_coroutine_threadsafe(forget(), loop).result(HANG)
                    if breaks:
                        raise ConnectionClosedError(endpoint_url=request.url)

            assert store.objects
            key = Uploader(store, store.objects)._key(await row_of(store, path))  # type: ignore[arg-type]
            store.objects._client().meta.events.register_first("before-send.s3", check)
            assert await upload(store) == 0
            assert not path.exists() and await row_of(store, path) is None and keys(bucket) == []

    asyncio.run(run())


def test_a_deletion_has_the_hash_that_older_servers_ask_for(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They answer `MissingContentMD5` to others. The second try has it, too."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    hashes, there = list[bool](), ObjectStore(options(bucket))

    def note(request: Any, **_: object) -> None:
        md5 = base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest())
        given = {name.lower(): value for name, value in request.headers.items()}
        hashes.append(given.get("content-md5") == md5 and not any("checksum" in name for name in given))
        if len(hashes) == 1:
            raise ConnectionClosedError(endpoint_url=request.url)

    there._client().meta.events.register_first("before-send.s3.DeleteObjects", note)
    client(bucket).put_object(Bucket="calls", Key="x", Body=b"sound")
    assert asyncio.run(there.delete(["x"])) == {}
    assert keys(bucket) == [] and hashes == [True, True]


class Server(BaseHTTPRequestHandler):
    """A server that always gives the same answer, and closes the connection."""

    code, body, length = 200, b"", 0

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(self.code)
        self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(**answer: object) -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the paths that it was asked for."""
    with HTTPServer(("127.0.0.1", 0), type("Answering", (Server,), answer)) as there:
        asked = there.asked = list[str]()  # type: ignore[attr-defined]
        thread = threading.Thread(target=there.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{there.server_port}", asked
        finally:
            there.shutdown()
            thread.join()


def test_a_download_that_breaks_off_is_an_error_of_the_storage(tmp_path: Path) -> None:
    with (
        serving(body=b"half", length=100) as (url, _),
        pytest.raises(ObjectError, match="4 read, but total bytes expected is 100"),
    ):
        asyncio.run(ObjectStore(options(url)).fetch("x", empty(tmp_path)))


def test_a_storm_of_503_ends_after_the_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    with serving(code=503) as (url, asked), pytest.raises(ObjectError, match=r"^503: Service Unavailable$"):
        asyncio.run(ObjectStore(options(url)).fetch("x", empty(tmp_path)))
    assert len(asked) == TRIES


def test_an_authority_of_this_machine_is_trusted_and_each_body_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by all other connections. A server refuses a body that does not have the signed hash."""
    authority, path, signed = Authority(tmp_path), tmp_path / "call.wav", list[str]()
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))

    def note(request: Any, **_: object) -> None:
        if request.method == "PUT":
            signed.append(request.headers["X-Amz-Content-SHA256"].decode())

    with server(authority.issue("127.0.0.1")) as url:
        client(url, str(authority.ca)).create_bucket(Bucket="calls")
        there = ObjectStore(options(url))
        there._client().meta.events.register_first("before-send.s3", note)
        for size in (100, PART + 17):
            path.write_bytes(content := bytes(range(256)) * (size // 256 + 1))
            asyncio.run(there.put("x", path))
            parts = [content[at : at + PART] for at in range(0, len(content), PART)]
            assert signed == [hashlib.sha256(part).hexdigest() for part in parts], size
            signed.clear()
        monkeypatch.setenv("AWS_CA_BUNDLE", certifi.where())
        with pytest.raises(ObjectError, match="CERTIFICATE_VERIFY_FAILED"):
            asyncio.run(ObjectStore(options(url)).fetch("x", path))


def empty(folder: Path) -> Path:
    (folder / "copy").touch()
    return folder / "copy"
