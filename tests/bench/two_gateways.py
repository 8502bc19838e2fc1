"""Do two gateways behind Kamailio hold twice the calls of one?

By their processor: each gateway, with its media process, gets a part of a core and no more (a control group of the
kernel), Kamailio and the callers as much as they need, and `sipgw load` finds out how many calls that holds. Where
control groups cannot be written, or not beside everything else, what one holds is at least a limit that is configured,
which shows that nothing in front of the gateways takes any of it away.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sipgw.tools.load.plan import Level
from sipgw.tools.load.run import LoadPlan, run
from tests.bench.gate import Gate
from tests.interop.kamailio_edge import Edge
from tests.interop.rolling import PARROT
from tests.interop.served import served
from tests.ports import free_ports

EACH = 10
"""Calls of a gateway that are configured."""
PATIENT = Level(turn=60, setup=30, loss=1, gap=60)
"""Only calls that fail break it."""
TURNS = Level(setup=5)
"""In a step so few calls are set up that their 95th percentile is one call."""
FIRST = 40
"""Calls with which the search begins."""
SOON = '[drain]\nlimit = "1s"\n'
GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD = 10_000
"""Microseconds in which a gateway may use its part; the kernel's 100 ms would be heard."""
PART = 0.2
"""Of a core, for each gateway."""
INSIDE = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"')


@contextlib.contextmanager
def behind(gateways: int, more: str, group: Path | None = None) -> Iterator[str]:
    """Where to call so many gateways, each in a control group of its own in `group` if that is given."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ports, parts = [], []
        for number in range(gateways):
            (folder / str(number)).mkdir()
            inside: tuple[str, ...] = ()
            if group:
                parts.append(stack.enter_context(_group(group / f"sipgw-bench-{number}")))
                inside = (*INSIDE, str(parts[-1]))
            one = served(folder / str(number), more, module=PARROT, inside=inside)
            ports.append(stack.enter_context(one).port)
        edge = Edge(folder, [*ports, *(free_ports() for _ in range(2 - gateways))])
        stack.enter_context(edge.running())
        if parts:  # what is done once, for the first call, is not what a call costs
            loaded(str(edge.agent), (4 * gateways,), 2, PATIENT)
        for part in parts:
            (part / "cpu.cfs_quota_us").write_text(str(int(PART * PERIOD)))
        yield str(edge.agent)
        for part in parts:
            (part / "cpu.cfs_quota_us").write_text("-1")


@contextlib.contextmanager
def _group(part: Path) -> Iterator[Path]:
    part.mkdir()
    try:
        (part / "cpu.cfs_period_us").write_text(str(PERIOD))
        yield part
    finally:
        part.rmdir()


def loaded(target: str, steps: Sequence[int], seconds: float, level: Level, rate: float = 5) -> int:
    """The most calls that `sipgw load` finds held."""
    plan = LoadPlan(tuple(steps), seconds, target, rate=rate, workers=1, level=level)
    return asyncio.run(run(plan, "127.0.0.1", lambda step, left: None)).held


def by_limit(gateways: int) -> int:
    """The most calls that so many gateways hold that take `EACH`."""
    most = EACH * gateways
    with behind(gateways, f"[admission]\nmax_calls = {EACH}\n{SOON}") as target:
        return loaded(target, range(most - 2, most + 3), 4, PATIENT)


def by_processor(gateways: int) -> int:
    """The most calls that so many gateways hold that have a part of a core each."""
    steps = [gateways * calls for calls in range(FIRST, 3 * FIRST, 3)]
    with behind(gateways, SOON, GROUPS) as target:
        return loaded(target, steps, 8, TURNS, 5.0 * gateways)


def gates() -> Iterator[Gate]:
    found = [(f"limited to {EACH} each", by_limit(1), by_limit(2))]
    if os.access(GROUPS, os.W_OK):
        found.append((f"with {PART:.0%} of a core each", by_processor(1), by_processor(2)))
    for how, one, two in found:
        met = one > 0 and 1.8 <= two / one <= 2.2
        yield Gate(
            "cluster", f"calls that two gateways hold, {how}, against one", f"{two} against {one}", "2 ± 10 %", met
        )
