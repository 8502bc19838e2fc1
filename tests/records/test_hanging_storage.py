"""A storage that takes requests and never answers holds up neither the worker nor the deletion of other files."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipgw.records.artifacts.work import ArtifactWorker
from sipgw.records.store import object_store
from sipgw.records.store.artifact_states import ArtifactPlace, ArtifactState
from sipgw.records.store.object_store import DELETIONS, HANGS
from tests.records.bucket import NOW, add, options, row_of, store_of
from tests.waiting import HANG


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """The URL of a server whose connections open, and on which nothing ever comes back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_deletion_that_hangs_ends_for_the_worker_and_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "LIMIT", 0.2)
    away, here = tmp_path / "away" / "call.wav", tmp_path / "here" / "call.wav"
    here.parent.mkdir()
    here.touch()

    async def run(url: str) -> None:
        async with store_of(tmp_path, options(url)) as store:
            state = {"state": ArtifactState.TO_DELETE.value}
            await add(store, away, **state, place=ArtifactPlace.OBJECT.value, object="gateway/recording/x")
            await add(store, here, **state)
            worker = ArtifactWorker(store)
            assert await worker.work(NOW) == 1 and not here.exists()
            assert await worker.work(NOW, again=True) == 0
            row = await row_of(store, away)
            assert row and (row.problem, row.attempts) == (HANGS, 2)
            assert (DELETIONS.busy, DELETIONS.queued) == (1, 0), "its requests go on for minutes"

    with hanging() as url:
        asyncio.run(run(url))


async def ended() -> None:
    async with asyncio.timeout(HANG):
        while DELETIONS.busy:
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def no_deletion_is_left() -> Iterator[None]:
    """The server of the test is gone then, so its requests end at once."""
    yield
    asyncio.run(ended())
