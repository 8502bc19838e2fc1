"""Finds slots in a caller's words: a time, a topic, a yes or a no, pressed digits and numbers. Sans-IO."""

import re
from typing import NamedTuple

from agent.providers.local.brain.days import DATED, MONTHS
from agent.providers.local.brain.numbers import MAX_TEXT, runs

LONE_DIGIT_WORDS = 4
"""Maximum words of an utterance in which a single digit counts as a number."""
KEYPAD = re.compile(r"\[pressed ([0-9*#A-D ]{1,64})\]", re.IGNORECASE)

_HOUR = r"(?:[0-9]{1,2}(?::[0-9]{2})?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_MINUTES = r"(?: (?:oh five|ten|fifteen|twenty|thirty|forty[ -]five|forty|fifty))?"
_HALF = r"(?:[ap]\.? ?m\b\.?|o'?clock|in the (?:morning|afternoon|evening))"
_DAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_ATOMS = re.compile(
    r"\b(?:"
    r"the day after tomorrow|tomorrow|today|tonight|right now|right away|now|as soon as possible|asap"
    r"|any ?time|whenever[a-z' ]{0,20}|later(?: today| on)?|(?:the )?weekend|lunch ?time|noon|midday"
    rf"|(?:next |this )?{_DAY}s?(?: week)?|next week|this week"
    r"|(?:(?:in the |this |early |late |mid )*(?<!good )(?:morning|afternoon|evening)s?)"
    r"|in (?:an?|half an|[0-9]+|one|two|three|five|ten|fifteen|twenty|thirty) (?:hours?|minutes?|days?)"
    rf"|(?:half past|quarter past|quarter to) {_HOUR}(?: {_HALF})?"
    rf"|(?:between|from) {_HOUR}{_MINUTES} (?:and|to|till|until) {_HOUR}{_MINUTES}(?: {_HALF})?"
    rf"|{_HOUR}{_MINUTES} ?{_HALF}"
    rf"|(?:at|after|before|around|about|by|until) {_HOUR}{_MINUTES} ?{_HALF}"
    rf"|(?:at|after|before|around|about|by|until) {_HOUR}{_MINUTES}(?! ?[0-9])(?! (?:zero|oh|one|two|three|four"
    r"|five|six|seven|eight|nine|double|triple)\b)"
    rf"|after (?:work|lunch|school)|[0-9]{{1,2}}:[0-9]{{2}}|{DATED}"
    r")(?![a-z0-9])",
)
_LINK = re.compile(
    r"[\s,]*(?:(?:at|on|in|the|or|and|around|about|after|before|between|maybe|please|sometime|by)[\s,]*)*"
)
_BARE_TIME = re.compile(rf"(?:around |about |at |maybe |uh |um )?({_HOUR}{_MINUTES})(?: works| please| is fine)?[.!]?")
_ANNOTATION = re.compile(r"[\[(*][^\])*0-9]{1,60}[\])*]")
"""Marks that recognisers write for sounds that are not words: "[inaudible]", "(coughs)", "*music*"."""
_TOPIC = re.compile(r"\b(?:about|regarding|concerning) (?P<topic>(?:my|the|an?|our|your|some) [a-z' ]{2,60})")

_NO = re.compile(
    r"(?:no|nope|nah|not (?:really|quite|right|correct|now|yet)|wrong|incorrect|negative|don't|do not"
    r"|(?:that's|that is|it's|it is|this is) (?:not|wrong|incorrect)|that isn't|it isn't)\b"
)
_YES = re.compile(
    r"(?:yes|yeah|yep|yup|ya|sure|correct|right|exactly|okay|ok|please do|yes please|go ahead|absolutely|of course"
    r"|indeed|perfect|affirmative|definitely|fine|m+[ -]?hm+|uh[ -]huh|(?:that|it|this) works"
    r"|(?:that|it|this|sounds?)(?:'s| is| was| sounds)?"
    r" (?:right|correct|good|fine|great|perfect|okay|ok)|you got it|i would|i do|do that|please)\b"
)
_DOUBT = re.compile(r"\b(?:no|not|nope|wrong|incorrect|isn't|don't|wait)\b")
_LEADING = re.compile(r"(?:(?:oh|uh|um|well|so|er|hmm|ah|and)\b[\s,.]*)*")


class Slots(NamedTuple):
    """The details of one utterance, besides its intent."""

    digits: str
    """The longest row of digits outside a time; ``""`` if there is none."""
    when: str
    """The time as said, e.g. ``tomorrow morning at ten``, ``""`` if there is none."""
    topic: str
    """Words after "about", ``""`` if nothing does."""
    answer: bool | None
    """True for yes, False for no, None for neither."""
    keypad: bool
    """True when the digits were pressed, not said."""
    words: str
    """The text in lower case, without the digits."""
    text: str
    """The whole text in lower case."""


def slots(text: str) -> Slots:
    """Find the slots of one utterance. Text beyond `MAX_TEXT` characters is ignored."""
    plain = " ".join(text[:MAX_TEXT].lower().replace("’", "'").split())
    pressed = KEYPAD.search(plain)
    plain = plain if pressed else " ".join(_ANNOTATION.sub(" ", plain).split())
    if pressed:
        digits = re.sub("[^0-9]", "", "".join(match.group(1) for match in KEYPAD.finditer(plain)))
        return Slots(digits, "", "", None, True, KEYPAD.sub(" ", plain).strip(), plain)
    start, end = time_span(plain)
    outside = plain[:start] + " " * (end - start) + plain[end:]
    numbers = [run for run in runs(outside) if len(run.digits) > 1 or _stands_alone(plain)]
    longest = max(numbers, key=lambda run: len(run.digits), default=None)
    words = plain
    for run in reversed(numbers):
        words = words[: run.start] + " " + words[run.end :]
    topic = _TOPIC.search(outside)
    return Slots(
        longest.digits if longest else "",
        as_said(plain[start:end]),
        " ".join(topic.group("topic").split()) if topic else "",
        answer(plain),
        False,
        " ".join(words.split()),
        plain,
    )


def _stands_alone(plain: str) -> bool:
    """Whether a single digit in `plain` is a number ("it's six"), and not the "one" of "can some one call me"."""
    return len(re.findall(r"[a-z0-9']+", plain)) <= LONE_DIGIT_WORDS


def as_said(when: str) -> str:
    """`when`, a time in lower case, with capitals for weekdays and months."""
    return re.sub(rf"{_DAY}|{'|'.join(MONTHS)}", lambda name: name.group().capitalize(), when.strip(" ,."))


def time_span(plain: str) -> tuple[int, int]:
    """Begin and end of the time in `plain`: the first expression, and further ones that are linked to it."""
    start = end = 0
    for match in _ATOMS.finditer(plain):
        if end == 0:
            start, end = match.span()
        elif _LINK.fullmatch(plain, end, match.start()):
            end = match.end()
    return start, end


def answer(text: str) -> bool | None:
    """True if the utterance begins with a yes, False if it begins with a no ("that's not right" is a no), otherwise
    None. A yes that is taken back ("okay wait, that's wrong") gives None, because it is no consent.
    """
    plain = text.lower()
    at = _LEADING.match(plain)
    begin = at.end() if at else 0
    if _NO.match(plain, begin):
        return False
    return True if _YES.match(plain, begin) and not _DOUBT.search(plain, begin) else None


def bare_time(text: str) -> str:
    """The time in a short answer to "when?", where a lone number is an hour: "ten thirty" is ``at ten thirty``."""
    match = _BARE_TIME.fullmatch(" ".join(text[:MAX_TEXT].lower().split()))
    return f"at {match.group(1)}" if match else ""
