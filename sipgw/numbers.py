"""Telephone numbers in the shapes that carriers want (E.164, by Google's metadata in `phonenumbers`)."""

import re
from typing import Literal

NumberFormat = Literal["+e164", "e164", "national", "as_dialled"]
_DIALLED = re.compile(r"[A-Za-z0-9+*#_]{1,64}")


class NumberError(ValueError):
    """The text is not a telephone number that can be dialled."""


def e164(text: str, country: str = "") -> str:
    """`text` as ``+`` and digits; without ``+`` it is read as dialled in `country` (``"US"``). Raises `NumberError`."""
    import phonenumbers  # 30 ms and 8 MiB that a gateway without outbound calls does not need

    if len(text) > 40:
        raise NumberError("too long for a telephone number")
    try:
        number = phonenumbers.parse(text, country.upper() or None)
    except phonenumbers.NumberParseException as error:
        hint = "" if country or text.startswith("+") else "; write it with + and the country code, or set 'country'"
        raise NumberError(f"{text!r} is no telephone number: {error}{hint}") from None
    if not phonenumbers.is_possible_number(number):
        raise NumberError(f"{text!r} is too short or too long for a telephone number")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def shaped(text: str, shape: NumberFormat, country: str = "") -> str:
    """The user part of a SIP URI for `text`. What is no telephone number (an extension) passes ``as_dialled`` only.

    Raises `NumberError`.
    """
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


def check_country(country: str) -> None:
    """Raises `ValueError` for what is no region of the metadata."""
    if country:
        import phonenumbers

        if country.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f'country must be two letters like "US" or "DE", not {country!r}')
