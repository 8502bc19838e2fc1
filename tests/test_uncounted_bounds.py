"""Each bound has a counter: code that throws away because something is full counts that in the same function, or uses
`agent.bounds.BoundedTable`. This test reads the source, so that a bound without a counter cannot be written again.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.bounds import FULL, BoundedTable
from sipgw.bounds import WHAT
from tests.source import ROOT, files, nodes, parsed
from tests.test_bounds import BOUNDS

FILES = [
    path for path in files("sipgw", "agent") if ROOT / "sipgw" / "tools" not in path.parents
]  # no part of the gateway
TABLES = ("BoundedTable", "Places")
NOT_COUNTED = {
    "agent/forms/form.py:take": "the oldest answers of a form, by the number of its own fields",
    "agent/providers/local/host.py:put": "the session ends with an error, which the call's record has",
    "agent/providers/openai_listen.py:_final": "they are told",
    "sipgw/calls/amd.py:_listen_for_screen": "nothing is dropped: the sentence is judged without a comparison",
    "sipgw/calls/negotiation.py:early": "the first of many offers before an answer: the last counts",
    "sipgw/calls/registry.py:remember": "identities of calls long over: a later call with one has its own record",
    "sipgw/records/artifacts/artifact.py:just_ended": "by time, not by number",
    "sipgw/records/artifacts/audio_redactor.py:_cover": "nothing is dropped: it is covered after the call",
    "sipgw/web/feed.py:close": "what is left is of no use: the feed ends",
    "sipgw/sip/media_names.py:_keep": "names of the media of one call, which are looked up again",
}
"""Functions that only look like this, and why."""


def is_drop(node: ast.AST) -> bool:
    """Whether something is thrown away here, or left out, because a table or a queue is full."""
    match node:
        case ast.Call(func=ast.Attribute(attr="popitem"), keywords=[ast.keyword(arg="last")]):
            return True
        case (
            ast.Call(func=ast.Attribute(attr="pop"), args=[first, *_])
            | ast.Delete(targets=[ast.Subscript(slice=first)])
        ):
            return ast.unparse(first).startswith("next(iter(")
        case ast.Call(func=ast.Attribute(attr="full"), args=[]) | ast.Attribute(attr="QueueFull"):
            return True
        case ast.Compare(left=ast.Call(func=ast.Attribute(attr="qsize"))):
            return True
    return False


def counts(node: ast.AST) -> bool:
    """Whether something is counted here: in `FULL`, or in what `Endpoint.counts` shows."""
    match node:
        case ast.Subscript(value=ast.Name(id="FULL") | ast.Attribute(attr="counts" | "_counts")):
            return True
        case ast.AugAssign(target=ast.Attribute(attr="forgotten" | "full")):
            return True
    return False


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a module and the methods of its classes; functions within them are a part of them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node)


def uncounted(path: Path) -> list[str]:
    """Functions that throw away without counting."""
    return [
        f"{path.relative_to(ROOT)}:{one.name}"
        for one in functions(parsed(path))
        if any(map(is_drop, ast.walk(one))) and not any(map(counts, ast.walk(one)))
    ]


def test_what_is_thrown_away_for_want_of_room_is_counted() -> None:
    assert sorted(one for path in FILES for one in uncounted(path)) == sorted(NOT_COUNTED)


@pytest.mark.parametrize(
    "body",
    [
        "self.table.popitem(last=False)",
        "del self.table[next(iter(self.table))]",
        "self.table.pop(next(iter(self.table)))",
        "if self.queue.qsize() < 10: self.queue.put_nowait(x)",
        "if not self.queue.full(): self.queue.put_nowait(x)",
        "with contextlib.suppress(asyncio.QueueFull): self.queue.put_nowait(x)",
    ],
)
def test_each_way_to_throw_away_is_seen(body: str) -> None:
    tree = ast.parse(f"def keep(self, x):\n    {body}")
    assert any(map(is_drop, ast.walk(tree))) and not any(map(counts, ast.walk(tree)))
    assert any(map(counts, ast.walk(ast.parse("FULL['x'] += 1"))))
    assert any(map(counts, ast.walk(ast.parse("self._counts['x'] += 1"))))


def test_a_bounded_table_drops_the_oldest_and_counts() -> None:
    before, table = FULL["prices"], BoundedTable[int, str]("prices", 3)
    for number in range(5):
        table[number] = "x"
    table[2] = "again"
    assert list(table) == [2, 3, 4]
    assert FULL["prices"] == before + 2


def test_every_counter_of_what_is_full_is_filled_by_a_test_and_documented() -> None:
    filled, docs = {bound.counter for bound in BOUNDS}, (ROOT / "docs" / "metrics.md").read_text()
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "FULL" and path.name != "bounds.py":
                assert isinstance(node.slice, ast.Constant), f"{path}: never what came"
                assert node.slice.value in filled, path
                assert node.slice.value in WHAT
                assert f"`{node.slice.value}`" in docs


def test_every_bounded_table_has_a_counter_that_is_shown_and_documented() -> None:
    docs, names = (ROOT / "docs" / "metrics.md").read_text(), set[str]()
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(TABLES):
                name = node.args[0]
                assert isinstance(name, ast.Constant) and name.value in WHAT, path
                assert f"`{name.value}`" in docs
                names.add(str(name.value))
    assert len(names) >= 10
