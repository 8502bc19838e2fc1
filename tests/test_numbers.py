"""Telephone numbers in every shape that a carrier or a PBX wants."""

import pytest

from sipgw.config.numbers import NumberError, check_country, e164, known, shaped, spellings


@pytest.mark.parametrize(
    ("dialled", "country", "number"),
    [
        ("+1 (415) 555-0100", "", "+14155550100"),
        ("415-555-0100", "US", "+14155550100"),
        ("1 415 555 0100", "us", "+14155550100"),
        ("030 901820", "DE", "+4930901820"),
        ("0049 30 901820", "FR", "+4930901820"),
        ("011 49 30 901820", "US", "+4930901820"),
        ("+39 06 6982", "", "+39066982"),
    ],
)
def test_numbers_become_e164(dialled: str, country: str, number: str) -> None:
    assert e164(dialled, country) == number


@pytest.mark.parametrize(
    ("dialled", "says"),
    [("4155550100", "country"), ("anna", "no telephone number"), ("+1", "no telephone number"), ("+1 23", "short"),
     ("+" + "1" * 60, "too long"), ("", "no telephone number"), ("+1415555010012345", "short or too long")],
)  # fmt: skip
def test_what_is_no_number_is_told(dialled: str, says: str) -> None:
    with pytest.raises(NumberError, match=says):
        e164(dialled)


@pytest.mark.parametrize(
    ("shape", "user"),
    [
        ("+e164", "+442083661177"),
        ("e164", "442083661177"),
        ("national", "02083661177"),
        ("as_dialled", "+442083661177"),
    ],
)
def test_the_shapes(shape: str, user: str) -> None:
    assert shaped("+44 (208) 366-1177", shape) == user  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dialled", "user"), [("200", "200"), ("*97", "*97"), ("#1", "%231"), ("anna", "anna"), ("a.b-c", "a.b-c")]
)
@pytest.mark.faults("C6")
def test_extensions_pass_as_they_were_dialled(dialled: str, user: str) -> None:
    assert shaped(dialled, "as_dialled") == user


@pytest.mark.parametrize("dialled", ["", "200@evil", "200;x=y", "200>\r\nVia: x", "a" * 65, "２００"])
def test_nothing_that_could_change_the_uri_passes(dialled: str) -> None:
    with pytest.raises(NumberError):
        shaped(dialled, "as_dialled")


def test_countries() -> None:
    check_country("de")
    with pytest.raises(ValueError, match="two letters"):
        check_country("Germany")


@pytest.mark.parametrize(
    ("told", "shape", "country", "number"),
    [
        ("4155550123", "+e164", "US", "+14155550123"),
        ("14155550123", "e164", "", "+14155550123"),
        ("4930123456", "e164", "US", "+4930123456"),
        ("4155550123", "e164", "US", "+14155550123"),
        ("0151 23456789", "national", "DE", "+4915123456789"),
        ("004915123456789", "+e164", "US", "+4915123456789"),
        ("+49 (0)151 23456789", "+e164", "", "+4915123456789"),
        ("1001", "as_dialled", "US", "1001"),
        ("2712345", "as_dialled", "LU", "2712345"),
        ("2712345", "national", "LU", "+3522712345"),
        ("4155550123", "+e164", "", "4155550123"),
        ("anna", "+e164", "US", "anna"),
        ("*31#4155550123", "+e164", "US", "*31#4155550123"),
        ("", "+e164", "US", ""),
    ],
)
def test_a_number_is_kept_as_one_however_it_was_told(told: str, shape: str, country: str, number: str) -> None:
    assert known(told, shape, country) == number  # type: ignore[arg-type]


def test_the_spellings_of_a_number() -> None:
    assert {"+4915123456789", "4915123456789", "004915123456789", "015123456789", "15123456789"} <= set(
        spellings("+49 (0)151 23456789")
    )
    assert set(spellings("14155550123")) == {"14155550123", "+14155550123", "0014155550123", "4155550123"}
    assert spellings("anna") == ["anna"]
    assert "+14155550123" not in spellings("4155550123"), "of which country?"
