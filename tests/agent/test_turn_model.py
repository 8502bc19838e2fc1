"""The pluggable model of the end of a turn: an ONNX file, its features, and its vote in a conversation."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent import turn_model
from agent.log_mel import LogMel
from agent.records import TurnDecided
from agent.turn_model import KEPT, SmartTurn, TurnJudge, located
from agent.turn_taking.options import TurnOptions
from sipgw.agents.agents import Agents
from sipgw.config.config import GatewayConfig
from sipgw.config.errors import ConfigError
from tests.agent.hearing.mixing import to_ulaw
from tests.agent.holding import Setting, hold
from tests.fakes.line import FakeCaller, FakeLine, FakeStt


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a protobuf message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _node(kind: str, given: str, made: str, *attributes: bytes) -> bytes:
    return field(1, field(1, given) + field(2, made) + field(4, kind) + b"".join(field(5, one) for one in attributes))


def _value(name: str, *shape: int) -> bytes:
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes)))


def tiny() -> bytes:
    """An ONNX file (onnx.proto, IR 8, opset 13) of the shape of Smart Turn: the sigmoid of the mean of its features."""
    axes = field(1, "axes") + field(20, 7) + field(8, 1) + field(8, 2)
    graph = (
        _node("ReduceMean", "input_features", "mean", axes)
        + _node("Flatten", "mean", "flat")
        + _node("Sigmoid", "flat", "logits")
        + field(2, "tiny")
        + field(11, _value("input_features", 1, 80, 800))
        + field(12, _value("logits", 1, 1))
    )
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "tiny.onnx").write_bytes(tiny())
    return tmp_path / "tiny.onnx"


def sound(seconds: float) -> bytes:
    return to_ulaw(np.random.default_rng(3).normal(0, 3000, round(seconds * 8000)))


def test_the_model_of_a_file_judges_the_last_eight_seconds(path: Path) -> None:
    model, heard = SmartTurn(str(path)), sound(8)
    found = model.complete(heard)
    assert 0.5 < found < 1.0
    assert model.complete(sound(1) + heard) == found
    assert model.complete(heard[-8000:]) != pytest.approx(found, abs=0.01), "the rest is silence"


def test_its_features_are_those_of_whisper() -> None:
    """Silence is at the floor, 8 decades below the loudest; a tone of 1 kHz is loudest in the mel around it."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_400) / 16_000).astype(np.float32)
    tone[8000:] = 0.0
    features = LogMel().features(tone, 100)
    assert features.shape == (80, 100)
    assert features[:, 90].max() == pytest.approx(features.max() - 2.0)
    assert 24 <= int(features[:, 20].argmax()) <= 28


def test_a_model_is_a_file_or_a_file_of_a_package(path: Path) -> None:
    assert located(str(path)) == path
    assert located("agent:line.py").name == "line.py"
    for wrong in ("nowhere.onnx", "agent:nowhere.onnx", "nowhere_at_all:x.onnx"):
        with pytest.raises(FileNotFoundError):
            located(wrong)


def test_a_file_that_is_no_model_is_asked_once(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    told: list[tuple[float, float]] = []

    async def asks() -> list[bool]:
        spawned: list[bool] = []
        async with asyncio.TaskGroup() as group:

            def spawn(work: object) -> None:
                spawned.append(True)
                group.create_task(work)  # type: ignore[arg-type]

            judge = TurnJudge(str(tmp_path / "no.onnx"), spawn, lambda *vote: told.append(vote))
            judge.hear(sound(9))
            assert len(judge._sound) == KEPT
            judge.ask(9.0)
            while judge._model:
                await asyncio.sleep(0.01)
            judge.ask(9.0)
        return spawned

    assert asyncio.run(asks()) == [True]
    assert not told


class Voting:
    """A model that always says the same."""

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.asked: list[int] = []

    def complete(self, ulaw: bytes) -> float:
        self.asked.append(len(ulaw))
        return self.probability


@pytest.mark.parametrize(
    ("probability", "text", "silence"), [(0.95, "I would like to know", 0.45), (0.1, "Where is it.", 1.6)]
)
def test_its_vote_shortens_or_lengthens_the_silence_that_ends_a_turn(
    probability: float, text: str, silence: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Voting(probability)

    async def at_once(function, *args):  # virtual time does not wait for threads
        return function(*args)

    monkeypatch.setattr(turn_model, "loaded", lambda name: model)
    monkeypatch.setattr(turn_model.JUDGES, "run", at_once)

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say(text)
        await caller.sound(6, loud=False)
        caller.hang_up()

    held = hold(plan, Setting(options=TurnOptions(reprompt_after=60, model="it"), stt={"ends_turns": False}))
    (ended,) = [one.evidence for one in held.reports if isinstance(one, TurnDecided) and one.decision == "answer"]
    assert f"model {probability:.2f}" in ended
    assert float(ended.split("silence ")[1].split(" ms")[0]) / 1000 == pytest.approx(silence, abs=0.1)
    assert model.asked, "when the voice had ended"


def test_a_recogniser_that_ends_turns_itself_needs_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_model, "loaded", lambda name: pytest.fail("asked"))

    async def plan(caller: FakeCaller, line: FakeLine, stt: FakeStt) -> None:
        await asyncio.sleep(3)
        await caller.say("Where is it?")
        await caller.sound(3, loud=False)
        caller.hang_up()

    assert hold(plan, Setting(options=TurnOptions(model="it"))).turns[-1].caller == "Where is it?"


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "there is no file"), (b"no model", "model.onnx"), (b"", "model.onnx")]
)
def test_a_model_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    config = replace(GatewayConfig(), turns=TurnOptions(model=str(path)))
    with pytest.raises(ConfigError, match=rf"(?s)turns\.model: .*{problem}"):
        Agents(config, {})
