"""A disk of the spool that does not answer stops no call: one thread waits for it, and only what needs a row waits."""

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from unittest.mock import Mock

import pytest

from agent.records import CallerSaid, HandedOver
from media.process.channel import Channel, MediaDown
from sipgw.bounds import FULL
from sipgw.config.records import StoreOptions
from sipgw.events import CallEnded, CallReported, Disposition, Event, Watchers
from sipgw.records.artifacts.artifact import Artifacts
from sipgw.records.artifacts.recordings import NO_ROW, CallRecording
from sipgw.records.cdr import spool_feed, writer
from sipgw.records.cdr.encoder import CdrEncoder
from sipgw.records.cdr.writer import CdrWriter
from sipgw.records.store.artifact_states import ArtifactState
from sipgw.records.store.spool import Entry, Spool
from sipgw.records.store.store import Store
from tests.cdr_events import a_call, at, call_began
from tests.waiting import HANG, until, within

pytestmark = pytest.mark.faults("C15")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The disk answers nothing until this is set."""
    answers, write = threading.Event(), Spool._write

    def hanging(spool: Spool, line: bytes) -> None:
        assert threading.current_thread() is not threading.main_thread(), "all calls would wait for it"
        answers.wait(HANG)
        write(spool, line)

    monkeypatch.setattr(Spool, "_write", hanging)
    monkeypatch.setattr(writer, "GATHER", 0.005)
    monkeypatch.setattr(writer, "GOODBYE", 0.05)
    yield answers
    answers.set()


def test_calls_go_on_and_their_records_follow_when_the_disk_answers(tmp_path: Path, disk: threading.Event) -> None:
    async def run() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            for number in range(3):
                for event in a_call(f"{number}@x"):
                    watchers.tell(event)
            assert kept.behind
            disk.set()
            await within(kept.written())
            assert len(await store.calls()) == 3

    asyncio.run(run())


def test_beginning_and_end_of_a_call_are_appended_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_feed, "TOGETHER", 60.0)

    async def run() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            for event, waits in (
                (call_began("a@1"), False),
                (CallReported("a@1", at(1), CallerSaid("Hello.", True)), True),
                (CallEnded("a@1", at(2), Disposition("caller_hung_up", ""), {}), False),
            ):
                watchers.tell(event)
                await spool_feed.SPOOL.run(int)  # the thread has nothing more to do
                assert kept._feed.behind is waits

    asyncio.run(run())


def test_a_call_goes_on_though_the_disk_does_not_answer(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_feed, "PATIENCE", 0.01)

    async def run() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            watchers.tell(call_began("a@1"))
            await within(kept.appended())
            assert kept._feed.behind
            monkeypatch.setattr(spool_feed, "PATIENCE", HANG)
            watchers.tell(call_began("b@2"))
            disk.set()
            await kept.appended()
            assert not kept._feed.behind

    asyncio.run(run())


def test_a_recording_begins_when_the_disk_has_its_row(tmp_path: Path, disk: threading.Event) -> None:
    async def run() -> None:
        watchers, channel, other = Watchers[Event](), Mock(), Mock()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            artifacts = Artifacts(kept.keep)
            watchers.tell(call_began("a@1"))
            waits = CallRecording(str(tmp_path / "x.wav"), call="a@1", artifacts=artifacts)
            over = CallRecording(str(tmp_path / "y.wav"), call="b@2", artifacts=artifacts)
            for recording, sound in ((waits, channel), (over, other)):
                recording.attach(sound)
                recording.begin()
                sound.record.assert_not_called()
            assert over.as_dict()["recording"]["problem"] == NO_ROW
            over.end()
            disk.set()
            await until(lambda: waits.began)
            channel.record.assert_called_once()
            await within(kept.written())
            other.record.assert_not_called()
            waits.end()

    asyncio.run(run())


def test_a_row_that_is_kept_when_the_channel_has_closed_begins_no_recording() -> None:
    """A call that has ended waits for transfers and for goodbyes before its record is written."""
    row, states = Future[str](), list[str]()

    def keep(entry: Entry) -> Future[str]:
        states.append(entry["artifact"]["state"])
        return row

    async def run() -> None:
        channel, recording = Mock(), CallRecording("/x.wav", call="a@1", artifacts=Artifacts(keep))
        with recording.attached(channel):
            recording.begin()
        row.set_result("")
        await asyncio.sleep(0)  # the thread tells the loop
        channel.record.assert_not_called()
        assert recording.as_dict() == {"recording": {"file": "/x.wav", "problem": NO_ROW}}
        recording.end()
        assert states[-1] == ArtifactState.TO_DELETE

    asyncio.run(run())


def test_a_media_process_that_has_died_begins_no_recording() -> None:
    async def run() -> None:
        channel = Channel(1, lambda event: None, lambda message: True, lambda number: None)
        recording = CallRecording("/x.wav", call="a@1")
        recording.attach(channel)
        channel.died("killed")
        with pytest.raises(MediaDown):
            await channel.opened()
        recording.begin()
        assert recording.as_dict() == {"recording": {"file": "/x.wav", "problem": "the media process is not running"}}
        recording.end()

    asyncio.run(run())


def test_the_gateway_stops_though_the_disk_never_answers(tmp_path: Path, disk: threading.Event) -> None:
    async def run() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers):
            watchers.tell(call_began("a@1"))

    asyncio.run(within(run()))


def test_what_waits_for_the_disk_has_a_bound_and_a_counter(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_feed, "WAITING", 10)
    monkeypatch.setattr(spool_feed.SPOOL, "waiting", 0)

    async def run() -> None:
        watchers, before = Watchers[Event](), FULL["records"]
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            watchers.tell(call_began("first@x"))
            await until(lambda: not kept._feed._gathered)  # the thread has taken it, and waits for the disk
            for number in range(30):
                watchers.tell(call_began(f"{number}@x"))
            assert FULL["records"] == before + 20
            for _ in range(2):
                await asyncio.sleep(spool_feed.TOGETHER)  # nor does what is handed over again pile up
            assert spool_feed.SPOOL.queued == 0
            assert kept.keep({"call": "x"}).result().startswith("too much work"), "so nothing is recorded"
            disk.set()
            await within(kept.written())

    asyncio.run(run())


def test_a_recording_begins_at_once_though_the_disk_takes_long_for_an_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, answers, fsync = threading.Event(), threading.Event(), os.fsync

    def slow(file: int) -> None:
        synced.set()
        answers.wait(HANG)
        fsync(file)

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr(writer, "SYNC", 0.0)

    async def run() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            watchers.tell(call_began("a@1"))
            await until(synced.is_set)
            recording = CallRecording(str(tmp_path / "x.wav"), call="a@1", artifacts=Artifacts(kept.keep))
            recording.attach(Mock())
            recording.begin()
            await until(lambda: recording.began)
            assert not answers.is_set()
            recording.end()
            answers.set()

    asyncio.run(run())


PRIVATE = "my code is 4711"


def said(call: str) -> Event:
    return CallReported(call, at(3), CallerSaid(PRIVATE, True))


def test_words_whose_policy_found_no_room_are_not_kept(
    tmp_path: Path, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent of a call is in its first event and in each handover; other agents may keep every word."""
    monkeypatch.setattr(spool_feed, "WAITING", 4)
    handed_over = CallReported("goes on", at(2), HandedOver("careful", "agent", ""))
    ended = CallEnded("ended", at(2), Disposition("caller_hung_up", ""), {})

    async def run() -> None:
        watchers = Watchers[Event]()
        async with Store(StoreOptions(str(tmp_path / "x.db"))) as store, CdrWriter(store, watchers) as kept:
            for call in ("goes on", "ended", "fills", "the pool"):
                watchers.tell(call_began(call))
            for lost in (call_began("unknown"), handed_over, ended):
                watchers.tell(lost)
            disk.set()
            await within(kept.written())
            for call in ("goes on", "unknown", "fills"):
                watchers.tell(said(call))
            await within(kept.written())
            turns = {call: (await store.call(call) or {})["turns"] for call in ("goes on", "fills")}
            assert [one["caller"] for one in turns["goes on"]] == [""]
            assert [one["caller"] for one in turns["fills"]] == [PRIVATE]
            assert sorted(kept._encoder._going) == ["fills", "goes on", "the pool"]

    asyncio.run(run())
    entry = CdrEncoder(lambda _: str).entry(said("unknown"))
    assert entry is not None
    assert entry["turn"]["caller"] == ""
