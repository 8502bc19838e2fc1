"""Who is meant, who is on duty, and in which order they are tried; and what callers hear meanwhile."""

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from media.g711 import RATE, level
from sipgw.agents.agents import Agents
from sipgw.agents.default_music import tune
from sipgw.agents.music import hold_music, sounds_under
from sipgw.calls.transfer_dialer import TransferDialer
from sipgw.calls.transfer_targets import TransferTarget, TransferTargets
from sipgw.config.agent import AgentOptions
from sipgw.config.config import parse
from sipgw.config.errors import ConfigError
from sipgw.config.hours import WeeklyHours, on_duty
from sipgw.config.inbound import AdmissionOptions
from sipgw.config.people import PersonOptions
from sipgw.config.trunks import TrunkOptions
from sipgw.policy.inbound.admission import Admission
from sipgw.records.artifacts.wav import read_ulaw, write_mono
from sipgw.sip.registrar import Registrar
from sipgw.sip.uri import Uri

TRUNK = TrunkOptions("carrier", "peer", networks=("192.0.2.0/24",), refer_to="sip:{e164}@sip.carrier.example")
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


# Hours


@pytest.mark.parametrize(
    ("hours", "when", "there"),
    [
        ("mon-fri 09:00-17:30", at(9), True),
        ("mon-fri 09:00-17:30", at(8, 59), False),
        ("mon-fri 09:00-17:30", at(17, 29), True),
        ("mon-fri 09:00-17:30", at(17, 30), False),
        ("mon-fri 09:00-17:30", at(12, day=7), False),
        ("sat,sun 10:00-14:00", at(12, day=7), True),
        ("fri-mon 10:00-14:00", at(12, day=2), True),
        ("fri-mon 10:00-14:00", at(12, day=3), False),
        ("09:00-24:00", at(23, 59, day=8), True),
        ("mon 22:00-06:00", at(23), True),
        ("mon 22:00-06:00", at(5, day=3), True),
        ("mon 22:00-06:00", at(5, day=2), False),
        ("mon 22:00-06:00", at(23, day=3), False),
    ],
)
def test_hours(hours: str, when: datetime, there: bool) -> None:
    assert bool(WeeklyHours.parse(hours).began(when)) is there


@pytest.mark.parametrize(
    "hours", ["", "always", "mon", "mon-fri", "mon-fri 9-17", "mon 25:00-26:00", "mon 10:00-10:00", "moon 10:00-11:00",
              "mon 09:60-10:00", "mon-fri 09:00",
              "mon 24:00-02:00"],
)  # fmt: skip
def test_hours_that_are_none(hours: str) -> None:
    with pytest.raises(ValueError, match="hours"):
        WeeklyHours.parse(hours)


def test_no_hours_are_all_hours() -> None:
    assert on_duty((), at(3))


# People


def hunted(people: TransferTargets, to: str = "", when: datetime = MONDAY) -> list[str]:
    return [f"{one.name} {one.uri}" for one in people.hunt(to, when)]


def test_people_are_tried_in_their_order_and_the_trunks_own_last() -> None:
    last = TransferTarget(Uri("tel", "+15550199"))
    people = TransferTargets(
        (PersonOptions("billing", "+15550101"), PersonOptions("billing", "+15550102"),
         PersonOptions("anna", "sip:anna")), TRUNK, lambda: last,
    )  # fmt: skip
    both = ["billing tel:+15550101", "billing tel:+15550102"]
    assert hunted(people, "Billing ") == both
    assert hunted(people) == [*both, "anna sip:anna", " tel:+15550199"]
    assert hunted(people, "somebody the model made up") == hunted(people)
    assert people.names == {"billing": "", "anna": ""}


def test_who_is_not_on_duty_where_they_are_is_left_out() -> None:
    people = TransferTargets(
        (PersonOptions("anna", "sip:anna", hours=("mon-fri 09:00-17:00",), time_zone="Asia/Kolkata"),
         PersonOptions("bob", "sip:bob", hours=("mon-fri 09:00-17:00",), time_zone="America/New_York")), TRUNK,
    )  # fmt: skip
    assert hunted(people, when=at(4)) == ["anna sip:anna"]
    assert hunted(people, when=at(15)) == ["bob sip:bob"]
    assert hunted(people, when=at(23)) == []
    assert people.named("anna") is not None, "whatever the hour"


def test_a_summer_clock_is_followed() -> None:
    people = TransferTargets(
        (PersonOptions("anna", "sip:anna", hours=("09:00-10:00",), time_zone="Europe/Berlin"),), TRUNK
    )
    assert hunted(people, when=datetime(2026, 1, 5, 8, 30, tzinfo=UTC))
    assert hunted(people, when=datetime(2026, 7, 6, 7, 30, tzinfo=UTC))
    assert not hunted(people, when=datetime(2026, 7, 6, 8, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("mode", "to", "uri"),
    [
        ("refer", "+1 (555) 010-1234", "sip:+15550101234@sip.carrier.example"),
        ("refer", "sip:anna@desk.example", "sip:anna@desk.example"),
        ("bridge", "+1 (555) 010-1234", "tel:+15550101234"),
        ("warm", "200", "tel:200"),
    ],
)
def test_where_a_person_is(mode: str, to: str, uri: str) -> None:
    (person,) = TransferTargets((PersonOptions("anna", to, mode=mode),), TRUNK).hunt("anna", MONDAY)  # type: ignore[arg-type]
    assert str(person.uri) == uri
    assert person.bridged is (mode in ("bridge", "warm"))


def test_after_a_warm_yes_the_pbx_of_the_caller_connects_if_it_can() -> None:
    pbx = TrunkOptions("pbx", "peer", networks=("192.0.2.0/24",), attended_transfer=True)
    (warm, plain) = TransferTargets(
        (PersonOptions("a", "sip:a", mode="warm"), PersonOptions("b", "sip:b")), pbx
    ).hunt("", MONDAY)  # fmt: skip
    assert (warm.by_refer, plain.by_refer) == (True, False)


ACCOUNT = '[[accounts]]\nuser = "anna"\npassword = "${P}"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('name = "Anna"\nto = "200"', "lower case"),
        ('name = "anna"\nto = "sip anna"', "neither a number"),
        ('name = "anna"\nto = "200"\nhours = ["late"]', "must be written like"),
        ('name = "anna"\nto = "200"\ntime_zone = "Mars/Olympus"', "there is no 'Mars/Olympus'"),
        ('name = "anna"\nto = "200"\nring_timeout = "10m"', "ring_timeout"),
        ('name = "anna"\nto = "200"\ntrunk = "nowhere"', "a trunk 'nowhere' that is not there"),
        ('name = "anna"\nto = "sip:anna"\nmode = "refer"', "has a phone here"),
        ('name = "anna"\nto = "200"\nmode = "cold"', "is not one of"),
    ],
)
def test_people_who_cannot_be_are_told_at_the_start(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse(f"{ACCOUNT}[[people]]\n{text}\n", "sipgw.toml", {"P": "a long password"})


# Music


def test_the_tune_is_quiet_and_its_end_fits_its_beginning() -> None:
    found = hold_music("")
    assert 15 * RATE < len(found) < 30 * RATE
    assert all(100 < level(found[start : start + RATE]) < 4000 for start in range(0, len(found) - RATE, RATE))
    assert abs(level(found[-800:]) - level(found[:800])) < 1500


def test_the_packaged_tune_is_that_of_its_source() -> None:
    """But for a rounding of numpy's: the next step of mu-law."""
    assert max(abs(one - other) for one, other in zip(tune(), hold_music(""), strict=True)) <= 1


def test_music_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "music.wav"
    write_mono(path, bytes(range(256)) * 63)
    assert read_ulaw(path) == hold_music(str(path)) == bytes(range(256)) * 63
    write_mono(tmp_path / "short.wav", b"\xff" * 100)
    for unusable in ("short.wav", "missing.wav"):
        with pytest.raises(ValueError, match="music"):
            hold_music(str(tmp_path / unusable))


@pytest.mark.faults("C1")
def test_who_is_called_through_a_trunk_is_billed_as_the_number_that_it_means() -> None:
    carrier = TrunkOptions("carrier", "peer", networks=("10.0.0.0/8",), domain="sip.example", country="US")

    async def invite(*_: Any, **__: Any) -> tuple[None, None]:
        return None, None

    endpoint: Any = SimpleNamespace(contact_host=lambda there: "gateway", invite=invite)
    outbound: Any = SimpleNamespace(counted=lambda trunk: contextlib.nullcontext())
    side: Any = SimpleNamespace(offers=lambda *where: (), early=None)
    admission = Admission(AdmissionOptions(), (carrier,), (), b"k" * 32, lambda: "t")
    summons = TransferDialer(endpoint, outbound, Registrar(), admission)

    async def number(trunk: str) -> str:
        person = TransferTarget(Uri.parse("sip:4155550123@10.0.0.7"), "bridge", trunk=trunk)
        async with summons.call(person, "", side) as made:
            return made.number

    assert asyncio.run(number("carrier")) == "+14155550123"
    assert asyncio.run(number("")) == "4155550123"


def test_sounds_under_the_agent_are_made_as_loud_as_they_should_be(tmp_path: Path) -> None:
    assert sounds_under(AgentOptions()) == (b"", b"", 1.0)
    path = str(tmp_path / "office.wav")
    write_mono(Path(path), b"\x10\x90" * RATE)
    quiet, none, _ = sounds_under(AgentOptions(ambience=path))
    none_either, louder, after = sounds_under(
        AgentOptions(thinking_sound=path, ambience_level=-35.0, thinking_after=2.0)
    )
    assert (none, none_either, after, len(quiet)) == (b"", b"", 2.0, 2 * RATE)
    assert level(quiet) == pytest.approx(15813 * 10 ** (-45 / 20), rel=0.1)
    assert level(louder) == pytest.approx(10**0.5 * level(quiet), rel=0.1)
    write_mono(Path(path), b"\xff" * RATE)
    with pytest.raises(ValueError, match="silent"):
        sounds_under(AgentOptions(ambience=path, ambience_level=-40.0))


def test_sounds_that_cannot_be_played_are_told_at_the_start(tmp_path: Path) -> None:
    for problem, text in (
        ("agent.ambience: ", f"ambience = '{tmp_path}/none.wav'"),
        ("agent.thinking_sound: ", f"thinking_sound = '{tmp_path}/none.wav'"),
        ("dBm0", "ambience_level = -10.0"),
    ):
        with pytest.raises(ConfigError, match=problem):
            Agents(parse(f"{ACCOUNT}[agent]\n{text}\n", "sipgw.toml", {"P": "a long password"}), {})
