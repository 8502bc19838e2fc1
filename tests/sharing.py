"""Which worker of pytest-xdist gets which file, with ``--dist loadfile``: tests with real phones run beside the others.

Most of them wait for calls in real time, the others compute, so both together take little longer than one of them. But
a call with a real phone needs a core: a few workers begin with these files, the others take them when nothing else is
left.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

PHONES = "tests/interop/"


class Sharing(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Hands the files out in the order of their tests, to `phones` workers those of `PHONES` first, to others last."""

    def __init__(self, config: pytest.Config, phones: int) -> None:
        super().__init__(config, Producer("files", enabled=config.option.debug))  # a line for each test, otherwise
        self._phones = phones

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = self.nodes.index(node) < self._phones
        file = next((one for one in self.workqueue if one.startswith(PHONES) == first), None)
        if file:
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
