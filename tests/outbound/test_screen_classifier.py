"""Call screens that say it in words of their own, and people who ask as screens do."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.errors import ProviderError
from agent.pool import Loaded
from agent.providers.local.brain.intents import load_encoder
from agent.records import CallerSaid
from media.tones import Tones
from sipgw.calls import screen_classifier
from sipgw.calls.amd import AmdSetup, AmdTalk
from sipgw.calls.machine_detection import AnsweredParty, AnsweringMachineDetector, names_screen
from sipgw.calls.phone_line import PhoneLine
from tests.bench.answering import tone
from tests.outbound.test_answering_machines import Interrupted, Wire
from tests.waiting import HANG, until

UNFORESEEN = "I'm answering for the owner of this phone. Give me a name and a topic, and they will hear about it."
POLITE = "Parker and Sons. May I have your name and the reason for your call?"
KNOWN = "Please state your name and the reason for your call."


def talked(
    meant: dict[str, bool | None],
    *said: CallerSaid,
    ready: bool = True,
    slow: bool = False,
) -> list[AnsweredParty]:
    """What is found of these words, where the classifier says what they mean; if it is `slow`, after all were said."""
    found: list[AnsweredParty] = []
    compared = asyncio.Event()

    async def resembles(text: str, final: bool) -> bool | None:
        await (compared.wait() if slow else asyncio.sleep(0))
        return meant.get(text)

    async def scenario() -> None:
        line = PhoneLine()
        line.attach(Wire(line))  # type: ignore[arg-type]
        setup: Any = AmdSetup(
            line, lambda: None, "", lambda report: None, lambda who, why: found.append(who),  # type: ignore[arg-type, return-value]
            "en", resembles=resembles, known=lambda text, final: meant.get(text) if ready else None,
        )  # fmt: skip
        one = AmdTalk(Interrupted(line), setup)
        talking = asyncio.get_running_loop().create_task(one.run())
        for words in said:
            one.understand(words)
            for _ in range(20):
                await asyncio.sleep(0)
        compared.set()
        for _ in range(20):
            await asyncio.sleep(0)
        talking.cancel()

    asyncio.run(scenario())
    return found


def test_a_screen_is_told_by_what_it_means() -> None:
    assert not names_screen(UNFORESEEN)
    assert talked({UNFORESEEN: True}, CallerSaid(UNFORESEEN, final=True)) == [AnsweredParty.SCREEN]
    assert talked({UNFORESEEN: None}, CallerSaid(UNFORESEEN, final=True)) == [], "patterns decide if it is not known"


def test_a_person_who_says_what_the_patterns_know_is_none() -> None:
    assert names_screen(KNOWN)
    assert talked({KNOWN: False}, CallerSaid(KNOWN, final=False), CallerSaid(KNOWN, final=True)) == []
    assert talked({KNOWN: True}, CallerSaid(KNOWN, final=False)) == [], "the sentence may go on"
    assert talked({KNOWN: True}, CallerSaid(KNOWN, final=True)) == [AnsweredParty.SCREEN]
    assert talked({KNOWN: False}, CallerSaid(KNOWN, final=True), ready=False) == [AnsweredParty.SCREEN]


def test_a_sentence_is_looked_up_at_once_only_once() -> None:
    """The encoder takes some milliseconds of CPU, which no other call may wait for at each word that is added."""
    at_once, compared, released = list[str](), list[str](), asyncio.Event()
    states = [f"{KNOWN}{' please' * at}" for at in range(50)]

    def known(text: str, final: bool) -> bool:
        at_once.append(text)
        return False

    async def resembles(text: str, final: bool) -> bool:
        compared.append(text)
        await released.wait()
        return False

    async def scenario() -> None:
        line = PhoneLine()
        line.attach(Wire(line))  # type: ignore[arg-type]
        found: list[AnsweredParty] = []
        setup: Any = AmdSetup(
            line, lambda: None, "", lambda report: None, lambda who, why: found.append(who),  # type: ignore[arg-type, return-value]
            "en", resembles=resembles, known=known,
        )  # fmt: skip
        one = AmdTalk(Interrupted(line), setup)
        talking = asyncio.get_running_loop().create_task(one.run())
        for text in states:
            one.understand(CallerSaid(text, final=False))
            await asyncio.sleep(0)
        one.understand(CallerSaid(states[-1], final=True))
        released.set()
        await until(lambda: compared[-1:] == states[-1:])
        one.understand(CallerSaid(KNOWN, final=False))
        talking.cancel()
        assert not found

    asyncio.run(scenario())
    assert at_once == [states[0], KNOWN], "each sentence once"
    assert len(compared) <= 4, "not each state"


def test_who_follows_a_screen_is_not_compared() -> None:
    ask = "Who is this and what is it about?"
    said = (CallerSaid(KNOWN, final=True), CallerSaid(ask, final=True))
    assert talked({KNOWN: True, ask: True}, *said) == [AnsweredParty.SCREEN, AnsweredParty.HUMAN]


def test_words_before_a_screen_that_are_compared_late_are_not_those_of_the_person_after_it() -> None:
    hello, again, screened = CallerSaid("Hi there.", True), CallerSaid("One moment.", True), CallerSaid(KNOWN, True)
    assert talked({KNOWN: True}, hello, again, screened, slow=True) == [AnsweredParty.SCREEN]


@pytest.mark.parametrize("error", [ProviderError("local", "no encoder"), ValueError("a broken file")])
def test_no_failure_of_the_classifier_ends_the_call(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken(text: str, final: bool = True) -> bool:
        raise error

    monkeypatch.setattr(screen_classifier, "is_screen", broken)
    monkeypatch.setattr(screen_classifier, "ENCODER", SimpleNamespace(value=True))
    assert asyncio.run(screen_classifier.resembles_screen(KNOWN, True)) is None
    assert screen_classifier.known_screen(KNOWN, True) is None


@pytest.mark.skipif(not screen_classifier.installed(), reason="needs the embedded encoder")
def test_the_weights_tell_screens_from_people() -> None:
    folder = Path(__file__).parents[1] / "data" / "screening"
    assert screen_classifier.is_screen(UNFORESEEN) and screen_classifier.is_screen(KNOWN)
    assert not screen_classifier.is_screen(POLITE)
    for name, screen in (("prompts", True), ("people", False)):
        texts = [line.split("\t")[-1] for line in (folder / f"{name}.tsv").read_text("utf-8").splitlines()]
        right = sum(screen_classifier.is_screen(text) is screen for text in texts)
        assert right >= 0.99 * len(texts), "make the weights anew: python -m tests.bench.screen_training"


@pytest.mark.skipif(not screen_classifier.installed(), reason="needs the embedded encoder")
def test_no_call_waits_for_the_files_that_the_encoder_reads_with_its_first_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen_classifier, "ENCODER", Loaded("encoder", lambda: screen_classifier.is_screen("Hello?")))
    load_encoder()
    screen_classifier._weights()
    assert screen_classifier.known_screen(KNOWN, True) is None


@pytest.mark.skipif(not screen_classifier.installed(), reason="needs the embedded encoder")
def test_it_is_loaded_without_a_wait() -> None:
    async def scenario() -> None:
        screen_classifier.prepare()
        await until(lambda: screen_classifier.known_screen(KNOWN, True) is True)

    asyncio.run(scenario())


def test_no_call_waits_until_what_looks_for_tones_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy takes a tenth of a second or more: sound that comes meanwhile is not searched for tones."""
    let_go, loads = threading.Event(), list[bool]()

    def load() -> type[Tones]:
        loads.append(let_go.wait(HANG))
        return Tones

    monkeypatch.setattr(screen_classifier, "TONES", Loaded("tones", load))
    monkeypatch.setattr(screen_classifier, "installed", lambda: False)

    async def scenario() -> AnsweredParty:
        judge = AnsweringMachineDetector(tones=screen_classifier.tones)
        for _ in range(3):  # calls that begin at the same time
            screen_classifier.prepare()
        judge.hear(tone(2100, 0.6, 3000))
        assert judge.who is AnsweredParty.UNKNOWN
        let_go.set()
        await until(lambda: screen_classifier.tones() is not None)
        judge.hear(tone(2100, 0.6, 3000))
        return judge.who

    assert asyncio.run(scenario()) is AnsweredParty.FAX
    assert loads == [True], "once for all calls"


def test_the_log_tells_why_nothing_looks_for_tones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faxes are talked to, and no beep is heard, until it can be loaded."""

    def load() -> type[Tones]:
        raise ImportError("numpy was built for another ABI")

    monkeypatch.setattr(screen_classifier.TONES, "_load", load)
    monkeypatch.setattr(screen_classifier.TONES, "_work", None)
    monkeypatch.setattr(screen_classifier, "installed", lambda: False)

    async def scenario() -> None:
        screen_classifier.prepare()
        await until(lambda: told)

    with capture_logs() as told:
        asyncio.run(scenario())
    assert [(one["what"], one["cause"]) for one in told] == [
        ("what looks for tones", "ImportError('numpy was built for another ABI')")
    ]
    assert screen_classifier.tones() is None
