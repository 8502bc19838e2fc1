# mypy: disable-error-code="arg-type"
"""Every provider, every point at which it can fail, in a whole call: what the caller hears within three seconds.

Each fault lasts for the whole call. Without another provider after it the call goes on, or it ends with an apology
and the record says why; with one the caller is answered all the same.
"""

import pytest

from agent.llm import LanguageModel, Text, ToolCall
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.failover import FailoverLlm, FailoverOptions, FailoverTts
from agent.providers.failover_stt import FailoverStt
from agent.realtime import ReplyAudio, ReplyEnded, ReplyWords
from agent.stt import Onset, SpeechToText, Transcript
from agent.tts import TextToSpeech
from tests.agent.enduring import (
    ANSWER,
    BUSY,
    DOWN,
    FOREVER,
    LOST,
    PERSONA,
    SENTENCES,
    Listening,
    Story,
    Talking,
    endure,
    endure_realtime,
    speaking,
    thinking,
)
from tests.fakes.line import says

LIMIT = 3.0
BOOM = ValueError("a secret")
NONSENSE = (
    Onset(-5.0),
    Transcript("", final=False, eager=False, end=0.0),
    Transcript("", final=True, eager=True, end=1e9),
    Transcript("\ufffd" * 300, final=False, eager=False, end=-3.0),
)
REALTIME_NONSENSE = (
    Onset(-5.0),
    ReplyWords("nope", "", -1),
    ReplyAudio("nope", b""),
    ReplyEnded("zzz", complete=False),
    ToolCall("c", "nope", "{{{"),
)
WELL = says(ANSWER)
BEGUN = Text(f"{SENTENCES[0]} It")
FAILOVER = FailoverOptions()

STT = [
    *(({point: fault}) for point in ("connect", "partial", "final", "after") for fault in (DOWN, LOST, BUSY, BOOM)),
    *(({point: FOREVER}) for point in ("connect", "partial", "final", "after")),
    *(({point: NONSENSE}) for point in ("partial", "final", "after")),
]
MODELS = {
    "refuses": [DOWN],
    "loses the connection": [LOST],
    "limits the rate": [BUSY],
    "raises what it should not": [BOOM],
    "never begins": [FOREVER],
    "begins late": [4.0, *WELL],
    "is cut off": [BEGUN, DOWN],
    "loses the connection in the middle": [BEGUN, LOST],
    "limits the rate in the middle": [BEGUN, BUSY],
    "stalls in the middle": [BEGUN, FOREVER],
    "dawdles in the middle": [BEGUN, 5.0, Text(" will be with you by six.")],
    "says nothing": [],
    "says blanks": [Text(""), Text(" \n")],
    "calls what there is not": [ToolCall("c", "nope", "{{{")],
    "stalls after a call": [ToolCall("c", "nope", "[]"), FOREVER],
    "stalls after a sentence that may be all": [Text("Let me look."), FOREVER],
}
VOICES = {
    "refuses": speaking(refuses=DOWN),
    "limits the rate at once": speaking(refuses=BUSY),
    "is never ready": speaking(refuses=FOREVER),
    "refuses a sentence": speaking(DOWN),
    "loses the connection": speaking(LOST),
    "limits the rate": speaking(BUSY),
    "raises what it should not": speaking(BOOM),
    "never begins": speaking(FOREVER),
    "begins late": speaking(2.5),
    "is lost in a sentence": speaking(LOST, after=15),
    "limits the rate in a sentence": speaking(BUSY, after=15),
    "stalls in a sentence": speaking(FOREVER, after=15),
    "makes no sound": speaking(b""),
    "sends silence": speaking(b"\xff" * 16000),
    "stops short": speaking(b"\x10", after=15),
}
SURVIVED = {
    "begins late", "dawdles in the middle", "says nothing", "says blanks", "calls what there is not", "stops short",
}  # fmt: skip
"""What single ones may do without the call coming to its end."""
UNANSWERED = {"stalls after a call"}
"""What no other model takes over: it might order twice."""


def endures(story: Story) -> None:
    assert story.longest <= LIMIT, f"the caller heard nothing from one to the other, of {story.waits}"


def ends_well(story: Story, part: str) -> None:
    """It ends with an apology, and the record says why."""
    assert story.outcome.kind == "failed"
    assert story.outcome.text.startswith(f"{part} failed: ")
    assert "secret" not in story.outcome.text
    assert [one.part for one in story.failed] == [part]
    assert story.said[-1] == PERSONA.apology


def goes_on(story: Story) -> None:
    assert story.outcome.kind == "caller_hung_up"
    assert story.failed == []
    assert all(story.said), "the agent said something each time"


def named(faults: dict[str, object]) -> str:
    (point, fault), *_ = faults.items()
    what = {FOREVER: "stall"}.get(fault) if isinstance(fault, float) else str(getattr(fault, "problem", "nonsense"))
    return f"{point}: {type(fault).__name__ if fault is BOOM else what}"


@pytest.mark.parametrize("faults", STT, ids=named)
def test_stt(faults: dict[str, object]) -> None:
    story = endure(Listening(**faults), thinking(WELL), speaking())
    endures(story)
    fault = next(iter(faults.values()))
    if isinstance(fault, Exception) or "connect" in faults:
        ends_well(story, "stt")
    else:
        goes_on(story)


@pytest.mark.parametrize("faults", [one for one in STT if NONSENSE not in one.values()], ids=named)  # type: ignore[attr-defined]
def test_stt_with_others_behind_them(faults: dict[str, object]) -> None:
    stt = FailoverStt([lambda: Listening(**faults), Listening], CircuitBreaker(2), FAILOVER)
    story = endure(stt, thinking(WELL), speaking())
    endures(story)
    goes_on(story)
    assert ANSWER in story.said


@pytest.mark.parametrize("what", MODELS)
def test_a_model(what: str) -> None:
    story = endure(Listening(), thinking(MODELS[what]), speaking())
    endures(story)
    goes_on(story) if what in SURVIVED else ends_well(story, "llm")


@pytest.mark.parametrize("what", [one for one in MODELS if one not in UNANSWERED])
def test_a_model_with_another_behind_it(what: str) -> None:
    llms: list[LanguageModel] = [thinking(MODELS[what]), thinking(WELL, "other")]
    story = endure(Listening(), FailoverLlm(llms, CircuitBreaker(2), FAILOVER), speaking())
    endures(story)
    goes_on(story)


@pytest.mark.parametrize("what", VOICES)
def test_a_voice(what: str) -> None:
    story = endure(Listening(), thinking(WELL), VOICES[what])
    endures(story)
    goes_on(story) if what in SURVIVED else ends_well(story, "tts")


@pytest.mark.parametrize("what", VOICES)
def test_a_voice_with_another_behind_it(what: str) -> None:
    tts = FailoverTts([lambda: VOICES[what], speaking], CircuitBreaker(2), FAILOVER)
    story = endure(Listening(), thinking(WELL), tts)
    endures(story)
    goes_on(story)


@pytest.mark.parametrize(
    ("stt", "llm", "tts"),
    [
        (Listening(final=LOST), thinking(WELL), speaking()),
        (Listening(), thinking([DOWN]), speaking()),
        (Listening(), thinking(WELL), speaking(FOREVER)),
    ],
)
def test_the_caller_is_given_to_a_person_if_there_is_one(
    stt: SpeechToText, llm: LanguageModel, tts: TextToSpeech
) -> None:
    story = endure(stt, llm, tts, transfer=True)
    endures(story)
    assert story.outcome.kind == "transfer"
    assert story.said[-1] == PERSONA.connecting


def test_a_model_that_stalled_once_is_asked_again() -> None:
    story = endure(Listening(), thinking([FOREVER], times=1, well=WELL), speaking())
    endures(story)
    goes_on(story)
    assert [text.count(PERSONA.filler) for text in story.said] == [0, 2, 0]
    assert story.said[1].endswith(ANSWER)


def test_a_model_that_has_nothing_to_say_for_the_third_time_has_failed() -> None:
    story = endure(Listening(), thinking([]), speaking(), questions=3)
    endures(story)
    assert [text == PERSONA.again for text in story.said[1:3]] == [True, True]
    ends_well(story, "llm")


REALTIME_NAMES = [
    *(
        {point: fault}
        for point in ("connect", "onset", "answer", "middle", "end")
        for fault in (DOWN, LOST, BUSY, BOOM, FOREVER)
    ),
    *({point: REALTIME_NONSENSE} for point in ("onset", "answer", "middle", "end")),
]


@pytest.mark.parametrize("faults", REALTIME_NAMES, ids=named)
def test_a_speech_to_speech_session(faults: dict[str, object]) -> None:
    """All sessions fail alike: the call goes on, or ends with an apology."""
    story = endure_realtime(lambda brief: Talking(brief, **faults))
    endures(story)
    goes_on(story) if story.outcome.kind == "caller_hung_up" else ends_well(story, "realtime")
    if {DOWN, BOOM} & set(faults.values()) or "connect" in faults:
        assert story.outcome.kind == "failed"


@pytest.mark.parametrize("faults", REALTIME_NAMES, ids=named)
def test_a_speech_to_speech_session_with_another_provider_behind_it(faults: dict[str, object]) -> None:
    story = endure_realtime(lambda brief: Talking(brief, **faults), Talking)
    endures(story)
    goes_on(story)
    assert story.said[-1].endswith(SENTENCES[1])
