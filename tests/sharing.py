"""Which worker of pytest-xdist gets which file, with ``--dist loadfile``: tests with real phones run beside the others.

Most of them wait for calls in real time, the others compute, so both together take little longer than one of them. But
a real phone suffers where all cores are busy: some workers begin with these files, the others take them when nothing
else is left. These others, and the processes that they start, have a lower priority.
"""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

PACKAGE = "tests/test_package.py"
"""It holds the demo's conversation several times."""
PHONES = ("tests/interop/", PACKAGE)
LONG = (PACKAGE, *(f"tests/interop/test_{name}.py" for name in ("faults", "workers", "calls", "stack", "impaired")))
"""Files that take more than a minute. They come first: begun last, one of them would run on alone."""
SOURCE = (
    "tests/config/test_rules.py",
    *(
        f"tests/test_{name}.py"
        for name in (
            "boundaries", "docstrings", "faults", "http_clients", "imports", "named_modules", "shape",
            "uncounted_bounds", "waiting", "walk",
        )
    ),
)  # fmt: skip
"""Files that read the whole source. One worker runs all of them, so that it is parsed once (`tests/source.py`)."""
LATER = 3
"""What the others add to their niceness: one that computes gets half of the time of one with phones. With a tenth
of it, calls of their own tests did not come about (`tests/browser`)."""


def _number(worker: str) -> int:
    return int(worker.removeprefix("gw"))


def lower(worker: str, phones: int) -> None:
    """Give this process a lower priority if it is one of the others. `worker`: its name, "gw0" for the first one."""
    if _number(worker) >= phones:
        os.nice(LATER)


class Sharing(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Hands the files out in the order of their tests, to `phones` workers those of `PHONES` first, to others last.

    Of `PHONES` the `LONG` ones come first.
    """

    def __init__(self, config: pytest.Config, phones: int) -> None:
        super().__init__(config, Producer("files", enabled=config.option.debug))  # a line for each test, otherwise
        self._phones = phones

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return SOURCE[0] if file in SOURCE else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = _number(node.gateway.id) < self._phones
        files = [one for one in self.workqueue if one.startswith(PHONES) == first] or self.workqueue
        if file := next((one for one in LONG if one in files), next(iter(files), None)):
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
