"""Documents become passages; whatever stands in a file ends in passages or in one sentence."""

import hashlib
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipgw.agents.knowledge import documents, files, reader
from sipgw.agents.knowledge.documents import DocumentError, chunks_of
from sipgw.agents.knowledge.reader import FolderFile, KnowledgeError, listing, read
from tests.agents.knowledge_world import FOLDER
from tests.fakes.pdf import pdf
from tests.waiting import HANG


def passages(name: str, content: str | bytes) -> list[tuple[str, str]]:
    return [tuple(one) for one in chunks_of(name, content.encode() if isinstance(content, str) else content)]  # type: ignore[misc]


def test_markdown() -> None:
    text = """+++
title = "no text"
+++
# Shop
Call *us*, or [write](https://example.com/x "y").
## Hours
| Day | From |
|---|---|
| Monday | nine |

- one
- two `code`
"""
    assert passages("a.md", text) == [
        ("Shop", "Call us, or write."),
        ("Shop › Hours", "Day, From Monday, nine one two code"),
    ]


def test_headings_of_markdown_stand_below_the_last_higher_one() -> None:
    text = "Big\n===\nSmall\n-----\na\n\n### Tiny\nb\n\n# Other\nc"
    assert [heading for heading, _ in passages("a.md", text)] == ["Big › Small", "Big › Small › Tiny", "Other"]


def test_a_saved_web_page() -> None:
    page = """<!doctype html><html><head><meta charset=windows-1252><title>T</title>
<script>var a = "<p>no</p>"</script>
<style>p{}</style></head><body><nav><p>Menu</nav><h1>Prices &amp; <b>more</b></h1>
<p>Caf\xe9 1<p>two<ul><li>three<li>four
</ul><h3>Deep</h3><table><tr><td>x<td>y<tr><td>z</table><div>five<br>six</div></body></html>"""
    assert passages("a.HTML", page.encode("cp1252")) == [
        ("", "T"),
        ("Prices & more", "Café 1 two three four"),
        ("Prices & more › Deep", "x, y z five six"),
    ]


def test_plain_text_of_several_encodings() -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        assert passages("a.txt", "Über\r\nuns\r\n\r\nOrt".encode(encoding)) == [("", "Über uns Ort")]


def test_a_pdf_names_its_pages() -> None:
    assert passages("a.pdf", pdf([["First line.", "Second."], ["On page two."]])) == [
        ("page 1", "First line. Second."),
        ("page 2", "On page two."),
    ]


def test_long_text_is_split_between_sentences_and_nothing_is_lost() -> None:
    sentences = [f"This is sentence number {number} of a long paragraph." for number in range(60)]
    found = [text for _, text in passages("a.txt", " ".join(sentences))]
    assert " ".join(found) == " ".join(sentences)
    assert len(found) > 5 and all(len(one) <= documents.SIZE and one.endswith(".") for one in found)
    assert max(map(len, (text for _, text in passages("a.txt", "x" * 3000)))) == documents.SIZE


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"abc\0def", "zero bytes"),
        ("a.html", b"<div>" * 300, "200 deep"),
        ("a.html", b"<b>" * 100_000, "200 deep"),
        ("a.pdf", pdf([[""]] * 3), "no text"),
        ("a.md", b"# a\n\nb\n\n" * 5001, "5000 passages"),
    ],
)
def test_hostile_documents_end_in_a_sentence(name: str, content: bytes, problem: str) -> None:
    with pytest.raises(DocumentError, match=problem):
        chunks_of(name, content)


def test_there_is_a_bound_on_text_and_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LONGEST", 100)
    monkeypatch.setattr(documents, "PAGES", 2)
    for name in ("a.txt", "a.md", "a.html"):
        with pytest.raises(DocumentError, match="100 characters"):
            chunks_of(name, b"word " * 50)
    with pytest.raises(DocumentError, match="2 pages"):
        chunks_of("a.pdf", pdf([["x"]] * 3))


MARKS = [
    *("<", ">", "</", "<!--", "-->", "<![CDATA[", "<?", "&#x", "&amp", "<h1>", "</h1>", "<p>", "<table><tr><td>"),
    "<script",
    *("<nav>", "</nav>", "#", "# ", "```", "|", "|---|", "\n", "\n\n", "===", "[a](b", "![", "+++\n", "---\n", "\0"),
    "\ud800",
    *("a", "é", "word. ", "\r", "\t", '"', "'", "=", "charset=", "utf-7", "\ufeff"),
]  # fmt: skip
SOUP = st.lists(st.sampled_from(MARKS), max_size=60).map(lambda some: "".join(some).encode("utf-8", "surrogatepass"))


@settings(max_examples=3 * settings().max_examples)
@given(content=st.one_of(SOUP, st.binary(max_size=300)), kind=st.sampled_from(["md", "txt", "html", "htm"]))
def test_no_text_makes_a_parser_raise_anything_else(content: bytes, kind: str) -> None:
    try:
        found = chunks_of(f"a.{kind}", content)
    except DocumentError:
        return
    for heading, text in found:
        assert text and len(text) <= documents.SIZE and len(heading) <= 2 * documents.TITLE
        assert "\0" not in heading + text and (heading + text).encode()


def test_a_marked_section_without_a_name_is_told_as_no_html() -> None:
    """The parser of Python 3.14 reads the text in front of it."""
    try:
        found = chunks_of("a.html", b"<p>text <![<")
    except DocumentError as error:
        assert "no HTML" in str(error)
    else:
        assert [text for _, text in found] == ["text"]


WHOLE = pdf([["First line.", "Second."], ["On page two."]])


def test_a_broken_pdf_is_told_by_the_process_that_reads(tmp_path: Path) -> None:
    """Each byte is changed or cut off somewhere; what pypdf makes of it, the process survives and tells."""
    names = []
    for at in range(0, len(WHOLE), 37):
        for kind, content in (("cut", WHOLE[:at]), ("changed", WHOLE[:at] + b"\xff<<" + WHOLE[at + 3 :])):
            (tmp_path / f"{kind}{at}.pdf").write_bytes(content)
            names.append(f"{kind}{at}.pdf")
    told = dict(read(tmp_path, found(tmp_path, *names), HANG))
    assert sorted(told) == sorted(names)
    assert any(isinstance(one, str) for one in told.values()) and any(isinstance(one, list) for one in told.values())
    assert not any("ended the process" in one for one in told.values() if isinstance(one, str))


def test_a_file_that_takes_too_long_is_given_up_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Here.")
    file = found(tmp_path, "b.txt")
    told = list(read(tmp_path, file, 0.0)) + list(read(tmp_path, file, HANG))
    assert told == [("b.txt", "reading it takes more than 0 s"), ("b.txt", [("", "Here.")])]


@pytest.mark.slow
def test_a_page_that_takes_hours_is_given_up_after_the_others_by_its_time_of_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.html").write_bytes(b"<a " * 1_000_000)  # the square of its length, if Python is not of this year
    (tmp_path / "b.md").write_bytes(b"[" * 4_000_000)
    (tmp_path / "c.html").write_text("<p>Here.")
    (tmp_path / "d.txt").write_text("There.")
    monkeypatch.setattr(reader, "LONG", 1)
    told = list(read(tmp_path, found(tmp_path, "a.html", "b.md", "c.html", "d.txt"), HANG))
    whole = [one for one in told if one[0] != "a.html"]
    assert whole == [("c.html", [("", "Here.")]), ("d.txt", [("", "There.")]), ("b.md", reader.EXHAUSTED)]


def test_what_is_exchanged_after_it_was_listed_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    for name in ("a.txt", "b.txt", "c.txt", "in/d.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("Here.")
    listed = listing(folder).files
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "d.txt").write_text("Here.")
    for name in ("a.txt", "b.txt"):
        (folder / name).unlink()
    (folder / "a.txt").symlink_to(outside / "d.txt")
    os.mkfifo(folder / "b.txt")
    (folder / "c.txt").write_text("Other content.")
    (folder / "in").rename(tmp_path / "away")
    (folder / "in").symlink_to(outside)
    told = dict(read(folder, listed, HANG))
    link = "it cannot be read (ValueError: it is no plain file; links are not followed)"
    assert told == {
        **dict.fromkeys(("a.txt", "b.txt", "in/d.txt"), link),
        "c.txt": "it has just changed: the next reload reads it",
    }


def test_the_process_that_reads_has_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("Here.")
    (tmp_path / "base64.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    child = reader.Child(str(tmp_path))
    try:
        assert child.ask((*found(tmp_path, "a.txt")[0], 10), HANG) == {"chunks": [["", "Here."]]}
        assert b"sk-secret" not in Path(f"/proc/{child._process.pid}/environ").read_bytes()
    finally:
        child.close()


def found(folder: Path, *names: str) -> list[FolderFile]:
    return [FolderFile(name, hashlib.sha256((folder / name).read_bytes()).hexdigest()) for name in names]


def test_a_process_that_takes_in_nothing_is_given_up(tmp_path: Path) -> None:
    """What it is asked is larger than the pipe."""
    child = reader.Child(str(tmp_path))
    try:
        os.kill(child._process.pid, signal.SIGSTOP)
        assert child.ask(["x" * 200_000], 0.2) == "reading it takes more than 0.2 s"
    finally:
        child.close()


def test_a_process_that_dies_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x" * 5000)
    (tmp_path / "b.txt").write_text("Here.")
    monkeypatch.setattr(reader, "ANSWER", 1000)  # its answer to the first is beyond what it may say
    assert list(read(tmp_path, found(tmp_path, "a.txt", "b.txt"), HANG)) == [
        ("a.txt", "reading it ended the process that reads"), ("b.txt", [("", "Here.")]),
    ]  # fmt: skip


def test_a_folder_is_listed_without_what_leads_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 1 << 20)
    folder = tmp_path / "docs"
    (folder / "in" / ".hidden").mkdir(parents=True)
    (folder / "in" / "a.MD").write_text("# A")
    (folder / "in" / ".hidden" / "b.md").write_text("# B")
    (folder / "c.py").write_text("no document")
    (folder / "large.txt").write_bytes(b"x" * (1 << 20) + b"y")
    (folder / "link.txt").symlink_to("/etc/passwd")
    (folder / "all").symlink_to("/etc")
    there = listing(folder)
    assert [one.name for one in there.files] == ["in/a.MD"]
    assert there.problems == [
        "large.txt: it is larger than 1 MB",
        "link.txt: it is no plain file; links are not followed",
    ]
    with pytest.raises(KnowledgeError, match="no folder"):
        listing(tmp_path / "nowhere")
    monkeypatch.setattr(reader, "FILES", 1)
    few = listing(folder)
    assert [one.name for one in few.files] == ["in/a.MD"] and "2 files of" in few.problems[0]


def test_a_folder_without_documents_is_told(tmp_path: Path) -> None:
    (tmp_path / "prices.docx").write_text("no document that is read")
    there = listing(tmp_path)
    assert there.files == []
    (problem,) = there.problems
    assert f"no documents in {tmp_path}" in problem and "pdf" in problem


def test_the_folder_of_the_tests_is_read_whole() -> None:
    there = listing(FOLDER)
    told = dict(read(FOLDER, there.files, HANG))
    assert not there.problems and not [one for one in told.values() if isinstance(one, str)]
    assert {name.rpartition(".")[2] for name in told} == {"md", "txt", "pdf", "html"}
