"""A real server with the interface of S3, of the package moto: ``python -m moto.server``."""

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3

from sipgw.config.storage import StorageOptions
from tests.ports import free_ports
from tests.waiting import HANG

KEYS = {"access_key": "testing", "secret_key": "very-secret"}


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server without buckets."""
    port = free_ports()
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + HANG
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=HANG).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "moto does not start"
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def client(url: str) -> Any:
    """A client of the test's own."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="very-secret",
    )


def options(url: str, bucket: str = "calls", **more: Any) -> StorageOptions:
    """For a bucket of the server."""
    return StorageOptions(f"s3://{bucket}/gateway", url, **(KEYS | more))


def keys(url: str, bucket: str = "calls") -> list[str]:
    """All objects."""
    found = client(url).list_objects_v2(Bucket=bucket)
    return [one["Key"] for one in found.get("Contents", ())]
