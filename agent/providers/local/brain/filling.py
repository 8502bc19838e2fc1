"""Finds the arguments of a tool in a caller's words: values that the caller volunteers, and answers to questions.

Sans-IO.
"""

import re
from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any

from agent.providers.local.brain.days import DATED, clock_of, day_of
from agent.providers.local.brain.numbers import runs
from agent.providers.local.brain.parameters import Form, OwnTool, Parameter, words_in
from agent.providers.local.brain.quantities import Quantity, quantities
from agent.providers.local.brain.slots import KEYPAD, LONE_DIGIT_WORDS, answer, as_said, bare_time, time_span
from agent.providers.local.brain.utterance import FUNCTION, Utterance, near

LONGEST_VALUE = 200
"""Maximum characters of one argument."""
LONGEST_NAME = 3
"""Maximum words of an answer that is a name as a whole."""
SHORTEST_ROW = 3
"""Minimum digits of a row that counts as a number although nobody asked for one."""
LARGEST = 1e12
"""The largest number that is accepted; a float has all its digits."""
Arguments = dict[str, Any]

EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_SPOKEN_EMAIL = re.compile(
    r"(?P<box>[a-z0-9]+(?:\s?(?:\.|dot|-|dash|_|underscore)\s?[a-z0-9]+)*)\s+at\s+"
    r"(?P<host>[a-z0-9-]+(?:\s?(?:\.|dot)\s?[a-z0-9-]+)+)"
)
_LEADING = re.compile(
    r"(?:(?:yes|yeah|sure|ok|okay|well|um|uh|oh|er|please|so|and)\b[\s,]*)*"
    r"(?:(?:do you have|do you sell|have you got|i'm looking for|i am looking for|search for|it's|it is|that's|that is"
    r"|that would be|it would be|this is|i'm|i am|i'd like|i would like|i want|i need|make it)\s+)?"
    r"(?:(?:the|my) (?:\w+ ){0,2}(?:is|name is)\s+)?"
    r"(?:(?:called|under|for|from|in|into|on|at|to|about|near)\s+)?",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"(?:[\s,]+(?:please|thanks|thank you|then))*[\s.,!?;]*$", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w-])[A-Z0-9]+(?:[ -][A-Z0-9]+){0,5}(?![\w'-])")
"""A row of digits and capital letters."""
SAYING = re.compile(
    r"\b(?:(?:tell|inform) [\w.' ]{2,40}? that|(?:tell|let) (?:him|her|them)(?: know)?|let [\w.' ]{2,40}? know|say"
    r"|saying|message is|because|says)\s*[,:]?\s+(?:that\s+)?(?P<saying>[^.!?]{3,200})",
    re.IGNORECASE,
)
_FROM = frozenset({"from", "origin", "source", "start", "departure", "base", "pickup"})
_TIMES = (Form.WHEN, Form.DATE, Form.CLOCK, Form.MOMENT)
_TO = frozenset({"to", "target", "destination", "into", "arrival", "goes"})


def volunteered(
    tool: OwnTool, text: str, given: Arguments, today: date, *, asked: Parameter | None = None
) -> Arguments:
    """`given`, with the values that `text` has for parameters. If the caller was `asked` for one parameter, words
    without a mark of their own fill no other parameter.
    """
    said, found = Utterance(text), dict(given)
    wanted = [one for one in tool.parameters if one.name not in found and one is not asked]

    def fill(forms: Collection[Form], find: Callable[[Parameter], Any]) -> None:
        for one in wanted:
            if one.form in forms and one.name not in found and (value := find(one)) not in (None, ""):
                found[one.name] = value

    fill((Form.THING, Form.SENTENCE), lambda one: said.quoted())
    fill((Form.EMAIL,), lambda one: _email(said))
    wanted.sort(key=lambda one: not one.words & (_FROM | _TO))
    fill((Form.CHOICE,), lambda one: _chosen(said, one))
    start, end = time_span(said.low)
    said.take(start, end)  # even if no parameter wants it, so that no other parameter takes it
    fill(_TIMES, lambda one: _time(one, said.low[start:end], today))
    if not (asked and asked.form in (Form.NUMBER, Form.DIGITS)):
        fill((Form.CODE,), lambda one: _code(said))
        fill((Form.DIGITS,), lambda one: _row(said, one))
        _numbers(said, [one for one in wanted if one.form is Form.NUMBER], found)
    fill((Form.SENTENCE,), lambda one: _saying(said))
    fill((Form.PLACE,), lambda one: said.place(_prepositions(one)))
    fill((Form.NAME,), lambda one: said.person(told=True))
    fill((Form.YES_NO,), lambda one: _mentioned(said, one))
    if asked is None:
        fill((Form.THING,), lambda one: said.thing(tool.words)[:LONGEST_VALUE] if one.required else None)
    fill((Form.NAME,), lambda one: said.person())
    return found


def _saying(said: Utterance) -> str:
    """Message to pass on, after "tell her that"."""
    found = SAYING.search(said.text)
    return said.take(*found.span("saying")).strip(" ,") if found and said.free(*found.span("saying")) else ""


def _prepositions(one: Parameter) -> str:
    for words in (words_in(one.name.replace("_", " ")), one.words):  # the name decides: "Where to pick you up."
        if words & _TO:
            return "to|into|for|towards"
        if words & _FROM:
            return "from"
    return "in|near|on|at|for|around|to|of"


def _email(said: Utterance) -> str:
    if found := EMAIL.search(said.text):
        return said.take(*found.span()).rstrip(".")
    if found := _SPOKEN_EMAIL.search(said.low):
        spoken = {"dot": ".", "dash": "-", "underscore": "_"}
        parts = [re.split(r"\s+", re.sub(r"([._-])", r" \1 ", found[name])) for name in ("box", "host")]
        box, host = ("".join(spoken.get(word, word) for word in words) for words in parts)
        said.take(*found.span())
        return f"{box}@{host}".replace(" ", "")
    return ""


def _chosen(said: Utterance, one: Parameter) -> str:
    """The first member of the parameter's enumeration in the words; after "to" or "from" if the parameter's name has
    this word. Empty without one."""
    own, places = words_in(one.name.replace("_", " ")), [p for p in _places(said, one) if said.free(*p[1:])]
    behind_to = [p for p in places if re.search(r"\b(?:to|into|in) (?:\w+ )?$", said.low[: p[1]])]
    if own & _TO:
        places = behind_to
    elif own & _FROM:  # "a hundred dollars in euros": the one without a mark
        places = [p for p in places if p not in behind_to]
    if not places:
        return ""
    said.take(*places[0][1:])
    return places[0][0]


def _places(said: Utterance, one: Parameter) -> list[tuple[str, int, int]]:
    """Each member of the parameter's enumeration in the words, with its begin and end. Of overlapping members the
    longest counts."""
    places: list[tuple[str, int, int]] = []
    for choice in sorted(one.choices, key=len, reverse=True):
        words = [re.escape(word) for word in re.findall(r"[a-z0-9]+", choice.lower())]
        stem = r"[\s_-]+".join(words)
        if not words:
            continue
        for match in re.finditer(rf"(?<!\w){stem}(?:s|es|'s)?(?!\w)", said.low):
            if not any(start < match.end() and match.start() < end for _, start, end in places):
                places.append((choice, *match.span()))
        singular = rf"(?<!\w){stem.removesuffix('s')}(?!\w)"
        if stem.endswith("s") and len(stem) > 3:
            places += [(choice, *m.span()) for m in re.finditer(singular, said.low)]
    return sorted(places, key=lambda place: place[1])


def _time(one: Parameter, phrase: str, today: date) -> str:
    """The value of the parameter for `phrase`, the words of a time; empty if they do not fit."""
    if one.form is Form.WHEN:
        return as_said(re.sub(r"^(?:at|on|by) ", "", phrase) if one.words & {"day", "date"} else phrase)
    clock = clock_of(re.sub(rf"{DATED}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}", " ", phrase))
    if one.form is Form.CLOCK:
        return clock.isoformat() if clock else ""
    day = day_of(phrase, today)
    if one.form is Form.DATE or not day:
        return day.isoformat() if day else ""
    return datetime.combine(day, clock).isoformat() if clock else ""


def _code(said: Utterance, *, asked: bool = False) -> str:
    """Take the first row of letters and digits: "KX71 ABC", "B-AB 1234"; a row of digits alone only if it is `asked`
    for."""
    for found in _CODE.finditer(said.text):
        coded = re.search("[0-9]", found.group()) and (asked or re.search("[A-Z]", found.group()))
        if coded and said.free(*found.span()):
            return said.take(*found.span())
    return ""


def _row(said: Utterance, one: Parameter) -> str:
    """Take the longest row of digits, if it is long enough for `one`. Returns its digits; empty without one."""
    rows = [row for row in runs(said.low) if said.free(row.start, row.end)]
    row = max(rows, key=lambda row: len(row.digits), default=None)
    if row is None or len(row.digits) < (one.length or SHORTEST_ROW):
        return ""
    said.take(row.start, row.end)
    return row.digits


def _numbers(said: Utterance, wanted: list[Parameter], found: Arguments) -> None:
    """Give each quantity to the parameter whose words are nearest to it, or to the only parameter."""
    spoken = [one for one in quantities(said.low) if said.free(one.start, one.end)] if wanted else []
    pairs = sorted(
        ((_beside(said, quantity, one), quantity, one) for quantity in spoken for one in wanted),
        key=lambda pair: -pair[0],
    )
    for likeness, quantity, one in pairs:
        if one.name in found or not said.free(quantity.start, quantity.end) or (value := _fits(one, quantity)) is None:
            continue
        if likeness or (one.required and (len(wanted) == 1 or len(spoken) > 1)) or len(wanted) == len(spoken) == 1:
            found[one.name] = value
            said.take(quantity.start, quantity.end)
    for quantity in spoken:
        said.take(quantity.start, quantity.end)


def _beside(said: Utterance, quantity: Quantity, one: Parameter) -> int:
    """How near the words of a parameter stand to a number: 2 for the next word, 1 for another close one, 0 for none."""
    after = re.findall(r"[a-z]+", said.low[quantity.end :])[:4]
    words = one.words - FUNCTION
    if after and near(after[0], words):
        return 2
    before = re.findall(r"[a-z]+", said.low[: quantity.start])[-1:]
    return int(any(near(word, words) for word in (*after[1:3], *before)))


def _fits(one: Parameter, quantity: Quantity) -> int | float | None:
    """The value of a quantity in the type and range of its parameter; None if it is beyond them."""
    value = quantity.value
    if abs(value) > LARGEST or (one.whole and value != int(value)):
        return None
    least, most = (one.schema.get(key) for key in ("minimum", "maximum"))
    if (isinstance(least, int | float) and value < least) or (isinstance(most, int | float) and value > most):
        return None
    return int(value) if one.whole or value == int(value) else value


def _mentioned(said: Utterance, one: Parameter) -> bool | None:
    """The value of a yes-or-no parameter in the words: "with breakfast", "electric bikes", "without eggs"; None if they
    do not mention it."""
    for word in words_in(one.name.replace("_", " ")) - FUNCTION:
        if found := re.search(rf"\b{re.escape(word)}\w{{0,2}}\b", said.low):
            return not re.search(r"\b(?:no|not|without|don't|non)[ -](?:\w+ ){0,2}$", said.low[: found.start()])
    return None


def answered(tool: OwnTool, one: Parameter, text: str, given: Arguments, today: date) -> Arguments:
    """`given`, with the answer to the question for `one`, and with other values in `text`. `one` is missing if `text`
    does not answer."""
    value = _answer(one, text, today)
    found = dict(given)
    if value is None or value == "":
        return volunteered(tool, text, found, today, asked=one)
    found[one.name] = value
    return volunteered(tool, text, found, today, asked=one) if len(text.split()) > 3 else found


def _answer(one: Parameter, text: str, today: date) -> Any:
    said = Utterance(text)
    match one.form:
        case Form.CHOICE:
            places = _places(said, one)
            return places[0][0] if places else None
        case Form.YES_NO:
            return answer(said.low)
        case Form.NUMBER:
            fitting = (_fits(one, quantity) for quantity in quantities(said.low))
            return next((value for value in fitting if value is not None), None)
        case Form.DIGITS:
            return digits_of(said.text)
        case Form.CODE:
            return _code(said, asked=True) or spelt(said.low)
        case Form.EMAIL:
            return _email(said)
        case Form.DATE | Form.CLOCK | Form.MOMENT:
            return _time(one, said.low, today)
        case Form.WHEN:
            start, end = time_span(said.low)
            when = _time(one, said.low[start:end], today) if end > start else bare_time(said.low)
            return when or bare(text)
        case _:
            return _words(one, said, text)


def _words(one: Parameter, said: Utterance, text: str) -> str:
    """The words that answer a question for a person, a place, a sentence or a thing."""
    plain = bare(text)
    if one.form is Form.NAME:
        name = said.person(told=True)
        return name or (plain if len(plain.split()) <= LONGEST_NAME else said.person() or plain)
    if one.form is Form.PLACE and len(text.split()) > LONGEST_NAME:
        return said.place("in|near|on|at|for|to|from|of|into") or plain
    if one.form is Form.SENTENCE:
        saying = SAYING.search(said.text)
        return saying["saying"].strip(" ,") if saying else bare(text, sentence=True)
    return said.quoted() or plain


def digits_of(text: str) -> str:
    """The longest row of digits in `text`, said or pressed; for a code with letters the whole code. Empty without
    one."""
    pressed = "".join(found.group(1) for found in KEYPAD.finditer(text))
    if pressed:
        return re.sub("[^0-9]", "", pressed)
    long = len(text.split()) > LONE_DIGIT_WORDS  # "the blue one over there" is no digit
    rows = [row for row in runs(text.lower()) if len(row.digits) > 1 or not long]
    row = max(rows, key=lambda row: len(row.digits), default=None)
    coded = re.search(r"\b(?=[A-Z]*[0-9])(?=[0-9]*[A-Z])[A-Z0-9-]{3,20}\b", text)
    return coded.group() if coded else row.digits if row else ""


def spelt(text: str) -> str:
    """A code that is spelled letter by letter and digit by digit; empty if it has no digit."""
    digits, code, at = runs(text), "", 0
    for row in digits:
        code, at = code + "".join(re.findall(r"\b[a-z]\b", text[at : row.start])) + row.digits, row.end
    return (code + "".join(re.findall(r"\b[a-z]\b", text[at:]))).upper()[:LONGEST_VALUE] if digits else ""


def bare(text: str, *, sentence: bool = False) -> str:
    """An answer without the words that people put before and after it: "It's called Dune, please." is ``Dune``."""
    plain = " ".join(text.split())
    plain = _TRAILING.sub("", plain)
    if not sentence:
        shorter = _LEADING.sub("", plain, count=1)
        plain = shorter or plain
        plain = re.sub(r"^(?:called|in|on|under)\s+", "", plain)
        plain = re.sub(r"^(?:a|an|some|the(?= [a-z]))\s+", "", plain) or plain
    return plain.strip(" \"'")[:LONGEST_VALUE]
