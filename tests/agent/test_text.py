"""Sentences out of a stream, and text made fit to be spoken."""

import pytest

from agent.sentences import FIRST_CLAUSE, LONGEST, SentenceCutter
from agent.speakable import speakable


def cut(text: str, step: int) -> list[str]:
    cutter = SentenceCutter()
    pieces = [piece for at in range(0, len(text), step) for piece in cutter.feed(text[at : at + step])]
    return pieces + cutter.flush()


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ("It costs 3.50 dollars. Fine.", ["It costs 3.50 dollars.", "Fine."]),
        ("Mr. Smith is here. Really!", ["Mr. Smith is here.", "Really!"]),
        ("We open at 9 a.m. on Monday. Good.", ["We open at 9 a.m. on Monday.", "Good."]),
        ("Well... I see. Yes", ["Well...", "I see.", "Yes"]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("Two ways: 1. Wait. 2. Call. Fine?", ["Two ways: 1.", "Wait.", "2. Call.", "Fine?"]),
        ("1. Wait.\n2. Call.", ["1. Wait.", "2. Call."]),
        ("One\nTwo\n\nThree", ["One", "Two", "Three"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("", []),
        ("   ", []),
    ],
)
def test_sentences(text: str, pieces: list[str], step: int) -> None:
    assert cut(text, step) == pieces


def test_the_first_piece_may_be_a_clause_and_later_ones_not() -> None:
    text = "Your order seven three four six, a blue raincoat, is out, today. It comes at six, or seven. Yes."
    pieces = cut(text, 5)
    assert pieces[0] == "Your order seven three four six,"
    assert len(pieces[0]) >= FIRST_CLAUSE
    assert pieces[1:] == ["a blue raincoat, is out, today.", "It comes at six, or seven.", "Yes."]


def test_text_without_any_end_is_cut_at_a_space() -> None:
    pieces = cut("word " * 200, 7)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert " ".join(pieces).split() == ["word"] * 200


@pytest.mark.parametrize("step", [1, 7])
def test_nothing_is_lost(step: int) -> None:
    text = "A b.c, d! (e?) «f» 3.4.5 ... g; h — i. " * 5
    assert "".join("".join(cut(text, step)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Your **order** is `ready`.", "Your order is ready ."),
        ("- one\n- two", "one two"),
        ("See [our page](https://x.example/y).", "See our page."),
        ("Visit https://www.shop.example/a?b=c now", "Visit shop dot example now"),
        ("It is $3.50 or €1.", "It is 3 dollars and 50 cents or 1 euro."),
        ("₹1,200", "1,200 rupees"),
        ("It is $50, not $1234567.00.", "It is 50 dollars, not 1,234,567 dollars."),
        ("$1.5 million", "$1.5 million"),
        ("on 2026-11-05.", "on November 5, 2026."),
        ("on 2026-13-05", "on 2026-13-05"),
        ("Call (415) 555-0123", "Call 4 1 5, 5 5 5, 0 1 2 3"),
        ("20% off", "20 percent off"),
        ("at 15:00", "at 15 o'clock"),
        ("Order 7346.", "Order 7 3 4 6."),
        ("Order 30865 is here", "Order 3 0 8 6 5 is here"),
        ("in 2026", "in 2026"),
        ("Call +1 415-555-0123 please", "Call plus 1, 4 1 5, 5 5 5, 0 1 2 3 please"),
        ("code AB12C", "code A B 1 2 C"),
        ("Great 😀!", "Great !"),
        ("salt & pepper", "salt and pepper"),
    ],
)
def test_text_is_made_speakable(text: str, spoken: str) -> None:
    assert speakable(text) == spoken


@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 20_000,
        "*" * 20_000,
        "a-" * 10_000,
        "$" * 20_000,
        "[" * 20_000,
        "[a](" * 5_000,
        "\n" * 20_000,
        "1 " * 10_000,
        "A1" * 10_000,
        "$" + "1" * 20_000,
    ],
    ids=range(10),
)
def test_hostile_text_stays_bounded(hostile: str) -> None:
    assert len(speakable(hostile)) <= 2 * len(hostile)
