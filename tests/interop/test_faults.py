"""Whatever dies or stands still under load: only calls on a dead process are lost, and nothing is forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.faults import ANSWERED, CALLS, FAULTS, LATER, RINGING, Fault, suffered
from tests.interop.stack import Stack, stack

pytestmark = pytest.mark.programs("kamailio", "postgresql", "redis", "sipp")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("stack")) as one:
        yield one


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_callers_notice(running: Stack, tmp_path: Path, fault: Fault) -> None:
    noticed = suffered(running, tmp_path, fault)
    counts, lost = noticed.counts, noticed.lost
    print(f"\n{fault}: {noticed}")
    assert (counts.good, counts.bad) == (CALLS - len(lost), len(lost)), counts.log
    assert lost <= (noticed.had if fault.costs else set()), "only calls of the dead process"
    rang = noticed.endings(lost & counts.noticed)
    assert all(any(fault.costs in one for one in ending) for ending in rang), "it stands on record"
    assert all("caller_hung_up: caller: BYE" in ending for ending in noticed.endings(counts.well)), "no record is lost"
    if fault.part == "media process":
        assert counts.told == lost, "a BYE is sent where possible"
    assert noticed.rang[ANSWERED] == noticed.rang[LATER] == 1, "nobody is forgotten or called twice"
    assert noticed.rang[RINGING] in ((1, 2) if fault.costs else (1,)), "who was not reached is called again"
    unsent = len(noticed.out) - sum(noticed.rang)
    failed = [one for one in noticed.out if fault.costs and fault.costs in one["cause"]]
    assert 0 <= unsent <= len(failed), "a record each, also of a call that ended before its INVITE was sent"
