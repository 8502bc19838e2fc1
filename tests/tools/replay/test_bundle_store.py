# mypy: disable-error-code="arg-type, union-attr"
"""Which calls are kept, that nothing private or secret is in them, and what cannot be kept."""

import asyncio
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from agent.records import CallerSaid
from agent.ulaw import level
from agent.vad import LOUD_ENOUGH
from media.g711 import ULAW_TO_ALAW
from media.recording.tap import Tapped
from media.rtp.packet import build, parse
from sipgw.agents.agents import Agents
from sipgw.config.config import AgentConfig, GatewayConfig
from sipgw.config.config import parse as parse_config
from sipgw.config.errors import ConfigError
from sipgw.config.records import CaptureOptions, PrivacyOptions
from sipgw.events import OTHER_SIDE, CallBegan, CallEnded, CallKey, CallReported, Disposition, PartySaid
from sipgw.records.artifacts.files import file_name
from sipgw.records.bundles.bundle import Bundle, read_bundle
from sipgw.records.bundles.bundle_store import BundleStore, NoBundle
from sipgw.records.bundles.recorder import LIMIT, RECORDER
from sipgw.records.bundles.redacting import TONE, clean, covered
from sipgw.tools.replay.run import replay
from sipgw.tools.trial import EMBEDDED, trial
from tests.tools.replay.scenes import ANSWERS, DOWN, SCENES
from tests.tools.replay.scripted_gateway import VOICED, Caller, Scene, ScriptedGateway, ScriptedProviders, called
from tests.tools.replay.test_bundles import BUNDLES, bundle
from tests.virtual import run
from tests.waiting import until

NUMBER = "4111111111111111"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def contents(path: Path) -> bytes:
    with zipfile.ZipFile(path) as file:
        return b"\n".join(file.read(name) for name in file.namelist())


async def greeted(me: Caller) -> None:
    """The shortest call."""
    await asyncio.sleep(1.0)
    me.hang_up()


def holding(
    folder: Path, capture: CaptureOptions, scene: Scene, look: Callable[[ScriptedGateway, CallKey], Awaitable[None]]
) -> None:
    async def held() -> None:
        config = replace(trial(GatewayConfig(agent=EMBEDDED), folder), capture=capture)
        async with ScriptedGateway(scene.change(config), scene.scripted_providers) as gateway:
            calls: list[str] = []
            gateway.watchers.add(lambda event: calls.append(event.call) if isinstance(event, CallEnded) else None)
            assert scene.act
            await called(scene, scene.act, gateway)
            while not calls:
                await asyncio.sleep(0.01)
            began = gateway.evidence.sip.latest(calls[0])
            assert began
            await look(gateway, began.key)

    asyncio.run(held())


@pytest.mark.slow
def test_on_demand_a_call_in_memory_is_handed_out_and_can_be_played(tmp_path: Path) -> None:
    async def look(gateway: ScriptedGateway, call: CallKey) -> None:
        assert await gateway.evidence.no_bundle(call) == ""
        (tmp_path / "one.call.zip").write_bytes(await gateway.evidence.bundle(call))
        kept = read_bundle(tmp_path / "one.call.zip")
        assert (kept.about["call"], kept.about["direction"], kept.story.ending) == (call.call, "in", "caller_hung_up")
        assert kept.sip[0]["text"].startswith("INVITE ") and "BYE" in [one["start"].split()[0] for one in kept.sip]
        inbound = [packet for packet in kept.packets if not packet.out and not packet.control]
        assert len(inbound) > 30 and all(len(packet.data) == 172 for packet in inbound)
        assert all(len(packet.data) == 12 for packet in kept.packets if packet.out and not packet.control)
        assert await asyncio.to_thread(lambda: replay(kept).story.ending) == "caller_hung_up"  # noqa: TID251
        with pytest.raises(NoBundle, match="nothing of this call is in memory"):
            await gateway.evidence.bundle(call._replace(call="another"))
        assert await gateway.evidence.no_bundle(call._replace(call="another")) == "nothing of this call is in memory"

    holding(tmp_path, CaptureOptions(bundles="demand"), Scene(greeted, ScriptedProviders(ANSWERS)), look)


@pytest.mark.slow
def test_nothing_is_seen_of_calls_that_are_not_to_be_kept(tmp_path: Path) -> None:
    async def look(gateway: ScriptedGateway, call: CallKey) -> None:
        with pytest.raises(NoBundle):
            await gateway.evidence.bundle(call)

    holding(tmp_path, CaptureOptions(), Scene(greeted, ScriptedProviders(ANSWERS)), look)


@pytest.mark.slow
@pytest.mark.parametrize("fails", [True, False])
def test_only_what_failed_is_written(tmp_path: Path, fails: bool) -> None:
    async def look(gateway: ScriptedGateway, call: CallKey) -> None:
        kept = tmp_path / "kept"
        await (until(lambda: list(kept.glob("*.call.zip"))) if fails else asyncio.sleep(2.0))
        found = list(kept.glob("[!.]*"))
        assert len(found) == fails
        if fails:
            assert found[0].stat().st_mode & 0o077 == 0
            assert await gateway.evidence.bundle(call) == found[0].read_bytes()

    tts = SCENES["tts_breaks_off"]().scripted_providers.tts_sessions[0]

    def refusing():
        made = tts()
        made.refuses = DOWN
        return made

    async def waits(me: Caller) -> None:
        await asyncio.sleep(0)

    capture = CaptureOptions(bundles="failed", bundle_folder=str(tmp_path / "kept"))
    scene = (
        Scene(waits, ScriptedProviders(ANSWERS, tts_sessions=[refusing]))
        if fails
        else Scene(greeted, ScriptedProviders(ANSWERS))
    )
    holding(tmp_path, capture, scene, look)


def test_sound_that_must_not_be_kept_is_in_no_bundle(tmp_path: Path) -> None:
    async def pauses(me: Caller) -> None:
        await asyncio.sleep(0.3)
        assert me.live
        me.live.context.call_recording.pause()
        me.live.context.call_recording._channel.pause_recording()  # type: ignore[union-attr]
        await asyncio.sleep(0.5)
        me.hang_up()

    def recorded(config: GatewayConfig) -> GatewayConfig:
        return replace(config, recording=replace(config.recording, folder=str(tmp_path / "tapes")))

    async def look(gateway: ScriptedGateway, call: CallKey) -> None:
        with pytest.raises(NoBundle, match="some of its sound was not to be kept"):
            await gateway.evidence.bundle(call)

    holding(tmp_path, CaptureOptions(bundles="demand"), Scene(pauses, ScriptedProviders(ANSWERS), recorded), look)


# In memory


def seen(bundles: BundleStore, call: str, words: str, count: int) -> None:
    bundles.watch(CallBegan(call, NOW, "in", "trunk", "agent", "1", "2", {}))
    for _ in range(count):
        bundles.watch(CallReported(call, NOW, CallerSaid(words, final=True)))


def over(bundles: BundleStore, call: str, kind: str = "caller_hung_up") -> bool:
    return bundles.watch(CallEnded(call, NOW, Disposition(kind, ""), {})) is not None


def test_the_call_that_ended_first_goes_first_and_a_call_without_end_goes_alone() -> None:
    async def scenario() -> None:
        bundles = BundleStore(
            CaptureOptions(bundles="demand", megabytes=2), Agents(GatewayConfig(), {}), lambda call: None
        )
        for call in "abc":
            seen(bundles, call, "x" * 1000, 400)
            over(bundles, call)
        assert [key.call for key in bundles._ended] == ["b", "c"]
        seen(bundles, "long", "x" * 100_000, 120)
        recorder = bundles._live["long"].recorder
        assert not recorder.whole and sum(len(str(frame)) for frame in recorder.frames) <= LIMIT
        with pytest.raises(NoBundle, match="the call goes on"):
            await bundles.bundle(CallKey("long", NOW), None)
        over(bundles, "long")
        assert list(bundles._ended) == [], "it was larger than the memory for all"

    run(scenario())


def test_a_file_of_an_earlier_release_is_found_by_the_call_that_it_is_of_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        options = CaptureOptions(bundles="always", bundle_folder=str(tmp_path))
        bundles = BundleStore(options, Agents(GatewayConfig(), {}), lambda call: None)
        content = (BUNDLES / "card.call.zip").read_bytes()
        key = CallKey("a@1", datetime.fromisoformat(bundle("card").about["began"]))
        (tmp_path / f"{file_name('a@1')}.call.zip").write_bytes(content)
        assert await bundles.bundle(key, None) == content
        with pytest.raises(NoBundle):
            await bundles.bundle(key._replace(began=key.began + timedelta(hours=1)), None)

    asyncio.run(scenario())


def test_what_failed_is_told_by_its_ending_or_by_a_part_of_the_agent() -> None:
    async def scenario() -> None:
        for wanted, kind, written in [
            ("failed", "caller_hung_up", False), ("failed", "failed", True), ("failed", "transfer_failed", True),
            ("always", "caller_hung_up", True), ("demand", "failed", False),
        ]:  # fmt: skip
            options = CaptureOptions(bundles=wanted, bundle_folder="x")
            bundles = BundleStore(options, Agents(GatewayConfig(), {}), lambda call: None)
            seen(bundles, "a", "hello", 1)
            assert RECORDER.get() is not None
            assert over(bundles, "a", kind) is written

    run(scenario())


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('bundles = "some"', "bundles"),
        ('bundles = "always"', "bundle_folder"),
        ("megabytes = 0", "at least 1"),
    ],
)
def test_a_wrong_option_is_told_at_start(option: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_config(f"[capture]\n{option}\n", "x.toml", {})


# What is private


def test_a_card_number_is_nowhere_in_the_bundle_and_the_call_can_be_played_all_the_same() -> None:
    kept = bundle("card")
    assert NUMBER.encode() not in contents(BUNDLES / "card.call.zip").replace(b" ", b"")
    assert b"4111" not in contents(BUNDLES / "card.call.zip")
    (said,) = [frame["t"] for frame in kept.frames if frame["of"] == "said" and "card" in frame["text"]]
    sound = [parse(packet.data).payload for packet in kept.packets
             if not packet.out and not packet.control and packet.at < said]  # fmt: skip
    assert {TONE, b"\xff" * 160} == set(sound), "a tone where the caller spoke"
    assert kept.story.turns[1].caller == "My card is 0000 0000 0000 0000"


def test_parts_of_a_number_secrets_keys_and_what_the_agent_reads_back_are_taken_out() -> None:
    one = bundle("plain")
    said = {"final": False, "eager": False, "end": 1.0}
    turn = {"said": "", "heard": "", "interrupted": False, "tools": [], "latency_ms": {}}
    paid = {
        "name": "pay",
        "arguments": {"card": int(NUMBER), "name": NUMBER},
        "result": "sk-very-secret",
        "error": "",
        "seconds": 0,
    }
    piece = {"do": "piece", "waited": 0}
    frames = [
        *one.frames,
        {"t": 5.0, "of": "stt", "session": 1, "after": 9, "delay": 0, "text": "four one one one 1111 11"}
        | piece
        | said,
        {"t": 5.1, "of": "said", "text": "four one one one 1111"},
        {"t": 5.2, "of": "said", "text": "1111 1111"},
        {"t": 5.3, "of": "turn", "caller": f"[pressed {' '.join(NUMBER)}]"} | turn,
        *({"t": 5.3, "of": "line", "do": "key", "key": key} for key in f"{NUMBER}#"),
        {"t": 5.4, "of": "llm", "session": 77, "text": "Is it 41"} | piece,
        {"t": 5.5, "of": "llm", "session": 77, "text": "11 1111 1111 1111?"} | piece,
        {"t": 5.6, "of": "tool", "do": "done"} | paid,
        {"t": 5.7, "of": "tts", "do": "asked", "session": 99, "name": "v", "text": "Is it 4111 1111 1111 1111?"},
        {"t": 5.8, "of": "tts", "session": 99, "sound": [len(one.sound), 320]} | piece,
    ]
    keys = Tapped(5.25, False, False, ("192.0.2.1", 4000), build(101, True, 1, 2, 3, bytes((4, 10, 0, 160))), 16)
    sip = [{"t": 5.0, "text": "INFO sip:a\r\n\r\nSignal=4\r\n"}]
    made = replace(one, frames=frames, sound=one.sound + VOICED[0] * 2, packets=[keys], sip=sip)
    got = clean(made, PrivacyOptions(), ["sk-very-secret"])
    text = str(got.frames)
    assert "4111" not in text and "1111" not in text and "four one" not in text and "sk-very" not in text
    assert "zero zero zero zero 0000 00" in text and "[pressed 0 0 0 0" in text
    assert "".join(frame["key"] for frame in got.frames if frame.get("do") == "key") == "0" * len(NUMBER) + "#"
    assert parse(got.packets[0].data).payload == bytes((0, 10, 0, 160))
    assert got.sip[0]["text"].endswith("Signal=0\r\n")
    assert got.sound == one.sound + TONE * 2
    assert [frame["text"] for frame in got.frames if frame.get("session") == 77] == ["Is it 0000 0000 0000 0000?", ""]


def test_what_is_not_private_stays_as_it_was() -> None:
    one = bundle("dictation")
    assert clean(one, PrivacyOptions(), []) == one
    assert clean(bundle("card"), PrivacyOptions(where=("records",)), []) == bundle("card")


def test_a_text_may_have_any_character(tmp_path: Path) -> None:
    one, path, text = bundle("plain"), tmp_path / "one.call.zip", "a\u2028b\x85c\ud83d"
    frames = [*one.frames, {"t": 99.0, "of": "said", "text": text}]
    sip = [*one.sip, {"t": 99.0, "out": False, "text": text}]
    path.write_bytes(replace(one, about=one.about | {"caller": text}, frames=frames, sip=sip).write())
    got = read_bundle(path)
    assert {got.about["caller"], got.frames[-1]["text"], got.sip[-1]["text"]} == {"a\u2028b\x85c?"}


def test_a_number_that_was_said_while_notes_were_taken_is_covered(tmp_path: Path) -> None:
    one, path = bundle("plain"), tmp_path / "one.call.zip"
    frames = [frame for frame in one.frames if frame["of"] != "said"]  # the scribe hears the caller, not the agent

    async def scenario() -> None:
        agent = Mock(config=AgentConfig(), secrets=frozenset(), providers={"stt": "a", "llm": "b", "tts": "c"})
        bundles = BundleStore(CaptureOptions(bundles="demand"), lambda name: agent, lambda call: None)
        bundles.watch(CallBegan("a", NOW, "in", "trunk", "agent", "1", "2", {}))
        kept = bundles._live["a"]
        kept.recorder.frames, kept.recorder.setting = frames, one.setting.as_dict()
        kept.recorder.zero -= 1000
        for noted in ([], [PartySaid("a", NOW, OTHER_SIDE, NUMBER, "caller")]):
            for event in noted:
                bundles.watch(event)
            path.write_bytes(bundles._written(kept, list(one.packets)))
            got = read_bundle(path)
            assert got.frames == frames, "they are no part of the conversation"
            payloads = {parse(packet.data).payload for packet in got.packets
                        if not packet.out and not packet.control}  # fmt: skip
            assert (payloads <= {TONE, b"\xff" * 160}) is bool(noted)

    run(scenario())


def test_a_law_is_covered_too_and_pauses_stay() -> None:
    ulaw = VOICED[0] + b"\xff" * 160 + VOICED[1][:80]
    assert covered(ulaw) == TONE + b"\xff" * 160 + TONE[:80]
    assert level(TONE) > LOUD_ENOUGH
    one = bundle("a_law")
    said = next(frame for frame in one.frames if frame["of"] == "said")
    frames = [frame | {"text": NUMBER} if frame is said else frame for frame in one.frames]
    got: Bundle = clean(replace(one, frames=frames), PrivacyOptions(), [])
    payloads = {parse(packet.data).payload for packet in got.packets
                if not packet.out and not packet.control and packet.at < said["t"]}  # fmt: skip
    assert payloads == {TONE.translate(ULAW_TO_ALAW), (b"\xff" * 160).translate(ULAW_TO_ALAW)}
