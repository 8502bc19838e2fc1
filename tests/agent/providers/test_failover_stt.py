"""STT that stand in for each other, on virtual time; the last test is over real sockets."""

import asyncio
from math import inf

import pytest

from agent.errors import ProviderError
from agent.providers.assemblyai import AssemblyAIStt
from agent.providers.assemblyai_session import AssemblyAIOptions
from agent.providers.circuit_breaker import CircuitBreaker
from agent.providers.deepgram import DeepgramStt
from agent.providers.deepgram_listen import DeepgramOptions
from agent.providers.failover import FailoverOptions
from agent.providers.failover_stt import FailoverStt
from agent.stt import Onset, Transcript
from agent.turn_taking.expect import OPEN, Expected
from tests.agent.providers.listening import Reader, listen, placed, sound
from tests.fakes.assemblyai import FakeAssemblyAI, Said
from tests.fakes.assemblyai import Faults as AssemblyAIFaults
from tests.fakes.deepgram import FakeDeepgram
from tests.virtual import run

OPTIONS = FailoverOptions()
LOST = ProviderError("x", "connection lost")
REFUSED = ProviderError("x", "refused the API key", temporary=False)
LIMITED = ProviderError("x", "limits the rate", retry_after=60.0)


def final(text: str, end: float) -> Transcript:
    return Transcript(text, True, True, end)


def partial(text: str, end: float) -> Transcript:
    return Transcript(text, False, False, end)


class FakeStt:
    """Tells each item of `script` when so many milliseconds have been heard; errors are raised."""

    def __init__(
        self,
        name: str,
        *script,
        open_error: ProviderError | None = None,
        open_after: float = 0.0,
        ends_turns: bool = True,
        longest_silence: float = inf,
    ) -> None:
        self.name, self.ends_turns, self.longest_silence = name, ends_turns, longest_silence
        self.sound = b""
        self.said: list[str] = []
        self.closed = 0
        self._script = list(script)
        self._open_error, self._open_after = open_error, open_after
        self._queue: asyncio.Queue = asyncio.Queue()

    async def open(self) -> None:
        await asyncio.sleep(self._open_after)
        if self._open_error is not None:
            raise self._open_error

    def send_audio(self, ulaw: bytes) -> None:
        self.sound += ulaw
        while self._script and len(self.sound) >= self._script[0][0] * 8:
            self._queue.put_nowait(self._script.pop(0)[1])

    def expect(self, said: str, wanted: Expected = OPEN) -> None:
        self.said.append(said)

    def set_language(self, language, keyterms=()):
        self.said.append(language)

    def follow_voice(self, speaking: bool | None, ago: float) -> None:
        """See `agent.stt.SpeechToText`."""

    async def events(self):
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    async def close(self) -> None:
        self.closed += 1
        self._queue.put_nowait(None)


QUIET = b"\xff" * 3200


def hearing(*stt: FakeStt, scenario, health: CircuitBreaker | None = None):
    """Run `scenario(stt, reader)` on the failover of `stt`, on virtual time."""
    both = FailoverStt([lambda one=one: one for one in stt], health or CircuitBreaker(len(stt)), OPTIONS)  # type: ignore[misc]
    return run(listen(both, scenario))


async def feed(stt: FailoverStt, ulaw: bytes) -> None:
    for at in range(0, len(ulaw), 160):
        stt.send_audio(ulaw[at : at + 160])
        await asyncio.sleep(0.02)


async def nothing(_stt, _events):
    pass


def test_the_first_stt_serve_as_long_as_they_are_well():
    first, second = FakeStt("one", (400, Onset(0.3)), (900, final("Hello.", 0.8))), FakeStt("two")

    async def scenario(stt, events):
        await feed(stt, sound(1000))
        return [await events.next(), await events.next(), stt.name]

    assert hearing(first, second, scenario=scenario) == [Onset(0.3), final("Hello.", 0.8), "one"]
    assert (first.closed, second.closed, second.sound) == (1, 0, b"")


@pytest.mark.parametrize("error", [LOST, REFUSED, LIMITED])
def test_stt_that_refuse_are_passed_over_and_the_next_call_begins_with_the_others(error):
    first, second, health = FakeStt("one", open_error=error), FakeStt("two"), CircuitBreaker(2)

    async def scenario(stt, _events):
        return stt.name, health.order(asyncio.get_running_loop().time())

    assert hearing(first, second, scenario=scenario, health=health) == ("two", [1, 0])
    assert first.closed == 1


@pytest.mark.parametrize(("longest", "stuck"), [(inf, 7.0), (1.28, 7.0), (10.0, 12.0)])
def test_stt_are_stuck_only_beyond_the_silence_by_which_they_end_any_turn(longest, stuck):
    first = FakeStt("one", (400, partial("I want", 0.4)), longest_silence=longest)

    async def scenario(stt, events):
        await feed(stt, sound(1000))
        await events.next()
        before = asyncio.get_running_loop().time()
        while stt.name == "one":
            await feed(stt, QUIET)
        return asyncio.get_running_loop().time() - before

    assert hearing(first, FakeStt("two"), scenario=scenario) == pytest.approx(stuck, abs=0.5)


def test_whether_turns_end_is_a_matter_of_the_stt_in_use():
    first, second = (
        FakeStt("one", (400, LOST), ends_turns=False),
        FakeStt("two", (400, Onset(0.3)), longest_silence=1.28),
    )

    async def scenario(stt, events):
        before = stt.ends_turns, stt.longest_silence
        await feed(stt, sound(1000))
        await events.next()
        return before, stt.name, (stt.ends_turns, stt.longest_silence)

    assert hearing(first, second, scenario=scenario) == ((False, inf), "two", (True, 1.28))


def test_stt_that_take_too_long_to_open_are_passed_over():
    async def scenario(stt, _events):
        return stt.name, asyncio.get_running_loop().time()

    assert hearing(FakeStt("one", open_after=9.0), FakeStt("two"), scenario=scenario) == (
        "two",
        1000.0 + OPTIONS.open_limit,
    )


def test_without_any_stt_the_last_reason_is_told():
    both = FailoverStt(
        [lambda: FakeStt("one", open_error=LOST), lambda: FakeStt("two", open_error=REFUSED)],
        CircuitBreaker(2),
        OPTIONS,
    )
    with pytest.raises(ProviderError, match="refused the API key"):
        run(both.open())


def test_stt_lost_in_a_turn_are_replaced_by_others_that_hear_the_whole_turn():
    """The first turn is complete at 1.0 s; the loss is at 2.5 s in the second, of which 1.0 s on is heard again."""
    first = FakeStt("one", (1400, final("Hello.", 1.0)), (2000, partial("Where", 1.9)), (2500, LOST))
    second = FakeStt("two", (1000, partial("Where is", 1.0)), (2000, final("Where is it?", 1.5)))
    ulaw = QUIET + sound(3600)

    async def scenario(stt, events):
        stt.expect("How can I help?")
        await feed(stt, ulaw)
        return [await events.next() for _ in range(4)]

    assert hearing(first, second, scenario=scenario) == [
        final("Hello.", 1.0),
        partial("Where", 1.9),
        partial("Where is", 2.0),
        final("Where is it?", 2.5),
    ]
    assert second.sound == ulaw[8000:]
    assert second.said == ["How can I help?"]
    assert (first.closed, second.closed) == (1, 1)


def test_a_loss_while_nobody_speaks_has_little_heard_again():
    first, second = FakeStt("one", (20_000, LOST)), FakeStt("two")
    hearing(first, second, scenario=lambda stt, _: feed(stt, b"\xff" * 168_000))
    assert 2 * 8000 <= len(second.sound) - 8000 <= 3 * 8000  # 1 s came after the loss


def test_a_loss_in_a_very_long_turn_has_thirty_seconds_heard_again():
    first = FakeStt("one", (1000, partial("Once", 0.9)), (60_000, LOST))
    second = FakeStt("two")
    hearing(first, second, scenario=lambda stt, _: feed(stt, (sound(1100) + QUIET) * 40))
    assert 30 * 8000 <= len(second.sound) <= 31 * 8000


def test_stt_that_report_nothing_of_speech_are_deaf():
    first, second = FakeStt("one"), FakeStt("two", (3500, final("Can you hear me?", 3.3)))
    health = CircuitBreaker(2)

    async def scenario(stt, events):
        await feed(stt, QUIET + sound(3300))
        return await events.next(), health.order(asyncio.get_running_loop().time())

    heard, order = hearing(first, second, scenario=scenario, health=health)
    assert heard.text == "Can you hear me?"
    assert order == [0, 1]  # it may have been noise


def test_stt_that_report_nothing_of_what_was_said_are_deaf_a_second_after_its_end():
    """Those after them hear it again in time for the caller to be answered within three seconds."""
    first, second = FakeStt("one"), FakeStt("two", (1500, final("Where is my order?", 1.4)))
    ulaw = QUIET + sound(1000)

    async def scenario(stt, events):
        await feed(stt, ulaw + b"\xff" * 12000)
        return await events.next()

    assert hearing(first, second, scenario=scenario).text == "Where is my order?"
    assert second.sound.startswith(ulaw)
    assert len(first.sound) == len(ulaw) + OPTIONS.unheard_after * 8000


def test_a_cough_of_which_nothing_is_reported_makes_nobody_deaf():
    first, second = FakeStt("one"), FakeStt("two")
    hearing(first, second, scenario=lambda stt, _: feed(stt, QUIET + sound(400) + b"\xff" * 32000))
    assert not second.sound


def test_single_stt_that_are_deaf_get_another_session_which_hears_it_again():
    sessions = [FakeStt("one"), FakeStt("one", (1500, final("Where is my order?", 1.4))), FakeStt("one")]
    made = iter(sessions)
    both = FailoverStt([lambda: next(made)], CircuitBreaker(1), OPTIONS)

    async def scenario(stt, events):
        await feed(stt, QUIET + sound(1000) + b"\xff" * 12000)
        return await events.next()

    assert run(listen(both, scenario)).text == "Where is my order?"
    assert [one.closed for one in sessions] == [1, 1, 0]


def test_single_stt_that_are_lost_are_lost():
    both = FailoverStt([lambda: FakeStt("one", (400, LOST))], CircuitBreaker(1), OPTIONS)

    async def scenario(stt, events):
        await feed(stt, sound(1500))
        with pytest.raises(ProviderError, match="connection lost"):
            await events.next()

    run(listen(both, scenario))


def test_noise_that_nobody_understands_is_no_reason_to_go_on_changing():
    stt = [FakeStt(name) for name in ("one", "two", "three")]

    async def scenario(both, _events):
        for _ in range(4):
            await feed(both, QUIET + sound(3300) + b"\xff" * 32000)
        return both.name

    assert hearing(*stt, scenario=scenario) == "two"


def test_stt_that_never_end_a_turn_are_replaced():
    first = FakeStt("one", (1000, partial("Where is", 0.9)))
    second = FakeStt("two", (1000, final("Where is it?", 0.9)))

    async def scenario(stt, events):
        await feed(stt, QUIET + sound(600) + b"\xff" * 60_000)
        return [await events.next(), await events.next()]

    assert [one.text for one in hearing(first, second, scenario=scenario)] == ["Where is", "Where is it?"]


NOISE = b"\x60\xe0" * 4000
"""A second of steady noise, louder than what is taken for silence at first."""


@pytest.mark.parametrize("ulaw", [b"\xff" * 80_000, NOISE * 10], ids=["quiet", "noisy"])
def test_stt_are_kept_that_hear_a_caller_whom_we_cannot_tell_from_the_line(ulaw):
    """The caller begins at 8.5 s, by when nothing but silence has been heard here for longer than a turn may take."""
    told = (1500, final("Hello.", 0.4)), (8500, partial("Where", 8.4)), (9000, partial("Where is", 8.9))
    first = FakeStt("one", *told, (9500, final("Where is it?", 9.4)))
    second = FakeStt("two")

    async def scenario(stt, events):
        await feed(stt, ulaw)
        return [(await events.next()).text for _ in range(4)]

    assert hearing(first, second, scenario=scenario) == ["Hello.", "Where", "Where is", "Where is it?"]
    assert not second.sound


def test_words_that_stay_the_same_are_no_sign_of_life():
    again = [(milliseconds, partial("Where is", 0.9)) for milliseconds in range(1000, 9000, 250)]
    first, second = FakeStt("one", *again), FakeStt("two", (1000, final("Where is it?", 0.9)))

    async def scenario(stt, events):
        await feed(stt, QUIET + sound(600) + b"\xff" * 66_000)
        return await events.final()

    assert hearing(first, second, scenario=scenario).text == "Where is it?"


def test_stt_that_did_their_work_are_as_good_as_before():
    health = CircuitBreaker(2)
    for _ in range(3):
        health.failed(0, LOST, 900.0)

    async def scenario(stt, events):
        await feed(stt, sound(500))
        await events.final()
        now = asyncio.get_running_loop().time()
        health.failed(0, LOST, now)
        return health.order(now + 6.0)

    first = FakeStt("one", (400, final("Hello.", 0.3)))
    assert hearing(first, FakeStt("two"), scenario=scenario, health=health) == [0, 1], "one failure rests 5 s"


def test_when_the_last_stt_are_lost_it_is_told():
    first, second = FakeStt("one", (400, LOST)), FakeStt("two", (800, REFUSED))

    async def scenario(stt, events):
        await feed(stt, sound(1500))
        with pytest.raises(ProviderError, match="refused"):
            await events.next()

    hearing(first, second, scenario=scenario)


def test_closing_in_the_middle_of_a_replacement_ends_the_events():
    first, second = FakeStt("one", (400, LOST)), FakeStt("two", open_after=1.0)

    async def scenario(stt, _events):
        await feed(stt, sound(500))
        await stt.close()

    hearing(first, second, scenario=scenario)
    assert second.closed == 1


# Over sockets.


def test_deepgram_goes_on_where_assemblyai_is_cut_off():
    """AssemblyAI ends the session for want of money at 3.0 s, in the middle of the second turn (2.0 to 3.5 s)."""
    fault = AssemblyAIFaults(sessions=99, error=(1008, "Unauthorized Connection: balance"), after_ms=3000)
    first = FakeAssemblyAI([Said("Hello.", 500, 1000), Said("Where is my order?", 2000, 3500)], faults=fault)
    second = FakeDeepgram([Said("Where is my order?", 1000, 2500)])  # it hears everything from 1.0 s on
    ulaw = QUIET + sound(4600)

    async def work():
        async with first, second:
            makers = [
                lambda: AssemblyAIStt(AssemblyAIOptions("aai-key", url=first.url, attempts=1, silence_after=60.0)),
                lambda: DeepgramStt(DeepgramOptions("dg-key", url=second.url, model="nova-3", silence_after=60.0)),
            ]

            async def scenario(stt, events: Reader):
                stt.send_audio(ulaw[:24000])
                heard = [await events.final()]
                await second.until(lambda: second.sessions and second.sessions[0].audio)  # type: ignore[arg-type, return-value]
                stt.send_audio(ulaw[24000:])
                return [*heard, await events.final()]

            return await listen(FailoverStt(makers, CircuitBreaker(2), OPTIONS), scenario)

    hello, order = Said("Hello.", 500, 1000), Said("Where is my order?", 2000, 3500)
    assert asyncio.run(work()) == [
        final("Hello.", 1.0)._replace(words=placed(hello)),
        final("Where is my order?", 3.5)._replace(words=placed(order)),
    ], "words keep their places in the call, whoever heard them"
