"""How far the values of a form are: the table, corrections of a part, and bounds."""

import itertools

import pytest

from agent.forms.form import AT_ONCE, MOST, TABLE, FieldEvent, FieldState, FormValues, ValueToConfirm

MAIL = ValueToConfirm("mail", "email", "", "J-O at example dot com")
STREET, CITY = (
    ValueToConfirm("home", "address", "street", "Mill Lane 3"),
    ValueToConfirm("home", "address", "city", "Ulm"),
)
ELSEWHERE = STREET._replace(said="Hill Lane 3")
NAME = ValueToConfirm("name", "name", "", "Jo Ray, R-A-Y")


def test_every_state_can_be_left_but_for_confirmed_ones() -> None:
    assert {state for state, _ in TABLE} == set(FieldState)
    assert [after for (state, _), after in TABLE.items() if state is FieldState.CONFIRMED] == [FieldState.CONFIRMED]
    confirmed = {
        state for (state, event), after in TABLE.items() if after is FieldState.CONFIRMED and state is not after
    }
    assert confirmed == {FieldState.READ_BACK}, "nothing is confirmed that was not said back"


def test_what_cannot_happen_is_an_error() -> None:
    for state, event in set(itertools.product(FieldState, FieldEvent)) - TABLE.keys():
        form = FormValues({MAIL: state})
        with pytest.raises(KeyError):
            form.take(event, [MAIL])


def test_a_value_is_said_back_and_agreed_to_once() -> None:
    form = FormValues()
    form.take(FieldEvent.GIVEN, [MAIL])
    assert form.ask([MAIL]) == (MAIL,)
    form.answered([MAIL], agreed=True)
    form.take(FieldEvent.GIVEN, [MAIL])
    assert form.ask([MAIL]) == (), "nor in another tool"


def test_only_the_corrected_part_is_said_back_again() -> None:
    form, corrected = FormValues(), [ELSEWHERE, CITY]
    form.take(FieldEvent.GIVEN, [STREET, CITY])
    assert form.ask([STREET, CITY]) == (STREET, CITY)
    form.take(FieldEvent.GIVEN, corrected)
    assert form.is_corrected(corrected)
    form.take(FieldEvent.SPOKEN, form.asked(corrected))
    assert form.ask(corrected) == (ELSEWHERE,)
    form.answered(corrected, agreed=True)
    assert form.ask(corrected) == (), "the city was said back before, and nobody had anything against it"


def test_after_a_no_all_of_it_is_said_back_again() -> None:
    form = FormValues()
    form.take(FieldEvent.GIVEN, [STREET, CITY])
    form.ask([STREET, CITY])
    form.answered([STREET, CITY], agreed=False)
    assert form.state(CITY) is FieldState.REFUSED
    form.take(FieldEvent.GIVEN, [ELSEWHERE, CITY])
    assert form.ask([ELSEWHERE, CITY]) == (ELSEWHERE, CITY)


def test_few_fields_are_said_back_at_once() -> None:
    form, parts = FormValues(), [MAIL, NAME, STREET, CITY]
    form.take(FieldEvent.GIVEN, parts)
    asked = form.ask(parts)
    assert asked == (MAIL, NAME)
    assert len({one.field for one in asked}) == AT_ONCE
    form.answered(parts, agreed=True)
    assert form.ask(parts) == (STREET, CITY)


COMES, GOES = ValueToConfirm("comes", "date", "", "1 May, 3 pm"), ValueToConfirm("goes", "date", "", "4 May, 3 pm")


def test_two_values_that_can_be_taken_for_each_other_are_said_back_one_by_one() -> None:
    form, parts = FormValues(), [COMES, GOES, MAIL]
    form.take(FieldEvent.GIVEN, parts)
    assert form.ask(parts) == (COMES, MAIL)
    form.answered(parts, agreed=True)
    assert form.ask(parts) == (GOES,)
    same = [COMES, GOES._replace(said=COMES.said)]
    form.take(FieldEvent.GIVEN, same)
    assert FormValues().ask(same) == tuple(same)


def test_values_that_change_places_are_confirmed_again() -> None:
    form, parts = FormValues(), [COMES, GOES]
    form.take(FieldEvent.GIVEN, parts)
    while form.ask(parts):
        form.answered(parts, agreed=True)
    swapped = [COMES._replace(said=GOES.said), GOES._replace(said=COMES.said)]
    form.take(FieldEvent.GIVEN, swapped)
    assert form.ask(swapped) == (swapped[0],)


def test_values_without_end_are_forgotten() -> None:
    form = FormValues()
    for number in range(2 * MOST):
        form.take(FieldEvent.GIVEN, [MAIL._replace(said=str(number))])
    assert form.state(MAIL._replace(said=str(MOST))) is FieldState.HEARD
    assert form.state(MAIL._replace(said=str(MOST - 1))) is FieldState.EMPTY


def test_values_in_use_are_not_forgotten() -> None:
    form, parts = FormValues(), [MAIL, NAME]
    form.take(FieldEvent.GIVEN, parts)
    assert form.ask(parts) == (MAIL, NAME)
    for number in range(MOST - 1):
        form.take(FieldEvent.GIVEN, [MAIL, NAME._replace(said=str(number))])
    form.answered([MAIL], agreed=True)
    assert form.state(MAIL) is FieldState.CONFIRMED
    assert form.state(NAME) is FieldState.EMPTY, "nobody gave it for longest"


def test_a_form_may_have_more_values_than_are_kept() -> None:
    form, parts = (
        FormValues(),
        [ValueToConfirm(f"field{number}", "name", "", str(number)) for number in range(MOST + 1)],
    )
    for agreed in (False, True):
        form.take(FieldEvent.GIVEN, parts)
        while form.ask(parts):
            form.answered(parts, agreed=agreed)
            if not agreed:
                break
    assert {form.state(one) for one in parts} == {FieldState.CONFIRMED}
