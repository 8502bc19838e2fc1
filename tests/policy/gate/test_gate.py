"""Every call out is judged first; whatever is in doubt is not dialled, and each decision is written down in words."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sipgw.config.gate import GateOptions, IndiaOptions
from sipgw.config.options import OptionError, build
from sipgw.config.records import StoreOptions
from sipgw.policy.gate.dnc import OwnList
from sipgw.policy.gate.gate import Gate, GateRefusal
from sipgw.policy.gate.hook import HookError
from sipgw.policy.gate.rules import Permit
from sipgw.records.store.store import Store
from tests.gate_world import ALWAYS, CALIFORNIA, TRUNKS, World, run


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_call_that_every_rule_allows_is_permitted_and_written_down(world: World) -> None:
    async def scene() -> None:
        async with world.up():
            assert await world.dial("(415) 555-0100", agent="sales", campaign="spring") == Permit(CALIFORNIA)
            (line,) = world.lines
            assert line == {
                "at": "2026-11-19T20:00:00+00:00", "number": CALIFORNIA, "permitted": True, "counts": True, "rule": "",
                "reason": "every rule lets it be called", "agent": "sales", "tenant": "", "trunk": "us",
                "purpose": "call", "campaign": "spring", "consent": None,
            }  # fmt: skip

    run(scene())


@pytest.mark.parametrize(
    ("number", "trunk", "rule", "words"),
    [
        ("12", "us", "number", "too short or too long"),
        ("hello", "us", "number", "is no telephone number"),
        ("+15555550100", "us", "number", "+15555550100 is not in use"),
        ("4155550100", "nowhere", "number", "write it with + and the country code"),
        (CALIFORNIA, "sip9", "trunk", "there is no trunk 'sip9'; name one of [[trunks]]"),
        (CALIFORNIA, "nowhere", "country", "give the trunk a 'country', or set [gate] countries"),
        ("+12045550100", "us", "country", "+12045550100 is in CA, and only US may be dialled; to allow it add 'CA'"),
        ("+447400123456", "us", "country", "is in GB, and only US may be dialled"),
        ("+19005551234", "us", "premium", "+19005551234 is a premium rate number: never dialled"),
        ("+447012345678", "us", "premium", "is a personal number: never dialled"),
        ("+870773111632", "us", "premium", "is a satellite or international service number: never dialled"),
        ("+881612345678", "us", "premium", "satellite"),
        ("911", "us", "emergency", "reaches the emergency number 911"),
        ("1001", "pbx", "number", "extensions of a PBX stand in [gate] extensions"),
        ("4155550100", "pbx", "number", "write it with + and the country code"),
    ],
)
def test_what_must_not_be_dialled(world: World, number: str, trunk: str, rule: str, words: str) -> None:
    async def scene() -> None:
        async with world.up():
            found, reason = await world.refused(number, trunk)
            assert found == rule
            assert words in reason

    run(scene())


def test_countries_prefixes_and_what_is_never_dialled(world: World) -> None:
    async def scene() -> None:
        options = {"countries": ("US", "GB"), "prefixes": ("+1204",), "never": ("+44740",), "windows": ALWAYS}
        async with world.up(**options):
            assert await world.dial("+442079460000") == Permit("+442079460000")
            assert await world.dial("+12045550100") == Permit("+12045550100")
            assert (await world.refused("+16045550100"))[0] == "country"
            assert await world.refused("+447400123456") == (
                "never", "+447400123456 begins with +44740, which [gate] never forbids",
            )  # fmt: skip
            assert (await world.refused("+449011234567"))[0] == "premium"

    run(scene())


def test_the_extensions_of_a_pbx_are_not_people_at_home(world: World) -> None:
    async def scene() -> None:
        async with world.up(extensions=("1???",), countries=("US",), per_number_per_day=1):
            for _ in range(3):
                assert await world.dial("1001", "pbx") == Permit("1001")
            assert (await world.refused("1001", "us"))[0] == "number"
            assert (await world.refused("10011", "pbx"))[0] == "number"
            assert await world.dial(CALIFORNIA, "pbx") == Permit(CALIFORNIA)

    run(scene())


def test_whoever_asked_not_to_be_called_is_not_called_from_that_moment_on(world: World) -> None:
    async def scene() -> None:
        async with world.up():
            assert await world.dial() == Permit(CALIFORNIA)
            assert await world.own.add(CALIFORNIA, "caller", "call-7")
            assert not await world.own.add(CALIFORNIA, "cli")
            rule, reason = await world.refused()
            assert rule == "do_not_call"
            assert f"{CALIFORNIA} is on our own do-not-call list since " in reason
            assert "they asked for it in a call; sipgw dnc remove takes it off" in reason
            assert await world.own.remove(CALIFORNIA)
            assert await world.dial() == Permit(CALIFORNIA)

    run(scene())


def test_files_of_numbers_hold_and_are_read_again_when_they_change(world: World) -> None:
    path = world.folder / "registry.csv"
    path.write_text("number\n415-555-0100\nrubbish\n")

    async def scene() -> None:
        async with world.up(dnc_files=(str(path),), dnc_country="US"):
            found = await world.refused()
            assert found == ("do_not_call_file", f"{CALIFORNIA} is on the do-not-call list {path}")
            path.write_text("number\n212-555-0100\n")
            assert await world.dial() == Permit(CALIFORNIA)
            path.unlink()
            rule, reason = await world.refused()
            assert rule == "do_not_call_file"
            assert f"{path} cannot be used (No such file or directory), and without it nobody is called" in reason

    run(scene())


def test_nobody_is_called_outside_the_hours_of_the_place_the_number_is_from(world: World) -> None:
    async def scene() -> None:
        async with world.up():
            world.now = datetime(2026, 11, 19, 15, 0, tzinfo=UTC)
            assert await world.dial("+12125550100") == Permit("+12125550100")
            found = await world.dial()
            assert found == GateRefusal(
                "window",
                f"{CALIFORNIA}: it is 07:00 on Thursday in America/Los_Angeles; people there may be called "
                "09:00-20:00 on mon, tue, wed, thu, fri, sat ([[gate.windows]])",
                datetime(2026, 11, 19, 17, 0, tzinfo=UTC),
            )
            assert world.lines[-1]["again"] == "2026-11-19T17:00:00+00:00"

    run(scene())


def test_a_mobile_number_that_may_be_anywhere_in_a_country_has_to_be_awake_in_all_of_it(world: World) -> None:
    async def scene() -> None:
        async with world.up(countries=("AU", "US")):
            world.now = datetime(2026, 11, 19, 0, 30, tzinfo=UTC)  # 11:30 in Sydney, 07:00 on the Cocos Islands
            rule, reason = await world.refused("+61412345678")
            assert rule == "window"
            assert "+61412345678, which may be in 8 time zones: it is " in reason
            world.now = datetime(2026, 11, 19, 5, 0, tzinfo=UTC)
            assert await world.dial("+61412345678") == Permit("+61412345678")
            rule, reason = await world.refused("+18005551234")  # all of North America
            assert "time zones" in reason

    run(scene())


def test_a_number_without_a_known_time_zone_is_not_called(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from phonenumbers import timezone

    async def scene() -> None:
        async with world.up(windows=ALWAYS):
            for zones in (("Etc/Unknown",), ("Mars/Olympus_Mons",), ("America/Los_Angeles", "Mars/Olympus_Mons"), ()):
                monkeypatch.setattr(timezone, "time_zones_for_number", lambda _, zones=zones: zones)
                assert await world.refused() == (
                    "window", f"the local time of {CALIFORNIA} is not known, so it is not called",
                )  # fmt: skip

    run(scene())


def test_a_dial_on_another_trunk_is_judged_again_and_counted_once(world: World) -> None:
    async def scene() -> None:
        async with world.up(per_number_per_day=1):
            assert await world.dial(trunk="us") == Permit(CALIFORNIA)
            assert (await world.refused(trunk="in", counted=frozenset({CALIFORNIA})))[0] == "country"
            for _ in range(2):
                assert await world.dial(trunk="us", counted=frozenset({CALIFORNIA})) == Permit(CALIFORNIA)
            assert (await world.refused(trunk="us"))[0] == "cap_number"
            assert [line["counts"] for line in world.lines] == [True, False, False, False, False]

    run(scene())


@pytest.mark.slow
def test_consent_is_needed_for_promotion_or_for_every_call_of_an_agent(world: World) -> None:
    async def scene() -> None:
        async with world.up(consent="promotional", consent_campaigns=("survey-*",)):
            assert await world.dial() == Permit(CALIFORNIA)
            assert await world.refused(purpose="campaign") == (
                "consent",
                (
                    f"the person at {CALIFORNIA} is not known to have agreed to be called, and a campaign is "
                    "promotion, which needs it ([gate] consent)"
                ),
            )
            assert "has not agreed" in (await world.refused(purpose="campaign", consent=False))[1]
            assert await world.dial(purpose="campaign", consent=True) == Permit(CALIFORNIA)
            for campaign in ("survey-2", "acme/survey-2"):
                assert f"the campaign '{campaign}' needs it" in (await world.refused(campaign=campaign))[1]
            assert "every call needs it" in (await world.refused(agent="strict"))[1]

    world.agents["strict"] = GateOptions(consent="always")
    run(scene())


def test_promotional_calls_to_india_are_registered_and_show_the_140_series(world: World) -> None:
    indian, morning = "+919876543210", datetime(2026, 11, 19, 6, 0, tzinfo=UTC)

    async def scene() -> None:
        world.now = morning
        async with world.up():
            assert (await world.refused(indian, "in"))[1] == (
                "the caller ID +911401234567 is of the 140 series, for promotion only"
            )
            assert await world.dial(indian, "mobile") == Permit(indian)
            assert await world.refused(indian, "in", purpose="campaign", consent=True) == (
                "india",
                (
                    f"{indian} is in India, where promotional calls are registered (DLT): set entity_id, header_id, "
                    "template_id in [gate.india]"
                ),
            )
        registered = IndiaOptions("1101234567890123456", "1105", "1107")
        async with world.up(india=registered):
            assert await world.dial(indian, "in", purpose="campaign", consent=True) == Permit(indian)
            assert "must show a number of the 140 series, not +919876543210" in (
                await world.refused(indian, "mobile", purpose="campaign", consent=True)
            )[1]  # fmt: skip
            assert "must show a number of the 140 series, not +919811111111" in (
                await world.refused(indian, "in", purpose="campaign", consent=True, caller_id="098111 11111")
            )[1]  # fmt: skip
            world.now = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)  # 9:30
            assert (await world.refused(indian, "mobile"))[0] == "window"

    run(scene())


HOOKS = {
    "def may_call(dial): return dial.number != '+14155550101'": "it said no",
    "async def may_call(dial): return 'a customer\\nof  ours'": "a customer of ours",
    "def may_call(dial):\n if dial.number == '+14155550101': raise KeyError(1)\n return True": "failed (KeyError)",
    "import sys\ndef may_call(dial): return dial.number == '+14155550100' or sys.exit()": "failed (SystemExit)",
    "import asyncio\nasync def may_call(dial): await asyncio.sleep(9)": "gave no answer within 0.05 s",
    "def may_call(dial): return dial.number == '+14155550100' or None": "it said no",
}


@pytest.mark.parametrize("source", HOOKS)
def test_a_hook_has_the_last_word_and_silence_is_a_no(
    world: World, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in source:  # only this one is to come too late
        monkeypatch.setattr("sipgw.policy.gate.gate.HOOK_LIMIT", 0.05)
    path = world.folder / "hook.py"
    path.write_text(source)

    async def scene() -> None:
        async with world.up(hook=str(path)):
            rule, reason = await world.refused("+14155550101")
            assert rule == "hook"
            assert HOOKS[source] in reason

    run(scene())


def test_a_hook_that_agrees(world: World) -> None:
    path = world.folder / "hook.py"
    path.write_text("def may_call(dial): return dial.number == '+14155550100' and dial.agent == 'sales'")

    async def scene() -> None:
        async with world.up(hook=str(path)):
            assert await world.dial("4155550100", agent="sales") == Permit(CALIFORNIA)

    run(scene())


def test_what_an_agent_is_given_later_holds_from_then_on(world: World) -> None:
    """A reload changes agents; a list or hook that cannot be had then lets nobody be called."""

    async def scene() -> None:
        async with world.up():
            world.agents["sales"] = GateOptions(dnc_files=(str(world.folder / "later.csv"),))
            assert (await world.refused(agent="sales"))[0] == "do_not_call_file"
            (world.folder / "later.csv").write_text("+12125550100\n")
            assert isinstance(await world.dial(agent="sales"), Permit)
            world.agents["sales"] = GateOptions(hook=str(world.folder / "none.py"))
            assert (await world.refused(agent="sales"))[0] == "failed"

    run(scene())


def test_a_hook_that_cannot_be_used_is_told_at_the_start(world: World) -> None:
    path = world.folder / "hook.py"
    wrong = {"may_call = 1": "no function may_call", "1/0": "ZeroDivisionError", "exit(2)": "SystemExit"}
    for text, problem in wrong.items():
        path.write_text(text)
        with pytest.raises(HookError, match=problem):
            Gate(lambda: {"": GateOptions(hook=str(path))}, TRUNKS.get, OwnList(Store(StoreOptions())), world.folder)


def test_a_transfer_to_our_own_people_asks_only_whether_the_number_may_be_dialled(world: World) -> None:
    async def scene() -> None:
        world.people = ("4155550100", "+19005551234")
        async with world.up(per_number_per_day=1):
            world.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday night
            for _ in range(3):
                assert await world.dial(purpose="transfer") == Permit(CALIFORNIA)
            assert (await world.refused("+19005551234", purpose="transfer"))[0] == "premium"

    run(scene())


@pytest.mark.faults("C6")
def test_whoever_is_not_of_ours_is_judged_as_a_call_out_whatever_the_purpose_says(world: World) -> None:
    """A 302 during a transfer may name anybody; so may whoever asks the gate with that purpose."""

    async def scene() -> None:
        world.people = ("+12125550100",)
        async with world.up(per_number_per_day=1, consent="promotional", promotional=("transfer",)):
            transfer: dict[str, Any] = {"purpose": "transfer", "consent": True}
            assert (await world.refused(**transfer))[0] == "consent", "that was of the person whom we know"
        async with world.up(per_number_per_day=1):
            await world.own.add("+14155550111", "caller")
            assert (await world.refused("+14155550111", **transfer))[0] == "do_not_call"
            assert await world.dial(**transfer) == Permit(CALIFORNIA)
            assert world.lines[-1]["counts"]
            assert (await world.refused(**transfer))[0] == "cap_number"
            world.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday night
            assert (await world.refused(**transfer))[0] == "window"
            assert await world.dial("+12125550100", **transfer) == Permit("+12125550100")
            assert not world.lines[-1]["counts"]

    run(scene())


def test_no_call_when_the_database_is_gone(world: World) -> None:
    async def scene() -> None:
        async with world.up():
            (world.folder / "test.db").unlink()
            broken = Store(StoreOptions(str(world.folder / "nowhere" / "test.db")))
            world.gate.own = OwnList(broken)
            rule, reason = await world.refused()
            assert rule == "failed"
            assert "so nobody is called" in reason

    run(scene())


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"countries": ["United States"]}, "two letters"),
        ({"countries": ["us"]}, "capitals"),
        ({"prefixes": ["4420"]}, r"must be \+ and digits"),
        ({"extensions": ["*"]}, "up to 8 digits"),
        ({"per_day": 0}, "at least 1"),
        ({"stop_key": "#"}, "not one of"),
        ({"holidays": ["Easter"]}, "written like"),
        ({"windows": [{"hours": "9-5"}]}, "written like"),
        ({"promotional": ["spam"]}, "not one of"),
    ],
)
def test_options_that_cannot_be_used(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        build(GateOptions, table, {})
