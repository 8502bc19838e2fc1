"""Emergency numbers: the one that a dialled number would reach, and the one that a caller is told to dial. Sans-IO."""

import contextlib
import re
import unicodedata
from collections.abc import Collection
from functools import cache
from urllib.parse import unquote

EVERYWHERE = frozenset({"112", "911"})
"""Numbers that every telephone takes for an emergency call (3GPP TS 22.101 §10.1.1)."""
UNKNOWN = frozenset({"000", "08", "110", "999", "118", "119"})
"""Further numbers that a telephone without a known country takes for an emergency call (3GPP TS 22.101 §10.1.1)."""
LONGEST = 6
"""Digits of the longest emergency number in the metadata of `phonenumbers`."""
_SEPARATORS = re.compile(r"[\s().\-/]")
_DIALLED = re.compile(r"[+0-9*#]+")
_AFTER = re.compile(r"(?<=[0-9])[,;pwxPWX].*", re.DOTALL)
"""Suffix that is dialled after the number: a pause with further keys, or parameters."""
_PAUSE = re.compile(r"[,;pwPW]")
"""A pause for the dial tone, after the digit for an outside line. The digits before and after it are one number."""
_SERVICE = r"(?:[*#]{1,2}[0-9]{2,4}[*#]|\*[0-9]{2}|141|1470|3651|183[12]|18[46])?"
"""Codes before a number that show or hide the caller: ``*31#``, ``#31#``, ``*67``; UK, FR, AU, JP."""
_BEFORE = re.compile(rf"(?:0{{0,2}}|[89]){_SERVICE}(?:0{{0,2}}|[89]|\+|011)")
"""Prefix that may stand before an emergency number: digits for an outside line, a code, an international prefix."""
_BEFORE_ANYWHERE = re.compile(r"[*#]{0,2}(?:[0-9]|00)?")
"""Prefix that may stand before 112 and 911: any digit or key that a PBX may have for an outside line."""
_LONG_DISTANCE = re.compile(r"[09]?1")
"""Prefix that may stand before 911: its country code, which people and telephones dial before numbers."""
_BEFORE_TWO = re.compile(rf"0{{0,2}}{_SERVICE}(?:0{{0,2}}|\+)")
"""Prefix that may stand before a number of two digits: 815 is an extension, and not 15 after an 8."""
_COUNTRY_CODE = re.compile(rf"(?:0{{0,2}}|[89]){_SERVICE}(?:\+|00|011)([1-9][0-9]{{0,2}})")

TOLD = {
    "112": "AT BE BG CH CY CZ DE DK EE ES FI FR GE GR HR HU IE IN IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK TR "
    "UA ZA",
    "911": "AR CR EC MX PA PH UY",
    "919": "SX",
    "999": "GB GG HK IM JE MY TT",
    "000": "AU",
    "111": "NZ",
    "119": "JP KR TW",
    "120": "CN",
    "192": "BR",
    "995": "SG",
    "101": "IL",
}
"""Emergency numbers that callers are told to dial, and the countries in which each reaches ambulance, police and fire
brigade. Where each of the three has a number of its own, it is the ambulance's. Other countries with +1 have 911 if the
metadata of `phonenumbers` says so."""


def emergency_number(sent: str, countries: Collection[str], extensions: Collection[str] = ()) -> str:
    """The emergency number that a telephone or PBX in one of `countries` may dial for `sent`; empty if it dials none.

    `sent` is the user part of a URI as it is sent, a number as somebody writes it, or a whole sip, tel or URN URI.
    Without `countries`, the numbers of a telephone that does not know its country count (`EVERYWHERE`, `UNKNOWN`).
    Digits before the number count as part of it if a PBX or carrier may strip them: ``0-112``, ``+911``, ``*31#112``.

    `extensions` are patterns of a PBX's own numbers, see `sipgw.config.gate.GateOptions`. A pattern that begins with a
    digit says that this digit is no outside line there: ``4???`` makes 4911 an extension. 0, 8 and 9 stay digits for
    outside lines.
    """
    text = unquote(sent, errors="replace").strip()
    if text.lower().startswith("urn:service:sos"):
        return "sos"  # RFC 5031
    text = re.sub(r"^(?:sips?|tel):/{0,2}", "", text, flags=re.IGNORECASE).partition("@")[0]
    text = text.partition("\0")[0]  # a PBX written in C reads only the text before it
    text = "".join(str(unicodedata.digit(char, char)) for char in text if unicodedata.category(char)[0] != "C")
    regions = frozenset(country.upper() for country in countries if country)
    own = any(pattern[:1] == text[:1] and is_extension(text, pattern) for pattern in extensions)
    return _reached(_AFTER.sub("", text), regions, own=own) or _reached(_PAUSE.sub("", text), regions, own=own)


def is_extension(number: str, pattern: str) -> bool:
    """Whether `number` fits a pattern of extensions, in which ``?`` is any digit."""
    return re.fullmatch(re.escape(pattern).replace(r"\?", "[0-9]"), number) is not None


def reaches_emergency(sent: str, where: str, countries: Collection[str], extensions: Collection[str] = ()) -> str:
    """The error message if `sent`, which the configuration has at `where`, reaches an emergency number (see
    `emergency_number`); otherwise empty."""
    found = emergency_number(sent, countries, extensions)
    return f"{where}: {sent!r} reaches the emergency number {found}, which a gateway never calls" if found else ""


def _reached(text: str, regions: Collection[str], *, own: bool) -> str:
    text = _SEPARATORS.sub("", text).rstrip("#*")
    if not _DIALLED.fullmatch(text):
        return ""
    for digits in range(2, LONGEST + 1):
        before, number = text[:-digits], text[-digits:]
        if len(number) < digits or not number.isdigit():
            continue
        if (_BEFORE_TWO if digits == 2 else _BEFORE).fullmatch(before) and _is(number, regions):
            return number
        if number in EVERYWHERE and not own and _BEFORE_ANYWHERE.fullmatch(before):
            return number
        if number == "911" and _LONG_DISTANCE.fullmatch(before):
            return number
        abroad = _COUNTRY_CODE.fullmatch(before)
        if abroad is not None and _is(number, _regions(int(abroad[1]))):
            return number
    return ""


def _is(number: str, regions: Collection[str]) -> bool:
    from phonenumbers import shortnumberinfo  # as in `sipgw.config.numbers`

    if number in EVERYWHERE or (not regions and number in UNKNOWN):
        return True
    return any(_known(region) and shortnumberinfo.is_emergency_number(number, region) for region in regions) or any(
        not _known(region) and number in UNKNOWN for region in regions
    )


@cache
def _known(region: str) -> bool:
    """Whether the metadata of `phonenumbers` has emergency numbers of `region`."""
    from phonenumbers import PhoneMetadata

    found = PhoneMetadata.short_metadata_for_region(region)
    return found is not None and bool(found.emergency and found.emergency.national_number_pattern)


def _regions(code: int) -> Collection[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return [one for one in COUNTRY_CODE_TO_REGION_CODE.get(code, ()) if one != "001"] or ["001"]


def told_number(number: str, country: str) -> str:
    """The emergency number for a caller whose own number is `number`; if `number` has no country code, for a caller in
    `country`. The digits are apart for the voice: ``"1 1 2"``. Empty if the emergency number is not known.
    """
    import phonenumbers
    from phonenumbers import shortnumberinfo

    region = country.upper()
    with contextlib.suppress(phonenumbers.NumberParseException):
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number)) or region
    found = next((told for told, where in TOLD.items() if region in where.split()), "")
    abroad = phonenumbers.country_code_for_region(region) != 1
    return " ".join(found or ("" if abroad or not shortnumberinfo.is_emergency_number("911", region) else "911"))
