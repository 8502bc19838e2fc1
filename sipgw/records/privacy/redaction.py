"""Redaction of private data in texts before they are stored, sent or shown. Sans-IO. A placeholder keeps the kind:
``[card ••1111]``. A number is recognised only if its check digits match (cards
by Luhn, Aadhaar by Verhoeff, IBAN by ISO 7064), so that order numbers stay.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import phonenumbers
from stdnum import iban, luhn, verhoeff
from stdnum.us import ssn

from sipgw.config.records import Kind, PrivacyOptions, Sink
from sipgw.records.privacy import names
from sipgw.records.privacy.digits import DigitRun, enough, runs

Redact = Callable[[str], str]

SMALL = 10**6
"""The least number that may be private; smaller ones are not checked."""
LONGEST = 20_000
"""Characters that are checked; the rest of a text is cut off."""
# Lengths by the first digits (ISO/IEC 7812): Visa, Mastercard, Amex, Diners, JCB, Discover, RuPay, UnionPay.
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|6[0-9]\d{14}|62\d{14,17}|8[12]\d{14}|508\d{13}|5[06-8]\d{14,17}"
)
_EMAIL = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
_SPOKEN_EMAIL = re.compile(
    r"\b[\w.+-]{1,64}(?: (?:dot|punkt|punto|point) [\w-]{1,64}){0,3} (?:at|ät|arroba|arobase) "
    r"[\w-]{1,63}(?: (?:dot|punkt|punto|point) [\w-]{2,63}){1,4}\b",
    re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Za-z]{2}[ -]?\d{2}(?:[ -]?[A-Za-z0-9]){11,30}\b")
_LETTERS = re.compile(r"\b([A-Za-z])[\s.\-]{0,3}([A-Za-z])[\s.\-]{0,3}$")

_PLUS = re.compile(r"(?i)(?:\+|\bplus)\s*$")
NEAR = 16
"""Characters before a number in which its country code or "plus" stands."""


class Found(NamedTuple):
    """Private data found in a text."""

    start: int
    end: int
    shown: str
    """The placeholder that replaces the data."""


def redactor_for(policy: PrivacyOptions, sink: Sink) -> Redact:
    """The function that removes private words from texts for `sink`, as `policy` says."""
    return redactor(policy.redact, policy.country) if sink in policy.where else str


@dataclass(frozen=True)
class Redactor:
    """Removes private data of the given kinds from texts."""

    kinds: tuple[Kind, ...]
    country: str = ""

    def __call__(self, text: str) -> str:
        """`text` without private data."""
        return redacted(text, self.kinds, self.country)

    def find(self, text: str) -> Sequence[Found]:
        """See `find`."""
        return find(text, self.kinds, self.country)


def redactor(kinds: tuple[Kind, ...], country: str = "") -> Redact:
    """The function that removes private data of `kinds` from a text."""
    if kinds:
        return Redactor(kinds, country)
    return str


def redacted(text: str, kinds: tuple[Kind, ...], country: str = "") -> str:
    """`text` without private data of `kinds`."""
    text = text[:LONGEST]
    parts, behind = [], 0
    for found in find(text, kinds, country):
        parts += [text[behind : found.start], found.shown]
        behind = found.end
    return "".join([*parts, text[behind:]]) if parts else text


def in_json(value: Any, redact: Redact) -> Any:
    """`value` without private data in its texts, keys and numbers."""
    if isinstance(value, dict):
        return {redact(str(key)): in_json(item, redact) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(item, redact) for item in value]
    if isinstance(value, str):
        return redact(value)
    return in_number(value, redact) if isinstance(value, int) else value


def in_number(value: int, redact: Redact) -> int | str:
    """`value`, or its placeholder: an LLM may write a card number as a JSON number."""
    if -SMALL < value < SMALL:
        return value
    shown = redact(str(value))
    return value if shown == str(value) else shown


@lru_cache(16)  # records, timeline and recording check the same words one after the other
def find(text: str, kinds: tuple[Kind, ...], country: str = "") -> Sequence[Found]:
    """All private data in `text`, in order and without overlap; the first match counts."""
    taken: list[Found] = []
    said = runs(text) if enough(text) else []
    for kind, look in _LOOKS.items():
        for found in look(text, said, country) if kind in kinds else ():
            if all(found.end <= other.start or found.start >= other.end for other in taken):
                taken.append(found)
    return tuple(sorted(taken))


def _emails(text: str, _said: list[DigitRun], _country: str) -> Iterator[Found]:
    for pattern in (_EMAIL, _SPOKEN_EMAIL):
        for match in pattern.finditer(text):
            yield Found(match.start(), match.end(), "[email]")


def _windows(said: list[DigitRun], longest: int, shortest: int) -> Iterator[tuple[DigitRun, int, int]]:
    return ((run, start, end) for run in said for start, end in run.windows(longest, shortest))


def _cards(_text: str, said: list[DigitRun], _country: str) -> Iterator[Found]:
    for run, start, end in _windows(said, 19, 13):
        number = run.digits[start:end]
        if _CARD.fullmatch(number) and luhn.is_valid(number) and len(set(number)) > 1:
            yield _of(run, start, end, f"[card ••{number[-4:]}]")


def _aadhaar(_text: str, said: list[DigitRun], _country: str) -> Iterator[Found]:
    for run, start, end in _windows(said, 12, 12):
        number = run.digits[start:end]
        if number[0] in "23456789" and verhoeff.is_valid(number) and number != number[::-1]:
            yield _of(run, start, end, f"[aadhaar ••{number[-4:]}]")


def _ssn(text: str, said: list[DigitRun], _country: str) -> Iterator[Found]:
    """Social security numbers. They have no check digit, so a number counts only if it is written in groups, or if the
    words call it so."""
    for run, start, end in _windows(said, 9, 9):
        number = run.digits[start:end]
        first, last = run.spans[start][0], run.spans[end - 1][1]
        written = re.fullmatch(r"\d{3}[- ]\d{2}[- ]\d{4}", text[first:last])
        called = re.search(r"(?i)\bsocial|\bssn\b", text[max(0, first - 80) : first])
        if (written or called) and ssn.is_valid(f"{number[:3]}-{number[3:5]}-{number[5:]}"):
            yield _of(run, start, end, "[ssn]")


def _ibans(text: str, said: list[DigitRun], _country: str) -> Iterator[Found]:
    yield from _written_ibans(text)
    yield from _spoken_ibans(text, said)


def _written_ibans(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        for end in reversed(_iban_ends(match[0])):  # words after it may look like a part of it
            number = re.sub(r"[ -]", "", match[0][:end])
            if iban.is_valid(number, check_country=False):
                yield Found(match.start(), match.start() + end, f"[iban {number[:2].upper()}••{number[-2:]}]")
                break


def _iban_ends(text: str) -> list[int]:
    """The positions at which an IBAN at the beginning of `text` may end, judged by its check digits alone. Most
    candidates fail this test; the structure is checked for the rest.
    """
    ends, rest, head = list[int](), 0, ""
    for at, char in enumerate(text):
        if not char.isalnum():
            continue
        value = str(int(char, 36))
        if len(head) < 6:  # country and check digits count after all others
            head += value
            continue
        rest = (rest * 10 ** len(value) + int(value)) % 97
        if at >= 14 and (rest * 10**6 + int(head)) % 97 == 1:
            ends.append(at + 1)
    return ends


def _spoken_ibans(text: str, said: list[DigitRun]) -> Iterator[Found]:
    for run in said:
        letters = _before(_LETTERS, text, run) if len(run.digits) >= 13 else None
        if letters is None:
            continue
        country = (letters[1] + letters[2]).upper()
        for start, end in run.windows(30, 13):
            number = country + run.digits[start:end]
            if start == 0 and iban.is_valid(number, check_country=False):
                yield Found(letters.start(), run.spans[end - 1][1], f"[iban {country}••{number[-2:]}]")
                break


def _before(pattern: re.Pattern[str], text: str, run: DigitRun) -> re.Match[str] | None:
    """The match of `pattern` right before `run`."""
    start = run.spans[0][0]
    return pattern.search(text, max(0, start - NEAR), start)


def _phones(text: str, said: list[DigitRun], country: str) -> Iterator[Found]:
    if any(len(run.digits) >= 7 for run in said):
        yield from _written_phones(text, country)
        yield from _spoken_phones(text, said, country)


def _written_phones(text: str, country: str) -> Iterator[Found]:
    for match in phonenumbers.PhoneNumberMatcher(text, country or None):
        yield Found(match.start, match.end, f"[phone ••{str(match.number.national_number)[-2:]}]")


def _spoken_phones(text: str, said: list[DigitRun], country: str) -> Iterator[Found]:
    for run in said:
        plus = _before(_PLUS, text, run)
        for start, end in run.windows(15, 7) if run.spoken or plus else ():
            number = ("+" if plus and start == 0 else "") + run.digits[start:end]
            if (number[0] == "+" or country) and _is_phone(number, country):
                found = _of(run, start, end, f"[phone ••{number[-2:]}]")
                yield found._replace(start=plus.start()) if plus and start == 0 else found
                break


@lru_cache(4096)  # a growing text contains the same numbers again and again
def _is_phone(number: str, country: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(number, country or None)))
    except phonenumbers.NumberParseException:
        return False


def _names(text: str, _said: list[DigitRun], _country: str) -> Iterator[Found]:
    return (Found(start, end, "[name]") for start, end in names.places(text))


def _of(run: DigitRun, start: int, end: int, shown: str) -> Found:
    return Found(run.spans[start][0], run.spans[end - 1][1], shown)


_LOOKS: dict[Kind, Callable[[str, list[DigitRun], str], Iterator[Found]]] = {
    "emails": _emails,
    "iban": _ibans,
    "cards": _cards,
    "aadhaar": _aadhaar,
    "ssn": _ssn,
    "phones": _phones,
    "names": _names,
}
"""The order of search: a match is not searched again."""
