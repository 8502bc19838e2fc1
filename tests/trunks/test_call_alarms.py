"""Alarms on calls of a trunk and on cost: which calls are bad, when an alarm is raised and over, where it is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from agent.records import ProviderFailed, Report, Times, Turn, TurnEnded
from media.process.channel import Quality
from sipgw.config.alarms import AlarmOptions
from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.events import (
    SHORTEST,
    UNHEARD,
    CallAnswered,
    CallEnded,
    CallMeasured,
    CallReported,
    CostAlarm,
    Disposition,
    Event,
    TrunkAlarm,
    Watchers,
)
from sipgw.gateway.gateway import Gateway
from sipgw.records.captures.timeline import Timeline
from sipgw.state_file import DISK
from sipgw.trunks.call_alarms import FOREIGN, CallAlarms, faults_of
from sipgw.trunks.kept_alarms import KeptAlarms, RaisedAlarms
from tests.cdr_events import call_began
from tests.waiting import HANG

NOW = datetime(2026, 11, 23, tzinfo=UTC)
GOOD = {"sent": 1000, "received": 1000, "foreign": 3, "mos": 4.3, "remote_lost": 2}
MUTE = GOOD | {"received": 0, "mos": 0}
OPTIONS = AlarmOptions(share=0.5, calls=8, least=4)


@pytest.mark.parametrize(
    ("media", "found"),
    [(GOOD, set()), (MUTE, {"one_way"}), (GOOD | {"remote_lost": 500}, {"one_way"}),
     (GOOD | {"remote_lost": 499}, set()), (MUTE | {"sent": SHORTEST - 1}, set()),
     (GOOD | {"unheard": UNHEARD}, {"one_way"}), (GOOD | {"unheard": UNHEARD - 0.1}, set()),
     (GOOD | {"foreign": FOREIGN}, {"foreign"}),
     (GOOD | {"foreign": FOREIGN - 1}, set()), (GOOD | {"mos": 3.49}, {"quality"}), (GOOD | {"mos": 3.5}, set()),
     (MUTE | {"foreign": 267}, {"one_way", "foreign"}), ({}, set())],
)  # fmt: skip
def test_what_is_wrong_with_the_sound_of_a_call(media: dict[str, Any], found: set[str]) -> None:
    assert faults_of(media, 3.5) == found


class Trunk:
    """The alarms of a gateway with calls on two trunks."""

    def __init__(self, options: AlarmOptions = OPTIONS, kept: KeptAlarms | None = None) -> None:
        self.told: list[Event] = []
        self.alarms = CallAlarms(options, self.told.append, kept=kept)

    def call(
        self, media: dict[str, Any], trunk: str = "office", *, answered: bool = True, ending: str = "caller_hung_up",
        reports: tuple[Report, ...] = (),
    ) -> None:  # fmt: skip
        self.alarms.watch(call_began("c")._replace(trunk=trunk))
        if answered:
            self.alarms.watch(CallAnswered("c", NOW, trunk))
        for report in reports:
            self.alarms.watch(CallReported("c", NOW, report))
        self.alarms.watch(CallEnded("c", NOW, Disposition(ending, ""), media))

    def heard(self) -> list[tuple[str, bool, int, int]]:
        found = [(one.fault, one.raised, one.bad, one.calls) for one in self.told if isinstance(one, TrunkAlarm)]
        self.told.clear()
        return found  # type: ignore[return-value]


def test_an_alarm_of_before_a_restart_is_over_after_it(tmp_path: Path) -> None:
    kept = KeptAlarms(tmp_path / "sipgw.db.alarms", {"office", "mobile"})
    before = Trunk(kept=kept)
    for media in (MUTE, MUTE, GOOD, GOOD):
        before.call(media)
    assert before.heard() == [("one_way", True, 2, 4)]
    after = Trunk(kept=kept)
    assert [(one.fault, one.bad, one.calls) for one in after.alarms.of("office") if one.raised] == [("one_way", 2, 4)]
    for _ in range(3):
        after.call(GOOD)
    assert after.heard() == [], "2 of 7"
    after.call(GOOD)
    assert after.heard() == [("one_way", False, 2, 8)]
    assert Trunk(kept=kept).alarms.of("office") == (), "nothing is raised any more"


def test_the_gateway_begins_with_the_alarms_that_were_raised(tmp_path: Path) -> None:
    KeptAlarms(tmp_path / "sipgw.db.alarms", ()).write({"office": RaisedAlarms(frozenset({"slow"}), [frozenset()])})
    trunk = '[[trunks]]\nname = "office"\nmode = "peer"\nnetworks = ["10.0.0.0/8"]'
    gateway = Gateway(parse(f'{trunk}\n[store]\npath = "{tmp_path}/sipgw.db"', "sipgw.toml", {}))
    (office,) = (one for one in gateway.watch.status() if one.name == "office")
    assert [one.fault for one in office.sound if one.raised] == ["slow"]


def test_no_alarm_is_restored_of_a_trunk_that_is_gone_nor_without_alarms(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.db.alarms"
    before = Trunk(kept=KeptAlarms(file, {"office"}))
    for _ in range(4):
        before.call(MUTE)
    assert Trunk(kept=KeptAlarms(file, {"mobile"})).alarms.of("office") == ()
    assert Trunk(AlarmOptions(share=0), KeptAlarms(file, {"office"})).alarms.of("office") == ()
    shorter = Trunk(AlarmOptions(share=0.5, calls=2, least=2), KeptAlarms(file, {"office"})).alarms.of("office")
    assert {one.calls for one in shorter} == {2}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"office": 1}', '{"office": {"faults": 1, "latest": []}}', '{"office": {"faults": []}}',
     '{"office": {"faults": [], "latest": [1]}}', "[" * 100_000, "\udcff"],
)  # fmt: skip
def test_a_spoilt_file_of_alarms_is_told_and_left_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sipgw.db.alarms"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with structlog.testing.capture_logs() as logs:
        assert KeptAlarms(file, {"office"}).read() == {}
    assert [log["event"] for log in logs] == ["call alarms not read"]


def test_an_alarm_without_calls_is_none(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.db.alarms"
    file.write_text('{"office": {"faults": ["slow"], "latest": []}, "mobile": {"faults": [], "latest": [["slow"]]}}')
    assert KeptAlarms(file, {"office", "mobile"}).read() == {}


def test_alarms_go_on_where_their_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "gone").touch()
    trunk = Trunk(kept=KeptAlarms(tmp_path / "gone" / "sipgw.db.alarms", {"office"}))
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            trunk.call(MUTE)
        DISK.submit(int).result(HANG)
    assert trunk.heard() == [("one_way", True, 4, 4)]
    assert "call alarms not kept" in [log["event"] for log in logs]


def test_a_fault_of_another_release_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "sipgw.db.alarms"
    file.write_text('{"office": {"faults": ["one_way", "sour"], "latest": [["sour"], ["one_way"]]}}')
    assert KeptAlarms(file, {"office"}).read() == {"office": (frozenset({"one_way"}), [frozenset(), {"one_way"}])}


def test_an_alarm_needs_enough_calls_and_ends_at_half_the_share() -> None:
    trunk = Trunk()
    for _ in range(3):
        trunk.call(MUTE)
    assert trunk.heard() == [], "three calls prove nothing"
    trunk.call(GOOD)
    assert trunk.heard() == [("one_way", True, 3, 4)]
    for _ in range(4):
        trunk.call(GOOD)
    assert trunk.heard() == [], "three of eight are below the share, and above half of it"
    assert trunk.alarms.of("office")[0].raised
    trunk.call(GOOD)
    assert trunk.heard() == [("one_way", False, 2, 8)]
    trunk.call(MUTE)
    trunk.call(MUTE)
    assert trunk.heard() == [], "it is raised again at the share only"
    assert not trunk.alarms.of("office")[0].raised
    assert trunk.alarms.of("office")[0].told == "2 of the latest 8 calls had sound in one direction only"


def test_each_trunk_and_each_fault_is_judged_by_itself() -> None:
    trunk = Trunk()
    for _ in range(4):
        trunk.call(GOOD | {"foreign": 267, "mos": 2.0})
        trunk.call(GOOD, "other")
    assert trunk.heard() == [("foreign", True, 4, 4), ("quality", True, 4, 4)]
    assert not any(one.bad for one in trunk.alarms.of("other"))
    assert trunk.alarms.of("unheard of") == ()


def test_calls_without_sound_do_not_count_and_alarms_can_be_off() -> None:
    trunk, off = Trunk(), Trunk(AlarmOptions(share=0))
    for _ in range(20):
        trunk.call(MUTE, answered=False)
        trunk.call({"recording": {}})
        off.call(MUTE)
    assert trunk.heard() == off.heard() == []
    assert trunk.alarms.of("office") == off.alarms.of("office") == ()


def waited(seconds: float) -> TurnEnded:
    return TurnEnded(Turn("a", "b", "b", times=Times(1.0, 1.1, 1.2, 1.3, 1.4, 1.0 + seconds)))


def test_calls_that_fail_or_are_slow_raise_alarms_by_the_same_rule() -> None:
    trunk = Trunk()
    for _ in range(2):
        trunk.call(GOOD)
        trunk.call(GOOD, reports=(ProviderFailed("llm", "OpenAI: 401"),))
    assert trunk.heard() == [("failed", True, 2, 4)], "a provider failed, though the caller hung up"
    for _ in range(4):
        trunk.call(GOOD)
    assert trunk.heard() == [("failed", False, 2, 8)]
    for _ in range(2):
        trunk.call({}, answered=False, ending="failed")
        trunk.call({}, answered=False, ending="refused")
        trunk.call({}, answered=False, ending="busy")
    assert trunk.heard() == [], "three of eight: nobody has answered a phone that was busy, and a refusal may be meant"
    trunk.call(GOOD, ending="line_lost")
    assert trunk.heard() == [("failed", True, 4, 8)]
    slow = Trunk()
    for _ in range(4):
        slow.call(GOOD, reports=(waited(3.1), waited(0.8)))
    assert slow.heard() == [], "half of the turns are not more than half"
    for _ in range(4):
        slow.call(GOOD, reports=(waited(3.1), waited(0.8), waited(3.2)))
    assert slow.heard() == [("slow", True, 4, 8)]


def test_the_cost_of_a_day_raises_one_alarm() -> None:
    told: list[Event] = []
    today = [("23", 9.99)]
    alarms = CallAlarms(AlarmOptions(cost=10), told.append, lambda: today[0], "EUR")
    measured = CallMeasured("c", NOW, Quality(4.2, 0.01, 0.003, 0.02, 0.001, 0.06))
    for day in (("23", 9.99), ("23", 10.0), ("23", 10.5), ("24", 0.2), ("24", 11.0), ("24", 9.9), ("24", 10.1)):
        today[0] = day
        alarms.watch(measured)
    assert told == [CostAlarm("c", NOW, 10.0, 10, "EUR"), CostAlarm("c", NOW, 11.0, 10, "EUR")]
    without = CallAlarms(AlarmOptions(), told.append, lambda: ("23", 1e9))
    without.watch(measured)
    assert len(told) == 2, "off by default"
    today[0] = ("25", 12.0)
    alarms.watch(measured)
    assert told[2] == CostAlarm("c", NOW, 12.0, 10, "EUR"), "calls that went on at midnight cost that much at once"


def test_an_alarm_stands_on_the_page_of_the_call_that_raised_it() -> None:
    page = Timeline(call_began("c"), 0.0)
    watchers = Watchers[Event]()
    alarms = CallAlarms(AlarmOptions(least=1), watchers.tell)
    watchers.add(alarms.watch)
    watchers.add(lambda event: page.tell(event, 1.0))
    watchers.tell(CallAnswered("c", NOW, "office"))
    watchers.tell(CallEnded("c", NOW, Disposition("caller_hung_up", ""), MUTE))
    alarm, ended = page.events[-2:]
    assert alarm["text"] == "Alarm: 1 of the latest 1 calls of the trunk office had sound in one direction only."
    assert ended["kind"] == "ended"


@pytest.mark.parametrize(
    ("text", "told"),
    [('[alarms]\nmail_to = ["owner@example.com"]', "needs a server that takes mail"),
     ('[alarms]\nmail_to = ["nobody"]', "no address of e-mail"),
     ("[alarms]\nshare = 2", "share")],
)  # fmt: skip
def test_what_cannot_be_used_is_told_at_the_start(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text, "sipgw.toml", {})


def test_the_defaults_are_an_alarm_for_a_fifth_of_the_calls() -> None:
    options = parse("", "sipgw.toml", {}).alarms
    assert (options.share, options.calls, options.least, options.mos) == (0.2, 50, 10, 3.5)
    assert (options.slow, options.cost) == (3.0, 0)


def test_the_sound_of_a_person_who_was_called_into_calls_counts_for_their_own_trunk() -> None:
    trunk = Trunk()
    for _ in range(4):
        trunk.call(GOOD | {"legs": [{"trunk": "carrier", **MUTE}, {"trunk": "", **MUTE}]})
    assert [(one.trunk, one.fault) for one in trunk.told if isinstance(one, TrunkAlarm)] == [("carrier", "one_way")]
    assert [one.bad for one in trunk.alarms.of("office")] == [0, 0, 0, 0, 0]
    assert not trunk.alarms.of("")
