"""Documents as sections: Markdown, text, web pages saved as HTML, PDF. Sans-IO.

A file may be hostile: a too large or too deeply nested file raises `DocumentError`. This code runs in the child process
of `sipgw.agents.knowledge.reader`, which limits time and memory.
"""

import io
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import islice
from typing import NamedTuple

LONGEST = 5_000_000
"""Characters of one file that are taken."""
PAGES = 1000
"""Pages of one PDF."""
DEEPEST = 200
"""Elements of HTML within each other."""
MOST = 5000
"""Passages of one file."""
SIZE = 400
"""Characters of a passage: enough for two spoken sentences, and little enough for one meaning of an encoder."""
TITLE = 200
"""Characters of a heading that are kept."""

_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.!?。])\s+")
_BLANK = re.compile(r"\n[ \t]*\n")
_FRONT = re.compile(r"\A(---|\+\+\+)\n.{0,20000}?\n\1\n", re.DOTALL)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)


class DocumentError(Exception):
    """A file cannot be read; the message says why, without its name."""


class Section(NamedTuple):
    """Text under one heading."""

    heading: str
    """The headings above it, the outermost first: ``Returns › Refunds``."""
    paragraphs: list[str]


class Chunk(NamedTuple):
    """A passage of a document."""

    heading: str
    text: str


class _Outline:
    """Builds sections from headings and paragraphs."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._above: list[tuple[int, str]] = []
        self._left = LONGEST

    def heading(self, level: int, text: str) -> None:
        """Begin a section with a heading; `level` 1 is the outermost."""
        title = _plain(text)[:TITLE]
        self._above = [one for one in self._above if one[0] < level]
        if title:
            self._above.append((level, title))
        self.sections.append(Section(" › ".join(one for _, one in self._above)[-2 * TITLE :], []))

    def paragraph(self, text: str) -> None:
        """Add a paragraph under the last heading."""
        text = _plain(text)
        self._left -= len(text)
        if self._left < 0:
            raise DocumentError(f"it has more than {LONGEST} characters of text")
        if text:
            if not self.sections:
                self.sections.append(Section("", []))
            self.sections[-1].paragraphs.append(text)


def _plain(text: str) -> str:
    """The text in one line, without characters that a database refuses."""
    return _SPACE.sub(" ", text.replace("\0", " ")).strip().encode("utf-8", "replace").decode()


def chunks_of(name: str, content: bytes) -> list[Chunk]:
    """The passages of a file; the end of its `name` selects the reader. Raises `DocumentError`, and errors of the
    parsers."""
    read = READERS[name.rpartition(".")[2].lower()]
    found = (Chunk(one.heading, text) for one in read(content) for text in _packed(one.paragraphs))
    chunks = list(islice(found, MOST + 1))
    if len(chunks) > MOST:
        raise DocumentError(f"it has more than {MOST} passages; divide it")
    return chunks


def _packed(paragraphs: list[str]) -> Iterator[str]:
    """Passages of joined paragraphs. A too long paragraph is split, between sentences if possible."""
    text = ""
    for part in (part for one in paragraphs for part in _split(one)):
        if text and len(text) + len(part) + 1 > SIZE:
            yield text
            text = ""
        text = f"{text} {part}" if text else part
    if text:
        yield text


def _split(paragraph: str) -> Iterator[str]:
    if len(paragraph) <= SIZE:
        yield paragraph
        return
    for sentence in _SENTENCE.split(paragraph):
        yield from (sentence[at : at + SIZE] for at in range(0, len(sentence), SIZE))


def _decoded(content: bytes, charset: str = "") -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16"
    elif b"\0" in content[:LONGEST]:
        raise DocumentError("it is no text: it has zero bytes")
    for one in ("utf-8-sig", charset or "cp1252"):
        try:
            return content.decode(one)
        except (UnicodeError, LookupError):
            continue
    return content.decode("cp1252", "replace")


def read_text(content: bytes) -> list[Section]:
    """The section of a plain text, whose paragraphs are separated by blank lines."""
    outline = _Outline()
    for paragraph in _BLANK.split(_decoded(content).replace("\r\n", "\n")):
        outline.paragraph(paragraph)
    return outline.sections


def read_markdown(content: bytes) -> list[Section]:
    """The sections of a CommonMark text with tables, without front matter and HTML."""
    from markdown_it import MarkdownIt

    text = _FRONT.sub("", _decoded(content).replace("\r\n", "\n"))
    if len(text) > LONGEST:
        raise DocumentError(f"it has more than {LONGEST} characters of text")
    outline, level = _Outline(), 0
    row: list[str] | None = None
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
            case "tr_open":
                row = []
            case "tr_close":
                outline.paragraph(", ".join(filter(None, row or ())))
                row = None
            case "inline":
                said = "".join(_WRITTEN.get(one.type, "") or one.content for one in token.children or ())
                if row is not None:
                    row.append(said)
                elif level:
                    outline.heading(level, said)
                else:
                    outline.paragraph(said)
                level = 0
            case "fence" | "code_block":
                outline.paragraph(token.content)
    return outline.sections


_WRITTEN = {"softbreak": " ", "hardbreak": " ", "html_inline": " ", "image": " "}
"""Replacements for parts of a line that are no text."""


def read_html(content: bytes) -> list[Section]:
    """The sections of a web page that was saved as HTML."""
    found = _CHARSET.search(content[:4096])
    page = _Page()
    try:
        page.feed(_decoded(content, found[1].decode() if found else ""))
        page.close()
    except AssertionError as error:  # html.parser, about a marked section without a name: b"<![<"
        raise DocumentError(f"it is no HTML: {error}") from None
    page.flush()
    return page.outline.sections


class _Page(HTMLParser):
    """Headings and text of a page, without its scripts, styles and navigation."""

    SKIPPED = frozenset(("script", "style", "template", "noscript", "svg", "math", "nav", "iframe", "object", "select"))
    BLOCKS = frozenset((
        *("p", "div", "li", "ul", "ol", "dl", "dt", "dd", "tr", "table", "section", "article", "main", "header"),
        *("footer", "blockquote", "pre", "figure", "figcaption", "address", "form", "hr", "br", "body", "aside"),
        *("details", "summary", "caption", "title"),
    ))  # fmt: skip
    """Elements that begin and end a paragraph."""
    UNCLOSED = frozenset((
        *("p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "colgroup", "col", "option", "optgroup"),
        *("area", "base", "br", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"),
    ))  # fmt: skip
    """Elements without an end tag, or with one that may be left out: they are not counted as open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = _Outline()
        self._open: list[str] = []
        self._skipped = 0
        self._level = 0
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle the start of an element."""
        if tag in self.BLOCKS or _HEADING.fullmatch(tag):
            self.flush()
        elif tag in ("td", "th") and self._text:
            self._text.append(", ")
        self._level = int(tag[1]) if _HEADING.fullmatch(tag) else self._level
        if tag in self.UNCLOSED:
            return
        if len(self._open) >= DEEPEST:
            raise DocumentError(f"its elements stand more than {DEEPEST} deep within each other")
        self._open.append(tag)
        self._skipped += tag in self.SKIPPED

    def handle_endtag(self, tag: str) -> None:
        """Handle the end of an element, and of all unended elements in it."""
        if tag in self.BLOCKS or _HEADING.fullmatch(tag):
            self.flush()
        if tag in self._open:
            while (last := self._open.pop()) != tag:
                self._skipped -= last in self.SKIPPED
            self._skipped -= tag in self.SKIPPED

    def handle_data(self, data: str) -> None:
        """Add text to the present paragraph or heading."""
        if not self._skipped:
            self._text.append(data)

    def flush(self) -> None:
        """End the present paragraph or heading."""
        text, self._text, level, self._level = "".join(self._text), [], self._level, 0
        if level:
            self.outline.heading(level, text)
        else:
            self.outline.paragraph(text)


_HEADING = re.compile(r"h[1-6]")


def read_pdf(content: bytes) -> list[Section]:
    """The text of a PDF; each page is a section."""
    from pypdf import PdfReader

    pages = PdfReader(io.BytesIO(content)).pages
    if len(pages) > PAGES:
        raise DocumentError(f"it has more than {PAGES} pages")
    outline = _Outline()
    for number, page in enumerate(pages, 1):
        outline.heading(1, f"page {number}")
        for paragraph in _BLANK.split(page.extract_text()):
            outline.paragraph(paragraph)
    if not any(one.paragraphs for one in outline.sections):
        raise DocumentError("it has no text: its pages are pictures, which nobody reads here")
    return outline.sections


READERS: dict[str, Callable[[bytes], list[Section]]] = {
    "md": read_markdown,
    "txt": read_text,
    "pdf": read_pdf,
    "html": read_html,
    "htm": read_html,
}
"""Readers of files, by the ends of their names."""
