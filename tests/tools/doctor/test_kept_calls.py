"""What the doctor finds in the records of a trunk's latest calls."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.alarms import AlarmOptions
from sipgw.config.records import StoreOptions
from sipgw.records.store.schema import revisions
from sipgw.records.store.store import Store
from sipgw.records.store.tables import CallRecord
from sipgw.tools.doctor import kept_calls
from sipgw.tools.doctor.finding import Finding

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = {"sent": 1000, "received": 1000, "foreign": 0, "mos": 4.3}
AT = BEGAN.timestamp()
SOURCE = {"host": "10.0.0.9", "port": 4002, "reason": "foreign", "packets": 267, "first": AT + 1, "last": AT + 6,
          "announced": AT + 7}  # fmt: skip


def found(folder: Path, *media: dict[str, Any] | None, trunks: Sequence[str] = ("office",)) -> list[Finding]:
    options = StoreOptions(str(folder / "x.db"))

    async def scenario() -> list[Finding]:
        async with Store(options) as store, store.write() as session:
            for number, one in enumerate(media):
                began = BEGAN + timedelta(minutes=number)
                session.add(
                    CallRecord(id=f"call-{number}", direction="in", trunk="office", agent="agent", caller="", called="",
                               began=began, ended=began, ending="caller_hung_up", cause="", media=one or {})
                )  # fmt: skip
        return await kept_calls.examine(options, trunks, AlarmOptions())

    return asyncio.run(scenario())


def test_packets_of_an_address_that_came_too_early_are_told_with_the_call(tmp_path: Path) -> None:
    (one,) = found(tmp_path, GOOD, GOOD | {"foreign": 267, "refused_sources": [SOURCE]}, GOOD, None)
    assert (one.id, one.verdict, one.about) == ("calls.foreign", "warn", "office")
    assert "1 of the latest 3 calls" in one.evidence and "call-1" in one.evidence
    assert "267 packets came from 10.0.0.9:4002, the address that a re-INVITE" in one.evidence
    assert "direct_media = no" in one.fix


def test_silence_and_bad_quality_are_told_with_the_latest_call(tmp_path: Path) -> None:
    mute = GOOD | {"received": 0, "mos": 0}
    silent, bad = found(tmp_path, mute, mute, GOOD | {"mos": 2.5})
    assert (silent.id, silent.fix) == ("calls.one-way", "see the page of the call call-1")
    assert bad.id == "calls.quality" and "call-2" in bad.evidence


def test_a_call_that_went_deaf_is_told_with_what_was_refused(tmp_path: Path) -> None:
    late = SOURCE | {"reason": "unauthentic"}
    (one,) = found(tmp_path, GOOD, GOOD | {"unheard": 7.5, "unauthentic": 267, "refused_sources": [late]})
    assert one.id == "calls.one-way" and "1 of the latest 2 calls" in one.evidence
    assert "not encrypted with the agreed keys" in one.evidence and "srtp" in one.fix


@pytest.mark.parametrize("reason", ["unauthentic", "wrong_ssrc", "wrong_type"])
def test_refused_packets_beside_good_sound_are_told_with_the_latest_call(tmp_path: Path, reason: str) -> None:
    refused = GOOD | {reason: 267, "refused_sources": [SOURCE | {"reason": reason}]}
    (one,) = found(tmp_path, GOOD, refused, refused, GOOD)
    assert (one.id, one.verdict) == ("calls.refused", "warn")
    assert "in 2 of the latest 4 calls" in one.evidence and "call-2" in one.evidence and one.fix


@pytest.mark.parametrize(
    ("reason", "what"), [("rtcp_foreign", "reports (RTCP) came"), ("ice_refused", "connectivity checks (ICE)")]
)
def test_what_is_no_sound_is_told_if_refused_and_explains_no_silence(tmp_path: Path, reason: str, what: str) -> None:
    refused = {reason: 5, "refused_sources": [SOURCE | {"reason": reason, "packets": 5}]}
    silent, told = found(tmp_path, GOOD | refused, GOOD | {"received": 0, "mos": 0} | refused)
    assert (silent.id, silent.fix) == ("calls.one-way", "see the page of the call call-1")
    assert told.id == "calls.refused" and f"5 packets with {what} from 10.0.0.9:4002" in told.evidence


def test_good_calls_are_good_and_without_calls_nothing_is_said(tmp_path: Path) -> None:
    (good,) = found(tmp_path, GOOD, GOOD)
    assert (good.id, good.verdict) == ("calls.sound", "ok")
    assert found(tmp_path, trunks=("other",)) == []


def test_without_records_none_are_made(tmp_path: Path) -> None:
    options = StoreOptions(str(tmp_path / "none.db"))
    assert asyncio.run(kept_calls.examine(options, ["office"], AlarmOptions())) == []
    assert list(tmp_path.iterdir()) == []


def test_refused_packets_are_not_the_cause_of_bad_quality(tmp_path: Path) -> None:
    both = found(tmp_path, GOOD | {"mos": 2.5, "foreign": 267, "refused_sources": [SOURCE]})
    by = {one.id: one for one in both}
    assert (
        by["calls.quality"].fix == "see the page of the call call-0" and "packets" not in by["calls.quality"].evidence
    )
    assert "direct_media = no" in by["calls.foreign"].fix


@pytest.mark.parametrize("statement", ["UPDATE alembic_version SET version_num = '0001'", "DROP TABLE alembic_version"])
def test_a_database_of_an_earlier_release_is_told_and_not_changed(tmp_path: Path, statement: str) -> None:
    found(tmp_path, GOOD)
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        database.execute("DELETE FROM orders")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    (one,) = asyncio.run(kept_calls.examine(StoreOptions(str(path)), ["office"], AlarmOptions()))
    assert (one.id, one.verdict) == ("calls.old-schema", "warn")
    assert f"that of this release {revisions()[0]}" in one.evidence
    assert path.read_bytes() == before


def test_records_are_only_read(tmp_path: Path) -> None:
    found(tmp_path, GOOD)
    path = tmp_path / "x.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM orders")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    (one,) = asyncio.run(kept_calls.examine(StoreOptions(str(path)), ["office"], AlarmOptions()))
    assert one.id == "calls.sound" and path.read_bytes() == before


def test_the_sound_of_a_person_who_was_called_into_a_call_is_judged_for_their_own_trunk(tmp_path: Path) -> None:
    mute = {"trunk": "carrier", **GOOD, "received": 0, "mos": 0, "refused_sources": [SOURCE]}
    (one,) = found(tmp_path, GOOD | {"legs": [mute]}, GOOD, trunks=("office", "carrier"))[1:]
    assert (one.id, one.about) == ("calls.one-way", "carrier")
    assert "1 of the latest 1 calls" in one.evidence and "call-0" in one.evidence and "10.0.0.9:4002" in one.evidence
