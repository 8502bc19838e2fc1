"""What a call uses of its providers is reported while it is used, also when it is broken off."""

import asyncio
from contextlib import aclosing

import pytest

from agent.announcement import Announcement
from agent.errors import ProviderError
from agent.limits import within
from agent.line import Gone
from agent.llm import Text, Usage
from agent.meter import MeteredLlm, MeteredStt, MeteredTts
from agent.providers.deepgram import DeepgramStt
from agent.providers.deepgram_listen import DeepgramOptions
from agent.realtime import Consumed
from agent.records import Outcome, Used
from tests.agent.realtime_holding import gone, hold
from tests.fakes.line import FakeLine, FakeLlm, FakeStt, FakeTts
from tests.virtual import run


def test_sound_is_reported_every_five_seconds_and_the_rest_in_the_end() -> None:
    told: list[Used] = []

    async def scene() -> None:
        inner = FakeStt()
        stt = MeteredStt(inner, told.append)
        for _ in range(100):
            stt.send_audio(b"\xff" * 480)
        assert told == [Used("stt", inner.name, "seconds", 5.04)]
        await stt.close()
        await stt.close()

    run(scene())
    assert [one.amount for one in told] == [5.04, 0.96]


def test_sound_is_charged_by_the_model_that_another_language_takes() -> None:
    told: list[Used] = []

    async def scene() -> None:
        stt = MeteredStt(DeepgramStt(DeepgramOptions()), told.append, "deepgram/flux-general-en")
        for language in ("en", "de", "en"):
            stt.set_language(language)
            stt.send_audio(b"\xff" * 8000)
        await stt.close()

    run(scene())
    models = ("flux-general-en", "flux-general-multi", "flux-general-multi")
    assert told == [Used("stt", f"deepgram/{model}", "seconds", 1.0) for model in models]


def test_tokens_are_those_that_the_server_tells() -> None:
    told: list[Used] = []

    async def scene() -> None:
        llm = MeteredLlm(FakeLlm(lambda messages: [Text("Hello."), Usage(120, 7)]), told.append)
        assert [piece async for piece in llm.reply([], [])] == [Text("Hello."), Usage(120, 7)]

    run(scene())
    assert told == [Used("llm", "fake-model", "tokens_in", 120), Used("llm", "fake-model", "tokens_out", 7)]


def test_a_reply_that_is_broken_off_is_estimated() -> None:
    told: list[Used] = []

    async def scene() -> None:
        llm = MeteredLlm(FakeLlm(lambda messages: [Text("Twelve chars"), Text("never read")]), told.append)
        async with aclosing(llm.reply([{"role": "user", "content": "x" * 400}], [])) as pieces:
            await anext(pieces)

    run(scene())
    assert [one.amount for one in told] == [100, 3]


@pytest.mark.faults("C1")
def test_who_refuses_or_cannot_be_reached_is_not_paid() -> None:
    told: list[Used] = []
    down = ProviderError("x", "cannot be reached", refused=True)

    async def scene() -> None:
        llm = MeteredLlm(FakeLlm(lambda messages: [down]), told.append)
        with pytest.raises(ProviderError):
            await anext(llm.reply([{"role": "user", "content": "x" * 400}], []))
        tts = MeteredTts(FakeTts(fails=lambda text: down), told.append)
        with pytest.raises(ProviderError):
            await anext(tts.speak("Hello there."))
        assert told == []
        llm = MeteredLlm(FakeLlm(lambda messages: [Text("Half"), down]), told.append)
        with pytest.raises(ProviderError):
            [piece async for piece in llm.reply([{"role": "user", "content": "x" * 400}], [])]

    run(scene())
    assert [one.amount for one in told] == [100, 1], "what broke off is estimated"


@pytest.mark.faults("C1")
def test_what_is_thrown_away_or_too_late_is_paid_all_the_same() -> None:
    told: list[Used] = []
    late = ProviderError("x", "nothing within 2 s")

    async def scene() -> None:
        waiting = MeteredTts(FakeTts(fails=lambda text: 100.0), told.append)
        with pytest.raises(ProviderError):
            await anext(within(waiting.speak("Hello there."), "x", 1.0, 1.0))
        assert [one.amount for one in told] == [12], "as for another voice that is asked then"
        task = asyncio.get_running_loop().create_task(anext(waiting.speak("Hello.")))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait((task,))
        assert [one.amount for one in told] == [12, 6], "as for a reply that was prepared in vain"
        with pytest.raises(ProviderError):
            await anext(MeteredTts(FakeTts(fails=lambda text: late), told.append).speak("Yes."))
        assert [one.amount for one in told] == [12, 6, 4]
        with pytest.raises(ProviderError):
            llm = MeteredLlm(FakeLlm(lambda messages: [late]), told.append)
            await anext(llm.reply([{"role": "user", "content": "x" * 400}], []))
        assert [one.amount for one in told] == [12, 6, 4, 100, 0]

    run(scene())


def test_characters_count_with_the_first_sound_of_the_voice() -> None:
    told: list[Used] = []

    async def scene() -> None:
        tts = MeteredTts(FakeTts(), told.append)
        async with aclosing(tts.speak("Hello there.")) as sounds:
            await anext(sounds)
            assert [one.amount for one in told] == [12]

    run(scene())


def announced(broken: bool = False, leaves_after: float | None = None) -> tuple[Outcome, float]:
    async def scene() -> tuple[Outcome, float]:
        line, loop = FakeLine(), asyncio.get_running_loop()
        tts = FakeTts(fails=lambda text: ProviderError("tts", "gone") if broken else None)
        announcement = Announcement(line, tts, "We are closed.", Outcome("refused", "they are blocked"), "en")
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(line.play())
            await announcement.open()
            begun = loop.time()
            if leaves_after is not None:
                loop.call_later(leaves_after, line.incoming.put_nowait, Gone("hung up"))
            outcome = await announcement.run()
            playing.cancel()
            assert tts.closed
        return outcome, loop.time() - begun

    return run(scene())


def test_an_announcement_is_said_to_its_end() -> None:
    outcome, seconds = announced()
    assert outcome == Outcome("refused", "they are blocked")
    assert 0.5 < seconds < 3


def test_an_announcement_ends_when_the_caller_leaves() -> None:
    _, seconds = announced(leaves_after=0.2)
    assert seconds < 0.3


def test_a_recorded_sentence_stands_in_for_a_voice_that_fails() -> None:
    outcome, seconds = announced(broken=True)
    assert outcome.kind == "refused"
    assert seconds > 1


def test_what_another_model_of_the_session_has_done_is_charged_at_its_price() -> None:
    async def plan(caller, session):
        session.came.put_nowait(Consumed("tokens_out", 7))
        session.came.put_nowait(Consumed("seconds", 1.5, "openai/gpt-transcribe"))
        await asyncio.sleep(3)
        gone(caller.line)

    assert [one for one in hold(plan).reports if isinstance(one, Used)] == [
        Used("realtime", "fake-duplex", "tokens_out", 7),
        Used("realtime", "openai/gpt-transcribe", "seconds", 1.5),
    ]
