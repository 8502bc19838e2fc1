"""Parts of the tests of records."""

from collections.abc import Iterator

import pytest

from tests.records.bucket import client, keys, server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture
def bucket(url: str) -> Iterator[str]:
    """An empty bucket "calls"."""
    client(url).create_bucket(Bucket="calls")
    yield url
    for key in keys(url):
        client(url).delete_object(Bucket="calls", Key=key)
    client(url).delete_bucket(Bucket="calls")
