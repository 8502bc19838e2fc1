"""After two crashes of the packet path in C Python takes over, and it is said; an error in it ends no call."""

import asyncio
import os
import signal

import pytest
import structlog

from media.fast import fallback, why_not
from media.process.engine import MediaEngine, MediaOptions
from media.process.packet_path import CRASHES_MAX, FAULTS, PacketPath
from tests.media.one_process import SECOND, bug, paired
from tests.media.test_engine import Phone
from tests.waiting import until

built = pytest.mark.skipif(bool(why_not()), reason=f"the path in C cannot be used: {why_not()}")


def test_python_takes_over_after_the_second_crash() -> None:
    path = PacketPath(in_c=True)
    assert (path.name, path.ended(-signal.SIGSEGV, ready=True)) == ("c", "; its packet path was in C")
    assert path.name == "c"
    assert "crashed 2 times: from now on it is in Python" in path.ended(-signal.SIGABRT, ready=True)
    assert (path.name, path.crashes) == ("python", CRASHES_MAX)
    assert path.ended(-signal.SIGSEGV, ready=True) == "", "that is no fault of C"
    assert path.crashes == CRASHES_MAX


@pytest.mark.parametrize("status", [0, 1, -signal.SIGKILL, -signal.SIGTERM])
def test_another_end_is_no_crash_of_c(status: int) -> None:
    path = PacketPath(in_c=True)
    assert [path.ended(status, ready=True) for _ in range(9)] == [""] * 9
    assert path.name == "c"


def test_a_process_that_never_starts_with_c_is_started_without_it() -> None:
    path = PacketPath(in_c=True)
    for _ in range(2):
        path.ended(1, ready=False)
    assert path.name == "python"


def test_where_c_was_not_built_nothing_is_counted() -> None:
    path = PacketPath(in_c=False)
    assert [path.ended(-fault, ready=True) for fault in FAULTS] == [""] * len(FAULTS)
    assert (path.name, path.crashes) == ("python", 0)


@built
@pytest.mark.faults("A1")
def test_a_media_process_that_crashes_twice_comes_back_in_python() -> None:
    async def scenario() -> None:
        async with MediaEngine(MediaOptions("127.0.0.1", (20_000, 32_000))) as engine:
            for crashes, native in ((1, True), (2, False)):
                before = engine.processes[0]
                assert before.native
                os.kill(before.pid, signal.SIGSEGV)
                await until(lambda: engine.processes[0].crashes == crashes)  # noqa: B023
                engine._processes[0].ready.clear()
                await engine._processes[0].ready.wait()
                assert engine.processes[0].native == native
            phone = Phone()
            channel = await engine.open(phone.events.put_nowait)
            phone.connect(channel)
            await phone.packet()
            phone.sock.close()

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario())
    causes = [log["cause"] for log in logs if log["event"] == "media process died"]
    assert len(causes) == 2
    assert causes[1].endswith("crashed 2 times: from now on it is in Python")


class Broken:
    """A packet path in which one part raises."""

    def __init__(self, path: fallback.FastPath, part: str) -> None:
        self.path, self.epoll, self.part = path, path.epoll, part

    def __getattr__(self, name: str) -> object:
        return bug if name == self.part else getattr(self.path, name)


@pytest.mark.faults("A1")
@pytest.mark.parametrize("part", ["send", "receive"])
def test_an_error_in_the_packet_path_ends_no_call(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    async def run() -> None:
        with paired(monkeypatch) as pair:
            for _ in range(2):
                await pair.call()
            pair.run()
            pair.process._state = pair.process._state._replace(native=True)
            pair.worker._path = Broken(pair.worker._path, part)  # type: ignore[assignment]
            pair.run()
            for remote in pair.remotes:
                assert 2 * SECOND - 1 <= len(remote.got) <= 2 * SECOND, "at most one slot is lost"
                assert len(remote.heard()) == 160 * remote.sent
            assert not pair.process.state.native
            assert pair.worker._counts.failed == 1

    asyncio.run(run())
