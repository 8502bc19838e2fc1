"""HTTP clients share the authorities that are trusted: to read them takes 40 ms, in which all calls stand still."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


def untold(tree: ast.AST) -> Iterator[int]:
    """The lines that create a client without `verify`, which reads the authorities anew."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="AsyncClient"), keywords=given):
                if not {"verify", "transport"} & {each.arg for each in given}:
                    yield node.lineno


def test_a_client_that_reads_the_authorities_is_found() -> None:
    assert list(untold(ast.parse("httpx2.AsyncClient(timeout=1)\nhttpx2.AsyncClient(verify=tls())"))) == [1]


def test_every_http_client_has_the_authorities_that_were_read_once() -> None:
    files = (path for top in ("sipgw", "agent", "media", "tests") for path in (ROOT / top).rglob("*.py"))
    texts = {path: text for path in files if "AsyncClient(" in (text := path.read_text(encoding="utf-8"))}
    assert texts
    assert [f"{path}:{line}" for path, text in texts.items() for line in untold(ast.parse(text))] == []
