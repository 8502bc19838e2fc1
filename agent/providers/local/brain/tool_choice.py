"""Finds the owner's tool that a caller wants, by the likeness of sentences to its name and docstring, and by shared
words.

A name with capitals is also replaced by the tool's own noun: "Do you have Moby Dick?" is like "do you have a book".
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent.providers.local.brain.filling import EMAIL, SAYING
from agent.providers.local.brain.intents import MAX_CHARACTERS, MAX_SENTENCES, plain
from agent.providers.local.brain.parameters import Form, OwnTool, Parameter, words_in
from agent.providers.local.brain.quantities import quantities
from agent.providers.local.brain.utterance import FUNCTION, Utterance, near

if TYPE_CHECKING:
    from agent.providers.local.brain.intents import Encode, Vectors

SURE = 0.42
"""Likeness from which on a tool is called at once if all its required values were said."""
PLAIN = 0.6
"""Likeness from which on a tool is meant, even if the words are like something else, too."""
POSSIBLE = 0.27
"""Likeness from which on the caller is asked whether the tool is meant."""
SHARED, MEMBER, MOST_SHARED, MOST_MEMBERS = 0.08, 0.16, 0.2, 0.24
"""Score of a shared word, score of a named member of an enumeration, and the maximum of each of the two scores."""
MEANT, APART = 0.5, 0.15
"""Likeness from which on a member of an enumeration is meant, and the minimum distance to the likeness of the next
one."""
REPLACED = 0.05
"""Penalty for a name that is replaced by a noun."""
TELLS = 0.2
"""Score of "tell her that ..." for a tool that takes a person and a message."""
UNDOES = 0.2
"""Penalty for a tool with a verb that undoes something (cancel), unless the caller uses such a verb."""
GIVES, ASKS = 0.06, 0.2
"""Score of a spoken number for a tool that requires one, and penalty if the caller asks for the number."""
_ASKS_NUMBER = re.compile(r"\bhow (?:much|many|long|far|old|high)\b")
_UNDOING = re.compile(r"(?:cancel|delete|remove|stop|change|update|unsubscribe|return|close|end)\b")
_UNDONE = re.compile(rf"\b(?:{_UNDOING.pattern}|off|new|different|rid|drop|no|can't|cannot|instead|move|switch|undo)\b")
MOST_VECTORS = 4096
"""Sentences of callers in one set of vectors. Then a new set begins, and the last one is kept until the next change."""
_FREE = (Form.THING, Form.NAME, Form.PLACE)
_SPLIT = re.compile(r"[.!?;]+\s*")


class Match(NamedTuple):
    """The tool that is most like the caller's words."""

    tool: OwnTool
    score: float
    """Likeness, about 0..1."""
    second: float
    """The likeness of the second most similar tool."""


class Likeness:
    """Compares sentences with tools. Keeps the vectors of callers' sentences, and of the tools that it has seen."""

    def __init__(self, encode: "Encode") -> None:
        self._encode = encode
        self._vectors: dict[str, Vectors] = {}
        self._older: dict[str, Vectors] = {}
        self._tools: dict[tuple[str, ...], list[Vectors]] = {}

    def _embed(self, texts: Sequence[str]) -> "list[Vectors]":
        """The vectors of `texts`. New ones are made together, which is many times faster than one by one."""
        kept, older = self._vectors, self._older
        known = {text: kept[text] if text in kept else older[text] for text in texts if text in kept or text in older}
        if new := [text for text in dict.fromkeys(texts) if text not in known]:
            known |= zip(new, self._encode(new), strict=True)
        if len(kept) > MOST_VECTORS:
            self._vectors, self._older = {}, kept
        self._vectors |= known
        return [known[text] for text in texts]

    def knows(self, tools: Sequence[OwnTool]) -> bool:
        """Whether `learn` was called with all these tools, so that `best` is fast."""
        return all(_sentences(one) in self._tools for one in tools)

    def learn(self, tools: Sequence[OwnTool]) -> None:
        """Embed the sentences of `tools`: about a millisecond each."""
        new = [sentences for one in tools if (sentences := _sentences(one)) not in self._tools]
        if texts := list(dict.fromkeys(text for sentences in new for text in sentences)):
            vectors = dict(zip(texts, self._encode(texts), strict=True))
            self._tools |= {sentences: [vectors[text] for text in sentences] for sentences in new}

    def best(self, text: str, tools: Sequence[OwnTool]) -> Match | None:
        """The tool that `text` is most like; None without tools or words."""
        said = Utterance(EMAIL.sub("email", text[:MAX_CHARACTERS]))
        whole = plain(said.text)
        if not whole or not tools:
            return None
        self.learn(tools)
        parts = [one for one in map(plain, _SPLIT.split(said.text)) if one][:MAX_SENTENCES]
        sentences = list(dict.fromkeys([whole, *parts]))
        self._embed([*sentences, *(text for one in tools for text in _masked(one, said))])
        ranked = sorted(((self._score(one, said, sentences), at) for at, one in enumerate(tools)), reverse=True)
        second = ranked[1][0] if len(ranked) > 1 else 0.0
        return Match(tools[ranked[0][1]], ranked[0][0], second)

    def member(self, text: str, members: Sequence[str]) -> str:
        """The member of an enumeration that an answer means without naming it; empty if there is none."""
        texts = list(map(plain, (text, *members)))
        if len(members) < 2 or not all(texts):
            return ""
        vectors = self._embed(texts)
        likeness = sorted(((float(vectors[0] @ vector), at) for at, vector in enumerate(vectors[1:])), reverse=True)
        (best, at), (second, _) = likeness[:2]
        return members[at] if best >= MEANT and best - second >= APART else ""

    def _score(self, tool: OwnTool, said: Utterance, sentences: list[str]) -> float:
        texts = [*sentences, *_masked(tool, said)]
        near_by = max(
            float(sentence @ vector) - (REPLACED if text not in sentences else 0.0)
            for sentence in self._tools[_sentences(tool)]
            for text, vector in zip(texts, self._embed(texts), strict=True)
        )
        span = said.proper() or (0, 0)
        words = set(re.findall(r"[a-z']+", said.low[: span[0]] + said.low[span[1] :])) - FUNCTION
        about = words_in(f"{tool.name.replace('_', ' ')} {tool.summary}") - FUNCTION
        shared = sum(near(word, about) for word in words)
        members = sum(_names_member(one, said.low) for one in tool.parameters)
        if SAYING.search(said.text) and {Form.NAME, Form.SENTENCE} <= {one.form for one in tool.parameters}:
            near_by += TELLS
        if _UNDOING.match(tool.name.replace("_", " ")) and not _UNDONE.search(said.low):
            near_by -= UNDOES
        if any(one.form is Form.NUMBER and one.required for one in tool.parameters):
            near_by += GIVES if quantities(said.low) else -ASKS if _ASKS_NUMBER.search(said.low) else 0.0
        return near_by + min(SHARED * shared, MOST_SHARED) + min(MEMBER * members, MOST_MEMBERS)


def _sentences(tool: OwnTool) -> tuple[str, ...]:
    name, summary = tool.name.replace("_", " "), tool.summary
    with_parameters = f"{summary} {' '.join(one.name.replace('_', ' ') for one in tool.parameters)}"
    framed = (f"can you {summary}", f"I want to {summary}") if len(summary.split()) > 2 else ()
    return tuple(map(plain, (name, summary, with_parameters, *framed)))


def _masked(tool: OwnTool, said: Utterance) -> list[str]:
    """The words of `said`, with the nouns of the tool in place of a name, one text for each noun."""
    free = [one for one in tool.parameters if one.form in _FREE and one.required]
    span = said.proper()
    if not free or span is None:
        return []
    before, after = said.text[: span[0]], said.text[span[1] :]
    if free[0].form is Form.PLACE and not re.search(
        r"\b(?:in|near|to|from|at|on|for|around)\s+(?:the\s+)?$", before.lower()
    ):
        return []
    before = re.sub(r"\b(?:the|an?)\s+$", "", before, flags=re.IGNORECASE)
    nouns = [free[0].name.replace("_", " "), *tool.name.split("_")[1:][-1:]]
    return [plain(f"{before} a {noun} {after}") for noun in dict.fromkeys(nouns)]


def _names_member(one: Parameter, low: str) -> bool:
    return any(re.search(rf"\b{re.escape(choice.lower())}s?\b", low) for choice in one.choices)
