# mypy: disable-error-code="call-arg"
"""The walk of an INVITE to the conversation, as docs/architecture.md tells it, is the one that a call takes."""

import ast
import asyncio
import re
import sys
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import pytest

from sipgw.calls.agent_setup import AgentSetup
from sipgw.sip.events import Confirmed, Ended
from tests.calls.test_same_call_id import Caller, world
from tests.source import ROOT, files, nodes, parsed
from tests.waiting import HANG

FILES, CLIMBS = 12, 3
"""So many files are read at most to understand a call, and so often the walk climbs back up by a callback."""


class Step(NamedTuple):
    """A line of the table."""

    number: str
    after: str
    by: str
    file: str
    function: str


def steps() -> list[Step]:
    """The table of the page."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^### The walk of an INVITE\n(.*?)^## ", page, re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^\| \d.*", table, re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]
    return [Step(*row[:2], row[2].replace("`", ""), *row[3:5]) for row in rows]


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def imports(file: str) -> set[str]:
    """The files that a file imports something of."""
    modules = {node.module for node in nodes(ROOT / file) if isinstance(node, ast.ImportFrom) and node.module}
    return {f"{module.replace('.', '/')}.py" for module in modules}


def names(file: str) -> set[str]:
    """All names and attributes that a file uses."""
    used = {node.attr for node in nodes(ROOT / file) if isinstance(node, ast.Attribute)}
    return used | {node.id for node in nodes(ROOT / file) if isinstance(node, ast.Name)}


def methods(file: str, kind: str) -> set[str]:
    """The methods of a class, those of its base classes in the same file included."""
    body = parsed(ROOT / file).body
    (node,) = (one for one in body if isinstance(one, ast.ClassDef) and one.name == kind)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    here = {one.name for one in body if isinstance(one, ast.ClassDef)}
    own = {one.name for one in node.body if isinstance(one, FUNCTIONS)}
    return own.union(*(methods(file, base) for base in bases if base in here))


def test_each_step_is_reached_by_what_the_page_says() -> None:
    """A file that does not import the next one calls it back, or by an interface."""
    walk = {step.number: step for step in steps()}
    for step in (one for one in walk.values() if one.after):
        before = walk[step.after]
        kind, _, name = step.by.partition(" ")
        assert (kind == "import") is (step.file in imports(before.file)), f"{before.file}, {step.file}"
        if kind == "callback":
            assert name in names(before.file)
        elif kind == "interface":
            name, _, other = name.partition(" from ")
            assert step.function.rpartition(".")[2] in methods(other or before.file, name)


def on_page() -> set[str]:
    """All files that the section names."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("### The walk of an INVITE\n")[2]
    return set(re.findall(r"`(sipgw/[\w/]+\.py)`", page.partition("\n## ")[0]))


def test_each_file_of_calls_that_a_session_uses_is_on_the_page() -> None:
    used = {file for file in imports("sipgw/calls/session.py") if file.startswith("sipgw/calls/")}
    assert used <= on_page()


def test_each_file_that_takes_a_leg_is_on_the_page() -> None:
    """Else the walk could go on through files that the table does not count."""
    ours = [str(path.relative_to(ROOT)) for path in files("sipgw")]
    taking = {one for one in ours if "sipgw/sip/leg.py" in imports(one) and not one.startswith("sipgw/tools/")}
    assert len(taking) > 10
    assert taking <= on_page()


def test_the_walk_is_short() -> None:
    walk = steps()
    assert len({step.file for step in walk}) <= FILES
    assert sum(step.by.startswith("callback") for step in walk) <= CLIMBS


class Called(NamedTuple):
    """A function that was called."""

    file: str
    name: str

    def is_of(self, step: Step) -> bool:
        """Whether it is the one of `step`, or inside it."""
        return self.file == step.file and f"{self.name}.".startswith(f"{step.function}.")


SOURCE = tuple(f"{ROOT / top}/" for top in ("sipgw", "media", "agent"))


class Walker:
    """Notes the stack at the first call of each function. A task continues the stack on which it was created."""

    def __init__(self) -> None:
        self.stacks: dict[Called, tuple[Called, ...]] = {}
        """In the order of the calls."""
        self._tasks: dict[Any, tuple[Called, ...]] = {}
        self._seen: set[CodeType] = set()

    def create_task(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        """A task factory."""
        task = asyncio.Task(work, loop=loop, **more)
        self._tasks[task] = self._stack(sys._getframe())
        return task

    def follow(self, frame: FrameType, event: str, _: object) -> None:
        """For `sys.setprofile`."""
        code = frame.f_code
        if event == "call" and code not in self._seen and code.co_filename.startswith(SOURCE):
            self._seen.add(code)
            stack = self._stack(frame)
            self.stacks.setdefault(stack[-1], stack)

    def _stack(self, frame: FrameType | None) -> tuple[Called, ...]:
        found = []
        while frame is not None:
            code = frame.f_code
            if code.co_filename.startswith(SOURCE):
                found.append(Called(code.co_filename.removeprefix(f"{ROOT}/"), code.co_qualname))
            frame = frame.f_back
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs
            task = None
        return (*self._tasks.get(task, ()), *reversed(found))


async def walked(folder: Path) -> Walker:
    """Hold one call with a gateway, until the conversation runs."""
    walker = Walker()
    async with world(folder) as (gateway, phone):
        asyncio.get_running_loop().set_task_factory(walker.create_task)
        before = sys.getprofile()
        sys.setprofile(walker.follow)
        try:
            caller = Caller(phone, "1001", gateway)
            await caller.until(Confirmed)
            async with asyncio.timeout(HANG):
                while not any(one.is_of(steps()[-1]) for one in walker.stacks):
                    await asyncio.sleep(0.01)
        finally:
            sys.setprofile(before)
        caller.leg.hangup()
        await caller.until(Ended)
    return walker


def paths(walker: Walker) -> dict[str, list[str]]:
    """The files on the stack of each step since step 1, by its number; none if its stack does not begin there."""
    first, found = steps()[0], dict[str, list[str]]()
    for step in steps():
        stack = next((stack for one, stack in walker.stacks.items() if one.is_of(step)), ())
        begin = next((number for number, one in enumerate(stack) if one.is_of(first)), len(stack))
        found[step.number] = [file for file, _ in groupby(one.file for one in stack[begin:])]
    return found


def strangers(walker: Walker) -> set[str]:
    """The files that control passes, and that are not in the table."""
    return {file for path in paths(walker).values() for file in path} - {step.file for step in steps()}


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Walker:
    return asyncio.run(walked(tmp_path_factory.mktemp("walk")))


def test_a_call_takes_the_walk_of_the_page(walker: Walker) -> None:
    taken, walk = paths(walker), {step.number: step for step in steps()}
    assert strangers(walker) == set()
    for step in walk.values():
        assert taken[step.number], f"step {step.number} is not called by step 1"
        if step.after:
            assert taken[step.number][-2:] == [walk[step.after].file, step.file], f"step {step.number}"


def test_the_steps_begin_in_the_order_of_the_page(walker: Walker) -> None:
    order = [next(number for number, one in enumerate(walker.stacks) if one.is_of(step)) for step in steps()]
    assert order == sorted(order)


def test_each_file_that_a_step_calls_is_on_the_page(walker: Walker) -> None:
    """That is, of the packages in which a call is decided; values, options and the record of calls need no mention."""
    walk, called = steps(), set()
    for stack in walker.stacks.values():
        files = [file for file, _ in groupby(one.file for one in stack)]
        if any(one.is_of(walk[3]) for one in stack) and files[-2] in {step.file for step in walk}:
            called.add(files[-1])
    packages = ("sipgw/calls/", "sipgw/agents/", "sipgw/policy/", "sipgw/trunks/")
    assert {file for file in called if file.startswith(packages)} - on_page() == set()


def test_a_file_put_in_between_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def talk(self, *given):\n    return before(self, *given)"
    hop: dict[str, Any] = {"before": AgentSetup.talk}
    exec(compile(source, str(ROOT / "sipgw/agents/hop.py"), "exec"), hop)  # noqa: S102  a file that is not there
    monkeypatch.setattr(AgentSetup, "talk", hop["talk"])
    assert strangers(asyncio.run(walked(tmp_path))) == {"sipgw/agents/hop.py"}
