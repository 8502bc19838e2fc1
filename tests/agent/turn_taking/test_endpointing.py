"""How long a silence ends the caller's turn."""

from math import inf

import pytest

from agent.floor import lexicon_of
from agent.forms.telephone import ExpectedNumber
from agent.phrases import phrases_of
from agent.turn_taking.endpointing import COUNTED, OVERDUE, PARTS, UNFINISHED, UNPUNCTUATED, WHOLE, Endpointing
from agent.turn_taking.expect import AnswerProgress, Expected, Kind, characters, kind_of, progress
from agent.turn_taking.options import TurnOptions
from tests.agent.turn_taking.calling import LEXICON, answered, begins, ends, final, interim, machine, wait

OPTIONS = TurnOptions()
TEN = Expected(Kind.DIGITS, 10)


def delay(
    text: str, *, ends_turns: bool = False, ended: bool = True, expected: Expected | None = None, **more
) -> float:
    subject = Endpointing(OPTIONS, ends_turns, **more)
    subject.expected = expected or subject.expected
    subject.delay("It is punctuated.", ended=True)
    return subject.delay(text, ended=ended)[0]


@pytest.mark.parametrize("text", ["So I ordered a", "4 1 5", "Where is it?", "my e-mail is"])
def test_a_recogniser_that_ends_turns_is_believed(text: str) -> None:
    assert delay(text, ends_turns=True) == 0.0
    owed = OVERDUE if text.endswith("?") else OPTIONS.max_endpointing_delay
    assert delay(text, ends_turns=True, ended=False, trusted=True) == owed
    assert delay(text, ends_turns=True, ended=False) <= owed


@pytest.mark.parametrize(("own", "seconds"), [(0.64, 1.64), (2.56, 3.56), (30.0, 6.0), (inf, 6.0)])
def test_what_a_recogniser_owes_is_not_waited_for_much_longer_than_its_own_silence(own: float, seconds: float) -> None:
    owed = delay("So I ordered a", ends_turns=True, ended=False, trusted=True, longest_silence=own)
    assert owed == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Where is my order?", OPTIONS.endpointing_delay),
        ("I would like to change", UNFINISHED),
        ("Well...", UNFINISHED),
        ("4 1 5", PARTS),
        ("415-926", PARTS),
        ("S C H", PARTS),
        ("john@example", PARTS),
        ("[pressed 1 2]", 0.0),
    ],
)
def test_words_decide_for_a_recogniser_that_only_transcribes(text: str, seconds: float) -> None:
    assert delay(text) == seconds


def test_without_punctuation_nothing_is_unfinished() -> None:
    assert Endpointing(OPTIONS, ends_turns=False).delay("where is it", ended=True)[0] == UNPUNCTUATED


@pytest.mark.parametrize(
    ("expected", "text", "seconds"),
    [
        (TEN, "four one five nine two six", PARTS),
        (TEN, "four one five nine two six five three five eight", WHOLE),
        (TEN, "4159265358", WHOLE),
        (Expected(Kind.DIGITS), "four one five", PARTS),
        (Expected(Kind.SPELLING, 4), "S as", PARTS),
        (Expected(Kind.EMAIL), "john dot smith", PARTS),
        (Expected(Kind.EMAIL), "john.smith@example.com", WHOLE),
        (Expected(Kind.YES_NO), "yes", WHOLE),
        (Expected(Kind.YES_NO), "I would like to know", UNFINISHED),
    ],
)
@pytest.mark.parametrize("ends_turns", [False, True])
def test_what_the_agent_has_asked_for_decides(expected: Expected, text: str, seconds: float, ends_turns: bool) -> None:
    believed = ends_turns and seconds != PARTS
    assert delay(text, ends_turns=ends_turns, expected=expected, lexicon=LEXICON) == (0.0 if believed else seconds)


def test_a_field_of_a_tool_tells_how_long_a_number_is() -> None:
    assert delay("4 1 5 9", fields=(Expected(Kind.DIGITS, 4),)) == WHOLE
    assert delay("4 1 5", fields=(Expected(Kind.DIGITS, 4),)) == PARTS


@pytest.mark.parametrize(("vote", "seconds"), [(0.9, OPTIONS.endpointing_delay), (0.5, UNFINISHED), (0.1, UNFINISHED)])
def test_the_model_of_sound_has_a_vote(vote: float, seconds: float) -> None:
    assert delay("I would like to change", vote=vote) == seconds
    assert delay("Where is it?", vote=vote) == (UNFINISHED if vote < 0.3 else OPTIONS.endpointing_delay)


@pytest.mark.parametrize("ends_turns", [False, True])
def test_a_caller_who_goes_on_gets_more_time_and_less_again_afterwards(ends_turns: bool) -> None:
    subject = Endpointing(OPTIONS, ends_turns)
    subject.went_on(0.9)
    assert subject.delay("And it came.", ended=True)[0] == pytest.approx(1.35)
    for _ in range(8):
        subject.answered()
    assert subject.delay("And it came.", ended=True)[0] == (0.0 if ends_turns else OPTIONS.endpointing_delay)


@pytest.mark.parametrize(
    ("first", "began", "learned"),
    [
        ("What are your opening hours?", 3.3, True),
        ("What are your opening hours?", 3.8, True),
        ("What are your opening hours?", 4.3, False),
        ("So I ordered a lamp.", 4.3, True),
    ],
)
def test_who_interrupts_the_answer_to_a_question_makes_no_pause(first: str, began: float, learned: bool) -> None:
    subject = machine()
    subject.says("Hello.", "", 0.0)
    subject.done(1.0)
    begins(subject, 2.0)
    ends(subject, 3.0)
    assert answered(final(subject, first, 3.2, 3.0))
    subject.says("We are open from nine to five on weekdays and", "", 3.6)
    begins(subject, began)
    ends(subject, 5.3)
    told = final(subject, "No I mean the other shop.", 5.5, 5.3)
    assert (subject.endpointing.pause > 0.0) is learned
    assert answered(told) == ([] if learned else ["No I mean the other shop."])


@pytest.mark.parametrize("after", [-1.0, 2.1, 60.0])
def test_an_interruption_is_no_pause(after: float) -> None:
    subject = Endpointing(OPTIONS, ends_turns=True)
    subject.went_on(after)
    assert subject.pause == 0.0


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("7 3 4", Kind.DIGITS),
        ("I have 2 questions", Kind.OPEN),
        ("A B", Kind.SPELLING),
        ("a@b", Kind.EMAIL),
        ("", Kind.OPEN),
    ],
)
def test_words_look_like_what_they_are(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind


def test_digits_may_come_as_words() -> None:
    numerals = frozenset(("three", "seven", "four"))
    assert kind_of("three seven four", numerals) is Kind.DIGITS
    assert kind_of("the three of us", numerals) is kind_of("three", numerals) is kind_of("three seven") is Kind.OPEN
    assert delay("three seven four", lexicon=LEXICON) == PARTS


def test_progress_is_told() -> None:
    assert progress(TEN, "415 926") == (AnswerProgress.PART, "digits 6 of 10")
    assert characters("seven three, 46", LEXICON) == 4


@pytest.mark.parametrize(
    ("expected", "text", "state"),
    [
        (Expected(Kind.DIGITS, 6), "My customer number is 7 4", AnswerProgress.PART),
        (Expected(Kind.DIGITS, 6), "My customer number is seven 45, 6 4 1", AnswerProgress.WHOLE),
        (Expected(Kind.DIGITS, 6), "I don't have it with me", AnswerProgress.NONE),
        (Expected(Kind.DIGITS, 4), "Yes, it's seven two", AnswerProgress.PART),
        (Expected(Kind.DIGITS, 10), "Okay so the number is 0 4", AnswerProgress.PART),
        (Expected(Kind.DIGITS), "My number is", AnswerProgress.NONE),
        (Expected(Kind.DIGITS, 6), "four two nine, no, five not nine", AnswerProgress.PART),
        (Expected(Kind.DIGITS, 6), "four two nine, no, five not nine, one", AnswerProgress.PART),
        (Expected(Kind.DIGITS, 6), "4 2 9 1 1 8. Sorry, 4 2 5", AnswerProgress.PART),
        (Expected(Kind.DIGITS, 6), "No, it is 4 2 5 1 1 8", AnswerProgress.WHOLE),
        (Expected(Kind.SPELLING, 3), "B as in boy, O, no, U as in uncle", AnswerProgress.PART),
        (Expected(Kind.SPELLING, 5), "B as in boy, O", AnswerProgress.PART),
        (Expected(Kind.SPELLING, 3), "B wie Berta, O wie Otto, 2", AnswerProgress.WHOLE),
        (Expected(Kind.SPELLING, 2), "it starts like this", AnswerProgress.NONE),
    ],
)
def test_only_characters_count_of_an_answer_that_consists_of_them(
    expected: Expected, text: str, state: AnswerProgress
) -> None:
    assert progress(expected, text, LEXICON)[0] is state


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("en", "four one five dash five five five dash zero one", 8),
        ("en", "oh it is four one five five five five zero one two", 9),
        ("en", "oh four one five", 3),
        ("en", "four oh one", 3),
        ("en", "it is oh four one", 3),
        ("en", "triple five double 2 triple", 5),
        ("en", "twenty three forty five sixty", 6),
        ("en", "twenty-three nineteen five ten", 7),
        ("en", "twelve um four", 3),
        ("de", "dreiundzwanzig zwölf null", 5),
        ("es", "veintitrés treinta y cuatro diez", 6),
        ("it", "ventuno trenta due", 4),
        ("fr", "soixante-douze quarante et un", 4),
        ("fr", "zéro six douze trente-quatre vingt-et-un soixante-dix-huit", 10),
        ("fr", "quatre-vingt-dix-sept quatre-vingts septante et un", 6),
        ("hi", "डबल पाँच ट्रिपल नौ", 5),
        ("pt", "vinte e três meia", 3),
    ],
)
def test_digits_are_counted_as_they_are_spoken(language: str, text: str, count: int) -> None:
    """Never more than there are: too many would cut the last group off."""
    lexicon = lexicon_of(phrases_of((language,)))
    assert characters(text, lexicon, letters=False) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I need a moment a b c d", 4),
        ("I need it", 0),
        ("a", 1),
        ("A as in apple, I B M", 4),
        ("it ends with E as in echo", 1),
        ("double s, t Tango", 3),
    ],
)
def test_words_of_one_letter_are_letters_only_beside_others(text: str, count: int) -> None:
    assert characters(text, LEXICON) == count


def test_a_dictation_is_not_whole_before_its_last_group() -> None:
    said = "four one five dash five five five dash zero one"
    assert delay(said, expected=TEN, lexicon=LEXICON) == PARTS
    assert delay(f"{said} two three", expected=TEN, lexicon=LEXICON) == WHOLE


@pytest.mark.parametrize(
    ("expected", "seconds"), [(TEN, COUNTED), (Expected(Kind.DIGITS), OPTIONS.max_endpointing_delay)]
)
def test_a_recogniser_that_ends_turns_is_not_waited_for_once_all_digits_are_there(expected, seconds: float) -> None:
    """A Flux-like one ends no dictation by itself before its limit of 5 s."""
    said = "four one five nine two six five three five eight"
    assert delay(said, ends_turns=True, ended=False, trusted=True, expected=expected, lexicon=LEXICON) == seconds
    nine = said.rsplit(maxsplit=1)[0]
    owed = delay(nine, ends_turns=True, ended=False, trusted=True, expected=expected, lexicon=LEXICON)
    assert owed == OPTIONS.max_endpointing_delay


@pytest.mark.parametrize("text", ["yes", "No.", "no, thank you", "yes please", "absolutely", "um, sure"])
def test_a_yes_or_a_no_is_whole(text: str) -> None:
    assert delay(text, expected=Expected(Kind.YES_NO), lexicon=LEXICON) == WHOLE


@pytest.mark.parametrize("text", ["well um", "I think", "let me", "I'm not", "yes but", "um"])
def test_a_caller_who_hesitates_to_say_yes_or_no_is_not_cut_off(text: str) -> None:
    assert delay(text, expected=Expected(Kind.YES_NO), lexicon=LEXICON) == UNFINISHED
    subject = Endpointing(OPTIONS, ends_turns=False, lexicon=LEXICON, expected=Expected(Kind.YES_NO), pause=1.9)
    subject.delay("It is punctuated.", ended=True)
    assert subject.delay(text, ended=True)[0] == 1.9, "and their own pauses count"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("john dot smith at gmail dot com", True),
        ("It's john at g mail dot com.", True),
        ("john@example.co.uk", True),
        ("john at gmail.com", True),
        ("john arroba correo punto es", True),
        ("ram ऐट example डॉट com", True),
        ("john dot smith at gmail", False),
        ("john dot smith at gmail dot", False),
        ("my address at work is john dot smith", False),
        ("john dot smith", False),
        ("at gmail dot com", False),
    ],
)
def test_an_address_is_whole_as_soon_as_it_has_a_domain(text: str, whole: bool) -> None:
    found = progress(Expected(Kind.EMAIL), text, LEXICON)[0]
    assert found is (AnswerProgress.WHOLE if whole else AnswerProgress.PART)
    assert delay(text, ends_turns=True, expected=Expected(Kind.EMAIL)) == (0.0 if whole else PARTS)


@pytest.mark.parametrize("length", [0, 65])
def test_a_length_that_nobody_dictates_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="length"):
        Expected(Kind.DIGITS, length)


def test_the_first_turn_of_a_recogniser_that_has_a_limit_of_its_own_is_waited_for_like_any_other() -> None:
    subject = machine()
    subject.endpointing.longest_silence = 5.0
    begins(subject, 1.0)
    interim(subject, "I would like to", 2.2)
    ends(subject, 2.0)
    assert wait(subject, 7.5) == []
    assert [text for *_, text, _ in wait(subject, 8.5)] == ["I would like to"]


def test_a_vote_counts_for_the_silence_that_it_is_about() -> None:
    subject = machine(ends_turns=False)
    begins(subject, 1.0)
    ends(subject, 2.0)
    interim(subject, "I would like", 2.2)
    begins(subject, 2.3)
    ends(subject, 2.6)
    subject.vote(0.95, 2.0)
    assert subject.endpointing.vote is None, "the caller has gone on since"
    subject.vote(0.95, 2.6)
    assert subject.endpointing.vote == 0.95


@pytest.mark.parametrize(
    ("country", "text", "whole"),
    [
        ("US", "415 555 013", False),
        ("US", "It's 415 555 0132.", True),
        ("US", "1 415 555 013", False),
        ("US", "four one five, double five five, oh one three two", True),
        ("US", "plus four four, 20 7946 0018", True),
        ("GB", "020 7946 001", False),
        ("GB", "020 7946 0018", True),
        ("FR", "06 12 34 56 78", True),
        ("DE", "0151 1234567", False),
        ("DE", "0151 12345678", True),
        ("DE", "030 12345678", False),  # a fixed line of Germany may have more digits
        ("US", "123 456 7890", False),  # no number
        ("XX", "415 555 0132", False),
        ("IN", "91 74108 164", False),  # the rest of a number with the country's code may follow
        ("IN", "91 74108 16458", True),
        ("IN", "74108 16458", True),
        ("PL", "48 501 234 5", False),
        ("PL", "48 501 234 567", True),
        ("PL", "501 234 567", True),
        ("BE", "32 470 12 34", False),
        ("BE", "32 470 12 34 56", True),
    ],
)
def test_a_telephone_number_is_whole_by_the_numbers_of_its_country(country: str, text: str, *, whole: bool) -> None:
    expected = ExpectedNumber(Kind.DIGITS, country=country)
    found, told = progress(expected, text, LEXICON)
    assert found is (AnswerProgress.WHOLE if whole else AnswerProgress.PART)
    assert told == f"digits {characters(text, LEXICON, letters=False)}"
    assert delay(text, expected=expected, lexicon=LEXICON) == (WHOLE if whole else PARTS)
    assert delay(text, ends_turns=True, expected=expected, lexicon=LEXICON) == (0.0 if whole else PARTS)
    if whole:
        assert delay(text, ends_turns=True, ended=False, expected=expected, lexicon=LEXICON) == COUNTED


def test_a_field_for_a_telephone_number_tells_how_long_an_answer_is_that_looks_like_one() -> None:
    fields = (ExpectedNumber(Kind.DIGITS, country="US"),)
    assert delay("415 555 0132", lexicon=LEXICON, fields=fields) == WHOLE
    assert delay("415 555 01", lexicon=LEXICON, fields=fields) == PARTS


@pytest.mark.parametrize(
    ("fields", "text", "whole"),
    [
        ((Expected(Kind.DIGITS, 6), ExpectedNumber(Kind.DIGITS, country="US")), "415 555 0132", True),
        ((Expected(Kind.DIGITS, 6), ExpectedNumber(Kind.DIGITS, country="US")), "415 555", False),
        ((Expected(Kind.DIGITS, 12), ExpectedNumber(Kind.DIGITS, country="US")), "415 555 0132", False),
        ((Expected(Kind.DIGITS, 6), Expected(Kind.DIGITS, 10)), "4 1 5 5 5 5 0 1 3 2", True),
        ((Expected(Kind.DIGITS, 6), Expected(Kind.DIGITS, 10)), "4 1 5 5 5 5", False),
        ((Expected(Kind.DIGITS, 6), Expected(Kind.SPELLING, 10)), "4 1 5 5 5 5", True),
    ],
)
def test_an_answer_is_whole_when_it_is_the_beginning_of_no_longer_one(
    fields: tuple[Expected, ...], text: str, *, whole: bool
) -> None:
    assert delay(text, lexicon=LEXICON, fields=fields) == (WHOLE if whole else PARTS)
