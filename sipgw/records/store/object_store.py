"""A bucket of Amazon S3, or of a server with its interface.

boto3 makes the requests, with repeated tries and uploads in parts. It blocks, so a pool of threads runs all of it. Each
request has a time limit.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agent.pool import Pool, PoolFullError, not_begun
from sipgw.config.storage import StorageOptions

STORAGE = Pool("object storage", workers=6, waiting=256)
LINKS = Pool("links to object storage", workers=1, waiting=256)
"""Its own thread for links: a link needs no answer of the storage, so it must not wait for a hanging request."""
DELETIONS = Pool("deletions in object storage", workers=1, waiting=256)
"""Runs one deletion at a time: while a deletion hangs, no other begins."""
LIMIT = 30.0
"""Longest wait for a deletion, in seconds."""
HANGS = "the object storage did not answer in time"
PART = 8 << 20
"""Bytes of a part; longer files are uploaded in parts."""
CONNECT, READ = 10.0, 60.0
"""Time limits in seconds: for a connection, and until the server sends or takes something."""
TRIES = 3
"""Tries of a request until its error is raised."""
COPIES = 4
"""Objects that are copied to the disk of the gateway at the same time, to be read."""
AT_ONCE = 1000
"""Objects that one request deletes at most (S3 API, DeleteObjects)."""

_URL = re.compile(r"""(https?://[^/\s"']+)[^\s"']*""")
"""A URL in an error, and the part of it that names the server."""


class ObjectError(Exception):
    """The object storage failed; the message says why, without secrets."""


class ObjectStore:
    """The bucket of the options."""

    def __init__(self, options: StorageOptions) -> None:
        self.options = options
        self.uploading = set[str]()
        """The paths of the files that threads of this process upload, also of uploads that were given up. Their objects
        must not be deleted meanwhile, because the upload may end after the deletion."""
        self.copies = asyncio.Semaphore(COPIES)
        """Places for objects that are copied to the disk to be read."""
        self._made: Any = None
        self._making = threading.Lock()

    async def put(self, key: str, path: Path, *, again: bool = False) -> None:
        """Upload a file; `again` if an earlier upload may have left parts. Raises `ObjectError`, and OSError if the
        file cannot be read.
        """
        self.uploading.add(str(path))
        try:
            await STORAGE.run(self._put, key, path, again)
        except (asyncio.CancelledError, PoolFullError) as error:
            if not_begun(error):
                self.uploading.discard(str(path))
            raise

    async def fetch(self, key: str, path: Path) -> None:
        """Download an object into an existing file. Raises `ObjectError`, OSError."""
        await STORAGE.run(self._fetch, key, path)

    async def delete(self, keys: Sequence[str], begun: Sequence[str] = ()) -> dict[str, str]:
        """Delete objects, and the parts of uploads that were only `begun`. Returns for each object that may still be
        there the reason, after `LIMIT` at most.
        """
        try:
            async with asyncio.timeout(LIMIT):
                return await DELETIONS.run(self._delete, keys, begun)
        except (TimeoutError, PoolFullError) as error:
            return dict.fromkeys(keys, HANGS if isinstance(error, TimeoutError) else str(error))

    async def link(self, key: str, name: str = "") -> str:
        """A URL by which a browser gets the object for a while; with a `name` the browser saves it as a file. Raises
        `ObjectError`.
        """
        return await LINKS.run(self._link, key, name)

    def _client(self) -> Any:
        """The client, which takes a third of a second to make; all threads may use it."""
        with self._making:
            if self._made is None:
                self._made = _client(self.options)
        return self._made

    def _put(self, key: str, path: Path, again: bool) -> None:
        try:
            self._upload(key, path, again)
        finally:
            self.uploading.discard(str(path))

    def _upload(self, key: str, path: Path, again: bool) -> None:
        options = self.options
        wanted = {"ServerSideEncryption": options.encryption, "SSEKMSKeyId": options.kms_key}
        extra = {name: value for name, value in wanted.items() if value}
        with _errors():
            from boto3.s3.transfer import TransferConfig

            if again:
                self._abort([key])
            parts = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False)
            self._client().upload_file(str(path), options.bucket, key, ExtraArgs=extra, Config=parts)
            there = self._client().head_object(Bucket=options.bucket, Key=key)["ContentLength"]
        if there != (size := path.stat().st_size):  # also if the file grew meanwhile: then its end is not in the object
            raise ObjectError(f"the object has {there} bytes, the file {size}")

    def _fetch(self, key: str, path: Path) -> None:
        with _errors(), path.open("r+b") as file:  # never create the file: the caller may have deleted it by now
            self._client().download_fileobj(self.options.bucket, key, file)

    def _abort(self, keys: Sequence[str]) -> None:
        """Delete the parts that killed processes uploaded."""
        client, bucket = self._client(), self.options.bucket
        pages = client.get_paginator("list_multipart_uploads")
        for key in keys:  # MinIO lists the uploads of one whole key only (https://github.com/minio/minio/issues/20989)
            for page in pages.paginate(Bucket=bucket, Prefix=key):
                for one in page.get("Uploads", ()):
                    if one["Key"] == key:
                        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=one["UploadId"])

    def _delete(self, keys: Sequence[str], begun: Sequence[str]) -> dict[str, str]:
        left = dict[str, str]()
        for at in range(0, len(keys), AT_ONCE):
            some = keys[at : at + AT_ONCE]
            try:
                with _errors():
                    if parts := [key for key in some if key in begun]:
                        self._abort(parts)
                    objects = {"Objects": [{"Key": key} for key in some], "Quiet": True}
                    answer = self._client().delete_objects(Bucket=self.options.bucket, Delete=objects)
                left |= {one["Key"]: str(one.get("Code", "refused")) for one in answer.get("Errors", ())}
            except ObjectError as error:
                left |= dict.fromkeys(some, str(error))
        return left

    def _link(self, key: str, name: str) -> str:
        wanted = {"Bucket": self.options.bucket, "Key": key}
        if name:
            wanted["ResponseContentDisposition"] = f'attachment; filename="{name}"'
        with _errors():
            life = round(self.options.link_life)
            return str(self._client().generate_presigned_url("get_object", Params=wanted, ExpiresIn=life))


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Turn the errors of boto3 into `ObjectError`, without the paths of files and objects: they are long."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer.exceptions import RetriesExceededError

    try:
        yield
    except RetriesExceededError as error:
        raise ObjectError(_told(error.last_exception)) from None
    except (Boto3Error, BotoCoreError, ClientError) as error:
        # An upload that was refused is an error of boto3, which names two paths before it says why.
        refused = isinstance(error, Boto3Error) and isinstance(error.__context__, ClientError)
        raise ObjectError(_told(error.__context__ if refused else error)) from None


def _told(error: BaseException | None) -> str:
    """An error of boto3 in a few words."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        return f"{told.get('Code', 'refused')}: {told.get('Message', '')}"[:200]
    return _URL.sub(r"\1", str(error))[:200]


def _client(options: StorageOptions) -> Any:
    with _errors():
        import boto3
        from botocore.config import Config
        from botocore.session import get_session

        from sipgw.records.store.object_tls import trust_as_others

        core = get_session()
        session = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=options.access_key or None,
            aws_secret_access_key=options.secret_key or None,
            region_name=options.region or None,
        )
        limits = Config(
            connect_timeout=CONNECT, read_timeout=READ, retries={"mode": "standard", "total_max_attempts": TRIES},
            signature_version="s3v4", s3={"addressing_style": "path"} if options.endpoint else {},
            # Servers beside Amazon's need not know the newer checksums.
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        )  # fmt: skip
        region = session.region_name or "us-east-1"
        client = session.client("s3", endpoint_url=options.endpoint or None, region_name=region, config=limits)
        if not (core.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")):
            trust_as_others(client, (CONNECT, READ))
        client.meta.events.register("before-sign.s3.DeleteObjects", _hash)
        return client


def _hash(request: Any, **_: object) -> None:
    """Give a deletion the hash that each server knows: older ones of MinIO and others answer `MissingContentMD5` to the
    CRC32 of boto3 (https://github.com/aws/aws-sdk-java-v2/issues/5805).
    """
    for name in ("Content-MD5", "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"):
        del request.headers[name]
    md5 = hashlib.md5(request.body, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(md5).decode()
