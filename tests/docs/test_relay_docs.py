"""Coming from ConversationRelay: every attribute and every message of both vendors has its line on the page."""

import inspect
import re
from pathlib import Path

import pytest

from tests.fakes.relay import KEYS

PAGE = (Path(__file__).parents[2] / "docs" / "from-conversationrelay.md").read_text()
TWILIO = """
url language ttsLanguage transcriptionLanguage ttsProvider voice transcriptionProvider speechModel profanityFilter
dtmfDetection welcomeGreeting partialPrompts welcomeGreetingInterruptible interruptible preemptible hints
intelligenceService reportInputDuringAgentSpeech elevenlabsTextNormalization interruptSensitivity debug
backgroundNoiseReduction speechTimeout deepgramSmartFormat ignoreBackchannel events partialPromptOnHangup
eagerEotThreshold asrSmartFormat ttsTextNormalization ttsLanguageTextNormalization elevenlabsLanguageTextNormalization
includeInPrompt customerName applicationReconnect echoPromptFiltering turnDetection conversationConfiguration
"""
"""https://www.twilio.com/docs/voice/twiml/connect/conversationrelay and the library `twilio` 9.13."""
TELNYX = """
url welcomeGreeting voice language transcriptionProvider interruptible welcomeGreetingInterruptible dtmfDetection
"""
"""https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/conversationrelay"""
LANGUAGE = (
    "code ttsProvider voice transcriptionProvider speechModel hints asrSmartFormat ttsTextNormalization"
    " ttsLanguageTextNormalization"
)
SERVER = ("text", "play", "sendDigits", "language", "end")


def cells(heading: str) -> dict[str, str]:
    """The rows of the table below a heading, by each name in the first cell."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    for names, what in re.findall(r"^\| (`.*?) \| (.*) \|$", section, re.MULTILINE):
        found |= {name: f"{found.get(name, '')} {what}" for name in re.findall(r"`(\w+)`", names)}
    return found


def test_every_attribute_is_kept_renamed_or_refused() -> None:
    told = cells("Attributes of `<ConversationRelay>`")
    assert told.keys() == {*TWILIO.split(), *TELNYX.split()}
    assert all(re.match(r" (kept|renamed|refused)\b.*: ", what) for what in told.values()), told


def test_every_attribute_that_the_vendors_library_knows_is_told() -> None:
    response = pytest.importorskip("twilio.twiml.voice_response")
    taken = inspect.signature(response.Connect.conversation_relay).parameters
    names = {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in taken} - {"self", "kwargs"}
    assert names <= {*TWILIO.split()}
    taken = inspect.signature(response.ConversationRelay.language).parameters
    assert {re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in taken} - {"self", "kwargs"} == {
        *LANGUAGE.split()
    }


def test_every_attribute_of_the_elements_below_is_told() -> None:
    below = PAGE.partition("`<Language>`:")[2].partition("\n## ")[0]
    for name in (*LANGUAGE.split(), "name", "value", "action", "method"):
        assert f"`{name}`" in below, name


def test_every_message_is_told() -> None:
    assert cells("Messages to your server").keys() >= KEYS.keys()
    assert cells("Messages from your server").keys() >= {*SERVER}
    for name in KEYS["setup"] - {"type"}:
        assert f"`{name}`" in PAGE, name


def test_the_page_tells_how_exact_the_heard_words_are() -> None:
    told = cells("Messages to your server")["interrupt"]
    assert "times of words, this text is exact to the word. Otherwise it is estimated" in told
