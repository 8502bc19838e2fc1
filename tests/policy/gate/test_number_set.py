"""Files of numbers as people have them; each broken line is told, the others count."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipgw.config.numbers import NumberError, e164
from sipgw.policy.gate.number_set import NumberSet, parse


def read(text: str, country: str = "") -> NumberSet:
    return parse(text.splitlines(), country)


def test_one_number_a_line_in_whatever_shape() -> None:
    found = read("+1 (415) 555-0100\n14155550101\n# a remark\n\n+49 30 123456\n")
    assert "+14155550100" in found
    assert "+14155550101" in found
    assert "+4930123456" in found
    assert "+14155550102" not in found
    assert len(found) == 3
    assert not found.broken


def test_the_first_column_of_a_csv_with_names_of_columns() -> None:
    found = read('number;since\n+14155550100;2026-01-01\n"+14155550101";2026-01-02\n')
    assert len(found) == 2
    assert not found.broken


def test_national_numbers_of_the_country_that_is_named() -> None:
    assert "+14155550100" in read("415-555-0100", "US")
    assert "+14155550100" in read("1 415 555 0100", "US")
    assert "+4930123456" in read("030 123456", "DE")
    assert "+442079460000" in read("020 7946 0000", "GB")


def test_area_code_and_number_in_two_columns_as_the_national_registry_of_the_united_states_has_them() -> None:
    assert "+12015550100" in read("201,5550100\n202,5550101", "US")


def test_broken_lines_are_told_by_number_and_the_rest_counts() -> None:
    found = read("+14155550100\nJohn Smith\n0301234\n+14155550101\n+1\n")
    assert len(found) == 2
    assert [line.partition(":")[0] for line in found.broken] == ["line 2", "line 3", "line 5"]
    assert "has no country code" in found.broken[1]
    assert len(read("+14155550100\n" + "x1\n" * 500).broken) == 21
    assert read("+14155550100\n" + "x1\n" * 500).broken[-1] == "and 480 more"


def test_a_hundred_thousand_numbers_take_eight_bytes_each() -> None:
    found = parse(f"+1415{number:07}" for number in range(100_000))
    assert len(found) == 100_000
    assert found.numbers.itemsize * len(found.numbers) == 800_000


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("+49 (0)151 23456789", "+4915123456789"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("+39 06 698 12345", "+390669812345"),  # in Italy the 0 belongs to the number
        ("+7 (812) 123-45-67", "+78121234567"),
        ("+36 06 1 234 5678", "+3612345678"),
        ("+1 1 415 555 0100", "+14155550100"),
    ],
)
def test_who_is_listed_with_what_is_dialled_within_the_country_is_found(written: str, dialled: str) -> None:
    for country in ("", "DE", "US"):
        assert dialled in read(written, country), country
    assert dialled in read(written.removeprefix("+"))


def test_numbers_of_the_united_states_are_not_taken_for_numbers_of_other_countries() -> None:
    """Without a country 415 555 0100 begins with +41, Switzerland, where no number is so short."""
    assert read("4155550100\n2125550100").unread == 2


@given(st.sets(st.integers(2_000_000_000, 9_999_999_999)), st.integers(2_000_000_000, 9_999_999_999))
def test_it_is_a_set(numbers: set[int], other: int) -> None:
    found = parse(f"+1{number}" for number in numbers)
    assert all(f"+1{number}" in found for number in numbers)
    assert (f"+1{other}" in found) == (other in numbers)


@given(st.integers(10**7, 10**15 - 1))
@example(4901512345678)
@example(525512345678)
@example(541112345678)
@example(79123456789)
@example(88001234567890)
def test_what_is_found_is_what_would_be_dialled(digits: int) -> None:
    """The short cut for the shapes that most lists have says what `e164` says."""
    try:
        dialled = e164(f"+{digits}")
    except NumberError:
        assert not read(f"+{digits}")
    else:
        assert dialled in read(f"+{digits}")


@given(st.lists(st.text()), st.sampled_from(["", "US", "DE"]))
def test_whatever_stands_in_a_file_is_read_or_told(lines: list[str], country: str) -> None:
    parse(lines, country)
