"""Finds values for a tool in the words of a caller, and marks the words that are taken. Sans-IO."""

import re
from collections.abc import Iterator

from agent.providers.local.brain.days import MONTHS, WEEKDAYS
from agent.providers.local.brain.numbers import MAX_TEXT
from agent.providers.local.brain.parameters import words_in

FUNCTION = frozenset(  # a text, which a list of 180 literals would make a page of
    """
    a an the my our your his her their some any of for to in on at with and or but is are was were be been am do
    does did have has had got get can could would will may might shall should like want wanted need know tell say
    said see give show find look looking please it its that this these those there here i me you we us they he she
    him them if whether about how what when where which who whom whose why much many more out up down into from by
    as so just also maybe then than hi hello hey yes no not ok okay well let now today one ones thing things
    something anything certain thanks thank i'm i'd i've i'll it's that's there's what's where's who's let's we're
    we'd don't can't under until new copy copies put check order call called calling another other going go start
    starts begin begins play playing showing happen happens come comes coming due make making left available sell sells
    selling sold
    """.split()  # noqa: SIM905
)
"""Words that are no part of a thing's name if they stand at its beginning or end."""
_TITLES = r"(?:(?:doctor|dr\.?|mrs\.?|mr\.?|ms\.?|miss|professor)\s+)?"
_PERSON = rf"(?i:{_TITLES})[A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*){{0,2}}"
_LOWER_PERSON = (
    rf"{_TITLES}(?!(?:a|an|the|my|your)\b)[a-z][a-z'-]+"
    r"(?:\s+(?!(?:and|at|for|on|please|with|to|tomorrow)\b)[a-z][a-z'-]+)?"
)
_NAMED = (
    r"(?i:\b(?:(?:my|the|their|his|her|our) (?:first |last |full )?name(?:'s| is)|under(?: the name)?(?: of)?"
    r"|in the name of|name is))\s+"
)
_WEAK = r"(?i:\b(?:tell|for|of|from|i'm|i am|this is|it's|to|ask|with|call me|inform))\s+"
_PLACE_ENDS = (
    r"(?=\s+(?:to|from|on|in|at|for|please|today|tomorrow|tonight|this|next|by|and|now|right|like|with)\b"
    r"|\s*[.,!?;]|\s*$)"
)
_NO_NAMES = frozenset(
    {
        *WEEKDAYS,
        *MONTHS,
        "wrong",
        "right",
        "correct",
        "incorrect",
        "different",
        "not",
        "i",
        "i'm",
        "it's",
        "please",
        "yes",
        "no",
        "monday's",
    }
)


class Utterance:
    """The words of one turn, with a mark on those that a parameter has taken."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text[:MAX_TEXT].replace("’", "'").replace("“", '"').replace("”", '"').split())
        self.low = "".join(char.lower() if len(char.lower()) == 1 else char for char in self.text)
        self._free = [True] * len(self.text)
        self.cased = bool(re.search(r"(?<!^)(?<![.!?] )\b[A-Z][a-z]", self.text))
        """Whether the recogniser writes names with capitals."""

    def take(self, start: int, end: int) -> str:
        """Take the words from `start` to `end`. Returns them as they are written."""
        self._free[start:end] = [False] * (end - start)
        return self.text[start:end]

    def free(self, start: int, end: int) -> bool:
        """Whether no word from `start` to `end` is taken."""
        return all(self._free[start:end])

    def quoted(self) -> str:
        """Take the first words in quotation marks. Returns them; empty without any."""
        found = re.search(r'"([^"]{1,200})"', self.text)
        return self.take(*found.span(1)).strip(" .,!?") if found and self.free(*found.span(1)) else ""

    def person(self, *, told: bool = False) -> str:
        """Take a person's name after words such as "my name is", and, unless `told`, after other words that come before
        a name. Returns it; empty without a name.
        """
        patterns = [_NAMED + rf"(?P<name>{_PERSON})", _NAMED + rf"(?P<name>(?i:{_LOWER_PERSON}))"]
        if self.cased and not told:
            patterns.append(rf"{_WEAK}(?P<name>{_PERSON})")
            patterns.append(rf"\b(?P<name>{_PERSON})(?='s\b)")
            patterns.append(rf"(?<=\s)(?P<name>{_PERSON})")
        return self._first(patterns)

    def _first(self, patterns: list[str]) -> str:
        """Take the group ``name`` of the first pattern whose match is free, and is no weekday or similar word. Returns
        it; empty without one."""
        for pattern in patterns:
            for found in re.finditer(pattern, self.text):
                start, name = found.start("name"), found["name"].removesuffix("'s")
                empty = name.islower() and words_in(name) <= FUNCTION
                if not empty and name.lower().split()[0] not in _NO_NAMES and self.free(start, start + len(name)):
                    return self.take(start, start + len(name))
        return ""

    def place(self, prepositions: str) -> str:
        """Take the words after one of the `prepositions` (alternatives of a regular expression). Returns them; empty
        without any."""
        before = rf"(?i:\b(?:{prepositions})\s+(?:the\s+)?)"
        named = r"(?:[0-9]{1,5}[a-z]?\s+)?[A-Z][\w'-]*(?:\s+(?:of\s+)?[A-Z][\w'-]*){0,4}(?:\s+[0-9]{1,5}[a-z]?\b)?"
        patterns = [rf"{before}(?P<name>{named})"]
        if not self.cased and not _WISHING.search(self.low):  # "I want to ship a parcel"
            patterns.append(rf"{before}(?P<name>(?i:[a-z][\w'-]*(?:\s+[a-z][\w'-]*){{0,3}}?){_PLACE_ENDS})")
        return self._first(patterns)

    def proper(self) -> tuple[int, int] | None:
        """Begin and end of the longest title or name with capitals that is not taken; None without one."""
        pattern = r"[A-Z][\w'-]*(?:\s+(?:(?:of|the|and|in|to|a|for|de|la|on)\s+){0,2}[A-Z0-9][\w'-]*){0,8}"
        spans = [found.span() for found in re.finditer(rf"(?<![\w'-])(?:{pattern})", self.text)]
        kept = []
        for begin, end in spans:
            start = begin
            first = start == 0 or self.text[:start].rstrip().endswith((".", "?", "!"))
            words = self.text[start:end].split()
            if first and (len(words) == 1 or words[0].lower() in FUNCTION | _OPENERS):
                if words[0].lower() not in FUNCTION | _OPENERS:
                    continue  # the first word of a sentence has a capital anyway
                start += len(words[0]) + 1
            if start < end and self.text[start:end].lower().split()[0] not in _NO_NAMES and self.free(start, end):
                kept.append((start, end))
        return max(kept, key=lambda span: span[1] - span[0], default=None)

    def thing(self, about: frozenset[str]) -> str:
        """The thing that the caller names: remaining words, without the frame of a question and without words `about`
        the tool. Empty without one."""
        called = re.search(
            r"(?i:\b(?:called|titled|entitled|named))\s+(?:it's\s+)?(?P<thing>[^.?!;]{1,120})", self.text
        )
        if called and self.free(*called.span("thing")):
            return _ASIDE.sub("", self.take(*called.span("thing"))).strip(" ,'\"")
        if proper := self.proper():
            start, end = proper
            before = re.search(r"\b([Tt]he|[Aa]n?) $", self.text[:start])
            if before and before.group(1)[0].isupper() and before.start() > 0:
                start = before.start()
            return re.sub(r"'s$", "", self.take(start, end))
        best = max(self._chunks(about), key=self._likely, default=None)
        return self.take(*best).strip(" ,'\"") if best else ""

    def _likely(self, span: tuple[int, int]) -> float:
        """How probably the words at `span` are the thing: after "of", "my" or an article more probably than after a
        verb."""
        before = self.low[: span[0]].rstrip().rpartition(" ")[2]
        return (before in ("of", "my", "the", "a", "an", "some", "for", "any")) + span[0] / (len(self.text) + 1)

    def _chunks(self, about: frozenset[str]) -> Iterator[tuple[int, int]]:
        """Begin and end of each row of words without function words and without words `about` the tool."""
        start = end = -1
        for word in re.finditer(r"[\w'-]+|[.,;!?]", self.low):
            plain = word.group()
            bare = plain in FUNCTION or near(plain, about) or not re.match(r"[\w']", plain)
            if bare or not self.free(*word.span()):
                if start >= 0:
                    yield start, end
                start = -1
            else:
                start, end = (word.start() if start < 0 else start), word.end()
        if start >= 0:
            yield start, end


_ASIDE = re.compile(r",\s+(?:is|are|was|do|does|did|have|has|can|could|would|will|please|thanks|thank)\b.*")
"""A question after a title: "called Dune, is it there"."""
_WISHING = re.compile(r"\b(?:want|wanted|need|like|love|going|have|how|trying|able|used|ready|help)(?: \w+)? to\b")
_OPENERS = frozenset(
    {"please", "add", "set", "put", "book", "reserve", "cancel", "convert", "translate", "send", "change"}
)


def near(word: str, words: frozenset[str]) -> bool:
    """Whether `word` is one of `words` in some form: "reservation" is near "reserve", "apples" is not near "app"."""
    word = word.removesuffix("'s")
    if word in words:
        return True
    for other in words:
        shorter = min(len(word), len(other))
        if shorter >= 4 and word[: max(4, shorter - 2)] == other[: max(4, shorter - 2)]:
            return True
    return False
