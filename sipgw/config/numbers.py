"""Telephone numbers in the shapes that carriers want (E.164, by Google's metadata in `phonenumbers`). Sans-IO."""

import contextlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

NumberFormat = Literal["+e164", "e164", "national", "as_dialled"]
EXTENSION = 7
"""Maximum digits of an extension of a PBX; a longer number is a telephone number, however it is written."""
_DIALLED = re.compile(r"[A-Za-z0-9+*#_]{1,64}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
"""The name of an extension at a PBX, such as ``anna``: unlike in a number, its dots and hyphens are no separators."""
_TOLD = re.compile(r"\+?[0-9][0-9 ().-]{2,30}|\([0-9][0-9 ().-]{2,30}")


class NumberError(ValueError):
    """The text is not a telephone number that can be dialled."""


def e164(text: str, country: str = "") -> str:
    """`text` as ``+`` and digits; without ``+`` it is read as dialled in `country` (``"US"``). Raises `NumberError`."""
    import phonenumbers  # 30 ms and 8 MiB that a gateway without outbound calls does not need

    if len(text) > 40:
        raise NumberError("too long for a telephone number")
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException:
        hint = "" if country or text.startswith("+") else "; write it with + and the country code, or set 'country'"
        raise NumberError(f"{text!r} is no telephone number{hint}") from None
    if not phonenumbers.is_possible_number(number):
        raise NumberError(f"{text!r} is too short or too long for a telephone number")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def known(text: str, shape: NumberFormat = "+e164", country: str = "") -> str:
    """`text`, a number of a carrier or person that writes numbers in this `shape`, in E.164. A text that is no valid
    number stays unchanged."""
    inside = shape == "as_dialled" and len(text) <= EXTENSION and text[:1] not in "+0"
    if inside or not _TOLD.fullmatch(text):
        return text
    import phonenumbers

    readings = [(text, country)]
    if shape == "e164" and text[0] != "+":
        readings.insert(0, (f"+{text}", ""))
    if text.startswith("00"):
        readings.append((f"+{text[2:]}", ""))
    for reading, where in readings:
        with contextlib.suppress(NumberError):
            number = e164(reading, where)
            if phonenumbers.is_valid_number(phonenumbers.parse(number)):
                return number
    return text


def spellings(number: str) -> list[str]:
    """All forms in which carriers may have sent `number`, and in which people may have dialled it."""
    import phonenumbers

    digits = "".join(char for char in number if char.isdigit()).removeprefix("00")
    if not digits:
        return [number]
    plain = known(f"+{digits}")
    found = [number, *(f"{before}{one}" for one in (digits, plain[1:]) for before in ("", "+", "00"))]
    with contextlib.suppress(phonenumbers.NumberParseException):
        parsed = phonenumbers.parse(plain)
        if phonenumbers.is_valid_number(parsed):
            found += [shaped(plain, "national"), phonenumbers.national_significant_number(parsed)]
    return list(dict.fromkeys(found))


class _Plan(NamedTuple):
    """The rules for numbers of one country code."""

    dialled_before: Callable[[str], "re.Match[str] | None"]
    """Matches the national prefix that people of the country dial before a number, such as the 0 of ``+49 (0)30``."""
    lengths: frozenset[int]


@cache
def _plan(code: str) -> _Plan | None:
    import phonenumbers

    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code))
    if regions is None:
        return None
    data: Any = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(int(code), regions[0])
    before = data.national_prefix_for_parsing
    return _Plan(re.compile(before or r"\Z.").match, frozenset(data.general_desc.possible_length))


def is_plain(digits: str) -> bool:
    """Whether `e164` would leave ``+`` and these ASCII digits unchanged. It is much faster than `e164`, for long
    files."""
    for at in (1, 2, 3):
        plan = _plan(digits[:at])
        if plan is not None:
            before = plan.dialled_before(digits[at:])
            return len(digits) - at in plan.lengths and not (before and before.end())
    return False


def shaped(text: str, shape: NumberFormat, country: str = "") -> str:
    """The user part of a SIP URI for `text`, in this `shape`. An extension is accepted with ``as_dialled`` only.

    Raises `NumberError`.
    """
    if shape == "as_dialled" and _NAME.fullmatch(text):
        return text
    if shape == "as_dialled":
        kept = "".join(char for char in text if char not in " -().")
        if not _DIALLED.fullmatch(kept):
            raise NumberError(f"{text[:64]!r} cannot be dialled")
        return kept.replace("#", "%23")
    number = e164(text, country)
    if shape == "+e164":
        return number
    if shape == "e164":
        return number.removeprefix("+")
    import phonenumbers

    national = phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(char for char in national if char.isdigit())


def country_of(number: str) -> str:
    """The country of a number in E.164, two letters; empty if it is not known."""
    import phonenumbers

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except phonenumbers.NumberParseException:
        return ""


def check_country(country: str) -> None:
    """Raises `ValueError` if `country` is not empty and is no region of the metadata of `phonenumbers`."""
    if country:
        import phonenumbers

        if country.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f'a country is two letters like "US" or "DE", not {country!r}')
