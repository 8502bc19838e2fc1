"""HTTP clients share the authorities that are trusted: to read them takes 40 ms, in which all calls stand still.

Each also has a bound for what it reads of an answer, and names it where it is created.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


CLIENTS = {"AsyncClient", "DefaultAioHttpClient", "DefaultAsyncHttpxClient", "Httpx2AiohttpClient"}
"""How the classes of clients are called, in httpx and in the packages of vendors."""
OTHERS = {"Client", "get", "post", "put", "patch", "delete", "request", "stream", "head", "options"}
"""What else of httpx makes a client, most of it for one request."""


def created(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """The lines that create a client, and the names of what they give it."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=ast.expr() as of), keywords=given):
                if name in CLIENTS or (name in OTHERS and ast.unparse(of) in ("httpx", "httpx2")):
                    yield node.lineno, {each.arg or "" for each in given}


def untold(tree: ast.AST) -> Iterator[int]:
    """The lines that create a client without `verify`, which reads the authorities anew."""
    return (line for line, given in created(tree) if not {"verify", "transport"} & given)


def unbounded(tree: ast.AST) -> Iterator[int]:
    """The lines that create a client that reads any answer to its end (see `agent.bodies`)."""
    return (line for line, given in created(tree) if "event_hooks" not in given)


def test_a_client_that_reads_the_authorities_is_found() -> None:
    assert list(untold(ast.parse("httpx2.AsyncClient(timeout=1)\nhttpx2.AsyncClient(verify=tls())"))) == [1]


def test_a_client_without_a_bound_is_found() -> None:
    source = (
        "httpx2.AsyncClient(verify=tls())\nx.DefaultAioHttpClient()\nhttpx2.get(url)\nhttpx.AsyncClient(event_hooks=a)"
    )
    assert list(unbounded(ast.parse(source))) == [1, 2, 3]


def test_every_http_client_has_the_authorities_that_were_read_once() -> None:
    files = (path for top in ("sipgw", "agent", "media", "tests") for path in (ROOT / top).rglob("*.py"))
    texts = {path: text for path in files if "AsyncClient(" in (text := path.read_text(encoding="utf-8"))}
    assert texts
    assert [f"{path}:{line}" for path, text in texts.items() for line in untold(ast.parse(text))] == []


def test_every_http_client_of_the_gateway_has_a_bound() -> None:
    files = [path for top in ("sipgw", "agent", "media") for path in (ROOT / top).rglob("*.py")]
    found = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    assert sum(len(list(created(tree))) for tree in found.values()) > 5
    assert [f"{path}:{line}" for path, tree in found.items() for line in unbounded(tree)] == []
