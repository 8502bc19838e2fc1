"""Turns on a clock of windows: no model, no sound."""

import pytest

from agent.providers.local.endpoint import (
    BEFORE,
    EARLY,
    PIECE,
    PIECES,
    RATE,
    WINDOW,
    Act,
    Endpointer,
    EndpointStep,
    Pauses,
    sounds_unfinished,
)

TALK, HUSH = 0.9, 0.05


def windows(seconds: float) -> int:
    return round(seconds * RATE / WINDOW)


def pass_time(turns: Endpointer, probability: float, seconds: float) -> list[EndpointStep]:
    """All steps while the probability of speech stays the same; nothing is understood meanwhile."""
    return [step for _ in range(windows(seconds)) for step in turns.judge(probability)]


def acts(steps: list[EndpointStep]) -> list[Act]:
    return [step.act for step in steps]


def said(turns: Endpointer, seconds: float = 1.0) -> EndpointStep:
    """Speak, pause until a guess is asked for, and return what is to be decoded."""
    steps = pass_time(turns, TALK, seconds) + pass_time(turns, HUSH, 0.25)
    assert steps[-1].act is Act.DECODE
    return steps[-1]


def test_a_turn_begins_after_96_ms_of_speech_and_is_told_from_where_it_began() -> None:
    turns = Endpointer(Pauses())
    pass_time(turns, HUSH, 1.024)
    assert pass_time(turns, TALK, 0.064) == []
    (onset,) = turns.judge(TALK)
    assert onset.act is Act.ONSET
    assert onset.start == windows(1.024) * WINDOW


def test_clicks_are_not_a_turn() -> None:
    turns = Endpointer(Pauses())
    for _ in range(100):
        assert pass_time(turns, TALK, 0.064) + pass_time(turns, HUSH, 0.1) == []


def test_the_sound_to_understand_begins_before_the_onset_and_ends_with_the_speech() -> None:
    turns = Endpointer(Pauses())
    pass_time(turns, HUSH, 1.024)
    decode = said(turns, 0.96)
    assert decode.start == windows(1.024) * WINDOW - 0.35 * RATE
    assert decode.end == windows(1.024 + 0.96) * WINDOW


def test_a_guess_is_stable_and_becomes_final_when_the_pause_lasts() -> None:
    turns = Endpointer(Pauses(guess=0.22, turn=0.40))
    decode = said(turns)
    (stable,) = turns.understood(decode.end, "Where is my order?")
    assert (stable.act, stable.text) == (Act.STABLE, "Where is my order?")
    steps = pass_time(turns, HUSH, 0.40 - 0.256 - 0.032)
    assert steps == []
    (final,) = pass_time(turns, HUSH, 0.064)
    assert (final.act, final.text, final.end) == (Act.FINAL, "Where is my order?", decode.end)
    assert not turns.speaking


def test_a_late_text_ends_the_turn_at_once() -> None:
    turns = Endpointer(Pauses())
    decode = said(turns)
    assert pass_time(turns, HUSH, 2.0) == []
    assert acts(turns.understood(decode.end, "Yes.")) == [Act.STABLE, Act.FINAL]


def test_speech_that_resumes_discards_the_guess() -> None:
    turns = Endpointer(Pauses())
    first = said(turns)
    assert turns.wanted(first.end)
    pass_time(turns, TALK, 0.5)
    assert not turns.wanted(first.end)
    assert turns.understood(first.end, "I would like") == []
    second = pass_time(turns, HUSH, 0.25)[-1]
    assert (second.act, second.start) == (Act.DECODE, first.start)
    assert turns.understood(second.end, "I would like to know.")[0].text == "I would like to know."


def test_a_click_in_the_pause_does_not_discard_the_guess() -> None:
    turns = Endpointer(Pauses())
    decode = said(turns)
    turns.understood(decode.end, "Yes.")
    turns.judge(TALK)
    assert acts(pass_time(turns, HUSH, 0.3)) == [Act.FINAL]


@pytest.mark.parametrize(
    "text", ["My order number is", "7 3 4", "Seven, three,", "I want to, um...", "double five", "It's", "and"]
)
def test_words_that_sound_unfinished_are_given_more_time(text: str) -> None:
    assert sounds_unfinished(text)
    turns = Endpointer(Pauses(turn=0.4, unfinished=0.9))
    decode = said(turns)
    turns.understood(decode.end, text)
    assert pass_time(turns, HUSH, 0.6) == []
    assert acts(pass_time(turns, HUSH, 0.1)) == [Act.FINAL]


@pytest.mark.parametrize("text", ["Yes.", "Where is it?", "No, thank you", "I ordered a lamp", ""])
def test_other_words_are_not(text: str) -> None:
    assert not sounds_unfinished(text)


def test_a_turn_without_words_ends_without_being_stable() -> None:
    turns = Endpointer(Pauses())
    decode = said(turns)
    assert turns.understood(decode.end, "") == []
    (final,) = pass_time(turns, HUSH, 0.4)
    assert (final.act, final.text) == (Act.FINAL, "")


def test_the_first_words_of_speech_without_a_pause_are_told_ever_more_seldom_and_are_no_guess() -> None:
    turns = Endpointer(Pauses())
    steps = pass_time(turns, TALK, 5.0)
    assert acts(steps) == [Act.ONSET, *[Act.EARLY] * 3]
    assert [step.end / RATE for step in steps[1:]] == pytest.approx([EARLY, 2 * EARLY, 4 * EARLY], abs=0.1)
    (part,) = turns.understood(steps[-1].end, "It began in May")
    assert (part.act, part.text) == (Act.PART, "It began in May")
    rest = pass_time(turns, HUSH, 0.25)[-1]
    assert (rest.start, acts(turns.understood(rest.end, "It began in May and ended."))) == (0, [Act.STABLE])


def test_the_first_words_are_not_understood_any_more_when_the_pause_has_come() -> None:
    turns = Endpointer(Pauses())
    early = pass_time(turns, TALK, EARLY + 0.1)[-1]
    pass_time(turns, HUSH, 0.25)
    assert not turns.wanted(early.end)
    assert turns.understood(early.end, "It began") == []


def test_others_who_go_on_do_not_prolong_the_turn_of_a_caller_who_has_stopped() -> None:
    turns = Endpointer(Pauses())
    pass_time(turns, TALK, 1.4)
    end = round(0.9 * RATE)
    (decode,) = turns.follow(False, end)
    assert (decode.act, decode.end) == (Act.DECODE, end)
    assert acts(turns.understood(decode.end, "That is all.")) == [Act.STABLE, Act.FINAL]
    assert pass_time(turns, TALK, 5.0) == [], "they are not listened to"


def test_a_caller_who_speaks_again_among_others_is_heard_from_then_on() -> None:
    turns = Endpointer(Pauses())
    turns.follow(False, 0)
    pass_time(turns, TALK, 3.2)
    (onset,) = turns.follow(True, 3 * RATE)
    assert (onset.act, onset.start) == (Act.ONSET, 3 * RATE)
    pass_time(turns, TALK, 0.8)
    (decode,) = turns.follow(False, round(3.7 * RATE))
    assert (decode.start, decode.end) == (round((3.0 - BEFORE) * RATE), round(3.7 * RATE))


def test_when_nobody_else_is_heard_any_more_all_speech_is_the_callers() -> None:
    turns = Endpointer(Pauses())
    turns.follow(False, 0)
    assert turns.follow(None, 0) == []
    assert acts(pass_time(turns, TALK, 0.1)) == [Act.ONSET]


def test_long_speech_is_cut_where_it_is_quietest_and_stays_one_turn() -> None:
    turns = Endpointer(Pauses())
    pass_time(turns, TALK, 22.0)
    turns.judge(0.5)
    steps = pass_time(turns, TALK, 4.0)
    (piece,) = steps
    assert (piece.act, piece.start, piece.end) == (Act.DECODE, 0, (windows(22.0) + 1) * WINDOW)
    (part,) = turns.understood(piece.end, "It began in May")
    assert (part.act, part.text, part.end) == (Act.PART, "It began in May", piece.end)
    rest = pass_time(turns, HUSH, 0.25)[-1]
    assert rest.start == piece.end
    assert turns.understood(rest.end, "and never ended.")[0].text == "It began in May and never ended."
    assert acts(pass_time(turns, HUSH, 0.3)) == [Act.FINAL]


def test_voices_without_a_pause_and_without_words_are_reported_too() -> None:
    """Else the recogniser would be taken for deaf."""
    turns = Endpointer(Pauses())
    told = []
    for _ in range(windows(2 * PIECE + 1)):
        for step in turns.judge(TALK):
            if step.act is Act.DECODE:
                told += turns.understood(step.end, "")
    assert [(step.act, step.text) for step in told] == [(Act.PART, ""), (Act.PART, "")]


def test_what_was_said_so_far_ends_before_a_piece_that_is_not_understood_yet() -> None:
    turns = Endpointer(Pauses())
    first, second = (pass_time(turns, TALK, PIECE + 0.5)[-1] for _ in range(2))
    assert [(one.act, one.text) for one in turns.understood(second.end, "behind it")] == [(Act.PART, "")]
    assert [one.text for one in turns.understood(first.end, "the first and")] == ["the first and behind it"]


def test_a_turn_waits_for_its_pieces() -> None:
    turns = Endpointer(Pauses())
    piece = pass_time(turns, TALK, PIECE + 1)[-1]
    rest = pass_time(turns, HUSH, 0.25)[-1]
    assert turns.understood(rest.end, "the end.") == []
    assert pass_time(turns, HUSH, 3.0) == []
    (final,) = turns.understood(piece.end, "The beginning and")
    assert (final.act, final.text) == (Act.FINAL, "The beginning and the end.")


def test_speech_that_stops_at_a_cut_ends_like_any_other() -> None:
    for extra in range(12):
        turns = Endpointer(Pauses())
        steps = pass_time(turns, TALK, PIECE - 0.2 + extra * 0.032) + pass_time(turns, HUSH, 2.0)
        for step in steps:
            if step.act is Act.DECODE:
                steps += turns.understood(step.end, "so")
        assert acts(steps).count(Act.FINAL) == 1


def test_a_radio_does_not_hold_the_turn_for_ever() -> None:
    turns = Endpointer(Pauses())
    finals = []
    for _ in range(windows(PIECE * (PIECES + 2))):
        for step in turns.judge(TALK):
            if step.act is Act.DECODE:
                finals += [done for done in turns.understood(step.end, "la") if done.act is Act.FINAL]
    assert [final.text for final in finals] == [" ".join(["la"] * PIECES)]
