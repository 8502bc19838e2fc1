"""Makes text fit to be spoken: removes markup, and spells codes, telephone numbers and unusual parts of addresses.

Money, ranges, percentages and abbreviations become words (`agent.spoken_forms`), and so do signs beside numbers
(`agent.spoken_signs`); in English dates do, too. Numbers stay in digits in every language: the voice says them.
Sans-IO.
"""

import re
from calendar import month_name

from agent.forms.spoken import SIGNS
from agent.spoken_forms import in_words
from agent.spoken_signs import signs_in_words

_LINK = re.compile(r"\[([^\[\]]{0,300})\]\([^()\s]{0,2000}\)")
_URL = re.compile(
    r"https?://(?:www\.)?([\w-]+(?:\.[\w-]+)*)(\S*)"
    r"|(?<![\w@./+-])(www\.)?((?:[\w-]{1,63}\.){1,4}[a-z]{2,9})(?![\w@+-]|\.\w)([/?#:]\S*)?"
)
_DOMAINS = "com org net eu io info shop app example"
_COUNTRIES = {
    "en": "uk au ca",
    "de": "de at ch",
    "es": "es mx ar",
    "fr": "fr be ch",
    "it": "it ch",
    "pt": "pt br",
    "hi": "in",
}
"""Ends of hosts without "www." in texts of a language. Elsewhere some are words without their space: "Done.it is"."""
_CLOSERS = ".,;:!?…\"')]}>»”’*"
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
# An underscore within a word may be part of an address.
_MARKUP = re.compile(r"[*`#>|~]+|(?<![^\W_])_+|_+(?![^\W_])|^[ \t]{0,40}[-•]\s+", re.MULTILINE)
_PICTOGRAPH = re.compile(
    "[\U0001f000-\U0001faff\u2022\u20e3\u2300-\u23ff\u25a0-\u27bf\u2b00-\u2bff\ufe0f\u200d\U000e0020-\U000e007f]"
)
_SIGN = r"(?:(?<![A-Za-z])(?:US\$|[CA]\$|[$€£₹])|\b(?:USD|EUR|GBP|INR)(?=[\s\d]))"
_MONEY = re.compile(rf"({_SIGN})\s?(\d{{1,3}}(?:,\d{{3}}){{1,5}}|\d{{1,18}})(?:\.(\d{{2}}))?(?![.,]?\d|[^\W_])")
_SUM = r"(?:\d{1,3}(?:,\d{3}){1,5}|\d{1,18})(?:\.\d{1,2})?"
_SCALE = r"(?:\s?(k|K|[Mm]n?|B|[Bb]n|[Tt]n|thousand|million|billion|trillion)(?![^\W_]))?"
_TO = r"\s?[-–—]\s?"
_SUMS = re.compile(
    rf"({_SIGN})\s?({_SUM}){_SCALE}(?:{_TO}(?:{_SIGN}\s?)?({_SUM}){_SCALE})?(?![.,]?\d|[^\W_]|\s?%)"
    rf"({_TO}(?={_SUM}\s?%))?"
)
_PERCENT = re.compile(r"(\d)\s?%")
_TIME = re.compile(r"(?<![\d:])(\d{1,2}):00\b(?!:)(\s?[ap]\.?m\b)?", re.IGNORECASE)
_NOON = re.compile(r"(?<![\d.,])(\d{1,2}(?::\d\d)?)\s?([ap]m)\b")
_MONTHS = {name[:3]: name for name in month_name[1:]} | {"Sept": month_name[9]}
_MONTH = re.compile(r"\b({0})\b(?:\.(?=[ ,]))?(?= \d)|(?<=\d )({0})\b(?:\.(?=[ ,]))?".format("|".join(_MONTHS)))
_DATE = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b")

_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:19|20)\d\d"
_AMOUNT = r"(?:[1-9]\d{0,2}(?:[., '’\u00a0\u202f]\d{3}){1,5}|\d{1,18})(?:[.,]\d{1,2})?"
_CODES = r"EUR|USD|GBP|INR|CHF|CAD|AUD|BRL|MXN|JPY|CNY|SEK|NOK|DKK|PLN|CZK|AED|SGD"
_UNITS = (
    rf"(?:{_CODES}|euros?|dollars?|dólar(?:es)?|dollari|pesos?|reais|libras?|livres?|pfund|pounds?|sterline|francs?"
    "|franken|franchi|francos?|rupees?|rupias?|roupies?|rupien?|cents?|centimes?|céntimos?|cêntimos?|centavos?|centesimi"
    "|yen|रुपये|रुपए|रुपया|डॉलर|यूरो|[kc]?m[²³]?|mm|k?g|kilos?|(?:ki|qui)l[oóôò]m[eéèê]t[eros]{1,4}|chilometri"
    "|m[eéè]t[erosi]{2,4}|mil(?:es|las|has)|meilen|lit(?:er|re|ro|ri)s?|[kmgt]b|kwh?|[km]?hz|mbps|percent|prozent|min"
    "|minut(?:e|es|en|os|i)|hours?|stunden|horas|heures|ore|points?|punkte|puntos|pontos|punti|people|personen|personas"
    "|personnes|pessoas|persone|degrees?|grad[oi]?s?|degrés?|graus?|डिग्री|लोग|किलो|मीटर|घंटे|मिनट)"
)
# Text that is read unchanged. It is found first, so that no part of it is taken for a phone number or a code.
_READ = "|".join(
    (
        rf"(?<![\d.,/-])(?:{_YEAR}[-./]\d{{1,2}}[-./]\d{{1,2}}|{_YEAR}\s?[-–]\s?{_YEAR})(?![-./]?\d)",
        rf"(?<![\d.,/-])(?:{_DAY}\.?\s?[-–]\s?)?{_DAY}(?:\.\s?|[-/]){_DAY}(?:\.\s?|[-/])(?:{_YEAR}|\d\d)?(?![-./]?\d)",
        r"(?<![\d:])\d{1,2}:\d\d(?::\d\d)?(?!\d)",
        r"(?<![\d.,])\d{1,2}\s?[AP]M\b",
        rf"(?:[$€£₹¥]|\b(?:{_CODES}|Rs\.?)(?=[\s\d]))\s?{_AMOUNT}(?!\d)",
        rf"(?<![\d.,]){_AMOUNT} (?:to|bis|a|à|से) (?={_AMOUNT}\s(?i:{_UNITS}))",
        rf"(?<![\d.,]){_AMOUNT}\s?(?:[€$£₹¥%°]|(?i:{_UNITS})(?!['’]?[^\W\d_]|\d))",
        r"(?<![\d.,])[1-9]\d?(?:(?:\.\d{3}){2,5}|(?:[ \u00a0\u202f]\d{3}){2})(?![\s().-]?\d)",
        r"(?<![\d.,])\d{1,18}[.,]\d{1,2}(?![ .,-]?\d)",
    )
)
_MEANT = re.compile(
    r"(?P<mail>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
    rf"|(?P<read>{_READ})"
    r"|(?P<phone>(?<![\d.,/])(?:\(?0\d{2,5}\)?\s?/\s?\d|\+\d[\d ()]{1,10}\s?/\s?\d|0\d\s?/\s?(?!(?:19|20)\d\d\b)\d\d)"
    r"\d[\d\s().-]*\d|(?<![\d.,])(?:\+|\((?=\d{1,5}\)))?\d[\d\s().-]{5,}\d)"
    r"|(?P<number>(?<![\d.,$€£₹])\d{4,}(?![\d.,]*\d))"
    r"|(?P<code>\b(?:[A-Z]{2,4}-\d{3,}(?:-[A-Z\d]+)*|(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{3,})\b)"
    r"|(?P<gap>_+)"
)
_ODD = re.compile(r"[\d@_]")
_UNIT_STARTS = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")

_CURRENCY = {
    "$": ("dollar", "cent"),
    "US$": ("US dollar", "cent"),
    "C$": ("Canadian dollar", "cent"),
    "A$": ("Australian dollar", "cent"),
    "€": ("euro", "cent"),
    "£": ("pound", "penny"),
    "₹": ("rupee", "paisa"),
}
_CURRENCY |= {code: _CURRENCY[sign] for code, sign in zip(("USD", "EUR", "GBP", "INR"), "$€£₹", strict=True)}
_SCALES = {"k": "thousand"} | dict.fromkeys(("m", "mn"), "million") | dict.fromkeys(("b", "bn"), "billion")
_SCALES["tn"] = "trillion"
_PENCE = {"penny": "pence", "paisa": "paise"}


def speakable(text: str, language: str) -> str:
    """`text`, which is in `language` (ISO 639-1), as it is given to the voice."""
    signs = SIGNS.get(language, {})
    text = _LINK.sub(r"\1", text)
    text = _URL.sub(lambda match: _site(match, language), text)
    text = signs_in_words(text, language)  # before "#" and ">" are taken for markup
    text = _PICTOGRAPH.sub("", _MARKUP.sub(" ", _TAG.sub(" ", text)))
    text = in_words(text, language)
    if language == "en":
        text = _in_english(text)
    if _ODD.search(text):
        text = _MEANT.sub(lambda match: _meant(match, signs), text)
    return " ".join(text.split())


def _site(match: re.Match[str], language: str) -> str:
    """The host of an address in words, and the signs after the address that do not belong to it."""
    host, path = match[1] or match[4], match[2] or match[5] or ""
    ends = f"{_DOMAINS} {_COUNTRIES.get(language, '')}".split()
    if not (match[1] or match[3] or host.rpartition(".")[2] in ends):
        return match[0]
    dot = SIGNS.get(language, {}).get(".")
    return (host.replace(".", f" {dot} ") if dot else host) + path[len(path.rstrip(_CLOSERS)) :]


def _meant(match: re.Match[str], signs: dict[str, str]) -> str:
    found = match[0]
    match match.lastgroup:
        case "mail":
            return re.sub(r"[.@_+-]|\d", lambda sign: f" {signs.get(sign[0], sign[0])} ", found) if signs else found
        case "phone":
            return _spell_phone(found, signs.get("+", "+"))
        case "number":
            return found if _is_year(found) else " ".join(found)
        case "code":
            return ", ".join(" ".join(part) for part in found.split("-"))
        case "gap":
            return " "
    return _UNIT_STARTS.sub(" ", found)


def _in_english(text: str) -> str:
    text = _MONEY.sub(_money, _SUMS.sub(_sums, text))
    text = _PERCENT.sub(r"\1 percent", text)
    text = _DATE.sub(lambda match: f"{month_name[int(match[2])]} {int(match[3])}, {match[1]}", text)
    text = _TIME.sub(lambda match: match[1] + (match[2] or " o'clock"), text)
    text = _NOON.sub(lambda match: f"{match[1]} {match[2].upper()}", text)
    text = _MONTH.sub(lambda match: _MONTHS[match[1] or match[2]], text)
    return text.replace(" & ", " and ").replace("°C", " degrees").replace("°F", " degrees")


def _sums(match: re.Match[str]) -> str:
    """Words for a range, for thousands or for millions; a single plain amount is unchanged."""
    sign, first, scale, last, last_scale, before_percent = match.groups()
    behind = " to " if before_percent else ""
    scale, last_scale = (one and f" {_SCALES.get(one.lower(), one)}" for one in (scale, last_scale))
    if scale and last and not last_scale:  # "$5m-10 people", "$2k-$500": the two amounts are not of one kind
        other = match[0][match.end(3) - match.start() :]
        signed = re.search(_SIGN, other)
        return f"{first}{scale} {_CURRENCY[sign][0]}s{f' to {other[signed.start() :]}' if signed else other}"
    if scale or last_scale:
        if last:
            own = scale if scale and scale != last_scale else ""
            first = f"{first}{own} to {last}"
            scale = last_scale or ""
        return f"{first}{scale} {_CURRENCY[sign][0]}s{behind}"
    if last and first.isdigit() and last.isdigit():
        return f"{first} to {last} {_CURRENCY[sign][0]}s{behind}"
    return (f"{sign}{first} to {sign}{last}" if last else match[0].removesuffix(before_percent or "")) + behind


def _money(match: re.Match[str]) -> str:
    unit, part = _CURRENCY[match[1]]
    whole = int(match[2].replace(",", ""))
    words = f"{whole:,} {unit}{'' if whole == 1 else 's'}"
    if match[3] and int(match[3]):
        cents = int(match[3])
        words += f" and {cents} {part if cents == 1 else _PENCE.get(part, part + 's')}"
    return words


def _spell_phone(number: str, plus: str) -> str:
    """A telephone number digit by digit, with a pause at every separator."""
    if len(re.sub(r"\D", "", number)) < 7:
        return number
    groups = [" ".join(group) for group in re.findall(r"\d+", number)]
    return (f"{plus} " if number.startswith("+") else "") + ", ".join(groups)


def _is_year(digits: str) -> bool:
    return len(digits) == 4 and digits[:2] in ("19", "20")
