"""Files of numbers as people have them; each broken line is told, the others count."""

from hypothesis import given
from hypothesis import strategies as st

from sipgw.gate.number_set import NumberSet, parse


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


@given(st.sets(st.integers(10**7, 10**15 - 1)), st.integers(10**7, 10**15 - 1))
def test_it_is_a_set(numbers: set[int], other: int) -> None:
    found = parse(f"+{number}" for number in numbers)
    assert all(f"+{number}" in found for number in numbers)
    assert (f"+{other}" in found) == (other in numbers)


@given(st.lists(st.text()), st.sampled_from(["", "US", "DE"]))
def test_whatever_stands_in_a_file_is_read_or_told(lines: list[str], country: str) -> None:
    parse(lines, country)
