"""The Cartesia STT against a server as strict as the real one."""

import asyncio
import json

import pytest

from agent.errors import ProviderError
from agent.providers import socket_stt
from agent.providers.cartesia import CartesiaStt
from agent.providers.cartesia_ink import CartesiaOptions, InkSession
from agent.providers.websocket import connect
from agent.stt import Onset, Transcript
from tests.agent.providers.listening import listen, refused, sound
from tests.fakes.assemblyai import Said
from tests.fakes.cartesia import FakeInk
from tests.fakes.listening import Faults
from tests.waiting import HANG

KEY = "ct-key"
ORDER = Said("Where is my order?", 500, 2000)


def stt_on(fake: FakeInk, **more) -> CartesiaStt:
    given = {"api_key": KEY, "url": fake.url, "retry_pause": 0.0, "silence_after": 60.0, "chunk": 0.1, **more}
    return CartesiaStt(CartesiaOptions(**given))


def session(fake: FakeInk, scenario, **more):
    async def run():
        async with fake:
            return await listen(stt_on(fake, **more), scenario)

    return asyncio.run(run())


def refusal(fake: FakeInk) -> ProviderError:
    async def run():
        async with fake:
            return await refused(stt_on(fake))

    return asyncio.run(run())


async def speak(stt, milliseconds: int) -> None:
    for _ in range(0, milliseconds, 100):
        stt.send_audio(sound(100))
        await asyncio.sleep(0.001)  # the words have no times: the server has to answer in between


@pytest.mark.faults("E5")
def test_ink_is_asked_for_mu_law_as_it_is_on_the_line():
    fake, ulaw = FakeInk(), sound(1234)

    async def scenario(stt, _events):
        stt.send_audio(ulaw)

    session(fake, scenario, keyterms=("Sipgw", "Łódź"))
    opened = fake.sessions[0]
    assert opened.query["encoding"] == "pcm_mulaw"
    assert opened.query["turn_end_timeout_ms"] == "5600"
    assert [value for name, value in opened.pairs if name == "keyterm"] == ["Sipgw", "Łódź"]
    assert opened.headers["Authorization"] == f"Bearer {KEY}"
    assert "X-API-Key" not in opened.headers
    assert opened.headers["Cartesia-Version"] == "2026-08-14"
    assert bytes(opened.audio) == ulaw
    assert opened.messages == [{"type": "close"}]


def test_a_turn_its_probable_end_that_end_taken_back_and_its_end():
    script = [Said("My number is", 200, 1200), Said("seven three.", 1600, 2200)]

    async def scenario(stt, events):
        stt.send_audio(sound(1500))
        onset = await events.next()
        eager = await events.matching(eager=True)
        stt.send_audio(sound(500))
        resumed = await events.matching(eager=False)
        stt.send_audio(sound(1400))
        return onset, eager, resumed, await events.final()

    onset, eager, resumed, final = session(FakeInk(script), scenario)
    assert isinstance(onset, Onset)
    assert (eager.text, eager.final) == ("My number is", False)
    assert resumed.text.startswith("My number is")
    assert not resumed.final
    assert (final.text, final.eager) == ("My number is seven three.", True)


def test_message_by_message():
    ink = InkSession(CartesiaOptions())
    ink.begin()
    ink.backlog.add(sound(2000))
    while ink.backlog.next_frame():
        pass

    def message(kind: str, **fields):
        return ink.receive(json.dumps({"type": kind, "request_id": "r", **fields}))

    at = 2.0
    assert message("connected") is None
    assert message("turn.start") == Onset(at)
    assert message("turn.update", transcript="") is None
    assert message("turn.update", transcript="My number") == Transcript("My number", False, False, at)
    assert message("turn.eager_end", transcript="My number") == Transcript("My number", False, True, at)
    assert message("turn.resume") == Transcript("My number", False, False, at)
    assert message("turn.end", transcript="My number is 7.") == Transcript("My number is 7.", True, True, at)
    assert message("turn.resume") is None
    assert message("turn.end", transcript="") is None
    assert message("turn.update") is None
    assert ink.ignored == 1


@pytest.mark.parametrize("faults", [Faults(drop=True, after_ms=3000), Faults(error=("internal", "x"), after_ms=3000)])
def test_a_lost_session_is_replaced_and_a_cut_off_turn_is_heard_again(faults):
    script = [Said("Hello.", 500, 1000), Said("Where is my order?", 2000, 3500)]
    fake = FakeInk(script, [Said("Where is my order?", 200, 1700)], faults=faults)
    ulaw = sound(5000)

    async def scenario(stt, events):
        stt.send_audio(ulaw[:14400])
        heard = [await events.final()]
        stt.send_audio(ulaw[14400:24000])
        await fake.until(lambda: len(fake.sessions) == 2 and fake.sessions[1].audio)  # type: ignore[arg-type, return-value]
        stt.send_audio(ulaw[24000:])
        return [*heard, await events.final()]

    heard = session(fake, scenario)
    assert [transcript.text for transcript in heard] == ["Hello.", "Where is my order?"]
    assert bytes(fake.sessions[1].audio[:4000]) in ulaw


def test_silence_takes_the_place_of_sound_that_does_not_come():
    async def scenario(stt, events):
        stt.send_audio(sound(2000))
        return await events.final()

    assert session(FakeInk([ORDER]), scenario, silence_after=0.1).text == "Where is my order?"


def test_a_wrong_key_is_refused_and_not_shown():
    error = refusal(FakeInk(key="another"))
    assert not error.temporary
    assert KEY not in str(error)


def test_a_rate_limit_says_how_long_to_wait():
    error = refusal(FakeInk(faults=Faults(sessions=9, refuse_status=429, retry_after="9")))
    assert error.temporary
    assert error.retry_after == 9.0


def test_an_error_that_will_not_pass_ends_the_stt():
    fake = FakeInk([ORDER], faults=Faults(sessions=9, error=("x", "no"), after_ms=500))
    fake.end = lambda s, _: fake.send(s, type="error", message=f"bad {KEY}", error_code="x", status_code=402)  # type: ignore[assignment, method-assign]

    async def scenario(stt, events):
        stt.send_audio(sound(1000))
        with pytest.raises(ProviderError, match=r"payment: bad \*\*\*") as caught:
            while True:
                await events.next()
        return caught.value

    assert not session(fake, scenario).temporary


def test_nonsense_from_the_server_is_counted_and_does_no_harm():
    noise = (
        "",
        "[]",
        "{",
        "[" * 9999,
        '{"type": 3}',
        '{"type": "turn.update"}',
        '{"type": "turn.end", "transcript": 3}',
    )

    async def scenario(stt, events):
        stt.send_audio(sound(3000))
        return await events.final(), stt._session.ignored

    final, ignored = session(FakeInk([ORDER], faults=Faults(noise=noise)), scenario)
    assert final.text == "Where is my order?"
    assert ignored == len(noise)


@pytest.mark.parametrize("wrong", [{"extra": {"turn_end_threshold": "soon"}}, {"keyterms": ("x" * 1201,)}])
def test_options_that_the_server_would_refuse_are_refused_here(wrong):
    with pytest.raises(ValueError, match="must be"):
        CartesiaOptions(**wrong)


def test_the_key_is_in_no_repr():
    assert KEY not in repr(CartesiaOptions(api_key=KEY))


def test_a_session_that_comes_after_the_close_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    connected, go_on = asyncio.Event(), asyncio.Event()

    async def late(*given):
        socket = await connect(*given)
        connected.set()
        await go_on.wait()
        return socket

    monkeypatch.setattr(socket_stt, "connect", late)

    async def run():
        async with FakeInk() as fake, asyncio.timeout(HANG):
            stt = stt_on(fake)
            async with asyncio.TaskGroup() as group:
                group.create_task(stt.open())
                await connected.wait()
                await stt.close()
                go_on.set()
            await fake.sessions[0].connection.wait_closed()

    asyncio.run(run())
