"""The parts of a simulation, each by itself and on a clock of the test's."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.llm import Message, Piece, Text, ToolSchema
from agent.stt import SttEvent, Transcript
from agent.turn_taking.expect import OPEN, Expected
from sipgw.agents.providers import Providers
from sipgw.tools.caller import AgentAudioMonitor, Call, HangUp, Press, Say, SoundSpan
from sipgw.tools.simulate import faults as seam
from sipgw.tools.simulate.command import _show
from sipgw.tools.simulate.faults import wrapped
from sipgw.tools.simulate.network import OVERTAKEN, Direction
from sipgw.tools.simulate.scenario import NetworkOptions, ProviderFaults, Scenario, ScenarioError, Step, read
from sipgw.tools.simulate.scenario_script import CompletedStep, ScenarioScript
from sipgw.tools.simulate.verdict import judge
from tests.tools.doctor.broken import on_loop

LOUD = bytes([0x10]) * 160


def fates(options: NetworkOptions, seed: int = 1, count: int = 20_000) -> tuple[Direction, list[float | None]]:
    direction = Direction(options, random.Random(seed))
    return direction, [direction.send(number * 0.02) for number in range(count)]


def test_a_perfect_network_changes_nothing() -> None:
    _, arrivals = fates(NetworkOptions(), count=100)
    assert arrivals == [number * 0.02 for number in range(100)]


def test_chance_is_the_same_for_the_same_seed_only() -> None:
    options = NetworkOptions(loss=0.05, jitter=0.02)
    assert fates(options, 3)[1] == fates(options, 3)[1]
    assert fates(options, 3)[1] != fates(options, 4)[1]


@pytest.mark.parametrize("burst", [1, 4])
def test_loss_comes_as_often_and_in_such_bursts_as_was_asked_for(burst: float) -> None:
    direction, arrivals = fates(NetworkOptions(loss=0.05, burst=burst))
    runs = "".join("x" if at is None else " " for at in arrivals).split()
    assert direction.lost == pytest.approx(0.05 * len(arrivals), rel=0.15)
    assert direction.lost / len(runs) == pytest.approx(burst, rel=0.15)


def test_jitter_keeps_the_order_and_reordering_does_not() -> None:
    _, late = fates(NetworkOptions(jitter=0.04))
    assert late == sorted(late, key=lambda at: at or 0)
    assert max((at or 0) - number * 0.02 for number, at in enumerate(late)) > 0.1
    direction, swapped = fates(NetworkOptions(reorder=0.02), count=1000)
    held = [number for number, at in enumerate(swapped) if at == pytest.approx(number * 0.02 + OVERTAKEN)]
    assert direction.overtaken == len(held) == pytest.approx(20, abs=12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stepps = []", "x.toml:1: stepps: unknown key 'stepps'; did you mean 'steps'?"),
        ('[[steps]]\nsay = "hi"\n[network]\nlos = 1', "x.toml:4: network.los: unknown key 'los'; did you mean 'loss'?"),
        ("[[steps]]\nwait = 2", "x.toml:2: steps.0.wait: unknown key 'wait'"),
        (
            '[[steps]]\nsay = "hi"\nwav = "x"',
            "a step has one of 'say', 'wav', 'press', 'noise', 'silent' and 'hang_up'",
        ),
        ("[[steps]]\npress = 'x'", "steps.0.press: holds digits"),
        ('[[steps]]\nsay = "hi"\npause = "2 weeks"', "expected a duration with its unit"),
        ("steps = []", "a scenario has from 1 to 200 steps"),
        ("steps", "x.toml: "),
    ],
)
def test_each_fault_of_a_scenario_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ScenarioError) as told:
        read(tmp_path / "x.toml")
    assert says in str(told.value)
    assert all(line.startswith(("cannot read", str(tmp_path))) for line in str(told.value).splitlines())


def test_a_scenario_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"cannot read .*nowhere\.toml: No such file"):
        read(tmp_path / "nowhere.toml")


def speaks(agent_audio: AgentAudioMonitor, begin: float, end: float) -> None:
    for frame in range(round((end - begin) / 0.02)):
        agent_audio.hear(LOUD, begin + (frame + 1) * 0.02)


def test_the_caller_waits_for_words_and_for_the_end_of_speech() -> None:
    agent_audio, steps = AgentAudioMonitor(), ScenarioScript([Step(say="Hi", hears="help")], [b"hi"])
    assert steps.next(9.9, agent_audio) is None, "nobody has spoken yet"
    speaks(agent_audio, 10, 12)
    steps.words = "How can I help you?"
    assert steps.next(12.5, agent_audio) is None, "the agent may go on"
    assert steps.next(12.9, agent_audio) == Say(b"hi")
    assert steps.done[0].broken == ""
    assert not steps.done[0].interrupted


def test_the_caller_interrupts_in_the_middle() -> None:
    agent_audio, steps = AgentAudioMonitor(), ScenarioScript([Step(wav="x", interrupts=1.5)], [b"no"])
    speaks(agent_audio, 10, 11)
    assert steps.next(11, agent_audio) is None
    speaks(agent_audio, 11, 11.6)
    assert steps.next(11.6, agent_audio) == Say(b"no")
    assert steps.done[0].interrupted


def test_patience_ends_and_the_turn_counts_as_broken() -> None:
    agent_audio, steps = (
        AgentAudioMonitor(),
        ScenarioScript([Step(press="1", patience=5), Step(hang_up=True, patience=5)], [b"", b""]),
    )
    assert steps.next(10, agent_audio) is None
    assert steps.next(14.9, agent_audio) is None
    assert steps.next(15.1, agent_audio) == Press("1")
    agent_audio.spoken_until = 15.3
    assert steps.next(15.4, agent_audio) is None
    assert steps.next(20.5, agent_audio) == HangUp()
    assert [one.broken for one in steps.done] == ["the agent did not answer"] * 2


def test_the_verdict_tells_waits_interruptions_gaps_and_what_broke() -> None:
    call = Call(dialled=9.5, answered=10, ended=60, ending="the caller hung up", stats={"lost": 3, "received": 97})
    call.agent_audio.speech = [
        SoundSpan(10.2, 12),
        SoundSpan(16.1, 17),
        SoundSpan(17.9, 20.15),
        SoundSpan(27, 28),
        SoundSpan(39, 39.9),
        SoundSpan(42, 43),
    ]
    call.utterances = [SoundSpan(13, 15), SoundSpan(20, 22)]
    done = [
        CompletedStep(Step(say="one"), 13, "", False),
        CompletedStep(Step(wav="two"), 20, "", True),
        CompletedStep(Step(press="3"), 40, "", False),
        CompletedStep(Step(hang_up=True), 55, "the agent did not answer", False),
    ]
    verdict = judge(call, done, 0)
    assert (verdict.setup, verdict.greeting) == (0.5, 0.2)
    assert [turn.waited for turn in verdict.turns] == [1.1, 5.0, 2.0, None]
    assert [turn.silenced for turn in verdict.turns] == [None, 0.15, None, None]
    assert verdict.gaps == ((7.0, 0.9),)
    assert verdict.broken == ["pressed 3: the agent did not answer"]
    assert judge(call, done[:1], 2).broken == ["2 steps were not reached: the caller hung up"]
    assert (verdict.lost, verdict.received) == (3, 97)


def test_last_words_that_nobody_answers_are_a_broken_turn() -> None:
    call = Call(dialled=9.5, answered=10, ended=60, ending="the call did not end within 50 s")
    call.agent_audio.speech, call.utterances = [SoundSpan(10.2, 12)], [SoundSpan(13, 15)]
    asked = CompletedStep(Step(say="Where is it?"), 13, "", False)
    assert judge(call, [asked], 0).broken == ["said 'Where is it?': the agent did not answer"]
    call.agent_audio.speech.append(SoundSpan(14.5, 16))
    assert judge(call, [asked], 0).broken == [], "the agent spoke on"
    call.agent_audio.speech.pop()
    assert judge(call, [CompletedStep(Step(silent=9), 13, "", False)], 0).broken == [], "nothing was asked"


class Parts:
    """STT, LLM and TTS that do everything at once."""

    name = "plain"
    ends_turns, longest_silence = True, 1.5

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    def send_audio(self, ulaw: bytes) -> None: ...
    def expect(self, said: str, wanted: Expected = OPEN) -> None: ...
    def set_language(self, language: str, keyterms: Sequence[str] = ()) -> None: ...
    def follow_voice(self, speaking: bool | None, ago: float) -> None: ...

    async def events(self) -> AsyncIterator[SttEvent]:
        for number in range(4):
            yield Transcript(str(number), True, False, 0.0)

    async def reply(self, messages: Sequence[Message], tools: Sequence[ToolSchema]) -> AsyncGenerator[Piece, None]:
        yield Text("fine")

    async def speak(self, text: str, before: str = "") -> AsyncGenerator[bytes, None]:
        for _ in range(4):
            yield b"1234"


def providers(options: ProviderFaults, seed: int = 1) -> Providers:
    plain: Any = Providers(Parts, Parts(), lambda _: Parts(), None)  # type: ignore[arg-type]
    return wrapped(plain, options, seed)


@on_loop
async def test_stt_stall_in_every_second_turn_and_the_model_thinks_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(seam.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
    parts = providers(ProviderFaults(stt_stall=2.0, llm_slow=3.0))
    assert [event.text async for event in parts.stt().events() if isinstance(event, Transcript)] == list("0123")
    assert slept == [2.0, 2.0]
    assert [piece async for piece in parts.llm.reply([], [])] == [Text("fine")]
    assert slept[2:] == [3.0]


@on_loop
async def test_a_voice_breaks_off_in_the_middle_of_as_many_sentences_as_was_asked_for() -> None:
    async def spoken(tts: Any) -> bytes:
        sound = b""
        try:
            async for piece in tts.speak("x"):
                sound += piece
        except ProviderError:
            assert len(sound) == 8, "half of it"
        return sound

    async def run(part: float, seed: int) -> list[int]:
        tts = providers(ProviderFaults(tts_drop=part), seed).tts("")
        return [len(await spoken(tts)) for _ in range(40)]

    assert set(await run(0, 1)) == {16}
    assert set(await run(1, 1)) == {8}
    half = await run(0.5, 1)
    assert half == await run(0.5, 1), "the same seed"
    assert half != await run(0.5, 2)


@pytest.mark.parametrize("part", ["stt", "llm", "tts"])
@on_loop
async def test_one_provider_is_down_and_the_others_are_not(part: str) -> None:
    parts = providers(ProviderFaults(down=part))  # type: ignore[arg-type]
    refused = set()
    for name, attempt in (("stt", parts.stt().open), ("tts", parts.tts("").open)):
        try:
            await attempt()
        except ProviderError:
            refused.add(name)
    try:
        assert [piece async for piece in parts.llm.reply([], [])]
    except ProviderError:
        refused.add("llm")
    assert refused == {part}


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"loss": 1.0}, {"burst": 0.5}, {"jitter": 2.0}):
        with pytest.raises(ValueError, match="must be"):
            replace(NetworkOptions(), **wrong)
    with pytest.raises(ValueError, match=r"a loss of 80% needs a burst of 4\.0 or more"):
        NetworkOptions(loss=0.8)
    assert NetworkOptions(loss=0.8, burst=4.0)
    with pytest.raises(ValueError, match="must be"):
        ProviderFaults(tts_drop=2)


@pytest.mark.faults("H21", "H2")
def test_the_page_names_everything_that_broke_and_agrees_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    call = Call(dialled=9.5, answered=10, ended=60, ending="BYE")
    call.agent_audio.speech, call.utterances = [SoundSpan(9.988, 12)], [SoundSpan(13, 15)]
    asked = CompletedStep(Step(say="Where is it?"), 13, "", False)
    verdict = replace(judge(call, [asked], 2), missed=("step 1: 'here' was not said, but 'there'",))
    assert verdict.greeting == 0.0, "sound that overtakes the 200 was there at the answer"
    _show(Scenario((Step(say="Where is it?"),)), verdict)
    page = " ".join(capsys.readouterr().out.split())
    assert len(verdict.broken) == 2
    for fault in verdict.broken:
        assert f"broken: {fault}" in page
    assert "2 broken" in page
    _show(Scenario((Step(say="Where is it?"),)), replace(verdict, missed=(), left=0))
    assert "nothing broken" in capsys.readouterr().out
