"""A real server with the interface of S3, of the package moto: ``python -m moto.server``."""

import contextlib
import functools
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from sqlalchemy import select

from sipgw.config.records import StoreOptions
from sipgw.config.storage import StorageOptions
from sipgw.records.artifacts.uploader import Uploader
from sipgw.records.store.store import Store
from sipgw.records.store.tables import ArtifactRecord
from tests.cdr_events import artifact
from tests.ports import free_ports
from tests.waiting import HANG

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEYS = {"access_key": "testing", "secret_key": "very-secret"}


@contextlib.contextmanager
def server(certificate: Path | None = None) -> Iterator[str]:
    """The URL of a server without buckets; with TLS if it has a certificate, whose file has the key, too."""
    port = free_ports()
    url, end = f"{'https' if certificate else 'http'}://127.0.0.1:{port}", time.monotonic() + HANG
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    if certificate:
        command += ["-c", str(certificate), "-k", str(certificate)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), HANG).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "moto does not start"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@functools.cache
def client(url: str, authority: str | None = None) -> Any:
    """A client of the tests' own: to make one takes longer than what most tests do with it."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="very-secret",
        verify=authority,
    )


def options(url: str, bucket: str = "calls", **more: Any) -> StorageOptions:
    """For a bucket of the server."""
    return StorageOptions(f"s3://{bucket}/gateway", url, **(KEYS | more))


def keys(url: str, bucket: str = "calls") -> list[str]:
    """All objects."""
    found = client(url).list_objects_v2(Bucket=bucket)
    return [one["Key"] for one in found.get("Contents", ())]


def store_of(folder: Path, storage: StorageOptions) -> Store:
    return Store(StoreOptions(str(folder / "x.db")), storage)


async def add(store: Store, path: Path, **more: object) -> None:
    async with store.write() as session:
        session.add(artifact("a@1", str(path), **more))  # type: ignore[arg-type]


async def row_of(store: Store, path: Path) -> ArtifactRecord | None:
    async with store.read() as session:
        return await session.scalar(select(ArtifactRecord).where(ArtifactRecord.path == str(path)))


async def upload(store: Store, now: datetime = NOW) -> int:
    assert store.objects
    return await Uploader(store, store.objects).upload(now)
