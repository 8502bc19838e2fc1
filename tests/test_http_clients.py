"""HTTP clients share the authorities that are trusted: to read them takes 40 ms, in which all calls stand still.

Each also has a bound for what it reads of an answer, and names it where it is created.
"""

import ast
from collections.abc import Iterable, Iterator

from tests.source import files, nodes

CLIENTS = {"AsyncClient", "DefaultAioHttpClient", "DefaultAsyncHttpxClient", "Httpx2AiohttpClient"}
"""How the classes of clients are called, in httpx and in the packages of vendors."""
OTHERS = {"Client", "get", "post", "put", "patch", "delete", "request", "stream", "head", "options"}
"""What else of httpx makes a client, most of it for one request."""


def created(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, set[str]]]:
    """The lines that create a client, and the names of what they give it."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=ast.expr() as of), keywords=given):
                if name in CLIENTS or (name in OTHERS and ast.unparse(of) in ("httpx", "httpx2")):
                    yield node.lineno, {each.arg or "" for each in given}


def untold(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """The lines that create a client without `verify`, which reads the authorities anew."""
    return (line for line, given in created(nodes) if not {"verify", "transport"} & given)


def unbounded(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """The lines that create a client that reads any answer to its end (see `agent.bodies`)."""
    return (line for line, given in created(nodes) if "event_hooks" not in given)


def test_a_client_that_reads_the_authorities_is_found() -> None:
    assert list(untold(ast.walk(ast.parse("httpx2.AsyncClient(timeout=1)\nhttpx2.AsyncClient(verify=tls())")))) == [1]


def test_a_client_without_a_bound_is_found() -> None:
    source = (
        "httpx2.AsyncClient(verify=tls())\nx.DefaultAioHttpClient()\nhttpx2.get(url)\nhttpx.AsyncClient(event_hooks=a)"
    )
    assert list(unbounded(ast.walk(ast.parse(source)))) == [1, 2, 3]


def test_every_http_client_has_the_authorities_that_were_read_once() -> None:
    all_files = files() + files("tests")
    found = [path for path in all_files if "AsyncClient(" in path.read_text(encoding="utf-8")]
    assert found
    assert [f"{path}:{line}" for path in found for line in untold(nodes(path))] == []


def test_every_http_client_of_the_gateway_has_a_bound() -> None:
    assert sum(len(list(created(nodes(path)))) for path in files()) > 5
    assert [f"{path}:{line}" for path in files() for line in unbounded(nodes(path))] == []
