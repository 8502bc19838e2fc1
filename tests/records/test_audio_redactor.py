"""What is private in the words is covered in the sound, and what the caller does not want kept is not recorded."""

import asyncio
import gzip
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from unittest.mock import Mock

import pytest

from agent.records import AgentSays, CallerSaid, Report, Spoken, Turn, TurnEnded
from media.recording.redact import TONE, Span, redact
from media.recording.wav import HEADER, header
from sipgw.config.records import PrivacyOptions, RecordingOptions
from sipgw.events import OTHER_SIDE, CallAnswered, CallReported, PartySaid, Watchers
from sipgw.records.artifacts import audio_redactor, recordings
from sipgw.records.artifacts.audio_redactor import AudioRedactor
from sipgw.records.artifacts.consent import must_know, notice_of, recording_tools, wanted
from sipgw.records.artifacts.recordings import AGREE, NOT_AGREED, CallRecording
from sipgw.sip.identity import Identity
from tests.calls.test_cloud_call import records
from tests.cloud import cloud
from tests.fakes.assemblyai import Said
from tests.fakes.elevenlabs import sound_of
from tests.fakes.openai import Reply
from tests.info_keys import send_info_digit
from tests.outbound.test_machine_detection import talk
from tests.phone import calling
from tests.waiting import until


class Noted(NamedTuple):
    """Words of somebody while notes are taken for the agent."""

    party: str
    words: str


LOUD, SILENCE = b"\x10", b"\xff" * 160


def wav(path: Path, seconds: float) -> Path:
    sound = LOUD * round(2 * 8000 * seconds)
    path.write_bytes(header(len(sound)) + sound)
    os.utime(path, (1e9, 1e9))  # its recorder has finished it
    return path


def sides(path: Path) -> tuple[bytes, bytes]:
    sound = path.read_bytes()[HEADER:]
    return sound[0::2], sound[1::2]


def test_a_tone_covers_one_side_and_nothing_else(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 4)
    command = [sys.executable, "-m", "media.recording.redact", str(path), str(Span("L", 1.0, 2.5)), "R:3-9"]
    subprocess.run(command, check=True)
    left, right = sides(path)
    assert left == LOUD * 8000 + TONE * 1500 + LOUD * 12000
    assert right == LOUD * 24000 + TONE * 1000, "what is behind the end is left out"
    assert path.read_bytes()[:HEADER] == header(2 * 32000)


def test_a_file_that_still_grows_keeps_what_comes_after(tmp_path: Path) -> None:
    path = wav(tmp_path / "x.wav", 1)
    with path.open("r+b") as growing:
        growing.seek(0, 2)
        redact(str(path), [Span("L", 0.5, 0.75)])
        growing.write(LOUD * 16000)
    left, _ = sides(path)
    assert left == LOUD * 4000 + TONE * 250 + LOUD * 10000


@pytest.mark.parametrize("span", ["", "L", "X:1-2", "L:1", "L:-1-2", "L:1e9-2", "L:1-2;rm", "L:" + "9" * 20 + "-1"])
def test_what_is_no_span_is_told(span: str) -> None:
    with pytest.raises(ValueError, match="no span"):
        Span.parse(span)


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(ValueError, match="is not a recording"):
        redact(str(path), [Span("L", 0, 1)])
    (tmp_path / "link.wav").symlink_to(wav(tmp_path / "y.wav", 1))
    with pytest.raises(OSError, match="symbolic"):
        redact(str(tmp_path / "link.wav"), [Span("L", 0, 1)])


@pytest.mark.slow
def test_a_card_that_is_said_in_a_call_is_heard_by_nobody_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words before and after it stay: AssemblyAI tells where each of them stands."""
    monkeypatch.setattr(audio_redactor, "AFTER", 3.0)
    card = "four" + " one" * 15
    words = f"Please note down my new card {card} and please send me the usual bill."
    speech = SILENCE * 50 + talk(6.0)

    async def scenario() -> tuple[dict[str, object], Path]:
        options = RecordingOptions(str(tmp_path / "calls"))
        async with cloud(tmp_path, [Said(words, 1000, 7000)], [Reply("Thank you.")], recording=options) as world:
            async with calling(world.target, lambda at: speech[at * 160 : at * 160 + 160] or SILENCE) as phone:
                while not (calls := list(world.gateway.calls.values())):
                    await asyncio.sleep(0.02)
                await phone.hears(sound_of("Thank you."))
            (record,) = await records(world.gateway)
        return record, Path(calls[0].context.call_recording.path)

    record, path = asyncio.run(scenario())
    turns = record["turns"]
    assert isinstance(turns, list)
    (said,) = (turn["caller"] for turn in turns if "card" in turn["caller"])
    assert said == words.replace(card, "[card ••1111]")
    (timeline,) = (tmp_path / "cloud.db.calls").glob("*.json.gz")
    assert b"one one" not in gzip.decompress(timeline.read_bytes())
    left, _ = sides(path)
    each = 6.0 / len(words.split())
    first, last = 1.0 + 6 * each, 1.0 + 22 * each
    covered = [at / 8000 for at in range(0, len(left) - 80, 80) if set(left[at : at + 80]) == set(TONE)]
    assert covered, "there is a tone"
    assert min(covered) == pytest.approx(first, abs=0.6) and max(covered) == pytest.approx(last, abs=0.6)
    assert len(covered) == pytest.approx(100 * (max(covered) - min(covered)), rel=0.02), "without a gap"


def heard(spans: list[list[tuple[str, float, float]]], reports: list[tuple[float, Report | Noted]]) -> None:
    """Let a redactor watch a call of these reports, by the second at which each came; `spans` gets what it covers."""
    start = datetime(2026, 1, 1, tzinfo=UTC)

    async def scenario() -> None:
        watchers = Watchers()  # type: ignore[var-annotated]
        watched = AudioRedactor(watchers, lambda _: None, lambda _: PrivacyOptions())
        watched._cover = lambda call, found: spans.append(  # type: ignore[assignment, method-assign]
            [(side, (since - start).total_seconds(), (until - start).total_seconds()) for side, since, until in found]
        )
        async with watched:
            watchers.tell(CallAnswered("call", start))
            for seconds, report in reports:
                at = start + timedelta(seconds=seconds)
                if isinstance(report, Noted):
                    watchers.tell(PartySaid("call", at, report.party, report.words, "caller"))
                else:
                    watchers.tell(CallReported("call", at, report))

    asyncio.run(scenario())


ENDED = TurnEnded(Turn())


def spoken(words: str, first: float, at: float) -> CallerSaid:
    """Words of a second each, the first at `first`, reported at `at`."""
    texts = words.split()
    placed = [Spoken(text, at - first - number, at - first - number - 1) for number, text in enumerate(texts)]
    return CallerSaid(words, True, tuple(placed))


def test_a_number_that_is_said_in_parts_is_covered_where_it_was_said() -> None:
    spans: list[list[tuple[str, float, float]]] = []
    heard(
        spans,
        [
            (11.0, spoken("it is four one one one one one one one", 1, 11.0)),
            (12.0, ENDED),
            (24.0, spoken("one one one one one one one one thanks", 13, 24.0)),
            (25.0, ENDED),
            (30.0, spoken("a good day", 26, 30.0)),
        ],
    )
    (once,) = spans
    assert len(once) == 16
    assert once[0] == ("L", 2.75, 4.25), "not the two words before"
    assert once[-1] == ("L", 19.75, 21.25), "not the word behind"


def test_without_places_of_words_the_whole_of_what_was_said_is_covered() -> None:
    card = "four" + " one" * 15
    spans: list[list[tuple[str, float, float]]] = []
    heard(spans, [(3.0, CallerSaid("hello", True)), (4.0, ENDED), (9.0, CallerSaid(f"it is {card}", True))])
    assert spans == [[("L", 3.5, 9.5)]]
    spans.clear()
    misplaced = CallerSaid("it is 4111 1111 1111 1111", True, (Spoken("it", 4.0, 3.5), Spoken("is", 3.0, 2.0)))
    heard(spans, [(9.0, misplaced)])
    assert spans == [[("L", -0.5, 9.5)]], "words that are not those of the text say nothing about it"


def test_the_agents_sentence_is_covered_to_the_end_of_the_turn() -> None:
    spans: list[list[tuple[str, float, float]]] = []
    heard(spans, [(2.0, AgentSays("I have noted 4111 1111 1111 1111.")), (3.0, AgentSays("Right?")), (6.0, ENDED)])
    assert spans == [[("R", 1.5, 6.5)]]


def test_what_is_private_in_notes_is_covered_on_the_side_of_who_said_it() -> None:
    spans: list[list[tuple[str, float, float]]] = []
    heard(
        spans,
        [
            (4.0, ENDED),
            (6.0, Noted("anna", "your number, please")),
            (9.0, Noted(OTHER_SIDE, "four one one one one one one one")),
            (12.0, Noted(OTHER_SIDE, "one one one one one one one one")),
            (15.0, Noted("anna", "4111 1111 1111 1111, is that right")),
            (17.0, Noted(OTHER_SIDE, "yes")),
        ],
    )
    assert spans == [[("L", 3.5, 9.5), ("L", 8.5, 12.5)], [("R", 5.5, 15.5)]]


# Consent


def identity(number: str) -> Identity:
    return Identity(number=number, withheld=not number, dialled="+14155550100")


@pytest.mark.parametrize(
    ("number", "must"),
    [
        ("+14155552671", True),  # California
        ("+12125552671", False),  # New York
        ("+493012345678", True),
        ("+911123456789", True),
        ("+6421234567", False),  # New Zealand
        ("100", True),
        ("", True),
    ],
)
def test_the_law_of_the_other_side_decides(number: str, must: bool) -> None:
    assert must_know(number) is must
    options = RecordingOptions("x", consent="country")
    assert wanted(options, identity(number)) == ("announce" if must else "off")


def test_a_call_out_goes_by_who_is_called() -> None:
    assert wanted(RecordingOptions("x", consent="country"), identity("+12125552671"), outbound=True) == "announce"


def test_who_does_not_record_asks_as_well_for_captures_keep_sound_too() -> None:
    assert wanted(RecordingOptions(consent="announce"), identity("+493012345678")) == "announce"
    assert wanted(RecordingOptions(), identity("+493012345678")) == "off"


def test_what_is_said_first() -> None:
    options = RecordingOptions("x")
    assert notice_of(options, "announce", "Hello.", "en") == "This call is recorded. Hello."
    assert notice_of(options, "key", "", "en") == "If this call may be recorded, please press 1."
    assert notice_of(options, "announce", "", "de") == "Dieses Gespräch wird aufgezeichnet."
    assert notice_of(replace(options, announcement="Mind it."), "announce", "", "de") == "Mind it."
    assert notice_of(options, "off", "Hello.", "en") == "Hello."


@pytest.mark.parametrize("agrees", [True, False])
def test_nothing_is_recorded_before_the_caller_has_agreed(tmp_path: Path, agrees: bool) -> None:
    async def scenario():
        options = RecordingOptions(str(tmp_path / "calls"), consent="key")
        async with cloud(tmp_path, [], [], recording=options) as world:
            async with calling(world.target, lambda _: LOUD * 160) as phone:
                await until(lambda: len(phone.received) > 25)
                assert list((tmp_path / "calls").glob("*.wav")) == []
                assert phone.leg
                send_info_digit(phone.leg, "1" if agrees else "2")
                await until(lambda: not agrees or list((tmp_path / "calls").iterdir()))
            (record,) = await records(world.gateway)
            return record, world.tts.texts

    record, texts = asyncio.run(scenario())
    assert texts[0] == "If this call may be recorded, please press 1."
    files = list((tmp_path / "calls").glob("*.wav"))
    told = [(one["consent"], one["file"]) for one in [record["media"].get("recording")] if one]
    assert (len(files), told) == (agrees, [("key", str(one)) for one in files])


def test_keys_and_what_the_agent_pauses_for_are_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "KEYS_PAUSE", 0.01)

    async def scenario() -> list[str]:
        channel, recording = Mock(), CallRecording(str(tmp_path / "x.wav"))
        pause, resume = recording_tools(recording)
        recording.attach(channel)
        recording.begin()
        await until(lambda: recording.began)
        recording.pressed("4")
        recording.pressed("1")
        await asyncio.sleep(0.05)
        await pause.function()
        recording.pressed("1")
        await asyncio.sleep(0.05)
        await resume.function()
        return [call[0] for call in channel.method_calls]

    told = asyncio.run(scenario())
    again = "resume_recording"
    assert told == [again, "record", "pause_recording", again, "pause_recording", again]


@pytest.mark.slow
@pytest.mark.faults("C2")
@pytest.mark.parametrize("agrees", [False, True])
def test_without_consent_the_packets_of_a_call_are_kept_without_their_sound_and_its_page_says_so(
    tmp_path: Path, agrees: bool
) -> None:
    options = RecordingOptions("", consent="key")

    async def scenario() -> tuple[bytes, dict[str, object]]:
        async with cloud(tmp_path, [], [], recording=options) as world:
            async with calling(world.target, lambda at: LOUD * 160) as phone:
                await until(lambda: len(phone.received) > 50)
                assert phone.leg
                send_info_digit(phone.leg, AGREE if agrees else "2")
                pressed = len(phone.received)
                await until(lambda: len(phone.received) > pressed + 50)
                (call,) = (live.info.key for live in world.gateway.calls.values())
            (record,) = await records(world.gateway)
            return b"".join([piece async for piece in world.gateway.evidence.pcap(call)]), record

    packets, record = asyncio.run(scenario())
    media = record["media"]
    assert isinstance(media, dict)
    assert b"INVITE sip:" in packets
    assert (LOUD * 160 in packets) is agrees
    assert media.get("sound") == (None if agrees else {"withheld": NOT_AGREED})


@pytest.mark.slow
@pytest.mark.faults("C2")
def test_of_a_call_in_which_something_private_was_said_packets_are_given_out_without_their_sound(
    tmp_path: Path,
) -> None:
    words = "Please note down my new card four" + " one" * 15

    async def scenario() -> bytes:
        async with cloud(tmp_path, [Said(words, 200, 1200)], [Reply("Thank you.")]) as world:
            timelines = world.gateway.evidence.timelines
            async with calling(world.target, lambda at: LOUD * 160):
                while not (calls := list(world.gateway.calls.values())):
                    await asyncio.sleep(0.05)
                call = calls[0].info.key
                while not any(one["kind"] == "private" for one in (await timelines.of(call) or {}).get("events", ())):
                    await asyncio.sleep(0.05)
            return b"".join([piece async for piece in world.gateway.evidence.pcap(call)])

    packets = asyncio.run(scenario())
    assert b"INVITE sip:" in packets
    assert LOUD * 160 not in packets


@pytest.mark.faults("C2")
def test_without_a_recording_captures_pause_for_keys_and_for_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "KEYS_PAUSE", 0.01)

    async def scenario() -> None:
        recording = CallRecording()
        recording.pressed("1")
        assert recording.keeps, "nothing is kept of a call that was not answered"
        recording.attach(Mock())
        recording.begin()
        recording.pressed("1")
        assert not recording.keeps
        await asyncio.sleep(0.05)
        assert recording.keeps
        pause, resume = recording_tools(recording)
        await pause.function()
        assert not recording.keeps
        await resume.function()
        assert recording.keeps

    asyncio.run(scenario())


@pytest.mark.faults("C2")
def test_who_was_never_asked_has_not_declined() -> None:
    assert CallRecording("", "key").as_dict() == {}
