"""What can have been said in a sound: texts and alignments as the model gave them for recorded speech."""

import pytest

from agent.providers.local.plausible import heard, is_suspect, is_thin, loops, shortened, words_in


@pytest.mark.parametrize(
    ("said", "starts", "kept"),
    [
        # Digits of a group of three, said once; the decoder goes round and round.
        (
            "9 Ġ8 Ġ6 Ġ9 Ġ8 Ġ6 Ġ9 Ġ8 Ġ6",
            [0.0, 0.76, 1.2, 1.86, 1.86, 1.86, 1.86, 1.86, 1.86, 1.86],
            "9 Ġ8 Ġ6",
        ),
        (
            "5 , Ġ5 , Ġ7 , Ġ8 , Ġ5 , Ġ7 , Ġ8 , Ġ7",
            [0.0, 0.92, 0.92, 1.36, 1.36, 1.78, 2.04, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2, 2.2],
            "5 , Ġ5 , Ġ7 , Ġ8 ,",
        ),
        ("P ĠQ ĠP ĠQ ĠP ĠQ", [0.0, 0.84, 1.44, 2.24, 2.24, 2.24, 2.24], "P ĠQ ĠP"),
        # A sentence that is said a second time in no time.
        (
            "Now Ġin Ġthe Ġconference Ġis Ġnow Ġin Ġthe Ġconference .",
            [0.0, 0.94, 1.14, 1.34, 1.52, 1.52, 1.52, 1.52, 1.52, 1.64, 1.9],
            "Now Ġin Ġthe Ġconference",
        ),
        # Half a word.
        ("conference Ġconference Ġconference Ġconference", [0.0] * 5, ""),
        # What was really said, the same digit twice among it.
        ("8 Ġ0 Ġ0 Ġ5 Ġ5 Ġ5 Ġ1", [0.0, 0.9, 1.6, 2.2, 3.0, 3.6, 4.4, 5.0], "8 Ġ0 Ġ0 Ġ5 Ġ5 Ġ5 Ġ1"),
        # One syllable of a long word may have no time of its own.
        ("Mc D onald Ġcalled .", [0.0, 0.4, 0.4, 0.8, 1.2, 1.3], "Mc D onald Ġcalled ."),
    ],
)
def test_a_text_ends_where_its_tokens_were_no_longer_heard(said: str, starts: list[float], kept: str) -> None:
    tokens = said.split()
    assert len(starts) == len(tokens) + 1
    assert tokens[: heard(tokens, starts)] == kept.split()


@pytest.mark.parametrize(
    ("text", "seconds", "suspect", "looping"),
    [
        ("9, 2, 6, 9, 2, 6, 9, 2, 6", 4.0, True, True),
        ("986986986", 2.0, True, True),
        ("121212", 2.5, True, False),
        ("7 2 4 7 2 4", 2.0, True, False),
        ("no no no no no no no no", 4.0, True, True),
        ("Hello? Hello?", 2.0, False, False),
        ("I said no, I said no.", 3.0, True, False),
        ("8005551", 3.0, True, False),
        ("734 6109", 3.0, False, False),
        ("Please hold while I try that extension.", 2.5, False, False),
        ("Please hold while I try that extension.", 0.7, True, False),
    ],
)
def test_repetitions_and_haste_are_looked_at_again(text: str, seconds: float, suspect: bool, looping: bool) -> None:
    assert (is_suspect(text, seconds), loops(text)) == (suspect, looping)


def test_no_text_has_more_words_than_its_sound_has_room_for() -> None:
    assert words_in(0.2) == 3
    assert shortened("one two three four five six", 0.2) == "one two three"
    assert shortened("Go forward 10 meters.", 2.0) == "Go forward 10 meters."


def test_a_few_words_for_many_seconds_are_invented_but_digits_with_pauses_are_not() -> None:
    assert is_thin("We want to make a good idea.", 25.0)
    assert not is_thin("4155550123", 8.0)
    assert not is_thin("And so my fellow Americans, ask not what your country can do for you, ask what you can.", 13.0)
