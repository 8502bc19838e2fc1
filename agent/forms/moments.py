"""Dates and times of day, as the agent says them and as they stand in what it has said, in each language."""

import re
from datetime import datetime
from typing import NamedTuple

from agent.forms.spoken import in_ascii_digits

_WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag|Sonnabend Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "pt": "segunda-feira|segunda terça-feira|terça quarta-feira|quarta quinta-feira|quinta sexta-feira|sexta sábado"
    " domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "hi": "सोमवार मंगलवार बुधवार गुरुवार|बृहस्पतिवार शुक्रवार शनिवार रविवार|इतवार",
}
_MONTHS = {
    "en": "January|Jan February|Feb March|Mar April|Apr May June|Jun July|Jul August|Aug September|Sep|Sept October|Oct"
    " November|Nov December|Dec",
    "de": "Januar|Jänner Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre|setiembre octubre noviembre diciembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "hi": "जनवरी फरवरी|फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर|सितम्बर अक्टूबर|अक्तूबर नवंबर|नवम्बर दिसंबर|दिसम्बर",
}
_SAID = {
    "en": "{weekday}, {day} {month}{year}, {half}",
    "de": "{weekday}, {day}. {month}{year}, {clock}",
    "fr": "{weekday} {day} {month}{year}, {clock}",
    "es": "{weekday}, {day} de {month}{year}, a las {time}",
    "pt": "{weekday}, {day} de {month}{year}, às {time}",
    "it": "{weekday} {day} {month}{year}, alle {time}",
    "hi": "{weekday}, {day} {month}{year}, {time} बजे",
}
_HOURS = {"de": "Uhr", "fr": "heures"}
_OF = {"es": " de", "pt": " de"}


def _names(table: dict[str, str]) -> dict[str, int]:
    """The number of each name, from 0; a name may have several spellings."""
    return {
        name.casefold(): at
        for names in table.values()
        for at, one in enumerate(names.split())
        for name in one.split("|")
    }


WEEKDAYS = tuple(_WEEKDAYS["en"].split())
_DAYS, _NAMED = _names(_WEEKDAYS), _names(_MONTHS)


def _any(names: dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, names), key=len, reverse=True))


_DAY = r"(?:(?:the|den|el|le|il)\s+)?(\d{1,2})(?:st|nd|rd|th|er|\.|º|°)?(?![\d:])"
_MONTH = rf"({_any(_NAMED)})\.?(?!\w)"
DATE = re.compile(
    rf"(?<!\d)(?:({_any(_DAYS)}),?\s+)?(?:{_DAY}\s+(?:(?:of|de)\s+)?{_MONTH}|(?<!\w){_MONTH}\s+{_DAY})"
    r"(?:,?\s+(?:de\s+)?(\d{4})(?!\w))?",
    re.IGNORECASE,
)
_LATE = (
    r"in the afternoon|in the evening|at night|tonight|nachmittags|am nachmittag|abends|am abend|nachts"
    r"|de l'après-midi|du soir|de la tarde|de la noche|da tarde|da noite|del pomeriggio|di sera|della sera"
)
_NIGHT = re.compile("at night|nachts|de la noche|da noite|रात", re.IGNORECASE)
"""Words for hours at night, which may be before or after midnight."""
_EVENING = 6
"""First hour that is before midnight if such a word stands with it."""
CLOCK = re.compile(
    r"(?:(दोपहर|शाम|रात)\s+)?(?<![\d:])(\d{1,2})(?::(\d\d)(?:\s*Uhr(?!\w))?"
    r"|\s*(?:Uhr|heures?|horas?|h)(?![^\W\d])(?:\s*(?:(?:e|y|et|und)\s+)?(\d\d)(?![\d:]))?|(?=\s*[ap]\.?m\b))"
    rf"(?:\s*([ap])\.?m\b)?(?:\s+({_LATE}))?",
    re.IGNORECASE,
)


class SpokenMoment(NamedTuple):
    """A date in a sentence, and the times of day that stand with it."""

    weekday: int | None
    """From 0 for Monday."""
    year: str
    month: int
    day: int
    times: frozenset[tuple[int, int]]


def said_in(language: str, when: datetime, *, year: bool) -> str:
    """A date and time as the agent says it in a language (ISO 639-1), with its `year` or without."""
    code = language if language in _SAID else "en"
    time = f"{when.hour}:{when:%M}"
    minutes = f" {when:%M}" if when.minute else ""
    half = f"{when.hour % 12 or 12}{f':{when:%M}' if when.minute else ''} {'pm' if when.hour >= 12 else 'am'}"
    return _SAID[code].format(
        weekday=_WEEKDAYS[code].split()[when.weekday()].partition("|")[0], day=when.day, time=time, half=half,
        month=_MONTHS[code].split()[when.month - 1].partition("|")[0],
        year=f"{_OF.get(code, '')} {when.year}" if year else "", clock=f"{when.hour} {_HOURS.get(code, '')}{minutes}",
    )  # fmt: skip


def weekdays_in(text: str) -> set[int]:
    """The days of the week that a text names in any of the languages, from 0 for Monday."""
    return {_DAYS[one.casefold()] for one in re.findall(rf"(?<!\w)(?:{_any(_DAYS)})(?!\w)", text, re.IGNORECASE)}


def moments(text: str) -> list[SpokenMoment]:
    """The dates of a sentence in any of the languages, month in words. A time of day belongs to the date before it; the
    times before the first date belong to that."""
    text = in_ascii_digits(text)
    found = list(DATE.finditer(text))
    made: list[SpokenMoment] = []
    for at, one in enumerate(found):
        weekday, day, month, named, numbered, year = (part or "" for part in one.groups())
        until = found[at + 1].start() if at + 1 < len(found) else len(text)
        around = f"{'' if at else text[: one.start()]} ; {text[one.end() : until]}"
        times = frozenset(_clock(clock) for clock in CLOCK.finditer(around))
        number = _NAMED.get((month or named).casefold())
        if number is not None:  # the expression takes a dotted I for an i
            made.append(SpokenMoment(_DAYS.get(weekday.casefold()), year, number + 1, int(day or numbered), times))
    return made


def _clock(found: re.Match[str]) -> tuple[int, int]:
    before, hour, minute, after, half, late = found.groups()
    at = int(hour) % 12 + 12 * (half in "pP") if half else int(hour)
    told = "" if half else before or late or ""
    if _NIGHT.fullmatch(told) and at <= 12:
        at = at % 12 + 12 * (at % 12 >= _EVENING)
    elif told and at < 12:
        at += 12
    return at, int(minute or after or 0)
