"""Do two gateways behind Kamailio hold twice the calls of one?

What one holds is set by its `[admission] max_calls`, not by its CPU: on a machine of two cores that the callers use
too, two gateways have no more of it than one. So this shows that nothing in front of them takes any of it away; how
many calls a core holds is measured by ``sipgw load`` on the machine that it runs on.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sipgw.load.plan import Level
from sipgw.load.run import Plan, run
from tests.bench.gate import Gate
from tests.interop.kamailio_edge import Edge
from tests.interop.rolling import PARROT
from tests.interop.served import free_port, served

EACH = 10
PATIENT = Level(turn=60, setup=30, loss=1, gap=60)
"""Only calls that fail break it."""


def held(gateways: int) -> int:
    """The most calls that so many gateways behind Kamailio hold."""
    most = EACH * gateways
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ports = []
        for number in range(gateways):
            (folder / str(number)).mkdir()
            limit = f'[admission]\nmax_calls = {EACH}\n[drain]\nlimit = "1s"\n'
            ports.append(stack.enter_context(served(folder / str(number), limit, module=PARROT)).port)
        edge = Edge(folder, [*ports, *(free_port() for _ in range(2 - gateways))])
        stack.enter_context(edge.running())
        plan = Plan(
            (most - 2, most - 1, most, most + 1, most + 2), 4.0, str(edge.agent), rate=5, workers=1, level=PATIENT
        )
        return asyncio.run(run(plan, "127.0.0.1", lambda step, left: None)).held


def gates() -> Iterator[Gate]:
    one, two = held(1), held(2)
    name = f"calls that two gateways hold, limited to {EACH} each, against one"
    yield Gate("cluster", name, f"{two} against {one}", "2 ± 10 %", one > 0 and 1.8 <= two / one <= 2.2)
