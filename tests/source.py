"""The source of the project, read and parsed once in a process, for tests that read how it is written.

`tests/sharing.py` gives the files of these tests to one worker: each other one would parse all of it again.
"""

import ast
import functools
import gc
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOPS = ("sipgw", "media", "agent")
"""The folders of the product."""


@functools.cache
def files(*tops: str) -> tuple[Path, ...]:
    """The files of these folders in the order of their names; without a name, those of the product."""
    return tuple(path for top in tops or TOPS for path in sorted((ROOT / top).rglob("*.py")))


@functools.cache
def modules() -> dict[str, Path]:
    """All modules of the product by their dotted names."""
    found = {}
    for path in files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The tree of a file. The garbage collector never visits it: to look at all trees takes it longer than to parse."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file, as `ast.walk` finds them."""
    return tuple(ast.walk(parsed(path)))
