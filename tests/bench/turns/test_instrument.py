# mypy: disable-error-code="operator"
"""The instrument judges right: an agent that does everything right, one that does all wrong, one that is deaf."""

from collections.abc import Callable, Iterator
from functools import cache
from math import nan
from typing import Any

import pytest

from tests.bench.turns import __main__ as program
from tests.bench.turns import compose, cpu, measures
from tests.bench.turns.agent_side import Gone, transcript
from tests.bench.turns.backchannels import backchannels, seconds
from tests.bench.turns.bars import ALL, BARS, Bar, judged
from tests.bench.turns.bench import SHORT, Bench, Figures, dialogue
from tests.bench.turns.call import GREETING, Caller, Spoken, clip_for, ulaw_of
from tests.bench.turns.compose import joined
from tests.bench.turns.corpus import FRAME, RATE, missing, part_of, people, prompts, sentences
from tests.bench.turns.line import BenchLine, Said, Wire
from tests.bench.turns.recognisers import KINDS, Flux, Recogniser, Service, Universal, Voted
from tests.bench.turns.rtp import SILENCE, HeardPlayout, OverRtp, Utterance
from tests.virtual import run

needs_recordings = pytest.mark.skipif(bool(missing()), reason="asterisk-core-sounds-en-wav is not installed")


class Scripted:
    """An agent that knows what the caller is about to do: what the figures of one kind of agent must be."""

    def __init__(self, line: BenchLine, caller: Caller) -> None:
        self.line, self.caller = line, caller
        self.memory: list[str] = []
        self.answered = 0
        self.utterance = 0
        line.set_chunk_duration(0.02)
        self.say(GREETING)

    def say(self, text: str) -> None:
        for sentence in (part for part in text.split("|") if "(" not in part):
            self.utterance += 1
            self.line.say(self.utterance, ulaw_of(clip_for(sentence)))
            self.line.finish(self.utterance)

    def turns(self) -> list[Spoken]:
        """What the caller said that wants an answer: no murmur, and no noise."""
        return [spoken for spoken in self.caller.held.spoken if is_turn(spoken)]

    def live(self) -> None:
        """Every 20 ms."""


def is_turn(spoken: Spoken) -> bool:
    murmurs = (*compose.MURMURS, *compose.ACKNOWLEDGEMENTS, *(one.name for one in backchannels("dev")))
    return bool(spoken.clip.words) and spoken.clip.name not in murmurs


class Perfect(Scripted):
    """Answers 0.6 s after the end, never in a pause; falls silent 0.1 s after a true interruption."""

    def live(self) -> None:
        for spoken in self.turns()[self.answered :]:
            if self.line.ticks == spoken.first + 5:
                self.line.stop()
            if self.line.ticks >= spoken.last + 30:
                self.answered += 1
                self.memory.append(spoken.clip.text)
                self.say(self.caller.reply)


class Bad(Scripted):
    """Answers into every pause, goes on under interruptions, gives up at any murmur, remembers wrongly."""

    def live(self) -> None:
        for spoken in self.caller.held.spoken[-1:]:
            for first, last in spoken.pauses:
                if first + 3 == self.line.ticks < last:
                    self.say("Please try again.")
            if self.line.ticks == spoken.first + 10 and not is_turn(spoken):
                self.line.stop()
        for spoken in self.turns()[self.answered :]:
            if self.line.ticks >= spoken.last + 60:
                self.answered += 1
                self.memory += [f"{spoken.clip.text} {spoken.clip.text}", "nobody ever uttered anything like that"]
                self.say(self.caller.reply)


class TalksOn(Perfect):
    """Takes every interruption for a backchannel: pauses for 0.4 s, and then says the rest; stops at every second
    murmur for good."""

    def live(self) -> None:
        for spoken in self.turns()[self.answered :]:
            if self.line.ticks == spoken.first + 5:
                self.line.pause()
            if self.line.ticks == spoken.first + 25:
                self.line.resume()
            if self.line.ticks >= spoken.last + 30:
                self.answered += 1
                self.say(self.caller.reply)
        murmurs = [spoken for spoken in self.caller.held.spoken if not is_turn(spoken)]
        if len(murmurs) % 2 and self.line.ticks == murmurs[-1].first + 10:
            self.line.stop()


class Deaf(Scripted):
    """Says its greeting and nothing else."""


def bench(agent: type[Scripted]) -> Bench:
    async def hold(line: BenchLine, recogniser: Any, caller: Caller) -> tuple[list[str], str]:
        scripted = agent(line, caller)
        await line.listen(lambda event: None if isinstance(event, Gone) else scripted.live())
        return scripted.memory, ""

    return Bench(Recogniser, hold=hold)


@cache
def figures(agent: type[Scripted], *names: str) -> Figures:
    return {name: value for one in names for name, value in ALL[one](bench(agent)).items()}


@pytest.mark.slow
@needs_recordings
def test_a_perfect_agent_meets_every_bar() -> None:
    found = figures(Perfect, *ALL)
    missed = [str(gate) for gate in (bar.gate("perfect", found, {}) for bar in BARS) if not gate.met]
    assert not missed
    assert found["dictations complete in one turn %"] == 100
    assert found["words lost in memory %"] == 0
    assert found["complete turns answered %"] == 100
    assert 300 <= found["reply latency p50 ms"] <= 400


@pytest.mark.slow
@needs_recordings
def test_a_bad_agent_misses_the_bars_that_it_breaks() -> None:
    found = figures(Bad, "turns", "dictation", "listening", "interruption", "monologue")
    met = {bar.name for bar in BARS if found.keys() >= set(bar.figures) and bar.gate("bad", found, {}).met}
    assert met <= {
        "digits wrong, %", "loops of the recogniser", "cut off before the recogniser ended the turn, %",
        "clicks of the agent in pauses, %",
    }  # fmt: skip
    assert found["cut off in pauses of 1.5 s %"] == 100
    assert found["interruptions missed %"] == 100
    assert found["acknowledgements that stop a reply for good %"] == 100
    assert found["backchannels that stop a reply for good %"] == 100
    assert found["words doubled in memory"] > 0


@pytest.mark.slow
@needs_recordings
def test_an_interruption_that_only_pauses_the_reply_is_missed_and_a_later_reply_makes_nothing_good() -> None:
    found = figures(TalksOn, "interruption", "listening")
    assert found["interruptions missed %"] == 100
    assert found["backchannels that stop a reply for good %"] == 50


@pytest.mark.slow
@needs_recordings
def test_a_deaf_agent_leaves_dead_air_and_answers_nobody() -> None:
    found = figures(Deaf, "echo", "babble")
    assert found["echo at -20 dB: dead air s a minute"] > 20
    assert found["babble at 20 dB: utterances that reach the model %"] == 0


def test_an_agent_that_only_waits_for_silence_has_the_area_1() -> None:
    lengths = [number / 100 for number in range(1, 151)]
    waits = 0.73
    cut = [(length, float(length > waits)) for length in lengths]
    assert measures.area(cut, [waits] * 10, 10) == pytest.approx(1.0, abs=0.01)
    assert measures.area([(length, 0.0) for length in lengths], [0.0] * 10, 10) == 0


def test_a_bar_is_missed_by_one_of_its_figures_and_by_none_at_all() -> None:
    bar = Bar("both", ("a", "b"), (1, 2), "3/4")
    assert bar.gate("flux/dev", {"a": 1, "b": 2}, {"a": 9}).met
    assert str(bar.gate("flux/dev", {"a": 1, "b": 2.5}, {"a": 9})).endswith(
        "flux/dev: both\t1/2.5 (first 9/-; outside 3/4)\t<= 1/2\tmissed"
    )
    assert not bar.gate("flux/dev", {"a": 1, "b": nan}, {}).met
    (printed,) = judged([("flux/dev", {"monologue: pauses talked into at most": 0})])
    assert printed.met


def test_both_parts_of_the_corpora_are_there_and_share_nothing() -> None:
    names = [{clip.name for clip in sentences(part)} for part in ("dev", "held")]
    assert not names[0] & names[1]
    assert all(part_of(name) == part for part, found in zip(("dev", "held"), names, strict=True) for name in found)


@needs_recordings
@pytest.mark.parametrize("part", ["dev", "held"])
def test_recorded_backchannels_are_short_levelled_and_of_other_speakers_in_the_other_part(part: str) -> None:
    known = backchannels(part)
    lengths = [seconds(one) for one in known]
    assert len({one.name for one in known}) == len(known) >= 20
    assert sum(length <= 0.4 for length in lengths) >= 10 <= sum(length <= 0.6 for length in lengths)
    assert 0.1 < min(lengths) <= max(lengths) < 1.0
    assert all(one.licence and one.words[-1].end <= len(one.sound) for one in known)
    languages = [{one.name[:2] for one in backchannels(which)} for which in ("dev", "held")]
    assert not languages[0] & languages[1]


def test_a_television_with_scenes_is_silent_for_seconds_and_loses_no_word() -> None:
    shown = joined("shown", list(people()), [0.5])
    for seed in range(4):
        paused = compose.scenes(shown, seed)
        silences = [(end - start) / RATE for start, end in paused.pauses]
        assert paused.text == shown.text
        assert all(1 <= length <= 5 for length in silences)
        assert len(paused.sound) == len(shown.sound) + sum(end - start for start, end in paused.pauses)
        assert (paused.pauses[0][0] == 0) is bool(seed % 2)
        assert all(not paused.sound[start:end].any() for start, end in paused.pauses)


def word(text: str, start: float, end: float) -> Said:
    return Said(text, round(start * RATE), round(end * RATE), "caller")


def told(
    kind: Callable[[Wire], Service], words: list[Said], seconds: float, said: str = ""
) -> Iterator[tuple[str, Any]]:
    """What a fake tells of a caller who is loud and clear all the time."""

    async def listen() -> list[Any]:
        wire = Wire(list(words), {"caller": [0.01] * round(seconds * 50)})
        service, found = kind(wire), []
        service.expect(said)
        service.tell = lambda event, after=0.0: found.append((service.heard / RATE, event))  # type: ignore[method-assign]
        for _ in range(round(seconds * 50)):
            service.send_audio(bytes(160))
        return found

    yield from run(listen())


def test_flux_takes_an_eager_end_back_when_the_caller_goes_on() -> None:
    words = [word("my", 0.2, 0.4), word("card", 0.4, 0.8), word("please", 1.1, 1.4)]
    events = [(event.text, event.eager, event.final) for _, event in told(Flux, words, 3) if hasattr(event, "final")]
    assert ("my card", True, False) in events
    assert events.index(("my card", True, False)) < events.index(("my card please", False, False))
    assert [text for text, _, final in events if final] == ["my card please"]


def test_flux_waits_longer_after_a_digit() -> None:
    ends = [
        at for at, event in told(Flux, [word("my", 0.1, 0.3), word("two", 0.4, 0.8)], 6) if getattr(event, "final", 0)
    ]
    assert 3.0 < ends[0] < 3.5


def test_universal_ends_a_sentence_soon_and_anything_after_its_limit() -> None:
    sentence = [word(text, 0.2 * at, 0.2 * at + 0.2) for at, text in enumerate(["i", "lost", "the", "blue", "card"])]
    ends = [at for at, event in told(Universal, sentence, 4) if getattr(event, "final", False)]
    assert 1.1 <= ends[0] <= 1.3
    ends = [at for at, event in told(Universal, sentence[:3], 4) if getattr(event, "final", False)]
    assert 1.8 <= ends[0] <= 2.0


def test_a_word_under_babble_is_not_understood() -> None:
    wire = Wire([word("hello", 0, 0.2)], {"caller": [0.001] * 20, "background": [0.01] * 20})
    assert wire.understood(0, RATE) == []
    assert transcript("", 0.0, final=True).final


@needs_recordings
def test_a_pause_lies_inside_the_sentence_and_words_around_it() -> None:
    clip = compose.paused(prompts("caller")[0], 0.7)
    ((start, end),) = clip.pauses
    assert end - start == round(0.7 * RATE)
    assert not clip.sound[start:end].any()
    assert not [one for one in clip.words if one.start < end and one.end > start]
    assert clip.text == prompts("caller")[0].text


def heard_by_a_telephone(frames: list[bytes], *spoken: bytes) -> HeardPlayout:
    playout = HeardPlayout()
    playout.spoken = [Utterance("", None, bytearray(sound)) for sound in spoken]
    for frame in frames:
        playout.arrived.append(frame)
        playout.tick()
    return playout


def test_a_telephone_knows_again_what_was_said_paused_and_left_unsaid() -> None:
    noise = compose.rng("heard")
    first, second = (noise.integers(0, 120, 6 * FRAME, "u1").tobytes() for _ in range(2))
    frames = [first[at : at + FRAME] for at in range(0, len(first), FRAME)]
    rising = bytes(40) + frames[3][40:]
    both = first[5 * FRAME : 5 * FRAME + 40] + second[: FRAME - 40]
    rest = second[FRAME - 40 : 2 * FRAME - 40]
    found = heard_by_a_telephone([SILENCE, *frames[:3], SILENCE, rising, frames[4], both, rest, SILENCE], first, second)
    assert found.busy == [False, True, True, True, False, True, True, True, True, False]
    assert found.reached == {0: 5 * FRAME, 1: 2 * FRAME - 40}
    assert found.left == 4 * FRAME + 40
    assert not found.idle


def test_figures_of_calls_over_rtp_are_not_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["turns", "--rtp", "--keep", "figures.toml"])
    monkeypatch.setattr(program, "over_rtp", lambda *_: ())
    with pytest.raises(SystemExit):
        program.main()
    assert "--keep" in capsys.readouterr().err


def test_a_model_of_turns_that_is_not_installed_is_left_out_and_an_error_if_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(Voted, "turn_model", "no_such_package:model.onnx")
    monkeypatch.setattr(program, "gates", lambda kinds, *_: ran.append(list(kinds)) or ())  # type: ignore[func-returns-value]
    monkeypatch.setattr("sys.argv", ["turns", "--whole"])
    assert program.main() == 0
    assert ran == [[name for name in KINDS if name != Voted.name]]
    assert "not installed, left out: no_such_package:model.onnx" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["turns", "--recogniser", Voted.name])
    with pytest.raises(SystemExit):
        program.main()
    assert "not installed" in capsys.readouterr().err


@needs_recordings
def test_an_agent_hears_a_call_again_from_its_tapes() -> None:
    assert cpu.spent(cpu.agent, cpu.taped(1))


@pytest.mark.slow
@needs_recordings
def test_a_call_over_rtp_is_judged_as_one_on_virtual_time() -> None:
    """The words reach the model, the reply is heard whole, and the gateway's ending is the caller's."""
    with OverRtp(embedded=False) as gateway:
        bench = Bench(Flux, place=gateway.place)
        held = bench.call(dialogue(bench.clips(1)))
    assert held.memory == [held.spoken[0].clip.text]
    assert not held.ended
    assert measures.fate(held, SHORT, range(9), held.spoken[0].last, held.line.ticks).complete
