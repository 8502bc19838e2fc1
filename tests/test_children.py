"""Processes that the gateway starts take our modules and Python's, not files of the folder in which it runs.

A file of tools may have any name: `agent.py`, `calendar.py`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import ran

ROOT = Path(__file__).parent.parent
DECOYS = ("agent", "media", "sipgw", "asyncio", "calendar", "json", "numpy", "random", "socket", "struct")


def commands() -> Iterator[tuple[str, list[ast.expr]]]:
    """Each sequence of words in our packages that has `-m`, and where it stands."""
    for path in sorted(path for top in ("sipgw", "media", "agent") for path in (ROOT / top).rglob("*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if '"-m"' in text else ():  # to parse all of them took a second a worker
            if not isinstance(node, ast.expr):
                continue
            words = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
            if any(isinstance(word, ast.Constant) and word.value == "-m" for word in words):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", words


COMMANDS = dict(commands())


@pytest.mark.parametrize("place", COMMANDS)
def test_a_process_is_started_without_the_working_directory_in_its_path(place: str, tmp_path: Path) -> None:
    for name in DECOYS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the file {name}.py of the user was imported')\n")
    words = [str(word.value) for word in COMMANDS[place] if isinstance(word, ast.Constant)]
    module = words[words.index("-m") + 1] if len(words) > words.index("-m") + 1 else "sipgw.tools.load.worker"
    command = [sys.executable, *words[: words.index("-m")], "-m", module]
    # Without its arguments it ends at once.
    done = ran(command, tmp_path)
    assert "of the user was imported" not in done.stderr
    assert f"No module named {module}" not in done.stderr


STARTS = ("create_subprocess_exec", "Popen")


def starts() -> Iterator[tuple[str, set[str | None]]]:
    """Where our packages start a process, and the names of the arguments."""
    for path in sorted(path for top in ("sipgw", "media", "agent") for path in (ROOT / top).rglob("*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if any(f"{name}(" in text for name in STARTS) else ():
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in STARTS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", {one.arg for one in node.keywords}


def test_ctrl_c_goes_to_the_gateway_alone() -> None:
    """A terminal sends it to all processes of a group. Those that are being started would end with a traceback.

    A group of their own is not enough: after ``stty tostop`` the terminal stops what is in another group of its session
    and writes an error there.
    """
    found = dict(starts())
    assert len(found) >= 9
    assert [place for place, names in found.items() if "start_new_session" not in names] == []


def test_all_of_them_were_found() -> None:
    assert len(COMMANDS) >= 7
