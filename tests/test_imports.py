"""The folders of the source import each other in one direction, and so do its files; types count, too."""

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.source import ROOT, modules, nodes, parsed

IO = {"asyncio", "socket", "ssl", "time", "os", "random", "threading", "subprocess"}
"""Modules of I/O, clocks and chance, which the cores do without."""
CORES = ("sipgw/sip", "media/dtmf", "media/jitter", "media/rtp", "media/session", "media/g711.py", "media/tones.py")
"""The cores, but for `DRIVERS`. Files and packages whose docstrings say one of `DECLARED` are cores, too."""
DECLARED = ("Sans-IO.", "Sans-IO:", "without input and output")
DRIVERS = {
    f"sipgw/sip/{name}.py"
    for name in (
        "boundaries",
        "connecting",
        "connection",
        "endpoint",
        "handover",
        "leg",
        "media_names",
        "resolver",
        "standalone_request",
        "streams",
        "tls",
    )
} | {"sipgw/sip/transports.py", "agent/hearing/__init__.py"}


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """The modules that a file imports, under TYPE_CHECKING and in functions as well."""
    return frozenset(_imported(path, modules()))


def _imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                yield f"{node.module}.{one.name}" if f"{node.module}.{one.name}" in known else node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def files() -> dict[str, set[str]]:
    known = modules()
    return {name: {one for one in imported(path) if one in known} - {name} for name, path in known.items()}


def folders() -> dict[str, set[str]]:
    """Each directory is a node; a file that stands in `sipgw` itself is one, too."""
    known, graph = modules(), dict[str, set[str]]()

    def folder(name: str) -> str:
        parent = name.rpartition(".")[0]
        return name if known[name].name == "__init__.py" or parent in ("", "sipgw") else parent

    for name, others in files().items():
        graph.setdefault(folder(name), set()).update(folder(other) for other in others)
    return {name: others - {name} for name, others in graph.items()}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Sets of nodes that reach each other: what is left when nodes without imports are taken away again and again,
    and then nodes that nothing imports."""
    left = {name: set(others) for name, others in graph.items()}
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    while top := left.keys() - {other for others in left.values() for other in others}:
        for name in top:
            del left[name]
    return [sorted(left)] if left else []


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a"}}
    assert circles(graph) == [["b", "c"]]


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(files()) == []


def test_no_folders_import_each_other_in_a_circle() -> None:
    assert circles(folders()) == []


def is_core(name: str) -> bool:
    """Whether a file is a core by its place, or because it or its package says so in its docstring."""
    package = (ROOT / name).parent / "__init__.py"
    docs = [ast.get_docstring(parsed(path)) or "" for path in (ROOT / name, package) if path.exists()]
    declared = any(word in doc for doc in docs for word in DECLARED)
    return name not in DRIVERS and (name.startswith(CORES) or declared)


def test_a_core_is_found_by_its_docstring_or_that_of_its_package() -> None:
    assert is_core("agent/ivr/navigator.py") and is_core("agent/providers/stt.py")
    assert is_core("agent/turn_taking/words.py"), "its package declares it"
    assert not is_core("agent/tasks.py")


def test_the_cores_do_no_io_and_have_no_clock_and_no_chance_of_their_own() -> None:
    uses = {
        str(path.relative_to(ROOT)): {one.partition(".")[0] for one in imported(path)} & IO
        for path in modules().values()
    }
    cores = {name for name in uses if is_core(name)}
    assert len(cores) > 120
    assert {name: uses[name] for name in cores if uses[name]} == {}
    assert {name for name in DRIVERS if not uses[name]} == set(), "no driver: take it out of the list"
