"""A gateway is killed while a recording goes on: the next start covers what was to be covered and marks what is cut."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pytest

from agent.records import AgentSays
from media.process.channel import Dead
from media.recording.redact import TONE, Span
from sipgw.calls.context import CallContext
from sipgw.calls.info import CallInfo
from sipgw.calls.session import CallSession
from sipgw.config.records import PrivacyOptions, StoreOptions
from sipgw.events import CallAnswered, CallEnded, CallReported, Watchers
from sipgw.policy.inbound.limits import Caller
from sipgw.records.artifacts import bleeps
from sipgw.records.artifacts.bleeps import Bleeps
from sipgw.records.artifacts.finishing import Finishing, finish
from sipgw.records.artifacts.recordings import Tape
from sipgw.records.artifacts.retention import forget
from sipgw.records.artifacts.unfinished import KILLED, NOTES, UNFINISHED, Unfinished, waits
from sipgw.records.store import Store
from sipgw.records.store.tables import CallRecord
from sipgw.sip.identity import Identity
from sipgw.trunks.trunks import LOCAL_TRUNK
from tests.records.test_bleeps import LOUD, sides, wav
from tests.waiting import HANG, until

pytestmark = pytest.mark.faults("C15")

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KILLED_GATEWAY = """
import os, signal, sys
from media.recording.redact import Span
from sipgw.records.artifacts.unfinished import NOTES, Unfinished
note = Unfinished(sys.argv[1], "a@1")
note.begin().result()
first = note.want([Span("R", 0.5, 1.0)])
note.covered(first, done=True)
note.want([Span("L", 1.0, 2.0), Span("L", 3.0, 3.5)])
NOTES.submit(id, 0).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def begun(path: Path, *, bleeped: bool = False, database: str = "") -> Unfinished:
    """A note that is on the disk."""
    note = Unfinished(str(path), "a@1", bleeped=bleeped, database=database)
    note.begin().result(HANG)
    return note


def written() -> None:
    """Wait until the disk has all that was noted so far."""
    NOTES.submit(lambda: None).result(HANG)


def leave(note: Unfinished) -> None:
    """Let go of a note as a kill does."""
    written()
    os.close(note._file)
    note._forget()


def killed(path: Path) -> Path:
    """Leave the note of a gateway that was killed while something was to be covered; returns where it is."""
    done = subprocess.run([sys.executable, "-c", KILLED_GATEWAY, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    return Path(f"{path}{UNFINISHED}")


async def closed(store: Store) -> None:
    """The call as the ledger closes it at the next start."""
    row = CallRecord(
        id="a@1", trunk="office", agent="agent", caller="+14155550123", called="2", began=NOW, ended=NOW,
        ending="interrupted", cause="killed",
    )  # fmt: skip
    async with store.write() as session:
        session.add(row)


@pytest.mark.slow
def test_after_a_kill_the_sound_is_closed_until_it_is_covered_and_the_record_says_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bleeps, "AFTER", 0.0)
    path = wav(tmp_path / "x.wav", 4)
    killed(path)
    assert waits(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            async with Finishing(store, {str(tmp_path), ""}):
                await until(lambda: not waits(path))
                await until(lambda: not Path(f"{path}{UNFINISHED}").exists())
            record = await store.call("a@1")
            assert record is not None
            assert record["media"]["recording"] == {"file": str(path), "problem": KILLED}
            assert record["recording"] == str(path), "so retention finds it"

    asyncio.run(run())
    left, right = sides(path)
    assert left == LOUD * 8000 + TONE * 1000 + LOUD * 8000 + TONE * 500 + LOUD * 4000
    assert right == LOUD * 32000, "that had been covered before"


@pytest.mark.slow
def test_what_nobody_had_judged_when_it_was_killed_is_covered(tmp_path: Path) -> None:
    """The last words had not become text yet."""
    path = wav(tmp_path / "x.wav", 4)
    note = begun(path, bleeped=True)
    assert waits(path), "of nothing is known whether it is private"
    note.judged("L", 1.0)
    note.judged("R", 2.0)
    note.judged("L", 3.0)
    leave(note)

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert asyncio.run(run())
    assert sides(path) == (LOUD * 24000 + TONE * 1000, LOUD * 16000 + TONE * 2000)
    assert not waits(path)


@pytest.mark.slow
@pytest.mark.parametrize(("sound", "says"), [(b"RIFF" + bytes(500), "no recording"), (b"", "no recording")])
def test_what_cannot_be_covered_stays_closed(tmp_path: Path, sound: bytes, says: str) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(sound)
    note = killed(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            with pytest.raises(OSError, match=says):
                await finish(store, note)
            record = await store.call("a@1")
            assert record and record["recording"] == str(path), "so it is deleted when its time is over"

    asyncio.run(run())
    assert waits(path)


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", [b"{", b'{"cover": ["X"]}', b"[]", b"\xff", b'{"judged": {"L": "x"}}', b"7"])
def test_a_note_that_cannot_be_read_keeps_the_sound_closed(tmp_path: Path, spoilt: bytes) -> None:
    path = wav(tmp_path / "x.wav", 1)
    Path(f"{path}{UNFINISHED}").write_bytes(b'{"call": "a@1", "judged": {}}\n' + spoilt)
    assert waits(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            with pytest.raises(ValueError):
                await finish(store, Path(f"{path}{UNFINISHED}"))

    asyncio.run(run())
    assert waits(path)


def test_the_recording_of_a_call_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    """An older gateway of this machine may still have it."""
    path = wav(tmp_path / "x.wav", 1)
    note = begun(path)

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert not asyncio.run(run())
    assert not waits(path), "nothing private was said yet"
    number = note.want([Span("L", 0.1, 0.2)])
    assert waits(path)
    note.end()
    assert waits(path)
    note.covered(number, done=True)
    written()
    assert not waits(path) and not Path(f"{path}{UNFINISHED}").exists()


def test_what_could_not_be_covered_is_tried_again_at_the_next_start(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = begun(path)
    first, second = note.want([Span("L", 0.0, 0.5)]), note.want([Span("R", 0.0, 0.5)])
    note.covered(first, done=False)
    note.covered(second, done=True)
    note.end()
    assert waits(path)
    written()
    assert waits(path), "the disk knows it as well"

    async def run() -> bool:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            return await finish(store, Path(f"{path}{UNFINISHED}"))

    assert asyncio.run(run())
    assert not waits(path)
    assert sides(path) == (TONE * 500 + LOUD * 4000, LOUD * 8000)


async def recorded(tape: Tape) -> Mock:
    """Let a tape begin; returns its channel."""
    channel = Mock()
    tape.attach(channel)
    tape.begin()
    await until(lambda: tape.began or tape.problem)
    return channel


def test_a_call_is_recorded_only_with_its_note_and_loses_it_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    tape = Tape(str(path), call="a@1")
    channel = asyncio.run(recorded(tape))
    channel.record.assert_called_once_with(str(path))
    assert Path(f"{path}{UNFINISHED}").exists()
    assert tape.as_dict() == {"recording": {"file": str(path)}}
    assert Path(f"{path}{UNFINISHED}").exists(), "who is told of the end may find something private yet"
    tape.end()
    written()
    assert not Path(f"{path}{UNFINISHED}").exists()


def test_a_recording_that_the_media_process_could_not_finish_says_so(tmp_path: Path) -> None:
    tape = Tape(str(tmp_path / "x.wav"), call="a@1")
    asyncio.run(recorded(tape))
    context = CallContext(CallInfo("a@1", LOCAL_TRUNK, Identity()), Watchers())
    context.tape = tape
    context.on_media(Dead("media process ended with status -9"))
    assert tape.as_dict()["recording"]["problem"] == "not finished: media process ended with status -9"
    tape.end()


def test_what_cannot_be_marked_is_not_recorded(tmp_path: Path) -> None:
    tape = Tape(str(tmp_path / "no folder" / "x.wav"), call="a@1")
    asyncio.run(recorded(tape)).record.assert_not_called()
    assert tape.as_dict()["recording"]["problem"] == "No such file or directory"


@pytest.mark.slow
def test_who_is_forgotten_leaves_no_note(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    note = killed(path)

    async def run() -> None:
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store:
            await closed(store)
            await finish(store, note)
            note.write_text("{}")
            await forget(store, "+14155550123", NOW)

    asyncio.run(run())
    assert not list(tmp_path.glob("x.wav*"))


def test_a_note_is_never_shared(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    note = begun(path)
    with pytest.raises(FileExistsError):
        Unfinished(str(path), "b@2").begin().result(HANG)
    leave(note)
    with pytest.raises(FileExistsError):
        Unfinished(str(path), "b@2").begin().result(HANG)
    assert waits(path) is False


def test_one_note_that_fails_does_not_end_the_bleeps_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bleeps, "AFTER", 0.0)
    path = str(wav(tmp_path / "x.wav", 1))
    bad, good = Mock(), Mock()
    bad.covered.side_effect = OSError(errno.ESTALE, "stale")

    async def run() -> None:
        async with Bleeps(Watchers(), lambda _: None, lambda _: PrivacyOptions()) as watched:
            for note in (bad, good):
                watched._jobs.put_nowait(bleeps._Job(0.0, path, [Span("L", 0.0, 0.5)], note, 0))

    asyncio.run(run())
    good.covered.assert_called_once_with(0, done=True)


def test_what_is_found_at_the_end_of_a_call_is_covered_before_anybody_hears_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent says a number, and the call ends before its turn does."""
    monkeypatch.setattr(bleeps, "AFTER", 0.2)
    tape, seen = Tape(str(wav(tmp_path / "x.wav", 20)), call="a@1", bleeped=True), list[bool]()
    watchers = Watchers()
    session = CallSession(CallInfo("a@1", LOCAL_TRUNK, Identity()), Mock(watchers=watchers))
    session.context.tape = tape

    async def run() -> None:
        await recorded(tape)
        assert tape.began
        at = tape.began + timedelta(seconds=5)
        watchers.tell(CallAnswered("a@1", tape.began))
        watchers.tell(CallReported("a@1", at, AgentSays("It is 4111 1111 1111 1111.")))
        limits = SimpleNamespace(admit=AsyncMock(side_effect=RuntimeError))
        session.services = SimpleNamespace(limits=limits)  # type: ignore[assignment]
        monkeypatch.setattr(session, "_end", lambda how: watchers.tell(CallEnded("a@1", at, how, {})))
        connection = SimpleNamespace(close=AsyncMock())
        await session.accept(connection, Caller("", "", ""))  # type: ignore[arg-type]
        seen.append(waits(Path(tape.path)))

    async def entered() -> None:
        async with Bleeps(watchers, lambda _: bleeps.RecordedCall("agent", tape), lambda _: PrivacyOptions()):
            await run()

    asyncio.run(entered())
    assert seen == [True]
    assert not waits(Path(tape.path)) and not Path(f"{tape.path}{UNFINISHED}").exists()
    assert TONE in sides(Path(tape.path))[1]
