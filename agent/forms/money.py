"""Amounts of money in a text: in figures of any language, with Indian groups, or a single digit in words."""

import re
from collections.abc import Sequence
from decimal import Decimal

from agent.forms.spoken import in_ascii_digits, tokens

_MONEY = re.compile(
    r"(?P<whole>\d{1,2}(?:,\d{2})+,\d{3}|[1-9]\d{0,2}(?:[., '’\u00a0]\d{3})+|\d{1,12})"
    r"(?:[.,](?P<cents>\d{1,2}))?(?![\d.,]*\d)"
    r"(?:\s*(?:[€$£₹]|[^\W\d]{3,8})\s+(?:(?:and|und|et|y|con|e)\s+)?(?P<spoken>\d{1,2})(?!\d))?"
)
_AMOUNTS = re.compile(rf"(?<![\d/(-])(?<!\d[.,]){_MONEY.pattern}(?!-\d|\s*[/%]|(?:st|nd|rd|th)\b)")
"""Numbers that are neither days nor parts of longer numbers."""
_BESIDE = re.compile(
    r"about|around|roughly|exactly|just|only|it|s|is|for|and|ungefähr|etwa|rund|circa|ca|und|environ|et|unos"
    r"|cerca|y|con|e|de|di|करीब|euro|euros|eur|€|dollar|dollars|bucks|usd|cent|cents|pound|pounds|gbp|pence"
    r"|sterling|rupee|rupees|rs|inr|franc|francs|franken|chf|rappen|real|reais|brl|peso|pesos|mxn|yen|jpy|dólar"
    r"|dólares|libra|libras|rupia|rupias|rupie|centime|centimes|centavo|centavos|céntimo|céntimos|cêntimo"
    r"|cêntimos|centesimo|centesimi|dollari|sterline|franchi|रुपये|रुपए|रुपया|रुपयों|पैसे|यूरो|डॉलर"
)
"""Words beside an amount that do not change it. Other words may change it, so an amount with them is refused."""
_SIGNS_BESIDE = re.compile(r"[\s€$£₹¥.,;:!?'’]*")


def amounts(text: str) -> list[Decimal]:
    """The amounts of money in a text."""
    return [Decimal(_worth(one)) for one in _AMOUNTS.finditer(in_ascii_digits(text))]


def written(value: str, languages: Sequence[str], currency: str) -> str:
    """The amount in a text, as a decimal number, if every word of the text is known. Raises `ValueError` otherwise."""
    value = in_ascii_digits(value)
    text = " ".join(tokens(value, languages)) if not re.search(r"\d", value) else value
    found = list(_AMOUNTS.finditer(text))
    words = {*re.findall(r"(?:[^\W\d_]|[\u0900-\u097f])+", text.casefold())}
    rest = _AMOUNTS.sub("", text)
    own = currency.casefold()
    known = [one for one in words if one == own or _BESIDE.fullmatch(one)]
    signs = re.sub(r"[^\W\d_]|[\u0900-\u097f]", "", rest)
    if len(found) != 1 or len(known) < len(words) or not _SIGNS_BESIDE.fullmatch(signs):
        raise ValueError("not an amount; write it as a number, like 1250.50, or ask the caller how much it is")
    return _worth(found[0])


def _worth(one: re.Match[str]) -> str:
    whole = re.sub(r"\D", "", one["whole"])
    return f"{whole}.{one['cents'] or one['spoken'] or 0}"
