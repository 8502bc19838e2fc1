"""The pages are for readers who are no native speakers: no sentence is long, in tables neither."""

import re
import runpy
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
FOLDERS = chain.from_iterable((ROOT / top).rglob("README.md") for top in ("agent", "docker", "media", "sipgw", "tests"))
PAGES += sorted(page for page in FOLDERS if "node_modules" not in page.parts)
PAGES += sorted((ROOT / "docs").rglob("*.md"))
LIMIT = 30
"""Words of a sentence. Code in a sentence is one word."""
LONGEST = 9
"""Sentences of a paragraph, or of an item of a list."""
LEFT_OUT = re.compile(r"<!--.*?-->|^ *(```+)[^\n]*\n.*?^ *\1 *$|<form.*?</form>|<[^>]+>", re.MULTILINE | re.DOTALL)
BEGINS = re.compile(r"#|\||!!!|(?:[-*]|\d+\.) ")
"""A line that continues no sentence: a heading, a row of a table, an item of a list."""
ITEM = re.compile(r"^(?:[-*]|\d+\.) ")
END = re.compile(r"(?<=[.!?])[\"”)*]*\s+(?=[A-Z\"*(\[]|CODE|sipgw)|(?<=[.!?])[\"”)*]*\s+(?=\d)")


def cells(text: str) -> Iterator[str]:
    """The cells of the tables; a semicolon ends a sentence there, so each part is one."""
    for row in re.findall(r"^ *\|(.*)\|$", LEFT_OUT.sub("\n", text), re.MULTILINE):
        yield from re.split(r" \| |;", row)


def paragraphs(text: str) -> Iterator[str]:
    """The text outside of code, tables and headings; each item of a list is a paragraph."""
    lines: list[str] = []
    for line in [*LEFT_OUT.sub("\n", text).splitlines(), ""]:
        words = line.strip()
        if lines and (not words or BEGINS.match(words)):
            yield " ".join(lines)
            lines = []
        if words and (not BEGINS.match(words) or ITEM.match(words)):
            lines.append(ITEM.sub("", words))


def split(paragraph: str) -> list[str]:
    """The sentences of a paragraph, with links as their text and code as a word."""
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)
    return END.split(re.sub(r"`[^`]+`", "CODE", plain))


def sentences(text: str) -> Iterator[str]:
    """The sentences of the paragraphs and tables."""
    return chain.from_iterable(map(split, chain(paragraphs(text), cells(text))))


def words(sentence: str) -> int:
    """The number of words; "0.1 s", "SIP/RTP" and "caller's" have one word between spaces."""
    return sum(1 for word in sentence.split() if re.search(r"\w", word))


def test_sentences_are_counted_as_a_reader_does() -> None:
    text = """# A heading is none
It has `some code of it` and [a link](of-many-words.md), e.g. this. So
this is the second: it goes on.

- An item is one: "The next" begins here. It ends.

```
neither. Is. This.
```
| a cell; is not | this |
"""
    assert [words(one) for one in sentences(text)] == [8, 8, 8, 2, 2, 2, 1]


def test_no_sentence_of_the_options_is_long() -> None:
    """The page of the options is drawn from their docstrings."""
    drawn = runpy.run_path(str(ROOT / "docs" / "_site" / "reference.py"))["configuration"]()
    assert [one for one in sentences(drawn) if words(one) > LIMIT] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_long(page: Path) -> None:
    assert [one for one in sentences(page.read_text()) if words(one) > LIMIT] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_paragraph_has_one_idea(page: Path) -> None:
    """A long one has several."""
    assert [one for one in paragraphs(page.read_text()) if len(split(one)) > LONGEST] == []
