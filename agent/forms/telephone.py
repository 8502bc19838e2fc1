"""Telephone numbers as they are said, by Google's metadata of each country's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.forms.spoken import digits_of, with_signs
from agent.turn_taking.expect import Expected

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

LONGEST = 20
"""Digits of the longest number as it is dialled, with an international prefix."""


def dialled(text: str, languages: Sequence[str]) -> str:
    """The digits of `text`, which may be words, after a "+" if they begin with a country code."""
    digits = digits_of(text, languages)
    if "+" in with_signs(text, languages) or digits.startswith("00"):
        return "+" + digits.removeprefix("00")
    return digits


def number_of(digits: str, country: str) -> "PhoneNumber | None":
    """The valid number that somebody in `country` (ISO 3166-1) dials by `digits`; None if it is none."""
    import phonenumbers  # 30 ms and 8 MiB

    try:
        number = phonenumbers.parse(digits, country or None)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def is_complete(digits: str, country: str) -> bool:
    """Whether `digits` are a valid number that would be too long for its type with one more digit.

    In some countries, such as Germany with its fixed lines, the numbers of a type have any length. There no number is
    complete. Digits that begin with the country's own code may be the beginning of a number with country code.
    """
    import phonenumbers
    from phonenumbers.phonenumberutil import ValidationResult, is_possible_number_for_type_with_reason

    if len(digits) > LONGEST or (number := number_of(digits, country)) is None:
        return False
    longer = phonenumbers.parse(digits + "0", country or None)
    reason = is_possible_number_for_type_with_reason(longer, phonenumbers.number_type(number))
    own = str(phonenumbers.country_code_for_region(country))
    return bool(reason == ValidationResult.TOO_LONG) and not (digits.startswith(own) and may_go_on(digits))


def may_go_on(digits: str) -> bool:
    """Whether `digits` may be the beginning of a longer number with a country code."""
    import phonenumbers
    from phonenumbers.phonenumberutil import ValidationResult, is_possible_number_with_reason

    if digits.startswith("+") or is_complete(f"+{digits}", ""):
        return False
    try:
        longer = phonenumbers.parse(f"+{digits}0")
    except phonenumbers.NumberParseException:  # no country has such a code
        return False
    return bool(is_possible_number_with_reason(longer) != ValidationResult.TOO_LONG)


@dataclass(frozen=True)
class ExpectedNumber(Expected):
    """A telephone number as the expected answer; the numbers of the country tell where it ends."""

    country: str = ""
    """Where national numbers are dialled (ISO 3166-1); empty if that is not known."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes."""

    @property
    def has_end(self) -> bool:
        """See `Expected.has_end`."""
        return True

    def is_whole(self, text: str, have: int) -> bool:
        """See `Expected.is_whole`."""
        return is_complete(dialled(text, self.languages), self.country)

    def ends_with(self, keys: str) -> bool:
        """See `Expected.ends_with`; a number that another country's code may begin goes on until a pause."""
        number = dialled(keys, self.languages)
        return is_complete(number, self.country) and not may_go_on(number)
