"""A deploy: both gateways behind Kamailio are drained and started again, one after the other, while people call."""

import contextlib
import signal
import time
from pathlib import Path
from typing import NamedTuple

from tests.interop.kamailio_edge import Edge
from tests.interop.served import served
from tests.interop.sipp_load import Counts, load

PARROT = "tests.interop.parrot"
ROOM = """
[[trunks]]
name = "edge"
mode = "peer"
networks = ["127.0.0.1/32"]
max_calls = 250
"""
"""As in docker/gateway1.toml: while one gateway drains the other has the calls of both."""


class Deployed(NamedTuple):
    """What came of it."""

    counts: Counts
    drained: list[float]
    """Seconds from SIGTERM to the end of each process."""


def deploy(folder: Path, calls: int, rate: float, seconds: float) -> Deployed:
    """Roll both gateways over while `calls` people call, `rate` a second, for `seconds` each."""
    drained = []
    with contextlib.ExitStack() as stack:
        gateways = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            gateways.append(stack.enter_context(served(folder / name, ROOM, module=PARROT)))
        edge = Edge(folder, [one.port for one in gateways])
        stack.enter_context(edge.running())
        callers = stack.enter_context(load(folder / "sipp", edge.port, calls, rate, seconds))
        time.sleep(seconds / 2)
        for gateway in gateways:
            asked = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(300) == 0, "".join(gateway.log)
            drained.append(time.monotonic() - asked)
            stack.enter_context(gateway.next(module=PARROT))
            edge.gives_calls_to(gateway.port)
        return Deployed(callers.counts(), drained)
