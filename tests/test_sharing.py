"""Tests with real phones run on a few workers, beside the others."""

import os
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.sharing import LATER, LONG, SOURCE, Sharing
from tests.source import ROOT, files

UNIT = [f"tests/test_{name}.py::test" for name in "abcde"]
CALLS = [f"tests/interop/test_{name}.py::test" for name in "fg"]
LONGER = f"{LONG[0]}::test"
READING = re.compile(r"^from tests\.source import .*\b(?:nodes|parsed)\b", re.MULTILINE)


class Worker:
    """Does at once what it is given."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.mark.parametrize("collected", [[*UNIT, *CALLS, LONGER], [*CALLS, LONGER, *UNIT]])
def test_some_workers_begin_with_calls_and_the_others_end_with_them(collected: list[str]) -> None:
    config: Any = SimpleNamespace(
        getvalue={"tx": ["2*popen"]}.__getitem__, option=SimpleNamespace(loadscopereorder=False, debug=False), hook=None
    )
    sharing, workers = Sharing(config, phones=1), [Worker("gw1"), Worker("gw0")]
    nodes: list[Any] = list(workers)  # in the order in which they were ready
    for node in nodes:
        sharing.add_node(node)
        sharing.add_node_collection(node, collected)
    sharing.schedule()
    done = 0
    while sharing.has_pending:
        for node in nodes:
            for index in node.given[done : done + 1]:
                sharing.mark_test_complete(node, index)
        done += 1
    second, first = ([collected[index] for index in worker.given] for worker in workers)
    assert first == [LONGER, *CALLS, UNIT[4]], "which has taken what was left when there were no calls"
    assert second == UNIT[:4]


def test_the_others_have_a_lower_priority(pytestconfig: pytest.Config) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        pytest.skip("it is not run by pytest-xdist")
    lower = int(worker.removeprefix("gw")) >= pytestconfig.getoption("phones")
    before = os.getpriority(os.PRIO_PROCESS, os.getppid())
    assert os.getpriority(os.PRIO_PROCESS, 0) == min(19, before + lower * LATER)


def test_every_long_file_is_there() -> None:
    assert all((ROOT / one).exists() for one in LONG)


def test_the_files_that_read_the_source_go_to_one_worker() -> None:
    reading = {path.relative_to(ROOT).as_posix() for path in files("tests") if READING.search(path.read_text())}
    assert reading == set(SOURCE)
    config: Any = SimpleNamespace(getvalue={"tx": ["2*popen"]}.__getitem__, option=SimpleNamespace(debug=False))
    assert len({Sharing(config, phones=1)._split_scope(f"{one}::test") for one in reading}) == 1
