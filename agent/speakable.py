"""Makes text fit to be spoken: no markup, codes and phone numbers digit by digit; in English money and signs as words.

Voices of other languages read money, dates and times by themselves.
"""

import re
from calendar import month_name

_LINK = re.compile(r"\[([^\[\]]{0,300})\]\([^()\s]{0,2000}\)")
_URL = re.compile(r"https?://(?:www\.)?([\w.-]+)\S*")
_MARKUP = re.compile(r"[*_`#>|~]+|^[ \t]{0,40}[-•]\s+", re.MULTILINE)
_PICTOGRAPH = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]")
_MONEY = re.compile(r"([$€£₹])\s?(\d{1,3}(?:,\d{3}){1,5}|\d{1,18})(?:\.(\d{2}))?(?![.,]?\d)")
_PERCENT = re.compile(r"(\d)\s?%")
_TIME = re.compile(r"\b(\d{1,2}):00\b")
_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")
_PHONE = re.compile(r"(?<![\d.,])[+(]?\d[\d\s().-]{5,}\d")
_LONG_NUMBER = re.compile(r"(?<![\d.,$€£₹])\d{4,}(?![\d.,]*\d)")
_CODE = re.compile(r"\b(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{3,}\b")

_CURRENCY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"), "₹": ("rupee", "paisa")}
_DOT = {"en": "dot", "es": "punto", "fr": "point", "de": "Punkt", "pt": "ponto", "it": "punto", "hi": "डॉट"}
_PLUS = {"en": "plus", "es": "más", "fr": "plus", "de": "plus", "pt": "mais", "it": "più", "hi": "प्लस"}
_PENCE = {"penny": "pence", "paisa": "paise"}


def speakable(text: str, language: str = "en") -> str:
    """`text`, which is in `language` (ISO 639-1), as it is given to the voice."""
    text = _LINK.sub(r"\1", text)
    text = _URL.sub(lambda match: match[1].replace(".", f" {_DOT.get(language, '.')} "), text)
    text = _PICTOGRAPH.sub("", _MARKUP.sub(" ", text))
    if language == "en":
        text = _in_english(text)
    text = _PHONE.sub(lambda match: _spell_phone(match, _PLUS.get(language, "+")), text)
    text = _LONG_NUMBER.sub(lambda match: match[0] if _is_year(match[0]) else " ".join(match[0]), text)
    text = _CODE.sub(lambda match: " ".join(match[0]), text)
    return " ".join(text.split())


def _in_english(text: str) -> str:
    text = _MONEY.sub(_money, text)
    text = _PERCENT.sub(r"\1 percent", text)
    text = _DATE.sub(lambda match: f"{month_name[int(match[2])]} {int(match[3])}, {match[1]}", text)
    text = _TIME.sub(r"\1 o'clock", text)
    return text.replace(" & ", " and ").replace("°C", " degrees").replace("°F", " degrees")


def _money(match: re.Match[str]) -> str:
    unit, part = _CURRENCY[match[1]]
    whole = int(match[2].replace(",", ""))
    words = f"{whole:,} {unit}{'' if whole == 1 else 's'}"
    if match[3] and int(match[3]):
        cents = int(match[3])
        words += f" and {cents} {part if cents == 1 else _PENCE.get(part, part + 's')}"
    return words


def _spell_phone(match: re.Match[str], plus: str) -> str:
    """Digits one by one, a pause at every separator."""
    digits = re.sub(r"\D", "", match[0])
    if len(digits) < 7 or re.fullmatch(r"\d{1,4}[-.]\d{1,2}[-.]\d{1,4}", match[0]):
        return match[0]  # a date, or a number with a decimal point
    groups = [" ".join(group) for group in re.findall(r"\d+", match[0])]
    return (f"{plus} " if match[0].startswith("+") else "") + ", ".join(groups)


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits[:2] in ("19", "20")
