"""The words of a turn come in pieces: each piece is redacted once, together with what a number may reach back over."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from stdnum import iban

from agent.records import CallerSaid
from sipgw.config.records import PrivacyOptions
from sipgw.events import CallBegan, CallReported, Event
from sipgw.records.captures.timeline import Timeline
from sipgw.records.cdr.encoder import CdrEncoder
from sipgw.records.privacy import redaction
from sipgw.records.privacy.growing import REACH, GrowingText
from sipgw.records.privacy.redaction import Redactor, redacted, redactor_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEGAN = CallBegan("c@1", NOW, "in", "pbx", "agent", "+1555", "+1666", {})
KINDS = PrivacyOptions().redact
COUNT = 25
"""How often a secret comes: more than twice the text that is held back (`REACH`)."""
SECRETS = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "four one one one " * 4, "social 123-45-6789"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("secret", SECRETS)
def test_wherever_a_number_is_cut_the_text_is_that_of_the_whole(secret: str, size: int) -> None:
    words = " ".join(f"well {secret} and {'so ' * (count % 5)}on" for count in range(COUNT)).split()
    pieces = [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
    text = GrowingText(20_000)
    for piece in pieces:
        text.add(piece, Redactor(KINDS))
    assert text.shown == redacted(" ".join(pieces), KINDS)
    assert text.shown.count("[") == COUNT


def test_it_takes_no_more_than_it_may() -> None:
    text = GrowingText(1000)
    for _ in range(100):
        text.add("x" * 99, str)
    assert len(text.shown) == 10 * 99 + 9 + 100, "the piece that reaches the bound is the last"


def timeline(redact: redaction.Redact) -> Callable[[Event], object]:
    line = Timeline(BEGAN, 0.0, redact=redact)
    return lambda event: line.tell(event, 1.0)


def record(redact: redaction.Redact) -> Callable[[Event], object]:
    encoder = CdrEncoder(lambda agent: redact)
    encoder.entry(BEGAN)
    return encoder.entry


@pytest.mark.parametrize("keeper", [timeline, record])
def test_the_work_grows_with_the_words_of_a_turn_and_not_with_their_square(
    keeper: Callable[[redaction.Redact], Callable[[Event], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = [0]

    def counted(text: str, *_: Any) -> Any:
        looked_at[0] += len(text)
        return iter(())

    monkeypatch.setattr(redaction, "_LOOKS", dict.fromkeys(redaction._LOOKS, counted))
    tell = keeper(redactor_for(PrivacyOptions(redact=("cards",)), "records"))
    for count in range(150):
        tell(CallReported("c@1", NOW, CallerSaid(f"serial number {count:04} of a long list of them", True)))
        assert looked_at[0] <= (count + 1) * 3 * (2 * REACH + 50)


def test_most_of_what_looks_like_an_iban_is_told_from_one_by_its_check_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def valid(number: str, **_: Any) -> bool:
        asked.append(number)
        return False

    monkeypatch.setattr(iban, "is_valid", valid)
    redacted("ab12 cd34 " * 800, ("iban",))
    assert len(asked) < 50


def test_what_was_judged_is_not_judged_again_by_who_asks_next() -> None:
    said = "my card is 4111 1111 1111 1111"
    assert Redactor(KINDS).find(said) is Redactor(KINDS).find(said)
