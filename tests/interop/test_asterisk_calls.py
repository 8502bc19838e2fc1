"""Asterisk by our guide, and what its users do with a call: hold, queue, page, conference, voicemail, other codecs."""

import asyncio
import wave
from typing import Any

import pytest

from media.g711 import FRAME, RATE, level, to_linear
from sipgw.calls.conference import Mode
from sipgw.calls.session import CallSession
from tests.fakes.elevenlabs import sound_of
from tests.info_keys import send_info_digit
from tests.interop.company import alone, holds, keys_of, leg_of, scenario
from tests.interop.desks import LOOK, LOUDNESS, hums, picks_up, refuses, rings, until
from tests.interop.office import VOICEMAIL, Office, office
from tests.waiting import HANG

pytestmark = pytest.mark.programs("asterisk")
PLACE = office

NAMES = {
    "01": "Ann O'Neil", "02": "Ann", "03": "Jürgen Müller", "05": "Smith, John", "09": "📞 Reception", "11": "",
    "12": "+1 (415) 555-0100", "15": "Ann",
}  # fmt: skip
"""What is kept of the names in ``pbx/extensions.conf``, or its beginning; all others must only do no harm."""
SPELLINGS = (
    "Ann O'Neil",
    '"Ann"',
    "Ann, Sales",
    '"Ann \\"Annie\\" Lee"',
    "J\u00fcrgen",
    '"J\udcfcrgen"',
    '"<b>"',
    '""',
)
"""Display names as phones write them; some are not allowed, one is Latin-1."""


@scenario
async def test_a_phone_calls_the_agent_and_presses_keys(company: Office) -> None:
    session, call = await company.met("243", "700")
    pressed = keys_of(session)
    call.sound.press("4711#")
    await until(lambda: "".join(pressed) == "4711#")
    send_info_digit(call.leg, "8")
    await until(lambda: "".join(pressed) == "4711#8")
    record = await company.hung_up(session, call)
    assert (record["caller"], record["trunk"]) == ("243", "asterisk")


@scenario
async def test_a_phone_holds_the_agent_takes_its_second_line_and_resumes(company: Office) -> None:
    """`moh_passthrough` makes a hold of it: the agent is silent, and asks no music whether somebody is there."""
    session, call = await company.met("202", "700")
    await holds(session, call)
    await sends_nothing(session)
    second = await company.desks.call("202", "203")
    await second.sound.hums("203")
    second.leg.hangup()
    await call.offer("sendrecv")
    await until(lambda: b"a=sendrecv" in leg_of(session).local)
    await company.talk(session, call, "Back from hold.")
    record = await company.hung_up(session, call)
    assert record["answered"]


async def sends_nothing(session: CallSession) -> None:
    """Wait until the gateway sends no sound in a call."""
    before = -1
    async with asyncio.timeout(HANG):
        while (sent := (await session.media_stats())["sent"]) != before:
            before = sent
            await asyncio.sleep(LOOK)


@scenario
async def test_the_agent_is_a_member_of_a_queue_and_takes_two_calls(company: Office) -> None:
    first, one = await company.met("232", "600")
    second, other = await company.met("233", "600")
    await company.talk(first, one, "You are first.")
    assert not one.sound.has("You are second.")
    await company.says(second, "You are second.", other)
    await company.hung_up(first, one)
    await company.hung_up(second, other)


@scenario
@alone
async def test_a_phone_of_the_group_is_faster(company: Office) -> None:
    """The CANCEL says that the call was completed elsewhere: nobody was missed."""
    record = await company.faster("230", "610", "251")
    assert (record["ending"], record["answered"]) == ("answered_elsewhere", None), record


@scenario
async def test_the_agent_is_paged(company: Office) -> None:
    """In a conference in which it is not heard."""
    pager = await company.desks.call("234", "620")
    session = await company.session("234")
    await company.hears(session, "234")
    await until(lambda: company.desks.calls["250"])
    other = company.desks.calls["250"][-1]
    await other.sound.hums("234")
    session.call_control.say("Does anybody hear me?")
    await until(lambda: "Does anybody hear me?" in " ".join(company.world.tts.texts))
    before = len(other.sound.heard)
    await until(lambda: len(other.sound.heard) > before + 3 * RATE)
    for phone in (other, pager):
        heard = bytes(phone.sound.heard)
        assert not any(level(heard[at : at + RATE // 10]) > 20 * LOUDNESS for at in range(0, len(heard), RATE // 10))
    pager.leg.hangup()
    assert (await company.record("234"))["ending"] == "caller_hung_up"


@scenario
async def test_the_agent_joins_a_conference(company: Office) -> None:
    first, second = [await company.desks.call(number, "800") for number in ("248", "249")]
    placed = company.originate("800")
    session = await company.session("800")
    await company.hears(session, "248", "249")
    await first.sound.hums("249")
    await until(lambda: not (first.sound.loud or second.sound.loud))
    await company.says(session, "Am I heard by all of you?", first, second, heard=lambda sound: sound.loud)
    placed.stop()
    await placed.ended()
    await second.sound.hums("248")


@scenario
async def test_a_supervisor_on_a_phone_hears_both_and_is_heard_in_a_conference_only(company: Office) -> None:
    session, call = await company.met("240", "700")
    assert await session.join("sales", Mode.LISTEN), session.conference.outcome
    (supervisor,) = company.desks.calls["210"]
    await supervisor.sound.hums("240")
    await until(lambda: not (call.sound.loud or supervisor.sound.loud))
    await company.says(session, "Who listens to this?", call, supervisor, heard=lambda sound: sound.loud)
    for mode in (Mode.LISTEN, Mode.WHISPER):
        session.change_mode(mode)
        await until(lambda: not call.sound.loud)  # beside the agent's voice no tone is a large part
        before = sum(call.sound.sources.values())
        await until(lambda: sum(call.sound.sources.values()) > before + 50)  # noqa: B023
        assert not hums(bytes(call.sound.heard[-RATE // 2 :]), "210"), mode
    session.change_mode(Mode.CONFERENCE)
    await call.sound.hums("210")
    session.give_back()
    assert (await supervisor.over()).how == "BYE"
    await company.talk(session, call, "Only you and me.")
    await company.hung_up(session, call)


@scenario
async def test_the_agent_leaves_a_message_in_the_voicemail(company: Office) -> None:
    company.desks.takes["247"] = rings
    placed = company.originate("629")
    assert (await placed.ended()).kind == "message_left"
    box = company.pbx.folder / "voicemail" / "default" / "247" / "INBOX"
    await until(lambda: (box / "msg0000.txt").exists())
    with wave.open(str(box / "msg0000.wav")) as file:
        kept = file.readframes(file.getnframes())
    said = to_linear(sound_of(VOICEMAIL))
    frames = [said[at : at + 2 * FRAME] for at in range(0, len(said), 2 * FRAME)]
    found = [at for frame in frames if (at := kept.find(frame)) >= 0]
    assert len(found) > 0.9 * len(frames), "nearly all of it is in the box"
    seconds = (found[-1] - found[0]) / 2 / RATE
    wanted = len(said) / 2 / RATE
    assert wanted * 0.9 < seconds < wanted * 1.1, f"{seconds:.2f} s of {wanted:.2f} s"


@scenario
async def test_a_caller_who_shows_no_number(company: Office) -> None:
    call = await company.desks.call("206", "615")
    session = await company.session("withheld")
    assert session.info.identity.withheld
    await company.talk(session, call, "Hello stranger.")
    await company.hung_up(session, call)


@scenario
async def test_a_colleague_forwards_a_caller_to_the_agent(company: Office) -> None:
    """The PBX follows the phone's 302, and tells who forwarded (Diversion)."""
    company.desks.takes["208"] = refuses(302, ("Contact", f"<{company.desks.uri('700')}>"))
    session, call = await company.met("207", "208")
    assert session.info.identity.diverted == ("208",)
    await company.hung_up(session, call)


@scenario
async def test_the_pbx_goes_on_with_the_caller_when_the_agent_hangs_up(company: Office) -> None:
    session, call = await company.met("209", "616")
    session.call_control.end("done")
    await call.sound.hums("209")  # its own echo
    assert (await company.record(session.info.id))["ending"] == "ended_here"
    assert call.ended is None


@scenario
async def test_names_of_callers_in_every_spelling(company: Office) -> None:
    """By the PBX, whose owner has typed them somewhere."""
    numbers = [f"{at:02}" for at in range(1, 16)]
    for number in numbers:
        await company.visit("246", f"69{number}")
    rows = await several(company, "246", len(numbers))
    assert {row["ending"] for row in rows} == {"caller_hung_up"}
    found = [(row["identity"] or {}).get("name", "") for row in rows]
    for name in NAMES.values():
        assert any(one.startswith(name) for one in found), (name, found)


@scenario
async def test_names_of_callers_as_phones_write_them(company: Office) -> None:
    for name in SPELLINGS:
        await company.visit("231", "700", name)
    rows = await several(company, "231", len(SPELLINGS))
    assert {row["ending"] for row in rows} == {"caller_hung_up"}


async def several(company: Office, caller: str, count: int) -> list[dict[str, Any]]:
    """The records of all calls of a phone."""
    while True:
        rows = [one for one in await company.world.gateway.store.calls() if one["caller"] == caller and one["ended"]]
        if len(rows) == count:
            return rows
        await asyncio.sleep(0.1)


@scenario
async def test_who_does_not_take_a_call_of_the_agent(company: Office) -> None:
    """Busy, do not disturb, nobody there, nobody of that number; at a phone and at the PBX itself."""
    company.desks.takes |= {"256": refuses(486), "257": refuses(603), "258": rings}
    wanted = {
        "256": "busy", "257": "declined", "258": "no_answer", "628": "no_answer", "651": "busy", "650": "busy",
        "652": "failed", "653": "declined", "666": "wrong_number",
    }  # fmt: skip
    placed = {number: company.originate(number) for number in wanted}
    assert {number: (await call.ended()).kind for number, call in placed.items()} == wanted


@scenario
async def test_a_phone_that_forwards_its_calls(company: Office) -> None:
    """The PBX follows the 302 itself."""
    company.desks.takes["252"] = refuses(302, ("Contact", f"<{company.desks.uri('253')}>"))
    placed = company.originate("252")
    session = await company.session("252")
    await company.hears(session, "253")
    placed.stop()


@scenario
async def test_the_pbx_sends_a_call_of_the_agent_elsewhere(company: Office) -> None:
    """Its 302 reaches the gateway, which follows it within the trunk."""
    company.desks.takes["255"] = picks_up
    placed = company.originate("654")
    session = await company.session("654")
    await company.hears(session, "255")
    placed.stop()


@scenario
async def test_the_pbx_finds_the_agent_reachable(company: Office) -> None:
    """It asks by OPTIONS, `qualify_frequency`."""
    await until(lambda: "Avail" in company.pbx.rx("pjsip show contacts"))
    contacts = company.pbx.rx("pjsip show contacts")
    assert "agent/sip:agent@" in contacts
