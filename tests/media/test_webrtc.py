# mypy: disable-error-code="attr-defined"
"""The way to a browser that does not come."""

import asyncio

import pytest

from media.browsers import webrtc
from media.browsers.transport import HUNG_UP, PathFailed

PRINT = (("sha-256", ":".join(["AB"] * 32)),)


def test_a_browser_that_does_not_come_is_waited_for_a_limited_time(monkeypatch):
    monkeypatch.setattr(webrtc, "LIMIT", 0.2)

    async def scenario():
        path = webrtc.BrowserPath(webrtc.Network())
        told = await path.gather()
        assert told.candidates
        with pytest.raises(PathFailed, match="did not connect within 0 s: no way was found"):
            await path.connect("user", "p" * 22, PRINT)
        await path.close()
        await path.close()

    asyncio.run(scenario())


def test_a_call_that_is_hung_up_before_the_browser_comes():
    async def scenario():
        path = webrtc.BrowserPath(webrtc.Network())
        await path.gather()
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(refused(path))
            await asyncio.sleep(0)
            await path.close()
        return connecting.result()

    async def refused(path):
        with pytest.raises(PathFailed) as failed:
            await path.connect("user", "p" * 22, PRINT)
        return str(failed.value)

    assert asyncio.run(scenario()) == HUNG_UP
