# mypy: disable-error-code="union-attr"
"""The messages of ConversationRelay, the session's bounds and its secrets; conversations: `test_relay_conversation`."""

import json
from dataclasses import replace
from itertools import product

import pytest

from agent.relay import messages as wire
from agent.relay.call import RelayCall, check_url
from agent.relay.session import Relay
from agent.relay.talk import CYCLES, LONGEST, Cycle, RelayTalk, Signal
from tests.agent.relay.holding import CALL
from tests.fakes.relay import FakeRelay, answers, judge
from tests.virtual import run


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"type": "text", "token": "Hi ", "last": False}, wire.Token("Hi ", last=False)),
        ({"type": "text", "token": "Hi"}, wire.Token("Hi", last=False)),
        (
            {"type": "text", "token": "", "last": True, "lang": "es-MX", "interruptible": False, "preemptible": True},
            wire.Token("", last=True, language="es", interruptible=False, preemptible=True),
        ),
        ({"type": "text", "token": "a", "last": "true", "interruptible": "none"},
         wire.Token("a", last=True, interruptible=False)),
        ({"type": "text", "token": "a", "interruptible": "any", "new": 1}, wire.Token("a", last=False)),
        ({"type": "play", "source": "https://a/b.mp3", "loop": 0}, wire.Play("https://a/b.mp3", 1000)),
        ({"type": "play", "source": "https://a/b.mp3", "loop": 10**9}, wire.Play("https://a/b.mp3", 1000)),
        ({"type": "play", "source": "https://a/b.mp3", "loop": "9" * 5000}, wire.Play("https://a/b.mp3", 1000)),
        ({"type": "play", "source": "https://a/b.mp3"}, wire.Play("https://a/b.mp3")),
        ({"type": "sendDigits", "digits": "9www4085551212"}, wire.SendDigits("9www4085551212")),
        ({"type": "language", "ttsLanguage": "sv-SE"}, wire.SwitchLanguage("sv")),
        ({"type": "language", "ttsLanguage": "multi", "transcriptionLanguage": "multi"}, None),
        ({"type": "end"}, wire.End()),
        ({"type": "end", "handoffData": '{"a": 1}'}, wire.End('{"a": 1}')),
        ({"type": "end", "handoffData": {"a": 1}}, wire.End('{"a": 1}')),
    ],
)  # fmt: skip
def test_messages_of_the_server_are_read(sent: dict, read: object) -> None:
    assert wire.read(json.dumps(sent)) == read


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("", "JSON object"),
        ("[]", "JSON object"),
        pytest.param("[" * 60_000, "JSON object", id="nested too deep"),
        ('{"type": null}', "unknown type: None"),
        ('{"type": "text"}', "text: token must be a string"),
        ('{"type": "text", "token": null}', "token must be a string"),
        ('{"type": "text", "token": "a", "last": 1}', "last must be true or false"),
        ('{"type": "text", "token": "a", "lang": "a language"}', "is not a language"),
        ('{"type": "play", "source": 7}', "source must be a string"),
        ('{"type": "play", "source": "https://a", "loop": -1}', "loop is a whole number"),
        ('{"type": "play", "source": "https://a", "loop": true}', "loop is a whole number"),
        ('{"type": "sendDigits", "digits": ""}', "1 to 64 of 0-9"),
        ('{"type": "sendDigits", "digits": "12x"}', "1 to 64 of 0-9"),
        (json.dumps({"type": "sendDigits", "digits": "1" * 65}), "1 to 64 of 0-9"),
        ('{"type": "language"}', "is missing"),
        ('{"type": "language", "ttsLanguage": "es-ES", "transcriptionLanguage": "en-US"}', "the same language"),
        (json.dumps({"type": "text", "token": "a" * 64_000}), "at most 64000 characters"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(sent: str, why: str) -> None:
    with pytest.raises(wire.RelayFault, match=why):
        wire.read(sent)


@pytest.mark.parametrize(
    "message",
    [
        wire.prompt("Hi", "en", last=True),
        wire.prompt("Hi", "en", last=False),
        wire.dtmf("#"),
        wire.interrupt("Hi", 1.2345),
        wire.error("no"),
    ],
)
def test_what_is_sent_is_what_both_vendors_document(message: str) -> None:
    judge(message, first=False)


def test_the_setup_is_what_both_vendors_document() -> None:
    message = judge(wire.setup(CALL, {"shop": "7"}, "VX" + 32 * "0"), first=True)
    assert message["customParameters"] == {"shop": "7"}


def test_the_heard_words_are_found_in_the_tokens_whatever_their_spaces() -> None:
    assert wire.heard_of(" Hello\n\nthere.  How are you?", "Hello there. How") == "Hello\n\nthere.  How"
    assert wire.heard_of("Hello there.", "One moment.") == "One moment."
    assert wire.heard_of("Hello", "Hello there.") == "Hello there."


def test_the_signature_is_twilios() -> None:
    """Computed by twilio 9.13, `RequestValidator(key).compute_signature(url, params)`."""
    key = "12345678901234567890123456789012"
    assert wire.signature("wss://example.com/relay", key) == SIGNED
    assert wire.signature("wss://example.com/relay?b=2&a=1&a=3", key) == SIGNED_QUERY
    assert wire.signature("wss://user:secret@example.com/relay", key) == SIGNED


SIGNED, SIGNED_QUERY = "GOLx4L1uYxF8jRa5QYxH71uGrXc=", "5lEAybw5bbEaCch8eVN/qEIHjnk="


def test_the_request_is_signed_with_a_key_and_only_then() -> None:
    async def headers(told: RelayCall) -> dict[str, str]:
        server = FakeRelay(answers({}))
        relay = Relay(told, server.dial)  # type: ignore[arg-type]
        await relay.open()
        await relay.close()
        return server.sessions[0].headers  # type: ignore[return-value]

    told = RelayCall("wss://example.com/relay", CALL)
    assert run(headers(told)) == {}
    assert run(headers(replace(told, key="12345678901234567890123456789012"))) == {"X-Twilio-Signature": SIGNED}


@pytest.mark.parametrize(
    "url",
    ["wss://example.com", "wss://example.com:8443/a?token=b", "ws://127.0.0.1:8080/a", "ws://localhost/a",
     "ws://brain:8080", "ws://10.0.0.7/", "ws://[::1]/", "ws://box.local/"],
)  # fmt: skip
def test_encryption_is_required_unless_the_host_is_local(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ws://example.com", "use wss://"),
        ("ws://8.8.8.8/", "use wss://"),
        ("https://example.com", "must be like wss://"),
        ("wss://", "must be like wss://"),
        ("wss://example.com/#a", "must be like wss://"),
        ("wss://[::1", "must be like wss://"),
        ("wss://example.com:port/", "must be like wss://"),
    ],
)
def test_other_addresses_are_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_url(url)


def test_neither_url_nor_key_nor_parameters_are_shown() -> None:
    told = RelayCall("wss://example.com/a?token=SECRET1", CALL, {"pin": "SECRET2"}, "SECRET3")
    assert "SECRET" not in repr(told) + str(vars(Relay(told)))


@pytest.mark.parametrize(("cycle", "signal"), CYCLES)
def test_a_reply_that_was_broken_off_is_silent_until_its_end_another_prompt_or_key(
    cycle: Cycle, signal: Signal
) -> None:
    after = CYCLES[cycle, signal]
    if signal is Signal.END:
        assert after is Cycle.OVER
    if cycle is Cycle.OVER:
        assert after is Cycle.OVER
    if cycle is Cycle.CUT:
        ends = {Signal.PROMPT: Cycle.REASKED, Signal.KEY: Cycle.IDLE, Signal.LAST: Cycle.IDLE, Signal.END: Cycle.OVER}
        assert after is ends.get(signal, Cycle.CUT)
    if signal is Signal.TOKEN and cycle not in (Cycle.CUT, Cycle.OVER):
        assert after is Cycle.TALKING


def test_each_signal_can_come_in_each_cycle_but_text_of_a_session_that_is_over() -> None:
    assert set(product(Cycle, Signal)) - CYCLES.keys() == {(Cycle.OVER, Signal.TOKEN)}
    with pytest.raises(KeyError):
        RelayTalk(cycle=Cycle.OVER).step(Signal.TOKEN)


def test_no_more_than_a_bound_is_spoken_of_a_reply() -> None:
    talk = RelayTalk()
    talk.ask(["Tell me all."])
    refused = []
    for number in range(8):
        try:
            talk.token(wire.Token("word " * 1000, last=number == 7))
        except wire.RelayFault:
            refused.append(number)
    assert refused == [4], "told once"
    assert sum(len(one.text) for one in talk.queue) == LONGEST  # type: ignore[misc]
    assert talk.cycle is Cycle.IDLE
    talk.ask(["Go on."])
    talk.token(wire.Token("Short.", last=True))
    assert talk.queue[-1].text == "\nShort.", "the next one is whole"
